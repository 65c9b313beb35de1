"""Files → Documents. Text is kept as it stands in the file, since every offset refers to it."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from index.types import Document, SourceError

SUFFIXES = (".txt", ".text", ".md", ".markdown")
MAX_BYTES = 50_000_000  # an article is thousands of bytes; a longer "text" is nearly always a dump or a log
TITLE_CHARS = 90
_FIELDS = ("title", "author", "published")


def files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Files named, and those with a known suffix below the folders named, in a stable order.

    A hidden file or folder below a named folder is left out; links to folders are not followed (they may loop).
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                    yield Path(folder) / name


def document_id(source: str) -> str:
    """12 hex digits that a source keeps for life, so that a changed file replaces its older version."""
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def read(path: Path) -> Document:
    """The document in a text or markdown file.

    Raises SourceError for a file that cannot be read, is no text, is not UTF-8, or holds nothing.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{path.name}: not a format that is read here; convert it to one of {', '.join(SUFFIXES)}")
    data = _bytes(path)
    text = _decode(data, path.name)
    if not any(not ch.isspace() for ch in text):
        raise SourceError("the file is empty; nothing to add")
    source = str(path.resolve())
    known = _front_matter(text) if path.suffix.lower() in (".md", ".markdown") else {}
    known |= _sidecar(path)
    return Document(
        id=document_id(source),
        title=known.get("title") or _title(text, path.stem),
        text=text,
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        published=known.get("published"),
        author=known.get("author"),
    )


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"the file is larger than {MAX_BYTES // 1_000_000} MB; split it into articles")
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceError("there is no such file; check the path") from None
    except PermissionError:
        raise SourceError("no permission to read it; change its mode or owner") from None
    except OSError as exc:
        raise SourceError(f"it could not be read ({exc.strerror or exc}); check the file") from exc


def _decode(data: bytes, name: str) -> str:
    """UTF-8 with or without a byte-order mark; line ends stay as they are."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError(f"it is UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8 {name}")
    if b"\0" in data:
        raise SourceError("it is binary, not text; add a text or markdown file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SourceError(
            f"it is not UTF-8 (byte 0x{data[exc.start]:02x} at {exc.start:,}); "
            f"convert it: iconv -f LATIN1 -t UTF-8 {name}"
        ) from exc


def _title(text: str, stem: str) -> str:
    """The first heading or line, cut at a word; the file's name where that line says nothing."""
    line = next(line for line in text.splitlines() if line.strip()).strip().lstrip("#").strip()
    if sum(ch.isalpha() for ch in line) < 3:
        return stem
    if len(line) <= TITLE_CHARS:
        return line
    return line[:TITLE_CHARS].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _front_matter(text: str) -> dict[str, str]:
    """`title`, `author` and `published` (or `date`) of a YAML front matter: its plain `key: value` lines."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in [line.strip() for line in lines[1:]]:
        return {}
    pairs = (line.partition(":") for line in lines[1 : [line.strip() for line in lines].index("---", 1)])
    known = {key.strip().lower(): value.strip().strip("\"'") for key, _, value in pairs}
    known.setdefault("published", known.get("date", ""))
    return {field: known[field] for field in _FIELDS if known.get(field)}


def _sidecar(path: Path) -> dict[str, str]:
    """What `NAME.meta.json` beside the file says of its title, author and date of publication."""
    sidecar = path.with_suffix(".meta.json")
    if not sidecar.is_file():
        return {}
    try:
        known = json.loads(sidecar.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise SourceError(f"{sidecar.name} beside it is not readable JSON ({exc}); mend or remove it") from exc
    if not isinstance(known, dict):
        raise SourceError(f"{sidecar.name} beside it must hold one JSON object; mend or remove it")
    return {field: str(known[field]) for field in _FIELDS if known.get(field)}
