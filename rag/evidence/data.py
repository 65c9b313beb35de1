"""The training mixture: public data sets and claims made by program → examples, cut by article into train and dev.

Standard library only. Reads the data folder (`--data`, the layout its README describes); never the network. Every draw
comes from one seed, so the same folder and seed give the same examples.
"""

import argparse
import collections
import csv
import itertools
import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rag.evidence.claims import overlap
from rag.evidence.examples import Example, Paragraph
from rag.evidence.made import (
    decided_questions,
    details,
    edited_questions,
    gapped_claims,
    made_claims,
    near_misses,
    nonsense,
    scoped_claims,
)
from rag.evidence.written import CLAIMS, lessons

DEV_SHARE = 0.05
RIVALS = "rivals"  # the source whose examples of one question are scored against each other
# A paragraph that has a larger share of its runs of so many words in common with `squad2-half` stands nearly so there:
# three of SQuAD's do. Learnt from, they would flatter what is measured there.
RUN, SHARED_RUNS = 12, 0.3


def is_dev(group: str) -> bool:
    """Whether a document is held apart as development data: a fixed 5% by hash."""
    return zlib.crc32(group.encode("utf-8", "replace")) % 1000 < DEV_SHARE * 1000


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


# ---- reading


def squad_paragraphs(data: Path) -> list[Paragraph]:
    """SQuAD's training paragraphs with their article's name found again by its text.

    The file has one paragraph an entry and no titles; consecutive entries come from one article, so a paragraph
    that no article file holds takes the name of the one before it. Those that stand nearly so in `squad2-half`
    are left out.
    """
    measured = {run for article in read_json(data / "squad2-half/dev-v2.0.json")["data"]
                for paragraph in article["paragraphs"] for run in runs(paragraph["context"])}  # fmt: skip
    home = {line.strip()[:60]: path.stem for path in sorted((data / "squad-articles").glob("*.txt"))
            for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 60}  # fmt: skip
    made, article = [], ""
    for entry in read_json(data / "reading/squad-train/train.json")["data"]:
        for paragraph in entry["paragraphs"]:
            article = home.get(paragraph["context"].strip()[:60], article)
            mine = runs(paragraph["context"])
            if len(mine & measured) <= SHARED_RUNS * len(mine):
                made.append(Paragraph(article, paragraph["context"], tuple(squad_questions(paragraph))))
    return made


def runs(text: str) -> set[str]:
    """The runs of `RUN` words of a text."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}


def squad_questions(paragraph: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """(question, start, end) of a paragraph in SQuAD format; an answer whose text is not at its place is left out."""
    for qa in paragraph["qas"]:
        if qa.get("is_impossible") or not qa["answers"]:
            yield qa["question"], -1, -1
            continue
        text, start = qa["answers"][0]["text"].rstrip(), qa["answers"][0]["answer_start"]
        if text and paragraph["context"][start : start + len(text)] == text:
            yield qa["question"], start, start + len(text)


def squad_reading(paragraphs: list[Paragraph]) -> Iterator[Example]:
    for paragraph in paragraphs:
        for question, start, end in paragraph.questions:
            source = "squad" if start >= 0 else "squad2-unanswerable"
            yield Example("read", question, paragraph.text, source, paragraph.article, start, end, float(start >= 0))


def squad_like(path: Path, source: str) -> Iterator[Example]:
    """A file in SQuAD format whose entries are documents."""
    for number, entry in enumerate(read_json(path)["data"]):
        for paragraph in entry["paragraphs"]:
            for question, start, end in squad_questions(paragraph):
                yield Example("read", question, paragraph["context"], source, f"{source}{number}", start, end,
                              float(start >= 0))  # fmt: skip


def qed(data: Path) -> Iterator[Example]:
    """QED: the shortest annotated answer in its paragraph; the paragraph is spaced as tokens there, mended here."""
    for item in read_lines(data / "reading/qed/qed-dev.jsonlines"):
        answers = [part for answer in item["original_nq_answers"] for part in answer]
        if not answers:
            continue
        best = min(answers, key=lambda answer: answer["end"] - answer["start"])
        text, start, end = unspaced(item["paragraph_text"], best["start"], best["end"])
        yield Example("read", item["question_text"], text, "qed", item["title_text"], start, end, 1.0)


def unspaced(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Text without the blanks that a tokenizer put before punctuation, with the span moved along."""
    drop = [m.start() for m in re.finditer(r" (?=[,.;:)\]?!%]|'s\b)|(?<=[(\[]) ", text)]
    gone = set(drop)
    plain = "".join(char for i, char in enumerate(text) if i not in gone)
    return plain, start - sum(at < start for at in drop), end - sum(at < end for at in drop)


