"""The evidence model: exact offsets whatever the text, a weight file that is checked, plain cases read right."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.evidence.claims import edit_roles, edited, sentence_spans, statement, with_gap, without_clause, yes_no
from rag.evidence.data import is_dev, unspaced
from rag.evidence.examples import Example, cropped
from rag.evidence.measure import auroc, caught, token_f1
from rag.evidence.model import LEFT_TOKENS, WEIGHTS, EvidenceError, EvidenceModel, Reading, Span, _parts, _reading

TOWER = (
    "The Eiffel Tower is a wrought-iron lattice tower in Paris, France. It is named after the engineer Gustave Eiffel, "
    "whose company designed and built the tower from 1887 to 1889. It is 330 metres tall."
)
FILLER = "Bread is baked from flour and water. The oven must be hot before the loaf goes in. "


@pytest.fixture(scope="module")
def model() -> EvidenceModel:
    return EvidenceModel.load()


def best(model: EvidenceModel, question: str, passage: str) -> str:
    span = model.read(question, [passage])[0].spans[0]
    return passage[span.start : span.end]


# ---- reading


def test_reads_plain_answers(model: EvidenceModel) -> None:
    assert "Gustave Eiffel" in best(model, "Who is the Eiffel Tower named after?", TOWER)
    assert "330" in best(model, "How tall is the Eiffel Tower?", TOWER)
    assert "Paris" in best(model, "Where is the Eiffel Tower?", TOWER)


def test_a_passage_that_does_not_say_scores_lower(model: EvidenceModel) -> None:
    right, wrong = model.read("Who is the Eiffel Tower named after?", [TOWER, FILLER])
    assert right.spans[0].score > 0
    assert not wrong.spans or wrong.spans[0].score < right.spans[0].score


@pytest.mark.parametrize(
    "lead", ["", "😀👩‍👩‍👧 ", "\r\n\r\n", "İstanbul ÇĞŞ ﬁ Å ", "\ud800 \udfff", "北京是中国的首都。 "]
)
def test_offsets_are_of_the_passage_as_given(model: EvidenceModel, lead: str) -> None:
    answer = best(model, "Who is the Eiffel Tower named after?", lead + TOWER)
    assert "Gustave Eiffel" in answer
    assert answer in TOWER


def test_long_passages_are_read_in_windows(model: EvidenceModel) -> None:
    for before in (0, 12, 25, 40):
        passage = FILLER * before + TOWER + " " + FILLER * 30
        reading = model.read("Who is the Eiffel Tower named after?", [passage])[0]
        span = reading.spans[0]
        assert "Gustave Eiffel" in passage[span.start : span.end]
        assert abs(span.start - passage.index("Gustave Eiffel")) < 30


def test_spans_are_few_apart_and_best_first(model: EvidenceModel) -> None:
    for reading in model.read("Who built it, and when?", [TOWER, TOWER + FILLER * 40]):
        assert 1 <= len(reading.spans) <= 3
        assert [span.score for span in reading.spans] == sorted((s.score for s in reading.spans), reverse=True)
        ordered = sorted(reading.spans, key=lambda span: span.start)
        assert all(a.end <= b.start for a, b in itertools.pairwise(ordered))
        assert all(span.start < span.end for span in ordered)


def test_every_token_can_be_in_a_window_with_its_neighbours(model: EvidenceModel) -> None:
    """A passage's windows cover all its tokens, and neighbours overlap."""
    passage = " ".join(str(number) for number in range(1000))
    windows = list(model._windows(1, [2000] * 10, passage, 0))
    assert windows[0].offsets[0][0] == 0
    assert windows[-1].offsets[-1][1] == len(passage)
    assert all(a.offsets[-1][1] > b.offsets[0][0] for a, b in itertools.pairwise(windows))
    assert max(len(window.ids) for window in windows) <= 256


def test_of_overlapping_windows_the_better_span_stays() -> None:
    first, second, other = Span(0, 5, 1.0), Span(3, 8, 2.0), Span(9, 12, 0.5)
    assert _reading([(first, -1.0), (second, -2.0), (other, -1.0)]) == Reading((second, other), -2.0)


@pytest.mark.parametrize("passage", ["", " \n\t", "\u200b", "\x00"])
def test_nothing_to_read(model: EvidenceModel, passage: str) -> None:
    assert model.read("Who?", [passage])[0].spans == ()
    assert model.support([("The tower is tall.", passage)]) == [0.0]


@pytest.mark.parametrize("text", ["", "?", "[SEP] [CLS] [PAD]", "\ud800" * 50, "x" * 100_000, "¿Dónde está? " * 500])
def test_no_text_breaks_it(model: EvidenceModel, text: str) -> None:
    assert len(model.read(text, [TOWER, text[:20_000]])) == 2
    assert all(0 <= p <= 1 for p in model.support([(text, TOWER), (TOWER, text[:20_000])]))


