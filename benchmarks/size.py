"""How an index behaves at size: adding, memory, opening, questions. `make bench-size`.

    python -m benchmarks.size [--chunks 100000]

The articles are made of words drawn as they are in language (Zipf), one paragraph a chunk, four sentences each. Their
vectors are sums of random word vectors, since embedding so many for real takes an hour and says nothing of the index;
each question is also embedded by the bundled model, so that its time counts. Each step runs in a process of its own,
whose peak memory is reported.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.speed import report
from index import Document, Index
from index.minilm import MiniLM

VOCABULARY, SKEW = 50_000, 1.1
STOPWORDS = 100  # so many of the most frequent words stand in no question: the rarest kept is in 6% of the chunks
PARAGRAPHS, SENTENCES, WORDS = 20, 4, 18
QUESTIONS = 300


class WordVectors:
    """A text is the sum of its words' random vectors. A single text is embedded by the bundled model too, unused."""

    name, weights, dimension = "word-vectors", "none", 384

    def __init__(self) -> None:
        self._table = np.random.default_rng(0).standard_normal((VOCABULARY, self.dimension), np.float32)
        self._real = MiniLM()

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if len(texts) == 1:
            self._real.embed(texts)
        summed = np.stack([self._table[[int(word.strip(".?w")) for word in text.split()]].sum(0) for text in texts])
        return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), np.float32)


def words(random: np.random.Generator, count: int, least: int = 0) -> str:
    """Words by Zipf's law, of ranks from `least` on."""
    shares = np.arange(1, VOCABULARY + 1) ** -SKEW
    shares[:least] = 0
    return " ".join(f"w{rank}" for rank in random.choice(VOCABULARY, count, p=shares / shares.sum()))


def documents(chunks: int) -> Iterator[Document]:
    random = np.random.default_rng(1)
    for at in range(chunks // PARAGRAPHS):
        drawn = iter(words(random, PARAGRAPHS * SENTENCES * WORDS).split())
        sentences = [" ".join(itertools.islice(drawn, WORDS)) + "." for _ in range(PARAGRAPHS * SENTENCES)]
        paragraphs = [" ".join(part) for part in zip(*[iter(sentences)] * SENTENCES, strict=True)]
        yield Document(str(at), str(at), "\n\n".join(paragraphs), str(at), str(at))


def peak() -> float:
    """MiB this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(folder: Path, chunks: int) -> dict[str, float]:
    with Index.open(folder, WordVectors()) as index:
        began = time.perf_counter()
        index.add_documents(documents(chunks))
        return {"seconds": time.perf_counter() - began, "peak": peak()}


def ask(folder: Path, chunks: int) -> dict[str, float]:
    from rag import retrieve

    random, times = np.random.default_rng(2), []
    embedder = WordVectors()
    began = time.perf_counter()
    with Index.open(folder, embedder) as index:
        index.vectors.count()
        opened = time.perf_counter() - began
        retrieve("w7 w70 w700?", 5, index)
        first = time.perf_counter() - began
        for _ in range(QUESTIONS):
            question = words(random, 6, STOPWORDS)
            began = time.perf_counter()
            retrieve(question, 5, index)
            times.append(time.perf_counter() - began)
        p50, p95 = np.percentile(times, [50, 95])
        return {"opened": opened, "first": first, "p50": float(p50), "p95": float(p95), "peak": peak()}


def apart(work: Callable[[Path, int], dict[str, float]], folder: Path, chunks: int) -> dict[str, float]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, folder, chunks).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    chunks = parser.parse_args().chunks
    with tempfile.TemporaryDirectory() as place:
        made = apart(build, Path(place), chunks)
        size = sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())
        asked = apart(ask, Path(place), chunks)
    report(f"Speed at {chunks:,} chunks", [
        ("adding, without embedding", f"{made['seconds']:.0f} s, {chunks / made['seconds']:.0f} chunks/s", ""),
        ("peak memory, adding", f"{made['peak']:.0f} MiB", ""),
        ("on disk", f"{size / 2**20:.0f} MiB", ""),
        ("opening, before the embedder", f"{asked['opened']:.2f} s", "under 2 s"),
        ("to the first answer of retrieval", f"{asked['first']:.2f} s", ""),
        (f"one retrieval, warm, p50 of {QUESTIONS}", f"{asked['p50'] * 1000:.1f} ms", ""),
        ("the same, p95", f"{asked['p95'] * 1000:.1f} ms", "under 25 ms"),
        ("peak memory, answering", f"{asked['peak']:.0f} MiB", ""),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
