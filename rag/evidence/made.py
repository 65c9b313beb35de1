"""Examples made by program from SQuAD's paragraphs and their questions.

Standard library only. Every draw comes from the `random.Random` that the caller seeds.
"""

import collections
import math
import random
import re
from collections.abc import Iterator

from rag.evidence.claims import (
    EDITS,
    MONTHS,
    edited,
    overlap,
    sentence_spans,
    sentences,
    stands_alone,
    statement,
    with_gap,
    without_clause,
    yes_no,
)
from rag.evidence.examples import Example, Paragraph
from rag.evidence.scope import framed, turned

# ---- questions


def near_misses(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """Each question with another paragraph of its article: one of the three that share most of its rarer words."""
    for question, _, near in with_neighbours(paragraphs, rng):
        yield Example("read", question[0], rng.choice(near[:3]).text, "squad-near-miss", near[0].article)


def with_neighbours(
    paragraphs: list[Paragraph], rng: random.Random
) -> Iterator[tuple[tuple[str, int, int], Paragraph, list[Paragraph]]]:
    """((question, start, end), its paragraph, the five others of the article that share most of its rarer words and
    do not hold the answer), the nearest first; a question without any is left out."""
    by_article = collections.defaultdict(list)
    for paragraph in paragraphs:
        by_article[paragraph.article].append(paragraph)
    for members in by_article.values():
        bags = [set(re.findall(r"\w+", member.text.lower())) for member in members]
        seen = collections.Counter(word for bag in bags for word in bag)
        for home, member in enumerate(members):
            for question, start, end in member.questions:
                if start < 0:
                    continue
                words = set(re.findall(r"\w+", question.lower()))
                answer = member.text[start:end].lower()
                weight = {word: math.log(1 + len(members) / seen[word]) for word in words if word in seen}
                others = [
                    (sum(weight[word] for word in weight if word in bags[i]) + rng.random(), i)
                    for i in range(len(members))
                    if i != home and answer not in members[i].text.lower()
                ]
                if others:
                    near = [members[i] for _, i in sorted(others, reverse=True)[:5]]
                    yield (question, start, end), member, near


def edited_questions(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """Answerable questions with a number, name or opposite of theirs exchanged, which their paragraph does not answer.

    The new number or name is one of the paragraph's own where it has one, as in SQuAD 2.0's written questions.
    """
    for paragraph in paragraphs:
        answered = [question for question, start, _ in paragraph.questions if start >= 0]
        for question in rng.sample(answered, min(2, len(answered))):
            edit = edited(question, paragraph.text, rng)
            if edit and edit[0] != "negation":
                yield Example("read", edit[1], paragraph.text, "squad-edited", paragraph.article)


def gapped_claims(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """True claims with a gap in place of a name or number, which is then the answer: what stands where in a claim is
    what a swapped name gets wrong."""
    for paragraph in paragraphs:
        for kind, claim in true_claims(paragraph, rng):
            made = with_gap(claim, paragraph.text, rng) if kind != "sentence" or rng.random() < 0.3 else None
            if made:
                start = paragraph.text.index(made[1])
                yield Example(
                    "read", made[0], paragraph.text, "gap", paragraph.article, start, start + len(made[1]), 1.0
                )


def decided_questions(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """Questions that ask for yes or no, made of questions and answers, half of them with one thing exchanged: the
    sentence that held the answer decides both. Some with another paragraph of their article, which does not."""
    for at, paragraph in enumerate(paragraphs):
        stated = [(made, start, end) for question, start, end in paragraph.questions if start >= 0
                  if (made := statement(question, paragraph.text[start:end]))]  # fmt: skip
        for claim, start, end in rng.sample(stated, min(2, len(stated))):
            edit = edited(claim, paragraph.text, rng) if rng.random() < 0.5 else None
            asked = yes_no(edit[1] if edit and edit[0] != "negation" else claim)
            low, high = next(((a, b) for a, b in sentence_spans(paragraph.text) if a <= start and end <= b), (0, 0))
            if not asked or high == 0:
                continue
            yield Example("read", asked, paragraph.text, "yes-no", paragraph.article, low, high, 1.0, within=True)
            near = [p.text for p in paragraphs[max(0, at - 4) : at + 5] if p.article == paragraph.article]
            others = [text for text in near if paragraph.text[start:end].lower() not in text.lower()]
            if others and rng.random() < 0.6:
                words = re.findall(r"\w{4,}", asked.lower())
                nearest = max(others, key=lambda text: overlap(text, words))
                yield Example("read", asked, nearest, "yes-no-near-miss", paragraph.article)


YEAR = re.compile(r"\b[12]\d{3}\b")
TIME = re.compile(
    rf"{YEAR.pattern}|\b(?:{'|'.join(MONTHS)}|[A-Z][a-z]+day)\b|\b(?:century|decade|years?|months?|weeks?|days?|night|"
    r"when|while|after|before|during|since|until|ago|today|now|recently|later|early|late|era|period|age|time|war)\b",
    re.IGNORECASE,
)
DAY_ASKED = ("On what date", "On which day", "On which date")
WHEN = re.compile(r"^(?:when|in (?:what|which) year)\b", re.IGNORECASE)


def details(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """Questions for the day, the month or the year of something, half of them where their sentence leaves it out."""
    for paragraph in paragraphs:
        for question, start, end in paragraph.questions:
            if start < 0:
                continue
            if made := given_detail(question, paragraph.text[start:end], rng):
                yield Example("read", made, paragraph.text, "detail", paragraph.article, start, end, 1.0)
            if made := missing_detail(question, paragraph.text, start, end, rng):
                yield Example("read", made, paragraph.text, "missing-detail", paragraph.article)


def given_detail(question: str, answer: str, rng: random.Random) -> str | None:
    """When was X? → On what date was X? where the answer gives the day; or in which month, or year."""
    if not WHEN.match(question):
        return None
    month = next((month for month in MONTHS if month in answer), "")
    if month and re.search(rf"\d {month}|{month} \d{{1,2}}\b", answer):
        return WHEN.sub(rng.choice((*DAY_ASKED, "In which month")), question)
    return WHEN.sub("In which month", question) if month else None


def missing_detail(question: str, text: str, start: int, end: int, rng: random.Random) -> str | None:
    """A question and its answer's place in the text (characters) → a question for what does not stand there: the day
    where its sentence gives a year, the year where the text has none, the time where it has no word of time."""
    answer = text[start:end]
    home = next((text[a:b] for a, b in sentence_spans(text) if a <= start and end <= b), "")
    if YEAR.fullmatch(answer) and WHEN.match(question) and not any(month in home for month in MONTHS):
        return WHEN.sub(rng.choice((*DAY_ASKED, "In which month")), question)
    if WHEN.match(question) and any(month in answer for month in MONTHS) and not YEAR.search(text):
        return WHEN.sub("In which year", question)
    claim = statement(question, answer)
    asked = yes_no(claim) if claim and not TIME.search(text) else None
    if asked and re.match(r"(?:Was|Were|Did) ", asked):
        return f"{rng.choice(('When', 'In which year', 'On what date'))} {asked[0].lower()}{asked[1:]}"
    return None


def nonsense(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """What nobody can answer: letters in no order, a word that asks nothing, a question on another article."""
    for paragraph in rng.sample(paragraphs, len(paragraphs) // 20):
        other = rng.choice(paragraphs)
        questions = [question for question, start, _ in other.questions if start >= 0]
        if not questions or other.article == paragraph.article:
            continue
        question = rng.choice(questions)
        kind = rng.random()
        if kind < 0.4:
            question = re.sub(r"[a-z]", lambda _: rng.choice("abcdefghijklmnopqrstuvwxyz"), question.lower())
        elif kind < 0.6:
            question = " ".join(rng.sample(EMPTY, rng.randint(1, 3))) + rng.choice(("", "?"))
        yield Example("read", question, paragraph.text, "nonsense", paragraph.article)


EMPTY = "the a is of what who when where how why and it he she this that in to was are did does do x hello".split()

# ---- claims


RARE = ("roles", "month", "opposite")  # few claims allow these edits; one that does gets them beside another


def made_claims(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """Statements of questions and sentences of paragraphs, true ones and edited ones, and true ones of elsewhere."""
    for at, paragraph in enumerate(paragraphs):
        near = [p for p in paragraphs[max(0, at - 4) : at + 5] if p.article == paragraph.article and p is not paragraph]
        context = paragraph.text + " " + " ".join(p.text for p in near[:3])
        for kind, claim in true_claims(paragraph, rng):
            yield Example("support", claim, paragraph.text, f"made-{kind}", paragraph.article, label=1.0)
            edit = edited(claim, context if rng.random() < 0.3 else paragraph.text, rng)
            if edit and edit[1].lower() not in context.lower():
                yield Example("support", edit[1], paragraph.text, f"edit-{edit[0]}", paragraph.article)
            for rare in (kind for kind in RARE if edit and edit[0] != kind):
                also = EDITS[rare](claim, context, rng)
                if also and also != claim and also.lower() not in context.lower():
                    yield Example("support", also, paragraph.text, f"edit-{rare}", paragraph.article)
            if near and rng.random() < 0.3:
                words = re.findall(r"\w{4,}", claim.lower())
                elsewhere = max(near, key=lambda p: overlap(p.text, words))
                if claim.lower().rstrip(".") not in elsewhere.text.lower():
                    yield Example("support", claim, elsewhere.text, "made-elsewhere", paragraph.article)


def scoped_claims(paragraphs: list[Paragraph], rng: random.Random) -> Iterator[Example]:
    """True claims of a paragraph whose sentence was put into another scope, one that says them all the same and one
    that does not: the sentence word for word, or a statement that rests on it. Some the other way round: the claim
    denies or doubts what the paragraph says."""
    for paragraph in paragraphs:
        whole = [span for span in sentence_spans(paragraph.text) if can_be_scoped(paragraph.text[slice(*span)])]
        for low, high in rng.sample(whole, min(1, len(whole))):
            sentence = paragraph.text[low:high].strip()
            stated = [made for question, start, end in paragraph.questions if low <= start and end <= high
                      if (made := statement(question, paragraph.text[start:end]))]  # fmt: skip
            claim = rng.choice(stated) if stated and rng.random() < 0.5 else sentence
            for said in (True, False):
                # The verb that is turned may be another than the statement's.
                other = turned(sentence, said, rng) if claim == sentence and rng.random() < 0.5 else None
                other = other or framed(sentence, said, rng)
                text, source = paragraph.text, "made-scope" if said else "edit-scope"
                if not said and claim == sentence and rng.random() < 0.3:
                    yield Example("support", other, text, source, paragraph.article)
                else:
                    text = text[:low] + other + text[high:]
                    yield Example("support", claim, text, source, paragraph.article, label=float(said))


def can_be_scoped(sentence: str) -> bool:
    """Whether a sentence can become another one's clause."""
    plain = sentence.strip()
    return (stands_alone(plain) and plain.endswith(".") and not any(mark in plain for mark in '"“”;:')
            and not plain.split()[0].endswith(","))  # fmt: skip


def true_claims(paragraph: Paragraph, rng: random.Random) -> Iterator[tuple[str, str]]:
    """(kind, claim) that the paragraph supports: up to two from its questions and one or two of its sentences."""
    stated = [made for question, start, end in paragraph.questions if start >= 0
              if (made := statement(question, paragraph.text[start:end]))]  # fmt: skip
    for claim in rng.sample(stated, min(2, len(stated))):
        yield "statement", claim
    whole = [sentence for sentence in sentences(paragraph.text) if stands_alone(sentence)]
    for sentence in rng.sample(whole, min(2, len(whole))):
        shorter = without_clause(sentence)
        if shorter:
            yield "shortened", shorter
        elif rng.random() < 0.6:
            yield "sentence", sentence
