"""The rivals of a claim, by hand."""

from __future__ import annotations

import random

import pytest

from rag.rivals import EACH, MOST, rivals

PASSAGE = "Anna Berg met Karl Lund in Oslo in 1905. In 1811 the town of Bergen had 12,000 people."


@pytest.mark.parametrize(
    ("claim", "rival"),
    [
        ("In 1905 Anna Berg saw Karl Lund.", "In 1905 Karl Lund saw Anna Berg."),
        ("In 1905 Anna Berg saw Oslo.", "In 1905 Karl Lund saw Oslo."),
        ("In 1905 Anna Berg saw Oslo.", "In 1905 Anna Berg saw Bergen."),
        ("They met in 1905.", "They met in 1811."),
        ("They were not late.", "They were late."),
        ("They left before noon.", "They left after noon."),
    ],
)
def test_one_thing_is_exchanged(claim: str, rival: str) -> None:
    assert rival in rivals(claim, PASSAGE)


def test_a_name_is_no_rival_of_a_part_of_itself() -> None:
    assert rivals("Later Berg came.", "Anna Berg came.") == []


def test_like_sized_ones_come_first_and_few_of_them() -> None:
    passage = "It had 7, 12,000, 3, 15,000, 18,000 and 22,000 visitors."
    found = [text for text in rivals("It had 10,000 visitors.", passage) if "not" not in text]
    assert found == [f"It had {number} visitors." for number in ("12,000", "15,000", "18,000")]
    assert len(found) == EACH


def test_there_are_never_more_than_one_can_judge() -> None:
    many = ", ".join(f"Anna {letter}mann" for letter in "ABCDEFGHIJKL")
    assert len(rivals(f"So {many} came in 1905.", PASSAGE)) == MOST


@pytest.mark.parametrize("claim", ["", "!!!", "it rained", "\ud800 Anna Berg 12", "😀 Oslo 7 not"])
def test_any_text_has_rivals_that_differ_from_it(claim: str) -> None:
    for passage in ("", PASSAGE, claim):
        found = rivals(claim, passage)
        assert claim not in found
        assert len(set(found)) == len(found)
        assert found == rivals(claim, passage)
    random.seed(1)  # and they depend on no state
    assert rivals(claim, PASSAGE) == rivals(claim, PASSAGE)
