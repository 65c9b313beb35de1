"""Files and web addresses → Documents. Text is kept as it was read, since every offset refers to it."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urldefrag

from index import fetch, readers
from index.blocks import front_matter
from index.readers import Extracted
from index.types import Document, SourceError

_PLAIN, _MARKDOWN, _HTML = (".txt", ".text"), (".md", ".markdown"), (".html", ".htm")
SUFFIXES = (*_PLAIN, *_MARKDOWN, *_HTML, ".pdf", ".docx")
# What a server says a page is → how it is read, as the suffix of a file.
CONTENT_TYPES = {
    "text/html": ".html", "application/xhtml+xml": ".html", "application/pdf": ".pdf", "text/plain": ".txt",
    "text/markdown": ".md",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}  # fmt: skip
MAX_BYTES = 50_000_000  # an article is thousands of bytes; a longer "text" is nearly always a dump or a log
READS = 3  # a file that was saved in just this moment is whole a moment later; a log never is
TITLE_CHARS = 90
_FIELDS = ("title", "author", "published")
_HEAD = 20_000  # characters of a text in which its title is looked for
# Comments, pictures (with the link around them: badges) and tags of HTML.
_IMAGE, _TARGET = r"!\[[^\[\]]*\]", r"(?:\([^()]*\)|\[[^\[\]]*\])"
_TAG = r"</?(?:h[1-6]|p|div|a|img|br|hr|center|span|picture|source|b|i|em|strong|su[bp]|font)\b[^<>]*>"
_NOT_SHOWN = re.compile(rf"<!--.*?-->|\[{_IMAGE}{_TARGET}\]{_TARGET}|{_IMAGE}{_TARGET}|{_TAG}", re.S)
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'"  # of YAML
_QUOTED, _PARTS = re.compile(_STRING, re.S), re.compile(rf"\s*({_STRING}|[^,]+)")


def files(paths: Iterable[str | Path]) -> Iterator[Path | str]:
    """Web addresses and files named, and files with a known suffix below the folders named, in a stable order.

    A hidden file or folder below a named folder is left out; links to folders are not followed (they may loop). A
    folder that may not be read comes as itself, for `read` to say so.
    """
    for path in paths:
        if isinstance(path, str) and (fetch.is_url(path) or not path):  # Path("") would be the folder we are in
            yield path
        elif not stat.S_ISDIR(_mode(Path(path))):
            yield Path(path)
        else:
            yield from _below(Path(path))


def _mode(path: Path) -> int:
    """What stands there; 0 when that cannot be looked at, which `read` then says."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _below(top: Path) -> Iterator[Path]:
    closed: list[Path] = []
    for folder, subfolders, names in os.walk(top, onerror=lambda exc: closed.append(Path(exc.filename))):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(folder) / name
    yield from closed


def document_id(source: str) -> str:
    """12 hex digits that a source keeps for life, so that a changed file replaces its older version."""
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def is_gone(doc_id: str, source: str) -> bool:
    """Whether a document was read from a file that is no longer there."""
    if document_id(source) != doc_id or fetch.is_url(source) or "\\x" in source:  # a name in other bytes than UTF-8
        return False
    try:
        Path(source).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # it cannot be looked at
    return False


def read(source: Path | str, allow_private: bool = False) -> Document:
    """The document in a file, or at a web address.

    Raises SourceError for one that cannot be read, is not in a format that is read here, or holds nothing.
    `allow_private`: see `fetch`.
    """
    if isinstance(source, str) and fetch.is_url(source):
        return _from_web(source, allow_private)
    if not source:
        raise SourceError("no path given; give a file, a folder or a web address")
    path = Path(source)
    with _errors():
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise SourceError("no permission to look into the folder; change its mode or owner")
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{path.name}: not a format that is read here; convert it to one of {', '.join(SUFFIXES)}")
    data = _bytes(path)
    found = _extracted(data, path.suffix.lower(), str(path))
    return _document(str(path.resolve()), data, found, path.stem, _sidecar(path))


