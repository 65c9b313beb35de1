"""The fitted numbers of the pipeline, stored in `fit.json` with what they were fitted on; and the logistic function."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("fit.json")


@dataclass(frozen=True)
class Fit:
    """`confidence`, `support`: logistic weights by feature, `bias` among them. `retrieval`: weight of the retrieval
    score beside the reader's. `margin`: how far below the best a second quotation may score. `answer_at`,
    `support_at`: the probabilities from which an answer is given and a sentence is kept; `sure_at`: from which the
    first passages are enough."""

    version: str
    confidence: Mapping[str, float]
    support: Mapping[str, float]
    retrieval: float
    margin: float
    answer_at: float
    support_at: float
    sure_at: float


@cache
def shipped() -> Fit:
    """The fit that belongs to the shipped evidence model."""
    known = json.loads(FILE.read_text("utf-8"))
    return Fit(**{name: known[name] for name in Fit.__dataclass_fields__})


def probability(weights: Mapping[str, float], features: Mapping[str, float]) -> float:
    """Logistic regression: 1 / (1 + exp(-(bias + w · x)))."""
    total = weights["bias"] + sum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def logit(value: float) -> float:
    """log(p / (1 - p)), with p held within 1e-4 of 0 and 1, where a small model's sureness means nothing."""
    value = min(1 - 1e-4, max(1e-4, value))
    return math.log(value / (1 - value))
