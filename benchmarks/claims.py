"""Drafts written by hand, held against their passage: how many of the lies pass. `make claims DATA=...`.

    python -m benchmarks.claims --data DATA [--set evals/claims/heldout.jsonl]

Each draft answers a question from one passage, which it cites, and is judged as a language model's would be
(`rag/judge.py`). The lies were written to be hard: the passage's own words, one twist away. `dev.jsonl` is fitted to
(`rag/evidence/calibrate.py`), `heldout.jsonl` is only measured.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from benchmarks.drafts import interval
from benchmarks.speed import report
from index import Chunk
from rag.cite import Draft
from rag.evidence import Evidence, EvidenceModel
from rag.evidence.written import CLAIMS, Written, written
from rag.fit import Fit, shipped
from rag.judge import Judge
from rag.types import Passage


def kept(draft: Written, evidence: Evidence, fit: Fit) -> bool:
    """Whether a reader would see the draft."""
    chunk = Chunk(draft.id, draft.id, 0, len(draft.passage), draft.passage)
    passage = Passage(chunk, "", "", 0.0, 1)
    return bool(Judge([passage], passage, evidence, fit).judge(Draft(draft.text, (1,)))[0])


def table(judged: Iterable[tuple[Written, bool]]) -> list[tuple[str, str, str]]:
    """Shares that pass, by kind and over all lies and all true ones."""
    kinds: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    for draft, passed in judged:
        for kind in (draft.kind, "all"):
            kinds[draft.supported, kind].append(passed)
    return [
        (f"{'true' if true else 'false'}: {kind}", interval(passed), "kept" if true else "passed")
        for (true, kind), passed in sorted(kinds.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", type=Path, default=CLAIMS / "heldout.jsonl", dest="file")
    options = parser.parse_args()
    evidence, fit = EvidenceModel.load(), shipped()
    judged = [(draft, kept(draft, evidence, fit)) for draft in written(options.file, options.data)]
    report(f"Drafts written by hand, {options.file.stem}", table(judged))


if __name__ == "__main__":
    main()
