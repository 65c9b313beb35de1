"""Where sentences end within a paragraph, in the languages whose marks and abbreviations are known here. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What begins an item of a list: a bullet, a number or a letter. `mark`: that alone.
LIST_ITEM = re.compile(r"\s*(?P<mark>[-*+•◦▪‣·–—>]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|\(\d{1,3}\))\s")

# A sentence ends after . ! ? … (or what Arabic, Urdu and Hindi write for them) with any closing quotes or brackets and
# notes ("[7]", "[citation needed]"), when space follows; or after a CJK full stop. French has a space before », as no
# other text has before a » that space follows; “ and « close in German. A row of dots is tried once, from its first
# one: a line of them takes no quadratic time.
_END = re.compile(
    r"(?<![.!?…])[.!?…؟۔।॥]++(?:[\"'”’»)\]“‘«›‹]|[ \u00a0\u2009\u202f]»(?=[\s)\]]))*+"
    r"(?:\[[^\[\]\s][^\[\]\r\n]{0,24}\])*+(?=\s)|[。！？]+[」』”’）]*"
)
# What may stand before the next sentence's first letter: a note in brackets ("[pause] I wrote"), opening quotes.
_BEFORE_NEXT = re.compile(r"\s+(?:\[[^\[\]\r\n]{0,80}\]\s+)*+[\"'“‘«(\[„‚»]*")
_GREEK_SIGN = re.compile(r"[α-ω](?![^\W\d_])")
LAST_WORD = 30  # characters looked back for what may be an abbreviation
# A full stop after one of these ends no sentence: a name follows; after the second kind only where a number does.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr gen col maj capt lt sgt cmdr adm rev hon pres gov sen rep amb pvt cpl brig "
    "vs ed eds cf al e.g i.e approx ca c dept est inc ltd co corp bros "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ft "
    "fa nr abb vgl bzw evtl ggf inkl mme mmes mlle mgr sra srta dra".split()
)
_NUMBERED = frozenset("no nos vol fig figs eq p pp sec ch art r d b fl op".split())
# "in the U.S. The court" ends a sentence and "the U.S. Army" does not: only these words after an acronym tell. So they
# do after "3 Mio.", "Hauptstr." and "Roe v. Wade".
_STARTERS = re.compile(
    r"\s+[\"“‘(„]*(?:The|A|An|He|She|It|They|We|I|You|In|On|At|But|And|This|That|These|However"
    r"|Der|Die|Das|Er|Sie|Es|Wir|Ein|Eine|Im|Am|Auf|Bei|Nach|Dann|Danach|Doch|Aber|Und)\s"
)
_UNSURE = re.compile(r"(?i:mio|mrd|.*str)|v")
_NUMBER_NEXT = re.compile(r"\s+\d")
_SHORT_NEXT = re.compile(r"\s+[^\W\d_]{1,3}\.")  # "z. B.", "n. Chr."
# German writes ordinals so: "am 29. April", and after an article "im 19. Jahrhundert".
_ORDINAL = re.compile(r"\d{1,2}")
_MONTH_NEXT = re.compile(
    r"\s+(?:Januar|Jänner|Februar|Feber|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|(?:Jan|Feb|Mär|Apr|Jun|Jul|Aug|Sept?|Okt|Nov|Dez)\.)(?!\w)"
)
_ARTICLES = frozenset("im vom zum zur beim der die das den dem des".split())
_OPENERS = "\"'“‘«([{*_„‚»"


def ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where each sentence of the paragraph `text[start:end]` ends, but for the last one."""
    at = start
    for match in _END.finditer(text, start, end):
        if match.end() < end and _ends(text, at, match):
            yield match.end()
            at = match.end()
            while text[at].isspace() and at + 1 < end:
                at += 1


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the sentence that begins at `start` ends with the mark that was matched."""
    if text[match.start()] in "。！？":
        return True
    if _goes_on(text, match.start() - 1, match.end()):
        return False
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    words = text[max(start, match.start() - LAST_WORD) : match.start()].split()
    if not words or text[match.start() - 1].isspace():
        return False
    bare = words[-1].lstrip(_OPENERS)
    if match.start() - len(words[-1]) == start and (bare.isdigit() or LIST_ITEM.match(text, start, match.end() + 1)):
        return False  # "3. Apply the paint": the number of a list item
    if _ORDINAL.fullmatch(bare):
        return not _is_ordinal(text, words, match.end())
    return not _is_abbreviation(text, bare.rpartition(".-")[2], match.end())  # "Lt.-Col." as "Col."


def _goes_on(text: str, last: int, at: int) -> bool:
    """Whether a small letter is next, in any script that has capitals too (Georgian has none), but for "α-tin"."""
    before = _BEFORE_NEXT.match(text, at)
    if not before or (_GREEK_SIGN.match(text, before.end()) and text[max(0, last)].isascii()):
        return False
    letter = text[before.end() : before.end() + 1]
    return letter.islower() and letter.title() != letter


def _is_ordinal(text: str, words: list[str], at: int) -> bool:
    """Whether the number that stands last in `words`, with its full stop, is one of German's ordinals."""
    after_article = len(words) > 1 and words[-2].lower() in _ARTICLES
    return bool(_MONTH_NEXT.match(text, at)) or (after_article and not _STARTERS.match(text, at))


def _is_abbreviation(text: str, bare: str, at: int) -> bool:
    """Whether a word is cut short by the full stop before `at`, with which its sentence does not end."""
    if _UNSURE.fullmatch(bare) or ("." in bare and bare.replace(".", "").isalpha() and len(bare) <= 5):
        return not _STARTERS.match(text, at)
    if bare in ("n", "u", "z"):
        return bool(_SHORT_NEXT.match(text, at))
    is_initial = len(bare) == 1 and bare.isalpha() and bare.isupper() and bare != "I"
    numbered = bare.lower() in _NUMBERED and bool(_NUMBER_NEXT.match(text, at))
    return is_initial or numbered or bare.lower() in _ABBREVIATIONS
