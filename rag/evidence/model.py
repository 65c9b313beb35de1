"""The evidence model at run time: where a passage answers a question, and whether a passage supports a claim.

onnxruntime, tokenizers and numpy only. Knows nothing of retrieval, prompts or thresholds: it gives scores. Every offset
counts Unicode code points in the passage as it was given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from index.onnx import session
from index.types import FootnoteError

if TYPE_CHECKING:
    from index.onnx import InferenceSession

WEIGHTS = Path(__file__).parent / "weights" / "model.int8.onnx"
LEFT_TOKENS = 96  # of a question, whose rest is not seen, or of a claim, which is judged in parts where it is longer
WINDOW_TOKENS = 256  # the longest input it was trained on
OVERLAP_TOKENS = 64  # two neighbouring windows share so many, so that a shorter answer is whole in one of them
ANSWER_TOKENS = 30  # of the longest span; 99 of 100 answers in SQuAD are shorter
SPANS = 3
BATCH = 16  # inputs a run: at most 16 x 256 tokens, which bounds memory whatever is asked
PADDED = 1.2  # the longest input of a run is at most so many times as long as the shortest

Floats = npt.NDArray[np.float32]


class EvidenceError(FootnoteError):
    """The weight file is missing or altered; the message names the next step."""


@dataclass(frozen=True)
class Span:
    """A possible answer: `passage[start:end]`. `score`: start logit + end logit - the null score beside it; the
    model prefers the span to "no answer" above 0."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Reading:
    """What was read in one passage: at most 3 spans that do not overlap, the best first.

    `null`: start logit + end logit of "no answer". A passage read in several windows gives the null of the window
    that holds the best span, and each span is scored against its own window's. Without spans it is 0.
    """

    spans: tuple[Span, ...]
    null: float


@dataclass(frozen=True)
class Marks:
    """Token ids that frame an input; `read` and `support`, unused words of the vocabulary, tell the encoder its job."""

    first: int
    separator: int
    padding: int
    read: int
    support: int


@dataclass(frozen=True)
class _Window:
    """One input. `owner`: the passage it is cut from; `first`: where the passage's tokens begin; `offsets`: theirs."""

    owner: int
    ids: list[int]
    first: int
    offsets: list[tuple[int, int]]


class EvidenceModel:
    """One encoder, two jobs. Safe to share between threads."""

    def __init__(self, name: str, session: InferenceSession, tokenizer: Tokenizer, marks: Marks) -> None:
        self.name = name
        self._session = session
        self._tokenizer = tokenizer
        self._marks = marks

    @classmethod
    def load(cls, path: Path | None = None) -> EvidenceModel:
        """Load a weight file (default: the shipped one), with `card.json` and `tokenizer.json` from its folder.

        Raises EvidenceError when a file is missing or is not the one that the card describes.
        """
        path = path or WEIGHTS
        name, marks = _checked_card(path)
        tokenizer = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # a "[SEP]" that somebody wrote is text, not a mark
        return cls(name, session(path), tokenizer, marks)

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """One reading for each passage, in their order. Long passages are read in overlapping windows."""
        left = self._ids(question)[:LEFT_TOKENS]
        windows = [
            window for at, text in enumerate(passages) for window in self._windows(self._marks.read, left, text, at)
        ]
        found: list[list[tuple[Span, float]]] = [[] for _ in passages]
        for window, start, end, _ in self._run(windows):
            found[window.owner] += _spans(window, start, end)
        return [_reading(candidates) for candidates in found]

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """For each (claim, passage) the probability, 0 to 1, that the passage supports the claim.

        The best window speaks for a long passage, the worst part for a long claim. 0 where claim or passage holds no
        word.
        """
        parts = [(at, left) for at, (claim, _) in enumerate(pairs) for left in _parts(self._ids(claim))]
        windows = [
            window
            for number, (at, left) in enumerate(parts)
            for window in self._windows(self._marks.support, left, pairs[at][1], number)
        ]
        best = [0.0] * len(parts)
        for window, _, _, logit in self._run(windows):
            best[window.owner] = max(best[window.owner], float(1 / (1 + np.exp(-logit))))
        worst: dict[int, float] = {}
        for (at, _), probability in zip(parts, best, strict=True):
            worst[at] = min(probability, worst.get(at, 1.0))
        return [worst.get(at, 0.0) for at in range(len(pairs))]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(_encodable(text), add_special_tokens=False).ids
        return ids

    def _windows(self, mark: int, left: list[int], passage: str, owner: int) -> Iterator[_Window]:
        """[CLS] mark left [SEP] window [SEP] for each window of a passage; none for a passage without tokens."""
        encoding = self._tokenizer.encode(_encodable(passage), add_special_tokens=False)
        room = WINDOW_TOKENS - len(left) - 4
        for start in range(0, max(1, len(encoding.ids) - OVERLAP_TOKENS), room - OVERLAP_TOKENS):
            ids = encoding.ids[start : start + room]
            if ids:
                whole = [self._marks.first, mark, *left, self._marks.separator, *ids, self._marks.separator]
                yield _Window(owner, whole, len(left) + 3, encoding.offsets[start : start + room])

    def _run(self, windows: list[_Window]) -> Iterator[tuple[_Window, Floats, Floats, float]]:
        """(window, start logits, end logits, support logit), inputs of like length together."""
        for batch in _batches(windows):
            start, end, support = self._session.run(None, _feed(batch, self._marks.padding))
            yield from zip(batch, start, end, support.tolist(), strict=True)


