"""Train the evidence model: MPNet with a span head and a support head, on the mixture of data.py.

One plain loop, warm-up, stable rate, decay. The stable part can run for as long as there is time; `--decay STEPS` then
branches off from any checkpoint and takes the rate to zero in a fixed number of steps. A run is a function of the data
folder, the seed and the options, all kept in each checkpoint.

    python -m rag.evidence.train --data DATA --out RUNS/stable
    python -m rag.evidence.train --data DATA --out RUNS/final --resume RUNS/stable/step-9000.pt --decay 2500
"""

import argparse
import copy
import json
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

from rag.evidence.base import base_model
from rag.evidence.data import RIVALS, by_hand, by_program, companions, mixture
from rag.evidence.examples import Example, cropped
from rag.evidence.model import LEFT_TOKENS, Marks
from rag.evidence.restore import restore
from rag.evidence.synonyms import Synonyms

BATCH = 16
# Windows of so many tokens, drawn for each example: most short because short is cheap and passages are mostly short,
# some at the length that is used when answering.
WINDOWS, WINDOW_WEIGHTS = (96, 128, 160, 224), (45, 30, 15, 10)
# Claims made by program are judged by a sentence or two, as a drafted answer's are.
CLAIM_WINDOWS, CLAIM_WINDOW_WEIGHTS = (64, 96, 128, 192), (35, 30, 20, 15)
# What makes a passage a rival must not be cut off, nor what a draft joined from two places.
WIDE_WINDOWS, WIDE_WINDOW_WEIGHTS = (128, 192, 256), (35, 45, 20)
SHORTEST_PASSAGE = 40  # tokens; a long claim gets a wider window rather than no passage
REWORDED = 0.15  # share of the examples put in other words, and of the words in them that are exchanged
REWORDED_WORDS = 0.7
MARKS = Marks(first=0, separator=2, padding=1, read=5, support=6)  # <s>, </s>, <pad>, [unused0] and [unused1]
# The word table and the lowest layers stay as they were: they meet too little data here to be moved with profit, and
# a step takes a fifth less time.
FROZEN_LAYERS = 4


@dataclass(frozen=True)
class Row:
    """One example as token ids. `first`: where the passage starts; `start`, `end`: the answer's tokens, 0 for none,
    or with `within` the tokens that hold the answer somewhere. `rival`: the same for the passages that one question
    is asked of and that are scored against each other, else 0."""

    ids: list[int]
    first: int
    start: int
    end: int
    read: bool
    label: float
    within: bool = False
    rival: int = 0


