"""What a person reads of a text with marks: code as it is, prose without them, and no notes that would read as ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.plain import shown, without_notes


@pytest.mark.parametrize(
    "text",
    [
        "m[2][3] is.",
        "XX[12]-YY",
        "a = b[0] and a = b[1].",
        "use argv[1] now",
        "x[1].name",
        "f(x)[1] holds",
        "the list[3] = 4",
        "see [3] for more",
        "Choose: [1] yes, [2] no.",
        "[1] Smith, A Book.",
        "in [2020] it was",
        "2 * 3 * 4, 2**3 and 4**5",
        "snake_case and __init__ and *args",
        "press <NAME> if a < b > c",
    ],
)
def test_in_doubt_a_text_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    "code", ["argv[1]", "a = b[0]", "m[2][3].", "__init__", "a * b * c", "<b>", "x.[1] y", "[a](b)"]
)
def test_code_stays_as_it_is(code: str) -> None:
    assert shown(f"It is `{code}` here.") == f"It is {code} here."
    assert shown(f"So:\n\n```py\n  {code}\nb\n```\n\n*End.*[1]") == f"So:\n  {code}\nb\nEnd."


def test_what_is_code_is_seen_from_the_whole_text() -> None:
    text = "```\n# keep **7**\nx = y[1]\n```"
    start = text.index("#")
    assert shown(text, start, text.index("\n```", start)) == "# keep **7**\nx = y[1]"
    tick = "It is `a__b__ c` so."
    assert shown(tick, 0, tick.index(" c")) == "It is a__b__"


def test_the_notes_of_an_article_are_not_shown_as_ours() -> None:
    assert without_notes("It rose [2]. Bell[N 4] left.[citation needed] So.") == "It rose. Bell left. So."
    assert without_notes("It was closed in [2020] after\na flood.[2][13] More.[4]") == (
        "It was closed in [2020] after\na flood. More."
    )
    assert without_notes('**Berlin**[3] is "old",[12][13] he said.[^2] So. [4] It is.') == (
        '**Berlin** is "old", he said. So. It is.'
    )


def test_behind_a_common_word_only_where_the_article_has_notes() -> None:
    assert without_notes("the tunnel[5] and") == "the tunnel[5] and"
    assert without_notes("the tunnel[5] and", around="the tunnel[5] and the road.[6]") == "the tunnel and"
    assert shown("in Berlin (East)[3] and the tunnel[5] too.[6]") == "in Berlin (East) and the tunnel too."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Windows is **not** supported.", "Windows is not supported."),
        ("> **Note:** The administrator is `admin`.", "Note: The administrator is admin."),
        ("- Hydrogen: the pilot.", "Hydrogen: the pilot."),
        ("# Agent\n\n> It is in\n> beta.", "Agent\nIt is in beta."),
        ("### Added ###\nLocks.", "Added\nLocks."),
        ('See [the guide](https://a.b/c_(d) "T") and ![it](x.png).', "See the guide and it."),
        ("[![build](b.svg)](https://a.b) passes", "build passes"),
        ("At <https://a.b/c> now", "At https://a.b/c now"),
        ("Press <kbd>Ctrl</kbd>+C.<br>Then go.", "Press Ctrl+C. Then go."),
        ("the year<sup>1</sup>, 5 m<sup>2</sup>, CO<sub>2</sub>", "the year¹, 5 m², CO₂"),
        ("_vacant_ and *so*", "vacant and so"),
        ("**Do not. Ever", "Do not. Ever"),
        ("Do not ever.**", "Do not ever."),
        ("<!-- 10 --> It is <!-- no --> 25.", "It is 25."),
        ("One.\n\nTwo\nand three.", "One. Two and three."),
        ("| RAM | 2 GB |", "RAM | 2 GB"),
        ("| a | b |\n|---|---|\n| c | d |", "a | b\nc | d"),
        ("Title\n=====\n\nText.", "Title Text."),
        ("Then:\n\n1. Go\n   on.\n2. Stop.\n   - Or not.\n\nEnd.", "Then:\n1. Go on.\n2. Stop.\n   - Or not.\nEnd."),
        ("in room\n14. Nobody\n> 5 was hurt.", "in room 14. Nobody > 5 was hurt."),
        ("in the town\n- so he said.", "in the town - so he said."),
        ("2. The schedule.", "2. The schedule."),
        ("Run `reset admin on", "Run reset admin on"),
    ],
)
def test_marks_of_markdown_are_not_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(alphabet=st.sampled_from("a1`~[]*_\n .<>!-|#()\0\\é"), max_size=40), st.data())
def test_any_text_can_be_shown(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    said = shown(text, start, end)
    assert "\0" not in said
    assert sum(map(str.isalnum, said)) <= sum(map(str.isalnum, text[start:end]))
