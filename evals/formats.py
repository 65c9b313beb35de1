"""Sets of others: SQuAD 1.1/2.0 JSON and BEIR folders → EvalSet with the documents they are asked about.

Paragraphs with the same text become one document, since an index holds a text once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from evals.types import EvalItem, EvalSet, EvalSetError, Place
from index.sources import document_id
from index.types import Document


class _SquadAnswer(BaseModel):
    text: str = Field(min_length=1)
    answer_start: int = Field(ge=0)


class _SquadQuestion(BaseModel):
    id: str
    question: str
    answers: list[_SquadAnswer] = []
    is_impossible: bool = False


class _SquadParagraph(BaseModel):
    context: str
    qas: list[_SquadQuestion]


class _SquadArticle(BaseModel):
    title: str = ""
    paragraphs: list[_SquadParagraph]


class _Squad(BaseModel):
    data: list[_SquadArticle]


class _BeirDocument(BaseModel):
    id: str = Field(alias="_id")
    title: str = ""
    text: str


class _BeirQuery(BaseModel):
    id: str = Field(alias="_id")
    text: str = Field(min_length=1)


Entry = TypeVar("Entry", _BeirDocument, _BeirQuery)


class _Library:
    """The documents of a set, each text once. `name`: of its content, since an index of it outlives the file's name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._by_text: dict[str, Document] = {}

    def add(self, key: str, title: str, text: str) -> Document:
        """The document with this text; a new one under `key` where there is none."""
        if text not in self._by_text:
            source = f"{self._name}#{key}"
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            self._by_text[text] = Document(document_id(source), title or key, text, source, sha256)
        return self._by_text[text]

    def documents(self) -> tuple[Document, ...]:
        return tuple(document for text, document in self._by_text.items() if text.strip())


def read_squad(path: Path, data: bytes) -> EvalSet:
    """Each paragraph a document; the spans of an answer's several annotators are alternatives."""
    try:
        squad = _Squad.model_validate_json(decode(path, data))
    except ValidationError as exc:
        raise EvalSetError(f"{path}: {first_error(exc)}") from exc
    library = _Library(hashlib.sha256(data).hexdigest()[:12])
    items: dict[str, EvalItem] = {}
    for number, article in enumerate(squad.data, 1):
        for order, paragraph in enumerate(article.paragraphs, 1):
            title = article.title.replace("_", " ")
            document = library.add(f"{number} {article.title}/{order}", title, paragraph.context)
            for question in paragraph.qas:
                if question.id in items:
                    raise EvalSetError(f"{path}: question id {question.id!r} stands there twice; change one")
                items[question.id] = _squad_item(path, document, question)
    if not items:
        raise EvalSetError(f"{path}: the set is empty; it needs questions under data.paragraphs.qas")
    sha256 = hashlib.sha256(data).hexdigest()
    return EvalSet(path.stem, "squad", sha256, tuple(items.values()), library.documents(), str(path))


def _squad_item(path: Path, document: Document, question: _SquadQuestion) -> EvalItem:
    if question.is_impossible:  # its "plausible answers" are wrong ones
        return EvalItem(question.id, question.question, (), (), answerable=False)
    if not question.answers:
        raise EvalSetError(f"{path}: question {question.id!r} has no answers; give one, or set is_impossible")
    places = {}
    for answer in question.answers:
        start, end = answer.answer_start, answer.answer_start + len(answer.text)
        if document.text[start:end] != answer.text:
            raise EvalSetError(
                f"{path}: question {question.id!r}: {answer.text!r} does not stand at character {start} of its "
                "context; mend answer_start"
            )
        places[start, end] = Place(document.id, start, end)
    answers = tuple(dict.fromkeys(answer.text for answer in question.answers))
    return EvalItem(question.id, question.question, answers, tuple(places.values()))


