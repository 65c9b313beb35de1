"""Sentences put into another scope by program: denied, doubted, only planned; or confirmed, which changes nothing.

What a clause says is not said by a sentence that denies it, however alike the words are. Standard library only.
"""

import random
import re

from rag.evidence.claims import PAST, PLAIN_OPENERS, PRESENT, is_participle

# Of a sentence in one of the first frames nobody may say that it is so; in one of the others it is.
UNSAID = (
    "It is not true that {}.", "It is false that {}.", "There is no evidence that {}.", "Nobody believed that {}.",
    "The commission found no truth in the story that {}.", "It was wrongly reported that {}.",
    "Some critics claimed that {}.", "It was alleged that {}.", "According to a rumour, {}.", "In the novel, {}.",
    "It remains unclear whether {}.", "Many had hoped that {}.", "It was feared that {}.", "It is doubtful that {}.",
    "The story that {} was an invention.", "The report that {} proved to be wrong.", "Few historians accept that {}.",
    "If {}, nobody wrote it down.", "Unless {}, the matter stays open.", "The court rejected the claim that {}.",
    "The ministry denied that {}.", "It had been planned that {}, but it came to nothing.",
)  # fmt: skip
SAID = (
    "It is true that {}.", "It is well known that {}.", "There is no doubt that {}.", "Nobody doubts that {}.",
    "The report confirmed that {}.", "Records show that {}.", "It turned out that {}.", "Historians agree that {}.",
    "It is not disputed that {}.", "As is well known, {}.", "Few people know that {}.", "The fact that {} is old news.",
    "The court established that {}.", "The ministry admitted that {}.", "Although few noticed, {}.",
)  # fmt: skip
# In place of "was" before a participle, and of a past form; {} is its present.
BE_UNSAID = ("was nearly", "was almost", "was never", "was to be", "may have been", "was expected to be",
             "would have been", "was said to have been", "was not", "could have been", "was hardly")  # fmt: skip
BE_SAID = ("was indeed", "was officially", "was in fact", "was eventually", "has been", "was successfully")
DID_UNSAID = ("planned to {}", "refused to {}", "hoped to {}", "threatened to {}", "never did {}", "failed to {}",
              "might {}", "was expected to {}", "promised to {}", "nearly had to {}", "tried to {}")  # fmt: skip
DID_SAID = ("did {}", "did indeed {}", "managed to {}", "went on to {}", "was the one to {}")

BE = re.compile(r"\b(was|were) (?=(\w+)\b)")
DID = re.compile(rf"(?<=\w )({'|'.join(PAST.values())})\b")


def framed(sentence: str, said: bool, rng: random.Random) -> str:
    """The sentence as a clause of another one that says it too (`said`) or does not."""
    first, _, rest = sentence.rstrip(" .!").partition(" ")
    clause = f"{first.lower() if first.lower() in PLAIN_OPENERS else first} {rest}"
    return rng.choice(SAID if said else UNSAID).format(clause)


def turned(sentence: str, said: bool, rng: random.Random) -> str | None:
    """The sentence with its verb a plan, a doubt or a denial, or with `said` stressed; None without such a verb."""
    for match in BE.finditer(sentence):
        if is_participle(match[2]):
            verb = rng.choice(BE_SAID if said else BE_UNSAID)
            verb = verb.replace("was", "were").replace("has been", "have been") if match[1] == "were" else verb
            return f"{sentence[: match.start()]}{verb} {sentence[match.end() :]}"
    for match in DID.finditer(sentence):
        verb = rng.choice(DID_SAID if said else DID_UNSAID).format(PRESENT[match[1]])
        return sentence[: match.start()] + verb + sentence[match.end() :]
    return None
