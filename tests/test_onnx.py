"""Products of 8 bits, on whatever processor this is."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from index.onnx import session

PLACES = 64


def product(weights: np.ndarray) -> bytes:
    """A model that multiplies activations of unsigned 8 bits by these weights, (places, n) of signed 8 bits."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [None, PLACES])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [None, weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_large_products_are_not_cut_off() -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-127, 100, 127], np.int8), (PLACES, 32))
    activations = rng.choice(np.array([0, 200, 255], np.uint8), (16, PLACES))
    (found,) = session(product(weights)).run(None, {"a": activations})
    assert (found == activations.astype(np.int32) @ weights.astype(np.int32)).all()
