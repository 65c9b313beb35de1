"""A set and an assistant → a run: each question asked once, what came kept whole, the metrics over it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Protocol

import index as index_package
import rag as rag_package
from evals.measures import DEPTH, metrics
from evals.sets import locate, sample
from evals.types import CitationResult, EvalItem, EvalRun, EvalSet, ItemResult, Kind, Place, RunError
from index import FootnoteError, Index, NotFoundError
from index.settings import settings
from rag import Answer, Assistant, Citation, Passage, retrieve

PACKAGES = ("footnote-qa", "chromadb", "numpy", "onnxruntime", "sentence-transformers", "torch", "xllamacpp")
BEIR_DEPTH = 5 * DEPTH  # chunks asked for where whole documents are gold: several may be of one document


class Asks(Protocol):
    """What is evaluated: `rag.Assistant`, or anything with an index that answers."""

    @property
    def index(self) -> Index: ...

    def ask(self, question: str) -> Answer: ...


def run(
    eval_set: EvalSet,
    target: Asks | Index,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> EvalRun:
    """Ask the questions of a set (`limit` of them, drawn with `seed`) and measure what comes.

    Given an Index, or a BEIR set, only retrieval is measured. A question that ends in a FootnoteError counts as
    wrong and is listed in `failures`. `progress(done, total)` counts questions. Raises EvalSetError before
    anything is asked when the set does not fit the index, and RunError when every single question failed.
    """
    index = target if isinstance(target, Index) else target.index
    assistant = None if isinstance(target, Index) or eval_set.kind == "beir" else target
    chosen = sample(eval_set, limit, seed)
    session = _Session(eval_set.kind, index, assistant, locate(chosen, index))
    session.result(chosen.items[0])  # untimed: it loads the models
    results = []
    for done, item in enumerate(chosen.items, 1):
        results.append(session.result(item))
        if progress:
            progress(done, len(chosen.items))
    if all(result.error for result in results):
        raise RunError(f"{eval_set.name}: every question failed, the first with {results[0].error}")
    return EvalRun(
        set=eval_set.name,
        set_sha256=eval_set.sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        limit=limit,
        settings=_settings(target, index, session.models),
        metrics=metrics(results),
        items=tuple(results),
    )


@dataclass
class _Session:
    """What is asked, with the gold places by item id; `models` are those that the answers name."""

    kind: Kind
    index: Index
    assistant: Asks | None
    gold: Mapping[str, tuple[Place, ...]]
    models: dict[str, str] = field(default_factory=dict)

    def result(self, item: EvalItem) -> ItemResult:
        """What came of one question: the passages found, then, apart from them, the answer."""
        found = self._searched(item)
        return found if self.assistant is None or found.error else self._answered(found, self.assistant)

    def _searched(self, item: EvalItem) -> ItemResult:
        gold = self.gold[item.id]
        blank = ItemResult(
            item.id, item.question, item.answerable, item.tags, item.answers, gold, passages=(), status="retrieved"
        )
        try:
            return replace(blank, passages=self._passages(item.question))
        except FootnoteError as exc:
            return replace(blank, status="failed" if self.assistant else "retrieved", error=_named(exc))

    def _passages(self, question: str) -> tuple[tuple[str, int, int], ...]:
        """The first passages; in a BEIR set, which ranks documents, the best passage of each document."""
        found = retrieve(question, BEIR_DEPTH if self.kind == "beir" else DEPTH, self.index)
        if self.kind == "beir":
            best: dict[str, Passage] = {}
            for passage in found:
                best.setdefault(passage.doc_id, passage)
            found = list(best.values())[:DEPTH]
        return tuple((passage.doc_id, passage.start, passage.end) for passage in found)

    def _answered(self, found: ItemResult, assistant: Asks) -> ItemResult:
        started = perf_counter()
        try:
            answer = assistant.ask(found.question)
        except FootnoteError as exc:
            return replace(found, status="failed", error=_named(exc))
        seconds = perf_counter() - started
        self.models.update(answer.models)
        return replace(
            found,
            status=answer.outcome,
            text=answer.text,
            short_answer=answer.short_answer,
            confidence=answer.confidence,
            citations=tuple(self._checked(citation, found.gold) for citation in answer.citations),
            seconds=seconds,
        )

    def _checked(self, citation: Citation, gold: tuple[Place, ...]) -> CitationResult:
        span = (citation.doc_id, citation.start, citation.end)
        try:
            exact = self.index.document(citation.doc_id).text[citation.start : citation.end] == citation.quote
        except NotFoundError:  # a footnote to a document that is not there is the measure's business
            exact = False
        return CitationResult(*span, citation.quote, exact, any(place.overlaps(*span) for place in gold))


def _named(exc: FootnoteError) -> str:
    return f"{type(exc).__name__}: {exc}"


def _settings(target: Asks | Index, index: Index, models: Mapping[str, str]) -> dict[str, str]:
    """Models, thresholds, hashes and versions, as text, by name."""
    documents = sorted(f"{info.doc_id} {info.sha256}" for info in index.documents())
    found: dict[str, object] = {f"model.{role}": name for role, name in sorted(models.items())}
    found |= {
        f"setting.{name}": setting
        for name, setting in settings().model_dump(exclude={"index", "llm", "lock_seconds"}).items()
    }
    found |= {f"fit.{name}": part for name, part in vars(target.fit).items()} if isinstance(target, Assistant) else {}
    manifest = index.catalog.manifest()
    found |= {f"index.{name}": part for name, part in vars(manifest).items()} if manifest else {}
    found |= {"index.documents": len(documents), "index.sha256": _sha256("\n".join(documents).encode())}
    found |= {f"version.{name}": _version(name) for name in PACKAGES}
    found |= {
        "version.python": platform.python_version(),
        "platform": platform.platform(),
        "code.sha256": _code_sha256(),
    }
    return {name: str(setting) for name, setting in found.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _code_sha256() -> str:
    """Hash of all that answers, weights included: between releases the version says nothing."""
    files = [path for package in (index_package, rag_package) for path in Path(package.__path__[0]).rglob("*")]
    wanted = sorted(path for path in files if path.is_file() and path.suffix != ".pyc")
    return _sha256("".join(f"{path.name} {_sha256(path.read_bytes())}\n" for path in wanted).encode())


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
