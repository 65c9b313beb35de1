"""A training checkpoint → ONNX → int8 → the weights the package ships, with their card.

How it is quantized: index/eightbit.py, by some held-apart examples. The figures of the float and of the 8-bit file are
compared on development data, and what 8 bits lose is written into the card.

    python -m rag.evidence.export --checkpoint RUNS/final/step-N.pt --data DATA --work FOLDER

A shipped file takes the checkpoint's place where the checkpoint is gone: `--checkpoint v6/model.int8.onnx --average
v5/model.int8.onnx --share -0.5` is v6 and half as far again from v5.
"""

import argparse
import collections
import hashlib
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from index.eightbit import Smoothed, largest, smooth_feed_forward, write_int8
from rag.evidence.base import base_model
from rag.evidence.data import mixture
from rag.evidence.examples import Example
from rag.evidence.measure import Figure, deciding_figures, measure_all
from rag.evidence.model import LEFT_TOKENS, WEIGHTS, WINDOW_TOKENS, EvidenceModel
from rag.evidence.restore import align, average, restore
from rag.evidence.train import BATCH, MARKS, Evidence, encode, load_tokenizer, tensors

NAME = "footnote-evidence-v10"
LICENCE = "Apache-2.0"
BASE = "all-mpnet-base-v2"
EARLIER = (
    "footnote-evidence-v7 from its 8-bit file. v7: v6 and half as far again from v5, which makes three quarters of "
    "the way from v5 to the weights that 6,300 steps (seed 41) had made of it; v6 was halfway. v5: halfway between v4 "
    "and v4 after 2,900 more steps (seed 31); v4: the base after 2,050 steps (seed 11) and 2,400 more (seed 21), over "
    "earlier mixtures. An eighth and a ninth were trained and not taken (docs/log.md)"
)
HEADS = ("/span/", "/support/")  # left in float: they are small, and what they give is what is used
CALIBRATION = 64  # examples that show which activations are large; held apart from training
ALLOWED_LOSS = 0.01
WORD_TABLE = 20_000_000  # bytes; no other array is so large
DATA_LICENCES = """SQuAD 1.1 and 2.0 (CC BY-SA 4.0), SQuADShifts (CC BY 4.0), QAMR (MIT), Natural Questions and QED
(CC BY-SA 3.0), COVID-QA (Apache-2.0), FairytaleQA (Apache-2.0), FEVER and Symmetric FEVER (CC BY-SA 3.0, MIT), Fool Me
Twice, Check-COVID, Factcheck-GPT (Apache-2.0), WiCE (ODC-BY, CC BY-SA), MultiNLI (OANC), SNLI (CC BY-SA 4.0), and the
contrast sets of CAD, Breaking NLI and MED under their own free licences, SelQA (Apache-2.0), the questions of
chunking_evaluation (MIT). Claims and questions
edited by program are made from SQuAD's articles; other words for theirs come from WordNet (WordNet licence). `written`
was written for this project (`evals/claims/train.jsonl`, Apache-2.0), on passages of SQuAD, of SQuADShifts
and of our own. `rivals`: `python -m rag.evidence.mine --data DATA --articles 110`."""


def loaded(checkpoint: Path, earlier: Path | None = None, share: float = 0.5) -> Evidence:
    """The model of a checkpoint or weight file, moved towards an earlier weight file by a share of the way."""
    model = Evidence()
    if checkpoint.suffix == ".onnx":
        restore(checkpoint, model)
    else:
        model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    if earlier:
        other = Evidence()
        restore(earlier, other)
        align(model, other)
        average(model, other, share)
    return model.eval()


