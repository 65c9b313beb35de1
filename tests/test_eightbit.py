"""The making of the 8-bit file, on an encoder of two small layers: the same function before, in 8 bits, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import MPNetConfig, MPNetModel

from index.eightbit import largest, write_int8
from index.onnx import session
from rag.evidence.export import HEADS, smooth_layers, write_float
from rag.evidence.restore import align, average, restore
from rag.evidence.train import Evidence

OUTLIER = 40.0


def tiny() -> Evidence:
    """An encoder with a far outlier in each feed-forward part, as large ones have."""
    torch.manual_seed(3)
    config = MPNetConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                         intermediate_size=64, max_position_embeddings=40, attn_implementation="eager")  # fmt: skip
    model = Evidence(MPNetModel(config, add_pooling_layer=False)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:  # all 0 or all 1 at first, and what is equal is stored once
                weight += 0.1 * torch.randn_like(weight)
        for layer in model.encoder.encoder.layer:
            layer.intermediate.dense.weight[5] *= OUTLIER
    return model


def texts() -> list[tuple[Tensor, Tensor]]:
    random = np.random.default_rng(0)
    made = [torch.tensor(random.integers(5, 60, (2, length))) for length in (7, 12, 20)]
    return [(ids, torch.ones_like(ids)) for ids in made]


def outputs(model: Evidence) -> list[np.ndarray]:
    with torch.no_grad():
        return [part.numpy() for each in texts() for part in model(*each)]


def run(path: Path) -> list[np.ndarray]:
    feeds = [{"ids": ids.numpy(), "mask": mask.numpy()} for ids, mask in texts()]
    return [part for feed in feeds for part in session(path).run(None, feed)]


def furthest(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of itself
def test_smoothed_then_in_8_bits_then_back_it_is_the_same_function(tmp_path: Path) -> None:
    model = tiny()
    wanted = outputs(model)
    smooth_layers(model, texts())
    assert furthest(outputs(model), wanted) < 1e-4, "smoothing changes nothing"
    full, eight = tmp_path / "full.onnx", tmp_path / "eight.onnx"
    write_float(model, full)
    write_int8(full, eight, floats=HEADS)
    assert furthest(run(full), wanted) < 1e-4
    spread = float(np.std(np.concatenate([part.ravel() for part in wanted])))
    assert 0 < furthest(run(eight), wanted) < spread / 4
    assert eight.stat().st_size < full.stat().st_size
    again = tiny()
    with torch.no_grad():
        for weight in again.parameters():
            if weight is not again.encoder.embeddings.word_embeddings.weight:
                weight.zero_()
    restore(eight, again)
    assert furthest(outputs(again), wanted) < spread / 4


def test_the_average_lies_halfway() -> None:
    own, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    own.load_state_dict({"weight": torch.tensor([[1.0, 3.0]]), "bias": torch.tensor([0.0])})
    other.load_state_dict({"weight": torch.tensor([[2.0, -3.0]]), "bias": torch.tensor([1.0])})
    average(own, other)
    assert (own.weight.tolist(), own.bias.tolist()) == ([[1.5, 0.0]], [0.5])
    assert other.weight.tolist() == [[2.0, -3.0]], "the other one stays as it was"
    average(own, other, -0.5)
    assert (own.weight.tolist(), own.bias.tolist()) == ([[1.25, 1.5]], [0.25]), "half as far again"


def test_neurons_in_another_order_are_put_into_the_models() -> None:
    model, shuffled = tiny(), tiny()
    shuffled.load_state_dict(model.state_dict())
    layer = shuffled.encoder.encoder.layer[0]
    order = torch.arange(layer.intermediate.dense.out_features).flip(0)
    with torch.no_grad():
        layer.intermediate.dense.weight.copy_(layer.intermediate.dense.weight[order].clone())
        layer.intermediate.dense.bias.copy_(layer.intermediate.dense.bias[order].clone())
        layer.output.dense.weight.copy_(layer.output.dense.weight[:, order].clone())
    assert furthest(outputs(shuffled), outputs(model)) < 1e-5, "the order changes nothing"
    align(model, shuffled)
    pairs = zip(model.parameters(), shuffled.parameters(), strict=True)
    assert all(torch.equal(own, other) for own, other in pairs)
    with torch.no_grad():
        layer.intermediate.dense.weight[1:] = layer.intermediate.dense.weight[0]
    with pytest.raises(ValueError, match="not those that these were trained from"):
        align(model, shuffled)


def test_the_largest_input_of_each_place() -> None:
    first, second = torch.tensor([[1.0, -5.0]]), torch.tensor([[-3.0, 2.0]])
    seen = largest(torch.nn.Sequential(torch.nn.Linear(2, 1)), ["0"], [(first,), (second,)])
    assert seen["0"].tolist() == [3.0, 5.0]


def test_a_file_of_another_model_is_not_restored(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Identity", ["x"], ["y"])
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([node], "none", shapes[:1], shapes[1:])), tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="is not a weight file of this model"):
        restore(tmp_path / "none.onnx", tiny())
