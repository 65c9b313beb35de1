"""What a passage might say in a claim's stead: the claim with one thing of it exchanged for another. Pure.

A claim that falls often differs from a true one by a word. The rival that the passage supports tells a person which.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations

from index.chunk import Span
from rag.evidence.claims import NUMBER, OPPOSITE, OPPOSITES, edit_negation, names, swap

EACH = 3  # of a passage's names or numbers, those most like the claim's own: with more, time grows and little is found
MOST = 12  # of one claim: a sentence with many names has a hundred


def rivals(claim: str, passage: str) -> list[str]:
    """At most `MOST` rivals, no two alike, none that is the claim itself."""
    own, numbers = names(claim), _numbers(claim)
    found = [
        *_roles(claim, own),
        *_exchanged(claim, own, passage, names, _words),
        *_exchanged(claim, numbers, passage, _numbers, len),
        *_turned(claim, passage),
    ]
    return [text for text in dict.fromkeys(found) if text != claim][:MOST]


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
