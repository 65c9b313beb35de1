"""What a person sees that a claim has and its passage lacks: numbers, units, names, words that claim more. Pure.

Each is a reason to give when a claim falls (`rag/verify.py` joins them with the evidence model).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from index.catalog import STOPWORDS
from index.chunk import sentences

STEM = 5  # letters compared: "Iranian" is in a text about Iran, "negotiate" in one on negotiations

_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-−–])?\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_NUMBER_OR_WORD = re.compile(rf"\d[\d,]*(?:\.\d+)?|{_WORD.pattern}")
_POSSESSIVE = re.compile("['’]s?$")
_NUMBER_WORDS = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred".split(),
        [*map(str, range(1, 21)), "30", "40", "50", "60", "70", "80", "90", "100"],
        strict=True,
    )
)
_TIMES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_AMOUNT = re.compile(
    rf"(\d[\d,]*(?:\.\d+)?|(?<![\w-])(?:{'|'.join(set(_NUMBER_WORDS) - {'one'})}))[\s-]*({'|'.join(_TIMES)})(?!\w)",
    re.I,
)
_UNIT = re.compile(
    r"(\d[\d,]*(?:\.\d+)?)[\s-]*(million|billion|trillion|thousand|per\s?cent|%|km|kilomet\w+|miles?|met(?:er|re)s?|feet"
    r"|kg|kilogram\w*|ton(?:ne)?s?|pounds?|years?|months?|weeks?|days?|hours?|minutes?|seconds?|acres?|hectares?)(?!\w)",
    re.I,
)
_SAME_UNIT = {"%": "perce", "per c": "perce", "km": "kilom", "kg": "kilog", "tonne": "ton"}
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nobody|nothing|den(?:y|ies|ied|ying)|reject\w*|refus\w*|fail\w*)\b"
    r"|n[’']t\b",
    re.I,
)
# Words under which a sentence says a thing without saying that it is so: a condition, a doubt, a plan, a mere claim.
_SCOPE = re.compile(
    r"\b(?:[Ii]f|[Uu]nless|[Ww]hether|[Aa]lleg\w+|[Rr]umou?r\w*|[Ss]uppos\w+|[Rr]eportedly|may|might|nearly|almost|planned"
    r"|claims?|claimed|conclude[sd]?|argued|believed|falsely|untrue|invention|hoax|myth|legend|up to)\b"
)
# Words that claim more than a passage says that has none of their group.
_STRONG = [
    (re.compile(rf"\b(?:{claimed})\b", re.I), re.compile(rf"\b(?:{claimed}|{like})\b", re.I))
    for claimed, like in (
        ("all|both|each|every|everyone|whole|entire(?:ly)?|complete(?:ly)?|fully|throughout", "any|none|no|everything"),
        ("most|mostly|majority|main", "largely|mainly|chiefly|primarily|predominantly|generally"),
        ("only|solely|alone|exclusively", "sole|just|nothing but|no other"),
        ("always|never", "ever|not|no|n[’']t|cannot"),
        ("first", "earliest|original(?:ly)?|initial(?:ly)?|1st|began|pioneer\\w*"),
        ("last", "latest|final(?:ly)?|end(?:s|ed)?"),
        ("largest|biggest|greatest|highest|longest|oldest|best", "most|top|major|first|maximum|leading"),
        ("worst|lowest|smallest|shortest|youngest", "least|minimum|fewest"),
        ("must|guarantee(?:s|d)?|prove(?:s|d|n)?", "has to|have to|required?|obliged|shall|mandatory|proof"),
    )
]  # fmt: skip


def numbers_of(text: str) -> set[str]:
    """Numbers, without thousands' commas, number words as digits (except "one", which is mostly a pronoun); raised
    digits and fractions each for itself."""
    digits = {re.sub("[−–]", "-", number.replace(",", "").rstrip(".")) for number in _NUMBER.findall(text)}
    digits |= {char for char in text if unicodedata.category(char) in ("No", "Nl")}
    words = {_NUMBER_WORDS[word] for word in map(str.lower, _WORD.findall(text)) if word in _NUMBER_WORDS}
    return digits | (words - {"1"})


def lacks_number(claim: str, source: str) -> bool:
    """Whether the source has not every number of the claim, as it is or in another form: "1,250 million" of "1.25
    billion", "eight thousand" of "8,000"."""
    known = numbers_of(source)
    amounts = {amount for _, amount in _amounts(source)} | {_decimal(number) for number in known}
    own = [*_amounts(claim), *((number, _decimal(number)) for number in numbers_of(_AMOUNT.sub(" ", claim)))]
    return any(number not in known and amount not in amounts for number, amount in own)


