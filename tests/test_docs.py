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
    for name in ("seeds", "evals"):
        (folder / name).symlink_to(ROOT / name)
    settings = {"FOOTNOTE_INDEX": str(folder / "index"), "XDG_DATA_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return os.environ | settings


def footnote(*args: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ui.cli", *args], cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")], ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    commands = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    for line in ["footnote add seeds", *commands]:
        program, *args = shlex.split(line)
        assert program == "footnote", f"{page.name}: {line}"
        done = footnote(*args, folder=tmp_path, env=env)
        assert done.returncode == 0, f"{page.name}: {line}: {done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_programs_run(page: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    assert footnote("add", "seeds", folder=tmp_path, env=env).returncode == 0
    for block in blocks(page, "python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}: {done.stderr}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
