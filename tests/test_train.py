"""What the evidence model learns from."""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import MPNetConfig, MPNetModel

from rag.evidence.data import CAPS, RIVALS, RUN, drawn, fairytales, long_documents, mined_rivals, squad_paragraphs
from rag.evidence.examples import Example, Paragraph
from rag.evidence.made import can_be_scoped, decided_questions, details, made_claims, nonsense, scoped_claims
from rag.evidence.mine import mined
from rag.evidence.model import WEIGHTS, WINDOW_TOKENS
from rag.evidence.scope import SAID, UNSAID, framed, turned
from rag.evidence.train import (
    BATCH,
    CLAIM_WINDOWS,
    MARKS,
    WIDE_WINDOWS,
    WINDOWS,
    Evidence,
    Row,
    batches,
    begin,
    outscored,
    rate,
    save,
    tensors,
    together,
    trainable,
    window_of,
)


def claims(passage: int) -> list[Example]:
    text = f"Town {passage} lies on a river. It has a bridge of {passage + 20} arches."
    return [
        Example("support", f"Town {passage} has a bridge.", text, "made-statement", "towns", label=1.0),
        Example("support", f"Town {passage} has no bridge.", text, "edit-negation", "towns", label=0.0),
    ]


def questions(count: int) -> list[Example]:
    return [
        Example("read", f"Where is house {n}?", "It stands in Oslo.", "squad", "o", 14, 18, 1.0) for n in range(count)
    ]


def test_claims_of_one_passage_stay_together_and_questions_do_not() -> None:
    groups = together([*claims(1), *questions(2), *claims(2)])
    assert sorted(map(len, groups)) == [1, 1, 2, 2]
    assert all(len({example.passage for example in group}) == 1 for group in groups)


