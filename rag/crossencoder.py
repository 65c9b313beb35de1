"""Larger judges, where there are some: cross-encoders that order passages anew, or judge claims in place of our model.

Any of sentence-transformers', by folder or name; the only file of this folder that knows the library. Nothing is
loaded before the first text, and nothing fetched but a model that the settings name and that is not here yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from index.minilm import clean
from rag.evidence import Evidence, Reading
from rag.types import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

BATCH = 16  # pairs a run; with MAX_TOKENS this bounds memory: 134 MB for a layer of 4,096 units, 16 x 512 x 4,096 x 4
MAX_TOKENS = 512  # of a pair: a passage and a claim have at most 1,600 characters, some 400 tokens of English
HEAD = "ForSequenceClassification"  # how transformers names a model that has an output for a pair of texts

Floats = npt.NDArray[np.float64]


class Reranker(Protocol):
    """Orders passages anew; tests have one that can be computed by hand."""

    name: str

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """For each text, how well it answers the question: higher is better, on any scale."""
        ...


@cache
def named_reranker(name: str | None) -> Reranker | None:
    """The re-ranker of this name, one a process: it is loaded once. None for none."""
    return CrossEncoderReranker(name) if name else None


class CrossEncoderReranker:
    """A cross-encoder with one output, the relevance of a text to a question."""

    def __init__(self, model: str) -> None:
        self.name = model
        self._pairs = _Pairs(model, "FOOTNOTE_RERANKER")

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        if len(labels := self._pairs.labels) != 1:
            raise self._pairs.unfit(f"has {len(labels)} outputs, {', '.join(labels)}", "one output, a relevance")
        scores: list[float] = self._pairs.logits([(question, text) for text in texts])[:, 0].tolist()
        return scores


class Checker:
    """Evidence whose claims a cross-encoder judges; where an answer stands is still read by `inner`."""

    def __init__(self, inner: Evidence, model: str) -> None:
        self.name = f"{inner.name} + {model}"
        self._inner = inner
        self._pairs = _Pairs(model, "FOOTNOTE_CHECKER")

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        return self._inner.read(question, passages)

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """For each (claim, passage) the probability that the passage entails the claim; 0 where one is blank."""
        # The premise comes first: models of entailment are trained so. One text is often its passage's only sentence.
        ready = list(dict.fromkeys((passage, claim) for claim, passage in pairs if passage.strip() and claim.strip()))
        found = dict(zip(ready, self._probabilities(ready), strict=True))
        return [found.get((passage, claim), 0.0) for claim, passage in pairs]

    def _probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """sigmoid(logit) of a model with one output, the share of entailment in the softmax of one with several."""
        labels = self._pairs.labels
        at = 0 if len(labels) == 1 else self._entailment(labels)
        logits = self._pairs.logits(pairs)
        others = np.delete(logits, at, axis=1) if len(labels) > 1 else np.zeros((len(logits), 1))
        with np.errstate(over="ignore"):  # exp of much is infinity, and 1 / infinity the 0 that is meant
            shares: list[float] = (1 / (1 + np.exp(others - logits[:, [at]]).sum(axis=1))).tolist()
        return shares

    def _entailment(self, labels: Sequence[str]) -> int:
        found = [at for at, label in enumerate(labels) if label.lower().startswith(("entail", "support"))]
        if len(found) != 1:
            raise self._pairs.unfit(
                f"has the labels {', '.join(labels)}",
                "one output, or just one label that begins with 'entail' or 'support'",
            )
        return found[0]


class _Pairs:
    """A cross-encoder as a function of pairs of texts. `setting`: the variable that named it, for messages."""

    def __init__(self, name: str, setting: str) -> None:
        self._name = name
        self._setting = setting
        # Threads that share one of the library's tokenizers may get "Already borrowed"
        # (huggingface/transformers#47085); to wait costs little, as one run takes every core.
        self._lock = Lock()

    @cached_property
    def labels(self) -> list[str]:
        """The names of its outputs, in order."""
        names = self._model.config.id2label
        return [str(names.get(at, f"LABEL_{at}")) for at in range(self._model.num_labels)]

    def logits(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Shape (pairs, outputs), rounded: the last digits vary with the batch that a pair stood in."""
        texts = [(clean(first), clean(second)) for first, second in pairs]
        model = self._model
        with self._lock, self._failures("did not run"):
            found = model.predict(texts, batch_size=BATCH, show_progress_bar=False) if texts else []
        return np.asarray(found, np.float64).reshape(len(texts), len(self.labels)).round(5)

    @cached_property
    def _model(self) -> CrossEncoder:
        with self._failures("could not be loaded"):
            model = _load(self._name)
        # A model without the output gets a random one from the library, and would judge at random.
        if len(model) == 1 and not any(name.endswith(HEAD) for name in model.config.architectures or ()):
            raise self.unfit("is no cross-encoder", "an output for pairs of texts")
        return model

    def unfit(self, is_: str, wanted: str) -> ModelError:
        return ModelError(f"the model {self._name!r} {is_}; name one with {wanted} in {self._setting}, or unset it")

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Whatever goes wrong with somebody's model, of many kinds and by many libraries, is told as ModelError."""
        try:
            yield
        except Exception as exc:
            raise ModelError(
                f"the model {self._name!r} {what} ({_first_line(exc)}); give the folder of a cross-encoder in "
                f"{self._setting}, or a name that the Hugging Face hub knows (which HF_HUB_OFFLINE=1 keeps from being "
                "fetched), or unset it"
            ) from exc


def _load(name: str) -> CrossEncoder:
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity
    from transformers.utils import logging

    logging.disable_progress_bar()
    # Logits whatever the model was saved with; a folder needs no hub, and is not asked of it.
    model = CrossEncoder(name, activation_fn=Identity(), local_files_only=Path(name).exists())
    model.max_seq_length = min(MAX_TOKENS, model.max_seq_length or MAX_TOKENS)
    return model


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).strip().splitlines()), type(exc).__name__)
