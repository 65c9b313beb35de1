"""Claims made by program: statements from questions and answers, and small edits that turn a true claim false.

Knows text only: no files, no model. Everything is drawn from a `random.Random` that the caller seeds.
"""

import random
import re
from collections.abc import Sequence
from itertools import pairwise

SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
# Dots after these do not end a sentence.
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Vol|Inc|Ltd|Co|Gen|Lt|Col|Rev|Prof|ca|cf|etc|e\.g|i\.e)|\b[A-Z])\.$"
)
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
MONTHS = "January February March April May June July August September October November December".split()
MONTH = re.compile(r"\b(?:" + "|".join(MONTHS) + r")\b")
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty".split()
NUMBER_WORD = re.compile(r"\b(?:" + "|".join(NUMBER_WORDS) + r")\b", re.IGNORECASE)
NAME = re.compile(r"\b[A-Z][\w'’-]+(?:\s(?:of\s|the\s|de\s|von\s|and\s)?[A-Z][\w'’-]+)*")
VERB_TO_NEGATE = re.compile(r"\b(?:is|are|was|were|has|have|had|can|could|will|would|may|must|should|did|does|do)\b")
NEGATION = re.compile(r"\b(?:not|never)\s|n't\b")
# Words that open a sentence with a capital and are not names.
PLAIN_OPENERS = set(
    "the a an in on at of for by to from with as it its he she his her they their this that these those there "
    "when while after before during since although though because if however but and or not some many most all "
    "both each one two three other another such no i we you what which who where how between among under over "
    "through despite according also more only then thus until unlike within without early later today".split()
)
# A sentence that opens with one of these is about something said before it.
POINTING = set(
    "he she it they this these those that his her their its but and or however there such another both here also thus "
    "then instead".split()
)
OPPOSITES = {
    "first": "last", "last": "first", "largest": "smallest", "smallest": "largest", "more": "less", "less": "more",
    "before": "after", "after": "before", "increase": "decrease", "increased": "decreased", "higher": "lower",
    "decreased": "increased", "lower": "higher", "north": "south", "south": "north", "east": "west", "west": "east",
    "northern": "southern", "southern": "northern", "eastern": "western", "western": "eastern", "most": "few",
    "oldest": "newest", "highest": "lowest", "lowest": "highest", "always": "never", "often": "rarely",
    "all": "none of", "won": "lost", "lost": "won", "longest": "shortest", "begin": "end", "began": "ended",
    "best": "worst", "early": "late", "late": "early", "majority": "minority", "minority": "majority",
    "accepted": "rejected", "rejected": "accepted", "allowed": "forbade", "above": "below", "male": "female",
    "female": "male", "positive": "negative", "negative": "positive", "left": "right", "with": "without",
    "at least": "at most", "at most": "at least", "nearly": "more than", "more than": "fewer than", "until": "from",
}  # fmt: skip
# What lies between two names of which one does something to the other: "defeated", "was taken by", "sold the city to".
# Not what names one thing twice ("known as"), nor what holds both ways ("married").
ROLES = re.compile(
    r"\s(?:(?:had|has|have|was|were|is|are|later|then|also|first)\s){0,2}"
    r"(?!(?:is|was|has|as|its|this|his|us|named|called|used|based|located|situated|married|joined|allied|united)\s)"
    r"(?:[a-z]{2,}(?:ed|ught|old|ook|ave|ew)|won|[a-z]{3,}s)\s(?:[a-z]+\s){0,2}(?:(?:by|to|from|against|over|the|of)\s){0,2}"
)
COMPARED = r"\s(?:is|was|are|were)\s(?:[a-z]+er|(?:more|less)\s[a-z]+)\sthan\s(?:the\s)?"
ROLES = re.compile(f"(?:{ROLES.pattern}|{COMPARED})")
FROM_TO = re.compile(r"\bfrom ([A-Z][a-z]+|\d[\d,.]*\d|\d) to ([A-Z][a-z]+|\d[\d,.]*\d|\d)\b")
OPPOSITE = re.compile(r"\b(?:" + "|".join(OPPOSITES) + r")\b")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Cut a text into sentences: (start, end) in characters, in order, none empty."""
    spans: list[tuple[int, int]] = []
    start = 0
    for gap in SENTENCE_END.finditer(text):
        if ABBREVIATION.search(text[start : gap.start()]):
            continue
        spans.append((start, gap.start() + len(gap.group().rstrip())))
        start = gap.end()
    if text[start:].strip():
        spans.append((start, len(text)))
    return [span for span in spans if text[span[0] : span[1]].strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a text, stripped."""
    return [text[start:end].strip() for start, end in sentence_spans(text)]


