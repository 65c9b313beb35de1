"""What opening an index finishes, what `doctor` examines and mends, and `rebuild`.

The catalog is the truth: it holds every text and every vector, so the vector store can be filled again from it.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from index import chunk as chunking
from index.catalog import Embedded
from index.gone import gone
from index.settings import settings
from index.types import BusyError, DoctorReport, Document, IndexStateError, NotFoundError, Problem
from index.vectors import VectorStore
from index.write import embed_chunks

if TYPE_CHECKING:
    from index.build import Index

log = logging.getLogger("footnote")

SAMPLE = 200  # chunks searched for by their own vector without `full`: a fault of 1.5% is then found 19 times in 20
QUERIES = 20  # of them, those whose ten nearest are compared with exact search, which reads every vector
NEAREST = 10
RECALL = 0.95  # below it approximate search counts as a problem; with the settings of vectors.py it measures 1.0
ATTEMPTS = 3  # looks at an index that another process changes
SAME = 0.99  # cosine of a vector found to the catalog's half-precision copy, 0.9998 at the least


# ---- opening


def opened(index: Index) -> VectorStore:
    """The store that goes with the catalog, after finishing what a crash left.

    Where another process is writing, the store is taken as it is: that process will finish. A store that cannot be
    read at all is made anew from the catalog.
    """
    store = None
    try:
        store = index.store(index.catalog.state("generation"))
        if in_step(index, store):
            return store
        with index.writing(wait=0):
            for line in reconcile(index, store):
                log.warning("%s: %s", index.folder, line)
    except BusyError:
        pass  # not swallowed: the writer is at work on just this
    except IndexStateError as exc:
        if store is not None and store is not index._given:
            store.close()
        return made_anew(index, exc)
    assert store is not None
    return store


def in_step(index: Index, store: VectorStore) -> bool:
    """A quick look, some milliseconds at any size: nothing was under way, and as many vectors as chunks."""
    return not index.catalog.journal() and store.count() == index.catalog.counts()[1]


def made_anew(index: Index, reason: IndexStateError) -> VectorStore:
    """The store filled from the catalog, in place of one in a folder that failed with `reason`, which is raised where
    the store is not ours to make: on a server, or with no place to write to."""
    folder = index.folder / f"chroma-{index.catalog.state('generation')}"
    if index._given is not None or settings().chroma or not folder.exists():
        raise reason
    with index.writing():
        log.warning("%s; made anew from the catalog", str(reason).split(";")[0])
        shutil.rmtree(folder, ignore_errors=True)  # first, for its room: a damaged one may have filled the disk
        refill(index)
        return index.store(index.catalog.state("generation"))


def reconcile(index: Index, store: VectorStore) -> list[str]:
    """Give every chunk its vector, take away those without a chunk, clear the journal; what was done, in lines."""
    owned = set(index.catalog.chunk_ids())
    there, done = store.ids(), []
    if strays := sorted(there - owned):
        store.delete(strays)
        done.append(f"{len(strays)} vectors without a chunk taken away")
    if missing := owned - there:
        for ids, vectors in index.catalog.chunk_vectors():
            at = [place for place, id_ in enumerate(ids) if id_ in missing]
            store.add([ids[place] for place in at], vectors[at])
        done.append(f"{len(missing)} chunks given back their vector")
    if index.catalog.journal():
        index.catalog.clear_journal()
        done.append("the journal of an interrupted write cleared")
    return done


# ---- rebuild


def refill(index: Index) -> int:
    """A new generation of vectors, filled from the catalog, takes the place of the old. Call it while writing."""
    old = index.catalog.state("generation")
    _fill(index, old + 1)
    with index.catalog.transaction():
        index.catalog.set_generation(old + 1)
    _discard(index, old)
    return index.catalog.counts()[1]


def rebuild(index: Index, progress: Callable[[int, int], None] | None = None) -> int:
    """Vectors anew; texts are split and embedded anew too where the index was built with another model or splitter.

    The old chunks and vectors answer until one transaction exchanges both. Returns the number of chunks.
    """
    with index.writing():
        built = index.catalog.manifest()
        if built is None or index.fits(built):
            return refill(index)
        with index.catalog.staged() as stage:
            documents = index.catalog.documents()
            for done, info in enumerate(documents, 1):
                stage(_embedded(index, index.catalog.document(info.doc_id)))
                if progress:
                    progress(done, len(documents))
            old = index.catalog.state("generation")
            _fill(index, old + 1, staged=True)
            with index.catalog.transaction():
                index.catalog.take_staged()
                index.catalog.write_manifest(index.own_manifest())
                index.catalog.set_generation(old + 1)
        _discard(index, old)
        return index.catalog.counts()[1]


def _embedded(index: Index, document: Document) -> list[Embedded]:
    return list(embed_chunks(index.embedder, chunking.split(document)).values())


def _fill(index: Index, generation: int, staged: bool = False) -> None:
    if index._given is None:
        index.store(generation).destroy()  # what a rebuild that was cut off may have left
    store = index.store(generation)
    for ids, vectors in index.catalog.chunk_vectors(staged=staged):
        store.add(ids, vectors)
    if index._given is None:
        store.close()


def _discard(index: Index, generation: int) -> None:
    """Let the old vectors go; a folder that cannot be read is removed as a folder."""
    index._let_go()
    if index._given is not None:
        index._given.delete(sorted(index._given.ids() - set(index.catalog.chunk_ids())))
        return
    current = f"chroma-{index.catalog.state('generation')}"
    for folder in index.folder.glob("chroma-*"):
        if folder.name != current and folder.name.removeprefix("chroma-").isdecimal():
            # Readers may still hold its files; what stays is swept next time.
            shutil.rmtree(folder, ignore_errors=True)
    if settings().chroma:
        index.store(generation).destroy()


# ---- doctor


def doctor(index: Index, full: bool, repair: bool) -> DoctorReport:
    """Examine everything, mend what can be mended, and then examine again."""
    report = examine(index, full)
    if not repair or report.ok:
        return report
    done = repaired(index, {problem.kind for problem in report.problems})
    return replace(examine(index, full), repaired=tuple(done))


def examine(index: Index, full: bool) -> DoctorReport:
    """Look only; nothing is changed but what opening an index always finishes.

    Beside a process that writes, what was seen before a change does not fit what was seen after it: looked at again.
    """
    for _ in range(ATTEMPTS):
        version = index.catalog.state("version")
        report = _examined(index, full)
        if report.ok or (index.catalog.state("version") == version and not _is_written(index)):
            return report
    busy = Problem("journal", "another process is writing, so nothing can be said; run footnote doctor when it is done")
    return replace(report, problems=(busy,))


def _is_written(index: Index) -> bool:
    """Whether another process is writing."""
    try:
        with index.writing(wait=0):
            return False
    except BusyError:
        return True
    except IndexStateError:
        return False  # no permission to write: then no writer can be seen


def _examined(index: Index, full: bool) -> DoctorReport:
    documents, chunks = index.catalog.counts()
    problems = [*_catalog_problems(index), *_offset_problems(index)]
    recall, checked = None, 0
    try:
        store = index.vectors
        problems += _store_problems(index, store)
        sample = _sample(index, None if full else SAMPLE)
        problems += list(_lost(store, sample))
        checked = len(sample)
        recall = _recall(index, store, dict(list(sample.items())[: QUERIES * (10 if full else 1)]))
    except IndexStateError as exc:
        problems.append(Problem("store", str(exc)))
    if recall is not None and recall < RECALL:
        problems.append(Problem("recall", f"approximate search finds {recall:.3f} of the true ten nearest chunks"))
    return DoctorReport(documents, chunks, tuple(problems), (), recall, checked, gone(index.documents()))


def _catalog_problems(index: Index) -> Iterator[Problem]:
    catalog = index.catalog
    if damage := catalog.damage():
        yield Problem("catalog", damage)
    built = catalog.manifest()
    if built is None and catalog.counts()[0]:
        yield Problem("manifest", "the index has documents and no manifest")
    if built and not index.fits(built):
        yield Problem("manifest", f"built with {built}, which is not what this program uses; run: footnote rebuild")
    if not catalog.words_agree():
        yield Problem("word_index", "the word index does not hold the words of the chunks")


def _offset_problems(index: Index) -> Iterator[Problem]:
    for document in _mismatched(index):
        yield Problem("offsets", f"{document.id} ({document.title}): chunks that do not match its text")


def _mismatched(index: Index) -> Iterator[Document]:
    """Every chunk must be the text at its place, and a document's chunks together cover all that can be seen of it."""
    for info in index.catalog.documents():
        try:
            document = index.catalog.document(info.doc_id)
        except NotFoundError:
            continue  # another process removed it in this moment
        at, wrong = 0, False
        for chunk in index.catalog.chunks_of(document.id):
            wrong |= document.text[chunk.start : chunk.end] != chunk.text or bool(
                document.text[at : chunk.start].strip()
            )
            at = chunk.end
        if wrong or document.text[at:].strip():
            yield document


