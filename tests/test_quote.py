"""From the words the reader marked to what is quoted, and the short answer."""

from __future__ import annotations

import pytest

from index.chunk import MAX_CHARS
from rag.quote import widened


def quoted(text: str, marked: str, question: str = "What is it?", at_head: bool = False) -> str | None:
    """What is quoted where the reader marked these words."""
    start = text.index(marked)
    made = widened(question, text, (start, start + len(marked)), at_head)
    return text[made.start : made.end] if made else None


def short(text: str, marked: str, question: str = "What is it?") -> str:
    start = text.index(marked)
    made = widened(question, text, (start, start + len(marked)))
    assert made
    return made.short


def test_a_span_over_two_sentences_takes_both() -> None:
    assert quoted("Rain fell. The river rose. It sank.", "fell. The") == "Rain fell. The river rose."


@pytest.mark.parametrize(("opening", "whole"), [("He", True), ("“They", True), ("Heidi", False), ("Anna", False)])
def test_a_pronoun_brings_the_sentence_before_it(opening: str, whole: bool) -> None:
    text = f"Li came early. {opening} said so."
    assert quoted(text, "said so") == (text if whole else text[15:])


def test_a_pronoun_at_the_beginning_of_a_passage_stands_alone() -> None:
    assert quoted("He said so. Then he left.", "so") == "He said so."


def test_an_item_of_a_list_is_quoted_with_what_introduces_it() -> None:
    text = "It is forbidden to do these:\n\n- Feed the gulls.\n- Sing.\n\nThe rest is allowed."
    assert quoted(text, "Sing") == text[: text.index("\n\nThe rest")]
    assert quoted(text, "rest") == "The rest is allowed."


def test_a_long_sentence_is_quoted_whole() -> None:
    text = "The commission found, " + "after it had heard many people of the town, " * 15 + "that nobody took bribes."
    assert len(text) < MAX_CHARS
    assert quoted(text, "bribes") == text


# ---- headings and questions


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("## Is Kestrel open source?\n\nThe agent is; the server is not.", "open source"),
        ("## Kestrel\n\n### Licence\n\nThe agent is free.", "Kestrel"),
        ("STATEMENT BY THE POLICE, 5 JULY\n\nA man was arrested.", "STATEMENT"),
        ("Licence\n=======\n\nThe agent is free.", "Licence"),
        ("TA: You were master for how long?\n\nIV: From 1998.", "for how long"),
        ("**Can I restore it?**\n\nOnly in part.", "restore it"),
        ("## Never backed up\n\nThese are not:\n\n- sockets\n- `/proc`", "backed up"),
        ("## Never backed up\n\n- sockets\n- `/proc`", "backed up"),
    ],
)
def test_a_heading_or_a_question_is_quoted_with_what_follows_it(text: str, marked: str) -> None:
    assert quoted(text, marked) == text
    assert quoted(f"{text}\n\nMore of it.", marked) == text


@pytest.mark.parametrize(
    "text", ["## Open source", "# Docs\n\n## Open source", "Open source? And when?", "OPEN SOURCE NOW"]
)
def test_a_heading_or_a_question_alone_is_no_answer(text: str) -> None:
    assert quoted(text, text[-11:-5]) is None


@pytest.mark.parametrize(
    "text",
    [
        "```\n# keep = 7\n```",  # a comment of code
        "- GDPR AND MORE",
        "IT RAINED ALL DAY.",
        "Smith: dissolved in 2017; directors: Moody?",
        'Li asked: "Who paid?"',
    ],
)
def test_what_only_looks_like_one_answers_by_itself(text: str) -> None:
    marked = next(each for each in ("keep", "GDPR", "RAINED", "2017", "asked") if each in text)
    assert quoted(f"{text}\n\nMore of it.", marked) in text


def test_where_only_the_question_is_repeated_what_follows_is_the_short_answer() -> None:
    text = "## Is Kestrel open source?\n\nThe agent is; the server is not."
    assert short(text, "open source", "Is Kestrel open source?") == "The agent is; the server is not."
    changes = "## 3.1.0 - 2024\n\n- S3 storage."
    assert short(changes, "3.1.0", "Which version added S3 storage?") == "3.1.0"
    assert short("### Added\n- Locks.", "Added\n- Locks", "What are locks?") == "Locks"


# ---- replies


@pytest.mark.parametrize(
    "reply", ["No.", "Yes, but only a part of what was there before.", "In March.", "IV: £2 million."]
)
def test_a_reply_brings_its_question(reply: str) -> None:
    text = f"Rain fell. Was it worth that much? {reply} Snow fell."
    assert quoted(text, reply[-6:]) == f"Was it worth that much? {reply}"


def test_a_sentence_that_says_it_whole_needs_no_question() -> None:
    text = "Why is it slow? All blocks must be read and compressed."
    assert quoted(text, "compressed") == "All blocks must be read and compressed."
    assert quoted("It is so. In March.", "March") == "In March."


