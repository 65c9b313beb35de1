"""Documents in, searchable chunks out."""

from index.build import Index
from index.types import (
    BusyError,
    Chunk,
    DoctorReport,
    Document,
    DocumentInfo,
    FootnoteError,
    IndexReport,
    IndexStateError,
    NotFoundError,
    Problem,
    SourceError,
)

__all__ = [
    "BusyError",
    "Chunk",
    "DoctorReport",
    "Document",
    "DocumentInfo",
    "FootnoteError",
    "Index",
    "IndexReport",
    "IndexStateError",
    "NotFoundError",
    "Problem",
    "SourceError",
]
