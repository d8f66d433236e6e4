"""A labelling job in a process of its own: child.py FOLDER OUT SECONDS_A_PAIR SHARD_PAIRS.

Tables and model are in FOLDER. Prints "begun" when the job begins and its peak memory at the end.
"""

from __future__ import annotations

import importlib.util
import resource
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("stub", Path(__file__).with_name("stub.py"))
stub = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stub)


def main(folder: Path, out: Path, seconds: float, shard_pairs: int) -> None:
    from relevance.teacher.labelling import LabelConfig, label_files

    stub.install(setattr, stub.StubEngine(seconds=seconds))
    tables = [folder / f"{name}.parquet" for name in ("pairs", "queries", "pins")]
    config = LabelConfig(shard_pairs=shard_pairs or None, precision="fp32", device="cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("begun", flush=True)
    label_files(*tables, folder / "teacher", out, config=config)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(before // 1024, after // 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