def fairytales(data: Path, rng: random.Random) -> Iterator[Example]:
    """FairytaleQA's questions whose answer stands word for word in one section; each also with another section of its
    story, so that asking why does not by itself mean that there is an answer."""
    root = data / "reading/fairytaleqa"
    for path in sorted((root / "questions").glob("*/*.csv")):
        story = root / "section-stories" / path.parent.name / path.name.replace("-questions", "-story")
        with story.open(encoding="utf-8-sig", newline="") as file:
            sections = {row["section"].strip(): row["text"] for row in csv.DictReader(file)}
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            text, answer = sections.get(row["cor_section"].strip(), ""), row["answer1"].strip().rstrip(".")
            start = text.lower().find(answer.lower()) if len(answer) > 2 else -1
            if start >= 0 and row["ex-or-im1"] == "explicit":
                yield Example("read", row["question"], text, "fairytaleqa", path.stem, start, start + len(answer), 1.0)
                others = [other for other in sections.values() if answer.lower() not in other.lower()]
                if others:
                    yield Example("read", row["question"], rng.choice(others), "fairytaleqa-near-miss", path.stem)


def selqa(data: Path) -> Iterator[Example]:
    """SelQA: a section cut into sentences, with those that answer a question marked; the questions were reworded by
    people to share few words with the text (Jurczyk et al. 2016). Each also without its answer's sentences."""
    rows = read_lines(data / "support/pairs/answersent_selqa_dev_test.jsonl")
    for question, group in itertools.groupby(rows, key=lambda row: str(row["claim"])):
        lines = [(row["evidence"].strip(), row["label"] == "answers") for row in group if row["evidence"].strip()]
        before = list(itertools.takewhile(lambda line: not line[1], lines))
        answer = list(itertools.takewhile(lambda line: line[1], lines[len(before) :]))
        lead, text = "".join(line + " " for line, _ in before), " ".join(line for line, _ in answer)
        if answer and sum(marked for _, marked in lines) == len(answer):
            rest = "".join(" " + line for line, _ in lines[len(before) + len(answer) :])
            yield Example("read", question, lead + text + rest, "selqa", lead[:80] or text[:80], len(lead),
                          len(lead) + len(text), 1.0, within=True)  # fmt: skip
            if len(lead + rest) > 200:
                yield Example("read", question, (lead + rest).strip(), "selqa-without", lead[:80] or text[:80])


