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
# A question word and nothing else: of what it asks, only the question before it knows.
_JOINED = r"\W*(?:(?:and|but|so|then)\W+)?"
_WORD = r"(?:who|whom|what|when|where|why|which|how(?: (?:much|many|long|far|old|often))?)"
_BARE = re.compile(
    rf"{_JOINED}((?:(?:by|with|to|from|for|since|until) )?{_WORD}"
    r"(?: (?:not|so|did|does|do|was|were|is|are|has|had|then|exactly))*)\W*",
    re.I,
)
_ASKED = re.compile(rf"{_JOINED}(?:{_WORD}\b)?\s*", re.I)  # what of an earlier question the bare one takes the place of
_AUXILIARY = re.compile(r"(?:do|does|did|is|are|was|were|has|have|had)\s+(?:he|she|it|they|you|we)\s+", re.I)
# What is said to a person; the articles have no answer to it.
_CHAT = re.compile(
    r"\W*(?:(?:please )?(?:tell me |say )?(?:some )?more|go on|continue|(?:please |can you )?help(?: me)?"
    r"|(?:ok(?:ay)?\W+)?(?:thanks|thank you)(?: (?:a lot|very much|so much))?(?:\W+that helps)?"
    r"|ok(?:ay)?|hello|hi|please|yes|no|really)(?: please)?\W*",
    re.I,
)
_NAME = re.compile(r"(?<=\w )[A-Z]\w+")  # a capital within the question


def content(question: str) -> list[str]:
    """The words of a question that not every text holds: without any ("Is?", "Who is he?") it asks of nothing."""
    return content_words(re.findall(r"\w+", question.lower()))


def is_chat(question: str) -> bool:
    """Whether this is said to a person ("Tell me more", "Thanks!") and asks the articles nothing."""
    return bool(_CHAT.fullmatch(question))


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
    asked = [earlier.strip() for earlier, _ in history if not is_chat(earlier)] or [history[-1][0].strip()]
    whole = next((earlier for earlier in reversed(asked) if not goes_on(earlier)), asked[0])
    return " ".join(dict.fromkeys([whole, asked[-1]]))


def taken_up(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The earlier question that a question word alone ("And when?") asks more of, or ""."""
    if not _BARE.fullmatch(question):
        return ""
    earlier = (asked.strip() for asked, _ in reversed(history))
    return next((asked for asked in earlier if content(asked) and not (_BARE.fullmatch(asked) or is_chat(asked))), "")


def put(question: str, earlier: str) -> str:
    """A question word alone with the earlier question it takes up: any date would answer "When?" as it is."""
    bare = _BARE.fullmatch(question)
    if not bare or not earlier:
        return question
    rest = _ASKED.sub("", earlier, count=1)
    if " " in bare[1]:  # "Who did?" brings its verb along
        rest = _AUXILIARY.sub("", rest, count=1)
    return f"{bare[1]} {rest}"
