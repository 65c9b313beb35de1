"""Text with marks of markdown and an article's own notes → the words that a person reads. Pure.

What stands in backticks or between fences is code and is never changed: `argv[1]` holds no note, `__init__` no bold.
Elsewhere a mark goes only where it surely is one; in doubt the text stays as it is in the source.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

# A fenced block, or words between backticks within a paragraph; an open fence ends with the text.
_CODE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<block>.*?)(?:^[ \t]*(?P=fence)[ \t\r]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<inline>(?:(?!\n\s*\n).)+?)(?<!`)(?P=ticks)(?!`)",
    re.M | re.S,
)
_KEPT = re.compile(r"\0(\d+)\0")  # where code was taken out of a text
_JOINERS = "\u200c\u200d"  # unseen too, but words of Persian and some emoji are made with them
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)

# "- ", "1. ", "## ", "> " before a sentence, and the row of dashes under the head of a table.
_LINE_MARK = re.compile(r"^\s*(?:(?:[-*+•>]|#{1,6}|\d{1,2}[.)])\s+)+")
_BULLET = re.compile(r"^\s*(?:[-*+•]\s+)+")
_QUOTED = re.compile(r"^\s*(?:>\s?)+")
_HEADING = re.compile(r"^\s*#{1,6}\s+|(?<=\S)\s+#+\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_ROW = re.compile(r"^\s*\|(.*)\|\s*$")
_RULE = re.compile(r"^\s*(?:\|?[\s:|-]*-{2,}[\s:|-]*\|?|={3,}|(?:\* ?){3,})\s*$")
_LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+[\"'][^\"']*[\"'])?\)")
_ADDRESS = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
# Tags that only shape words; "<NAME>" and "a < b" are none of them.
_TAG = re.compile(
    r"</?(?:kbd|code|b|i|em|strong|u|s|mark|small|span|a|abbr|del|ins|p|div|font|details|summary)(?:\s[^<>]*)?>", re.I
)
_BREAK = re.compile(r"\s*<br\s*/?>\s*", re.I)
_RAISED = re.compile(r"<(sup|sub)>\s*(\d+)\s*</\1>", re.I)
_RAISED_DIGITS = {"sup": str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"), "sub": str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")}
# Emphasis comes in pairs; one half alone where a sentence was cut out of it, at the edge. `__init__` is a name.
_PAIRS = (
    re.compile(r"(?<![\w*])\*\*(?=[^\s*])(.+?)(?<=[^\s*])\*\*(?![\w*])", re.S),  # not "2**3 and 4**5"
    re.compile(r"(?<!\w)__(?=\S)([^_]+\s[^_]+|[^\w]*\w+[^\w]+)__(?!\w)"),
    re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])"),
    re.compile(r"(?<!\w)_(?=[^\W_])([^_\n]+?)(?<=[^\s_])_(?!\w)"),
)
_HALF = re.compile(r"^(?:\*\*|\*)(?=[^\s*])|(?<=[^\s*])\*\*(?=[\"'”’»)\]]*[.!?…:]?$)")
_LONE_TICK = re.compile(r"(?<!\s)`|`(?!\s)")

NEAR = 80  # characters before a number in brackets that tell what it is: a long word, or words in round brackets

# Notes of the article itself, "[7]" and "[12][13]". [0] is none: lists of code begin with it, notes do not.
_NUMBERED = re.compile(r"(\s*)((?:\[[1-9]\d{0,2}\])+)(?=[\s.,;:!?…)\]}\"'”’»–—]|$)(?!\.\w|\s*[=<>+*/])")
_NAMED = re.compile(
    r"\s*\[(?:(?:N|n|nb|note|lower-alpha) \d{1,3}|citation needed|update|clarification needed|\^\d{1,3})\](?![(:])"
    r"|\s*\[\[\d{1,3}\]\]\([^()\s]*\)"
)
_AFTER_MARK = re.compile(r"[.!?…,;:\"”’»][*_]{0,3}$|[.!?…][\"”’»)*_]{0,3}\s+$")
_IN_BRACKETS = re.compile(r"\s\([^()]*\)$")
_AFTER_WORD = re.compile(r"(?<![^*\s(\[\"“‘«'’-])(?:[^\W\d_]+[-’'])*[^\W\d_]{2,}$|(?<!\S)\d{4}$")
_NAME = re.compile(r"^[^\W\d_a-z][^\W\d_A-Z]+$")
_ENDED = re.compile(r"\s*(?:[.!?…,;:]|$)")


def shown(text: str, start: int = 0, end: int | None = None) -> str:
    """The words of `text[start:end]` as they are shown; what is code in them is seen from the whole text.

    One line, but for code, items of a list of several, rows of a table and headings, which keep theirs.
    """
    prose, codes = apart(text, start, end)
    lines = _lines(without_notes(COMMENT.sub(" ", prose), text))
    return together(unmarked("\n".join(lines)), codes).strip()


def apart(text: str, start: int = 0, end: int | None = None) -> tuple[str, list[str]]:
    """`text[start:end]` with a mark in place of each piece of code, and the pieces; without what nobody sees."""
    end = len(text) if end is None else end
    parts: list[str] = []
    codes: list[str] = []
    at = start
    for match in _CODE.finditer(text):
        low, high = max(start, match.start()), min(end, match.end())
        if low >= high:
            continue
        group = "block" if match["fence"] else "inline"
        inside = text[max(low, match.start(group)) : min(high, match.end(group))]
        gap = "\n" if match["fence"] else ""
        parts += [_seen(text[at:low]), f"{gap}\0{len(codes)}\0{gap}"]
        inside = _seen(inside)
        codes.append(("\n" if match["fence"] else " ").join(inside.rstrip().splitlines()))
        at = high
    return "".join([*parts, _seen(text[at:end])]), codes


def together(prose: str, codes: Sequence[str]) -> str:
    """The text of which `apart` made these."""
    return _KEPT.sub(lambda match: codes[int(match[1])], prose)


def unmarked(prose: str) -> str:
    """Prose without links, tags and emphasis."""
    prose = _BREAK.sub(" ", _ADDRESS.sub(r"\1", _LINK.sub(r"\1", _LINK.sub(r"\1", prose))))
    prose = _RAISED.sub(lambda match: match[2].translate(_RAISED_DIGITS[match[1].lower()]), prose)
    prose = _TAG.sub("", prose)
    for pair in _PAIRS:
        prose = pair.sub(r"\1", prose)
    return _LONE_TICK.sub("", _HALF.sub("", prose))


def without_line_mark(prose: str) -> str:
    """A line without the marks of a list, a heading or a quotation that open it."""
    return _LINE_MARK.sub("", prose)


def without_notes(text: str, around: str = "") -> str:
    """A text without the numbers of its own notes, which would read as ours. `around`: what it is a part of.

    Behind a sentence end, a comma or a quotation mark a number in brackets is a note. Behind a word it may be an index,
    `argv[1]`: it is taken for a note behind a name or where it ends a clause after a space, or where `around` has sure
    notes.
    """
    noted = any(_AFTER_MARK.search(around[: match.start(2)][-NEAR:]) for match in _NUMBERED.finditer(around))
    text = _NAMED.sub("", text)

    def cut(match: re.Match[str]) -> str:
        return "" if _is_note(text[: match.start(2)], text[match.end() :], noted) else match[0]

    return _NUMBERED.sub(cut, text)


def _is_note(before: str, after: str, noted: bool) -> bool:
    """Whether the number in brackets between these is a note."""
    near = before[-NEAR:]
    if _AFTER_MARK.search(near):
        return True
    word = _AFTER_WORD.search(near.rstrip().rstrip("*"))
    if not word:
        return noted and bool(_IN_BRACKETS.search(near))
    return noted or bool(_NAME.match(word[0])) or (near[-1].isspace() and bool(_ENDED.match(after)))


def code_spans(text: str) -> list[tuple[int, int]]:
    """Where code stands in the text, with its backticks or fences."""
    return [match.span() for match in _CODE.finditer(text)]


def _seen(text: str) -> str:
    return "".join(c for c in text if c.isspace() or c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def _lines(text: str) -> Iterator[str]:
    """The lines as they are shown: those of a paragraph joined, each item, row and heading for itself."""
    lines = [line for line in _unquoted(text.splitlines()) if not _RULE.match(line)]
    listed = sum(bool(_ITEM.match(line)) for line in lines) > 1
    under_way, opens = "", True
    for line in lines:
        item = listed and bool(_ITEM.match(line))
        alone = bool(_HEADING.match(line) or _ROW.match(line) or _KEPT.fullmatch(line))
        ended = not line.strip() and listed  # what follows a list is no part of its last item
        if under_way and (item or alone or ended):
            yield under_way
            under_way = ""
        if alone and not item:
            yield _line(line, opens)
        elif line.strip():
            bare = line.rstrip() if item else _line(line, opens)
            under_way = f"{under_way} {bare}" if under_way else bare
        opens = alone or not line.strip()
    if under_way:
        yield under_way


def _unquoted(lines: Sequence[str]) -> Iterator[str]:
    """Lines without the marks of a quotation; within a paragraph ">" is none."""
    opens = True
    for line in lines:
        opens = (opens and line.lstrip().startswith(">")) or not line.strip()
        yield _QUOTED.sub("", line) if opens else line


def _line(line: str, opens: bool) -> str:
    """A line without the marks of a heading, a row or, where it `opens` a paragraph, of a lone item, and with single
    spaces. The number of an item stays: a line that was wrapped may begin with one."""
    row = _ROW.match(line)
    bare = row[1] if row else _HEADING.sub("", line) if _HEADING.match(line) else line
    return " ".join((_BULLET.sub("", bare) if opens else bare).split())