def names(text: str) -> list[tuple[int, int]]:
    """Spans (characters) of what looks like a proper name; a plain word that opens a sentence is left out."""
    found = []
    for match in NAME.finditer(text):
        start, first = match.start(), match.group().split()[0]
        if first.lower() in PLAIN_OPENERS:
            start += len(first) + 1
        elif start == 0 and " " not in match.group():
            continue
        if start < match.end() and match.group() not in MONTHS:
            found.append((start, match.end()))
    return found


# ---- statements from questions and answers

COPULA = re.compile(r"^(?:what|who|which)\s+(is|was|are|were)\s+(.+)$", re.IGNORECASE)
SUBJECT_WH = re.compile(r"^(?:who|what)\s+(\w+)\s+(.+)$", re.IGNORECASE)
NOUN_WH = re.compile(r"^(?:what|which)\s+((?:\w+\s){1,3}?)(is|was|are|were|has|have|had|\w+ed)\s+(.+)$", re.IGNORECASE)
HOW_MANY = re.compile(r"^how many\s+(\w+)\s+(.+)$", re.IGNORECASE)
PASSIVE = re.compile(r"^(when|where|in what year|in which year)\s+(is|was|are|were)\s+(.+)$", re.IGNORECASE)
DID = re.compile(r"^(when|where|in what year|in which year)\s+did\s+(.+)$", re.IGNORECASE)
PLACED = re.compile(
    r"(?:in|on|at|by|during|after|before|from|since|near|to|around|about|along|between|outside|inside|within|through\w*"
    r"|across|over|under|beneath|behind|above|below|up|down|off|until|till|following|prior|circa|c\.|next|when|as)\b",
    re.IGNORECASE,
)
DAY = re.compile(rf"(?:{'|'.join(MONTHS)}) \d{{1,2}}\b(?!\d)|\b\d{{1,2}} (?:{'|'.join(MONTHS)})|^(?:[A-Z][a-z]+day)\b")
CLAUSE = re.compile(r"\b(?:is|are|was|were|has|have|had|does|do|did|will|would|can|could)\b")
PARTICIPLES = set(
    "born built made written held found given taken known sold won led seen sent begun shown spoken broken chosen "
    "drawn grown hidden kept laid left lost met paid put read said set shot spent struck taught thrown told".split()
)
AUXILIARIES = set("is was are were do does did has have had can could will would may might should must".split())
NOUN_OPENERS = set("the a an his her its their this that these those another one".split())
PAST = {
    "begin": "began", "become": "became", "win": "won", "die": "died", "take": "took", "make": "made", "leave": "left",
    "go": "went", "come": "came", "build": "built", "lose": "lost", "get": "got", "write": "wrote", "hold": "held",
    "meet": "met", "find": "found", "give": "gave", "grow": "grew", "rise": "rose", "fall": "fell", "see": "saw",
    "sell": "sold", "buy": "bought", "lead": "led", "run": "ran", "speak": "spoke", "spend": "spent", "fight": "fought",
    "occur": "occurred", "marry": "married", "happen": "happened", "start": "started", "move": "moved", "end": "ended",
    "live": "lived", "attend": "attended", "open": "opened", "join": "joined", "receive": "received", "play": "played",
    "release": "released", "publish": "published", "establish": "established", "return": "returned", "serve": "served",
    "create": "created", "invade": "invaded", "arrive": "arrived", "declare": "declared", "study": "studied",
    "originate": "originated", "appear": "appeared", "settle": "settled", "sign": "signed", "launch": "launched",
}  # fmt: skip


