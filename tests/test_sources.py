"""Files → documents: the text as it stands, and a clear reason for each file that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.sources import MAX_BYTES, files, read
from index.types import SourceError


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_text_is_kept_to_the_letter(tmp_path: Path) -> None:
    raw = "Title line\r\n\r\nÜber 😀 “quotes”\tend \n"
    document = read(write(tmp_path / "a.txt", raw))
    assert document.text == raw
    assert document.title == "Title line"
    assert document.source == str(tmp_path / "a.txt")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", b"\xef\xbb\xbfText.")).text == "Text."


def test_a_source_keeps_its_id_and_content_has_its_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "One.")
    before = read(path)
    after = read(write(path, "Two."))
    assert before.id == after.id
    assert before.sha256 != after.sha256


def test_titles(tmp_path: Path) -> None:
    long = "A first line that runs on and on, far beyond what any title of an article would ever do, as captions do."
    assert read(write(tmp_path / "a.md", "# The Title\n\nText.")).title == "The Title"
    assert read(write(tmp_path / "b.txt", long)).title == long[:87] + "…"
    assert read(write(tmp_path / "c.txt", "***\n1234")).title == "c"


def test_front_matter_and_sidecar(tmp_path: Path) -> None:
    text = '---\ntitle: "On Things"\nauthor: A. Writer\ndate: 2024-05-01\n---\n\nText.'
    path = write(tmp_path / "a.md", text)
    document = read(path)
    assert (document.title, document.author, document.published) == ("On Things", "A. Writer", "2024-05-01")
    assert document.text == text
    write(tmp_path / "a.meta.json", json.dumps({"title": "Other", "author": None}))
    assert (read(path).title, read(path).author) == ("Other", "A. Writer")


def test_front_matter_is_of_its_own_level(tmp_path: Path) -> None:
    text = (
        "---\ntitle: The bridge\nimage:\n  title: A photo of a dog\ndate: 2020-01-01 # draft\ntitle: Twice\n---\nText."
    )
    document = read(write(tmp_path / "a.md", text))
    assert (document.title, document.published) == ("The bridge", "2020-01-01")
    assert read(write(tmp_path / "b.md", '---\ntitle: "C # and us"\n---\nText.')).title == "C # and us"


def front(tmp_path: Path, fields: str) -> tuple[str, str | None, str | None]:
    document = read(write(tmp_path / "name.md", f"{fields}\n\n# Heading\n\nText."))
    return document.title, document.author, document.published


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ("title: >\n  On\n  Things", "On Things"),
        ("title: |-  # kept\n  On\n  Things", "On Things"),
        ('title: "Backup: basics" # draft', "Backup: basics"),
        ("title: 'It''s so' # draft", "It's so"),
        (r'title: "The \"good\" ones"', 'The "good" ones'),
        ('title: "On\n  Things"', "On Things"),
        ("title: On\n  Things", "On Things"),
        ('title: "Unclosed', "Unclosed"),
        ("title: [Draft] On Things", "[Draft] On Things"),
        ("title: null", "Heading"),
        ("title:\n  en: On Things", "Heading"),
        ("# a note\nother: x", "Heading"),
    ],
)
def test_titles_of_front_matter(tmp_path: Path, fields: str, title: str) -> None:
    assert front(tmp_path, f"---\n{fields}\n---")[0] == title


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ("author: [A, B]", "A, B"),
        ('author: ["Smith, J.", B] # both', "Smith, J., B"),
        ("author: []", None),
        ("author:\n- A\n- 'B' # so", "A, B"),
        ("authors:\n  - name: A\n    of: X\n  - name: B\nnext: y", "A, B"),
    ],
)
def test_authors_of_front_matter(tmp_path: Path, fields: str, author: str | None) -> None:
    assert front(tmp_path, f"---\n{fields}\n---") == ("Heading", author, None)


def test_front_matter_in_toml(tmp_path: Path) -> None:
    fields = '+++\r\ntitle = "On Things" # so\nauthors = ["A", "B"]\ndate = 2024-05-01\n[extra]\ntitle = "x"\n+++'
    assert front(tmp_path, fields) == ("On Things", "A, B", "2024-05-01")
    table = '+++\ndate = ""\npublished = ""\n[[author]]\nname = "A"\n[[author]]\nname = "B"\nof = "X"\n+++'
    assert front(tmp_path, table) == ("Heading", "A, B", None)
    assert front(tmp_path, f"+++\ntitle = {'9' * 5000}\n+++") == ("Heading", None, None)
    assert front(tmp_path, "+++\ntitle = broken\n+++") == ("Heading", None, None)
    assert front(tmp_path, "+++\ndraft = true\n+++") == ("Heading", None, None)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("<!-- a licence,\n\nlong -->\n\n# On Things", "On Things"),
        ("[![Build](https://x/b.svg)](https://x) ![cover][c]\n[![A][b]][l]\n\n# On Things", "On Things"),
        ('<p align="center">\n  <img src="x.png">\n</p>\n\nOn Things\n===', "On Things"),
        ("<h1>On <em>Things</em></h1>", "On Things"),
        ("# `List<T>` in use", "`List<T>` in use"),
        ("<!-- only this -->\n\n12", "name"),
    ],
)
def test_what_is_not_shown_is_no_title(tmp_path: Path, text: str, title: str) -> None:
    document = read(write(tmp_path / "name.md", text))
    assert (document.title, document.text) == (title, text)


def test_a_sidecar_that_cannot_be_stored_or_read_stops_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Text.")
    write(tmp_path / "a.meta.json", '{"title": "\\ud800x"}')
    assert read(path).title == "?x"
    write(tmp_path / "a.meta.json", "[" * 100_000)
    with pytest.raises(SourceError, match="not readable JSON"):
        read(path)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t\r\n", "empty"),
        ("a.txt", b"caf\xe9", "not UTF-8 .byte 0xe9 at 3.; convert it: iconv"),
        ("a.txt", b"\xff\xfeT\0", "UTF-16"),
        ("a.txt", b"GIF89a\0\0", "binary"),
        ("a.odt", b"PK", "not a format"),
        ("a b.txt", b"caf\xe9", r"iconv -f LATIN1 -t UTF-8 '/.*/a b\.txt' > NEW\.txt"),
        ("a b.txt", b"\xff\xfeT\0", r"iconv -f UTF-16 -t UTF-8 '/.*/a b\.txt' > NEW\.txt"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read(write(tmp_path / name, data))


def test_missing_and_oversized_files_and_a_broken_sidecar(tmp_path: Path) -> None:
    for name in ("none.txt", "none", "none.txt/a.txt"):
        with pytest.raises(SourceError, match="no such file"):
            read(tmp_path / name)
    with (tmp_path / "big.txt").open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match="larger than 50 MB"):
        read(tmp_path / "big.txt")
    path = write(tmp_path / "a.txt", "Text.")
    write(tmp_path / "a.meta.json", "{")
    with pytest.raises(SourceError, match=r"a\.meta\.json beside it is not readable JSON"):
        read(path)
    write(tmp_path / "a.meta.json", "[]")
    with pytest.raises(SourceError, match="one JSON object"):
        read(path)


def test_a_directory_named_like_a_text_is_walked_and_an_unreadable_entry_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    with pytest.raises(SourceError, match="could not be read"):
        read(tmp_path / "loop.txt")


def test_folders_are_walked_in_order_without_hidden_files_and_without_loops(tmp_path: Path) -> None:
    for name in ("b.md", "a.txt", ".hidden.txt", "x.png", "sub/c.TXT", ".git/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, "Text.")
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in files([tmp_path])]
    assert found == ["a.txt", "b.md", "sub/c.TXT"]
    assert list(files([tmp_path / "x.png"])) == [tmp_path / "x.png"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "no path given"), ("a\0.txt", "no file can have this name"), ("\ud800", "no file can have this name"),
     ("n" * 300 + ".txt", "could not be read .*too long")],
)  # fmt: skip
def test_a_path_that_cannot_be_looked_at_is_an_error_of_its_own(path: str, reason: str) -> None:
    (found,) = files([path])
    with pytest.raises(SourceError, match=reason):
        read(found)


def test_a_name_too_long_for_a_sidecar_has_none(tmp_path: Path) -> None:
    assert read(write(tmp_path / ("n" * 250 + ".txt"), "Text.")).text == "Text."


def test_a_sidecar_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path / "a.meta.json", b'\xef\xbb\xbf{"title": "Other"}')
    assert read(write(tmp_path / "a.txt", "Text.")).title == "Other"
