"""A reader and a language model that one can compute by hand, held to the same tests as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence

from index.catalog import query_words
from index.chunk import sentences
from rag.evidence import Reading, Span


def share(words: Sequence[str], text: str) -> float:
    """Share of the words that stand in the text: 2 of 4 is 0.5."""
    held = set(query_words(text, limit=10_000))
    return sum(word in held for word in words) / len(words) if words else 0.0


class OverlapEvidence:
    """Reads by shared words: a sentence's score is 10 × share of the question's words − 5; the span is the sentence.
    Supports by the share of the claim's words in the passage."""

    name = "overlap"

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        words = query_words(question)
        return [
            Reading(
                tuple(
                    sorted(
                        (Span(a, b, 10 * share(words, text[a:b]) - 5) for a, b in sentences(text)),
                        key=lambda span: (-span.score, span.start),
                    )[:3]
                ),
                0.0,
            )
            for text in passages
        ]

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [share(query_words(claim), passage) for claim, passage in pairs]


class FakeLLM:
    """Streams a fixed reply, or what `reply(system, user)` gives, a few letters at a time."""

    def __init__(self, reply: str | Callable[[str, str], str], name: str = "fake", small: bool = False) -> None:
        self.name = name
        self.small = small
        self._reply = reply

    def stream(
        self, system: str, user: str, *, max_tokens: int = 1024, usage: MutableMapping[str, int] | None = None
    ) -> Iterator[str]:
        text = self._reply if isinstance(self._reply, str) else self._reply(system, user)
        for at in range(0, len(text), 5):
            yield text[at : at + 5]