def is_participle(word: str) -> bool:
    """Whether the word looks like a past participle."""
    return word in PARTICIPLES or (word.endswith("ed") and len(word) > 4)


def is_noun_phrase(text: str) -> bool:
    """Whether the text opens like a noun phrase."""
    first = text.split()[0]
    return first.lower() in NOUN_OPENERS or first[0].isupper()


def from_copula(question: str, answer: str) -> str | None:
    """What is X? → X is A. What was introduced in 1990? → A was introduced in 1990."""
    match = COPULA.match(question)
    if not match:
        return None
    verb, rest = match.groups()
    if is_noun_phrase(rest) and not any(is_participle(word) for word in rest.split()[1:4]):
        return None if rest.split()[-1] in {"called", "for", "of", "to", "in", "by"} else f"{rest} {verb} {answer}"
    if is_participle(rest.split()[0]) and " " in rest:
        return f"{answer} {verb} {rest}"
    return None


def from_subject(question: str, answer: str) -> str | None:
    """Who wrote X? → A wrote X."""
    match = SUBJECT_WH.match(question)
    if not match or not re.fullmatch(r"\w+(?:ed|s|ote|ook|ade|ame|ave|eld|ost)|won|began|ran", match.group(1).lower()):
        return None
    if match.group(1).lower() in AUXILIARIES or (question.lower().startswith("what") and match.group(1).endswith("s")):
        return None
    return f"{answer} {match.group(1)} {match.group(2)}"


def from_noun(question: str, answer: str) -> str | None:
    """Which city was founded in 1800? → A was founded in 1800. How many people live in X? → A people live in X."""
    match = NOUN_WH.match(question)
    if match and not AUXILIARIES & set(match.group(1).lower().split()) and not is_noun_phrase(match.group(3)):
        verb, first = match.group(2).lower(), match.group(3).split()[0].lower()
        plain = verb not in {"is", "was", "are", "were"} or is_participle(first) or first.endswith("ing")
        return f"{answer} {match.group(2)} {match.group(3)}" if plain else None
    match = HOW_MANY.match(question)
    if match and not re.search(r"\b(?:do|does|did|is|was|are|were|has|have|had|can|will)\s+(?!\w+ed\b|in\b|\w+en\b)",
                               match.group(2)):  # fmt: skip
        return f"{answer} {'' if match.group(1) in answer else match.group(1) + ' '}{match.group(2)}"
    return None


def from_adverb(question: str, answer: str) -> str | None:
    """When was X built? → X was built in A. Where did X begin? → X began in A."""
    place = answer if PLACED.match(answer) else f"{'on' if DAY.search(answer) else 'in'} {answer}"
    match = PASSIVE.match(question)
    if match:
        words = match.group(3).split()
        at = next((i for i, word in enumerate(words) if i and is_participle(word)), 0)
        if any(is_participle(word) for word in words[at + 1 :]):
            return None  # which of the two is the verb?
        return f"{' '.join(words[:at])} {match.group(2)} {' '.join(words[at:])} {place}" if at else None
    match = DID.match(question)
    if match:
        words = match.group(2).split()
        at = next((i for i, word in enumerate(words) if i and word in PAST), 0)
        return f"{' '.join([*words[:at], PAST[words[at]], *words[at + 1 :]])} {place}" if at else None
    return None


def statement(question: str, answer: str) -> str | None:
    """Turn a question and its answer into a plain statement; None where the simple rules do not read well."""
    plain = question.strip().rstrip("?").strip()
    answer = answer.strip().strip(".,;")
    if not plain or not answer or len(answer.split()) > 9 or "?" in plain or CLAUSE.search(answer):
        return None
    for rule in (from_adverb, from_copula, from_subject, from_noun):
        made = rule(plain, answer)
        if made and len(made.split()) > 4:
            return made[0].upper() + made[1:] + "."
    return None


