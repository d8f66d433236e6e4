"""From query and Pin texts to what the model reads: the query is never cut by a long Pin."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Encoding, Tokenizer

from relevance.errors import ModelError, SettingsError
from relevance.teacher.base import Base

_SENTENCEPIECE = "spm.model"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair as the model reads it.

    Attributes:
        ids: Token ids, special tokens included; none where the model reads sentence vectors.
        boundary: Tokens that belong to the query's side.
        vectors: The query's and the Pin's sentence vector, float32; empty for token ids.
    """

    ids: tuple[int, ...]
    boundary: int
    vectors: bytes = b""

    def __len__(self) -> int:
        return len(self.ids) or 1

    def tobytes(self) -> bytes:
        """Everything in it, as bytes for a hash."""
        return array("q", (self.boundary, *self.ids)).tobytes() + self.vectors


class Encoder(Protocol):
    """Turns pairs of texts into what a base reads; see `open_encoder`."""

    base: Base
    max_tokens: int

    def encode(self, queries: Sequence[str], pins: Sequence[str]) -> list[Encoded]:
        """The pairs (queries[i], pins[i]); each distinct text is read once."""

    def batch(self, pairs: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """The model's inputs for `pairs`, one row a pair."""

    def save(self, folder: Path) -> None:
        """Writes what `open_encoder` needs into a model folder."""


def open_encoder(folder: Path, base: Base, max_tokens: int) -> Encoder:
    """The encoder of a base.

    Args:
        folder: Of the base's weights or of a trained teacher.
        base: How it lays out a pair.
        max_tokens: Longest input.

    Raises:
        ModelError: The folder's tokenizer is missing, damaged or another model's; or the package
            with the sentence vectors is missing or changed.
        SettingsError: `max_tokens` leaves no room for a query.
    """
    if base.family == "embeddings":
        from relevance.teacher.vectors import VectorEncoder

        return VectorEncoder(base, max_tokens)
    return PairEncoder(read_tokenizer(folder), base, max_tokens)


class PairEncoder:
    """Turns pairs of texts into token ids, as the base lays them out.

    A pair is `opening query between Pin closing_text closing`. What does not fit is cut from the
    end of the Pin. The query is cut only where it alone exceeds what the fixed parts leave, and
    then the Pin is left out; the fixed parts never are.

    Args:
        tokenizer: The base's tokenizer.
        base: Special tokens and texts.
        max_tokens: Longest input; the base's own limit where that is less.

    Raises:
        ModelError: The tokenizer lacks one of the base's special tokens.
        SettingsError: `max_tokens` leaves no room for a query.
    """

    def __init__(self, tokenizer: Tokenizer, base: Base, max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # "</s>" typed into a text is text; a decoder's tokens are matched before it is split.
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self.base = base
        self.max_tokens = min(max_tokens, base.max_tokens)
        self._special = _special_tokens(tokenizer, base)
        self.opening = self._ids(base.opening)
        self.between = self._ids(base.between)
        self.closing = (*self._plain([base.closing_text])[0], *self._ids(base.closing))
        spare = base.padding_spare and tokenizer.token_to_id(base.padding) is None
        self.padding = self._ids((base.padding_spare if spare else base.padding,))[0]
        self.room = self.max_tokens - sum(map(len, (self.opening, self.between, self.closing)))
        if self.room < 1:
            raise SettingsError(
                f"max_tokens must be {self.max_tokens - self.room + 1} or more for {base.name}, "
                f"got {max_tokens}. Give another --max-tokens"
            )

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

    def save(self, folder: Path) -> None:
        """Writes tokenizer.json."""
        self.tokenizer.save(str(folder / "tokenizer.json"))

    def _join(self, query: Sequence[int], pin: Sequence[int]) -> Encoded:
        query = query[: self.room]
        head = (*self.opening, *query, *self.between)
        return Encoded((*head, *pin[: self.room - len(query)], *self.closing), len(head))

    def _tokenise(self, texts: Iterable[str], prefix: str) -> dict[str, list[int]]:
        distinct = list(dict.fromkeys(texts))
        ids = self._plain([prefix + text for text in distinct])
        return dict(zip(distinct, ids, strict=True))

    def _plain(self, texts: list[str]) -> list[list[int]]:
        """Ids of texts, none of which is a special token's.

        Some tokenizers find the *name* of a special token among their ordinary pieces all the same:
        there a blank after its first character breaks the name up.
        """
        found = [one.ids for one in self._encode_batch(texts)]
        for at, ids in enumerate(found):
            if not self._special.keys().isdisjoint(ids):
                broken = texts[at]
                for name in self._special.values():
                    broken = broken.replace(name, f"{name[0]} {name[1:]}")
                again = self._encode_batch([broken])[0].ids
                found[at] = [token for token in again if token not in self._special]
        return found

    def _encode_batch(self, texts: list[str]) -> list[Encoding]:
        return self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)

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


def _special_tokens(tokenizer: Tokenizer, base: Base) -> dict[int, str]:
    """Id → name of every token that must not come out of a text; the unknown token may."""
    added = {
        number: token.content
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special and token.content.strip("<>[]").lower() != "unk"
    }
    for name in (*base.opening, *base.between, *base.closing, base.padding, base.padding_spare):
        number = tokenizer.token_to_id(name)
        if number is not None:
            added[number] = name
    return added


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Raises:
        ModelError: tokenizer.json is missing or damaged.
    """
    path = folder / "tokenizer.json"
    if not path.exists() and (folder / _SENTENCEPIECE).exists():
        return _from_sentencepiece(folder)
    if not path.exists():
        raise ModelError(f"{path} is missing. Restore the model folder or train it again")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} is damaged ({error}). Train the model again") from error


def _from_sentencepiece(folder: Path) -> Tokenizer:
    """The fast tokenizer that transformers makes of a SentencePiece model."""
    from relevance.teacher.backbone import quiet_transformers

    try:
        with quiet_transformers():
            from transformers import AutoTokenizer

            slow = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            return Tokenizer.from_str(slow.backend_tokenizer.to_str())
    except Exception as error:  # whatever a damaged protobuf makes of it
        raise ModelError(
            f"{folder / _SENTENCEPIECE} cannot be read ({error}). Get the base's files again"
        ) from error