def smooth_layers(model: Evidence, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Put index/eightbit.py's parts into each layer, by what these inputs show; the function stays as it was."""
    layers, home = model.encoder.encoder.layer, "encoder.encoder.layer."
    parts = ("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o",
             "intermediate.dense", "output.dense")  # fmt: skip
    names = [f"{home}{at}.{part}" for at in range(len(layers)) for part in parts]
    seen = largest(model, names, inputs)
    for at, layer in enumerate(layers):
        attention = layer.attention.attn
        for part in "qkvo":
            setattr(attention, part, Smoothed(getattr(attention, part), seen[f"{home}{at}.attention.attn.{part}"]))
        smooth_feed_forward(layer, *(seen[f"{home}{at}.{part}.dense"] for part in ("intermediate", "output")))


def calibration(examples: list[Example]) -> list[tuple[Tensor, ...]]:
    """(ids, mask) of each example."""
    tokenizer = load_tokenizer()
    rows = [encode(example, WINDOW_TOKENS, tokenizer, random.Random(0)) for example in examples]
    batches = [tensors([row]) for row in rows if row]
    return [(batch["ids"], batch["mask"]) for batch in batches]


def write_float(model: Evidence, path: Path) -> None:
    """The model as a float ONNX file: ids, mask (n, tokens) → start, end (n, tokens), support (n,)."""
    example = torch.ones((2, 16), dtype=torch.long)
    names = {"ids": {0: "n", 1: "tokens"}, "mask": {0: "n", 1: "tokens"}}
    outputs = {"start": {0: "n", 1: "tokens"}, "end": {0: "n", 1: "tokens"}, "support": {0: "n"}}
    torch.onnx.export(
        model,
        (example, example),
        str(path),
        input_names=list(names),
        output_names=list(outputs),
        dynamic_axes={**names, **outputs},
        opset_version=17,
        dynamo=False,
    )


def set_apart(path: Path) -> Path:
    """Move the word table into a file of its own beside `path`: hosts of code and packages take 100 MB a file."""
    table = path.with_name("words.bin")
    table.unlink(missing_ok=True)  # what is there would be added to
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location=table.name, size_threshold=WORD_TABLE)
    return table