def _checked_card(path: Path) -> tuple[str, Marks]:
    """What the card beside the weights says of them, after each file it names was compared with its hash."""
    mend = "install the package again, or run `python -m rag.evidence.export`"
    try:
        card: dict[str, Any] = json.loads((path.parent / "card.json").read_text(encoding="utf-8"))
        for name, expected in {**card["sha256"], path.name: card["sha256"][path.name]}.items():
            if hashlib.sha256((path.parent / name).read_bytes()).hexdigest() != expected:
                raise EvidenceError(f"the evidence model's file {path.parent / name} was altered: {mend}")
        return str(card["name"]), Marks(**card["marks"])
    except OSError as exc:
        raise EvidenceError(f"the evidence model's file {exc.filename} cannot be read: {mend}") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise EvidenceError(
            f"the evidence model's card in {path.parent} does not describe {path.name}: {mend}"
        ) from exc


def _encodable(text: str) -> str:
    """The text with each lone surrogate as one "?": the tokenizer takes valid Unicode only, and offsets must hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parts(ids: list[int]) -> list[list[int]]:
    """The tokens of a claim in runs of at most `LEFT_TOKENS` that overlap by half; none for no tokens."""
    half = LEFT_TOKENS // 2
    return [ids[start : start + LEFT_TOKENS] for start in range(0, max(1, len(ids) - half), half) if ids]


def _batches(windows: list[_Window]) -> Iterator[list[_Window]]:
    """Inputs of like length together, since padding costs as much time as text."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: len(window.ids)):
        if batch and (len(batch) == BATCH or len(window.ids) > PADDED * len(batch[0].ids)):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _feed(batch: list[_Window], padding: int) -> dict[str, npt.NDArray[np.int64]]:
    """Padded inputs of a batch: ids and mask, each (n, tokens)."""
    width = max(len(window.ids) for window in batch)
    ids = np.full((len(batch), width), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(batch):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    return {"ids": ids, "mask": mask}


def _spans(window: _Window, start: Floats, end: Floats) -> list[tuple[Span, float]]:
    """The best spans of a window that do not overlap, each with the window's null score."""
    null = float(start[0] + end[0])
    inside = slice(window.first, window.first + len(window.offsets))
    scores = start[inside, None].astype(np.float64) + end[None, inside]
    length = np.arange(len(window.offsets))
    span_length = length[None, :] - length[:, None]
    scores[(span_length < 0) | (span_length >= ANSWER_TOKENS)] = -np.inf
    found: list[tuple[Span, float]] = []
    while len(found) < SPANS and np.isfinite(best := scores.max()):
        first, last = (int(at) for at in np.unravel_index(scores.argmax(), scores.shape))
        scores[: last + 1, first:] = -np.inf  # all that starts before this span's end and ends after its start
        place = window.offsets[first][0], window.offsets[last][1]
        found.append((Span(*place, float(best) - null), null))
    return found


def _reading(candidates: list[tuple[Span, float]]) -> Reading:
    """The best spans over all windows of a passage; where two overlap, the better one stays."""
    ranked = sorted(candidates, key=lambda candidate: (-candidate[0].score, candidate[0].start))
    kept: list[Span] = []
    for span, _ in ranked:
        if len(kept) < SPANS and all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return Reading(tuple(kept), ranked[0][1] if ranked else 0.0)
