"""The base model put together from its pieces: the wanted files, the right weights, or a clear error."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from rag.evidence import base

WEIGHTS = b"weights" * 100


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five pieces of a zip file, laid as the packages lay them."""
    monkeypatch.setattr(base, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in (*base.WANTED, "README.md"):
            archive.writestr(f"all-mpnet-base-v2/{name}", WEIGHTS if name == "model.safetensors" else name)
    data = whole.getvalue()
    step = len(data) // base.PIECES + 1
    for at in range(base.PIECES):
        piece = tmp_path / "site" / base.PIECE.format(at + 1)
        piece.parent.mkdir(parents=True)
        piece.write_bytes(data[at * step : (at + 1) * step])
    return tmp_path / "site"


def test_the_wanted_files_are_unpacked(packages: Path, tmp_path: Path) -> None:
    base.unpack(packages, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(base.WANTED)
    assert (tmp_path / "model/model.safetensors").read_bytes() == WEIGHTS


def test_a_folder_that_has_them_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_BASE", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"own")
    assert base.base_model() == tmp_path


def test_other_weights_and_missing_pieces_are_told(packages: Path, tmp_path: Path) -> None:
    base.SHA256 = "0" * 64  # the fixture puts it back
    with pytest.raises(ValueError, match="not those this project trains from"):
        base.unpack(packages, tmp_path / "model")
    assert not (tmp_path / "model/model.safetensors").exists()
    (packages / base.PIECE.format(3)).unlink()
    with pytest.raises(FileNotFoundError, match=r"pip install 'footnote-qa\[train\]'"):
        base.unpack(packages, tmp_path / "model")