def read_beir(folder: Path) -> EvalSet:
    """Documents whole, with the grades of the test qrels; queries without a relevant document are left out, as
    in BEIR's own evaluation. There are no answers: retrieval metrics only."""
    files = [folder / "corpus.jsonl", folder / "queries.jsonl", _qrels_file(folder)]
    contents = [read_bytes(path) for path in files]
    sha256 = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in contents)).hexdigest()
    library = _Library(sha256[:12])
    corpus = {
        entry.id: library.add(entry.id, entry.title, f"{entry.title}\n\n{entry.text}".strip())
        for entry in _lines(files[0], contents[0], _BeirDocument)
    }
    queries = {entry.id: entry.text for entry in _lines(files[1], contents[1], _BeirQuery)}
    gold: dict[str, list[Place]] = {}
    known_grades: dict[tuple[str, str], int] = {}
    for number, query, doc, grade in _qrels(files[2], contents[2]):
        for key, known, path in ((query, queries, files[1]), (doc, corpus, files[0])):
            if key not in known:
                raise at_line(files[2], number, f"{key!r} is not in {path.name}; remove the line or add it there")
        if known_grades.setdefault((query, doc), grade) != grade:
            raise at_line(files[2], number, f"{query!r} and {doc!r} have another score in an earlier line; remove one")
        if grade > 0 and corpus[doc].id not in {place.doc_id for place in gold.get(query, ())}:
            places = gold.setdefault(query, [])
            places.append(Place(corpus[doc].id, 0, len(corpus[doc].text), len(places), grade))
    if not gold:
        raise EvalSetError(f"{files[2]}: the set is empty; it needs lines of query, document and a grade above 0")
    items = tuple(EvalItem(id_, text, (), tuple(gold[id_])) for id_, text in queries.items() if id_ in gold)
    return EvalSet(folder.name, "beir", sha256, items, library.documents(), str(folder))


def _qrels_file(folder: Path) -> Path:
    files = sorted((folder / "qrels").glob("*.tsv"))
    test = folder / "qrels" / "test.tsv"
    if test in files or len(files) == 1:
        return test if test in files else files[0]
    raise EvalSetError(
        f"{folder}: no set that can be read: a BEIR folder has corpus.jsonl, queries.jsonl and qrels/test.tsv "
        f"(or one other qrels/*.tsv, here are {len(files)}); for another format give the path of its file"
    )


def _qrels(path: Path, data: bytes) -> Iterator[tuple[int, str, str, int]]:
    """Line number, query id, document id, grade; a first line without a number is a header."""
    for number, line in enumerate(decode(path, data).splitlines(), 1):
        if not line.strip() or (number == 1 and not line.rstrip()[-1].isdigit()):
            continue
        try:
            query, doc, grade = line.split("\t")
            yield number, query, doc, int(grade)
        except ValueError as exc:
            raise at_line(path, number, "not query-id, corpus-id and a whole score between tabs; mend it") from exc


def _lines(path: Path, data: bytes, model: type[Entry]) -> Iterator[Entry]:
    """The records of a JSONL file, each `id` once."""
    seen = set()
    for number, line in enumerate(decode(path, data).split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = model.model_validate_json(line)
        except ValidationError as exc:
            raise at_line(path, number, first_error(exc)) from exc
        if entry.id in seen:
            raise at_line(path, number, f"_id {entry.id!r} stands in an earlier line too; change one")
        seen.add(entry.id)
        yield entry


def read_bytes(path: Path) -> bytes:
    """The file's bytes. Raises EvalSetError."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise EvalSetError(f"{path}: cannot be read ({exc.strerror}); give the path of a set") from exc


def decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise at_line(path, line, "not UTF-8; save the file as UTF-8") from exc


def at_line(path: Path, number: int, what: str) -> EvalSetError:
    return EvalSetError(f"{path}, line {number}: {what}")


def first_error(exc: ValidationError) -> str:
    """Where in the JSON the first mistake is, what it is, and the next step, in one line."""
    error = exc.errors(include_url=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    return f"{where + ': ' if where else ''}{error['msg']}; mend it (format: docs/evals.md)"
