"""Development figures of an evidence model, each with its n and a 95% bootstrap interval.

Runs any exported weight file through the runtime that answers use. Reads the data folder and nothing else. The
documents measured here are held apart from training by data.py; `squad2-half` is never trained on.

    python -m rag.evidence.measure --data DATA [--model FILE.onnx] [--limit 500] [--json OUT]
"""

import argparse
import collections
import json
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rag.evidence.claims import overlap, sentences
from rag.evidence.data import mixture, read_json, read_lines
from rag.evidence.examples import Example
from rag.evidence.model import EvidenceModel, Reading

RESAMPLES = 1000
FALSE_ALARMS = 0.05
NOTHING = -50.0  # the score of a passage without any span: below every score the model gives

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A measured value in 0..1 with its 95% interval; `n` counts questions or pairs."""

    name: str
    value: float
    low: float
    high: float
    n: int


# ---- measures


def plain_words(text: str) -> list[str]:
    """Words as SQuAD compares them: lower case, no punctuation, no articles."""
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", bare).split()


def token_f1(given: str, gold: str) -> float:
    """Harmonic mean of the shares of words in common."""
    ours, theirs = plain_words(given), plain_words(gold)
    common = sum((collections.Counter(ours) & collections.Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else float(ours == theirs)


def auroc(scores: Floats, labels: Floats) -> float:
    """Chance that a positive scores above a negative, ties counting half; nan when one of the two is missing."""
    order, ranks = np.unique(scores, return_inverse=True)
    counts = np.bincount(ranks, minlength=len(order))
    middle = np.cumsum(counts) - (counts - 1) / 2
    positives = labels > 0.5
    n, m = int(positives.sum()), int((~positives).sum())
    return float((middle[ranks][positives].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def caught(scores: Floats, labels: Floats) -> float:
    """Share of the negatives below the score that 95% of the positives reach."""
    threshold = np.quantile(scores[labels > 0.5], FALSE_ALARMS)
    return float((scores[labels <= 0.5] < threshold).mean())


def mean(values: Floats, _: Floats) -> float:
    return float(values.mean())


def figure(name: str, values: Sequence[float], labels: Sequence[float],
           measure: Callable[[Floats, Floats], float]) -> Figure:  # fmt: skip
    """The measure over all items, and over resamples of the items (seeded)."""
    scores, marks = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    draws = np.random.default_rng(0).integers(0, len(scores), (RESAMPLES, len(scores)))
    again = np.asarray([measure(scores[draw], marks[draw]) for draw in draws])
    low, high = np.nanquantile(again, (0.025, 0.975))
    return Figure(name, round(measure(scores, marks), 4), round(float(low), 4), round(float(high), 4), len(scores))


# ---- what is asked


@dataclass(frozen=True)
class Question:
    """A question with a passage and its gold answers; none where the passage does not answer it."""

    text: str
    passage: str
    golds: tuple[str, ...]


def held_apart(dev: Sequence[Example], source: str) -> list[Question]:
    return [Question(e.left, e.passage, (e.passage[e.start : e.end],) if e.start >= 0 else ())
            for e in dev if e.source == source]  # fmt: skip


def squad2_half(data: Path) -> list[Question]:
    return [Question(qa["question"], paragraph["context"], tuple(answer["text"] for answer in qa["answers"]))
            for article in read_json(data / "squad2-half/dev-v2.0.json")["data"]
            for paragraph in article["paragraphs"] for qa in paragraph["qas"]]  # fmt: skip


def elsewhere(data: Path, rng: random.Random) -> list[Question]:
    """Answerable questions of squad2-half, each with another paragraph of its article drawn by chance."""
    made = []
    for article in read_json(data / "squad2-half/dev-v2.0.json")["data"]:
        texts = [paragraph["context"] for paragraph in article["paragraphs"]]
        for at, paragraph in enumerate(article["paragraphs"]):
            for qa in paragraph["qas"]:
                other = rng.choice([text for place, text in enumerate(texts) if place != at])
                if not qa["is_impossible"] and all(a["text"].lower() not in other.lower() for a in qa["answers"]):
                    made.append(Question(qa["question"], other, ()))
    return made


def cited_answers(data: Path) -> list[Example]:
    """Sentences of MT-RAG's reference answers with the passages they were written from, and with those of the turn of
    another conversation that shares most words with them. Never trained on."""
    turns = [turn for turn in read_lines(data / "conversation/mtrag-half.jsonl")
             if turn["answerability"] == ["ANSWERABLE"] and turn["contexts"]]  # fmt: skip
    texts = ["\n\n".join(context["text"].strip() for context in turn["contexts"]) for turn in turns]
    made = []
    for turn, text in zip(turns, texts, strict=True):
        own = turn["conversation_id"]
        others = [other for there, other in zip(turns, texts, strict=True) if there["conversation_id"] != own]
        for claim in sentences(turn["targets"][0]["text"]):
            words = re.findall(r"\w{4,}", claim.lower())
            if len(words) > 2:
                nearest = max(others, key=lambda other: overlap(other, words))
                made += [Example("support", claim, passage, "mtrag", own, label=label)
                         for passage, label in ((text, 1.0), (nearest, 0.0))]  # fmt: skip
    return made


def sample(items: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` items, always the same ones."""
    return list(items) if len(items) <= limit else random.Random(0).sample(list(items), limit)


# ---- figures


def readings(model: EvidenceModel, questions: Sequence[Question]) -> list[Reading]:
    return [model.read(question.text, [question.passage])[0] for question in questions]


def top(reading: Reading) -> float:
    return reading.spans[0].score if reading.spans else NOTHING


