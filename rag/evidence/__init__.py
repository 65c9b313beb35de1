"""The reader: where a passage answers a question, and whether a passage supports a claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rag.evidence.model import EvidenceError, EvidenceModel, Reading, Span

__all__ = ["Evidence", "EvidenceError", "EvidenceModel", "Reading", "Span"]


class Evidence(Protocol):
    """What the pipeline asks of a reader; `EvidenceModel` is ours, tests have one that can be computed by hand."""

    name: str

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """One reading for each passage; offsets count code points in that passage."""
        ...

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """For each (claim, passage), the probability that the passage supports the claim."""
        ...
