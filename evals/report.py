"""Runs and comparisons as JSON for programs and as tables for people."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evals.types import Comparison, EvalRun

SHOWN_FAILURES = 5  # the rest is in the saved run
CAPTION = "abstain.aurc and latency (seconds): lower is better"


def to_json(run: EvalRun, path: Path | str) -> dict[str, Any]:
    """The document of `eval run --json`; `path` is where the run was saved."""
    return {
        "set": run.set,
        "n": len(run.items),
        "metrics": {name: asdict(metric) for name, metric in run.metrics.items()},
        "run": str(path),
        "failures": [{"id": item.id, "error": item.error} for item in run.failures],
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The document of `eval compare --json`."""
    return asdict(comparison)


def render(run: EvalRun, console: Console | None = None) -> None:
    """Print a run's metrics, and its failures."""
    console = console or Console()
    table = _table(f"{run.set}: {len(run.items)} questions", "value", "95% interval", "n")
    for name, metric in run.metrics.items():
        interval = f"{metric.low:.3f} to {metric.high:.3f}"
        table.add_row(name, f"{metric.value:.3f}", interval, str(metric.n))
    console.print(table)
    for item in run.failures[:SHOWN_FAILURES]:
        console.print(Text(f"failed, counted as wrong: {item.id}: {item.error}"))
    if len(run.failures) > SHOWN_FAILURES:
        console.print(Text(f"… and {len(run.failures) - SHOWN_FAILURES} more failures, in the saved run"))


def render_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print what changed between two runs, and the settings that did."""
    console = console or Console()
    title = f"{comparison.set}: {comparison.n} questions in both runs"
    table = _table(title, "A", "B", "B - A", "95% interval", "p", "n")
    for name, d in comparison.differences.items():
        interval = f"{d.low:+.3f} to {d.high:+.3f}"
        table.add_row(
            name,
            f"{d.a:.3f}",
            f"{d.b:.3f}",
            f"{d.difference:+.3f}",
            interval,
            f"{d.p:.3f}" if d.p >= 0.001 else "<.001",
            str(d.n),
        )
    console.print(table)
    if comparison.only_a or comparison.only_b:
        console.print(Text(f"left out: {comparison.only_a} items only in A, {comparison.only_b} only in B"))
    for name, (a, b) in comparison.changed.items():
        console.print(Text(f"{name}: {a} → {b}"))


def _table(title: str, *headings: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", caption=CAPTION, caption_justify="left", box=SIMPLE, pad_edge=False
    )
    table.add_column("metric", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
