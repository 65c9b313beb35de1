"""Question → passages: vectors, best sentence and words, fused; one text once.

Three scores of every candidate: cosine of the question to the chunk, to its nearest sentence, and BM25. Each is put
on the scale of the question's own candidates (z-score) and the sum is weighted. Reciprocal ranks throw away how much
better the first is than the second and did worse (docs/log.md). A re-ranker, where the settings name one, orders the
best of them anew.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index import FootnoteError, Index
from index.catalog import Hit, query_words
from index.embed import Vectors
from index.settings import settings
from rag.crossencoder import Reranker, named_reranker
from rag.types import Passage, QuestionError

MAX_QUESTION = 2000  # characters; beyond it it is a document, and the embedder reads 256 word pieces
CANDIDATES = 50  # by each of vectors and words; together they held the right passage for 0.999 (docs/log.md)
RERANKED = 20  # a re-ranker reads each of them whole; four times what is read for an answer
ATTEMPTS = 5  # a writer changes the index some times a second at most, a search takes 10 ms

# Fitted on questions of the development half of SQuAD 2.0, see docs/log.md.
WEIGHTS = {"dense": 0.3, "sentence": 0.4, "words": 0.3}


def retrieve(
    question: str, top_k: int = 5, index: Index | str | Path | None = None, reranker: Reranker | None = None
) -> list[Passage]:
    """The `top_k` passages that answer the question best, the best first, ties by chunk id.

    `index`: an open one, or its folder, by default that of `FOOTNOTE_INDEX`, opened once and kept. `reranker`: by
    default that of `FOOTNOTE_RERANKER`, if any. `score` compares passages of one question only. Raises QuestionError
    for a question or number that cannot be asked, FootnoteError for an empty or missing index, ModelError for a
    re-ranker that cannot be used.
    """
    question, top_k, index = checked(question), _whole(top_k), opened(index)
    if not index.catalog.counts()[1]:
        raise FootnoteError(f"{index.folder}: the index is empty; add articles first: footnote add PATH")
    passages = _distinct(fuse(index, question))
    if passages and (reranker := reranker or default_reranker()):
        passages = rerank(question, passages, reranker)
    return [replace(passage, rank=rank) for rank, passage in enumerate(passages[:top_k], 1)]


def default_index() -> Index:
    """The index of the settings, opened once in this process."""
    return _kept(os.getpid(), None)


def opened(index: Index | str | Path | None) -> Index:
    """An open index as it is; that of a folder, or of the settings, opened once in this process and kept.

    Raises IndexStateError where there is none, FootnoteError for what is neither.
    """
    if isinstance(index, Index):
        return index
    if index is None:
        return default_index()
    try:
        folder = Path(index).expanduser().absolute()
    except (TypeError, RuntimeError):  # no path; no such user's home
        raise FootnoteError(f"index must be an open Index or the path of its folder, not {index!r}") from None
    return _kept(os.getpid(), folder)


@cache
def _kept(process: int, folder: Path | None) -> Index:
    """By process, since what a fork takes along cannot be used in the child."""
    return Index.open(folder, create=False)


def default_reranker() -> Reranker | None:
    """The re-ranker of the settings."""
    return named_reranker(settings().reranker)


def checked(question: str) -> str:
    """The question without surrounding space or broken characters. Raises QuestionError."""
    try:
        question = question.encode("utf-8", "replace").decode("utf-8").strip()
    except AttributeError:
        raise QuestionError(f"the question must be a string, not {type(question).__name__}") from None
    if not question:
        raise QuestionError("the question is empty; write one")
    if len(question) > MAX_QUESTION:
        raise QuestionError(
            f"the question has {len(question):,} characters, at most {MAX_QUESTION:,} are read; shorten it"
        )
    return question


def _whole(top_k: int) -> int:
    try:
        top_k = operator.index(top_k)
    except TypeError:
        raise QuestionError(f"top_k must be a whole number, not {top_k!r}") from None
    if top_k < 1:
        raise QuestionError(f"top_k must be at least 1, not {top_k}")
    return top_k


def fuse(index: Index, question: str) -> list[Passage]:
    """All candidates as passages, the best first."""
    vector = index.embedder.embed([question])[0]
    hits, bm25 = _candidates(index, vector, query_words(question))
    if not hits:
        return []
    signals = _signals(hits, vector, bm25)
    scores = sum(weight * _z(signals[name]) for name, weight in WEIGHTS.items())
    return _passages(hits, signals, np.asarray(scores))


def _candidates(index: Index, vector: Vectors, words: Sequence[str]) -> tuple[list[Hit], dict[str, float]]:
    """The chunks that vectors or words find, with their BM25, all of one version of the index: asked again when a
    writer changed it in between; the last time as it comes, since a document is read whole in any case."""
    for _ in range(ATTEMPTS):
        version = index.catalog.state("version")
        near = index.nearest(vector, CANDIDATES)
        bm25 = index.catalog.search(words, CANDIDATES, also=near)
        hits = index.catalog.hits(near.keys() | bm25.keys())
        if index.catalog.state("version") == version:
            break
    return hits, bm25


def _signals(hits: Sequence[Hit], vector: Vectors, bm25: Mapping[str, float]) -> dict[str, Vectors]:
    dense = [float(hit.vectors[0] @ vector) for hit in hits]
    # A chunk of one sentence has only its own vector, which then is its best sentence.
    sentence = [float(((hit.vectors[1:] if len(hit.vectors) > 1 else hit.vectors) @ vector).max()) for hit in hits]
    found = [bm25.get(hit.chunk.id, 0.0) for hit in hits]
    return {name: np.array(v, np.float32) for name, v in (("dense", dense), ("sentence", sentence), ("words", found))}


def _z(values: Vectors) -> Vectors:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 1e-6 else np.zeros_like(values)


def _passages(hits: Sequence[Hit], signals: Mapping[str, Vectors], scores: npt.NDArray[np.float64]) -> list[Passage]:
    scores = scores.round(5)  # the last digits vary with the batch a text was embedded in
    ids = [hit.chunk.id for hit in hits]
    order = sorted(range(len(hits)), key=lambda at: (-scores[at], ids[at]))
    ranks = {name: _ranks(values, ids) for name, values in signals.items()}
    return [
        Passage(
            chunk=hits[at].chunk,
            title=hits[at].title,
            source=hits[at].source,
            score=float(scores[at]),
            rank=rank,
            ranks={name: ranks[name][at] for name in signals},
            signals={name: round(float(values[at]), 5) for name, values in signals.items()},
        )
        for rank, at in enumerate(order, 1)
    ]


def _ranks(values: Vectors, ids: Sequence[str]) -> dict[int, int]:
    order = sorted(range(len(ids)), key=lambda at: (-round(float(values[at]), 5), ids[at]))
    return {at: rank for rank, at in enumerate(order, 1)}


def _distinct(passages: Sequence[Passage]) -> list[Passage]:
    """The first of each text."""
    kept: dict[str, Passage] = {}
    for passage in passages:
        kept.setdefault(" ".join(passage.text.split()), passage)
    return list(kept.values())


def rerank(question: str, passages: Sequence[Passage], reranker: Reranker) -> list[Passage]:
    """The first `RERANKED` in the order of the re-ranker, ties by chunk id; then the others, in their own.

    A score is the z-score of the re-ranker's among those it read: the scale of the fused scores, which count further
    down the way (rag/read.py). The others go on from the lowest, as far below it as they were below the last one read.
    """
    read, rest = passages[:RERANKED], passages[RERANKED:]
    found = np.array(reranker.score(question, [passage.text for passage in read]), np.float32)
    scores, ranks = _z(found), _ranks(found, [passage.chunk.id for passage in read])
    best = [_reranked(read[at], float(scores[at]), float(found[at]), rank) for at, rank in ranks.items()]
    lower = best[-1].score - read[-1].score
    return best + [replace(passage, score=round(passage.score + lower, 5)) for passage in rest]


def _reranked(passage: Passage, score: float, signal: float, rank: int) -> Passage:
    ranks, signals = {**passage.ranks, "reranker": rank}, {**passage.signals, "reranker": round(signal, 5)}
    return replace(passage, score=round(score, 5), ranks=ranks, signals=signals)
