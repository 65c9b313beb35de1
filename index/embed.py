"""Text → unit vectors: which embedder a name means. The only file that knows sentence-transformers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from index.minilm import MiniLM, clean
from index.types import IndexStateError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

BATCH = 32  # the library's own default; it sorts by length, so little is padding


class Embedder(Protocol):
    """`name` and `weights` (a hash) identify it in an index's manifest."""

    name: str

    @property
    def weights(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        ...


BUNDLED = "bundled"


def named_embedder(name: str) -> Embedder:
    """The bundled model by its name, else a sentence-transformers model by folder or name."""
    return MiniLM() if name == BUNDLED else SentenceTransformerEmbedder(name)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, by folder or name. Safe to share between threads.

    Loaded at the first text, not before: the import of torch takes seconds.
    """

    def __init__(self, model: str) -> None:
        self.name = self._path = model
        self._one_at_a_time = Lock()  # the library sets its tokenizer's padding for each call, and loads only once

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            # A folder needs no hub; without this some loads still ask it.
            return SentenceTransformer(self._path, device="cpu", local_files_only=Path(self._path).exists())
        except (OSError, ValueError) as exc:
            raise IndexStateError(
                f"embedder {self.name!r} could not be loaded ({_first_line(exc)}); give a folder or a name that "
                "sentence-transformers knows in FOOTNOTE_EMBEDDER, or unset it for the bundled one"
            ) from exc

    @cached_property
    def weights(self) -> str:
        """Hash of the weights' file where there is one: size and both ends, read in a millisecond."""
        folder = Path(self._path)
        files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("pytorch_model*.bin"))
        return _fingerprint(files) if files else "unknown"

    @cached_property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension() or 0)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        with self._one_at_a_time:
            vectors = self._model.encode(
                [clean(text) for text in texts],
                batch_size=BATCH,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return np.asarray(vectors, np.float32)


class HashEmbedder:
    """A bag of words hashed into 64 signed places: shared words, near vectors. For tests, without torch."""

    name = "hash-64"
    weights = "none"
    dimension = 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.md5(word.encode("utf-8", "replace"), usedforsecurity=False).digest()
                vectors[row, digest[0] % self.dimension] += 1.0 if digest[1] % 2 else -1.0
            if not vectors[row].any():
                vectors[row, 0] = 1.0
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as handle:
            digest.update(f"{file.name}:{size}".encode() + handle.read(65536))
            handle.seek(max(0, size - 65536))
            digest.update(handle.read())
    return digest.hexdigest()[:16]


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
