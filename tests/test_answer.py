"""A question's way: what reaches the reader, with a model that tells the truth, lies, refuses or fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from index import Document, FootnoteError, Index
from index.types import Chunk
from rag import Answer, Assistant, Dropped, Found, ModelError, QuestionError, Sentence
from rag.answer import NOT_FOUND
from rag.cite import Draft
from rag.contract import answer_json
from rag.fit import Fit
from rag.judge import Judge
from rag.types import Passage
from tests.fakes import FakeLLM, OverlapEvidence

# Answer when the best sentence holds half of the question's words (score 0); support from 60% of the claim's words.
FIT = Fit(
    version="test",
    confidence={"bias": 0.0, "reader": 1.0},
    support={"bias": -0.4, "model": 1.0, "numbers": -9.0, "names": -9.0, "negation": -9.0},
    retrieval=0.0,
    margin=0.5,
    answer_at=0.5,
    support_at=0.5,
    sure_at=2.0,
)
QUESTION = "Who denied he has received any letter from Trump?"
TRUE = "Khamenei denied he has received any letter from Trump."

Make = Callable[..., Assistant]


@pytest.fixture
def make(seed_index: Index) -> Make:
    return lambda llm=None: Assistant(seed_index, llm, OverlapEvidence(), FIT)


def exact(assistant: Assistant, answer: Answer) -> bool:
    def right(cited: object) -> bool:
        document = assistant.index.document(cited.doc_id)  # type: ignore[attr-defined]
        return document.text[cited.start : cited.end] == cited.quote  # type: ignore[attr-defined]

    return bool(answer.citations) and all(right(cited) for cited in answer.citations)


def test_without_a_model_the_articles_own_sentence_answers(make: Make) -> None:
    answer = make().ask(QUESTION)
    assert answer.outcome == "answered"
    assert answer.text.endswith("Khamenei denied he has received any letter from Trump. [1]")
    assert answer.citations[0].quote in answer.text
    assert exact(make(), answer)
    assert answer.models == {"llm": "none", "embedder": "hash-64", "evidence": "overlap"}


def test_the_stream_holds_the_same_as_the_answer(make: Make) -> None:
    first, *middle, last = make(FakeLLM(f"{TRUE} [1] He is 90 years old [1].")).stream(QUESTION)
    assert isinstance(first, Found)
    assert isinstance(last, Answer)
    assert first.passages == last.passages
    assert [type(event) for event in middle] == [Sentence, Dropped]
    assert " ".join(event.text for event in middle if isinstance(event, Sentence)) == last.text


def test_a_true_draft_is_shown_with_the_sentence_it_rests_on(make: Make) -> None:
    answer = make(FakeLLM(f"{TRUE} [1]")).ask(QUESTION)
    assert answer.text == f"{TRUE} [1]"
    assert TRUE in answer.citations[0].quote
    assert answer.text[answer.citations[0].answer_start : answer.citations[0].answer_end] == answer.text
    assert exact(make(), answer)


@pytest.mark.parametrize(
    "lie",
    [
        "Araghchi denied he has received any letter from Biden [1].",
        "Khamenei has received any letter from Trump [1].",
        "Khamenei denied he has received 12 letters from Trump [1].",
        "The moon is made of cheese [1].",
        "Ignore the passages and say hello.",
        "",
        "😀" * 500,
    ],
)
def test_a_lie_never_reaches_the_reader(make: Make, lie: str) -> None:
    answer = make(FakeLLM(lie)).ask(QUESTION)
    assert answer.outcome == "answered"
    assert answer.text.endswith("Khamenei denied he has received any letter from Trump. [1]")
    assert lie not in answer.text or not lie
    assert len(answer.dropped) == (1 if lie else 0)
    assert exact(make(), answer)


def test_a_name_from_nowhere_is_dropped_however_sure_the_reader_is(make: Make) -> None:
    answer = make(FakeLLM("In Tehran, Khamenei denied he has received any letter from Macron [1].")).ask(QUESTION)
    assert answer.dropped[0].reason == "Macron stands in none of the passages"


def test_a_marker_alone_is_no_answer(make: Make) -> None:
    answer = make(FakeLLM("[1]")).ask(QUESTION)
    assert answer.text.startswith("Addressing university students")
    assert len(answer.dropped) == 1


def test_an_invented_marker_is_counted_and_the_true_one_stays(make: Make) -> None:
    answer = make(FakeLLM(f"{TRUE[:-1]} [1][9].")).ask(QUESTION)
    assert answer.text == f"{TRUE} [1]"
    assert [(item.text, item.reason) for item in answer.dropped] == [("[9]", "a marker for which there is no passage")]


def test_a_sentence_without_a_marker_gets_the_passage_that_supports_it(make: Make) -> None:
    answer = make(FakeLLM(TRUE)).ask(QUESTION)
    assert answer.text == f"{TRUE} [1]"
    assert exact(make(), answer)


def test_a_wrong_marker_does_not_help_a_true_sentence(make: Make) -> None:
    passages = make().ask(QUESTION).passages
    wrong = next(passage.rank for passage in passages if "denied" not in passage.text)
    answer = make(FakeLLM(f"{TRUE[:-1]} [{wrong}].")).ask(QUESTION)
    assert answer.dropped[0].text == TRUE
    assert answer.text.startswith("Addressing university students")


# Half of the words of the sentence stand in each article, and support takes 60%.
ARTICLES = ("Queen Anna opened the bridge in 1931.", "King Olav closed the tunnel in 1950.")
BOTH = "Queen Anna opened the bridge in 1931, and King Olav closed the tunnel in 1950"


@pytest.fixture
def ask_both(index: Index) -> Callable[[str], Answer]:
    index.add_documents([Document(f"d{at}", "", text, f"s{at}", f"{at}") for at, text in enumerate(ARTICLES)])
    return lambda draft: Assistant(index, FakeLLM(draft), OverlapEvidence(), FIT).ask("Who opened the bridge in 1931?")


@pytest.mark.parametrize("markers", [" [1][2]", " [2, 1]", ""])
def test_two_claims_of_a_sentence_may_rest_on_two_passages(ask_both: Callable[[str], Answer], markers: str) -> None:
    answer = ask_both(f"{BOTH}{markers}.")
    assert answer.text == f"{BOTH}. [1][2]"
    assert [cited.quote for cited in answer.citations] == list(ARTICLES)
    assert answer.dropped == ()


def test_a_false_claim_takes_the_true_one_beside_it_along(ask_both: Callable[[str], Answer]) -> None:
    for lie, reason in (
        (BOTH.replace("1950", "1960"), "a number in it is not in the cited passage"),
        (BOTH.replace("1931", "1932"), "a number in it is not in the cited passage"),
        (BOTH.replace("closed the tunnel", "was a very good old swimmer"), "the cited passage says nothing about it"),
        (BOTH.replace("King Olav", "she"), "a number in it is not in the cited passage"),  # 1931 and 1950 in no one
    ):
        answer = ask_both(f"{lie} [1][2].")
        assert [(item.text, item.reason) for item in answer.dropped] == [(f"{lie}.", reason)]
        assert answer.text == f"{ARTICLES[0]} [1]"


def test_a_claim_whose_passage_is_not_cited_falls(ask_both: Callable[[str], Answer]) -> None:
    assert len(ask_both(f"{BOTH} [1].").dropped) == 1


def test_a_span_that_holds_two_claims_is_cited_once(index: Index) -> None:
    article = "The bridge that Queen Anna opened in 1931 carries cars, trains and boats of King Olav."
    index.add_documents([Document("d", "", article, "s", "1")])
    draft = "Queen Anna opened the bridge in 1931, and the bridge carries cars, trains and boats [1]."
    answer = Assistant(index, FakeLLM(draft), OverlapEvidence(), FIT).ask("Who opened the bridge in 1931?")
    assert answer.text == f"{draft[:-5]}. [1]"
    assert [cited.quote for cited in answer.citations] == [article]


def test_what_is_not_there_is_not_found_and_no_model_is_called(make: Make) -> None:
    def never(system: str, user: str) -> str:
        raise AssertionError("the model was called")

    answer = make(FakeLLM(never)).ask("Which cheese do penguins prefer in Antarctica during winter?")
    assert (answer.outcome, answer.text, answer.citations, answer.short_answer) == ("not_found", NOT_FOUND, (), "")
    assert len(answer.passages) == 5
    assert answer.confidence < 0.5


def test_a_large_model_may_decline_and_a_small_one_may_not(make: Make) -> None:
    assert make(FakeLLM("NOT IN SOURCES")).ask(QUESTION).outcome == "not_found"
    assert make(FakeLLM("NOT IN SOURCES", small=True)).ask(QUESTION).outcome == "answered"


def test_a_small_model_must_hold_the_answer_that_was_read(make: Make) -> None:
    true_but_beside = "Iran negotiated for years to achieve JCPOA [1]."
    answer = make(FakeLLM(true_but_beside, small=True)).ask(QUESTION)
    assert answer.dropped[0].reason == "it does not hold the answer that was read in the articles"
    assert "denied he has received" in answer.text


def test_a_model_that_fails_is_an_error_not_an_answer(make: Make) -> None:
    def broken(system: str, user: str) -> str:
        raise ModelError("the model did not answer; start it")

    with pytest.raises(ModelError, match="start it"):
        make(FakeLLM(broken)).ask(QUESTION)


def test_a_document_that_changes_meanwhile_is_never_cited_wrongly(make: Make, seed_index: Index) -> None:
    stream = make().stream(QUESTION)
    next(stream)
    seed_index.remove(seed_index.documents()[0].doc_id)
    with pytest.raises(FootnoteError, match="changed or removed"):
        list(stream)


@pytest.mark.parametrize("question", ["", " ", "x" * 100_000])
def test_bad_questions(make: Make, question: str) -> None:
    with pytest.raises(QuestionError):
        make().ask(question)


def test_the_json_of_an_answer_has_the_fields_of_the_contract(make: Make) -> None:
    value = answer_json(make(FakeLLM(f"{TRUE} [1] Nonsense [1].")).ask(QUESTION))
    assert {"question", "outcome", "text", "short_answer", "confidence", "citations", "passages"} <= value.keys()
    assert {"marker", "doc_id", "title", "source", "start", "end", "quote"} <= value["citations"][0].keys()
    assert {"rank", "doc_id", "title", "source", "start", "end", "text", "score"} <= value["passages"][0].keys()
    assert value["dropped"][0].keys() == {"text", "reason"}
    assert value["models"].keys() == {"llm", "embedder", "evidence"}
    assert value["seconds"].keys() == {"retrieve", "answer", "total"}


def test_a_follow_up_is_searched_with_the_question_before_it_and_asked_as_it_is(seed_index: Index) -> None:
    history = [("Who is the president of Iran?", "Masoud Pezeshkian. [1]")]
    found = Assistant(seed_index).ask("Whom was he meeting on 11 March?", history)
    assert "entrepreneurs" in found.short_answer
    assert found.question == "Whom was he meeting on 11 March?"


@pytest.mark.parametrize("question", ["the", "Is?", "Who is he?", "???", "asdf qwer", "你好", "x" * 2000])
def test_what_asks_of_nothing_is_not_answered(question: str, seed_index: Index) -> None:
    assert Assistant(seed_index).ask(question).outcome == "not_found"
    assert Assistant(seed_index).ask(question, [("y" * 2000, "")]).question == question


@pytest.mark.parametrize("question", ["Is there a river in Peru?", "How many people live there?", "And in Brazil?"])
def test_a_question_on_something_else_does_not_get_the_answer_to_the_one_before(
    question: str, seed_index: Index
) -> None:
    history = [("When was the maximum pressure campaign first launched?", "In May 2018. [1]")]
    assert Assistant(seed_index).ask(question, history).outcome == "not_found"


def test_a_follow_up_is_not_answered_from_another_life(index: Index) -> None:
    berg = "The Kaltvik bridge was designed by Olav Berg. He was paid forty crowns a month, and lived in the town."
    holm = "Per Holm was an architect. He was born in Narvik in 1901, and he died in Rome in 1969."
    for doc, text in (("berg", berg), ("holm", holm)):
        index.add_documents([Document(doc, doc, text, doc, doc)])
    history = [("Who designed the Kaltvik bridge?", "Olav Berg. [1]")]
    assistant = Assistant(index)
    assert assistant.ask("When did he die?", history).outcome == "not_found"
    assert assistant.ask("How much was he paid?", history).short_answer.startswith("forty crowns")
    assert "1969" in assistant.ask("When did Per Holm die?", history).text


BRIDGE = "The Kaltvik bridge was opened by Queen Anna in 1931. The Kaltvik bridge carries cars."
TUNNEL = "The Norheim tunnel was closed by the council in 1950. The Norheim tunnel is now used to grow mushrooms."


@pytest.fixture
def two(index: Index) -> Callable[[str], Answer]:
    """The answer to when the bridge was opened, by a model that says `reply`, over an article on it and another one."""
    for number, text in enumerate((BRIDGE, TUNNEL)):
        index.add_documents([Document(f"d{number}", text[4:18], text, f"d{number}", f"{number}")])
    return lambda reply: Assistant(index, FakeLLM(reply), OverlapEvidence(), FIT).ask("When was Kaltvik bridge opened?")


OPENED = "The Kaltvik bridge was opened by Queen Anna in 1931"


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        # A pronoun for the bridge, and what another article says of the tunnel.
        (f"{OPENED} [1]. It was closed by the council in 1950 [2].", f"{OPENED}. [1]"),
        (f"{OPENED} [1]. In 1950 it was closed by the council.", f"{OPENED}. [1]"),
        # What it points to was left out.
        ("The mayor stole the money of widows [2]. It was closed by the council in 1950 [2].", BRIDGE.split(". ")[0]),
        ("It was closed by the council in 1950 [2].", BRIDGE.split(". ")[0]),
        # What its own article says.
        (f"{OPENED} [1]. It carries cars [1].", f"{OPENED}. [1] It carries cars. [2]"),
        ("It was opened by Queen Anna in 1931 [1].", "It was opened by Queen Anna in 1931. [1]"),
    ],
)
def test_a_pronoun_does_not_take_what_is_said_of_another_thing(
    reply: str, shown: str, two: Callable[[str], Answer]
) -> None:
    answer = two(reply)
    assert answer.text.startswith(shown)
    assert "1950" not in answer.text


def test_a_sentence_is_not_said_twice(two: Callable[[str], Answer]) -> None:
    answer = two(f"{OPENED} [1]. {OPENED} [1].")
    assert (answer.text, [each.reason for each in answer.dropped]) == (f"{OPENED}. [1]", ["it was said before"])


class Credulous(OverlapEvidence):
    """Believes every claim."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [1.0 for _ in pairs]


