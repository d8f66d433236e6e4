"""The private operations of torch that engines use, checked before use, and their stand-ins.

oneDNN multiplies by a matrix that was put into its own order beforehand, and adds the bias, another
matrix or a GELU in the same pass. torch has no public door to that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch.nn.functional import gelu, linear


class Linear:
    """x ↦ x·weightᵀ + bias, with what follows it in the same pass.

    Args:
        weight: (out, in).
        bias: (out,).
        dtype: What it multiplies in; inputs and outputs have it, too.
        rows: Rows that an input usually has.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, *, dtype: torch.dtype, rows: int
    ) -> None:
        self._bias = bias.detach().to(dtype)
        weight = weight.detach().to(dtype).contiguous()
        self._prepacked = prepacks(dtype)
        self._weight = _reorder(weight, rows) if self._prepacked else weight

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, in) → (rows, out)."""
        if self._prepacked:
            return _pointwise(x, self._weight, self._bias, "none")
        return linear(x, self._weight, self._bias)

    def gelu(self, x: torch.Tensor) -> torch.Tensor:
        """The same, then the exact GELU."""
        if self._prepacked:
            return _pointwise(x, self._weight, self._bias, "gelu")
        return gelu(linear(x, self._weight, self._bias))


@functools.cache
def prepacks(dtype: torch.dtype) -> bool:
    """Whether this torch multiplies by prepacked matrices in `dtype`, and rightly.

    Tried on a small matrix, as private operations change between versions and processors.
    """
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(24, 16, generator=generator).to(dtype) for _ in range(2))
    bias = torch.randn(24, generator=generator).to(dtype)
    try:
        packed = _reorder(weight, len(x))
        found = _pointwise(x, packed, bias, "gelu")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    expected = gelu(linear(x, weight, bias))
    return bool(torch.allclose(found, expected, rtol=0.02, atol=1e-5 + 4 * torch.finfo(dtype).eps))


def _reorder(weight: torch.Tensor, rows: int) -> torch.Tensor:
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)  # noqa: SLF001
    return packed


def _pointwise(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, after: str
) -> torch.Tensor:
    how = "none" if after == "gelu" else ""
    multiply: Callable[..., torch.Tensor] = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
    return multiply(x, weight, bias, after, [], how)
