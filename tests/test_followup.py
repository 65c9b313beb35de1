"""Which questions go on from earlier ones, and with which they are searched for."""

from __future__ import annotations

import pytest

from rag.followup import context, goes_on


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
        "And who designed the Norheim tunnel?",
    ],
)
def test_stands_by_itself(question: str) -> None:
    assert not goes_on(question)
    assert context(question, [("Who was Olav Berg?", "")]) == ""


def test_a_follow_up_of_a_follow_up_goes_back_to_the_question_that_names() -> None:
    asked = ["Who was Olav Berg?", "Who designed the Kaltvik bridge?", "When did he draw the plans?", "And where?"]
    history = [(question, "") for question in asked]
    assert context("How much a month?", history) == "Who designed the Kaltvik bridge? And where?"
    assert context("And where?", history[:2]) == "Who designed the Kaltvik bridge?"
    assert context("And where?", []) == ""
