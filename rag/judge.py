"""The sentences of a draft, one by one, held against the passages: the spans that each rests on, or why it falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.cite import Draft, citation
from rag.claims import points_back
from rag.evidence import Evidence
from rag.fit import Fit
from rag.rules import invented_names
from rag.types import Citation, Passage
from rag.verify import Verdict, check, check_claims

ASIDE = "it points back to what its passage does not speak of"


class Judge:
    """Judges one draft, sentence by sentence in their order, since a later one may speak of "he"."""

    def __init__(self, passages: Sequence[Passage], first: Passage, evidence: Evidence, fit: Fit) -> None:
        """`first`: where the question was read; a draft that opens with a pronoun speaks of what that one does."""
        self._passages = passages
        self._evidence = evidence
        self._fit = fit
        self._names_in = _texts(passages)
        # The last sentence that says of what it speaks, and the passages that hold it; none if it fell.
        self._subject = ""
        self._spoken_of: tuple[Passage, ...] = (first,)

    def judge(self, draft: Draft) -> tuple[list[Citation], str]:
        """The spans that support the sentence's claims, and ""; or none, and the reason for a person.

        A sentence without a marker may rest on any passage, and is given the first one that supports it.
        """
        citations, reason = self._judged(draft)
        if not points_back(draft.text):
            self._subject = draft.text if citations else ""
            self._spoken_of = tuple(each for each in self._passages if any(_within(c, each) for c in citations))
        return citations, reason

    def _judged(self, draft: Draft) -> tuple[list[Citation], str]:
        if invented := invented_names(draft.text, self._names_in):
            return [], f"{invented[0]} stands in none of the passages"
        cited = [self._passages[number - 1] for number in draft.markers if 0 < number <= len(self._passages)]
        passages = cited or list(self._passages)
        if points_back(draft.text):  # of whom "he" speaks, another passage does not know
            passages = [each for each in passages if each in self._spoken_of]
        if not passages:
            return [], ASIDE
        texts = [each.text for each in passages]
        citations: list[Citation] = []
        for verdicts in check_claims(draft.text, texts, self._evidence, self._fit):
            held = self._held(passages, self._with_subject(draft, verdicts, texts))
            if not held:
                return [], max(verdicts, key=lambda verdict: verdict.probability).reason or ASIDE
            citations += held if cited else held[:1]
        articles = {each.doc_id for each in citations}
        if foreign := invented_names(draft.text, _texts([p for p in self._passages if p.doc_id in articles])):
            return [], f"{foreign[0]} stands in another article than the cited one"
        return list(dict.fromkeys(citations)), ""

    def _with_subject(self, draft: Draft, verdicts: Sequence[Verdict], texts: Sequence[str]) -> Sequence[Verdict]:
        """The verdicts on what a draft says; where it points back no better than on it with what it points to."""
        if not (self._subject and points_back(draft.text)):
            return verdicts
        both = check(f"{self._subject} {draft.text}", texts, self._evidence, self._fit)
        pairs = zip(verdicts, both, strict=True)
        return [replace(own, probability=min(own.probability, two.probability)) for own, two in pairs]

    def _held(self, passages: Sequence[Passage], verdicts: Sequence[Verdict]) -> list[Citation]:
        """The spans that support a claim, in the order of the passages."""
        return [
            citation(passage, passage.start + verdict.span[0], passage.start + verdict.span[1])
            for passage, verdict in zip(passages, verdicts, strict=True)
            if verdict.probability >= self._fit.support_at
        ]


def _texts(passages: Sequence[Passage]) -> list[str]:
    """The texts in which a name may stand."""
    return [text for each in passages for text in (each.text, each.title, *each.chunk.headings)]


def _within(cited: Citation, passage: Passage) -> bool:
    return cited.doc_id == passage.doc_id and passage.start <= cited.start and cited.end <= passage.end
