"""A transformer's encoder in 8 bits: what its layers are made into first, and the quantizing itself.

Needs the extra `train`. Eight bits hold a matrix's activations badly where a few of them are many times as large as
the rest. Two changes that leave the function as it is see to that: the hidden neurons of a feed-forward part with the
largest outputs run in float, beside the others; and the places of a product's input are scaled to like size, the
weights inversely (SmoothQuant, Xiao et al. 2023). Which ones: from texts that the caller runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

APART = 16  # neurons a layer in float. Calibration shows 1 to 4 far outliers a layer; 16 cost no time that one can see
SMOOTHING = 0.5  # the share of the range that moves from activations to weights, as the paper has it


class Smoothed(nn.Module):
    """A linear map whose inputs are scaled to like size, with the inverse in its weights."""

    def __init__(self, linear: nn.Linear, inputs: Tensor) -> None:
        """`inputs` (places,): the largest magnitudes seen in calibration."""
        super().__init__()
        scale = smoothing(linear.weight, inputs)
        self.scale = nn.Parameter(scale)
        self.linear = _linear(linear.weight / scale, linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.linear(x * self.scale))


class FeedForward(nn.Module):
    """The feed-forward part of a layer, without residual and norm: x (n, tokens, d) → (n, tokens, d)."""

    def __init__(self, first: nn.Linear, second: nn.Linear, inputs: Tensor, outputs: Tensor) -> None:
        """`inputs` (d,), `outputs` (hidden neurons,): the largest magnitudes seen in calibration."""
        super().__init__()
        order = outputs.argsort()
        most, apart = order[:-APART], order[-APART:]
        scale = smoothing(first.weight, inputs)
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


def smoothing(weight: Tensor, inputs: Tensor) -> Tensor:
    """The factor for each place of a product's input; weight (out, places), inputs (places,)."""
    return (weight.abs().max(0).values ** (1 - SMOOTHING) / inputs**SMOOTHING).detach()


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return made


def largest(model: nn.Module, names: Sequence[str], inputs: Iterable[tuple[Tensor, ...]]) -> dict[str, Tensor]:
    """The largest magnitude at each place of the input of each part named, over these inputs of the model: name →
    (places,)."""
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            most = given[0].detach().abs().flatten(0, -2).max(0).values
            seen[name] = torch.maximum(seen.get(name, most), most)

        return model.get_submodule(name).register_forward_pre_hook(hook)

    hooks = [watch(name) for name in names]
    with torch.no_grad():
        for each in inputs:
            model(*each)
    for handle in hooks:
        handle.remove()
    return seen


def smooth_feed_forward(layer: Any, inputs: Tensor, outputs: Tensor) -> None:
    """Put FeedForward into a layer of a BERT-like encoder; the function stays as it was."""
    layer.intermediate = FeedForward(layer.intermediate.dense, layer.output.dense, inputs, outputs)
    layer.output = AddNorm(layer.output.LayerNorm)


def write_int8(source: Path, path: Path, floats: Sequence[str] = ()) -> None:
    """A float ONNX file with 8-bit weights, a scale for each column; activations are quantized as it runs. The products
    of the neurons set apart, and those with one of `floats` in their name, stay in float."""
    prepared = source.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    nodes = onnx.load(str(prepared)).graph.node
    apart = [node.name for node in nodes if node.op_type in ("MatMul", "Gemm")
             and any(part in node.name for part in ("_apart", *floats))]  # fmt: skip
    quantize_dynamic(str(prepared), str(path), weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=apart)
    prepared.unlink()
