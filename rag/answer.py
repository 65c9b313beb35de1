"""The question's way, on one screen: retrieve, read, draft, check, answer.

Nothing reaches the reader as an answer that its footnotes do not support: a drafted sentence is released only after
its check, so the stream, too, holds checked sentences alone. When no sentence stands, the articles' own words
answer; when the articles do not say, the answer is that they do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Self

from index import FootnoteError, Index
from index.catalog import query_words
from index.chunk import is_item, lead_in, sentences
from index.settings import settings
from rag import fit as fits
from rag.cite import Draft, Numbering, citation, drafts, place
from rag.crossencoder import Checker, Reranker
from rag.evidence import Evidence, EvidenceModel
from rag.fit import Fit
from rag.followup import content, context, is_chat, put, taken_up
from rag.judge import Judge
from rag.llm import LLM, open_llm
from rag.plain import shown
from rag.prompt import NOT_IN_SOURCES, condense, draft_small
from rag.prompt import draft as draft_prompt
from rag.read import Findings, Quote, more_than, on_topic, read
from rag.retrieve import MAX_QUESTION, checked, default_reranker, opened, retrieve
from rag.types import Answer, Citation, Dropped, Event, Found, Outcome, Passage, Sentence

TOP_K = 5  # passages read: recall@5 was 0.971, recall@3 0.958 on the development set (docs/log.md)
LONGEST_LIST = 20_000  # characters; what introduces a longer one is not looked for
NOT_FOUND = "The articles do not say."

History = Sequence[tuple[str, str]]


@dataclass
class _Run:
    """What one question gathers on its way."""

    question: str
    began: float = field(default_factory=perf_counter)
    retrieved: float = 0.0
    passages: tuple[Passage, ...] = ()
    findings: Findings = field(default_factory=lambda: Findings(0.0, ()))
    sentences: list[Sentence] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    declined: bool = False
    numbering: Numbering = field(default_factory=Numbering)


class Assistant:
    """Answers questions from one index. Open it with `Assistant.open`; it may be shared between threads."""

    def __init__(
        self,
        index: Index,
        llm: LLM | None = None,
        evidence: Evidence | None = None,
        fit: Fit | None = None,
        reranker: Reranker | None = None,
    ):
        """`evidence`, `reranker`: by default those of the settings; `fit`: by default the one of that evidence."""
        self.index = index
        self.llm = llm
        self._evidence = evidence
        self._checker = None if evidence else settings().checker
        self.fit = fit or (_unfitted(fits.shipped()) if self._checker else fits.shipped())
        self.reranker = reranker or default_reranker()

    @classmethod
    def open(cls, index: Index | str | Path | None = None, llm: str | None = None) -> Self:
        """`index`: an open one, or its folder; by default the settings'. `llm`: a spec as in `footnote ask --llm`.

        Raises ModelError for a spec that names no usable model.
        """
        return cls(opened(index), open_llm(settings().llm if llm is None else llm))

    @cached_property
    def evidence(self) -> Evidence:
        """The reader, loaded at the first question."""
        if self._evidence:
            return self._evidence
        bundled = EvidenceModel.load()
        return Checker(bundled, self._checker) if self._checker else bundled

    def ask(self, question: str, history: History = ()) -> Answer:
        """The checked answer. `history`: earlier (question, answer text) of the same conversation.

        Raises QuestionError, IndexStateError or ModelError; an answer that is not in the articles is no error but
        `outcome == "not_found"`.
        """
        *_, last = self.stream(question, history)
        assert isinstance(last, Answer)
        return last

    def stream(self, question: str, history: History = ()) -> Iterator[Event]:
        """Events in order: `Found`, then `Sentence` and `Dropped` as they are checked, last the whole `Answer`."""
        run = _Run(checked(question))
        asked, before = self._put(run.question, history)
        run.passages = tuple(retrieve(f"{before} {asked}"[-MAX_QUESTION:], TOP_K, self.index, self.reranker))
        run.retrieved = perf_counter()
        yield Found(run.passages)
        about = on_topic(before, run.passages, self.evidence, self.fit) if before else run.passages
        if (before or content(asked)) and not is_chat(asked):
            run.findings = read(asked, about, self.evidence, self.fit)
            if before and (earlier := taken_up(run.question, history)):
                run.findings = more_than(earlier, run.findings, about, self.evidence, self.fit)
        if run.findings.confidence >= self.fit.answer_at:
            if self.llm:
                yield from self._draft(run, asked, self.llm)
            if not run.sentences and not run.declined:
                yield from self._quote(run)
        yield self._finish(run)

    def warm(self) -> None:
        """Load the models, so that the first question does not wait for them."""
        self.index.embedder.embed(["warm"])
        self.evidence.read("warm", ["warm"])
        self.evidence.support([("warm", "warm")])
        if self.reranker:
            self.reranker.score("warm", ["warm"])

    def _put(self, question: str, history: History) -> tuple[str, str]:
        """(question, the earlier ones that it goes on from, or "").

        It is searched for with them, and read as it is in passages that speak of what they do: a reader that is given
        all answers an earlier one (docs/log.md); but a question word alone takes up what was asked last. A large model
        puts all into one question.
        """
        if history and self.llm and not self.llm.small:
            condensed = "".join(self.llm.stream(*condense(question, history)))
            return " ".join(condensed.split())[:MAX_QUESTION] or question, ""
        before = context(question, history)
        return (put(question, taken_up(question, history)) if before else question), before

    # -- answering with the articles' own words -----------------------------------------------------------------

    def _quote(self, run: _Run) -> Iterator[Sentence]:
        for quote in run.findings.quotes:
            *before, own = self._cited(quote)
            passage = quote.passage
            said = shown(passage.text, quote.start - passage.start, quote.end - passage.start)
            lead = [shown(each.quote) for each in before]
            text = ("\n" if "\n" in said or own.quote.startswith("|") else " ").join([*lead, said])
            yield self._release(run, f"\n{text}" if "\n" in text and run.sentences else text, [*before, own])

    def _cited(self, quote: Quote) -> list[Citation]:
        """The citation of a quote; behind that of what introduces its list, where an earlier passage holds it."""
        own = citation(quote.passage, quote.start, quote.end)
        if not is_item(own.quote, (0, len(own.quote))):
            return [own]
        text = self.index.document(own.doc_id).text
        spans = sentences(text, max(0, quote.start - LONGEST_LIST), quote.end)
        at = next((at for at, span in enumerate(spans) if span[0] == quote.start), None)
        if at is None or (first := lead_in(text, spans, at)) == at:
            return [own]
        start, end = spans[first]
        return [replace(own, start=start, end=end, quote=text[start:end], page=None), own]

    # -- answering with a model's words -------------------------------------------------------------------------

    def _draft(self, run: _Run, asked: str, llm: LLM) -> Iterator[Sentence | Dropped]:
        if llm.small:
            system, user = draft_small(asked, [run.findings.quotes[0].passage])
        else:
            system, user = draft_prompt(asked, run.passages)
        judge = Judge(run.passages, run.findings.quotes[0].passage, self.evidence, self.fit)
        said: set[str] = set()
        for draft in drafts(llm.stream(system, user, usage=run.usage)):
            if draft.text.upper().startswith(NOT_IN_SOURCES):
                run.declined = not llm.small  # a small model refuses and invents at random
            elif draft.text in said:
                yield self._drop(run, draft.text, "it was said before")
            elif llm.small and not holds(draft.text, run.findings.quotes):
                yield self._drop(run, draft.text, "it does not hold the answer that was read in the articles")
            else:
                said.add(draft.text)
                yield from self._judged(run, draft, judge)

    def _judged(self, run: _Run, draft: Draft, judge: Judge) -> Iterator[Sentence | Dropped]:
        for number in draft.markers:
            if not 0 < number <= len(run.passages):
                yield self._drop(run, f"[{number}]", "a marker for which there is no passage")
        citations, reason = judge.judge(draft)
        yield self._release(run, draft.text, citations) if citations else self._drop(run, draft.text, reason)

    # -- what reaches the reader --------------------------------------------------------------------------------

    def _release(self, run: _Run, text: str, citations: Sequence[Citation]) -> Sentence:
        for item in citations:
            if self.index.catalog.slice(item.doc_id, item.start, item.end) != item.quote:
                raise FootnoteError(f"{item.title!r} was changed or removed while it was being read; ask again")
        sentence = run.numbering.sentence(text, citations)
        run.sentences.append(sentence)
        return sentence

    def _drop(self, run: _Run, text: str, reason: str) -> Dropped:
        dropped = Dropped(text, reason)
        run.dropped.append(dropped)
        return dropped

    def _finish(self, run: _Run) -> Answer:
        text, citations = place(run.sentences)
        outcome: Outcome = "answered" if run.sentences else "not_found"
        now = perf_counter()
        return Answer(
            question=run.question,
            outcome=outcome,
            text=text or NOT_FOUND,
            short_answer=short_answer(text, citations, run.findings.quotes),
            confidence=round(run.findings.confidence, 4),
            citations=citations,
            passages=run.passages,
            dropped=tuple(run.dropped),
            models={
                "llm": self.llm.name if self.llm else "none",
                "embedder": self.index.embedder.name,
                "evidence": self.evidence.name,
                **({"reranker": self.reranker.name} if self.reranker else {}),
            },
            seconds={
                "retrieve": round(run.retrieved - run.began, 4),
                "answer": round(now - run.retrieved, 4),
                "total": round(now - run.began, 4),
            },
            usage=dict(run.usage),
        )


def _unfitted(fit: Fit) -> Fit:
    """The fit for a checker that is not ours: its numbers for support were fitted to our model's probabilities, and
    say nothing of another's, so those are taken as they come. What vetoes a claim by rule (rag/verify.py) stays."""
    return replace(fit, support={"bias": 0.0, "model": 1.0}, support_at=0.5)


def short_answer(text: str, citations: Sequence[Citation], quotes: Sequence[Quote]) -> str:
    """The best of the short answers that the answer says and its footnotes hold; empty where it says none."""
    cited = [
        quote
        for quote in quotes
        if any(c.doc_id == quote.passage.doc_id and c.start < quote.end and quote.start < c.end for c in citations)
    ]
    return next((quote.short for quote in cited if holds(text, [quote])), "")


def holds(text: str, quotes: Sequence[Quote]) -> bool:
    """Whether the text holds the words of one of the short answers."""
    words = set(query_words(text, limit=1000))
    return any(words >= set(query_words(quote.short)) for quote in quotes)
