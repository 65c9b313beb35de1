"""The check of a claim: each rule by hand, and the place that a claim rests on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.fit import Fit, logit, probability
from rag.verify import (
    UNSUPPORTED,
    Judged,
    check,
    check_claims,
    features,
    model_support,
    reason,
    supported,
)
from tests.fakes import OverlapEvidence

SOURCE = "The bridge was opened by Queen Anna in 1931. It carries 12,000 cars. It does not carry trains."
# Weights one can add up: support when the model's logit beats two points for each broken rule.
PLAIN = Fit(
    version="test",
    confidence={"bias": 0.0},
    support={"bias": 0.0, "model": 1.0, "numbers": -2.0, "names": -2.0, "negation": -2.0},
    retrieval=1.0,
    margin=1.0,
    answer_at=0.5,
    support_at=0.5,
    sure_at=2.0,
)


def judged(probability: float, place: str = SOURCE) -> Judged:
    """That much for the whole and the best part, which is `place`."""
    start = SOURCE.index(place)
    return Judged(probability, probability, (start, start + len(place)))


@pytest.mark.parametrize(
    ("claim", "broken"),
    [
        ("The bridge was opened in 1931.", {}),
        ("The bridge was opened in 1932.", {"numbers": 1.0}),
        ("It carries 12000 cars.", {}),
        ("The bridge was opened by Queen Maria.", {"names": 1.0}),
        ("The bridge was opened by Lord Byron Smith.", {"names": 2.0}),
        ("It does carry trains.", {"negation": 1.0}),
        ("It doesn't carry trains.", {}),
        ("It carries no cars.", {"negation": 1.0}),
        ("It carries fourteen cars.", {"numbers": 1.0}),
        ("It carries 12,000 tons of cars.", {}),
        ("It carries all the cars.", {"strong": 1.0}),
    ],
)
def test_each_rule(claim: str, broken: dict[str, float]) -> None:
    found = features(claim, SOURCE, judged(0.5))
    assert {
        name: found[name] for name in ("numbers", "units", "names", "strong", "scope", "negation") if found[name]
    } == broken


def test_a_number_that_the_source_lacks_fails_a_claim_however_sure_the_model_is() -> None:
    weights = {"bias": 0.0, "model": 1.0}
    assert supported(features("It carries 12,000 cars.", SOURCE, judged(0.99)), weights) == pytest.approx(0.99)
    assert supported(features("It carries 13,000 cars.", SOURCE, judged(0.99)), weights) == 0.0


def test_reasons_name_the_first_broken_rule() -> None:
    def why(claim: str) -> str:
        return reason(features(claim, SOURCE, judged(0.5)))

    assert "number" in why("The bridge was opened in 1932.")
    assert "name" in why("The bridge was opened by Queen Maria.")
    assert "denies" in why("It does carry trains.")
    assert "nothing about it" in why("Elephants enjoy bathing.")
    assert "does not support" in why("The bridge was opened.")


def test_a_verdict_points_to_the_sentence_that_holds_the_claim() -> None:
    other, right = check("It carries 12,000 cars.", ["Nothing here.", SOURCE], OverlapEvidence(), PLAIN)
    assert right.probability > 0.5 > other.probability
    assert SOURCE[slice(*right.span)] == "It carries 12,000 cars."


def test_a_claim_on_two_sentences_points_to_both() -> None:
    (verdict,) = check("Queen Anna opened it and it carries 12,000 cars.", [SOURCE], OverlapEvidence(), PLAIN)
    assert SOURCE[slice(*verdict.span)] == "The bridge was opened by Queen Anna in 1931. It carries 12,000 cars."


class Deaf(OverlapEvidence):
    """Supports nothing."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [0.0 for _ in pairs]


def test_a_whole_sentence_repeated_is_supported_and_a_part_of_one_is_not() -> None:
    def judged(claim: str) -> float:
        return check(claim, [SOURCE], Deaf(), PLAIN)[0].probability

    assert judged("It  does not carry\ntrains.") == 1.0
    assert judged("It carries 12,000 cars. It does not carry trains.") == 1.0
    assert judged("carry trains.") < 0.5


