"""The student's network. Its first layer is a sum of a query, a Pin and a pair part.

```
query numbers, categories ─► query half (hidden + factors) ─┐
Pin numbers, categories   ─► Pin half   (hidden + factors) ─┼─► ReLU ─► … ─► 5 logits
pair numbers ──────────────► linear ────────────────────────┘
```
The halves depend on one side only: the Pin's can be computed when a Pin is indexed, the query's
once a request. Products of query and Pin, which a sum of halves cannot express and a small network
learns slowly, enter as `factors`: projections of both search embeddings multiplied coordinate by
coordinate, which start as a random sketch of their dot product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from relevance.grades import FIVE

N_GRADES = len(FIVE.levels)
_START = 0.1


@dataclass(frozen=True, slots=True)
class StudentShape:
    """The dimensions of a student.

    Attributes:
        query_numbers: Width of the query's number matrix.
        pin_numbers: Width of the Pin's.
        pair_numbers: Width of the pair's.
        query_categories: Size of each vocabulary of the query, the unknown not counted.
        pin_categories: The same of the Pin.
        query_search: First and past-last column of the search embedding among the query's numbers.
        pin_search: The same among the Pin's numbers; of equal width, or both empty.
        hidden: Widths of the hidden layers, the first being that of the halves; at least one.
        factors: Products of projected search embeddings; 0 without such embeddings.
        category_size: Dimensions of a category's embedding.
        dropout: Probability of dropping a hidden unit while training.
        input_dropout: Probability of dropping a coordinate of a half's input while training.
    """

    query_numbers: int
    pin_numbers: int
    pair_numbers: int
    query_categories: tuple[int, ...]
    pin_categories: tuple[int, ...]
    query_search: tuple[int, int]
    pin_search: tuple[int, int]
    hidden: tuple[int, ...]
    factors: int
    category_size: int
    dropout: float
    input_dropout: float


class Half(nn.Module):
    """What one side adds to the first layer, and its factors: (n, hidden + factors)."""

    def __init__(
        self,
        numbers: int,
        categories: tuple[int, ...],
        search: tuple[int, int],
        shape: StudentShape,
    ) -> None:
        super().__init__()
        self.search = slice(*search)
        self.thin = nn.Dropout(shape.input_dropout)
        self.tables = nn.ModuleList(nn.Embedding(n + 1, shape.category_size) for n in categories)
        width = numbers + len(categories) * shape.category_size
        self.linear = nn.Linear(width, shape.hidden[0], bias=False)
        with torch.no_grad():
            # the pair's few numbers speak first: vectors of few queries are soon learnt by heart
            self.linear.weight.mul_(_START)
        self.project = None
        if shape.factors:
            self.project = nn.Linear(search[1] - search[0], shape.factors, bias=False)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """(n, numbers), (n, categories) → (n, hidden + factors)."""
        embedded = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        half: Tensor = self.linear(self.thin(torch.cat([numbers, *embedded], dim=1)))
        if self.project is None:
            return half
        return torch.cat([half, self.project(numbers[:, self.search])], dim=1)


class Student(nn.Module):
    """Five logits of a query–Pin pair."""

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.shape = shape
        self.query = Half(shape.query_numbers, shape.query_categories, shape.query_search, shape)
        self.pin = Half(shape.pin_numbers, shape.pin_categories, shape.pin_search, shape)
        if self.query.project is not None and self.pin.project is not None:
            # equal projections: the products start as a sketch of the dot product
            self.pin.project.load_state_dict(self.query.project.state_dict())
        self.pair = nn.Linear(shape.pair_numbers + shape.factors, shape.hidden[0])
        layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(shape.dropout)]
        for before, after in zip(shape.hidden, shape.hidden[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(shape.dropout)]
        layers.append(nn.Linear(shape.hidden[-1], N_GRADES))
        self.head = nn.Sequential(*layers)

    def join(self, query_half: Tensor, pin_half: Tensor, pair_numbers: Tensor) -> Tensor:
        """Halves (n, hidden + factors; one row of the query's serves all) → logits (n, 5)."""
        hidden = self.shape.hidden[0]
        products = query_half[:, hidden:] * pin_half[:, hidden:]
        pair = self.pair(torch.cat([pair_numbers, products], dim=1))
        logits: Tensor = self.head(query_half[:, :hidden] + pin_half[:, :hidden] + pair)
        return logits

    def forward(
        self,
        query_numbers: Tensor,
        query_categories: Tensor,
        pin_numbers: Tensor,
        pin_categories: Tensor,
        pair_numbers: Tensor,
    ) -> Tensor:
        """A row a pair in each → logits (n, 5)."""
        query_half = self.query(query_numbers, query_categories)
        pin_half = self.pin(pin_numbers, pin_categories)
        return self.join(query_half, pin_half, pair_numbers)
