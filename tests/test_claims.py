"""The claims of a sentence: where one is cut, where none may be, and that nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.claims import claims_of, points_back


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        (
            "The bridge opened in 1931, and the tunnel was closed in 1950.",
            ["The bridge opened in 1931.", "the tunnel was closed in 1950."],
        ),
        (
            "Trump sent a letter to Khamenei; the letter was handed over by an official.",
            ["Trump sent a letter to Khamenei.", "the letter was handed over by an official."],
        ),
        (
            "The US withdrew from the deal in 2018, while Iran has remained a party to it!",
            ["The US withdrew from the deal in 2018.", "Iran has remained a party to it!"],
        ),
        (
            "The council approved the new plan, whereas the mayor rejected the whole idea twice.",
            ["The council approved the new plan.", "the mayor rejected the whole idea twice."],
        ),
        (
            "The sanctions were imposed in January, although the talks had begun in May",
            ["The sanctions were imposed in January.", "the talks had begun in May."],
        ),
        (
            "Iran is ready for talks and Trump is ready for war.",
            ["Iran is ready for talks.", "Trump is ready for war."],
        ),
        (
            # What is told, beside what is told.
            "Khamenei denied he has received any letter, and Araghchi confirmed that he received it.",
            ["Khamenei denied he has received any letter.", "Araghchi confirmed that he received it."],
        ),
        (
            "The bridge was closed in 1931; however, the new tunnel was opened in 1950.",
            ["The bridge was closed in 1931.", "however, the new tunnel was opened in 1950."],
        ),
        (
            "The bridge was closed in 1931, and the tunnel was opened in 1950, but the road has been open to cars.",
            ["The bridge was closed in 1931.", "the tunnel was opened in 1950.", "the road has been open to cars."],
        ),
    ],
)
def test_clauses_of_their_own(sentence: str, claims: list[str]) -> None:
    assert claims_of(sentence) == claims


@pytest.mark.parametrize(
    "second",
    [
        ", and he closed the tunnel in 1950",
        "; it was later closed to all cars",
        " and they never came to the town again",
        ", but his brother was against the whole plan",
        ", while the latter was closed in 1950",
    ],
)
def test_a_clause_that_opens_with_a_pronoun_is_judged_with_the_one_before_it(second: str) -> None:
    first = "Olav was mayor of the town in 1931"
    assert claims_of(f"{first}{second}.") == [f"{first}.", f"{first}{second}."]


def test_a_second_pronoun_goes_back_to_the_same_beginning() -> None:
    first, rest = "The tunnel was closed to cars", "Olav was mayor of the town in 1931"
    sentence = f"{first}, but {rest}, and he opened the tunnel again, but he never drove through the tunnel."
    assert claims_of(sentence) == [
        f"{first}.",
        f"{rest}.",
        f"{rest}, and he opened the tunnel again.",
        f"{rest}, and he opened the tunnel again, but he never drove through the tunnel.",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "and",
        "; and ; and ;",
        "Olav came.",
        # lists
        "He visited Paris, London and Rome in the spring of 1931.",
        "He visited Paris, London and Rome, and the king was in Berlin.",
        "The film was shot in black and white in the summer of 1931.",
        "They repaired the tunnel, the road, and the bridge built in 1931.",
        "The museum bought a white lily of 1931, and a red rose for Anna Lind.",
        "Members are Paris, France; Rome, Italy; and Bern, Switzerland.",
        "The road between Paris and Rome was closed in 1950.",
        "The old king was sure Paris and Rome were lost to him.",
        "The bridge built by Anna Lind and Lee Chang was closed in 1931.",
        "A committee of Serbian and Croatian linguists was asked to prepare a grammar.",
        "They have studied the lives of wrestlers and the effects the work has on them.",
        "China had no unified navy and no sense of how vulnerable she was to attack.",
        # no subject, or no verb that is surely one
        "The plan was backed by the mayor of Rome, and the council elected in 1998.",
        "Anna closed the bridge in 1931 and opened the tunnel in 1950.",
        "The plan was praised by the whole council, but only in part by the mayor.",
        # too little on one side
        "It was cold; it snowed.",
        "The tunnel under the river was closed, and he left.",
        # quotation marks, brackets, numbers
        "“The bridge was closed in 1931, and the tunnel was opened in 1950” is what Lee wrote.",
        'The song "The bridge was closed; the tunnel was opened in 1950" is old.',
        "The paper wrote 'the bridge was closed in 1931, and the tunnel was opened' on Monday.",
        "The bridge (it was closed in 1931, and the tunnel (of 1950) was opened; the road was not) is old.",
        "The report [the bridge was closed in 1931, and the tunnel was opened in 1950",
        "It holds 1,000 and 2,000 is the limit of cars.",
        # told by somebody, for all one knows
        "Lee said the bridge was unsafe in 1931, and the tunnel was closed in 1950.",
        "The bridge was a mistake from the start, and the tunnel was a scandal, Lee said.",
        "The bridge was closed in 1931, according to Lee, and the tunnel was opened in 1950.",
        "It is not true that the bridge was closed, and the tunnel was opened in 1950.",
        # under a condition or a time that may be meant for both
        "If the river rises again in May, and the bridge is closed, the town has no road.",
        "In 1815, Brazil was declared a kingdom, and the tunnel was opened to all.",
        "Also in 1999, Lind was made head of the choir and Lee was made head of the band.",
        "Reportedly, the bridge was closed in 1931, and the tunnel was opened in 1950.",
        "The bridge was closed because the river rose, and the mayor was away in Rome.",
        "Not only was the bridge closed in 1931, but the tunnel was closed too in 1950.",
        "The mayor, who opened the bridge in 1931, and the king was out of town.",
    ],
)
def test_a_sentence_that_stays_whole(sentence: str) -> None:
    assert claims_of(sentence) == [sentence]


CLAUSES = st.sampled_from(
    "the bridge was opened in 1931|Anna Lind denied the whole report|he left the town again|12 people were killed there"
    "|black|the road (it was long; and the town was far) has been closed|“the end; and he was late”|Rome|1,000 cars"
    "|their harbour is open to ships|Iran said talks are futile|in May 2018|the|it's Anna's old red car".split("|")
)
JOINS = st.sampled_from(
    [", and ", " and ", "; ", ", but ", ", while ", ", whereas ", ", although ", "; and ", ", ", " ", "; but "]
)
BUILT = st.lists(st.tuples(CLAUSES, JOINS), min_size=1, max_size=8, unique_by=lambda part: part[0]).map(
    lambda parts: "".join(text + join for text, join in parts)
)
JOIN = re.compile(r"\s*[;,]?\s*(?:(?:and|but|while|whereas|although)\s+)?")


@settings(max_examples=300, deadline=None)
@given(st.one_of(BUILT, BUILT.map(str.strip), st.text(), st.text("and,; ()\"“”'’ABthe was")))
def test_claims_are_pieces_of_the_sentence_in_order_and_lose_nothing_but_what_joins_them(sentence: str) -> None:
    claims = claims_of(sentence)
    if len(claims) == 1:
        assert claims == [sentence]
        return
    covered = 0
    for claim in claims:
        assert len(re.findall(r"\w+", claim)) >= 3
        assert claim[-1] in ".!?…\"'”’»)]"
        piece = claim if claim in sentence else claim.removesuffix(".")
        places = (match.start() for match in re.finditer(f"(?={re.escape(piece)})", sentence))
        start = next(at for at in places if at + len(piece) > covered)
        assert start <= covered or JOIN.fullmatch(sentence[covered:start])
        covered = start + len(piece)
    assert not sentence[covered:].strip()


@pytest.mark.parametrize(
    "text", ["(" * 2000, "'" * 2000, "a and " * 2000, ", said " * 1000, "“" * 2000, "; the " * 1000]
)
def test_no_text_takes_long(text: str) -> None:
    assert claims_of(text) == [text]


@pytest.mark.parametrize(
    "sentence",
    [
        "He said so.",
        "It was closed by the council in 1950.",
        "In 1952 it was closed.",
        "In May 1952, she left.",
        "Two years later he was convicted.",
        "A week later she left.",
        "When the war ended, he left.",
        "As a boy, he sang.",
        "Eventually he was found guilty.",
        "Despite this, they left.",
        "There he died.",
        "One of them died.",
        "Such plans failed.",
        "His brother sold it.",
        "The court sent him to prison in 1952.",
        "This was in May.",
    ],
)
def test_points_back(sentence: str) -> None:
    assert points_back(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Trump said he would.",
        "The president said he would.",
        "The bank sold its house.",
        "Officials said they would.",
        "The tunnel was closed because it leaked.",
        "It is known that Lee came.",
        "It was in 1931 that the bridge opened.",
        "In 1931 Anna opened her shop.",
        "In May, Lee said he left.",
        "The bridge was opened in 1931.",
        "",
    ],
)
def test_names_of_whom_it_speaks(sentence: str) -> None:
    assert not points_back(sentence)


def test_a_clause_on_him_is_judged_with_the_one_that_names_him() -> None:
    whole = "Ada Smith was elected mayor of Wexby in 1948, and the court had sent him to prison in 1952."
    first, second = claims_of(whole)
    assert first == "Ada Smith was elected mayor of Wexby in 1948."
    assert second == whole