def write_card(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """`card.json` and the tokenizer beside a weight file, so that the runtime takes it."""
    tokenizer = path.parent / "tokenizer.json"
    shutil.copyfile(base_model() / "tokenizer.json", tokenizer)
    files = [path, tokenizer, *path.parent.glob("words.bin")]
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    card = {"name": NAME, "licence": LICENCE, "sha256": hashes, "marks": asdict(MARKS), **facts}
    (path.parent / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def lost(full: list[Figure], eight: list[Figure]) -> dict[str, float]:
    """What 8 bits lose on each figure; below zero they gain."""
    return {a.name: round(a.value - b.value, 4) for a, b in zip(full, eight, strict=True)}


def training_facts(checkpoint: Path, data: Path) -> dict[str, Any]:
    """How the checkpoint came about: its steps and runs, and what the mixture holds; a weight file's card says it."""
    if checkpoint.suffix == ".onnx":
        card = json.loads((checkpoint.parent / "card.json").read_text(encoding="utf-8"))
        return dict(card["training"])
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    folders = {"data", "out", "resume", "synonyms"}
    files = {"weights", "rivals"}
    runs = [
        {name: Path(value).name if name in files else value for name, value in run.items() if name not in folders}
        for run in kept["runs"]
    ]
    last = kept["runs"][-1]
    mined = Path(last["rivals"]) if last["rivals"] != "None" else None
    train, dev = mixture(data, int(last["seed"]), mined, float(last["rest"]))
    counts = collections.Counter(example.source for example in train)
    return {
        "steps": kept["step"],
        "runs": runs,
        "passes": round(kept["step"] * BATCH / len(train), 2),
        "mixture": dict(sorted(counts.items())),
        "held_apart": len(dev),
    }


def name_of(path: Path) -> str:
    """What a checkpoint or a weight file is called: a weight file's card says it."""
    if path.suffix != ".onnx":
        return path.name
    return str(json.loads((path.parent / "card.json").read_text(encoding="utf-8"))["name"])


def markdown(card: dict[str, Any]) -> str:
    """The card for people."""
    training = card["training"]
    rows = "\n".join(f"| {f['name']} | {f['value']:.3f} | {f['low']:.3f} to {f['high']:.3f} | {f['n']} |"
                     for f in card["figures"])  # fmt: skip
    sources = "\n".join(f"| {source} | {count} |" for source, count in training["mixture"].items())
    losses = ", ".join(f"{name} {loss:+.4f}" for name, loss in card["int8_loss"].items())
    hashes = "\n".join(f"- `{name}` {digest}" for name, digest in card["sha256"].items())
    runs = "\n".join("- " + " ".join(f"{name}={value}" for name, value in run.items()) for run in training["runs"])
    moved = f", moved {card['share']:+.2f} of the way to {card['averaged']}" if card["averaged"] else ""
    return f"""# {card["name"]}

One encoder of 109 million parameters with two jobs: *read* (question, passage → answer span and the score that there is
none) and *support* (claim, passage → probability that the passage supports the claim). Started from all-mpnet-base-v2
(Apache-2.0), trained by `rag/evidence/train.py`, quantized by `rag/evidence/export.py` (8 bits, per channel, inputs
smoothed, outlier neurons and heads in float).
Licence: {card["licence"]}.

{hashes}

## Training

{training["steps"]} steps of {BATCH} examples with AdamW: warm-up, stable rate, linear decay to zero;
{training["passes"]} passes over the mixture below; {training["held_apart"]} examples more, of other documents,
were held apart. The weights it began with: {EARLIER}.
What is shipped: the weights of {card["checkpoint"]}{moved}.
`python -m rag.evidence.train`, one line a run:

{runs}

| source | examples |
|---|---|
{sources}

Data: {DATA_LICENCES}

## Development figures

`python -m rag.evidence.measure --data DATA --limit {card["limit"]}`; 95% bootstrap intervals. `dev`: SQuAD training
articles held apart. `squad2_half`: half of SQuAD 2.0's development set, never trained on. `caught`: negatives below the
score that 95% of the true claims reach. Lost by int8 (fp32 minus int8): {losses}.

| figure | value | 95% interval | n |
|---|---|---|---|
{rows}

## Limits

English only. At most {LEFT_TOKENS} tokens of a question are seen; a longer claim is judged by the worst of its parts of
so many. Passages are read in windows of {WINDOW_TOKENS} tokens: evidence that is spread over a longer text is not
joined. The support probability is not calibrated for any one use: fit it.
"""


def ship(chosen: Path, card: dict[str, Any], target: Path) -> None:
    """Put the files in place, the card last."""
    target.mkdir(parents=True, exist_ok=True)
    for name in card["sha256"]:
        shutil.copyfile(chosen.parent / name, target / name)
    (target / "MODEL_CARD.md").write_text(markdown(card), encoding="utf-8")
    (target / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def compare(full: Path, eight: Path, data: Path, dev: list[Example], limit: int) -> dict[str, Any]:
    """What the card says of the 8-bit file's figures and of what it loses to the float one."""
    figures = [deciding_figures(EvidenceModel.load(path), data, dev, limit) for path in (full, eight)]
    losses = lost(*figures)
    if max(losses.values()) > ALLOWED_LOSS:
        print(f"warning: 8 bits lose more than {ALLOWED_LOSS}: {losses}")
    measured = measure_all(EvidenceModel.load(eight), data, dev, limit)
    return {"int8_loss": losses, "figures": [asdict(each) for each in measured]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--average", type=Path, help="a weight file, such as training began with, to average with")
    parser.add_argument("--share", type=float, default=0.5, help="how far to move towards --average; negative: away")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where both files are written")
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    parser.add_argument("--limit", type=int, default=300, help="items a set when measuring; 0: nothing is measured")
    options = parser.parse_args()
    full, eight = options.work / "float" / WEIGHTS.name, options.work / "int8" / WEIGHTS.name
    _, dev = mixture(options.data, seed=1)
    model = loaded(options.checkpoint, options.average, options.share)
    smooth_layers(model, calibration(random.Random(0).sample(dev, CALIBRATION)))
    for folder in (full.parent, eight.parent):
        folder.mkdir(parents=True, exist_ok=True)
    write_float(model, full)
    write_int8(full, eight, floats=HEADS)
    set_apart(eight)
    for path in (full, eight):
        write_card(path, {})
    measured: dict[str, Any] = {"int8_loss": {}, "figures": []}
    if options.limit:
        measured = compare(full, eight, options.data, dev, options.limit)
    training = training_facts(options.checkpoint, options.data)
    facts = {"base": BASE, "earlier": EARLIER, "checkpoint": name_of(options.checkpoint),
             "averaged": name_of(options.average) if options.average else "", "share": options.share,
             "limit": options.limit, "training": training}  # fmt: skip
    ship(eight, write_card(eight, {**facts, **measured}), options.out)


if __name__ == "__main__":
    main()
