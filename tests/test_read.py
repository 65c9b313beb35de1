"""Reading: which passages answer, which quotations are shown, and how sure the reader is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.types import Chunk
from rag.evidence import Reading, Span
from rag.fit import Fit, probability
from rag.read import MAX_QUOTES, Findings, more_than, quote, read
from rag.types import Passage

FIT = Fit(
    "test",
    {"bias": 0.0, "reader": 1.0},
    {"bias": 0.0},
    retrieval=2.0,
    margin=1.0,
    answer_at=0.5,
    support_at=0.5,
    sure_at=2.0,
)


def passage(text: str, start: int = 100, score: float = 0.0, rank: int = 1, doc: str = "d") -> Passage:
    return Passage(Chunk(f"c{start}", doc, start, start + len(text), text), "Title", "source", score, rank)


class Fixed:
    """Finds the words it was told, with their scores, wherever a passage holds them."""

    name = "fixed"

    def __init__(self, **scores: float) -> None:
        self.scores = scores

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        return [
            Reading(tuple(Span(t.index(w), t.index(w) + len(w), s) for w, s in self.scores.items() if w in t), 0.0)
            for t in passages
        ]

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [0.0 for _ in pairs]


def test_a_span_is_widened_to_its_sentence_and_counts_from_the_document() -> None:
    place = passage("Rain fell. The river rose by two metres. It fell again.")
    made = quote("How far did the river rise?", place, Span(29, 39, 1.0), 1.0)
    assert made
    assert (made.short, made.start, made.end) == ("two metres", 111, 140)


def test_reader_and_retrieval_decide_together() -> None:
    first, second = passage("Rain fell."), passage("Snow fell.", start=300, score=-1.0, rank=2)
    # Snow scores 1.5 - 2.0 * (0 - -1.0) = -0.5, Rain 0.0
    best = read("What fell?", [first, second], Fixed(Rain=0.0, Snow=1.5), FIT).quotes[0]
    assert best.short == "Rain"
    assert read("What fell?", [first, second], Fixed(Rain=0.0, Snow=2.5), FIT).quotes[0].short == "Snow"


def test_answers_in_two_places_are_both_quoted_and_one_said_twice_is_not() -> None:
    places = [passage("Rain fell."), passage("Snow fell.", start=300), passage("The rain ended.", start=500)]
    found = read("What fell?", places, Fixed(Rain=2.0, Snow=1.5, rain=1.4), FIT)
    assert [item.short for item in found.quotes] == ["Rain", "Snow"]
    assert [q.short for q in read("What fell?", places, Fixed(Rain=2.0, Snow=0.5), FIT).quotes] == ["Rain"]


def test_a_question_for_yes_or_no_is_answered_by_what_denies_it_too() -> None:
    places = [passage("He concluded that Rain heals."), passage("No, Snow does not.", start=300)]
    scores = Fixed(Rain=2.0, Snow=0.5)
    assert [q.short for q in read("Does it heal?", places, scores, FIT).quotes] == ["Rain", "Snow"]
    assert [q.short for q in read("What heals?", places, scores, FIT).quotes] == ["Rain"]


def test_no_more_quotes_than_a_reader_wants() -> None:
    words = ("Rain", "Snow", "Hail", "Sleet", "Ash")
    places = [passage(f"{word} fell.", start=at * 100) for at, word in enumerate(words)]
    assert len(read("What fell?", places, Fixed(**dict.fromkeys(words, 1.0)), FIT).quotes) == MAX_QUOTES


def test_nothing_found_is_confidence_zero() -> None:
    found = read("What fell?", [passage("Rain fell.")], Fixed(), FIT)
    assert (found.confidence, found.quotes) == (0.0, ())
    assert read("What fell?", [], Fixed(), FIT).quotes == ()


def test_the_later_passages_are_read_only_when_the_first_two_leave_a_doubt() -> None:
    asked: list[int] = []

    class Counting(Fixed):
        def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
            asked.append(len(passages))
            return super().read(question, passages)

    places = [passage("Rain fell."), passage("Fog lay.", start=300), passage("Snow fell.", start=500)]
    sure = replace(FIT, sure_at=probability(FIT.confidence, {"reader": 2.0}))
    found = read("What fell?", places, Counting(Rain=2.0, Snow=5.0), sure)
    assert (asked, found.quotes[0].short) == ([2], "Rain")
    asked.clear()
    found = read("What fell?", places, Counting(Rain=1.9, Snow=5.0), sure)
    assert (asked, found.quotes[0].short) == ([2, 1], "Snow")


def test_what_answers_nothing_leaves_the_answer_to_what_does() -> None:
    places = [passage("## Rain"), passage("Snow fell.", start=300)]
    found = read("What fell?", places, Fixed(Rain=3.0, Snow=0.5), FIT)
    assert [item.short for item in found.quotes] == ["Snow"]
    assert found.confidence == probability(FIT.confidence, {"reader": 0.5})
    assert read("What fell?", places[:1], Fixed(Rain=3.0), FIT) == Findings(0.0, ())


def test_only_at_the_head_of_a_document_do_dashes_open_front_matter() -> None:
    text = "---\ndate: Rain\n---\n\nSnow fell."
    assert read("When?", [passage(text, start=0)], Fixed(Rain=1.0), FIT).quotes == ()
    assert read("When?", [passage(text, start=50)], Fixed(Rain=1.0), FIT).quotes


def test_two_quotations_without_a_short_answer_are_not_the_same() -> None:
    places = [passage("It fell: +++ Snow."), passage("They had +++ and Hail.", start=300)]
    plus = {"+++": 1.0}
    assert [item.short for item in read("What fell?", places, Fixed(**plus), FIT).quotes] == ["", ""]


def test_a_bare_question_word_gets_no_second_helping_of_the_answer_before() -> None:
    """ "When?" after "Who built it?": neither "Berg", which answered that, nor a date of something else."""
    place = passage("Berg built the bridge in 1931. The fair was on 2 May.")
    scores = {"Berg": 2.0}

    def asked(best: str, earlier: str) -> Findings:
        found = read("When built the bridge?", [place], Fixed(**{best: 3.0}), FIT)
        return more_than(earlier, found, [place], Fixed(**scores), FIT)

    assert asked("1931", "Who built the bridge?").quotes[0].short == "1931"
    assert asked("Berg", "Who built the bridge?") == Findings(0.0, ())
    assert asked("2 May", "Who built the bridge?") == Findings(0.0, ())
    assert asked("Berg", "Was the bridge built?").quotes[0].short == "Berg"