# ---- the sentence that supports it


def test_the_next_sentence_is_added_where_it_holds_what_was_asked() -> None:
    text = "Leonard Okafor joined in July. He replaced Denise Whitcombe. He likes tea."
    assert quoted(text, "Leonard Okafor", "Who replaced Denise Whitcombe?") == text[: text.index(" He likes")]
    assert quoted(text, "Leonard Okafor", "Who joined in July?") == "Leonard Okafor joined in July."
    lund = "- Lund: refuses to talk. Lives in Spain since 2018.\n- Petty: talks."
    assert quoted(lund, "Lund", "Who lives in Spain?") == "- Lund: refuses to talk. Lives in Spain since 2018."
    assert quoted(lund, "Lund", "Who refuses to talk?") == "- Lund: refuses to talk."


def test_the_next_item_or_heading_supports_nothing() -> None:
    assert quoted("- Lund left.\n- Spain: lives there.", "Lund", "Who lives in Spain?") == "- Lund left."
    assert quoted("Lund left.\n\n## Lives in Spain", "Lund", "Who lives in Spain?") == "Lund left."


# ---- lists

STEPS = "1. Make a key.\n2. Wrap all of it. This takes a while.\n   - or a part\n3. Remove the old key."


@pytest.mark.parametrize(
    "question",
    [
        "How do I rotate keys?",
        "How to rotate keys?",
        "What are the steps?",
        "Steps to rotate keys?",
        "Which keys are there?",
        "List the steps.",
        "What was added in 3.1?",
    ],
)
def test_who_asks_for_several_things_gets_the_list(question: str) -> None:
    assert quoted(f"Keys.\n\n{STEPS}\n\nThat is all.", "Make", question) == STEPS
    assert quoted(f"Keys.\n\n{STEPS}\n\nThat is all.", "Remove", question) == STEPS


@pytest.mark.parametrize("question", ["Which key is old?", "What must be done first?", "Who has added it?"])
def test_who_asks_for_one_thing_gets_one(question: str) -> None:
    assert quoted(STEPS, "Make", question) == "1. Make a key."


def test_a_list_ends_where_another_thing_begins() -> None:
    text = f"## Keys\n{STEPS}\n## Locks\n- One.\n\n> Note this.\n\n| a | b |"
    assert quoted(text, "Make", "How do I rotate keys?") == STEPS
    assert quoted(text, "| a", "How do I rotate keys?") == "| a | b |"


def test_numbered_sections_are_no_list() -> None:
    text = "1. Keys\nLi came. Anna left. Rain fell. Snow fell.\n2. Locks\nBerg sang. Holm wrote. All went home."
    assert quoted(text, "Anna", "Which people are named?") == "Anna left."


def test_a_row_is_quoted_by_itself_and_the_head_of_a_table_not_at_all() -> None:
    text = "| Plan | Reply |\n|---|---|\n| Free | never |\n| Pro | in a day |"
    assert quoted(text, "in a day", "How fast is the reply?") == "| Pro | in a day |"
    assert quoted(text, "Reply", "How fast is the reply?") is None


# ---- what nobody is meant to read


def test_front_matter_is_not_quoted() -> None:
    text = "---\ntitle: A guide\nauthor: Docs team\ntags:\n  - one\n---\n\nOla wrote this guide.\n\n---\n\nThe end."
    assert quoted(text, "Docs team", at_head=True) is None
    assert quoted(text, "Ola", at_head=True) == "Ola wrote this guide."
    assert quoted(text, "end", at_head=True) == "The end."
    assert quoted(text[: text.index("tags")], "Docs team", at_head=True) is None, "cut off by the end of the passage"
    assert quoted("---\n\nNote: Docs team.\n\n---\nMore.", "Docs team", at_head=True) == "Note: Docs team."


def test_a_comment_is_not_quoted_and_what_follows_it_is() -> None:
    text = "<!-- The limit was 10 users. --> The limit is 25 users."
    assert quoted(text, "10") is None
    assert quoted(text, "25") == "The limit is 25 users."
    assert quoted("Write `<!-- so -->` for it.", "so") == "Write `<!-- so -->` for it."


# ---- the short answer


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("Windows is **not** supported.", "Windows is **not**", "Windows is not"),
        ("Run `user reset admin` as root.", "Run `user reset admin", "Run user reset admin"),
        ('I "ordered" the award.', 'I "ordered', 'I "ordered"'),
        ("He said “it is done” to me.", "it is done”", "“it is done”"),
        ('The "old man and the sea" is here.', '"old man', "old man"),
        ('It measures 5" across.', '5"', '5"'),
        ("- One.", "-", ""),
        ("The first is `argv[1]`.", "`argv[1", "argv[1"),
        ("# Agent\n\n> It is in beta.", "# Agent\n\n> It is in beta", "It is in beta"),
    ],
)
def test_the_short_answer_reads_by_itself(text: str, marked: str, expected: str) -> None:
    assert short(text, marked) == expected