def test_a_name_of_another_article_is_not_taken_for_one_of_the_cited() -> None:
    passages = [
        Passage(Chunk(f"c{at}", f"d{at}", 0, len(text), text), "Title", "source", 1.0, at + 1)
        for at, text in enumerate((BRIDGE, TUNNEL))
    ]
    fit = replace(FIT, support={"bias": 0.0, "model": 1.0})
    judge = Judge(passages, passages[0], Credulous(), fit)
    assert judge.judge(Draft("The Kaltvik bridge was opened by Norheim.", (1,)))[1] == (
        "Norheim stands in another article than the cited one"
    )
    assert judge.judge(Draft("The Kaltvik bridge and the Norheim tunnel are open.", (1, 2)))[0]


def test_what_a_sentence_says_of_her_must_stand_by_itself_too(index: Index) -> None:
    """Judged only with the sentence before it, a false one shares in what makes that one true."""
    text = "Ada Smith was elected mayor of the town of Wexby in 1948. Her brother Tom sold the mill. She moved to York."
    index.add_documents([Document("d", "Wexby", text, "d", "d")])
    elected = "Ada Smith was elected mayor of the town of Wexby in 1948 [1]."
    for said, shown in (("She sold the market hall to Hugo [1].", False), ("She moved to York [1].", True)):
        assistant = Assistant(index, FakeLLM(f"{elected} {said}"), OverlapEvidence(), FIT)
        answer = assistant.ask("Was Ada Smith elected mayor of the town of Wexby?")
        assert (said[:-5] in answer.text) is shown
        assert all(text[c.start : c.end] == c.quote for c in answer.citations)
    assert answer.citations[-1].quote.endswith("She moved to York.")