def _from_web(url: str, allow_private: bool) -> Document:
    url = urldefrag(url).url
    fetched = fetch.fetch(url, allow_private)
    suffix = CONTENT_TYPES.get(fetched.content_type)
    if suffix is None:
        raise SourceError(
            f"it is {fetched.content_type or 'of no known type'}; only pages, PDF, DOCX and text are read"
        )
    found = _extracted(fetched.data, suffix, url, fetched.url, fetched.charset)
    return _document(url, fetched.data, found, url, {})


def _extracted(data: bytes, suffix: str, name: str, url: str | None = None, charset: str | None = None) -> Extracted:
    if suffix == ".pdf":
        return readers.pdf(data)
    if suffix == ".docx":
        return readers.docx(data)
    if suffix in _HTML:
        return readers.html(data, url, charset)
    text = _decode(data, name, charset)
    known = _front_matter(text) if suffix in _MARKDOWN else {}
    return Extracted(text, known.get("title"), known.get("author"), known.get("published"))


def _document(source: str, data: bytes, found: Extracted, stem: str, known: dict[str, str]) -> Document:
    if not found.text.strip():
        raise SourceError("the file is empty; nothing to add")
    source = os.fsencode(source).decode("utf-8", "backslashreplace")  # a name need not be UTF-8; what is stored must
    return Document(
        id=document_id(source),
        title=known.get("title") or found.title or _title(found.text, stem),
        text=found.text,
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        published=known.get("published") or found.published,
        author=known.get("author") or found.author,
        pages=found.pages,
    )


def _bytes(path: Path) -> bytes:
    with _errors():
        for _ in range(READS):
            before = path.stat()
            if not stat.S_ISREG(before.st_mode):
                raise SourceError("it is no file (a pipe or a device); copy what it gives into a file")
            if before.st_size > MAX_BYTES:
                raise SourceError(f"the file is larger than {MAX_BYTES // 1_000_000} MB; split it into articles")
            data, after = path.read_bytes(), path.stat()
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return data
        raise SourceError("it changes while it is read; add it when its writer is done")


@contextmanager
def _errors() -> Iterator[None]:
    """The system's errors with a file as ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError("there is no such file; check the path") from None
    except PermissionError:
        raise SourceError("no permission to read it; change its mode or owner") from None
    except OSError as exc:
        raise SourceError(f"it could not be read ({exc.strerror or exc}); check the file") from exc
    except ValueError as exc:  # a NUL or a surrogate in its name
        raise SourceError(f"no file can have this name ({exc}); check the path") from exc


def _decode(data: bytes, name: str, charset: str | None = None) -> str:
    """UTF-8 with or without a byte-order mark, or wholly in the charset that a server names; line ends stay as they
    are."""
    if charset and "\N{REPLACEMENT CHARACTER}" not in (text := readers.decoded(data, charset)):
        return text
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError(f"it is UTF-16, not UTF-8; {_conversion('UTF-16', name)}")
    if b"\0" in data:
        raise SourceError("it is binary, not text; add a text or markdown file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SourceError(
            f"it is not UTF-8 (byte 0x{data[exc.start]:02x} at {exc.start:,}); {_conversion('LATIN1', name)}"
        ) from exc


def _conversion(charset: str, name: str) -> str:
    if fetch.is_url(name):
        return "save the page as UTF-8 and add the file"
    return f"convert it: iconv -f {charset} -t UTF-8 {shlex.quote(name)} > NEW.txt"


def _title(text: str, stem: str) -> str:
    """The first heading or line that is shown, cut at a word; the file's name where that line says nothing."""
    line = next((line for line in _shown(text).splitlines() if line.strip()), "").strip().lstrip("#").strip()
    if sum(ch.isalpha() for ch in line) < 3:
        return stem
    if len(line) <= TITLE_CHARS:
        return line
    return line[:TITLE_CHARS].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _shown(text: str) -> str:
    """The beginning of a text without what of markdown is no title: front matter, comments, badges, tags of HTML."""
    front = front_matter(text)
    low = front.end() if front else 0
    return _NOT_SHOWN.sub("", text[low : low + _HEAD])


