"""Which precision a job is labelled in: a fast one only where a sample of its own pairs allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from relevance.errors import ModelError
from relevance.teacher.encode import Encoded
from relevance.teacher.engines import Engine, drift, gate, open_engine
from relevance.teacher.labelling.config import LabelConfig
from relevance.teacher.labelling.planning import Plan
from relevance.teacher.labelling.shards import distinct_texts
from relevance.teacher.model import LoadedTeacher
from relevance.teacher.predict import Floats, softmax

EXACT = ("torch", "fp32")
FEWEST, MOST = 256, 1024
"""Bounds of the sample: a twenty-fifth of the job's distinct pairs between them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine and why it is this one.

    Attributes:
        engine: Opened, in the precision that the job is done in.
        drift: How far it is from fp32 on the sample (`relevance.teacher.engines.Drift`); empty
            where it is fp32 itself.
        note: Why it is not what was asked for; empty if it is.
    """

    engine: Engine
    drift: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def choose_engine(teacher: LoadedTeacher, plan: Plan, config: LabelConfig) -> Choice:
    """The engine asked for in the precision asked for, if it passes the gate; else the next best.

    Tried in this order: as asked; the same engine in fp32; torch in fp32, which is exact. A job of
    fewer distinct pairs than the sample would take is done in fp32 unless a precision is asked for.

    Raises:
        ModelError: Even the exact engine gives no finite probabilities.
    """
    if config.precision == "auto" and plan.distinct <= FEWEST:
        config = dataclasses.replace(config, precision="fp32")
    encoded = sample(teacher, plan)
    exact: Floats | None = None
    notes: list[str] = []
    wanted = dict.fromkeys([(config.engine, config.precision), (config.engine, "fp32"), EXACT])
    for name, precision in wanted:
        engine = open_engine(name, teacher, precision=precision, threads=config.threads)
        if (engine.name, engine.precision) == EXACT:
            return Choice(engine, note="; ".join(notes))
        if exact is None:
            exact = _probabilities(teacher, encoded, config, EXACT)
        found = drift(exact, _scored(teacher, engine, encoded, config))
        reason = gate(found)
        if reason is None:
            return Choice(engine, _rounded(dataclasses.asdict(found)), "; ".join(notes))
        notes.append(f"not {engine.name} in {engine.precision}: {reason}, on {found.n} pairs")
    raise ModelError("no engine gives finite probabilities: the teacher's weights are damaged")


def sample(teacher: LoadedTeacher, plan: Plan) -> list[Encoded]:
    """Encoded pairs of the first shards, which hold a random part of the texts: they are hashed."""
    size = min(max(plan.distinct // 25, FEWEST), MOST)
    encoded: list[Encoded] = []
    for number in range(len(plan.shards)):
        texts = distinct_texts(plan.source(number))
        if texts.height:
            at = np.linspace(0, texts.height - 1, min(size - len(encoded), texts.height), dtype=int)
            picked = texts[at.tolist()]
            encoded += teacher.encoder.encode(picked["query"].to_list(), picked["pin"].to_list())
        if len(encoded) >= size:
            break
    return encoded


def _probabilities(
    teacher: LoadedTeacher, encoded: Sequence[Encoded], config: LabelConfig, which: tuple[str, str]
) -> Floats:
    name, precision = which
    engine = open_engine(name, teacher, precision=precision, threads=config.threads)
    return _scored(teacher, engine, encoded, config)


def _scored(
    teacher: LoadedTeacher, engine: Engine, encoded: Sequence[Encoded], config: LabelConfig
) -> Floats:
    logits = engine.logits(encoded, batch_tokens=config.batch_tokens)
    return softmax(logits, teacher.settings.temperature)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in figures.items()}
