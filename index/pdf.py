"""What pypdf reads of a PDF's pages → one text. Pure: no library, no files.

A page comes as pieces, each with the size and baseline it is set in; what only a page needs (running heads, the hyphens
of line ends) is taken out, and what a text alone would lose (raised figures, headings) is written out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from index.letters import superscript

SMALLER, LARGER = 0.9, 1.12  # sizes beyond these, by the size of the text beside it, are another size
RAISED = (0.15, 0.75)  # how far above the line a superscript stands, by the size of the text before it
EDGE = 3  # lines at the top and at the foot of a page that may be running heads
FEWEST = 3  # pages that a running head must stand on
HEADING = 60  # characters; a longer line is prose
Matrix = Sequence[float]


@dataclass(frozen=True)
class Piece:
    """Text set in one size on one baseline, in points of the page; line ends are in the text."""

    text: str
    size: float
    baseline: float


def piece(text: str, page: Matrix, line: Matrix, size: float, rise: float = 0) -> Piece:
    """From what pypdf says: the matrices of the page and of the text, and size and rise before they scale them."""
    across, up = line[2] * page[0] + line[3] * page[2], line[2] * page[1] + line[3] * page[3]
    baseline = line[4] * page[1] + line[5] * page[3] + page[5]
    return Piece(text, size * (across**2 + up**2) ** 0.5, baseline + rise * up)


class Rise:
    """How far above its baseline text is shown, which pypdf leaves out of the matrices that it tells."""

    def __init__(self) -> None:
        self.shown = 0.0  # of the text that was shown last
        self.states = [0.0]  # the rise that is set, above those that were saved

    def follow(self, operator: bytes, operands: Any, *_: object) -> None:
        if operator == b"q":
            self.states.append(self.states[-1])
        elif operator == b"Q" and len(self.states) > 1:
            self.states.pop()
        elif operator == b"Ts" and operands and isinstance(operands[0], (int, float)):
            self.states[-1] = float(operands[0])
        elif operator in (b"Tj", b"TJ", b"'", b'"'):
            self.shown = self.states[-1]


# ---- a page by its sizes


def raised(pieces: Sequence[Piece]) -> list[Piece]:
    """Figures that are set smaller and higher, right after other text ("2023" and a note's "1"), as superscripts."""
    done: list[Piece] = []
    before = None
    for at in pieces:
        is_figure = re.fullmatch(r"\d{1,3}(?:,\d{1,3})*|,", at.text) is not None
        if before and is_figure and _above(at, before):
            done.append(Piece(superscript(at.text), before.size, before.baseline))
            continue
        done.append(at)
        if at.text:
            before = None if at.text[-1].isspace() else at
    return done


def _above(small: Piece, text: Piece) -> bool:
    low, high = RAISED
    return small.size < SMALLER * text.size and low < (small.baseline - text.baseline) / text.size < high


def parted(pages: Sequence[Sequence[Piece]]) -> list[str]:
    """The texts of the pages, with a blank line where the size of the lines changes and no sentence goes on."""
    return ["".join(_with_gaps(_sized(pieces))) for pieces in pages]


def _sized(pieces: Sequence[Piece]) -> list[tuple[str, float]]:
    """Lines with the size that most of their letters have; 0 for a line without any."""
    sizes: list[Counter[float]] = [Counter()]
    for at in pieces:
        for number, part in enumerate(at.text.split("\n")):
            if number:
                sizes.append(Counter())
            sizes[-1][round(at.size, 2)] += len(part.strip())
    lines = "".join(at.text for at in pieces).split("\n")
    most = [next(iter((+size).most_common(1)), (0.0, 0))[0] for size in sizes]
    return list(zip(lines, most, strict=True))


def _with_gaps(lines: Sequence[tuple[str, float]]) -> Iterator[str]:
    before, height = "", 0.0
    for number, (line, size) in enumerate(lines):
        changes = height and size and not SMALLER < size / height < LARGER
        yield "\n" * bool(number) + "\n" * bool(changes and before.strip() and _opens(line))
        yield line
        before, height = line, size or height


def _opens(line: str) -> bool:
    """Whether a line may begin a sentence or a heading."""
    return line.lstrip()[:1].isupper() or line.lstrip()[:1].isdigit()


# ---- running heads


def without_running_heads(pages: Sequence[str]) -> list[str]:
    """Pages without the lines at their top and foot that most pages, or most odd or even ones, repeat but for figures.

    The first page keeps its head, in a paragraph of its own, unless that counts pages: it may be the one place that
    names the document, and stands within no sentence there.
    """
    lines = [page.strip("\n").split("\n") for page in pages]
    heads = _peeled(lines)
    feet = [part[::-1] for part in _peeled([page[len(head) :][::-1] for page, head in zip(lines, heads, strict=True)])]
    kept = []
    for page, head, foot in zip(pages, heads, feet, strict=True):
        body = page.strip("\n").split("\n")[len(head) :]
        kept.append("\n".join(body[: len(body) - len(foot)]).strip("\n") if head or foot else page)
    first = [line for line in heads[0] if any(line in head for head in heads[1:])] if heads else []
    return ["\n".join(first) + "\n\n" + kept[0], *kept[1:]] if first else kept


def _peeled(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """The first lines of each page that are running heads."""
    taken: list[list[str]] = [[] for _ in pages]
    for _ in range(EDGE):
        edges = [_edge(page[len(gone) :]) for page, gone in zip(pages, taken, strict=True)]
        running = set().union(*(_repeated(edges[start::step]) for start, step in ((0, 1), (0, 2), (1, 2))))
        for page, gone, edge in zip(pages, taken, edges, strict=True):
            if _masked(edge) in running:
                gone.extend(page[len(gone) : page.index(edge, len(gone)) + 1])
    return taken


def _edge(lines: Sequence[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _masked(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()))


def _repeated(edges: Sequence[str]) -> set[str]:
    """Masked lines that stand at the edge of most of these pages, alike or with a number that counts the pages."""
    found: dict[str, list[tuple[int, str]]] = {}
    for page, line in enumerate(edges):
        found.setdefault(_masked(line), []).append((page, line))
    return {
        masked
        for masked, places in found.items()
        if masked and len(places) >= FEWEST and len(places) * 2 > len(edges) and _runs(places)
    }


def _runs(places: Sequence[tuple[int, str]]) -> bool:
    """Whether the lines are alike, or one of their numbers rises from page to page as page numbers do: the first rows
    of the pages of a long table do neither."""
    if len({line for _, line in places}) == 1:
        return bool(re.search(r"[^\W\d_]|^\D+$", places[0][1]))
    numbers = [[int(number[-9:]) for number in re.findall(r"\d+", line)] for _, line in places]
    counts = [[page * step for page, _ in places] for step in (1, 2)]  # of all pages, of every other one
    return any(_rises(column, count) for column in zip(*numbers, strict=True) for count in counts)


def _rises(numbers: Sequence[int], pages: Sequence[int]) -> bool:
    (_, most), *_ = Counter(number - page for number, page in zip(numbers, pages, strict=True)).most_common(1)
    return most * 2 > len(pages)


# ---- headings and hyphens

_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,3}\.?[ \t]+[^\W\d_][^.!?:;,]*[^\W_]\s*\Z")
_ENDED = re.compile(r"[.!?…:][\"'”’»)\]]*\s*\Z")


def with_headings(page: str) -> str:
    """With a blank line around a short numbered line ("2. Loan book") where a sentence has ended before it and another
    begins after it."""
    lines = page.split("\n")
    done: list[str] = []
    for at, line in enumerate(lines):
        heading = _is_heading(lines, at)
        if done and done[-1].strip() and line.strip() and (heading or _is_heading(lines, at - 1)):
            done.append("")
        done.append(line)
    return "\n".join(done)


def _is_heading(lines: Sequence[str], at: int) -> bool:
    line, after = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
    if len(line) > HEADING or not _NUMBERED.match(line) or not line.split(None, 1)[1][:1].isupper():
        return False
    number = line.split()[0].rstrip(".")
    follows = after[:1].isupper() or re.match(rf"{re.escape(number)}\.\d", after)
    return bool(follows) and (at == 0 or not lines[at - 1].strip() or _ends(lines, at - 1))


def _ends(lines: Sequence[str], at: int) -> bool:
    """Whether a sentence or a heading ends with this line."""
    return bool(_ENDED.search(lines[at])) or _is_heading(lines, at)


_BROKEN = re.compile(r"\b([^\W_]++)[-‐\xad]\n(?=[a-zà-öø-ÿ])([^\W_]++)(\S*)([ \t]+(?=\S))?")
_HYPHENATED = re.compile(r"\b(?=([^\W_]++)[-‐]([^\W_]+))")


def without_hyphens(pages: Sequence[str]) -> list[str]:
    """Words that a line end cuts in two as one word, before that line end: lines must not grow long (`index.chunk`).

    The hyphen stays where the document writes the word with it elsewhere, and after a figure or "self".
    """
    written = {(first.lower(), second.lower()) for page in pages for first, second in _HYPHENATED.findall(page)}

    def whole(match: re.Match[str]) -> str:
        first, second, rest, more = match.groups()
        keep = first[-1].isdigit() or first.lower() == "self" or (first.lower(), second.lower()) in written
        return f"{first}{'-' * keep}{second}{rest}" + ("\n" if more else "")

    return [_BROKEN.sub(whole, page) for page in pages]


# ---- pages joined

# A page that ends within a sentence, and one that begins within one.
_UNFINISHED = re.compile(r"[^\s.!?…:;\"”’»)\]][ \t]*\Z|[,;(–-][ \t]*\Z")
_LOWER = re.compile(r"[ \t]*[a-zà-öø-ÿ]")


def joined(texts: Iterable[str]) -> tuple[str, tuple[int, ...]]:
    """The pages as one text, a blank line or, where a sentence goes on, a line end between them; where each begins."""
    whole = ""
    starts: list[int] = []
    for text in texts:
        goes_on = _UNFINISHED.search(whole) and _LOWER.match(text)
        whole += ("\n" if goes_on else "\n\n") if starts else ""
        starts.append(len(whole))
        whole += text
    return whole, tuple(starts)