def _store_problems(index: Index, store: VectorStore) -> Iterator[Problem]:
    owned, there, under_way = set(index.catalog.chunk_ids()), store.ids(), index.catalog.journal()
    if missing := owned - there:
        yield Problem("missing_vector", f"{len(missing)} chunks have no vector, {min(missing)} for one")
    if strays := there - owned:
        yield Problem("stray_vector", f"{len(strays)} vectors have no chunk, {min(strays)} for one")
    if under_way:
        yield Problem("journal", f"a write of {len(under_way)} chunks was interrupted, or is under way")


def _sample(index: Index, size: int | None) -> dict[str, np.ndarray]:
    """Some chunks' ids and vectors drawn by a fixed seed, or all."""
    ids = index.catalog.chunk_ids()
    chosen = set(ids if size is None or size >= len(ids) else random.Random(0).sample(ids, size))
    return {id_: vector for batch, vectors in index.catalog.chunk_vectors()
            for id_, vector in zip(batch, vectors, strict=True) if id_ in chosen}  # fmt: skip


def _lost(store: VectorStore, sample: dict[str, np.ndarray]) -> Iterator[Problem]:
    """A chunk's own vector must find it; one of the same vector in its place, a repeated paragraph, is as good."""
    lost = []
    for id_, vector in sample.items():
        found = store.query(vector, NEAREST)
        if (id_ not in found and (len(found) < NEAREST or min(found.values()) < SAME)) or found.get(id_, 1.0) < SAME:
            lost.append(id_)
    if lost:
        yield Problem(
            "lost_vector", f"{len(lost)} of {len(sample)} chunks are not found by their vector, {lost[0]} for one"
        )


