"""What a claim has and its source lacks, each rule by hand."""

from __future__ import annotations

import pytest

from rag.rules import (
    invented_names,
    lacks_number,
    names_of,
    numbers_of,
    other_units,
    strong,
    turned,
    unsaid,
    unseen,
)

SOURCE = "The bridge was opened by Queen Anna in 1931. It carries 12,000 cars. It does not carry trains."


def test_numbers_and_names() -> None:
    assert numbers_of("In 1,200 days, two of 3.5% left; no one came.") == {"1200", "2", "3.5"}
    assert numbers_of("It fell from 5 to -5, then to −7 (–8); 10-20 or COVID-19.") == {
        "5", "-5", "-7", "-8", "10", "20", "19",
    }  # fmt: skip
    assert numbers_of("12,000½ cars on 5 m².") == {"12000", "½", "5", "²"}
    assert names_of("Iran and Mr Araghchi met in Tehran.") == ["Mr", "Araghchi", "Tehran"]


@pytest.mark.parametrize(
    ("claim", "source", "lacks"),
    [
        ("It cost $1.25 billion.", "It cost $1,250 million.", False),
        ("It cost $1.25 billion.", "It cost $1,250,000,000.", False),
        ("It cost $1.25 billion.", "It cost $1,260 million.", True),
        ("It cost $1.25 billion.", "Of 1.25 acres.", False),  # that the unit is another, another rule says
        ("He has 8,000 crystals.", "He has eight thousand crystals.", False),
        ("He has eight thousand crystals.", "He has 8,000.", False),
        ("He has eight thousand crystals in 8 boxes.", "He has 8,000 crystals.", True),
        ("He has eight crystals.", "He has 8,000.", True),
        ("He has 8000.0 crystals.", "He has 8 thousand.", False),
        ("A million came.", "1,000,000 came.", False),
        ("One million came.", "Half a million, or 500,000, came.", False),  # "one" is mostly no number
        ("Twenty-eight thousand came.", "28,000 came.", False),
        ("Two hundred thousand came.", "Some two hundred thousand came.", False),
        ("It fell to -5.", "It fell to 5.", True),
        ("It is 5 m².", "It is 5 m.", True),
        ("It is ½.", "It is 1/2.", True),
        ("Nobody came.", "", False),
        ("٣ came.", "3 came.", True),  # no digit of ASCII: only what it is
    ],
)
def test_a_number_that_stands_there_in_no_form(claim: str, source: str, lacks: bool) -> None:
    assert lacks_number(claim, source) is lacks


def test_names_that_stand_nowhere() -> None:
    assert invented_names("Later Macron met Anna in Paris.", [SOURCE, "A title of Paris"]) == ["Macron"]
    assert invented_names("Macron came.", [SOURCE]) == []  # the first word of a sentence is capitalised anyway


def test_a_name_is_the_same_with_and_without_its_possessive() -> None:
    assert invented_names("They met Iran's and NATO’s men, and Bush.", ["Iran’s letter to Bush's men at NATO"]) == []
    assert invented_names("They met Oman's men of the U.S. navy.", ["Iran’s letter to the US"]) == ["Oman's"]


@pytest.mark.parametrize(
    ("claim", "source", "other"),
    [
        ("It cost $1.7 million.", "It cost 1.7 billion dollars.", True),
        ("It cost $1.7 billion.", "It cost 1.7 billion dollars.", False),
        ("It cost $1.7 million.", "It cost 1.7 million; 1.7 billion were planned.", False),
        ("It fell by 5 percent.", "It fell by 5%.", False),
        ("It fell by 5 miles.", "It fell by 5%.", True),
        ("A walk of 12 kilometres.", "A 12-km walk.", False),
        ("A walk of 12 miles.", "A 12-km walk.", True),
        ("A stay of 3 days.", "A stay of 3 months.", True),
        ("A stay of 3 months.", "A 3-month stay.", False),
        ("It took 3 days.", "Of 3 boats one sank.", False),
        ("There were 3 boats.", "It took 3 days.", False),
    ],
)
def test_a_number_with_another_unit(claim: str, source: str, other: bool) -> None:
    assert other_units(claim, source) is other


@pytest.mark.parametrize(
    ("claim", "source", "more"),
    [
        ("All members voted.", "Several members voted.", True),
        ("All members voted.", "Each of the members voted.", False),
        ("Most members voted.", "Some members voted.", True),
        ("Most members voted.", "The members largely voted.", False),
        ("It is the largest network.", "It is a major network.", False),
        ("It is the largest network.", "It is a network.", True),
        ("It was the first bridge.", "It is a bridge.", True),
        ("Only Anna came.", "Anna came.", True),
        ("Anna always came.", "Anna came.", True),
        ("Anna came.", "Anna always came first.", False),
        ("The almost finished bridge.", "The bridge.", False),
    ],
)
def test_a_word_that_claims_more(claim: str, source: str, more: bool) -> None:
    assert strong(claim, source) is more


@pytest.mark.parametrize(
    ("claim", "source", "is_unsaid"),
    [
        ("The bridge was opened.", "The bridge is planned to be opened.", True),
        ("The bridge was opened.", "It is a myth that the bridge was opened.", True),
        ("Growth falls by 2%.", "Growth falls by up to 2%.", True),
        ("The bridge was opened.", "If paid for, the bridge opened.", True),
        ("The bridge was opened.", "The bridge was opened. Trains may come.", False),
    ],
)
def test_what_the_nearest_sentence_leaves_open(claim: str, source: str, is_unsaid: bool) -> None:
    assert unsaid(claim, source) is is_unsaid


def test_a_negation_turned() -> None:
    assert turned("It does carry trains.", SOURCE)
    assert not turned("It doesn't carry trains.", SOURCE)


def test_the_share_of_words_that_the_text_lacks() -> None:
    # content words: bridge, carries, elephants: one of three is not in the source
    assert unseen("The bridge carries elephants", SOURCE) == pytest.approx(1 / 3)
    assert unseen("In 1931 and 1932", SOURCE) == pytest.approx(1 / 2)
    assert unseen("It carries 12000 cars", SOURCE) == 0.0
    assert unseen("It is the", SOURCE) == 1.0
