"""One contract for every embedder: unit vectors, the same for the same text, near for texts that share words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.embed import Embedder, HashEmbedder, SentenceTransformerEmbedder
from index.types import IndexStateError


@pytest.fixture(scope="module", params=["hash", "bundled"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return HashEmbedder() if request.param == "hash" else SentenceTransformerEmbedder()


def test_unit_vectors_of_the_stated_dimension(embedder: Embedder) -> None:
    vectors = embedder.embed(["A river.", "", "😀" * 2000, "\udcff lone surrogate"])
    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_the_same_text_alone_and_in_a_batch(embedder: Embedder) -> None:
    alone = embedder.embed(["The river rose."])[0]
    batch = embedder.embed(["A much longer text that pads the other one in its batch. " * 5, "The river rose."])[1]
    assert alone == pytest.approx(batch, abs=1e-5)


def test_near_and_far(embedder: Embedder) -> None:
    river, flood, stock = embedder.embed(["the river rose after rain", "rain and a river flood", "stock market prices"])
    assert river @ flood > river @ stock


def test_it_is_known_by_name_and_weights(embedder: Embedder) -> None:
    assert embedder.name
    assert embedder.weights == type(embedder)().weights


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IndexStateError, match=r"could not be loaded.*FOOTNOTE_EMBEDDER"):
        SentenceTransformerEmbedder(str(tmp_path)).embed(["x"])