# ---- questions from statements

AUXILIARY = re.compile(r"^((?:\S+ ){1,8}?)(is|are|was|were|has|have|had|can|could|will|would|must|should) ([^?]+)\.$")
SIMPLE_PAST = re.compile(rf"^((?:\S+ ){{1,8}}?)({'|'.join(PAST.values())}) ([^?]+)\.$")
PRESENT = {past: verb for verb, past in PAST.items()}


def yes_no(claim: str) -> str | None:
    """A statement as the question whether it is so: X was built in 1931. → Was X built in 1931? None where the simple
    rules do not read well."""
    found = AUXILIARY.match(claim)
    if found:
        subject, verb, rest = found.groups()
    elif found := SIMPLE_PAST.match(claim):
        subject, verb, rest = found[1], "did", f"{PRESENT[found[2]]} {found[3]}"
    else:
        return None
    words = subject.split()
    if "," in subject or any(word.lower() in {"that", "who", "which", "when", "there"} for word in words):
        return None
    if words[0].lower() in PLAIN_OPENERS:
        words[0] = words[0].lower()
    return f"{verb.capitalize()} {' '.join(words)} {rest}?"


# ---- edits


def swap(text: str, span: tuple[int, int], new: str) -> str:
    """The text with span (characters) replaced."""
    return text[: span[0]] + new + text[span[1] :]


def edit_number(claim: str, context: str, rng: random.Random) -> str | None:
    """Another number in place of one of the claim's: from the context when one has as many digits, else made up."""
    spans = [match.span() for match in NUMBER.finditer(claim)]
    if not spans:
        return edit_number_word(claim, rng)
    span = rng.choice(spans)
    old = claim[span[0] : span[1]]
    others = [m.group() for m in NUMBER.finditer(context) if len(m.group()) == len(old) and m.group() not in claim]
    new = rng.choice(others) if others and rng.random() < 0.6 else other_digits(old, rng)
    return None if new == old or new in claim else swap(claim, span, new)


def other_digits(number: str, rng: random.Random) -> str:
    """The number with one digit changed, its form kept: 1,066 → 1,366; a year stays a plausible year."""
    places = [i for i, char in enumerate(number) if char.isdigit()]
    if len(places) == 4 and number[0] in "12":
        places = places[1:]
    at = rng.choice(places)
    digits = "123456789" if at == 0 else "0123456789"
    return number[:at] + rng.choice([digit for digit in digits if digit != number[at]]) + number[at + 1 :]


def edit_number_word(claim: str, rng: random.Random) -> str | None:
    """Another number word in place of one."""
    match = NUMBER_WORD.search(claim)
    if not match:
        return None
    new = rng.choice([word for word in NUMBER_WORDS if word != match.group().lower()])
    return swap(claim, match.span(), new.capitalize() if match.group()[0].isupper() else new)


def edit_month(claim: str, context: str, rng: random.Random) -> str | None:
    """Another month in place of the claim's."""
    match = MONTH.search(claim)
    return swap(claim, match.span(), rng.choice([m for m in MONTHS if m != match.group()])) if match else None


def edit_name(claim: str, context: str, rng: random.Random) -> str | None:
    """Another name of the context in place of one of the claim's: best one that follows the same word there (in, by,
    the), so that a place stands for a place; else one with as many words; else any."""
    spans = names(claim)
    if not spans:
        return None
    span = rng.choice(spans)
    old = claim[span[0] : span[1]]
    before = {context[a:b]: last_word(context[:a]) for a, b in names(context)}
    others = sorted(o for o in before if o not in claim and old not in o and o not in old)
    alike = [other for other in others if len(other.split()) == len(old.split())]
    same = [other for other in alike or others if before[other] == last_word(claim[: span[0]])]
    return swap(claim, span, rng.choice(same or alike or others)) if others else None


