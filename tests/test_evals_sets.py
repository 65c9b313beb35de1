"""Sets in their three formats, and what a person reads when one is broken."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals import EvalSetError, load_set, open_index, store
from evals.measures import MEASURES
from evals.sets import locate, sample
from evals.types import Place
from index import Index, IndexStateError
from index.embed import HashEmbedder
from rag.evidence.written import lessons

ROOT = Path(__file__).parent.parent
SEED_SET = ROOT / "evals" / "sets" / "seed.jsonl"
TAGS = {"fact", "date", "paraphrase", "attribution", "multi", "near-miss", "false-premise"}

ARTICLE = "Ada met Bob in Rome.\n\nBob left Rome in May.\n"


def line(**changes: Any) -> dict[str, Any]:
    entry = {"id": "1", "question": "Who left?", "answers": ["Bob"], "evidence": [], "answerable": True, "tags": []}
    return entry | changes


def write(path: Path, *entries: dict[str, Any] | str) -> Path:
    lines = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def article(index: Index, tmp_path: Path) -> Index:
    (tmp_path / "meeting.txt").write_text(ARTICLE, "utf-8")
    index.add([tmp_path / "meeting.txt"])
    return index


# -- the set that is shipped ----------------------------------------------------------------------------------------


def test_seed_set_stands_on_the_seed_article(seed_index: Index) -> None:
    eval_set = load_set(SEED_SET)
    gold = locate(eval_set, seed_index)
    (info,) = seed_index.documents()
    text = seed_index.document(info.doc_id).text
    assert all(gold[item.id] for item in eval_set.items if item.answerable)
    assert all(text[place.start : place.end].strip() for places in gold.values() for place in places)


def test_seed_set_has_the_kinds_of_questions_it_is_for() -> None:
    items = load_set(SEED_SET).items
    assert sum(item.answerable for item in items) >= 40
    assert sum(not item.answerable for item in items) >= 16
    counts = Counter(tag for item in items for tag in item.tags)
    assert set(counts) == TAGS
    assert min(counts.values()) >= 5
    assert len({item.question.casefold() for item in items}) == len(items)


def test_the_page_on_evaluation_is_true(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "evals.md").read_text("utf-8")
    items = load_set(SEED_SET).items
    answerable = sum(item.answerable for item in items)
    assert f"holds {len(items)} questions" in page
    assert f"{answerable} answerable, {len(items) - answerable} that it does not answer" in page
    assert all(f"`{tag}`" in page for tag in TAGS)
    assert all(measure.name.split("@")[0].removesuffix("p95") in page for measure in MEASURES)
    item, to_learn = [line.strip() for line in page.splitlines() if line.strip().startswith('{"id"')]
    assert load_set(write(tmp_path / "s.jsonl", item)).items[0].answers == ("Bob",)
    assert [lesson.job for lesson in lessons(write(tmp_path / "t.jsonl", to_learn), tmp_path)] == [
        "read",
        "read",
        "support",
    ]


# -- our JSONL ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "title", "file", "source"])
def test_a_document_goes_by_each_of_its_names(article: Index, tmp_path: Path, name: str) -> None:
    (info,) = article.documents()
    names = {"id": info.doc_id, "title": info.title, "file": "meeting.txt", "source": info.source}
    path = write(tmp_path / "s.jsonl", line(evidence=[{"doc": names[name], "quote": "Bob left"}]))
    start = ARTICLE.index("Bob left")
    assert locate(load_set(path), article) == {"1": (Place(info.doc_id, start, start + 8),)}


def test_spans_facts_defaults_and_blank_lines(article: Index, tmp_path: Path) -> None:
    evidence = [
        {"doc": "meeting.txt", "start": 0, "end": 3},
        {"doc": "meeting.txt", "quote": "in Rome", "fact": 0},
        {"doc": "meeting.txt", "quote": "left Rome", "fact": 0},
    ]
    path = write(
        tmp_path / "s.jsonl", line(evidence=evidence), "", {"id": "2", "question": "Why?", "answerable": False}
    )
    eval_set = load_set(path)
    first, *alternatives = locate(eval_set, article)["1"]
    assert (first.start, first.end) == (0, 3)
    assert alternatives[0].fact == alternatives[1].fact != first.fact
    assert not eval_set.items[1].answerable and not locate(eval_set, article)["2"]


def test_evidence_alone_will_do(article: Index, tmp_path: Path) -> None:
    entry = {"id": "1", "question": "Who left?", "evidence": [{"doc": "meeting.txt", "quote": "Bob left"}]}
    (item,) = load_set(write(tmp_path / "s.jsonl", entry)).items
    assert (item.answerable, item.answers) == (True, ())


def test_a_line_separator_inside_a_question_is_no_new_line(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", line(question="Who\u2028left?"))
    assert [item.question for item in load_set(path).items] == ["Who\u2028left?"]


BROKEN: list[tuple[Any, str]] = [
    ("{nonsense", "Invalid JSON"),
    ("[1]", "object"),
    (line(question=""), "question"),
    (line(question="  "), "question is empty"),
    (line(answer="Bob"), "answer: Extra inputs"),
    ({"id": "9"}, "question: Field required"),
    (line(id=7), "id: Input should be a valid string"),
    (line(answers=[]), "neither answers nor evidence"),
    (line(answers=["Bob", "The?!"]), "'The?!' holds no word"),
    (line(answers=[""]), "'' holds no word"),
    (line(answers="Bob"), "answers: Input should be"),
    (line(answerable=False), "unanswerable question has answers"),
    (line(evidence=[{"doc": "a", "quote": "b", "start": 1, "end": 2}]), "either quote, or start and end"),
    (line(evidence=[{"doc": "a", "start": 1}]), "either quote, or start and end"),
    (line(evidence=[{"doc": "a", "start": -1, "end": 2}]), "evidence.0.start"),
    (line(id="0"), "stands in line 1 too"),
]


@pytest.mark.parametrize(("broken", "what"), BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, broken: Any, what: str) -> None:
    path = write(tmp_path / "s.jsonl", line(id="0"), "", broken)
    with pytest.raises(EvalSetError) as caught:
        load_set(path)
    message = str(caught.value)
    assert f"{path}, line 3: " in message and what in message and "\n" not in message


@pytest.mark.parametrize(
    ("evidence", "what"),
    [
        ({"doc": "nowhere.txt", "quote": "Bob"}, "'nowhere.txt' is not in the index; add it"),
        ({"doc": "meeting.txt", "quote": "Bob stayed"}, "'Bob stayed' is not in 'meeting.txt'"),
        ({"doc": "meeting.txt", "quote": "Rome"}, "more than once"),
        ({"doc": "meeting.txt", "start": 5, "end": 5000}, "no span"),
        ({"doc": "meeting.txt", "start": 5, "end": 5}, "no span"),
    ],
)
def test_evidence_that_is_not_there_is_named(
    article: Index, tmp_path: Path, evidence: dict[str, Any], what: str
) -> None:
    path = write(tmp_path / "s.jsonl", line(id="0"), line(evidence=[evidence]))
    with pytest.raises(EvalSetError) as caught:
        locate(load_set(path), article)
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert what in str(caught.value)


def test_a_quote_that_overlaps_itself_is_there_twice(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Anna banana.", "utf-8")
    index.add([tmp_path / "a.txt"])
    path = write(tmp_path / "s.jsonl", line(evidence=[{"doc": "a.txt", "quote": "ana"}]))
    with pytest.raises(EvalSetError, match="more than once"):
        locate(load_set(path), index)


def test_an_ambiguous_name_is_an_error(article: Index, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "meeting.txt").write_text("Cleo met Dan.", "utf-8")
    article.add([tmp_path / "other"])
    path = write(tmp_path / "s.jsonl", line(evidence=[{"doc": "meeting.txt", "quote": "Bob left"}]))
    with pytest.raises(EvalSetError, match=r"names 2 documents .* give the id"):
        locate(load_set(path), article)


def test_files_that_are_no_set(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id":\n"caf\xe9"}')
    for name, what in (
        ("empty.jsonl", "empty"),
        ("latin.jsonl", "line 2: not UTF-8"),
        ("none.jsonl", "cannot be read"),
    ):
        with pytest.raises(EvalSetError, match=what):
            load_set(tmp_path / name)
    with pytest.raises(EvalSetError, match="BEIR folder"):
        load_set(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (json.dumps([line()]), "a JSON array"),
        (json.dumps([line()], indent=2), "a JSON array"),
        ("[" * 100_000, "a JSON array"),
        ("\n" + json.dumps(line(), indent=2), "JSON over several lines"),
        (json.dumps(line(), indent=2) + "\n" + json.dumps(line(id="2"), indent=2), "JSON over several lines"),
        ("id,question,answer\n1,Who?,Bob\n", "not JSON"),
    ],
)
def test_a_file_of_another_shape_is_told_as_such(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "s.jsonl").write_text(text)
    with pytest.raises(EvalSetError) as caught:
        load_set(tmp_path / "s.jsonl")
    assert f"{tmp_path}/s.jsonl: one JSON object a line is needed; this file is {what};" in str(caught.value)


def test_a_comment_above_the_questions_is_a_broken_line(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", "# The harbour", line())
    with pytest.raises(EvalSetError, match="line 1: Invalid JSON"):
        load_set(path)


def test_a_sample_is_the_same_again_and_in_order() -> None:
    eval_set = load_set(SEED_SET)
    some = sample(eval_set, 10, seed=1)
    ids = [item.id for item in some.items]
    assert len(ids) == 10 and ids == sorted(ids)
    assert some == sample(eval_set, 10, seed=1) != sample(eval_set, 10, seed=2)
    assert sample(eval_set, None) is sample(eval_set, 10_000) is eval_set
    with pytest.raises(EvalSetError, match="at least 1"):
        sample(eval_set, 0)


# -- SQuAD ----------------------------------------------------------------------------------------------------------

CONTEXT = "Rollo led the Normans. The Normans came from the north, from Norway."


def squad(**question: Any) -> dict[str, Any]:
    qa = {"id": "a", "question": "From where?", "answers": [{"text": "the north", "answer_start": 45}]} | question
    none = {"id": "b", "question": "When?", "answers": [], "is_impossible": True, "plausible_answers": [{"text": "x"}]}
    return {
        "version": "v2.0",
        "data": [{"title": "The_Normans", "paragraphs": [{"context": CONTEXT, "qas": [qa, none]}]}],
    }


@pytest.mark.parametrize("name", ["dev.json", "dev.jsonl", "dev"])
def test_squad_is_told_by_its_content(tmp_path: Path, name: str) -> None:
    answers = [{"text": "the north", "answer_start": 45}, {"text": "Norway", "answer_start": 61}] * 2
    path = tmp_path / name
    path.write_text("\ufeff" + json.dumps(squad(answers=answers), indent=1), "utf-8")
    eval_set = load_set(path)
    (document,) = eval_set.documents
    first, second = eval_set.items
    assert (document.title, document.text) == ("The Normans", CONTEXT)
    assert first.answers == ("the north", "Norway")
    # two annotators' spans are alternatives: one fact
    assert first.evidence == (Place(document.id, 45, 54), Place(document.id, 61, 67))
    assert not second.answerable and not second.evidence


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ({"answers": [{"text": "the north", "answer_start": 40}]}, "'a': 'the north' does not stand at character 40"),
        ({"answers": []}, "'a' has no answers"),
        ({"answers": [{"text": "the north"}]}, "data.0.paragraphs.0.qas.0.answers.0.answer_start: Field required"),
        ({"id": "b"}, "'b' stands there twice"),
    ],
)
def test_broken_squad_is_named(tmp_path: Path, question: dict[str, Any], what: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(squad(**question)))
    with pytest.raises(EvalSetError) as caught:
        load_set(path)
    assert what in str(caught.value) and str(path) in str(caught.value)


def test_squad_without_questions_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text('{"data": []}')
    with pytest.raises(EvalSetError, match="empty"):
        load_set(path)


def test_a_set_with_documents_has_an_index_of_its_own_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "data_folder", lambda: tmp_path / "data")
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(squad()))
    eval_set = load_set(path)
    folders = []
    for _ in range(2):
        with open_index(eval_set, tmp_path / "mine", HashEmbedder()) as index:
            assert [info.doc_id for info in index.documents()] == [eval_set.documents[0].id]
            folders.append(index.folder)
    assert folders[0] == folders[1] and not (tmp_path / "mine").exists()
    with pytest.raises(IndexStateError, match="there is no index"):
        open_index(load_set(SEED_SET), tmp_path / "mine", HashEmbedder())
    Index.open(tmp_path / "mine", HashEmbedder()).close()
    with open_index(load_set(SEED_SET), tmp_path / "mine", HashEmbedder()) as index:
        assert index.folder == tmp_path / "mine"


# -- BEIR -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": "d1", "title": "Rollo", "text": "Rollo led the Normans.", "metadata": {}},
        {"_id": "d2", "title": "", "text": "Norway lies in the north."},
        {"_id": "d3", "title": "", "text": "Norway lies in the north."},
        {"_id": "d4", "title": "", "text": ""},
    ]
    write(folder / "corpus.jsonl", *corpus)
    write(folder / "queries.jsonl", {"_id": "q1", "text": "Who led?"}, {"_id": "q2", "text": "Unjudged?"})
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td1\t1\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq1\td4\t1\n")
    return folder


def test_beir_gold_is_whole_documents_with_grades(beir: Path) -> None:
    eval_set = load_set(beir)
    assert [document.text for document in eval_set.documents] == [
        "Rollo\n\nRollo led the Normans.",
        "Norway lies in the north.",  # once, though d2 and d3 have it; the empty d4 can never be found
    ]
    (item,) = eval_set.items
    first, empty = item.evidence
    assert isinstance(first, Place) and isinstance(empty, Place)
    assert (first.start, first.end, first.grade, first.fact) == (0, 29, 2, 0)
    assert empty.start == empty.end and empty.fact == 1  # stays in the mean, as missed


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("qrels/test.tsv", "h\nq1\td1\n", "line 2: not query-id"),
        ("qrels/test.tsv", "h\nq1\td1\tyes\n", "line 2: not query-id"),
        ("qrels/test.tsv", "h\nq1\td9\t1\n", "line 2: 'd9' is not in corpus.jsonl"),
        ("qrels/test.tsv", "h\nq9\td1\t1\n", "line 2: 'q9' is not in queries.jsonl"),
        ("qrels/test.tsv", "h\n", "empty"),
        ("corpus.jsonl", '{"_id": "d1"}\n', "line 1: text: Field required"),
        ("queries.jsonl", '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n', "line 2: _id 'q1'"),
    ],
)
def test_broken_beir_is_named(beir: Path, file: str, content: str, what: str) -> None:
    (beir / file).write_text(content)
    with pytest.raises(EvalSetError) as caught:
        load_set(beir)
    assert what in str(caught.value)


def test_two_articles_of_one_title_are_two_documents(tmp_path: Path) -> None:
    def article(text: str, id_: str) -> dict[str, object]:
        answer = {"text": text.split()[0], "answer_start": 0}
        return {"title": "Report", "paragraphs": [{"context": text, "qas": [
            {"id": id_, "question": "Who?", "answers": [answer]}]}]}  # fmt: skip

    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [article("Anna came.", "a"), article("Bertil left.", "b")]}))
    found = load_set(path)
    assert len({document.id for document in found.documents}) == 2
    assert [item.evidence for item in found.items] == [
        (Place(document.id, 0, len(document.text.split()[0])),) for document in found.documents
    ]


def test_a_renamed_set_has_the_same_documents(tmp_path: Path, beir: Path) -> None:
    squad = {"data": [{"title": "T", "paragraphs": [{"context": "Anna came.", "qas": [
        {"id": "a", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0}]}]}]}]}  # fmt: skip
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps(squad))
    beir.with_name("other").symlink_to(beir)
    for first, second in (("one.json", "two.json"), (beir.name, "other")):
        assert load_set(tmp_path / first).documents == load_set(tmp_path / second).documents


def test_a_judgement_given_twice_is_one_and_two_that_differ_are_an_error(beir: Path) -> None:
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text() + "q1\td1\t2\n")
    assert len(load_set(beir).items[0].evidence) == 2
    qrels.write_text(qrels.read_text() + "q1\td1\t1\n")
    with pytest.raises(EvalSetError, match="line 6: 'q1' and 'd1' have another score in an earlier line"):
        load_set(beir)


def test_qrels_need_no_header(beir: Path) -> None:
    before = load_set(beir).items
    (beir / "qrels" / "test.tsv").write_text("q1\td1\t2\nq1\td2\t0\nq1\td4\t1\n")
    assert load_set(beir).items[0].question == before[0].question
    assert len(load_set(beir).items[0].evidence) == 2
