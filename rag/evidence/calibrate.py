"""Fit the pipeline's few numbers (`rag/fit.json`) to the shipped evidence model, on development data alone.

    python -m rag.evidence.calibrate --data DATA

Confidence: questions of the development half of SQuAD 2.0 (no article of it is in the training data), each asked of an
index of its own article: as it is; with the passages that hold the answer taken away (a question the article nearly
answers); and SQuAD's own unanswerable ones. Odd articles fit, even ones are held apart and judge the fit.
Support: development pairs of `data.mixture`, half of the documents to fit, half to judge; and drafts written by hand
(`evals/claims/dev.jsonl`), all to fit, since `make claims` judges by others.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from index import Document, Index
from rag.answer import TOP_K
from rag.claims import claims_of
from rag.evidence import EvidenceModel
from rag.evidence.data import by_hand, mixture
from rag.evidence.examples import Example
from rag.evidence.measure import caught
from rag.evidence.written import CLAIMS, written
from rag.fit import FILE, Fit, shipped
from rag.read import Quote, candidates, confidence_features
from rag.retrieve import retrieve
from rag.rules import names_of, numbers_of
from rag.types import Passage
from rag.verify import VETOES, features, model_support, supported

SUPPORT_FEATURES = ("model", "whole")  # what the rules say decides as a veto or not at all (docs/log.md)
CONFIDENCE_FEATURES = ("reader", "dense", "sentence")
# The confidence is calibrated, so that one half is the natural place. On seed.jsonl, 44 of 47 are answered and 24 of 27
# refused at 0.30, 42 and 25 at 0.35, 39 and 27 at 0.45: a lower one makes a decision or two more right, and answers
# more of what the article does not say.
ANSWER_AT = 0.35
# From 0.6 to 0.9 as many answers are right as with all passages read; at 0.6 one that only the third held was missed
# (docs/decisions.md).
SURE_AT = 0.8
# Share of the unsupported development claims that may pass the check. With 3%, 4.2% of the answers to a model that only
# lies held a lie or were cut from one (docs/log.md).
FALSE_SUPPORT = 0.01
# The same of the lies written by hand, which are far harder (docs/log.md).
FALSE_BY_HAND = 0.03
BY_HAND = "by-hand"
# Answerable, and as many unanswerable ones, of each article. With 40, perfect probabilities would show a calibration
# error of some 0.04 by chance alone.
QUESTIONS = 80

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A question with the passages retrieved and, where they hold it, the places of its answer."""

    question: str
    passages: tuple[Passage, ...]
    gold: tuple[tuple[str, int, int], ...]
    article: int


def squad_articles(path: Path) -> list[Any]:
    return list(json.loads(path.read_text("utf-8"))["data"])


def article_documents(article: Any) -> list[Document]:
    return [
        Document(f"p{at}", article["title"].replace("_", " "), paragraph["context"], f"p{at}", f"{at}")
        for at, paragraph in enumerate(article["paragraphs"])
    ]


def ask_article(number: int, article: Any, seed: int = 1) -> list[Asked]:
    """Questions of one article asked of its own index, some with the answer's passages taken away."""
    rng = random.Random(seed + number)
    asked: list[Asked] = []
    qas = [(f"p{at}", qa) for at, p in enumerate(article["paragraphs"]) for qa in p["qas"]]
    rng.shuffle(qas)
    answerable = [item for item in qas if item[1]["answers"]][:QUESTIONS]
    unanswerable = [item for item in qas if not item[1]["answers"]][: QUESTIONS // 2]
    with tempfile.TemporaryDirectory() as folder, Index.open(folder) as index:
        index.add_documents(article_documents(article))
        for doc, qa in answerable + unanswerable:
            places = tuple((doc, a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"])
            found = retrieve(qa["question"], TOP_K + 3, index)
            held = [p for p in found if any(overlaps(p, place) for place in places)]
            asked.append(Asked(qa["question"], tuple(found[:TOP_K]), places, number))
            if places and rng.random() < 0.5:
                rest = [p for p in found if p not in held][:TOP_K]
                asked.append(Asked(qa["question"], tuple(rest), (), number))
    return asked


def overlaps(passage: Passage, place: tuple[str, int, int]) -> bool:
    doc, start, end = place
    return passage.doc_id == doc and passage.start <= start and end <= passage.end


def right(quote: Quote, gold: Sequence[tuple[str, int, int]]) -> bool:
    """Whether the quoted sentence holds one of the gold answers."""
    return any(quote.passage.doc_id == doc and quote.start <= start and end <= quote.end for doc, start, end in gold)


def fit_logistic(rows: Floats, labels: Floats, penalty: float = 1e-3, signs: Sequence[int] = ()) -> Floats:
    """Weights (the last one the bias) of a logistic regression, by maximum likelihood with a small L2 penalty.

    `signs`: 1 or -1 for a weight that may not be negative or positive, 0 for a free one.
    """
    bounds = [(0 if sign > 0 else None, 0 if sign < 0 else None) for sign in signs or [0] * rows.shape[1]]
    x = np.hstack([rows, np.ones((len(rows), 1))])

    def loss(weights: Floats) -> tuple[float, Floats]:
        z = x @ weights
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        value = float(np.mean(np.logaddexp(0, z) - labels * z) + penalty * np.sum(weights[:-1] ** 2))
        return value, x.T @ (p - labels) / len(labels) + 2 * penalty * np.append(weights[:-1], 0.0)

    return np.asarray(
        minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    )


def named(weights: Floats, names: Sequence[str]) -> dict[str, float]:
    return {name: round(float(w), 4) for name, w in zip((*names, "bias"), weights, strict=True)}


def auroc(scores: Floats, labels: Floats) -> float:
    """Chance that a positive scores above a negative (Mann-Whitney U, ties half)."""
    positive, negative = scores[labels > 0.5], scores[labels <= 0.5]
    wins = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    return float(wins)


def calibration_error(p: Floats, labels: Floats, bins: int = 10) -> float:
    """Expected calibration error in `bins` bins of equal count (Naeini et al. 2015, with equal-mass bins)."""
    order = np.argsort(p)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) / len(p) * abs(p[part].mean() - labels[part].mean()) for part in parts))


