"""Which questions go on from earlier ones, and with which they are searched for."""

from __future__ import annotations

import pytest

from rag.followup import goes_on, with_context
from rag.retrieve import MAX_QUESTION


@pytest.mark.parametrize(
    "question",
    [
        "When did he draw the plans?",
        "And where?",
        "And Araghchi?",
        "Why?",
        "How much a month?",
        "How many people live there?",
        "What happened after that?",
        "What was his name?",
        "Who sent it?",
        "What do these rules say of fishing in rivers?",
        "Who else was named in the report of May?",
    ],
)
def test_goes_on(question: str) -> None:
    assert goes_on(question)


@pytest.mark.parametrize(
    "question",
    [
        "Is there a river in Peru?",
        "Did Putin say that talks are useful?",
        "What does Germany say about this year's budget?",
        "Who is the president of France, and what are his plans?",
        "Who is Khamenei?",
        "Why did Iran reject the offer?",
        "Is it true that Iran has rockets?",
        "Who ordered the assassination of Qassem Soleimani?",
    ],
)
def test_stands_by_itself(question: str) -> None:
    assert not goes_on(question)
    assert with_context(question, [("Who was Olav Berg?", "")]) == question


def test_a_follow_up_of_a_follow_up_goes_back_to_the_question_that_names() -> None:
    asked = ["Who was Olav Berg?", "Who designed the Kaltvik bridge?", "When did he draw the plans?", "And where?"]
    history = [(question, "") for question in asked]
    assert with_context("How much a month?", history) == "Who designed the Kaltvik bridge? And where? How much a month?"
    assert with_context("And where?", history[:2]) == "Who designed the Kaltvik bridge? And where?"
    assert with_context("And where?", []) == "And where?"


def test_what_is_searched_for_is_no_longer_than_is_read() -> None:
    long = with_context("why " + "y" * 1990 + " him", [("x" * 2000, "")])
    assert len(long) == MAX_QUESTION
    assert long.endswith("him")
