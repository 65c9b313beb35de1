"""Which questions go on from earlier ones, and with which they are searched for."""

from __future__ import annotations

import pytest

from rag.followup import context, goes_on, is_chat, put, taken_up


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


@pytest.mark.parametrize("said", ["Tell me more", "help", "Help!", "Thanks!", "ok, thank you", "Hello", "Go on."])
def test_what_is_said_to_a_person_asks_the_articles_nothing(said: str) -> None:
    assert is_chat(said)


@pytest.mark.parametrize("asked", ["Did she help?", "Tell me more about the bridge.", "Who said thanks?", "Why?"])
def test_what_asks_something_is_no_chat(asked: str) -> None:
    assert not is_chat(asked)


def test_chat_between_two_questions_is_passed_over() -> None:
    history = [("Who designed the Kaltvik bridge?", ""), ("Thanks!", "")]
    assert context("And where?", history) == "Who designed the Kaltvik bridge?"
    assert taken_up("And where?", history) == "Who designed the Kaltvik bridge?"
    assert context("And where?", [("Hello", "")]) == "Hello"


@pytest.mark.parametrize(
    ("question", "earlier", "read"),
    [
        ("When?", "Was a man arrested?", "When Was a man arrested?"),
        ("And where?", "Who designed the bridge?", "where designed the bridge?"),
        ("By whom?", "When was the inquiry opened?", "By whom was the inquiry opened?"),
        ("How old?", "When did Moody die?", "How old did Moody die?"),
        ("Who did?", "Did she sign the contract?", "Who did sign the contract?"),
        ("When did he die?", "Who designed the bridge?", "When did he die?"),
        ("And Araghchi?", "Who designed the bridge?", "And Araghchi?"),
    ],
)
def test_a_question_word_alone_takes_up_the_question_before_it(question: str, earlier: str, read: str) -> None:
    asked = taken_up(question, [("Who was Olav Berg?", ""), (earlier, ""), ("Why?", "")])
    assert asked == (earlier if read != question else "")
    assert put(question, asked) == read