def test_answers_do_not_depend_on_the_company_they_are_asked_in(model: EvidenceModel) -> None:
    passages = [TOWER, FILLER * 3, TOWER + FILLER, FILLER + TOWER]
    together = model.read("How tall is the tower?", passages)
    alone = [model.read("How tall is the tower?", [passage])[0] for passage in passages]
    for passage, one, other in zip(passages, together, alone, strict=True):
        if TOWER in passage:  # elsewhere the best of bad spans may change with the last digit
            assert (one.spans[0].start, one.spans[0].end) == (other.spans[0].start, other.spans[0].end)
        assert one.spans[0].score == pytest.approx(other.spans[0].score, abs=1.0)
        assert one.null == pytest.approx(other.null, abs=1.0)  # int8 scales a batch's activations together
    assert model.read("Who?", []) == []


# ---- support


def test_supports_what_is_said_and_not_what_is_not(model: EvidenceModel) -> None:
    true, edit, other = model.support(
        [
            ("The Eiffel Tower is named after Gustave Eiffel.", TOWER),
            ("The Eiffel Tower is named after Napoleon Bonaparte.", TOWER),
            ("The Eiffel Tower is named after Gustave Eiffel.", FILLER),
        ]
    )
    assert true > edit
    assert true > other


def test_the_best_window_speaks_for_a_long_passage(model: EvidenceModel) -> None:
    claim = "The Eiffel Tower is 330 metres tall."
    near, far = model.support([(claim, TOWER), (claim, FILLER * 40 + TOWER + FILLER * 40)])
    assert far > model.support([(claim, FILLER * 80)])[0]
    assert 0 <= far <= 1
    assert 0 <= near <= 1


def test_a_long_claim_is_judged_to_its_end(model: EvidenceModel) -> None:
    true = "The Eiffel Tower is named after Gustave Eiffel"
    padded = f"{true} {'- ' * 2 * LEFT_TOKENS}"
    short, long, lie = model.support(
        [(f"{claim}.", TOWER) for claim in (true, padded, f"{padded} and was paid with stolen money of widows")]
    )
    assert short > lie
    assert lie < min(model.support([("The Eiffel Tower was paid with stolen money of widows.", TOWER)])[0] + 0.2, 0.5)
    assert 0 <= long <= 1


@pytest.mark.parametrize("length", [0, 1, 47, 48, 95, 96, 97, 143, 144, 145, 500])
def test_the_parts_of_a_claim_hold_each_token_and_are_no_longer_than_is_seen(length: int) -> None:
    ids = list(range(length))
    parts = _parts(ids)
    assert sorted({token for part in parts for token in part}) == ids
    assert all(0 < len(part) <= LEFT_TOKENS for part in parts)
    assert len(parts) == 1 or length > LEFT_TOKENS or length == 0


def test_many_claims_keep_their_order(model: EvidenceModel) -> None:
    pairs = [("The tower is 330 metres tall.", TOWER), ("Bread is baked from flour.", "")] * 40
    scores = model.support(pairs)
    assert len(scores) == 80
    assert set(scores[1::2]) == {0.0}
    assert min(scores[0::2]) > 0


# ---- the weight file


FILES = (WEIGHTS.name, "words.bin", "tokenizer.json")


def copy_of_weights(folder: Path) -> Path:
    for name in (*FILES, "card.json"):
        shutil.copyfile(WEIGHTS.parent / name, folder / name)
    return folder / WEIGHTS.name


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = copy_of_weights(tmp_path)
    assert EvidenceModel.load(path).name.startswith("footnote-evidence")
    for name in FILES:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(EvidenceError, match=r"was altered.*install"):
            EvidenceModel.load(path)
        (tmp_path / name).write_bytes(whole)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"card\.json.*install"):
        EvidenceModel.load(tmp_path / WEIGHTS.name)
    path = copy_of_weights(tmp_path)
    path.unlink()
    with pytest.raises(EvidenceError, match=WEIGHTS.name):
        EvidenceModel.load(path)


def test_a_card_without_marks_is_refused(tmp_path: Path) -> None:
    path = copy_of_weights(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"marks": {"read": 5}}))
    with pytest.raises(EvidenceError, match="does not describe"):
        EvidenceModel.load(path)


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"name": "x", "sha256": {}}', '{"sha256": 3}'])
def test_a_card_that_says_nothing_is_refused(tmp_path: Path, card: str) -> None:
    path = copy_of_weights(tmp_path)
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(EvidenceError, match="does not describe"):
        EvidenceModel.load(path)


def test_the_card_tells_how_it_was_made() -> None:
    card = json.loads((WEIGHTS.parent / "card.json").read_text())
    assert {"name", "licence", "sha256", "training", "figures", "int8_loss"} <= set(card)
    assert card["sha256"][WEIGHTS.name] in (WEIGHTS.parent / "MODEL_CARD.md").read_text()
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in card["figures"])


def test_the_runtime_needs_no_torch() -> None:
    code = "import sys, rag.evidence.model; print({'torch', 'transformers', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---- the training data