def last_word(text: str) -> str:
    """The last word of a text in lower case; empty where it ends with punctuation."""
    found = re.search(r"(\w+)\s*$", text[-30:])
    return found.group(1).lower() if found else ""


def edit_negation(claim: str, context: str, rng: random.Random) -> str | None:
    """Take a negation out, or put one in."""
    match = NEGATION.search(claim)
    if match:
        return swap(claim, match.span(), "")
    match = VERB_TO_NEGATE.search(claim)
    return swap(claim, match.span(), match.group() + " not") if match else None


def edit_opposite(claim: str, context: str, rng: random.Random) -> str | None:
    """One word turned into its opposite."""
    found = list(OPPOSITE.finditer(claim))
    match = rng.choice(found) if found else None
    return swap(claim, match.span(), OPPOSITES[match.group()]) if match else None


def edit_roles(claim: str, context: str, rng: random.Random) -> str | None:
    """Two names of the claim in each other's places, where a few words with a verb that is no copula lie between."""
    found = [(a, b) for a, b in pairwise(names(claim)) if ROLES.fullmatch(claim[a[1] : b[0]])]
    found += [(match.span(1), match.span(2)) for match in FROM_TO.finditer(claim) if match[1] != match[2]]
    if not found:
        return None
    first, second = rng.choice(found)
    return swap(swap(claim, second, claim[slice(*first)]), first, claim[slice(*second)])


# Negations are drawn least: a model that sees too many learns that "not" alone means false.
EDITS = {
    "number": edit_number,
    "month": edit_month,
    "name": edit_name,
    "opposite": edit_opposite,
    "negation": edit_negation,
    "roles": edit_roles,
}
EDIT_WEIGHTS = {"number": 4, "month": 2, "name": 5, "opposite": 2, "negation": 1.5, "roles": 8}


def edited(claim: str, context: str, rng: random.Random) -> tuple[str, str] | None:
    """A small edit that the context no longer supports: (kind, new claim), or None when nothing can be edited."""
    kinds = sorted(EDITS, key=lambda kind: rng.random() ** (1 / EDIT_WEIGHTS[kind]), reverse=True)
    for kind in kinds:
        made = EDITS[kind](claim, context, rng)
        if made and made.lower() not in context.lower() and made != claim:
            return kind, made
    return None


def with_gap(claim: str, passage: str, rng: random.Random) -> tuple[str, str] | None:
    """(claim with "what" in place of a name or number that the passage holds once, what stood there); None without."""
    spans = [*names(claim), *(match.span() for match in NUMBER.finditer(claim))]
    once = [span for span in spans if passage.count(claim[slice(*span)]) == 1]
    if not once:
        return None
    span = rng.choice(sorted(once))
    return swap(claim, span, "what").rstrip(".") + "?", claim[slice(*span)]


def without_clause(sentence: str) -> str | None:
    """A sentence with its clause between commas dropped, or its last clause: still true where the sentence is."""
    parts = sentence.split(", ")
    if len(parts) == 3 and 2 < len(parts[1].split()) < 15 and re.match(r"(?:who|which|a|an|the|\w+ed)\b", parts[1]):
        return f"{parts[0]} {parts[2]}"
    if (
        len(parts) == 2
        and len(parts[0].split()) > 6
        and re.match(r"(?:while|which|although|where|with|and)\b", parts[1])
    ):
        return parts[0] + "."
    return None


def stands_alone(sentence: str) -> bool:
    """Whether a sentence can be a claim by itself: long enough, and not opening with a word that points back."""
    words = sentence.split()
    first = words[0].strip("\"'([").lower() if words else ""
    return 7 <= len(words) <= 45 and first not in POINTING


def overlap(text: str, words: Sequence[str]) -> int:
    """How many of the words (lower case) stand in the text."""
    present = set(re.findall(r"\w+", text.lower()))
    return sum(word in present for word in set(words))
