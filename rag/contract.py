"""Records → the JSON objects that outside programs rely on. Fields may be added here, not renamed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from index import DoctorReport, Document, DocumentInfo, IndexReport
from rag.types import Answer, Citation, Passage

Json = dict[str, Any]


def passage_json(passage: Passage) -> Json:
    names = ("rank", "doc_id", "title", "source", "start", "end", "text", "score")
    return {name: getattr(passage, name) for name in names} | {
        "headings": list(passage.chunk.headings),
        "page": passage.chunk.page(passage.start),
        "ranks": dict(passage.ranks),
        "signals": dict(passage.signals),
    }


def citation_json(citation: Citation) -> Json:
    return asdict(citation)


def answer_json(answer: Answer) -> Json:
    return {
        "question": answer.question,
        "outcome": answer.outcome,
        "text": answer.text,
        "short_answer": answer.short_answer,
        "confidence": answer.confidence,
        "citations": [citation_json(item) for item in answer.citations],
        "passages": [passage_json(item) for item in answer.passages],
        "dropped": [asdict(item) for item in answer.dropped],
        "models": dict(answer.models),
        "seconds": dict(answer.seconds),
        "usage": dict(answer.usage),
    }


def document_json(document: Document) -> Json:
    return {
        "doc_id": document.id,
        "title": document.title,
        "source": document.source,
        "sha256": document.sha256,
        "text": document.text,
        "published": document.published,
        "author": document.author,
    }


def documents_json(documents: list[DocumentInfo]) -> Json:
    return {"documents": [asdict(item) for item in documents]}


def doctor_json(report: DoctorReport) -> Json:
    return {
        "ok": report.ok,
        "documents": report.documents,
        "chunks": report.chunks,
        "problems": [asdict(problem) for problem in report.problems],
        "repaired": list(report.repaired),
        "recall@10": report.recall,
        "checked": report.checked,
        "gone": [asdict(item) for item in report.gone],
    }


def report_json(report: IndexReport) -> Json:
    return asdict(report)
