"""A run from question to saved file, with an assistant whose answers are written down here."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import evals
from evals import EvalSetError, RunError, compare, load_run, load_set, run, save, stats, to_json
from evals.types import EvalItem, EvalRun, EvalSet, Place
from index import Index
from rag import Answer, Citation, ModelError

TEXT = "Ada met Bob in Rome.\n\nBob left Rome in May.\n"
ITEMS = (
    {
        "id": "who",
        "question": "Who met Bob?",
        "answers": ["Ada"],
        "evidence": [{"doc": "a.txt", "quote": "Ada met Bob"}],
    },
    {
        "id": "when",
        "question": "When did Bob leave?",
        "answers": ["May"],
        "evidence": [{"doc": "a.txt", "quote": "in May"}],
    },
    {"id": "why", "question": "Why did Bob leave?", "answerable": False},
    {
        "id": "where",
        "question": "Where were they?",
        "answers": ["Rome"],
        "evidence": [{"doc": "a.txt", "quote": "in Rome"}],
    },
)


class Fake:
    """Answers by question; a missing one is refused, an exception raised."""

    def __init__(self, index: Index, answers: Mapping[str, Answer | Exception], llm: str = "fake-1") -> None:
        self.index = index
        self.answers = answers
        self.llm = llm
        self.asked: list[str] = []

    def ask(self, question: str) -> Answer:
        self.asked.append(question)
        answer = self.answers.get(question) or reply("", 0.1)
        if isinstance(answer, Exception):
            raise answer
        return replace(answer, question=question, models={"llm": self.llm})


def reply(text: str, confidence: float, *citations: Citation) -> Answer:
    outcome = "answered" if text else "not_found"
    return Answer("", outcome, text, text, confidence, citations, (), (), {}, {})  # type: ignore[arg-type]


def cite(index: Index, quote: str, shift: int = 0) -> Citation:
    (info,) = index.documents()
    start = TEXT.index(quote) + shift
    return Citation(1, info.doc_id, info.title, info.source, start, start + len(quote), quote)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for what is asserted here, in a tenth of the time."""
    monkeypatch.setattr(stats, "RESAMPLES", 200)


@pytest.fixture
def article(index: Index, tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "a.txt").write_text(TEXT, "utf-8")
    index.add([tmp_path / "a.txt"])
    return index


@pytest.fixture
def eval_set(tmp_path: Path) -> EvalSet:
    path = tmp_path / "small.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in ITEMS), "utf-8")
    return load_set(path)


@pytest.fixture
def fake(article: Index) -> Fake:
    answers = {
        "Who met Bob?": reply("Ada", 0.9, cite(article, "Ada met Bob in Rome.")),
        "When did Bob leave?": reply("June", 0.6, cite(article, "Ada met", shift=1)),
        "Where were they?": ModelError("the model is gone; start it"),
    }
    return Fake(article, answers)


def test_a_run_measures_what_came(eval_set: EvalSet, fake: Fake) -> None:
    seen: list[tuple[int, int]] = []
    result = run(eval_set, fake, progress=lambda done, total: seen.append((done, total)))
    value = {name: metric.value for name, metric in result.metrics.items()}
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert value["answer.em"] == pytest.approx(1 / 3)  # Ada right, June wrong, the third failed
    assert value["answer.contains"] == pytest.approx(1 / 3)
    assert value["citation.exact"] == 1 / 2  # the second is one character off
    assert value["citation.precision"] == 1 / 2  # nor does it overlap its gold, "in May"
    assert value["citation.recall"] == pytest.approx(1 / 3)
    assert value["abstain.accuracy"] == 3 / 4  # answered, answered, refused rightly; the failure is wrong
    # positives .9 .6 and the failure at 0, negative .1: 2 of 3 pairs won
    assert value["abstain.auroc"] == pytest.approx(2 / 3)
    # order .9 .6 .1 0 with losses 0 1 1 1: risks 0, 1/2, 2/3, 3/4
    assert value["abstain.aurc"] == pytest.approx((0 + 1 / 2 + 2 / 3 + 3 / 4) / 4)
    assert result.metrics["latency.p50"].n == 3
    assert value["retrieval.recall@10"] == 1  # a small document; its passages are found though an answer failed