class Short(OverlapEvidence):
    """The surer the shorter the text."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [1 / len(text) for _, text in pairs]


def test_the_whole_and_the_best_part_are_told_apart() -> None:
    ((judged,),) = model_support([("It carries cars.", ["One two three. Four. Five six."])], Short())
    assert (judged.best, judged.whole) == (1 / 5, 1 / 30)
    assert judged.span == (15, 20)
    ((alone,),) = model_support([("It carries cars.", ["Four."])], Short())
    assert (alone.best, alone.whole, alone.span) == (1 / 5, 1 / 5, (0, 5))
    found = features("It carries cars.", "Four.", Judged(0.2, 0.5, (0, 5)))
    assert found["model"] == pytest.approx(-1.386, abs=1e-3)
    assert found["whole"] == 0.0


def test_each_claim_of_a_sentence_is_judged() -> None:
    sentence = "Queen Anna opened the bridge in 1931, and the bridge carries 12,000 cars."
    first, second = check_claims(sentence, [SOURCE, "Nothing here."], OverlapEvidence(), PLAIN)
    assert [SOURCE[slice(*verdicts[0].span)] for verdicts in (first, second)] == [
        "The bridge was opened by Queen Anna in 1931.",
        "The bridge was opened by Queen Anna in 1931. It carries 12,000 cars.",
    ]
    assert first[0].probability > 0.5 > first[1].probability


def test_a_sentence_with_two_claims_that_is_repeated_to_the_letter_is_supported() -> None:
    sentence = "The bridge was opened in 1931, and the tunnel was closed in 1950."
    assert len(check_claims(sentence, ["Nothing here."], Deaf(), PLAIN)) == 2
    (verdicts,) = check_claims(sentence, ["Nothing here.", f"Rain fell. {sentence}"], Deaf(), PLAIN)
    assert [verdict.probability == 1.0 for verdict in verdicts] == [False, True]


class Names(OverlapEvidence):
    """Sure of what one sentence of its list says, and of nothing else at all."""

    def __init__(self, *true: str) -> None:
        self._true = true

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [0.98 if claim in self._true else 0.2 for claim, _ in pairs]


def test_a_rival_that_is_supported_is_named_as_the_reason() -> None:
    text = "Anna Berg defeated Karl Lund. It rained."
    evidence = Names("Anna Berg defeated Karl Lund.")
    (verdict,) = check("Karl Lund defeated Anna Berg.", [text], evidence, PLAIN)
    assert verdict.reason == "the cited passage rather supports: Anna Berg defeated Karl Lund."
    (verdict,) = check("Karl Lund defeated Anna Berg.", [text], Deaf(), PLAIN)
    assert verdict.reason == UNSUPPORTED
    (verdict,) = check(
        "Anna Berg defeated Karl Lund indeed.", [text], Names("Anna Berg defeated Karl Lund indeed."), PLAIN
    )
    assert verdict.reason == UNSUPPORTED  # and it stands, so that nobody reads the reason
    assert verdict.probability > 0.9


@pytest.mark.parametrize("claim", ["", "!!!", "the of", "😀" * 50, "x" * 10_000])
def test_a_claim_without_content_is_not_supported(claim: str) -> None:
    assert check(claim, [SOURCE], OverlapEvidence(), PLAIN)[0].probability <= 0.5
    assert check(claim, [""], OverlapEvidence(), PLAIN)[0].probability <= 0.5
    assert check(claim, [], OverlapEvidence(), PLAIN) == []


def test_probability_and_logit() -> None:
    assert probability({"bias": 0.0, "a": 2.0}, {"a": 0.0, "unknown": 9.0}) == 0.5
    assert probability({"bias": 1.0, "a": 2.0}, {"a": 1.0}) == pytest.approx(0.9526, abs=1e-4)
    assert probability({"bias": 1e9}, {}) < 1.0
    assert logit(0.5) == 0.0
    assert (logit(0.0), logit(1.0)) == pytest.approx((-9.21, 9.21), abs=0.01)


def test_an_item_of_a_list_copied_without_what_denies_it_is_judged_as_any_claim() -> None:
    text = "None of these claims is true:\n\n- Mayor Dahl took bribes from the company.\n- The piers are of sand."
    item = "- Mayor Dahl took bribes from the company."
    whole = "None of these claims is true: - Mayor Dahl took bribes from the company."
    lifted, led = (check(claim, [text], OverlapEvidence(), PLAIN)[0] for claim in (item, whole))
    assert led.probability == 1.0
    assert text[slice(*led.span)].split() == whole.split()
    assert lifted.probability < 1.0
    assert text[slice(*lifted.span)].startswith("None of these")


def test_a_piece_of_an_overlong_sentence_is_no_copy_of_it() -> None:
    long = "The commission found, " + "after it had heard many people of the town, " * 15 + "that nobody took bribes."
    piece = long[: long.rindex(" ", 0, 600)]
    assert check(long, [long], OverlapEvidence(), PLAIN)[0].probability == 1.0
    assert check(piece, [long], OverlapEvidence(), PLAIN)[0].probability < 1.0


@pytest.mark.parametrize(
    ("source", "claim", "probability"),
    [
        ("If Dahl took bribes, he hid it.", "Dahl took bribes.", 0.0),
        ("His enemies claimed that Dahl took bribes.", "Dahl took bribes.", 0.0),
        ("The bridge may have been sold.", "The bridge have been sold.", 0.0),
        ("The story that Dahl took bribes was an invention.", "Dahl took bribes.", 0.0),
        # Said with the claim, or of a month.
        ("His enemies claimed that Dahl took bribes.", "Enemies claimed Dahl took bribes.", 0.9),
        ("Lee claims that Dahl took bribes.", "Lee claimed that Dahl took bribes.", 0.5),
        ("Dahl took bribes in May 1950.", "Dahl took bribes.", 0.9),
        # Said of something else.
        ("Dahl took bribes. If it rains, we stay.", "Dahl took bribes.", 0.9),
    ],
)
def test_what_is_said_under_a_condition_or_as_a_claim_is_not_said(source: str, claim: str, probability: float) -> None:
    found = check(claim, [source], OverlapEvidence(), PLAIN)[0]
    assert found.probability >= probability
    assert (found.probability == 0.0) is (probability == 0.0)
