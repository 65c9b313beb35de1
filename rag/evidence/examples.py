"""What the evidence model learns from, one by one, and how a passage is cut to a number of tokens.

Standard library only.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from rag.evidence.claims import overlap, sentence_spans


@dataclass(frozen=True)
class Example:
    """One thing to learn. `start`, `end`: the answer's characters in the passage, -1 when it is not there; with
    `within`, characters that hold the answer somewhere.

    `label`: for support, 1 supported and 0 not; for read, 1 answerable and 0 not. `group`: the document it comes from.
    """

    job: Literal["read", "support"]
    left: str
    passage: str
    source: str
    group: str
    start: int = -1
    end: int = -1
    label: float = 0.0
    within: bool = False


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of SQuAD's training articles, with its questions as (question, start, end); start -1: no answer."""

    article: str
    text: str
    questions: tuple[tuple[str, int, int], ...]


def cropped(example: Example, budget: int, count: Callable[[str], int], rng: random.Random) -> Example:
    """The example with its passage cut, by whole sentences, to about `budget` tokens as `count` counts them.

    The sentences kept grow at random to both sides of an anchor: the answer's, or where there is none the one that
    shares most words with the left text, so that a cut passage never tells by itself whether it holds the answer.
    """
    if count(example.passage) <= budget:
        return example
    spans = sentence_spans(example.passage)
    sizes = [count(example.passage[a:b]) for a, b in spans]
    first, last = anchor(example, spans)
    total = sum(sizes[first : last + 1])
    while True:
        sides = [at for at in (first - 1, last + 1) if 0 <= at < len(spans) and total + sizes[at] <= budget]
        if not sides:
            break
        at = rng.choice(sides)
        first, last, total = min(first, at), max(last, at), total + sizes[at]
    start, end = spans[first][0], spans[last][1]
    shift = start if example.start >= 0 else 0
    return replace(example, passage=example.passage[start:end], start=example.start - shift, end=example.end - shift)


def anchor(example: Example, spans: list[tuple[int, int]]) -> tuple[int, int]:
    """(first, last) sentence that must stay."""
    if example.start >= 0:
        inside = [i for i, (a, b) in enumerate(spans) if a < example.end and b > example.start]
        return (inside[0], inside[-1]) if inside else (0, len(spans) - 1)
    words = re.findall(r"\w+", example.left.lower())
    best = max(range(len(spans)), key=lambda i: overlap(example.passage[spans[i][0] : spans[i][1]], words))
    return best, best