def test_failures_are_listed_and_the_first_question_is_asked_untimed(eval_set: EvalSet, fake: Fake) -> None:
    result = run(eval_set, fake)
    assert [(item.id, item.error) for item in result.failures] == [("where", "ModelError: the model is gone; start it")]
    assert fake.asked == ["Who met Bob?"] + [item.question for item in eval_set.items]


def test_a_run_in_which_nothing_worked_is_no_run(eval_set: EvalSet, article: Index) -> None:
    gone = {item.question: ModelError("the model is gone; start it") for item in eval_set.items}
    with pytest.raises(RunError, match="every question failed, the first with ModelError: the model is gone; start"):
        run(eval_set, Fake(article, gone))


def test_a_question_that_cannot_be_searched_counts_as_missed(eval_set: EvalSet, article: Index) -> None:
    too_long = replace(eval_set.items[0], id="long", question="Who " * 10_000)
    result = run(replace(eval_set, items=(*eval_set.items, too_long)), article)
    assert [item.id for item in result.failures] == ["long"]
    assert result.metrics["retrieval.recall@10"].value == 3 / 4
    assert {name.split(".")[0] for name in result.metrics} == {"retrieval"}


def test_an_error_that_is_not_ours_is_not_swallowed(eval_set: EvalSet, article: Index) -> None:
    with pytest.raises(ZeroDivisionError):
        run(eval_set, Fake(article, {"Why did Bob leave?": ZeroDivisionError()}))


def test_a_set_that_does_not_fit_is_refused_before_anything_is_asked(index: Index, eval_set: EvalSet) -> None:
    fake = Fake(index, {})
    with pytest.raises(EvalSetError, match="not in the index"):
        run(eval_set, fake)
    assert not fake.asked


def test_an_index_alone_measures_retrieval(eval_set: EvalSet, article: Index) -> None:
    result = run(eval_set, article)
    assert {name.split(".")[0] for name in result.metrics} == {"retrieval"}
    assert result.metrics["retrieval.recall@10"].value == 1
    assert result.metrics["retrieval.recall@10"].n == 3


def test_beir_ranks_each_document_once(article: Index) -> None:
    (info,) = article.documents()
    item = EvalItem("q", "Bob", (), (Place(info.doc_id, 0, len(TEXT)), Place("gone", 0, 0, fact=1)))
    result = run(EvalSet("b", "beir", "0", (item,)), Fake(article, {}))
    assert [doc_id for doc_id, _, _ in result.items[0].passages] == [info.doc_id]
    assert result.metrics["retrieval.recall@10"].value == 0.5
    assert "latency.p50" not in result.metrics


def test_everything_that_could_move_a_figure_is_kept(eval_set: EvalSet, fake: Fake) -> None:
    result = run(eval_set, fake, limit=3, seed=5)
    assert (result.seed, result.limit, len(result.items)) == (5, 3, 3)
    assert result.set_sha256 == eval_set.sha256
    for name in ("model.llm", "index.embedder", "index.sha256", "index.splitter", "version.torch", "code.sha256"):
        assert result.settings[name]


# -- saved runs -----------------------------------------------------------------------------------------------------


def test_a_run_comes_back_from_its_file(eval_set: EvalSet, fake: Fake, tmp_path: Path) -> None:
    result = run(eval_set, fake)
    named = save(result, tmp_path / "new" / "run.json")
    assert named == tmp_path / "new" / "run.json" and load_run(named) == result
    first, second = save(result, tmp_path / "runs"), save(result, tmp_path / "runs")
    assert first != second and load_run(first) == result
    assert not list(tmp_path.rglob("*.part"))


def test_runs_are_kept_beside_the_default_index(
    eval_set: EvalSet, article: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evals.store, "data_folder", lambda: tmp_path / "data")
    assert save(run(eval_set, article)).parent == tmp_path / "data" / "runs"


def test_files_that_are_no_run(tmp_path: Path, eval_set: EvalSet, article: Index) -> None:
    (tmp_path / "x.json").write_text('{"set": 1}')
    for name, what in (("x.json", "not a saved run"), ("none.json", "cannot be read")):
        with pytest.raises(RunError, match=what):
            load_run(tmp_path / name)
    with pytest.raises(RunError, match="--out"):
        save(run(eval_set, article), tmp_path / "x.json" / "below")


