"""Drafts written by hand: where their passages come from, and what the bench says of them."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks.claims import kept, table
from rag.evidence.data import by_hand, elsewhere, is_dev
from rag.evidence.examples import Example
from rag.evidence.train import together
from rag.evidence.written import CLAIMS, Written, lessons, written
from tests.fakes import OverlapEvidence
from tests.test_verify import PLAIN

PASSAGE = "The bridge opened in 1931."
DRAFTS = [
    {"question": "When?", "text": "It opened in 1931.", "supported": True, "kind": "shortened"},
    {"question": "When?", "text": "It opened in 1932.", "supported": False, "kind": "date"},
]


def line(**more: object) -> str:
    return json.dumps({"id": "a-1", "drafts": DRAFTS, **more}) + "\n"


def placed(source: str, start: int) -> str:
    digest = hashlib.sha256(PASSAGE.encode()).hexdigest()[:16]
    return line(source=source, start=start, end=start + len(PASSAGE), sha256=digest)


def test_a_passage_of_ones_own_and_of_files_below_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"é\r\n{PASSAGE} It rained.".encode())
    squad = {"data": [{"paragraphs": [{"context": "None."}, {"context": f"So. {PASSAGE}"}]}]}
    (tmp_path / "s.json").write_text(json.dumps(squad))
    (tmp_path / "set.jsonl").write_text(line(passage=PASSAGE) + placed("a.txt", 3) + placed("s.json#0/1", 4))
    found = list(written(tmp_path / "set.jsonl", tmp_path))
    assert [draft.passage for draft in found] == [PASSAGE] * 6
    assert found[1] == Written("a-1", "When?", PASSAGE, "It opened in 1932.", False, "date")


def test_a_passage_that_is_no_longer_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"Now: {PASSAGE}")
    (tmp_path / "set.jsonl").write_text(placed("a.txt", 3))
    with pytest.raises(ValueError, match=r"a-1: a\.txt no longer holds its passage at 3:29"):
        list(written(tmp_path / "set.jsonl", tmp_path))


def rows(name: str) -> list[Any]:
    return [json.loads(text) for text in (CLAIMS / f"{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("name", ["dev", "heldout"])
def test_the_sets_are_whole(name: str, tmp_path: Path) -> None:
    here = [row for row in rows(name) if "passage" in row or row["source"].startswith("seeds/")]
    (tmp_path / "here.jsonl").write_text("".join(json.dumps(row) + "\n" for row in here), "utf-8")
    assert len(list(written(tmp_path / "here.jsonl", tmp_path))) == sum(len(row["drafts"]) for row in here)
    assert len({row["id"] for row in rows(name)}) == len(rows(name))
    assert all({draft["supported"] for draft in row["drafts"]} == {True, False} for row in rows(name))


def test_the_sets_share_no_passage() -> None:
    for one, other in combinations(("train", "dev", "heldout"), 2):
        first, second = ({row.get("sha256") or row["passage"] for row in rows(name)} for name in (one, other))
        assert first.isdisjoint(second)


def test_what_is_learnt_from_a_line(tmp_path: Path) -> None:
    passage = "Ann met Bo. Bo left in 1931."
    asked = [
        {"question": "Who left?", "answer": "Bo", "context": "Bo left"},
        {"question": "When?", "answer": "1931"},
    ]
    row = {"id": "a", "passage": passage, "answerable": asked, "unanswerable": ["Why?"], "drafts": DRAFTS}
    (tmp_path / "train.jsonl").write_text(json.dumps(row))
    found = list(lessons(tmp_path / "train.jsonl", tmp_path))
    assert [(e.job, e.left, e.start, e.end, e.label) for e in found] == [
        ("read", "Who left?", 12, 14, 1.0),
        ("read", "When?", 23, 27, 1.0),
        ("read", "Why?", -1, -1, 0.0),
        ("support", DRAFTS[0]["text"], -1, -1, 1.0),
        ("support", DRAFTS[1]["text"], -1, -1, 0.0),
    ]
    assert {(e.passage, e.group, by_hand(e)) for e in found} == {(passage, "a", True)}


def drafts_on(row: str, passage: str, true: str, false: str) -> list[Example]:
    return [
        Example("read", "When?", passage, "written", row, 0, 3, 1.0),
        Example("support", true, passage, "written-true", row, label=1.0),
        Example("support", false, passage, "written-false", row),
    ]


def test_a_true_draft_is_judged_by_another_passage_on_its_side_of_the_cut() -> None:
    learnt, held = (iter([str(n) for n in range(200) if is_dev(str(n)) is side]) for side in (False, True))
    first = drafts_on(next(learnt), "The bridge over the Ems is long.", "A bridge spans the Ems.", "It is short.")
    second = drafts_on(next(learnt), "The ferry crosses the Ems.", "A ferry takes people over.", "The ferry is gone.")
    third = drafts_on(next(learnt), "Long ferry, long bridge.", "All is long.", "All is short.")
    apart = drafts_on(next(held), "A bridge over the Ems; people take the ferry.", "People have a ferry.", "No.")
    made = list(elsewhere([*first, *second, *third, *apart]))
    assert [(e.left, e.passage) for e in made] == [
        ("A bridge spans the Ems.", "Long ferry, long bridge."),
        ("A ferry takes people over.", "The bridge over the Ems is long."),
        ("All is long.", "The bridge over the Ems is long."),
    ]
    assert {(e.job, e.label, e.source, by_hand(e)) for e in made} == {("support", 0.0, "written-elsewhere", True)}
    own = together([*first, *made])
    assert [len(group) for group in own] == [1, 3, 1, 1], "a draft is learnt beside itself against another passage"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"answer": "Bo"}, r"a: 'Bo' stands 2 times in 'Ann met Bo\. Bo left\.', not once; give a context"),
        ({"answer": "Cy"}, r"a: 'Cy' stands 0 times"),
        ({"answer": "Bo", "context": "Bo. Bo left"}, r"a: 'Bo' stands 2 times in 'Bo\. Bo left'"),
        ({"answer": "Bo", "context": "Bo leaves"}, r"a: 'Bo leaves' stands 0 times"),
    ],
)
def test_an_answer_whose_place_is_not_told(asked: dict[str, str], message: str, tmp_path: Path) -> None:
    row = {"id": "a", "passage": "Ann met Bo. Bo left.", "answerable": [{"question": "Who?", **asked}]}
    (tmp_path / "train.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match=message):
        list(lessons(tmp_path / "train.jsonl", tmp_path))


def test_every_line_to_learn_from_is_sound(tmp_path: Path) -> None:
    here = [row for row in rows("train") if "passage" in row]
    (tmp_path / "here.jsonl").write_text("".join(json.dumps(row) + "\n" for row in here), "utf-8")
    found = list(lessons(tmp_path / "here.jsonl", tmp_path))
    assert len(found) == sum(len(row["answerable"]) + len(row["unanswerable"]) + len(row["drafts"]) for row in here)
    assert all(e.passage[e.start : e.end].strip() for e in found if e.job == "read" and e.label)
    assert any(is_dev(e.group) for e in found)


def test_a_draft_is_judged_as_a_models_would_be(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text(line(passage="The bridge opened in 1931."))
    judged = [(draft, kept(draft, OverlapEvidence(), PLAIN)) for draft in written(tmp_path / "set.jsonl", tmp_path)]
    assert [passed for _, passed in judged] == [True, False]
    assert [(what, figure[:5], target) for what, figure, target in table(judged)] == [
        ("false: all", "0.000", "passed"),
        ("false: date", "0.000", "passed"),
        ("true: all", "1.000", "kept"),
        ("true: shortened", "1.000", "kept"),
    ]