def _front_matter(text: str) -> dict[str, str]:
    """`title`, `author` and `published` (or `date`) of a front matter in YAML or TOML."""
    front = front_matter(text)
    if not front:
        return {}
    known = _toml(front[2]) if front[1] == "+++" else _yaml(front[2])
    for field, other in (("author", "authors"), ("published", "date")):
        known[field] = known.get(field) or known.get(other, "")
    return {field: known[field] for field in _FIELDS if known.get(field)}


def _toml(fields: str) -> dict[str, str]:
    """The fields as text, a list's parts joined; nothing where they are no TOML."""
    try:
        known = tomllib.loads("\n".join(fields.splitlines()))
    except (ValueError, RecursionError):
        return {}
    parts = {key.lower(): value if isinstance(value, list) else [value] for key, value in known.items()}
    return {key: ", ".join(filter(None, map(_toml_value, value))) for key, value in parts.items()}


def _toml_value(value: object) -> str:
    """A string, number or date as text, of a table its name."""
    return str(value.get("name", "") if isinstance(value, dict) else value).strip()


def _yaml(fields: str) -> dict[str, str]:
    """The fields of the outermost level as text: plain, quoted or folded values and lists, whose parts are joined. Of
    a field that stands twice the first counts."""
    lines: dict[str, list[str]] = {}
    own: list[str] = []
    for line in fields.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t", "#", "- ")):
            own = [value.strip()]
            lines.setdefault(key.strip("\"' \t").lower(), own)
        elif line.strip() and not line.startswith("#"):
            own.append(line.strip())
    return {key: _value(first, rest) for key, (first, *rest) in lines.items()}


def _value(first: str, rest: list[str]) -> str:
    """A field's value, of what stands behind its colon and on the lines below; "" for one with fields of its own."""
    if re.fullmatch(r"[>|][-+\d]*(?:\s+#.*)?", first):
        return " ".join(rest)
    whole = " ".join(filter(None, (first, *rest)))
    bare = whole.partition(" #")[0].strip()
    if bare.startswith("[") and bare.endswith("]"):
        return ", ".join(filter(None, map(_plain, _PARTS.findall(bare[1:-1]))))
    if not first and rest and rest[0].startswith("- "):
        return ", ".join(_plain(line[2:].strip().removeprefix("name:")) for line in rest if line.startswith("- "))
    return _plain(whole) if first else ""


def _plain(value: str) -> str:
    """A value without its quotes and the comment behind it."""
    value = value.strip()
    if quoted := _QUOTED.match(value):
        inner = quoted[0][1:-1]
        return re.sub(r"\\([\"\\])", r"\1", inner) if value[0] == '"' else inner.replace("''", "'")
    plain = "" if value.startswith("#") else value.partition(" #")[0].strip()
    return "" if plain in ("~", "null") else plain.strip("\"'")


def _sidecar(path: Path) -> dict[str, str]:
    """What `NAME.meta.json` beside the file says of its title, author and date of publication."""
    sidecar = path.with_suffix(".meta.json")
    if not stat.S_ISREG(_mode(sidecar)):
        return {}
    try:
        known = json.loads(sidecar.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as exc:
        raise SourceError(f"{sidecar.name} beside it is not readable JSON ({exc}); mend or remove it") from exc
    if not isinstance(known, dict):
        raise SourceError(f"{sidecar.name} beside it must hold one JSON object; mend or remove it")
    # A lone surrogate, which JSON can hold, cannot be stored.
    return {field: str(known[field]).encode("utf-8", "replace").decode() for field in _FIELDS if known.get(field)}
