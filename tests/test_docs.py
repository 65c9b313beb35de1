"""Documentation is tested: every command and every program in it runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"FOOTNOTE_INDEX": str(folder / "index"), "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")], ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    for name in ("seeds", "evals"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    for line in ["footnote add seeds", *commands]:
        program, *args = shlex.split(line)
        assert program == "footnote", f"{page.name}: {line}"
        done = subprocess.run(
            [sys.executable, "-m", "ui.cli", *args],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{page.name}: {line}: {done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_programs_run(page: Path, tmp_path: Path) -> None:
    (tmp_path / "seeds").symlink_to(ROOT / "seeds")
    for block in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
        )
        assert done.returncode == 0, f"{page.name}: {done.stderr}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
