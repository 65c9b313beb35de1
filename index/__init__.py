"""Documents in, searchable chunks out."""

from index.build import Index
from index.types import (
    Chunk,
    Document,
    DocumentInfo,
    FootnoteError,
    IndexReport,
    IndexStateError,
    NotFoundError,
    SourceError,
)

__all__ = [
    "Chunk",
    "Document",
    "DocumentInfo",
    "FootnoteError",
    "Index",
    "IndexReport",
    "IndexStateError",
    "NotFoundError",
    "SourceError",
]
