"""Intervals, tests and the two rank statistics. Pure numpy; knows nothing of questions.

`rows` is a float array of shape (items, columns) with NaN in the first column where an item was not asked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]
Statistic = Callable[[Rows], float]

RESAMPLES = 2000  # the ends of a 95% interval then move by under a tenth of its width from seed to seed
SEED = 20250312  # any number, but always the same one: a run gives the same interval every time
Z = 1.959964  # the 97.5% point of the normal distribution


def value(statistic: Statistic, rows: Rows) -> float:
    """The statistic over the items that were asked; NaN when there are none."""
    asked = rows[~np.isnan(rows[:, 0])]
    return statistic(asked) if len(asked) else float("nan")


def mean(rows: Rows) -> float:
    return float(rows[:, 0].mean())


def share(rows: Rows) -> float:
    """Hits (column 0) per count (column 1), pooled over the items."""
    total = float(rows[:, 1].sum())
    return float(rows[:, 0].sum()) / total if total else float("nan")


def percentile(q: float) -> Statistic:
    return lambda rows: float(np.percentile(rows[:, 0], q))


def auroc(rows: Rows) -> float:
    """Chance that a positive (column 1 is 1) has a higher score (column 0) than a negative; a tie counts half."""
    positive, negative = rows[rows[:, 1] == 1, 0], np.sort(rows[rows[:, 1] == 0, 0])
    if not len(positive) or not len(negative):
        return float("nan")
    below = np.searchsorted(negative, positive, "left")
    not_above = np.searchsorted(negative, positive, "right")
    return float((below + not_above).mean() / 2 / len(negative))


def aurc(rows: Rows) -> float:
    """Mean over k = 1..n of the mean loss (column 1) of the k items with the highest confidence (column 0).

    Items of equal confidence share their mean loss, so that their order does not matter.
    """
    _, group, sizes = np.unique(-rows[:, 0], return_inverse=True, return_counts=True)
    shared = np.bincount(group, rows[:, 1]) / sizes
    risks = np.cumsum(np.repeat(shared, sizes)) / np.arange(1, len(rows) + 1)
    return float(risks.mean())


def wilson(p: float, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a proportion `p` of `n`.

    For a mean of scores within 0..1 it is, if anything, too wide: their variance is at most p(1-p).
    """
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # the bound is exactly p at 0 and 1; rounding must not put it on the wrong side
    return min(max(0.0, float(centre - half)), p), max(min(1.0, float(centre + half)), p)


def bootstrap(statistic: Callable[[npt.NDArray[np.int64]], float], n: int) -> tuple[float, float]:
    """Percentile-bootstrap 95% interval; `statistic` takes the indices of `n` items drawn with replacement.

    A draw on which the statistic is not defined (NaN) is left out.
    """
    rng = np.random.default_rng(SEED)
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(RESAMPLES)])
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def swap_test(statistic: Statistic, a: Rows, b: Rows) -> float:
    """Two-sided p of `statistic(b) - statistic(a)` when, if the runs do not differ, each item's two results may
    be swapped (for a mean: the sign-flip test). At least 1 / (RESAMPLES + 1)."""
    rng = np.random.default_rng(SEED)
    seen = abs(value(statistic, b) - value(statistic, a))
    as_far = 0
    for _ in range(RESAMPLES):
        swap = (rng.random(len(a)) < 0.5)[:, None]
        drawn = abs(value(statistic, np.where(swap, a, b)) - value(statistic, np.where(swap, b, a)))
        as_far += bool(drawn >= seen - 1e-12)  # sums in another order differ in the last bits
    return (as_far + 1) / (RESAMPLES + 1)