def test_json_is_that_of_the_contract(eval_set: EvalSet, fake: Fake) -> None:
    found = json.loads(json.dumps(to_json(run(eval_set, fake), "r.json"), allow_nan=False))
    assert (found["set"], found["n"], found["run"]) == ("small", 4, "r.json")
    assert found["metrics"]["answer.em"].keys() == {"value", "low", "high", "n"}
    assert found["failures"] == [{"id": "where", "error": "ModelError: the model is gone; start it"}]


# -- comparison -----------------------------------------------------------------------------------------------------


def repeated(eval_set: EvalSet, times: int) -> EvalSet:
    items = [replace(item, id=f"{item.id}{n}") for n in range(times) for item in eval_set.items]
    return replace(eval_set, items=tuple(items))


@pytest.fixture
def better(article: Index, fake: Fake) -> Fake:
    return Fake(article, {**fake.answers, "When did Bob leave?": reply("May", 0.8, cite(article, "in May"))}, "fake-2")


def test_a_comparison_is_paired(eval_set: EvalSet, fake: Fake, better: Fake) -> None:
    many = repeated(eval_set, 10)
    found = compare(run(many, fake), run(many, better))
    em = found.differences["answer.em"]
    # of 3 answerable items in each of 10 copies one goes from wrong to right; the others stay
    assert (em.a, em.b, em.n) == (pytest.approx(1 / 3), pytest.approx(2 / 3), 30)
    assert em.difference == pytest.approx(1 / 3)
    assert 0.1 < em.low < em.difference < em.high < 0.6
    # all 10 changes go one way: the sign-flip p is 2 / 2**10, here by 200 draws
    assert 1 / 201 <= em.p < 0.03
    assert found.changed["model.llm"] == ("fake-1", "fake-2")
    assert found.n == 40 and found.only_a == found.only_b == 0


def test_a_run_does_not_differ_from_itself(eval_set: EvalSet, fake: Fake) -> None:
    once = run(eval_set, fake)
    found = compare(once, once)
    assert found.changed == {}
    assert all((d.difference, d.low, d.high, d.p) == (0, 0, 0, 1) for d in found.differences.values())


def test_only_items_in_both_runs_count(eval_set: EvalSet, fake: Fake, better: Fake) -> None:
    a, b = run(eval_set, fake, limit=3, seed=1), run(eval_set, better)
    found = compare(a, b)
    assert (found.n, found.only_a, found.only_b) == (3, 0, 1)


def test_a_footnote_shown_by_one_run_only_counts_in_its_figure(eval_set: EvalSet, fake: Fake, article: Index) -> None:
    shy = Fake(article, {"Who met Bob?": fake.answers["Who met Bob?"]})
    found = compare(run(eval_set, fake), run(eval_set, shy)).differences["citation.precision"]
    assert (found.a, found.b, found.n) == (0.5, 1, 2)


def test_runs_of_different_sets_or_items_are_refused(eval_set: EvalSet, fake: Fake, tmp_path: Path) -> None:
    a = run(eval_set, fake)
    with pytest.raises(RunError, match="different sets"):
        compare(a, replace(a, set_sha256="other"))
    with pytest.raises(RunError, match="no item in common"):
        compare(a, replace(a, items=()))
    path = save(a, tmp_path / "a.json")
    assert compare(path, str(path)).n == 4


# -- what a person sees ---------------------------------------------------------------------------------------------


def printed(show: object, thing: object) -> str:
    out = io.StringIO()
    show(thing, Console(file=out, width=120))  # type: ignore[operator]
    return out.getvalue()


def test_tables_hold_the_figures_and_print_brackets_as_they_are(eval_set: EvalSet, fake: Fake, better: Fake) -> None:
    failed = {**fake.answers, "Where were they?": ModelError("[red] is no colour here")}
    result: EvalRun = run(eval_set, Fake(fake.index, failed))
    text = printed(evals.render, result)
    assert "small: 4 questions" in text and "answer.em" in text and "0.333" in text
    assert "where: ModelError: [red] is no colour here" in text
    text = printed(evals.render_comparison, compare(result, run(eval_set, better)))
    assert "+0.333" in text and "model.llm: fake-1 → fake-2" in text
