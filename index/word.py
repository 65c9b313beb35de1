"""The XML of a DOCX → its text, block by block. Pure: no files, and no library but through the elements it made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from string import ascii_lowercase
from typing import Any

from index import tables
from index.letters import plain, subscript, superscript
from index.tables import Cell

PARTS = ("numbering", "footnotes", "endnotes")  # what is read besides the body
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split()
MAX_SPAN = 63  # columns, as many as a table of Word has
_ON = "[not(@w:val='0' or @w:val='false')]"


def _w(name: str) -> str:
    return f"{{http://schemas.openxmlformats.org/wordprocessingml/2006/main}}{name}"


_TEXT, _RUN = _w("t"), _w("r")
_INSIDE = {_w(name) for name in ("sdt", "sdtContent", "ins", "customXml", "smartTag")}
_GONE = {_w(name) for name in ("del", "moveFrom", "txbxContent")}
_SHOWN = {_w("tab"): "\t", _w("br"): "\n", _w("cr"): "\n", _w("noBreakHyphen"): "-"}


def blocks(body: Any, style_of: Callable[[Any], Any], parts: Mapping[str, Any]) -> Iterator[str]:
    """Headings, paragraphs, list items and tables, then the notes. `style_of`: the library's style of a paragraph;
    `parts`: the roots of `PARTS`, None for one that the document lacks."""
    notes = _numbered_notes(body, parts)
    lists = _Lists(parts["numbering"])
    for element in _elements(body, "p", "tbl"):
        text = _table(element) if element.tag == _w("tbl") else _paragraph(element, style_of(element), lists)
        if text.strip():
            yield text
    yield from notes


def _elements(parent: Any, *names: str) -> Iterator[Any]:
    """Elements of these kinds in their order, also those in content controls."""
    wanted = [_w(name) for name in names]
    for child in parent:
        if child.tag in wanted:
            yield child
        elif child.tag in _INSIDE:
            yield from _elements(child, *names)


def _words(paragraph: Any) -> str:
    """All that a reader of the page sees: also what was inserted while changes were tracked, and what stands in fields
    and content controls, which the library leaves out ("not" among it); nothing that was deleted."""

    def parts(element: Any) -> Iterator[str]:
        for child in element:
            if child.tag == _TEXT:
                yield _placed(child.text or "", element)
            elif child.tag in _SHOWN and element.tag == _RUN:
                yield _SHOWN[child.tag]
            elif child.tag not in _GONE:
                yield from parts(child)

    return plain("".join(parts(paragraph)))


def _placed(text: str, run: Any) -> str:
    """The text of a run, figures as raised or lowered as they stand in it."""
    place = _value(run, "rPr", "vertAlign")
    return superscript(text) if place == "superscript" else subscript(text) if place == "subscript" else text


def _paragraph(element: Any, style: Any, lists: _Lists) -> str:
    """A heading as `# …`, a list item as `- …` or `1. …`."""
    name = (style.name if style else "") or ""
    text = _words(element).strip()
    mark = lists.mark(element, style) if text else ""
    level = 1 if name == "Title" else int(match[1]) if (match := re.match(r"Heading (\d)$", name)) else 0
    if text and level:
        return f"{'#' * min(level, 6)} {' '.join(text.split())}"
    return ("- " if text and not mark and name.startswith("List") else mark) + text


# ---- lists


@dataclass(frozen=True)
class _Level:
    """How a list marks one level. `counts`: the list with which it counts, `shown`: "%1." or "(%2)"."""

    counts: str
    kind: str
    shown: str
    start: int

    def number(self, count: int) -> str:
        names = {"Letter": ascii_lowercase, "Roman": _ROMAN}.get(self.kind[5:], "")  # of "lowerLetter", "upperRoman"
        name = names[count - 1] if 0 < count <= len(names) else str(count)
        return name.upper() if self.kind.startswith("upper") else name


class _Lists:
    """The marks of list items, counted as Word counts them: on over all that stands between two items."""

    def __init__(self, numbering: Any) -> None:
        """`numbering`: the root of the part that says how lists are marked, or None."""
        self.levels: dict[tuple[str, int], _Level] = {}
        self.counts: dict[tuple[str, int], int] = {}
        for number in () if numbering is None else numbering.xpath("w:num"):
            base = _value(number, "abstractNumId")
            for level in numbering.xpath(f"w:abstractNum[@w:abstractNumId={_int(base, -1)}]/w:lvl"):
                self._learn(number, base, level)

    def _learn(self, number: Any, base: str, level: Any) -> None:
        name, depth = number.get(_w("numId")), _int(level.get(_w("ilvl"), ""))
        anew = "".join(number.xpath(f"w:lvlOverride[@w:ilvl={depth}]/w:startOverride/@w:val"))
        start = _int(anew or _value(level, "start"), 1)
        kind, shown = _value(level, "numFmt") or "decimal", _value(level, "lvlText")
        self.levels[name, depth] = _Level(f"{name} anew" if anew else base, kind, shown, start)

    def mark(self, paragraph: Any, style: Any) -> str:
        """What stands before a paragraph, with a space: "- ", "3. ", "(a) "; empty for what is no item."""
        name, depth = _numbering(paragraph, style)
        level = self.levels.get((name, depth))
        if level is None or level.kind in ("bullet", "none"):
            return "- " if level and level.kind == "bullet" else ""
        count = self.counts.get((level.counts, depth), level.start - 1) + 1
        self.counts = {at: n for at, n in self.counts.items() if at[0] != level.counts or at[1] < depth}
        self.counts[level.counts, depth] = count
        shown = re.sub(r"%(\d)", lambda match: self._number(name, int(match[1]) - 1), level.shown)
        return f"{shown} " if shown else ""

    def _number(self, name: str, depth: int) -> str:
        level = self.levels.get((name, depth))
        return level.number(self.counts.get((level.counts, depth), level.start)) if level else ""


def _numbering(paragraph: Any, style: Any) -> tuple[str, int]:
    """The list and the level that a paragraph names, or else its style or one that it is based on; "" for none."""
    for _ in range(20):  # styles of a damaged file may be based on each other
        if name := _value(paragraph, "pPr", "numPr", "numId"):
            return name, _int(_value(paragraph, "pPr", "numPr", "ilvl"))
        if style is None:
            break
        paragraph, style = style.element, style.base_style
    return "", 0


def _value(element: Any, *names: str) -> str:
    """What the element that these names lead to says, "" where it is missing."""
    for name in names:
        element = None if element is None else element.find(_w(name))
    return "" if element is None else element.get(_w("val"), "")


def _int(text: str, default: int = 0) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else default


# ---- notes


def _numbered_notes(body: Any, parts: Mapping[str, Any]) -> list[str]:
    """Footnotes and endnotes, each as `[n] …`, in the order of their marks; the marks in the text become `[n]` too."""
    shown = "[not(ancestor::w:del) and not(ancestor::w:moveFrom) and not(ancestor::w:txbxContent)]"
    texts = {kind: _notes(parts[f"{kind}s"]) for kind in ("footnote", "endnote")}
    numbered: list[str] = []
    for mark in body.xpath(f".//w:footnoteReference{shown} | .//w:endnoteReference{shown}"):
        kind = "footnote" if mark.tag == _w("footnoteReference") else "endnote"
        if text := texts[kind].get(mark.get(_w("id"))):
            number = f"[{len(numbered) + 1}]"
            numbered.append(f"{number} {text}")
            mark.tag, mark.text = _TEXT, number  # read as the text that the page shows there
    return numbered


def _notes(part: Any) -> dict[str, str]:
    """By their ids. Separators, which are kept among them, have no text."""
    notes = () if part is None else part
    return {note.get(_w("id")): "\n\n".join(filter(None, map(_words, _elements(note, "p")))).strip() for note in notes}


# ---- tables


def _table(table: Any) -> str:
    """A line for each row: an item where the head is known, else the cells. A cell over several columns stands there
    once, one over several rows in each of them."""
    rows = list(_elements(table, "tr"))
    above: dict[int, str] = {}  # first column of a cell → its text
    cells = [_row(row, above) for row in rows]
    listed = None if table.xpath(".//w:tbl") else tables.listed(cells, _heads(rows))
    if listed is None:
        return "\n".join(" | ".join(text for text, _ in row) for row in cells)
    titles, items = listed
    return "\n".join([*titles, *(f"- {item}" for item in items)])


def _row(row: Any, above: dict[int, str]) -> list[Cell]:
    column = min(MAX_SPAN, int(row.xpath("sum(w:trPr/w:gridBefore/@w:val)")))
    cells = [("", column)] if column else []
    for cell in _elements(row, "tc"):
        if cell.vMerge != "continue":
            above[column] = _cell(cell)
        cells.append((above.get(column, ""), min(MAX_SPAN, cell.grid_span)))
        column += cell.grid_span
    return cells


def _heads(rows: list[Any]) -> int:
    """How many of the first rows are marked as heads, or wholly bold above one that is not."""
    marked = len(list(takewhile(lambda row: row.xpath(f"w:trPr/w:tblHeader{_ON}"), rows)))
    return marked or int(len(rows) > 1 and _is_bold(rows[0]) and not _is_bold(rows[1]))


def _is_bold(row: Any) -> bool:
    written = row.xpath(".//w:r[w:t]")
    return bool(written) and len(written) == len(row.xpath(f".//w:r[w:t][w:rPr/w:b{_ON}]"))


def _cell(cell: Any) -> str:
    return " ".join(" ".join(_words(element) for element in cell.iter(_w("p"))).split())
