"""A shipped weight file → float weights to train on from.

The checkpoints of a run are large and are not kept in the repository; the int8 file is, and holds every weight to
within half a step of its channel's scale.
"""

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

PRODUCT = re.compile(r"/?(.+?)(?:/Gemm)?(?:_MatMul|/MatMul)(?:_quant)?$")


def stored_weights(path: Path) -> dict[str, Tensor]:
    """Parameter name → float values of an exported file (see export.py), dequantized.

    The word table is left out: training never moves it, so the base model's own is exact.
    """
    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {name: values for name, values in arrays.items() if re.search(r"\.(?:bias|weight)$", name)}
    for name in arrays:
        if name.endswith("_embeddings.weight_quantized") and "word_embeddings" not in name:
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


def restore(path: Path, model: nn.Module) -> None:
    """Load an exported file into the model it was exported from; ValueError when one of its weights is missing."""
    missing, unknown = model.load_state_dict(stored_weights(path), strict=False)
    lost = [name for name in missing if "word_embeddings" not in name and not name.endswith("position_ids")]
    if lost or unknown:
        raise ValueError(f"{path} is not a weight file of this model: missing {lost}, unknown {unknown}")