def read_all(asked: Sequence[Asked], evidence: EvidenceModel, base: Fit) -> list[list[Quote]]:
    """The reader's candidates for each question, without retrieval's say."""
    plain = replace(base, retrieval=0.0)
    return [candidates(item.question, item.passages, evidence, plain) for item in asked]


def weighted(item: Asked, quotes: Sequence[Quote], weight: float) -> list[Quote]:
    """The candidates as they score with this weight of retrieval."""
    top = max((p.score for p in item.passages), default=0.0)
    scored = [replace(q, score=q.score + weight * (q.passage.score - top)) for q in quotes]
    return sorted(scored, key=lambda q: -q.score)


def fit_retrieval(asked: Sequence[Asked], found: Sequence[Sequence[Quote]]) -> float:
    """The smallest weight of retrieval beside the reader that quotes the right sentence within a standard error of the
    most often: a larger one drowns what the reader says of its own sureness."""
    answerable = [(item, quotes) for item, quotes in zip(asked, found, strict=True) if item.gold and item.article % 2]

    def correct(weight: float) -> float:
        best = [weighted(item, quotes, weight)[:1] for item, quotes in answerable]
        return float(
            np.mean([bool(q) and right(q[0], item.gold) for q, (item, _) in zip(best, answerable, strict=True)])
        )

    grid = {weight: round(correct(weight), 4) for weight in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)}
    print("right sentence quoted, by weight of retrieval:", grid, flush=True)
    most = max(grid.values())
    error = float(np.sqrt(most * (1 - most) / len(answerable)))
    return min(weight for weight, share in grid.items() if share >= most - error)


def fit_confidence(asked: Sequence[Asked], found: Sequence[Sequence[Quote]], weight: float) -> dict[str, Any]:
    rows, labels, articles, correct = [], [], [], []
    for item, unweighted in zip(asked, found, strict=True):
        quotes = weighted(item, unweighted, weight)
        if quotes:
            signals = confidence_features(quotes[0])
            rows.append([signals[name] for name in CONFIDENCE_FEATURES])
            labels.append(float(any(overlaps(p, place) for p in item.passages for place in item.gold)))
            correct.append(right(quotes[0], item.gold))
            articles.append(item.article)
    x, y, group = np.array(rows), np.array(labels), np.array(articles) % 2
    weights = fit_logistic(x[group == 1], y[group == 1], signs=(1, 1, 1))
    held = group == 0
    p = 1 / (1 + np.exp(-(x[held] @ weights[:-1] + weights[-1])))
    answer_at = ANSWER_AT
    figures = {
        "n": int(held.sum()),
        "auroc": round(auroc(p, y[held]), 4),
        "calibration_error": round(calibration_error(p, y[held]), 4),
        "answered_of_answerable": round(float((p[y[held] > 0.5] >= answer_at).mean()), 4),
        "refused_of_unanswerable": round(float((p[y[held] <= 0.5] < answer_at).mean()), 4),
        "right_sentence_of_answerable": round(float(np.array(correct)[held][y[held] > 0.5].mean()), 4),
    }
    print("confidence, held apart:", figures, flush=True)
    return {"weights": named(weights, CONFIDENCE_FEATURES), "answer_at": answer_at, "figures": figures}


def foreign(examples: Sequence[Any], rng: random.Random) -> list[Any]:
    """Supported claims made false by invention: what language models do, and what the edits of `claims.py`, which
    exchange within a passage, do not show."""
    made = []
    for example in examples:
        for claim in invented(example.left, example.passage, rng.choice(examples).left):
            made.append(replace(example, left=claim, label=0.0, source="foreign", start=-1, end=-1))
    return made


def invented(claim: str, passage: str, other: str) -> Iterator[str]:
    """The claim with its first name, and with its first number, replaced by one of another text that its passage does
    not hold."""
    for find in (names_of, lambda text: sorted(numbers_of(text) & set(text.split()))):
        own, theirs = find(claim), [word for word in find(other) if word not in passage]
        if own and theirs:
            yield claim.replace(own[0], theirs[0])


