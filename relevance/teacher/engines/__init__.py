"""Engines: what multiplies the matrices when a trained teacher labels pairs.

Every engine gives the same logits but for rounding, whatever the order of the pairs and the size of
the batches; `drift` says how far a fast one is from the exact one and whether that is too far.
"""

from relevance.teacher.engines.base import Engine
from relevance.teacher.engines.drift import Drift, drift, gate
from relevance.teacher.engines.registry import ENGINES, open_engine

__all__ = ["ENGINES", "Drift", "Engine", "drift", "gate", "open_engine"]
