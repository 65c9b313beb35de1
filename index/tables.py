"""Rows of a table → items that each say what their cells are of, so that a row can be quoted alone.

Pure: a cell is its text and the number of columns it spans. An item is `Head cell: Head: cell; Head: cell`,
or `key: value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

Cell = tuple[str, int]
Row = Sequence[Cell]

LONGEST_NAME = 60  # characters of a head that was not marked as one, or of a key; what is longer is prose
MOST_GROWTH = 20
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?:[/–-]\d{2,4})?[a-z]?\Z")
_NUMBER = re.compile(r"[^\w]*(?:[A-Z]{3} )?\d")  # also "€ 5", "CHF 88" and "40 crowns"


def listed(rows: Sequence[Row], marked: int = 0) -> tuple[list[str], list[str]] | None:
    """The titles above a table's head, and an item for each row below it; None where the table has no head that can be
    told from its other rows. `marked`: how many of the first rows the document itself calls heads."""
    above = _titles(rows)
    titles = [row[0][0] for row in _filled(rows[:above])]
    body, heads = _filled(rows[above:]), len(_filled(rows[above:marked]))
    width = max((len(_grid(row)) for row in body), default=0)
    heads = heads or (_guessed(body, width) if width > 1 else 0)
    if width < 2 or heads >= len(body):
        return None
    if heads:
        columns = zip(*(_grid(row, width) for row in body[:heads]), strict=True)
        names = [" ".join(_distinct(column)) for column in columns]
        return None if _grows(body[heads:], names) else (titles, [_item(row, names) for row in body[heads:]])
    return (titles, list(map(_pair, body))) if width == 2 and _paired(body) else None


def _filled(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if any(text for text, _ in row)]


def _grows(rows: Sequence[Row], names: Sequence[str]) -> bool:
    """Whether the heads, said in each row, would be far longer than the table itself."""
    return len(rows) * sum(map(len, names)) > MOST_GROWTH * sum(len(text) for row in rows for text, _ in row)


def _titles(rows: Sequence[Row]) -> int:
    """How many of the first rows are one cell over the others' several columns."""
    first = (at for at, row in enumerate(rows) if len(row) > 1)
    return next(first, 0)


def _grid(row: Row, width: int = 0) -> list[str]:
    """The text of each column, at least `width` of them."""
    texts = [text for text, span in row for _ in range(span)]
    return texts + [""] * (width - len(texts))


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def _item(row: Row, names: Sequence[str]) -> str:
    """`Head cell: Head: cell; Head: cell`, since a row is about its first cell: with `Head: cell; …` for all, another
    row was often quoted. A first cell that stands alone heads the rows below it."""
    first, *others = _said(row, names)
    name, text = first
    if not row[0][0] or not others:
        return text if row[0][0] else "; ".join(map(_named, (first, *others)))
    return f"{name} {text}: ".lstrip() + "; ".join(map(_named, others))


def _named(cell: tuple[str, str]) -> str:
    name, text = cell
    return f"{name}: {text}" if name else text


def _said(row: Row, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The head and the text of each cell that is not empty."""
    column = 0
    for text, span in row:
        if text:
            yield ", ".join(_distinct(names[column : column + span])).rstrip(" :"), text
        column += span


def _pair(row: Row) -> str:
    key, value = row[0][0], row[1][0] if len(row) > 1 else ""
    return f"{key.rstrip(' :')}: {value}" if key and value else key or value


def _paired(rows: Sequence[Row]) -> bool:
    """Whether rows of two columns are keys and their values."""
    keys = [row[0][0] for row in rows]
    return len(rows) > 1 and all(0 < len(key) <= LONGEST_NAME for key in keys) and len(set(keys)) == len(keys)


def _guessed(rows: Sequence[Row], width: int) -> int:
    """1 where the first row must be a head: short texts or years, and other figures below one of them.

    Of two columns it may as well be the first key and value, unless its first cell is empty.
    """
    names = [text for text, _ in rows[0]] if len(rows) > 1 else []
    named = len(names) == width and all(names[1:]) and len(set(names)) == width
    if not named or (width == 2 and names[0]) or max(map(len, names)) > LONGEST_NAME:
        return 0
    if any(_kind(name) == "number" for name in names):
        return 0
    columns = zip(*(_grid(row, width) for row in rows[1:]), strict=True)
    return int(any(map(_differs, names, columns)))


def _kind(text: str) -> str:
    """What a cell holds: a "year", a "number" or "text"."""
    return "year" if _YEAR.match(text) else "number" if _NUMBER.match(text) else "text"


def _differs(head: str, below: Iterable[str]) -> bool:
    """Whether at least half of a column's filled cells are figures of another kind than its head."""
    kinds = [_kind(text) for text in below if text]
    others = [kind for kind in kinds if kind != "text" and kind != _kind(head)]
    return len(others) * 2 >= max(1, len(kinds))