def answer_figures(name: str, questions: Sequence[Question], found: Sequence[Reading]) -> list[Figure]:
    """Token F1 and exact match of the best span, the best gold counting."""
    given = [q.passage[r.spans[0].start : r.spans[0].end] if r.spans else ""
             for q, r in zip(questions, found, strict=True)]  # fmt: skip
    f1 = [max(token_f1(text, gold) for gold in q.golds) for text, q in zip(given, questions, strict=True)]
    em = [float(any(plain_words(text) == plain_words(gold) for gold in q.golds))
          for text, q in zip(given, questions, strict=True)]  # fmt: skip
    return [figure(f"{name}.f1", f1, f1, mean), figure(f"{name}.em", em, em, mean)]


def reading_figures(model: EvidenceModel, data: Path, dev: Sequence[Example], limit: int) -> list[Figure]:
    """Reading with the right paragraph given, and answerable or not by the best span's score."""
    half = squad2_half(data)
    answerable = {
        "dev": sample(held_apart(dev, "squad"), limit),
        "written": sample(held_apart(dev, "written"), limit),
        "squad2_half": sample([q for q in half if q.golds], limit),
    }
    negatives = {
        "dev.near_miss": ("dev", held_apart(dev, "squad-near-miss")),
        "dev.unanswerable": ("dev", held_apart(dev, "squad2-unanswerable")),
        "written.unanswerable": ("written", held_apart(dev, "written-unanswerable")),
        "squad2_half.elsewhere": ("squad2_half", elsewhere(data, random.Random(0))),
        "squad2_half.unanswerable": ("squad2_half", [q for q in half if not q.golds]),
    }
    found = {name: readings(model, questions) for name, questions in answerable.items()}
    figures = [f for name, questions in answerable.items() for f in answer_figures(name, questions, found[name])]
    for name, (positives, questions) in negatives.items():
        scores = [top(r) for r in found[positives]] + [top(r) for r in readings(model, sample(questions, limit))]
        labels = [1.0] * len(found[positives]) + [0.0] * (len(scores) - len(found[positives]))
        figures.append(figure(f"{name}.auroc", scores, labels, auroc))
    return figures


LABELLED = ("fever", "fool_me_twice", "check_covid", "fever_symmetric", "factcheck_gpt", "wice", "mnli", "snli", "cad")
MADE = ("made-statement", "made-sentence", "made-shortened")
WRITTEN = {"written": ("written-true", "written-false"), "written.elsewhere": ("written-true", "written-elsewhere")}


def support_figures(model: EvidenceModel, data: Path, dev: Sequence[Example], limit: int) -> list[Figure]:
    """Support against not, for each labelled set and for claims made by program; edits caught at 5% false alarms."""
    by_source: dict[str, list[Example]] = collections.defaultdict(list)
    for example in dev:
        by_source[example.source].append(example)
    figures = []
    for source in LABELLED:
        examples = sample(by_source[source], limit)
        figures.append(figure(f"{source}.auroc", judged(model, examples), [e.label for e in examples], auroc))
    cited = sample(cited_answers(data), limit)
    figures.append(figure("mtrag.auroc", judged(model, cited), [e.label for e in cited], auroc))
    for name, sources in WRITTEN.items():
        drafts = sample([e for source in sources for e in by_source[source]], limit)
        scores, labels = judged(model, drafts), [e.label for e in drafts]
        figures += [figure(f"{name}.{measure.__name__}", scores, labels, measure) for measure in (auroc, caught)]
    true = judged(model, sample([e for source in MADE for e in by_source[source]], limit))
    edits = {source: judged(model, sample(examples, limit // 2)) for source, examples in sorted(by_source.items())
             if source.startswith("edit-")}  # fmt: skip
    edits["edit-all"] = [score for scores in list(edits.values()) for score in scores]
    for source, scores in {**edits, "elsewhere": judged(model, sample(by_source["made-elsewhere"], limit))}.items():
        labels = [1.0] * len(true) + [0.0] * len(scores)
        figures.append(figure(f"{source}.auroc", true + scores, labels, auroc))
        figures.append(figure(f"{source}.caught", true + scores, labels, caught))
    return figures


def judged(model: EvidenceModel, examples: Sequence[Example]) -> list[float]:
    return model.support([(example.left, example.passage) for example in examples])


def measure_all(model: EvidenceModel, data: Path, dev: Sequence[Example], limit: int) -> list[Figure]:
    """Every development figure of a model; at most `limit` items a set."""
    return reading_figures(model, data, dev, limit) + support_figures(model, data, dev, limit)


def deciding_figures(model: EvidenceModel, data: Path, dev: Sequence[Example], limit: int) -> list[Figure]:
    """One figure for each thing the model is for, to choose between files of one training."""
    half = squad2_half(data)
    answerable, unanswerable = (sample([q for q in half if bool(q.golds) is kind], limit) for kind in (True, False))
    found = readings(model, answerable)
    scores = [top(reading) for reading in [*found, *readings(model, unanswerable)]]
    labels = [1.0] * len(answerable) + [0.0] * len(unanswerable)
    fever = sample([example for example in dev if example.source == "fever"], limit)
    made = sample([example for example in dev if example.source.startswith(("made-", "edit-"))], limit)
    return [
        answer_figures("squad2_half", answerable, found)[0],
        figure("squad2_half.unanswerable.auroc", scores, labels, auroc),
        figure("fever.auroc", judged(model, fever), [example.label for example in fever], auroc),
        figure("made.auroc", judged(model, made), [example.label for example in made], auroc),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--model", type=Path, help="a weight file with its card and tokenizer; default: the shipped one"
    )
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    _, dev = mixture(options.data, seed=1)
    figures = measure_all(EvidenceModel.load(options.model), options.data, dev, options.limit)
    for each in figures:
        print(f"{each.name:32} {each.value:.3f}  [{each.low:.3f}, {each.high:.3f}]  n={each.n}")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