def test_a_pass_holds_every_example_once_and_a_true_claim_beside_its_edit() -> None:
    tokenizer = Tokenizer.from_file(str(WEIGHTS.parent / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    examples = [example for number in range(40) for example in claims(number)] + questions(16)
    taken = list(itertools.islice(batches(examples, 3, tokenizer), len(examples) // BATCH))
    rows = [row for batch in taken for row in batch]
    assert len({tuple(row.ids) for row in rows}) == len(rows) == len(examples)
    assert sum(row.read for row in rows) == 16
    for row in rows:
        mark = MARKS.read if row.read else MARKS.support
        assert row.ids[:2] == [MARKS.first, mark]
        assert row.ids[-1] == MARKS.separator
        assert len(row.ids) <= max(CLAIM_WINDOWS)
    for batch in taken:
        labels = [row.label for row in batch if not row.read]
        assert sum(labels) == len(labels) / 2, "an edit in another batch than its claim"


def test_a_paragraph_that_is_measured_too_is_left_out(tmp_path: Path) -> None:
    def file(path: str, *texts: str) -> None:
        paragraphs = [{"context": text, "qas": []} for text in texts]
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))

    words = [f"w{n}" for n in range(3 * RUN)]
    measured, other = " ".join(words), " ".join(f"x{n}" for n in range(40))
    nearly = " ".join(["W0,", *words[1:25], *other.split()[:20]])  # 14 of its 34 runs
    hardly = " ".join([*words[:18], *other.split()[:20]])  # 7 of its 27
    file("squad2-half/dev-v2.0.json", measured)
    file("reading/squad-train/train.json", nearly, hardly, measured, other, "Short.")
    assert [paragraph.text for paragraph in squad_paragraphs(tmp_path)] == [hardly, other, "Short."]


def test_a_question_on_a_story_comes_with_a_section_that_does_not_answer_it(tmp_path: Path) -> None:
    root = tmp_path / "reading/fairytaleqa"
    stories = ["section,text", "1,The fox ran off. He was afraid of dogs.", "2,It rained."]
    asked = ["question,cor_section,answer1,ex-or-im1", "Why did it run?,1,Afraid of dogs.,explicit",
             "Was it glad?,2,nobody says,implicit"]  # fmt: skip
    for folder, name, rows in (("section-stories", "fox-story", stories), ("questions", "fox-questions", asked)):
        (root / folder / "train").mkdir(parents=True)
        (root / folder / "train" / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
    own, other = fairytales(tmp_path, random.Random(1))
    assert own.passage[own.start : own.end] == "afraid of dogs"
    assert (other.left, other.passage, other.start, other.label) == ("Why did it run?", "It rained.", -1, 0.0)


def test_a_question_for_yes_or_no_rests_on_the_sentence_that_decides_it() -> None:
    first = "It rained. The tower was built by Eiffel in 1889. It is tall."
    start = first.index("1889")
    paragraphs = [
        Paragraph("towers", first, (("When was the tower built?", start, start + 4), ("Why?", -1, -1))),
        Paragraph("towers", "Nobody liked the tower.", ()),
    ]
    made = [example for seed in range(20) for example in decided_questions(paragraphs, random.Random(seed))]
    assert {example.source for example in made} == {"yes-no", "yes-no-near-miss"}
    for example in made:
        assert example.left.startswith("Was the tower built in ")
        if example.source == "yes-no":
            assert example.passage[example.start : example.end] == "The tower was built by Eiffel in 1889."
            assert example.within
        else:
            assert (example.passage, example.start, example.label) == ("Nobody liked the tower.", -1, 0.0)
    assert len({example.left for example in made}) > 1, "none was edited"


def asked_of(text: str, question: str, answer: str) -> list[Example]:
    start = text.index(answer)
    paragraph = Paragraph("towers", text, ((question, start, start + len(answer)), ("Why?", -1, -1)))
    return list(details([paragraph], random.Random(1)))


def test_a_detail_is_asked_for_where_it_stands_and_where_it_does_not() -> None:
    (given,) = asked_of("It opened on 6 May 1889.", "When was it opened?", "6 May 1889")
    assert given.source == "detail"
    assert given.left in {f"{asked} was it opened?" for asked in
                          ("On what date", "On which day", "On which date", "In which month")}  # fmt: skip
    assert given.passage[given.start : given.end] == "6 May 1889"
    no_day = asked_of("It opened in 1889. Rain fell in May.", "In what year was it opened?", "1889")
    no_year = asked_of("It opened in May.", "When was it opened?", "May")
    no_time = asked_of("It was built by Eiffel.", "Who built it?", "Eiffel")
    assert [(e.source, e.start, e.label) for e in no_day] == [("missing-detail", -1, 0.0)]
    assert not no_day[0].left.startswith("In what year")
    assert [(e.source, e.left) for e in no_year] == [
        ("detail", "In which month was it opened?"),
        ("missing-detail", "In which year was it opened?"),
    ]
    assert no_time == []  # "Eiffel built it." makes no question with "was"


def test_no_detail_is_called_missing_that_the_text_may_give() -> None:
    assert asked_of("It opened in 1889, on the sixth of May.", "When was it opened?", "1889") == []
    assert [e.source for e in asked_of("In 1889 it opened. In May, too.", "When was it opened?", "May")] == ["detail"]
    assert asked_of("The tower was built by Eiffel before the war.", "What was built by Eiffel?", "The tower") == []
    (when,) = asked_of("The tower was built by Eiffel.", "What was built by Eiffel?", "The tower")
    assert when.left.endswith(" was the tower built by Eiffel?")


def test_an_excerpt_answers_and_another_place_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "chunking"
    folder.mkdir()
    filler = "Much was said about the harbour of the town. " * 60
    excerpt = "The mayor closed the harbour in May."
    text = filler + excerpt + " " + filler
    (folder / "speech.md").write_text(text, encoding="utf-8")
    one = {"content": excerpt, "start_index": len(filler), "end_index": len(filler) + len(excerpt)}
    with (folder / "questions_df.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["question", "references", "corpus_id"])
        rows.writeheader()
        for question, references in (("Who closed the harbour?", [one]), ("Two places?", [one, one]),
                                     ("Misplaced?", [one | {"start_index": 3}])):  # fmt: skip
            rows.writerow({"question": question, "references": json.dumps(references), "corpus_id": "speech"})
    own, other = long_documents(tmp_path, random.Random(1))
    assert own.passage[own.start : own.end] == excerpt
    assert own.within
    assert own.passage in text
    assert excerpt not in other.passage
    assert (other.left, other.start, other.label) == (own.left, -1, 0.0)


def test_a_claim_with_two_names_has_them_change_places_beside_another_edit() -> None:
    text = "In the spring Anna Berg defeated Karl Lund near Oslo. Bertil Dahl came too."
    paragraph = Paragraph("wars", text, ())
    made = [example for seed in range(30) for example in made_claims([paragraph], random.Random(seed))]
    both = [example for example in made if example.source == "edit-roles"]
    assert both
    assert all("Karl Lund defeated Anna Berg" in example.left and example.label == 0.0 for example in both)
    assert {"edit-name", "edit-roles"} <= {example.source for example in made}


def test_a_sentence_in_another_scope_keeps_its_words() -> None:
    sentence = "The tower was built by Eiffel in 1889."
    for said in (True, False):
        made = {framed(sentence, said, random.Random(seed)) for seed in range(200)}
        assert len(made) == len(SAID if said else UNSAID)
        assert all("the tower was built by Eiffel in 1889" in text.lower().replace("eiffel", "Eiffel") for text in made)
    assert "The tower was nearly built by Eiffel in 1889." in {
        turned(sentence, False, random.Random(seed)) for seed in range(50)
    }
    assert turned("The towers were built.", False, random.Random(0)) not in (None, "The towers were built.")
    assert turned("The war began in May.", True, random.Random(0)) != "The war began in May."
    assert turned("Rain falls there.", False, random.Random(0)) is None


def test_what_a_sentence_denies_is_no_support_and_what_it_confirms_is() -> None:
    text = "The tall iron tower was built by Eiffel in 1889. It is tall."
    paragraph = Paragraph("towers", text, ())
    made = [example for seed in range(60) for example in scoped_claims([paragraph], random.Random(seed))]
    assert {(example.source, example.label) for example in made} == {("made-scope", 1.0), ("edit-scope", 0.0)}
    own = "The tall iron tower was built by Eiffel in 1889."
    for example in made:
        assert (example.left == own) != (example.passage == text)
        assert example.passage.endswith(" It is tall.")
    assert any(example.passage == text for example in made), "none the other way round"
    assert not can_be_scoped('He said "no" to all of the people.')
    assert not can_be_scoped("Conversely, the tower was built by Eiffel in 1889.")


def test_nonsense_is_never_the_question_of_the_passage() -> None:
    text = "Paris is a town."
    paragraphs = [Paragraph(f"town {n}", text, ((f"What is town {n}?", 0, 5), ("Why?", -1, -1))) for n in range(100)]
    made = [example for seed in range(20) for example in nonsense(paragraphs, random.Random(seed))]
    assert len(made) > 60
    assert all((example.start, example.label) == (-1, 0.0) for example in made)
    assert all(example.left != f"What is {example.group}?" for example in made)
    assert {len(example.left.split()) for example in made} >= {1, 4}


def test_a_question_is_mined_with_the_passages_found_beside_its_own() -> None:
    texts = ["The tower of Ulm is 162 m tall.", "The tower of Ulm is old.", "The tower of Ulm is of stone.",
             "A tower of 162 m stands in Ulm.", "It rained on Monday."]  # fmt: skip
    tall = ("How tall is the tower of Ulm?", texts[0].find("162 m"), texts[0].find("162 m") + 5)
    day = ("On which day did it rain?", texts[4].find("Monday"), texts[4].find("Monday") + 6)
    asked = {0: (tall, ("Why?", -1, -1)), 4: (day,)}
    paragraphs = [Paragraph("towers", text, asked.get(at, ())) for at, text in enumerate(texts)]
    rows = mined(paragraphs, 9, random.Random(0), kept=1.0)
    assert {row["question"] for row in rows} == {tall[0], day[0]}
    assert [row["lead"] for row in rows] == sorted(row["lead"] for row in rows)
    of_tower = next(row for row in rows if row["question"] == tall[0])
    assert set(of_tower["rivals"]) == {texts[1], texts[2]}, "without the answer's words"
    assert [row["question"] for row in mined(paragraphs, 9, random.Random(0), kept=0.5)] == [rows[0]["question"]]


def test_what_was_mined_is_learnt_together(tmp_path: Path) -> None:
    row = {"question": "Where?", "article": "a", "passage": "In Ulm.", "start": 3, "end": 6, "rivals": ["No.", "Yes."]}
    (tmp_path / "rivals.jsonl").write_text(json.dumps(row))
    made = list(mined_rivals(tmp_path / "rivals.jsonl"))
    assert [(example.passage, example.start, example.label) for example in made] == [
        ("In Ulm.", 3, 1.0),
        ("No.", -1, 0.0),
        ("Yes.", -1, 0.0),
    ]
    assert [len(group) for group in together(made)] == [3]


def row(*, rival: int, label: float) -> Row:
    """One word of question and two of passage: <s> mark word </s> first second </s>."""
    place = (4, 5) if label else (0, 0)
    return Row([0, 5, 9, 2, 7, 8, 2], 4, *place, True, label, rival=rival)


def test_the_right_answer_is_scored_against_its_rivals_alone() -> None:
    batch = tensors(
        [row(rival=3, label=1.0), row(rival=3, label=0.0), row(rival=4, label=0.0), row(rival=0, label=1.0)]
    )
    start, end = torch.full((4, 32), -1e4), torch.full((4, 32), -1e4)
    start[:, 0] = end[:, 0] = 0.0
    start[0, 4], end[0, 5] = 2.0, 1.0  # right: 3 above its null
    start[1, 4], end[1, 5] = 0.0, 1.0  # its rival: 1
    start[2, 4], end[2, 5] = 9.0, 9.0  # of another question
    expected = torch.log(1 + torch.exp(torch.tensor(1.0 - 3.0)))
    assert torch.isclose(outscored(start, end, batch), expected)


def test_what_was_written_and_mined_comes_whole_and_of_the_rest_a_share() -> None:
    rivals = [Example("read", f"Who {n // 3}?", f"Passage {n}.", RIVALS, "a") for n in range(9)]
    train = {
        "written": [Example("read", f"When {n}?", "In 1931.", "written", "w") for n in range(5)],
        RIVALS: rivals,
        "snli": [Example("support", f"It is {n}.", "It is.", "snli", str(n)) for n in range(CAPS["snli"] + 100)],
        "qed": questions(10),
    }
    kept = drawn({source: list(examples) for source, examples in train.items()}, 1, 0.1)
    counts = {source: sum(example in kept for example in examples) for source, examples in train.items()}
    assert counts == {"written": 5, RIVALS: 9, "snli": round(0.1 * CAPS["snli"]), "qed": 1}
    assert len(drawn(train, 1, 1.0)) == 5 + 9 + CAPS["snli"] + 10


def test_no_part_of_a_draft_or_a_rival_is_cut_off_but_by_the_window_of_an_answer() -> None:
    rng = random.Random(1)
    written = Example("support", "It stands.", "It stands in Oslo.", "written-true", "w", label=1.0)
    rival = Example("read", "Where?", "It stands in Oslo.", RIVALS, "r")
    for group, windows in (([written], WIDE_WINDOWS), ([rival], WIDE_WINDOWS), (claims(1), CLAIM_WINDOWS),
                           (questions(1), WINDOWS)):  # fmt: skip
        assert {window_of(group, rng) for _ in range(200)} == set(windows)
    assert max(WIDE_WINDOWS) == WINDOW_TOKENS


def tiny(frozen: int) -> Evidence:
    config = MPNetConfig(vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8)
    return Evidence(MPNetModel(config), frozen)


def test_the_lowest_layers_stay_as_they_are() -> None:
    def moving(frozen: int) -> set[str]:
        names = {name for name, weight in tiny(frozen).named_parameters() if weight.requires_grad}
        return {name.split(".")[3] if ".layer." in name else name for name in names}

    heads = {"span.weight", "span.bias", "support.weight", "support.bias"}
    assert moving(2) == heads | {"2"}
    assert moving(0) == heads | {"0", "1", "2"}


def test_a_run_goes_on_from_weights_with_other_layers_frozen(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first, second = tiny(2), tiny(0)
    save(tmp_path / "step-7.pt", first, torch.optim.AdamW(trainable(first)), 7, [{"seed": "1"}])
    assert begin(tmp_path / "step-7.pt", second) == (7, [{"seed": "1"}])
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_rate_warms_up_again_where_the_optimizer_is_new() -> None:
    def shares(resumed: Path | None, decay: int = 0) -> list[float]:
        options = argparse.Namespace(resume=resumed, warmup=10, decay=decay)
        return [rate(step, options, 100) for step in (101, 105, 110, 120)]

    assert shares(None) == [0.1, 0.5, 1.0, 1.0]
    assert shares(Path("step-100.pt")) == [1.0, 1.0, 1.0, 1.0]
    assert shares(Path("step-100.pt"), 20) == [0.95, 0.75, 0.5, 0.0]