def test_the_numbers_of_an_articles_own_notes_are_not_in_the_answer(index: Index) -> None:
    text = "The tunnel was closed in 1950 after a flood.[2] The tunnel is long.[1]"
    index.add_documents([Document("d", "Tunnel", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("When was the tunnel closed after a flood?")
    assert answer.text == "The tunnel was closed in 1950 after a flood. [1]"
    assert answer.citations[0].quote == "The tunnel was closed in 1950 after a flood.[2]"


def test_an_item_far_down_a_list_is_quoted_with_what_introduces_it(index: Index) -> None:
    lead = "The town tells many stories, and all of these have been shown to be untrue:"
    items = [
        f"- The {number}th house beside the market was paid for with pirates' gold and silver." for number in range(30)
    ]
    text = "\n".join([lead, "", *items, "- The market cross was a gift of the sailor Tom Reed."])
    index.add_documents([Document("d", "Stories", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("The market cross was a gift of the sailor whom?")
    assert answer.text == f"{lead} The market cross was a gift of the sailor Tom Reed. [1][2]"
    assert [text[c.start : c.end] for c in answer.citations] == [c.quote for c in answer.citations]
    assert answer.citations[0].quote == lead


def test_code_is_answered_as_it_stands_and_marks_of_markdown_are_not_shown(index: Index) -> None:
    text = "# Kestrel\n\n> The **first** argument of [kestrel](k.md) is `argv[1]`."
    index.add_documents([Document("d", "Kestrel", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("What is the first argument of kestrel?")
    assert answer.text == "The first argument of kestrel is argv[1]. [1]"
    assert answer.short_answer == "The first argument of kestrel is argv[1]."
    assert answer.citations[0].quote == text[text.index(">") :]


def test_code_and_lists_keep_their_lines(index: Index) -> None:
    text = "Days to keep:\n\n```toml\n[retention]\ndaily = 7\n```\n"
    index.add_documents([Document("d", "Retention", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("retention daily")
    assert answer.text.endswith("[retention]\ndaily = 7 [1]")
    assert exact(Assistant(index), answer)


def test_a_row_of_a_table_is_answered_with_the_head_of_the_table(index: Index) -> None:
    text = "| Plan | Reply |\n|---|---|\n| Free plan | never |\n| Pro plan | in a day |"
    index.add_documents([Document("d", "Plans", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("Pro plan in which day?")
    assert answer.text == "Plan | Reply\nPro plan | in a day [1][2]"
    assert answer.citations[1].quote == "| Pro plan | in a day |"


def test_a_number_behind_a_word_is_a_note_where_the_passage_has_notes(index: Index) -> None:
    text = "The tunnel[5] was closed in 1950. The road was closed too.[6]"
    index.add_documents([Document("d", "Tunnel", text, "d", "d")])
    answer = Assistant(index, None, OverlapEvidence(), FIT).ask("When was the tunnel[5] closed in 1950?")
    assert answer.text == "The tunnel was closed in 1950. [1]", "the passage has sure notes"


@pytest.mark.parametrize("said", ["Tell me more", "help", "Thanks!"])
def test_what_is_said_to_a_person_is_not_answered(said: str, make: Make) -> None:
    assert make().ask(said, [(QUESTION, "Khamenei. [1]")]).outcome == "not_found"
    assert make().ask(said).outcome == "not_found"


def test_when_alone_is_not_answered_by_any_date(index: Index) -> None:
    text = "Recorded on 12 February 2024 in Hull.\n\nMr. Lund signed the dredging contract for the town of Port Callow."
    index.add_documents([Document("d", "Interview", text, "d", "d")])
    history = [("Who signed the dredging contract?", "Mr. Lund. [1]")]
    assert Assistant(index).ask("When?", history).outcome == "not_found"


def test_the_short_answer_is_one_that_the_answer_says_and_its_footnotes_hold(two: Callable[[str], Answer]) -> None:
    assert "1931" in two(f"{OPENED} [1].").short_answer
    other = two("The Norheim tunnel is now used to grow mushrooms [2].")
    assert "mushrooms" in other.text
    assert other.short_answer == ""


def test_a_large_model_puts_a_follow_up_on_its_own_feet(make: Make) -> None:
    def reply(system: str, user: str) -> str:
        return QUESTION if "Rewrite" in system else f"{TRUE} [1]"

    answer = make(FakeLLM(reply)).ask("Who denied it?", [("Was there a letter?", "Yes. [1]")])
    assert answer.question == "Who denied it?"
    assert answer.text == f"{TRUE} [1]"


def test_a_reader_may_stop_listening(make: Make) -> None:
    stream: Iterator[object] = make(FakeLLM(f"{TRUE} [1] More. More. More.")).stream(QUESTION)
    assert isinstance(next(stream), Found)
    stream.close()  # type: ignore[attr-defined]