def long_documents(data: Path, rng: random.Random) -> Iterator[Example]:
    """Questions on a speech, articles, papers, reports and chats with the one excerpt that answers each: asked of the
    text around it, and of another place of the document that shares many words with the question."""
    with (data / "chunking/questions_df.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in sorted({row["corpus_id"] for row in rows}):
        text = (data / f"chunking/{name}.md").read_text(encoding="utf-8")
        for row in (row for row in rows if row["corpus_id"] == name):
            references = json.loads(row["references"])
            start, end = references[0]["start_index"], references[0]["end_index"]
            if len(references) > 1 or text[start:end] != references[0]["content"]:
                continue
            low, high = max(0, start - rng.randint(0, 600)), end + rng.randint(0, 600)
            low = text.rfind(" ", 0, low) + 1
            group = f"{name} {start // 5000}"
            yield Example("read", row["question"], text[low:high], "long-document", group, start - low, end - low, 1.0,
                          within=True)  # fmt: skip
            words = re.findall(r"\w{4,}", row["question"].lower())
            places = [at for at in range(0, len(text) - 900, 700) if at > end + 200 or at + 900 < start - 200]
            other = max(places, key=lambda at: overlap(text[at : at + 900], words) + rng.random())
            yield Example("read", row["question"], text[other : other + 900], "long-document-elsewhere", group)


# ---- support from labelled sets


def pairs(data: Path, name: str, source: str) -> Iterator[Example]:
    """A file of (claim, evidence, label); pairs of one claim or one evidence share most of their words, so the
    group is the evidence."""
    for row in read_lines(data / f"support/pairs/{name}.jsonl"):
        yield Example("support", row["claim"].strip(), bracketed(row["evidence"]), source, row["evidence"][:80],
                      label=float(row["label"] == "supports"))  # fmt: skip


def bracketed(text: str) -> str:
    """Treebank brackets as they are written, and no blank before punctuation."""
    for token, char in (("-LRB-", "("), ("-RRB-", ")"), ("-LSB-", "["), ("-RSB-", "]")):
        text = text.replace(token, char)
    return unspaced(text.strip(), 0, 0)[0]


def symmetric(data: Path) -> Iterator[Example]:
    for row in read_lines(data / "support/fever_symmetric/fever_symmetric_dev.jsonl"):
        claim, evidence = bracketed(row["claim"]), bracketed(row["evidence"])
        label = float(row["gold_label"] == "SUPPORTS")
        yield Example("support", claim, evidence, "fever_symmetric", evidence[:80], label=label)


def factcheck(data: Path) -> Iterator[Example]:
    """Claims of language models with retrieved evidence; partly supported counts as not supported."""
    for row in read_lines(data / "support/factcheck_gpt/subtask3_claim_evidence_stance.jsonl"):
        yield Example("support", row["claim"], row["evidence"], "factcheck_gpt", row["claim"][:80],
                      label=float(row["stance"] == "completely-support"))  # fmt: skip


def wice(data: Path, rng: random.Random) -> Iterator[Example]:
    """WiCE: the claim against chunks of its article that hold the supporting sentences, and chunks that do not."""
    for number, row in enumerate(read_lines(data / "support/wice/dev.jsonl")):
        lines, group = (
            row["evidence"],
            row["meta"].get("id", str(number)) if isinstance(row["meta"], dict) else str(number),
        )
        for needed in filter(None, row["supporting_sentences"][:3]):
            for _ in range(2):
                label = float(row["label"] == "supported")
                yield Example("support", row["claim"], chunk_around(lines, needed, rng), "wice", group, label=label)
        used = {at for needed in row["supporting_sentences"] for at in needed}
        free = [at for at in range(len(lines)) if all(abs(at - other) > 6 for other in used)]
        words = re.findall(r"\w+", row["claim"].lower())
        free.sort(key=lambda at: -overlap(lines[at], words))
        for at in free[:2]:
            yield Example("support", row["claim"], chunk_around(lines, [at], rng), "wice", group)


def chunk_around(lines: list[str], needed: list[int], rng: random.Random) -> str:
    """The needed sentences with some of their neighbours, in order: about 3 to 8 sentences."""
    kept = set(needed)
    while len(kept) < min(len(lines), rng.randint(3, 8)):
        kept.add(min(len(lines) - 1, max(0, rng.choice(sorted(kept)) + rng.choice((-1, 1)))))
    return " ".join(lines[at] for at in sorted(kept))


# ---- the mixture

# At most so many examples of each source in one pass (drawn by seed): a pass that two cores can make in some hours,
# nearly half of it claims. SQuAD is cut most, since it is largest; the questions that share fewest words with their
# text (SelQA, Natural Questions, QED) and small labelled sets come whole; edited names are many, for they are learnt
# last; NLI of captions is kept small: it is the farthest from articles.
CAPS = {
    "squad": 14_000, "squad2-unanswerable": 9_000, RIVALS: 6_000, "squad-near-miss": 2_000, "squad-edited": 3_000,
    "new-wiki": 3_000, "qamr": 1_500, "fairytaleqa-near-miss": 1_500, "gap": 2_000, "yes-no": 3_000,
    "yes-no-near-miss": 1_500, "missing-detail": 1_300, "detail": 1_300, "covidqa": 600, "fever": 5_000,
    "check_covid": 1_000, "mnli": 2_000, "snli": 500, "cad": 700, "breaking": 300, "med": 300, "made-statement": 6_000,
    "made-sentence": 3_000, "made-shortened": 1_500, "made-elsewhere": 2_000, "edit-name": 8_000, "edit-roles": 6_000,
    "edit-number": 3_000, "edit-month": 1_000, "edit-opposite": 3_000, "edit-negation": 1_200, "made-scope": 2_500,
    "edit-scope": 4_000,
}  # fmt: skip
MADE, WRITTEN = ("made-", "edit-"), "written"


def by_program(example: Example) -> bool:
    """Whether it is a claim made by program."""
    return example.source.startswith(MADE)


def by_hand(example: Example) -> bool:
    """Whether it was written for this project."""
    return example.source.startswith(WRITTEN)


def companions(example: Example) -> str | None:
    """What the examples that teach together have in common: the passage of claims made by program, true and false, the
    passage that drafts were written on, and the question of rival passages. None for an example by itself."""
    if example.source == RIVALS:
        return example.left
    if by_program(example):
        return example.passage
    return example.group if by_hand(example) and example.job == "support" else None


def elsewhere(drafts: Sequence[Example]) -> Iterator[Example]:
    """Each true draft against the other passage on its side of the cut that shares most words with it, rare ones above
    all: what is written is else all on its passage, and a claim of another text nothing that it teaches."""
    for held in (False, True):
        mine = [draft for draft in drafts if is_dev(draft.group) == held]
        homes = {draft.passage: set(re.findall(r"\w{4,}", draft.passage.lower())) for draft in mine}
        known = collections.Counter(itertools.chain.from_iterable(homes.values()))
        for draft in (draft for draft in mine if draft.job == "support" and draft.label > 0.5):
            words = set(re.findall(r"\w{4,}", draft.left.lower()))
            shared = {passage: sum(1 / known[word] for word in words & there) for passage, there in homes.items()
                      if passage != draft.passage}  # fmt: skip
            if shared:
                nearest = max(shared, key=shared.__getitem__)
                yield replace(draft, passage=nearest, source=f"{WRITTEN}-elsewhere", label=0.0)


def mined_rivals(path: Path) -> Iterator[Example]:
    """What rag/evidence/mine.py wrote: a question with its paragraph, and with the passages that rival it."""
    for row in read_lines(path):
        yield Example("read", row["question"], row["passage"], RIVALS, row["article"], row["start"], row["end"], 1.0)
        for other in row["rivals"]:
            yield Example("read", row["question"], other, RIVALS, row["article"])


def all_examples(data: Path, seed: int, mined: Path | None = None) -> Iterator[Example]:
    rng = random.Random(seed)
    paragraphs = squad_paragraphs(data)
    yield from squad_reading(paragraphs)
    yield from near_misses(paragraphs, rng)
    yield from edited_questions(paragraphs, random.Random(seed + 2))
    for path, source in (("squadshifts-new-wiki/new_wiki", "new-wiki"), ("qamr/dev_test", "qamr"),
                         ("nq-open-oracle/dev", "nq"), ("covidqa/200423_covidQA", "covidqa")):  # fmt: skip
        yield from squad_like(data / f"reading/{path}.json", source)
    yield from qed(data)
    yield from fairytales(data, random.Random(seed + 4))
    yield from selqa(data)
    for name in ("support_fever_dev", "support_fool_me_twice", "support_check_covid", "nli_mnli", "nli_snli", "nli_cad",
                 "nli_breaking", "nli_med"):  # fmt: skip
        yield from pairs(data, name, name.split("_", 1)[1].removesuffix("_dev"))
    yield from symmetric(data)
    yield from factcheck(data)
    yield from wice(data, rng)
    yield from made_claims(paragraphs, rng)
    yield from scoped_claims(paragraphs, random.Random(seed + 8))
    yield from gapped_claims(paragraphs, random.Random(seed + 3))
    yield from decided_questions(paragraphs, random.Random(seed + 5))
    yield from details(paragraphs, random.Random(seed + 6))
    yield from nonsense(paragraphs, random.Random(seed + 9))
    yield from long_documents(data, random.Random(seed + 7))
    lines = list(lessons(CLAIMS / "train.jsonl", data))
    yield from lines
    yield from elsewhere(lines)
    if mined:
        yield from mined_rivals(mined)


def mixture(data: Path, seed: int, mined: Path | None = None, rest: float = 1.0) -> tuple[list[Example], list[Example]]:
    """(train, dev) of the data folder, in one seeded order. Dev is cut by document and not capped. `mined`: the file
    of rag/evidence/mine.py; `rest`: the share of what else there would be."""
    train: dict[str, list[Example]] = collections.defaultdict(list)
    dev = []
    for example in all_examples(data, seed, mined):
        if is_dev(example.group):
            dev.append(example)
        else:
            train[example.source].append(example)
    return drawn(train, seed, rest), dev


def drawn(train: dict[str, list[Example]], seed: int, rest: float) -> list[Example]:
    """At most `CAPS` of each source, and of sources other than those written and the rivals only a share `rest` of
    that, in one seeded order."""
    rng = random.Random(seed + 1)
    kept = []
    for source, examples in sorted(train.items()):
        rng.shuffle(examples)
        if by_program(examples[0]) or source == RIVALS:  # whole groups are kept (`companions`)
            examples.sort(key=lambda example: zlib.crc32(f"{seed} {companions(example)}".encode("utf-8", "replace")))
        most = min(CAPS.get(source, len(examples)), len(examples))
        whole = source == RIVALS or by_hand(examples[0])
        kept += examples[: most if whole else round(rest * most)]
    rng.shuffle(kept)
    return kept


def main() -> None:
    """Print how many examples each source gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many examples of each source")
    options = parser.parse_args()
    train, dev = mixture(options.data, options.seed)
    counts = collections.Counter(example.source for example in train)
    held = collections.Counter(example.source for example in dev)
    for source in sorted(counts):
        mine = [example for example in train if example.source == source]
        positive = sum(e.label for e in mine) / len(mine)
        print(f"{source:22} train {counts[source]:6} dev {held[source]:5} positive {positive:.2f}")
        for example in mine[: options.show]:
            print("   ", example.left, "|", example.passage[example.start : example.end] if example.start >= 0 else "-")
    print(f"{'all':22} train {len(train):6} dev {len(dev):5}")


if __name__ == "__main__":
    main()
