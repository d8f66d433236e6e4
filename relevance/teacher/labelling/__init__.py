"""Labelling at scale: pairs in Parquet → p1…p5 in Parquet, in shards that survive being killed.

`sources` streams tables, `texts` joins their texts to the pairs, `planning` cuts them into shards
by the hash of the texts, `precision` chooses the engine, `shards` scores one shard, `pipeline`
keeps the engine busy, `job` does all of it and goes on where it was killed, `audit` checks the
result, `pricing` says beforehand what it will cost.
"""

from relevance.teacher.labelling.audit import Audit, verify_labels
from relevance.teacher.labelling.config import MANIFEST, LabelConfig
from relevance.teacher.labelling.job import Run, Work, label_files, label_pairs, run_here
from relevance.teacher.labelling.manifest import (
    Manifest,
    clear_labels,
    read_labels,
    read_manifest,
    scan_labels,
)
from relevance.teacher.labelling.planning import (
    Inputs,
    Plan,
    PlannedShard,
    plan,
    read_plan,
    shard_name,
)
from relevance.teacher.labelling.pricing import Price, price_labels
from relevance.teacher.labelling.shards import Scorer, ShardFacts, open_scorer, score_shard

__all__ = [
    "MANIFEST",
    "Audit",
    "Inputs",
    "LabelConfig",
    "Manifest",
    "Plan",
    "PlannedShard",
    "Price",
    "Run",
    "Scorer",
    "ShardFacts",
    "Work",
    "clear_labels",
    "label_files",
    "label_pairs",
    "open_scorer",
    "plan",
    "price_labels",
    "read_labels",
    "read_manifest",
    "read_plan",
    "run_here",
    "scan_labels",
    "score_shard",
    "shard_name",
    "verify_labels",
]
