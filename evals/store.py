"""Runs on disk: one JSON file each, with every item."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evals.types import EvalRun, RunError
from index.settings import Settings


def data_folder() -> Path:
    """The program's folder in the user's data folder: where the default index lies, wherever the present one does."""
    return Path(Settings.model_fields["index"].default).parent


@cache
def _adapter() -> TypeAdapter[EvalRun]:
    return TypeAdapter(EvalRun)


def save(run: EvalRun, out: str | Path | None = None) -> Path:
    """Write a run, whole or not at all, and give its path.

    `out` is a file when it ends in .json, else a folder (default: runs/ in the user's data folder). A file that
    is there is replaced. Raises RunError.
    """
    folder = _folder(out)
    path = folder if folder.suffix == ".json" else folder / _file_name(run)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(_adapter().dump_json(run, indent=1))
        part.replace(path)
    except OSError as exc:
        if part.exists():
            part.unlink()
        raise RunError(f"{path}: the run cannot be saved ({exc.strerror}); choose another place with --out") from exc
    return path


def check_place(out: str | Path | None = None) -> None:
    """Make the folder that `save` would write to, before hours of questions. Raises RunError where that fails."""
    folder = _folder(out)
    folder = folder.parent if folder.suffix == ".json" else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise RunError(f"{folder}: a run cannot be saved there ({exc.strerror}); choose another with --out") from exc


def _folder(out: str | Path | None) -> Path:
    return data_folder() / "runs" if out is None else Path(out)


def _file_name(run: EvalRun) -> str:
    stamp = run.created[:19].replace(":", "").replace("-", "")
    return f"{stamp}-{run.set}-{os.urandom(3).hex()}.json"  # two runs may end in the same second


def load_run(path: str | Path) -> EvalRun:
    """A saved run. Raises RunError."""
    path = Path(path)
    try:
        return _adapter().validate_json(path.read_bytes())
    except OSError as exc:
        raise RunError(f"{path}: cannot be read ({exc.strerror}); give the path of a saved run") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{path}: not a saved run ({where or 'the file'}: {first['msg']}); run it again: footnote eval run SET"
        ) from exc