def support_pairs(data: Path, per_source: int) -> list[Any]:
    """Development pairs, up to `per_source` of each source, and inventions made of true claims. NLI of captions and
    the like is left out: nobody asks it of articles."""
    rng = random.Random(3)
    _, dev = mixture(data, 1)
    by_source: dict[str, list[Any]] = {}
    for example in dev:
        skipped = example.source in ("mnli", "snli", "cad", "breaking", "med") or by_hand(example)
        if example.job == "support" and not skipped:
            by_source.setdefault(example.source, []).append(example)
    picked = [e for _, es in sorted(by_source.items()) for e in rng.sample(es, min(per_source, len(es)))]
    true = [e for source, es in sorted(by_source.items()) if source.startswith("made") for e in es if e.label > 0.5]
    return picked + foreign(rng.sample(true, min(2 * per_source, len(true))), rng)


def drafts(data: Path) -> list[Example]:
    """Drafts written by hand, those that make one claim: of the others one does not know which is false."""
    return [
        Example("support", draft.text, draft.passage, BY_HAND, draft.id, label=float(draft.supported))
        for draft in written(CLAIMS / "dev.jsonl", data)
        if claims_of(draft.text) == [draft.text]
    ]


def fit_support(data: Path, evidence: EvidenceModel, per_source: int) -> dict[str, Any]:
    pairs = support_pairs(data, per_source) + drafts(data)
    judged = model_support([(e.left, [e.passage]) for e in pairs], evidence)
    found = [features(e.left, e.passage, own) for e, (own,) in zip(pairs, judged, strict=True)]
    x = np.array([[each[name] for name in SUPPORT_FEATURES] for each in found])
    y = np.array([e.label for e in pairs])
    sources = np.array([e.source for e in pairs])
    hand = sources == BY_HAND
    held = np.array([zlib.crc32(e.group.encode("utf-8", "replace")) % 2 == 0 for e in pairs]) & ~hand
    # What is vetoed is not there to fit.
    used = ~held & ~np.array([any(each[name] for name in VETOES) for each in found])
    weights = named(fit_logistic(x[used], y[used], signs=(1, 1)), SUPPORT_FEATURES)
    p = np.array([supported(each, weights) for each in found])
    support_at = round(max(passing(p[held], y[held], FALSE_SUPPORT), passing(p[hand], y[hand], FALSE_BY_HAND)), 3)
    figures = support_figures(p[held], x[held, 0], y[held], sources[held], support_at)
    print("support, held apart:", figures, flush=True)
    return {"weights": weights, "support_at": support_at, "figures": figures}


def passing(p: Floats, labels: Floats, share: float) -> float:
    """The probability that `share` of the unsupported reach."""
    return float(np.quantile(p[labels <= 0.5], 1 - share))


def support_figures(p: Floats, model: Floats, labels: Floats, sources: npt.NDArray[Any], at: float) -> dict[str, Any]:
    """Of pairs held apart, by probability and by the model alone. `edits_caught`: share of the edited claims below the
    score that 95% of the true ones made of the same articles reach."""
    made = np.char.startswith(sources, "edit") | (np.char.startswith(sources, "made") & (labels > 0.5))
    return {
        "n": len(p),
        "auroc": round(auroc(p, labels), 4),
        "auroc_model_alone": round(auroc(model, labels), 4),
        "kept_of_supported": round(float((p[labels > 0.5] >= at).mean()), 4),
        "edits_caught": round(caught(p[made], labels[made]), 4),
        "kept_by_source": {s: round(float((p[sources == s] >= at).mean()), 3) for s in sorted(set(sources.tolist()))},
    }


def gather(data: Path) -> list[Asked]:
    """All questions with their passages: independent of the evidence model."""
    articles = squad_articles(data / "squad2-half" / "dev-v2.0.json")
    return [item for number, article in enumerate(articles) for item in ask_article(number, article)]


def fit(data: Path, evidence: EvidenceModel, per_source: int, support_alone: bool = False) -> dict[str, Any]:
    """Everything `fit.json` holds. With `support_alone` what reading and refusing take stays as it is there."""
    known: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    held_apart = known.pop("held_apart")
    if not support_alone:
        asked = gather(data)
        found = read_all(asked, evidence, shipped())
        retrieval = fit_retrieval(asked, found)
        confidence = fit_confidence(asked, found, retrieval)
        known |= {"retrieval": retrieval, "confidence": confidence["weights"], "answer_at": confidence["answer_at"]}
        held_apart["confidence"] = confidence["figures"]
    support = fit_support(data, evidence, per_source)
    return {
        **known,
        "version": evidence.name,
        "support": support["weights"],
        "support_at": support["support_at"],
        "sure_at": SURE_AT,
        "held_apart": {**held_apart, "support": support["figures"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="another weight file than the shipped one")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--per-source", type=int, default=100, help="support pairs taken of each source")
    parser.add_argument("--support-alone", action="store_true", help="fit the check of claims and nothing else")
    options = parser.parse_args()
    evidence = EvidenceModel.load(options.weights)
    kept = fit(options.data, evidence, options.per_source, options.support_alone)
    options.out.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