class Evidence(nn.Module):
    """Token ids → (start logits, end logits, support logit): (n, tokens), (n, tokens), (n,)."""

    def __init__(self, encoder: Any = None, frozen: int = FROZEN_LAYERS) -> None:
        """`encoder`: by default the base model. `frozen`: its lowest layers that stay as they are. No dropout: less
        than one pass over the data does not overfit."""
        super().__init__()
        self.encoder = encoder or AutoModel.from_pretrained(
            base_model(), attn_implementation="eager", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        self.encoder.pooler = None
        layers = self.encoder.encoder
        for part in (self.encoder.embeddings, layers.relative_attention_bias, *layers.layer[:frozen]):
            part.requires_grad_(False)
        self.span = nn.Linear(self.encoder.config.hidden_size, 2)
        self.support = nn.Linear(self.encoder.config.hidden_size, 1)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        start, end = self.span(hidden).unbind(-1)
        return start, end, self.support(hidden[:, 0]).squeeze(-1)


# ---- examples → batches


def load_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(base_model() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def in_other_words(example: Example, synonyms: Synonyms | None, rng: random.Random) -> Example:
    """Some examples with their left text reworded, whatever the label, so that rare words tell nothing."""
    if synonyms is None or rng.random() >= REWORDED:
        return example
    return replace(example, left=synonyms.reworded(example.left, example.passage, REWORDED_WORDS, rng))


def encode(example: Example, window: int, tokenizer: Tokenizer, rng: random.Random) -> Row | None:
    """[CLS] mark left [SEP] passage [SEP]; None where the answer does not fit in the window."""
    left = tokenizer.encode(example.left, add_special_tokens=False).ids[:LEFT_TOKENS]
    room = max(window - len(left) - 4, SHORTEST_PASSAGE)
    example = cropped(example, room - 2, lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids), rng)
    passage = tokenizer.encode(example.passage, add_special_tokens=False)
    first = len(left) + 3
    start, end = answer_tokens(example, passage, room)
    if end >= room or not passage.ids:
        return None
    mark = MARKS.read if example.job == "read" else MARKS.support
    ids = [MARKS.first, mark, *left, MARKS.separator, *passage.ids[:room], MARKS.separator]
    place = (first + start, first + end) if start >= 0 else (0, 0)
    rival = zlib.crc32(example.left.encode("utf-8", "replace")) if example.source == RIVALS else 0
    return Row(ids, first, *place, example.job == "read", example.label, example.within, rival)


def answer_tokens(example: Example, passage: Encoding, room: int) -> tuple[int, int]:
    """(first, last) token of the answer; (-1, -1) without one; the last is `room` where the place has no tokens."""
    if example.start < 0:
        return -1, -1
    inside = [i for i, (a, b) in enumerate(passage.offsets) if a < example.end and b > example.start]
    return (inside[0], inside[-1]) if inside else (room, room)


def together(examples: Sequence[Example]) -> list[list[Example]]:
    """The examples in groups that come in a row, so that most share a batch: the claims made of one passage, true and
    edited, teach by what differs between them, and so do the passages that one question is asked of. Every other
    example is a group by itself."""
    groups: dict[object, list[Example]] = {}
    for at, example in enumerate(examples):
        groups.setdefault(companions(example) or at, []).append(example)
    return list(groups.values())


def window_of(group: Sequence[Example], rng: random.Random) -> int:
    """The tokens of a group's inputs."""
    if group[0].source == RIVALS or by_hand(group[0]):
        return rng.choices(WIDE_WINDOWS, WIDE_WINDOW_WEIGHTS)[0]
    made = by_program(group[0])
    return rng.choices(CLAIM_WINDOWS if made else WINDOWS, CLAIM_WINDOW_WEIGHTS if made else WINDOW_WEIGHTS)[0]


def batches(examples: Sequence[Example], seed: int, tokenizer: Tokenizer, synonyms: Synonyms | None = None
            ) -> Iterator[list[Row]]:  # fmt: skip
    """Batches for ever, each of rows of like length; every pass over the examples in another order."""
    rng = random.Random(seed)
    groups = together(examples)
    while True:
        order = rng.sample(range(len(groups)), len(groups))
        for at in range(0, len(order), BATCH * 64):
            ready = []
            for group in (groups[i] for i in order[at : at + BATCH * 64]):
                window = window_of(group, rng)
                rows = [encode(in_other_words(each, synonyms, rng), window, tokenizer, rng) for each in group]
                ready.append([row for row in rows if row])
            ready.sort(key=lambda rows: max((len(row.ids) for row in rows), default=0))
            flat = [row for rows in ready for row in rows]
            cut = [flat[i : i + BATCH] for i in range(0, len(flat), BATCH)]
            rng.shuffle(cut)
            yield from cut


def tensors(rows: list[Row]) -> dict[str, Tensor]:
    """Rows → padded tensors; the width is a multiple of 32, so that few shapes are compiled."""
    width = -(-max(len(row.ids) for row in rows) // 32) * 32
    ids = torch.tensor([row.ids + [MARKS.padding] * (width - len(row.ids)) for row in rows])
    places = torch.arange(width)[None]
    first = torch.tensor([row.first for row in rows])[:, None]
    length = torch.tensor([len(row.ids) for row in rows])[:, None]
    return {
        "ids": ids,
        "mask": (places < length).long(),
        "outside": ((places < first) & (places > 0)) | (places >= length - 1),
        "start": torch.stack([allowed(row.start, row.end if row.within else row.start, width) for row in rows]),
        "end": torch.stack([allowed(row.start if row.within else row.end, row.end, width) for row in rows]),
        "read": torch.tensor([row.read for row in rows]),
        "label": torch.tensor([row.label for row in rows]),
        "rival": torch.tensor([row.rival for row in rows]),
    }


def allowed(first: int, last: int, width: int) -> Tensor:
    """(width,) bool: the tokens from first to last."""
    places = torch.arange(width)
    return (places >= first) & (places <= last)


# ---- learning


def losses(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(summed reading loss, summed support loss) of a batch."""
    start, end, support = model(batch["ids"], batch["mask"])
    start, end = (scores.float().masked_fill(batch["outside"], -1e4) for scores in (start, end))
    reading = sum(missed(scores, batch[name])[batch["read"]].sum() for scores, name in ((start, "start"), (end, "end")))
    judged = nn.functional.binary_cross_entropy_with_logits(support.float(), batch["label"], reduction="none")
    return torch.as_tensor(reading) / 2 + outscored(start, end, batch), judged[~batch["read"]].sum()


def outscored(start: Tensor, end: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Summed loss of the right answer against the best spans of the rival passages in the batch: minus the log of the
    chance that a softmax over their scores, each less its own null, gives the right one. Answering compares the scores
    of passages; trained apart they need not be comparable (Clark and Gardner 2018)."""
    best = start[:, 1:].logsumexp(-1) + end[:, 1:].logsumexp(-1)
    at = torch.arange(len(start))
    right = start[at, batch["start"].int().argmax(-1)] + end[at, batch["end"].int().argmax(-1)]
    null = start[:, 0] + end[:, 0]
    answers = (batch["rival"] > 0) & (batch["label"] > 0.5)
    others = (batch["rival"][:, None] == batch["rival"][None]) & (batch["label"] <= 0.5)[None]
    above = (best - null)[None].masked_fill(~others, -1e9)
    scores = torch.cat([(right - null)[:, None], above], 1)
    return (scores.logsumexp(-1) - scores[:, 0])[answers].sum()


def missed(logits: Tensor, places: Tensor) -> Tensor:
    """(n,) minus the log of the probability that falls on the allowed places; both arguments (n, tokens)."""
    return torch.logsumexp(logits, -1) - torch.logsumexp(logits.masked_fill(~places, -1e9), -1)


def rate(step: int, options: argparse.Namespace, branch: int) -> float:
    """Share of the full learning rate at a step: warm-up, then flat; with a decay linear to zero after `branch`, the
    step that the run starts from. A run that has its optimizer from a checkpoint is warm."""
    if options.decay:
        return max(0.0, 1 - (step - branch) / int(options.decay))
    return min(1.0, (step if options.resume else step - branch) / int(options.warmup))


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, runs: list[dict[str, str]]) -> None:
    """Write a checkpoint whole or not at all. `runs`: the options of every run that led to it, the last one's last."""
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "runs": runs}
    torch.save(kept, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    model, tokenizer = Evidence(frozen=options.frozen), load_tokenizer()
    branch, runs = begin(options.weights, model) if options.weights else (0, [])
    parameters = trainable(model)
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    if options.resume:
        branch, runs = resume(options.resume, model, optimizer)
    runs = [*runs, {"from_step": str(branch)} | {name: str(value) for name, value in vars(options).items()}]
    examples, _ = mixture(options.data, options.seed, options.rivals, options.rest)
    stream = batches(
        examples, options.seed + branch, tokenizer, Synonyms(options.synonyms) if options.synonyms else None
    )
    last = branch + options.decay if options.decay else options.steps
    options.out.mkdir(parents=True, exist_ok=True)
    log = (options.out / "train.jsonl").open("a", encoding="utf-8")
    note(log, {"examples": len(examples), "run": runs[-1]})
    worker = copy.deepcopy(model).bfloat16().train()
    window: list[tuple[float, float, int, int]] = []
    began = time.time()
    for step in range(branch + 1, last + 1):
        batch = tensors(next(stream))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * rate(step, options, branch)
        reading, judged = losses(worker, batch)
        ((reading + judged) / len(batch["read"])).backward()  # type: ignore[no-untyped-call]
        learn(parameters, trainable(worker), optimizer)
        reads = int(batch["read"].sum())
        window.append((float(reading.detach()), float(judged.detach()), reads, len(batch["read"]) - reads))
        if step % 50 == 0:
            note(log, summary(step, window, time.time() - began))
            window.clear()
        if step % options.keep == 0 or step == last:
            save(options.out / f"step-{step}.pt", model, optimizer, step, runs)


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def learn(exact: list[nn.Parameter], rough: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """One step of the float weights by the gradients of their bf16 copies, which then follow.

    Computing in bf16 throughout takes a fifth less time than autocast; the float weights keep small steps from
    being lost.
    """
    for weight, copied in zip(exact, rough, strict=True):
        weight.grad = None if copied.grad is None else copied.grad.float()
        copied.grad = None
    nn.utils.clip_grad_norm_(exact, 1.0)
    optimizer.step()
    with torch.no_grad():
        for weight, copied in zip(exact, rough, strict=True):
            copied.copy_(weight)


def begin(path: Path, model: nn.Module) -> tuple[int, list[dict[str, str]]]:
    """Load an exported file, or the weights of a checkpoint without its optimizer, which fits only a run with as many
    layers frozen. Returns what `resume` does; the runs that led to an exported file are told by its card alone."""
    if path.suffix != ".onnx":
        return resume(path, model)
    restore(path, model)
    return 0, []


def resume(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> tuple[int, list[dict[str, str]]]:
    """Load a checkpoint; the step it was written at, and the runs that led to it."""
    kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(kept["model"])
    if optimizer:
        optimizer.load_state_dict(kept["optimizer"])
    return int(kept["step"]), kept.get("runs", [])


def summary(step: int, window: list[tuple[float, float, int, int]], seconds: float) -> dict[str, Any]:
    """Mean losses since the last line of the log."""
    reading, judged, reads, supports = (sum(column) for column in zip(*window, strict=True))
    return {"step": step, "read_loss": round(reading / max(1, reads), 4),
            "support_loss": round(judged / max(1, supports), 4), "seconds": round(seconds)}  # fmt: skip


def note(log: Any, record: dict[str, Any]) -> None:
    log.write(json.dumps(record) + "\n")
    log.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--weights", type=Path, help="start from an exported file, or another run's checkpoint")
    parser.add_argument("--synonyms", type=Path, help="folder of WordNet's files: reword some questions and claims")
    parser.add_argument("--steps", type=int, default=12_000, help="where the stable part ends")
    parser.add_argument("--decay", type=int, default=0, help="with --resume: steps from there to a rate of zero")
    parser.add_argument("--keep", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--rate", type=float, default=6e-5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rivals", type=Path, help="the file of rag/evidence/mine.py")
    parser.add_argument("--rest", type=float, default=1.0, help="share of the other sources taken beside it")
    parser.add_argument("--frozen", type=int, default=FROZEN_LAYERS, help="lowest layers that stay as they are")
    parser.add_argument("--threads", type=int, default=2)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
