"""From query and Pin texts to token ids: the query is never cut by a long Pin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from relevance.errors import ModelError
from relevance.teacher.bases import Base


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair as token ids.

    Attributes:
        ids: Token ids, special tokens included.
        boundary: Tokens that belong to the query's side.
    """

    ids: tuple[int, ...]
    boundary: int

    def __len__(self) -> int:
        return len(self.ids)


class PairEncoder:
    """Turns pairs of texts into token ids, as the base lays them out.

    Args:
        tokenizer: The base's tokenizer.
        base: Special tokens and prefixes.
        max_tokens: Longest input; the Pin is cut to it, and the query only where it alone would
            take more than half.

    Raises:
        ModelError: The tokenizer lacks one of the base's special tokens.
    """

    def __init__(self, tokenizer: Tokenizer, base: Base, max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.base = base
        self.max_tokens = min(max_tokens, base.max_tokens)
        self.opening = self._ids(base.opening)
        self.between = self._ids(base.between)
        self.closing = self._ids(base.closing)
        (self.padding,) = self._ids((base.padding,))

    def encode(self, queries: Sequence[str], pins: Sequence[str]) -> list[Encoded]:
        """The pairs (queries[i], pins[i]) as token ids; each distinct text is tokenised once."""
        query_ids = self._tokenise(queries, self.base.query_prefix)
        pin_ids = self._tokenise(pins, self.base.pin_prefix)
        return [
            self._join(query_ids[query], pin_ids[pin])
            for query, pin in zip(queries, pins, strict=True)
        ]

    def batch(self, pairs: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """The model's inputs for `pairs`, each of shape (pairs, longest)."""
        longest = max(map(len, pairs))
        ids = torch.full((len(pairs), longest), self.padding, dtype=torch.long)
        mask = torch.zeros((len(pairs), longest), dtype=torch.long)
        types = torch.zeros((len(pairs), longest), dtype=torch.long)
        for row, pair in enumerate(pairs):
            ids[row, : len(pair)] = torch.tensor(pair.ids)
            mask[row, : len(pair)] = 1
            types[row, pair.boundary : len(pair)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        return {**inputs, "token_type_ids": types} if self.base.token_types else inputs

    def _join(self, query: list[int], pin: list[int]) -> Encoded:
        room = self.max_tokens - len(self.opening) - len(self.between) - len(self.closing)
        query = query[: max(room - len(pin), room // 2)]
        head = (*self.opening, *query, *self.between)
        return Encoded((*head, *pin[: room - len(query)], *self.closing), len(head))

    def _tokenise(self, texts: Iterable[str], prefix: str) -> dict[str, list[int]]:
        distinct = list(dict.fromkeys(texts))
        encodings = self.tokenizer.encode_batch_fast(
            [prefix + text for text in distinct], add_special_tokens=False
        )
        return {text: one.ids for text, one in zip(distinct, encodings, strict=True)}

    def _ids(self, tokens: Sequence[str]) -> tuple[int, ...]:
        ids: list[int] = []
        for token in tokens:
            number = self.tokenizer.token_to_id(token)
            if number is None:
                raise ModelError(
                    f"the tokenizer of {self.base.name} has no {token!r}: "
                    "its files belong to another model. Reinstall or download it again"
                )
            ids.append(number)
        return tuple(ids)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Raises:
        ModelError: tokenizer.json is missing or damaged.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise ModelError(f"{path} is missing. Restore the model folder or train it again")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} is damaged ({error}). Train the model again") from error
