"""A path → an EvalSet, whatever of the three formats it holds; and references → places in documents.

Reads our JSONL here; SQuAD and BEIR in `formats`. A set is told by its content, not by its name.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from evals import formats, store
from evals.measures import normalise
from evals.types import EvalItem, EvalSet, EvalSetError, Place, Reference
from index import Index
from index.catalog import FORMAT
from index.chunk import VERSION
from index.embed import Embedder
from index.settings import settings


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    doc: str = Field(min_length=1)
    quote: str | None = Field(None, min_length=1)
    start: NonNegativeInt | None = None
    end: NonNegativeInt | None = None
    fact: int | None = None  # the places of one number are alternatives; without it each place is needed


class _Line(BaseModel):
    """A line of our JSONL. Unknown keys are refused: a misspelt `answer` would else silently be no answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[str] = []
    evidence: list[_Evidence] = []
    answerable: bool = True
    tags: list[str] = []


def load_set(path: str | Path) -> EvalSet:
    """The set at `path`: a file of our JSONL or of SQuAD 1.1/2.0 JSON, or a BEIR folder.

    Raises EvalSetError, which names the file, the line or item, and what to mend.
    """
    path = Path(path)
    if path.is_dir():
        return formats.read_beir(path)
    data = formats.read_bytes(path)
    text = formats.decode(path, data)
    whole = _json_or_none(text)
    if isinstance(whole, dict) and "data" in whole:
        return formats.read_squad(path, data)
    if other := _other_than_lines(text):
        raise EvalSetError(
            f"{path}: one JSON object a line is needed; this file is {other}; write it anew (format: docs/evals.md)"
        )
    items = tuple(_items(path, text))
    if not items:
        raise EvalSetError(f"{path}: the set is empty; write one question a line (format: docs/evals.md)")
    return EvalSet(path.stem, "jsonl", hashlib.sha256(data).hexdigest(), items, path=str(path))


def _other_than_lines(text: str) -> str | None:
    """What the file is instead, where that is plain from how it begins; a broken line is judged by itself."""
    first = text.strip().split("\n", 1)[0].strip()
    if first.startswith("["):
        return "a JSON array"
    if first == "{":
        return "JSON over several lines"
    if first and not any(line.lstrip().startswith("{") for line in text.split("\n")):
        return "not JSON"
    return None


