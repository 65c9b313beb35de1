"""A shipped weight file → float weights to train on from.

The checkpoints of a run are large and are not kept in the repository; the 8-bit file is, and holds every weight to
within half a step of its column's scale.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

PRODUCT = re.compile(r"/?(.+?)(?:/Gemm)?(?:_MatMul|/MatMul)(?:_quant)?$")
FEED_FORWARD = re.compile(r"(.+)\.intermediate\.first\.weight$")

Weights = dict[str, Tensor]


def restore(path: Path, model: nn.Module) -> None:
    """Load an exported file into the model it was exported from; ValueError when one of its weights is missing.

    The word table stays the model's own: training never moves it.
    """
    missing, unknown = model.load_state_dict(plain(stored_weights(path)), strict=False)
    lost = [name for name in missing if "word_embeddings" not in name and not name.endswith("position_ids")]
    if lost or unknown:
        raise ValueError(f"{path} is not a weight file of this model: missing {lost}, unknown {unknown}")


def average(model: nn.Module, earlier: nn.Module, share: float = 0.5) -> None:
    """Move the weights of a model towards those it was trained from, by a share of the way, which often carries over
    better than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"); away from them by a negative
    one, which takes back a part of an earlier average."""
    with torch.no_grad():
        for own, other in zip(model.parameters(), earlier.parameters(), strict=True):
            own.lerp_(other, share)


def align(model: Any, earlier: Any) -> None:
    """Put the hidden neurons of the earlier model in the order of the model's, in every layer: each exported file has
    an order of its own. ValueError when they are not the same neurons, trained on."""
    with torch.no_grad():
        for own, other in zip(model.encoder.encoder.layer, earlier.encoder.encoder.layer, strict=True):
            first, last = other.intermediate.dense, other.output.dense
            here, there = (nn.functional.normalize(layer.intermediate.dense.weight) for layer in (own, other))
            order = (here @ there.T).argmax(1)
            if len(set(order.tolist())) != len(order):
                raise ValueError("the earlier weights are not those that these were trained from")
            first.weight.copy_(first.weight[order].clone())
            first.bias.copy_(first.bias[order].clone())
            last.weight.copy_(last.weight[:, order].clone())


def stored_weights(path: Path) -> Weights:
    """Parameter name → float values of an exported file, dequantized, with the names of index/eightbit.py's parts."""
    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {name: values for name, values in arrays.items() if re.search(r"\.(?:bias|weight|scale)$", name)}
    for name in arrays:
        if name.endswith(".weight_quantized") and "word_embeddings" not in name:
            found[name.removesuffix("_quantized")] = dequantized(arrays, name.removesuffix("_quantized"))
    for node in graph.node:
        match = PRODUCT.match(node.name)
        if match and node.op_type in {"MatMul", "MatMulInteger", "Gemm"}:
            stored = node.input[1].removesuffix("_quantized")
            if stored in arrays or f"{stored}_quantized" in arrays:
                values = arrays[stored] if stored in arrays else dequantized(arrays, stored)
                found[match.group(1).replace("/", ".") + ".weight"] = values.T
    return {name: torch.from_numpy(np.array(values, dtype=np.float32)) for name, values in found.items()}


def dequantized(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(quantized - zero point) * scale, per column where the scale is."""
    whole = arrays[f"{name}_quantized"].astype(np.float32) - arrays[f"{name}_zero_point"].astype(np.float32)
    return np.asarray(whole * arrays[f"{name}_scale"], dtype=np.float32)


def plain(stored: Weights) -> Weights:
    """The weights as the model has them before index/eightbit.py: scales multiplied in, neurons set apart put back.

    The order of hidden neurons is another one, which changes nothing.
    """
    made = {name: values for name, values in stored.items() if ".intermediate." not in name and ".output." not in name}
    for name in [name for name in made if name.endswith(".linear.weight")]:
        home = name.removesuffix(".linear.weight")
        made[f"{home}.weight"] = made.pop(name) * made.pop(f"{home}.scale")
        made[f"{home}.bias"] = made.pop(f"{home}.linear.bias")
    for name in stored:
        if match := FEED_FORWARD.match(name):
            made |= dict(feed_forward(stored, match.group(1)))
    return made


def feed_forward(stored: Weights, home: str) -> Iterator[tuple[str, Tensor]]:
    """A layer's two products and norm, from the parts of eightbit.FeedForward and AddNorm."""
    parts = f"{home}.intermediate"
    first = stored[f"{parts}.first.weight"] * stored[f"{parts}.scale"]
    yield f"{home}.intermediate.dense.weight", torch.cat([first, stored[f"{parts}.first_apart.weight"]])
    biases = [stored[f"{parts}.{part}.bias"] for part in ("first", "first_apart")]
    yield f"{home}.intermediate.dense.bias", torch.cat(biases)
    columns = [stored[f"{parts}.{part}.weight"] for part in ("second", "second_apart")]
    yield f"{home}.output.dense.weight", torch.cat(columns, dim=1)
    yield f"{home}.output.dense.bias", stored[f"{parts}.second.bias"]
    for kind in ("weight", "bias"):
        yield f"{home}.output.LayerNorm.{kind}", stored[f"{home}.output.norm.{kind}"]
