"""Sets of questions, measures with intervals, runs and their comparison."""

from evals.comparison import compare
from evals.harness import run
from evals.report import comparison_json, render, render_comparison, to_json
from evals.sets import load_set, open_index
from evals.store import check_place, load_run, save
from evals.types import (
    Comparison,
    Difference,
    EvalItem,
    EvalRun,
    EvalSet,
    EvalSetError,
    ItemResult,
    Metric,
    RunError,
)

__all__ = [
    "Comparison",
    "Difference",
    "EvalItem",
    "EvalRun",
    "EvalSet",
    "EvalSetError",
    "ItemResult",
    "Metric",
    "RunError",
    "check_place",
    "compare",
    "comparison_json",
    "load_run",
    "load_set",
    "open_index",
    "render",
    "render_comparison",
    "run",
    "save",
    "to_json",
]
