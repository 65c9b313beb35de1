"""A question in, a checked answer out."""

from rag.answer import Assistant
from rag.retrieve import retrieve
from rag.types import Answer, Citation, Dropped, Event, Found, ModelError, Passage, QuestionError, Sentence

__all__ = [
    "Answer",
    "Assistant",
    "Citation",
    "Dropped",
    "Event",
    "Found",
    "ModelError",
    "Passage",
    "QuestionError",
    "Sentence",
    "retrieve",
]
