"""The arithmetic of large jobs, and that docs/scale.md shows what it gives."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from relevance.scaleout import pricing, storage
from relevance.scaleout.pricing import Job, Worker, bill, flop_per_pair, markdown, reckoned_rate
from relevance.teacher.bases import Shape

PAGE = Path(__file__).parents[3] / "docs/scale.md"
JOB = Job(
    pairs=36e6,
    hours=1,
    shard_pairs=1000,
    bytes_in=100,
    bytes_out=50,
    start_seconds=0,
)
WORKER = Worker(name="w", pairs_per_second=100, dollars_per_hour=2, model_bytes=1e6, measured=True)


def test_the_page_shows_what_its_code_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    blocks = list(re.finditer(r"```python\n(.*?)```", text, re.DOTALL))
    assert blocks
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block[1], str(PAGE), "exec"), names)
        after = text[block.end() :].lstrip()
        assert after.startswith(printed.getvalue().strip()), printed.getvalue()


@pytest.mark.parametrize("module", [pricing, storage])
def test_examples_in_docstrings(module: object) -> None:
    tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried.attempted
    assert not tried.failed


def test_operations_of_a_pair_by_hand() -> None:
    shape = Shape(layers=2, width=4, heads=2, feed=8, vocabulary=99)
    weights = 2 * (4 * 4 * 4 + 2 * 4 * 8)
    assert flop_per_pair(shape, 10) == 2 * weights * 10 + 4 * 2 * 4 * 10**2
    assert flop_per_pair(shape, 10, spread=2) - flop_per_pair(shape, 10) == 4 * 2 * 4 * 10**2
    shared = replace(shape, key_heads=1)  # keys and values of half the width
    assert flop_per_pair(shape, 10) - flop_per_pair(shared, 10) == 2 * 2 * 10 * (2 * 4 * 2)
    gated = replace(shape, gated=True)  # a third matrix
    assert flop_per_pair(gated, 10) - flop_per_pair(shape, 10) == 2 * 2 * 10 * 4 * 8


def test_operations_agree_with_torch() -> None:
    """An independent count: torch's own, of a BERT of the same shape."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import BertConfig, BertModel

    shape = Shape(layers=3, width=48, heads=4, feed=96, vocabulary=50)
    config = BertConfig(
        vocab_size=50,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.ones((1, 20), dtype=torch.long))
    assert counter.get_total_flops() == flop_per_pair(shape, 20)


def test_a_bill_by_hand() -> None:
    cost = bill(JOB, WORKER)  # 10 s a shard, 5 s lost at the end of 3,600 s
    assert cost.shards == 36_000
    assert cost.shard_seconds == 10
    assert cost.lost == pytest.approx(5 / 3600)
    assert cost.workers == 101  # 100 without that loss
    assert cost.dollars == 202
    assert cost.dollars_per_million == pytest.approx(202 / 36)
    assert cost.read_bytes == 3.6e9 + 101e6
    assert cost.written_bytes == 1.8e9
    assert cost.bits_per_second == pytest.approx(8 * (3.6e9 + 101e6 + 1.8e9) / 3600)


def test_losses_cost_workers() -> None:
    assert bill(replace(JOB, losses_per_hour=1.0), WORKER).lost == pytest.approx(10 / 3600)
    assert bill(replace(JOB, losses_per_hour=60.0), WORKER).workers > bill(JOB, WORKER).workers
    with pytest.raises(ValueError, match="w: nothing gets done"):
        bill(replace(JOB, losses_per_hour=3600.0), WORKER)


def test_a_reckoned_rate_is_marked() -> None:
    rate = reckoned_rate(2e9, peak=100e12, share=0.4)
    assert rate == 20_000
    table = markdown(
        JOB, [WORKER, replace(WORKER, name="g", pairs_per_second=rate, measured=False)]
    )
    assert "| w | measured | 100 | 101 |" in table
    assert "| g | arithmetic | 20,000 | 1 |" in table