def test_statements_from_questions() -> None:
    assert statement("Who designed the iron tower?", "Eiffel") == "Eiffel designed the iron tower."
    assert statement("When was the tower built?", "1889") == "The tower was built in 1889."
    assert statement("What is the capital of France?", "Paris") == "The capital of France is Paris."
    assert statement("In what year did the war begin?", "1914") == "The war began in 1914."
    assert statement("Why?", "because") is None
    assert statement("When did the war end?", "25 October 1922") == "The war ended on 25 October 1922."
    assert statement("When was the church built?", "around 1143") == "The church was built around 1143."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where are the races held?", "Courses are at Taunton"),  # an answer that is a clause
        ("What effect does race have in the lives of people?", "a real one"),
        ("What direction is Rome's gate from West Street?", "south"),
        ("What type of climate is southern Nigeria?", "tropical"),
        ("When was the tally of students killed in the earthquake released?", "2009"),  # which of two verbs?
    ],
)
def test_what_would_read_badly_is_no_statement(question: str, answer: str) -> None:
    assert statement(question, answer) is None


def test_statements_as_questions_for_yes_or_no() -> None:
    assert yes_no("The tower was built in 1889.") == "Was the tower built in 1889?"
    assert yes_no("Eiffel can sell it.") == "Can Eiffel sell it?"
    assert yes_no("The war began in 1914.") == "Did the war begin in 1914?"
    assert yes_no("Rain falls there.") is None
    assert yes_no("What nobody saw, which was there, is gone.") is None


def test_edits_are_not_in_the_context() -> None:
    rng = random.Random(1)
    context = "Anna Berg met Karl Lund in Oslo in March 1905. Nine guests came, and the dinner was not long."
    kinds = set()
    for _ in range(60):
        made = edited("Anna Berg met Karl Lund in Oslo in March 1905.", context, rng)
        assert made is not None
        kinds.add(made[0])
        assert made[1] not in context
    assert {"number", "month"} <= kinds


@pytest.mark.parametrize(
    ("claim", "swapped"),
    [
        ("In 1905 Anna Berg defeated Karl Lund.", "In 1905 Karl Lund defeated Anna Berg."),
        ("By then Oslo fought against Norway.", "By then Norway fought against Oslo."),
        ("The rest of Norway was in Europe.", None),  # a copula tells nothing of who does what to whom
        ("He met Anna Berg and Karl Lund.", None),
    ],
)
def test_two_names_change_roles(claim: str, swapped: str | None) -> None:
    assert edit_roles(claim, claim, random.Random(1)) == swapped


def test_a_gap_stands_for_what_the_passage_holds_once() -> None:
    passage = "Anna Berg met Karl Lund in Oslo. Anna Berg left."
    made = {with_gap("Anna Berg met Karl Lund.", passage, random.Random(seed)) for seed in range(20)}
    assert made == {("Anna Berg met what?", "Karl Lund")}
    assert with_gap("She came.", passage, random.Random(1)) is None


def test_a_clause_is_dropped_whole() -> None:
    assert without_clause("The tower, which is very old, stands in Paris.") == "The tower stands in Paris."
    assert without_clause("It is old, tall, strong.") is None


def test_sentences_do_not_break_at_initials() -> None:
    text = "J. S. Bach lived here. He wrote much."
    assert [text[a:b] for a, b in sentence_spans(text)] == ["J. S. Bach lived here.", "He wrote much."]


def test_cropping_keeps_the_answer_and_its_place() -> None:
    passage = FILLER * 5 + TOWER + " " + FILLER * 5
    start = passage.index("Gustave Eiffel")
    example = Example("read", "Who?", passage, "s", "g", start, start + 14, 1.0)
    for seed in range(10):
        cut = cropped(example, 50, lambda text: len(text.split()), random.Random(seed))
        assert cut.passage[cut.start : cut.end] == "Gustave Eiffel"
        assert len(cut.passage.split()) <= 50
        assert cut.passage in passage


def test_blanks_before_punctuation_go_and_spans_move() -> None:
    text = "Bach , of Leipzig ( Germany ) ."
    start = text.index("Germany")
    plain, a, b = unspaced(text, start, start + 7)
    assert plain == "Bach, of Leipzig (Germany)."
    assert plain[a:b] == "Germany"


def test_documents_held_apart_stay_apart() -> None:
    share = sum(is_dev(f"document {number}") for number in range(4000)) / 4000
    assert 0.03 < share < 0.07  # 5%
    assert is_dev("Alloy") == is_dev("Alloy")


# ---- the measures


def test_measures_by_hand() -> None:
    assert token_f1("the Eiffel Tower", "Eiffel") == pytest.approx(2 / 3)  # 1 in common, 2 + 1 words
    assert token_f1("", "") == 1.0
    scores, labels = np.array([3.0, 1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    assert auroc(scores, labels) == pytest.approx(0.625)  # of 4 pairs: 2 right, 1 wrong, 1 tie
    assert caught(np.array([5.0, 6.0, 1.0, 7.0]), np.array([1.0, 1.0, 0.0, 0.0])) == 0.5