def _json_or_none(text: str) -> object:
    """The one JSON value of the file, None where it is not one: JSONL is judged line by line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # brackets within brackets, a hundred thousand deep
        return None


def _items(path: Path, text: str) -> Iterable[EvalItem]:
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a JSON string may hold U+2028
        if not line.strip():
            continue
        item = _item(path, number, line)
        if item.id in lines:
            raise formats.at_line(path, number, f"id {item.id!r} stands in line {lines[item.id]} too; change one")
        lines[item.id] = number
        yield item


def _item(path: Path, number: int, line: str) -> EvalItem:
    try:
        fields = _Line.model_validate_json(line)
    except ValidationError as exc:
        raise formats.at_line(path, number, formats.first_error(exc)) from exc
    problem = _contradiction(fields)
    if problem:
        raise formats.at_line(path, number, problem)
    evidence = tuple(_reference(path, number, order, entry) for order, entry in enumerate(fields.evidence))
    return EvalItem(fields.id, fields.question, tuple(fields.answers), evidence, fields.answerable, tuple(fields.tags))


def _contradiction(fields: _Line) -> str | None:
    if not fields.question.strip():
        return "the question is empty; write one"
    if fields.answerable and not fields.answers and not fields.evidence:
        return "an answerable question has neither answers nor evidence; give some, or set answerable to false"
    empty = [answer for answer in fields.answers if not normalise(answer)]
    if empty:
        return f"the answer {empty[0]!r} holds no word to compare; write another"
    if not fields.answerable and (fields.answers or fields.evidence):
        return "an unanswerable question has answers or evidence; remove them, or set answerable to true"
    return None


def _reference(path: Path, number: int, order: int, entry: _Evidence) -> Reference:
    fact = order if entry.fact is None else ~entry.fact  # ~: a given number never meets an order
    if entry.quote is not None and entry.start is None and entry.end is None:
        return Reference(entry.doc, entry.quote, fact, number)
    if entry.quote is None and entry.start is not None and entry.end is not None:
        return Reference(entry.doc, (entry.start, entry.end), fact, number)
    raise formats.at_line(path, number, f"evidence.{order}: give either quote, or start and end")


def sample(eval_set: EvalSet, limit: int | None, seed: int = 0) -> EvalSet:
    """`limit` of its questions, drawn with this seed, in the order of the set; all when there are no more.

    The documents stay whole, so that finding a passage is as hard as on the full set.
    """
    if limit is None or limit >= len(eval_set.items):
        return eval_set
    if limit < 1:
        raise EvalSetError(f"{eval_set.name}: the limit must be at least 1, not {limit}")
    chosen = sorted(random.Random(seed).sample(range(len(eval_set.items)), limit))
    return replace(eval_set, items=tuple(eval_set.items[at] for at in chosen))


def open_index(
    eval_set: EvalSet,
    path: str | Path | None = None,
    embedder: Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Index:
    """The index that a set is asked on; close it after use.

    A set with documents of its own has one in the user's data folder, made at first use (`progress` counts
    documents); `path` then does not matter. Any other set is asked on the index at `path`, which must be there.
    """
    if not eval_set.documents:
        return Index.open(path, embedder, create=False)
    name = embedder.name if embedder else settings().embedder
    key = hashlib.sha256(f"{eval_set.sha256} {name} {FORMAT} {VERSION}".encode()).hexdigest()[:16]
    index = Index.open(store.data_folder() / "sets" / key, embedder)
    try:
        index.add_documents(eval_set.documents, progress)
    except BaseException:
        index.close()
        raise
    return index


def locate(eval_set: EvalSet, index: Index) -> dict[str, tuple[Place, ...]]:
    """The gold places of each item, by item id, with every reference found in the documents of `index`.

    Raises EvalSetError, with file and line, for a document that is not in the index, a span outside its document,
    and a quote that does not stand in it exactly once.
    """
    names = _names(index)
    texts: dict[str, str] = {}

    def place(found: Place | Reference) -> Place:
        return found if isinstance(found, Place) else _place(eval_set.path or eval_set.name, found, names, texts, index)

    return {item.id: tuple(place(entry) for entry in item.evidence) for item in eval_set.items}


def _names(index: Index) -> Mapping[str, set[str]]:
    """Document ids by each name that a document can be called."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for info in index.documents():
        for name in (info.doc_id, info.title, info.source, Path(info.source).name):
            names[name].add(info.doc_id)
    return names


def _place(path: str, ref: Reference, names: Mapping[str, set[str]], texts: dict[str, str], index: Index) -> Place:
    def error(what: str) -> EvalSetError:
        return EvalSetError(f"{path}, line {ref.line}: {what}")

    ids = names.get(ref.doc, set())
    if not ids:
        raise error(f"document {ref.doc!r} is not in the index; add it: footnote add PATH")
    if len(ids) > 1:
        raise error(f"{ref.doc!r} names {len(ids)} documents ({', '.join(sorted(ids))}); give the id of one")
    (doc_id,) = ids
    text = texts.setdefault(doc_id, texts.get(doc_id) or index.document(doc_id).text)
    if isinstance(ref.at, tuple):
        start, end = ref.at
        if not start < end <= len(text):
            raise error(f"{start}-{end} is no span of {ref.doc!r}, which has {len(text):,} characters; mend it")
        return Place(doc_id, start, end, ref.fact)
    start = text.find(ref.at)
    if start < 0:
        raise error(f"the quote {_short(ref.at)} is not in {ref.doc!r}; copy it from: footnote show {doc_id}")
    if text.find(ref.at, start + 1) >= 0:
        raise error(f"the quote {_short(ref.at)} stands in {ref.doc!r} more than once; make it longer")
    return Place(doc_id, start, start + len(ref.at), ref.fact)


def _short(quote: str) -> str:
    return repr(quote if len(quote) <= 60 else quote[:59] + "…")
