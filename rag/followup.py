"""A question that goes on from earlier ones, put so that it can be searched for. Pure: rules, no model.

"When did he draw the plans?" needs the question that names him; "Who is the president of France, and what are his
plans?" names him itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from index.catalog import content_words

STUB_WORDS = 3  # "And the tunnel?", "How much a month?": with fewer content words a question leaves something out

# Pronouns for one who may have been named before them in the same question, and words that point beyond it.
_WHO = re.compile(r"\b(?:he|she|him|his|hers?|they|their|its)\b", re.I)
_BEYOND = re.compile(
    r"\b(?:it(?! (?:is |was )?(?:true|false|clear|known|possible|likely|said|correct|(?:cost|take|rain|snow|mean)"
    r"(?:s|ing)?)\b)|them|these|those"
    r"|this(?! (?:year|month|week|day|morning|evening|spring|summer|autumn|winter|century|time)\b)"
    r"|(?:after|before|about|of|with|to|by|for|from|like|than|is|was|did|does) that\b(?! \w+ (?:is|was|were|had))"
    r"|(?<!is )(?<!are )(?<!was )(?<!were )there(?! (?:is|are|was|were|any)\b)|the same|else)\b"
    r"|^\W*why\W*$",
    re.I,
)
_OPENS = re.compile(r"\W*(?:and|but|so|then|what about|how about|how so|why not)\b", re.I)
_NAME = re.compile(r"(?<=\w )[A-Z]\w+")  # a capital within the question


def content(question: str) -> list[str]:
    """The words of a question that not every text holds: without any ("Is?", "Who is he?") it asks of nothing."""
    return content_words(re.findall(r"\w+", question.lower()))


def goes_on(question: str) -> bool:
    """Whether a question leaves out what an earlier one named."""
    name, who = _NAME.search(question), _WHO.search(question)
    if _BEYOND.search(question) or (who and not (name and name.start() < who.start())):
        return True
    short = len(set(content(question))) < STUB_WORDS
    return (short and not name) or bool(_OPENS.match(question) and (short or not name))


def context(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The earlier questions that this one goes on from: the last that stands by itself, and the one just before; empty
    for one that stands by itself. `history`: (question, answer text), oldest first."""
    if not history or not goes_on(question):
        return ""
    asked = [earlier.strip() for earlier, _ in history]
    whole = next((earlier for earlier in reversed(asked) if not goes_on(earlier)), asked[0])
    return " ".join(dict.fromkeys([whole, asked[-1]]))