def _amounts(text: str) -> list[tuple[str, Decimal | str]]:
    """(number, amount) of the numbers that stand with "thousand" and the like."""
    found = [(match[1].lower().replace(",", ""), match[2].lower()) for match in _AMOUNT.finditer(text)]
    digits = [(_NUMBER_WORDS.get(number, number), times) for number, times in found]
    return [(number, Decimal(number) * _TIMES[times]) for number, times in digits]


def _decimal(number: str) -> Decimal | str:
    """What a number amounts to; a raised digit or a fraction is only what it is."""
    return Decimal(number) if number.isascii() else number


def names_of(text: str) -> list[str]:
    """Capitalised words that do not merely begin the sentence; single letters, which are initials, left out."""
    return [
        match.group()
        for match in _WORD.finditer(text)
        if match.group()[0].isupper()
        and match.start() > 0
        and len(match.group()) > 1
        and match.group().lower() not in STOPWORDS
    ]


def invented_names(claim: str, texts: Sequence[str]) -> list[str]:
    """Names of the claim that stand in none of the texts, compared by their first letters."""
    known = {stem for text in texts for stem in _stems(text)}
    return [name for name in names_of(claim) if _stem(name) not in known]


def other_units(claim: str, source: str) -> bool:
    """Whether a number of the claim stands in the source with a unit, and only with others than the claim's."""
    held: dict[str, set[str]] = {}
    for number, unit in _units(source):
        held.setdefault(number, set()).add(unit)
    return any(number in held and unit not in held[number] for number, unit in _units(claim))


def strong(claim: str, source: str) -> bool:
    """Whether the claim holds a word that claims more than the source, which has none of its group: "all" of some,
    "largest" of a large one."""
    return any(claimed.search(claim) and not like.search(source) for claimed, like in _STRONG)


def unsaid(claim: str, source: str) -> bool:
    """Whether the sentence nearest to the claim says it only under a condition, in doubt, as a plan, as a limit or as
    somebody's claim, where the claim does not."""
    return bool(_scopes(_nearest(claim, source)) - _scopes(claim))


def turned(claim: str, source: str) -> bool:
    """Whether one of the claim and the sentence nearest to it denies, and the other does not."""
    return bool(_NEGATION.search(claim)) != bool(_NEGATION.search(_nearest(claim, source)))


def unseen(claim: str, text: str) -> float:
    """The share of the claim's content words, numbers among them, that the text lacks; 1 for a claim without any."""
    content, held = _content(claim), set(_content(text))
    return sum(word not in held for word in content) / len(content) if content else 1.0


def _units(text: str) -> list[tuple[str, str]]:
    """(number, unit), units by their first letters, without the s of many."""
    found = [(match[1].replace(",", ""), match[2].lower()) for match in _UNIT.finditer(text)]
    return [(number, _SAME_UNIT.get(unit[:STEM], unit.rstrip("s")[:STEM])) for number, unit in found]


def _content(text: str) -> list[str]:
    words = [word for word in _NUMBER_OR_WORD.findall(text) if word.lower() not in STOPWORDS]
    return [word.replace(",", "") if word[0].isdigit() else _stem(word) for word in words]


def _nearest(claim: str, source: str) -> str:
    """The sentence of the source that shares most words with the claim."""
    own = _stems(claim) - {word[:STEM] for word in STOPWORDS}
    parts = [source[start:end] for start, end in sentences(source)] or [source]
    return max(parts, key=lambda part: len(own & _stems(part)))


def _scopes(text: str) -> set[str]:
    return {word.lower()[:STEM] for word in _SCOPE.findall(text)}


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text)}


def _stem(word: str) -> str:
    """The first letters of a word, "Iran's" as "Iran"."""
    return _POSSESSIVE.sub("", word).lower()[:STEM]
