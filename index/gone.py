"""Documents whose file is gone: they go on answering until somebody takes them out, and so somebody must be told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from index import fetch, sources
from index.types import DocumentInfo


def gone(documents: Iterable[DocumentInfo], paths: Iterable[str | Path] | None = None) -> tuple[DocumentInfo, ...]:
    """Those read from a file that is no longer there; with `paths`, only those below the folders among them.

    A folder that is itself missing does not count: it may lie on a disk that is not there at the moment.
    """
    places = None if paths is None else tuple(_beginning(folder) for folder in folders(paths))
    return tuple(
        info
        for info in documents
        if (places is None or info.source.startswith(places)) and sources.is_gone(info.doc_id, info.source)
    )


def folders(paths: Iterable[str | Path]) -> Iterator[str | Path]:
    """The folders among what was given to `add`."""
    for path in paths:
        try:
            if path and not (isinstance(path, str) and fetch.is_url(path)) and Path(path).is_dir():
                yield path
        except (OSError, ValueError):
            continue  # it cannot be looked at: `add` reports it as a file that failed


def _beginning(folder: str | Path) -> str:
    """How the source of each file below it begins; links are resolved, as in sources."""
    return str(Path(folder).resolve()).rstrip(os.sep) + os.sep