def _recall(index: Index, store: VectorStore, queries: dict[str, np.ndarray]) -> float | None:
    """Mean share of the exact ten nearest found, an answer as near as the tenth counting as found (ties)."""
    if not queries:
        return None
    asked = np.stack(list(queries.values()))
    best = np.full((len(asked), NEAREST), -2.0, np.float32)
    for _, vectors in index.catalog.chunk_vectors():
        joined = np.concatenate([best, asked @ vectors.T], axis=1)
        best = -np.sort(-joined, axis=1)[:, :NEAREST]
    shares = []
    for vector, scores in zip(asked, best, strict=True):
        exact = scores[scores > -2]
        found = sum(score >= exact[-1] - 1e-3 for score in store.query(vector, NEAREST).values())
        shares.append(min(found, len(exact)) / len(exact))
    return float(np.mean(shares))


def repaired(index: Index, kinds: set[str]) -> list[str]:
    """Mend these kinds of problems; what was done, in lines. Raises BusyError while another process writes."""
    done = []
    with index.writing():
        if "word_index" in kinds:
            index.catalog.rebuild_words()
            done.append("the word index made anew from the chunks")
        if "offsets" in kinds:
            done += _split_anew(index)
        if kinds & {"lost_vector", "recall", "store"}:
            done.append(f"{refill(index)} vectors made anew from the catalog")
        if kinds & {"missing_vector", "stray_vector", "journal"}:
            done += reconcile(index, index.vectors)
    return done


def _split_anew(index: Index) -> list[str]:
    done = []
    for known in list(_mismatched(index)):
        # Its text may be what is wrong. A hash that no file has lets the source replace it, and gives the chunks ids of
        # their own, since a vector stays as it is under its id.
        index.rewrite(replace(known, sha256=f"damaged-{known.sha256}"))
        done.append(f"{known.id} split and embedded anew; its text may be damaged: add {known.source} again")
    return done
