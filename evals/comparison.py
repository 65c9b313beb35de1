"""Two runs of one set → what changed, and whether chance would do as much. Paired, item by item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evals import stats
from evals.measures import MEASURES, Measure, rows
from evals.store import load_run
from evals.types import Comparison, Difference, EvalRun, ItemResult, RunError


def compare(run_a: EvalRun | str | Path, run_b: EvalRun | str | Path) -> Comparison:
    """Run `b` against run `a` (runs, or paths of saved ones), over the items both asked.

    Raises RunError for runs of different sets, or with no item in common.
    """
    a = run_a if isinstance(run_a, EvalRun) else load_run(run_a)
    b = run_b if isinstance(run_b, EvalRun) else load_run(run_b)
    if a.set_sha256 != b.set_sha256:
        raise RunError(
            f"the runs are of different sets ({a.set} {a.set_sha256[:12]}, {b.set} {b.set_sha256[:12]}); "
            "run both on the same file"
        )
    by_id = {item.id: item for item in b.items}
    pairs = [(item, by_id[item.id]) for item in a.items if item.id in by_id]
    if not pairs:
        raise RunError(f"the runs of {a.set} have no item in common; run both with the same --limit and --seed")
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = {measure.name: _difference(measure, ours, theirs) for measure in MEASURES}
    return Comparison(
        set=a.set,
        n=len(pairs),
        only_a=len(a.items) - len(pairs),
        only_b=len(b.items) - len(pairs),
        changed=_changed(a, b),
        differences={name: difference for name, difference in found.items() if difference is not None},
    )


def _difference(measure: Measure, a: Sequence[ItemResult], b: Sequence[ItemResult]) -> Difference | None:
    """None where the measure does not apply to one of the runs. An item that only one run is asked of (a footnote's
    measure, where the other refused) counts in that run's figure, as it does in the run itself."""
    rows_a, rows_b = rows(measure, a), rows(measure, b)
    value_a, value_b = stats.value(measure.statistic, rows_a), stats.value(measure.statistic, rows_b)
    if math.isnan(value_a) or math.isnan(value_b):
        return None
    if np.array_equal(rows_a, rows_b, equal_nan=True):
        return Difference(value_a, value_b, 0.0, 0.0, 0.0, 1.0, int((~np.isnan(rows_a[:, 0])).sum()))
    asked = ~(np.isnan(rows_a[:, 0]) & np.isnan(rows_b[:, 0]))
    rows_a, rows_b = rows_a[asked], rows_b[asked]
    low, high = stats.bootstrap(
        lambda drawn: stats.value(measure.statistic, rows_b[drawn]) - stats.value(measure.statistic, rows_a[drawn]),
        len(rows_a),
    )
    p = stats.swap_test(measure.statistic, rows_a, rows_b)
    return Difference(value_a, value_b, value_b - value_a, low, high, p, len(rows_a))


def _changed(a: EvalRun, b: EvalRun) -> dict[str, tuple[str, str]]:
    names = sorted(a.settings.keys() | b.settings.keys())
    pairs = {name: (a.settings.get(name, "-"), b.settings.get(name, "-")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
