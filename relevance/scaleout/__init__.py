"""The labelling step on a Ray cluster: the same shards, scored by a pool of workers.

```
labelling.py   a labelling job whose shards are scored by workers; tables, model and labels may be
               on an object store
pool.py        shards over Ray actors: none lost, none twice, whatever is killed
cluster.py     connects to a cluster, or starts one here
storage.py     folders on any file system
pricing.py     what many pairs take: workers, hours, bytes, money
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relevance.scaleout.pool import RayConfig

if TYPE_CHECKING:
    from relevance.scaleout.labelling import label_files_on_ray

__all__ = ["RayConfig", "label_files_on_ray"]


def __getattr__(name: str) -> Any:
    """`label_files_on_ray` when it is asked for: it needs torch, a pool by itself does not."""
    if name == "label_files_on_ray":
        from relevance.scaleout.labelling import label_files_on_ray

        return label_files_on_ray
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
