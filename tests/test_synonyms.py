"""Rewording from a WordNet of five words, written here in WordNet's own format."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rag.evidence.synonyms import Synonyms, inflected

FILES = {
    "index.noun": "  1 licence  \ncar n 1 1 @ 1 1 00000001\nauto n 1 1 @ 1 1 00000001\nrare n 1 1 @ 1 0 00000001\n",
    "data.noun": "  1 licence text  \n00000001 06 n 03 car 0 auto 0 rare 0 000 | a machine\n",
    "index.verb": "buy v 1 1 @ 1 1 00000002\npurchase v 1 1 @ 1 1 00000002\n",
    "data.verb": "00000002 40 v 02 buy 0 purchase 0 000 01 + 08 00 | get for money\n",
    "index.adj": "big a 1 0 1 1 00000003\n",
    "data.adj": "00000003 00 a 02 big 0 large(p) 0 000 | of size\n",
    "index.adv": "soon r 1 0 1 1 00000004\n",
    "data.adv": "00000004 02 r 01 soon 0 000 | in a while\n",
    "cntlist.rev": "car%1:06:00:: 1 9\nauto%1:06:00:: 1 8\n"
    "buy%2:40:00:: 1 9\npurchase%2:40:00:: 1 9\nbig%5:00:00:: 1 4\n",
}


@pytest.fixture
def synonyms(tmp_path: Path) -> Synonyms:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return Synonyms(tmp_path)


def test_synonyms_are_inflected_like_the_word_and_rare_ones_left_out(synonyms: Synonyms) -> None:
    assert synonyms.of("car") == ["auto"]
    assert synonyms.of("cars") == ["autos"]
    assert synonyms.of("purchases") == ["buys"]
    assert synonyms.of("soon") == synonyms.of("unknown") == []


def test_only_words_that_the_passage_holds_are_exchanged(synonyms: Synonyms) -> None:
    rng = random.Random(0)
    asked = "Who purchases cars from Purchases?"
    assert synonyms.reworded(asked, "He purchases a boat.", 1.0, rng) == "Who buys cars from Purchases?"
    assert synonyms.reworded(asked, "He purchases cars.", 1.0, rng) == "Who buys autos from Purchases?"
    assert synonyms.reworded(asked, "He purchases cars.", 0.0, rng) == asked


@pytest.mark.parametrize(
    ("word", "suffix", "made"),
    [("try", "s", "tries"), ("try", "ed", "tried"), ("play", "s", "plays"), ("make", "ing", "making"),
     ("pass", "s", "passes"), ("purchase", "ed", "purchased"), ("try", "ing", "trying"), ("car", "", "car")],
)  # fmt: skip
def test_inflections(word: str, suffix: str, made: str) -> None:
    assert inflected(word, suffix) == made
