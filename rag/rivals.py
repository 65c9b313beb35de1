"""What a passage might say in a claim's stead: the claim with one thing of it exchanged for another. Pure.

A claim with a wrong name differs from a true one by a word, and a model's probability for it is often high all the
same. Beside its rivals it is judged fairly: what they share cancels out, and the one that is true mostly scores best.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations

from index.chunk import Span
from rag.evidence.claims import NUMBER, OPPOSITE, OPPOSITES, edit_negation, names, swap

EACH = 3  # of a passage's names or numbers, those most like the claim's own: with more, time grows and little is found
MOST = 12  # of one claim: a sentence with many names has a hundred

KINDS = ("name", "roles", "number", "word")


def rivals(claim: str, passage: str) -> list[tuple[str, str]]:
    """At most `MOST` of (kind, rival), no two alike, none that is the claim itself."""
    own, numbers = names(claim), _numbers(claim)
    found = [
        *(("roles", text) for text in _roles(claim, own)),
        *(("name", text) for text in _exchanged(claim, own, passage, names, _words)),
        *(("number", text) for text in _exchanged(claim, numbers, passage, _numbers, len)),
        *(("word", text) for text in _turned(claim, passage)),
    ]
    kinds = {text: kind for kind, text in reversed(found) if text != claim}
    return [(kind, text) for text, kind in reversed(kinds.items())][:MOST]


def _numbers(text: str) -> list[Span]:
    return [match.span() for match in NUMBER.finditer(text)]


def _words(text: str) -> int:
    return len(text.split())


def _exchanged(
    claim: str, own: list[Span], passage: str, find: Callable[[str], list[Span]], size: Callable[[str], int]
) -> Iterator[str]:
    """Each of the claim's own names or numbers in turn replaced by others of the passage, like-sized ones first."""
    others = dict.fromkeys(passage[slice(*span)] for span in find(passage))
    for span in own:
        old = claim[slice(*span)]
        new = [other for other in others if other not in claim and old not in other and other not in old]
        yield from (
            swap(claim, span, each) for each in sorted(new, key=lambda each: abs(size(each) - size(old)))[:EACH]
        )


def _roles(claim: str, own: list[Span]) -> Iterator[str]:
    """Two names of the claim in each other's places."""
    for first, second in combinations(own, 2):
        yield swap(swap(claim, second, claim[slice(*first)]), first, claim[slice(*second)])


def _turned(claim: str, passage: str) -> Iterator[str]:
    """The claim denied, or affirmed where it denies, and with a word turned into its opposite."""
    if denied := edit_negation(claim, passage, random.Random(0)):  # draws nothing
        yield denied
    yield from (swap(claim, match.span(), OPPOSITES[match.group()]) for match in OPPOSITE.finditer(claim))
