"""A sentence → the claims it makes. Pure: words and rules, no model.

"The bridge opened in 1931, and the tunnel was closed in 1950" makes two claims, which may rest on two passages. A cut
is made only where a clause of its own surely begins, with a subject and a verb. A sentence that is left whole is
judged whole; one that is cut wrongly loses what holds its parts together: who said it, under which condition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from index.catalog import STOPWORDS
from index.chunk import Span

CONTENT_WORDS = 3  # of a claim: "it was closed" says too little to be judged alone
SUBJECT_WORDS = 6  # "the former foreign minister of Iran"; with more words before the verb it is something else

_SEAM = re.compile(
    r"\s*;\s+(?:(?:and|but|while|whereas|although)\s+)?|,\s+(?P<word>and|but|while|whereas|although)\s+|(?P<plain>\s+and\s+)"
)
# In quotation marks or brackets, also where the closing one is missing, nothing is cut.
_ENCLOSED = re.compile(
    r'"[^"]*(?:"|$)|[“„][^“”]*(?:[“”]|$)|«[^»]*(?:»|$)|\([^()]*(?:\)|$)|\[[^][]*(?:\]|$)'
    r"|(?<!\w)['‘].*['’](?!\w)|(?<!\w)['‘].*$",
    re.S,
)

# After these a second clause may depend on the same word, or complete it.
_DEPENDS = re.compile(
    r"\b(?:if|unless|whether|lest|because|when|until|who|whom|whose|which|where|not only|either|neither|both|than|"
    r"so)\b",
    re.I,
)
# What a sentence opens with may hold for all of it: "In 1815, …", "Reportedly, …"; not beyond a semicolon.
_OPENS = re.compile(
    r"\W*(?:(?:also|only|even|and|but|early|late)\s+)?"
    r"(?:(?:in|on|at|by|during|after|before|since|under|from|for|through|throughout|within|as|once|while|whereas|"
    r"although|though|despite|with|without|unlike|last|next|today|yesterday|earlier)\b|\w+ly,|[\w ]{,30}\blater\b)",
    re.I,
)
_ADVERBIAL = re.compile(r"(?:however|meanwhile|later|then|instead|today|in \d{4}),? ", re.I)
# What is told may go on in the second clause, unless that tells something itself.
_TELLING = (
    "say says said claim claims claimed announce announces announced confirm confirms confirmed deny denies denied "
    "report reports reported tell tells told stated insist insists insisted argue argues argued warn warns warned "
    "believe believes believed think thinks thought know knows knew explain explains explained reject rejects "
    "rejected doubt doubts doubted suggest suggests suggested add adds added accuse accuses accused promise "
    "promises promised hope hopes hoped fear fears feared"
).split()
_TOLD = re.compile(rf"\b(?:that|true|untrue|false|{'|'.join(_TELLING)})\b", re.I)
# "…, Lee said." and "according to Lee" may mean every clause of the sentence.
_ALL_TOLD = re.compile(
    r"\baccording to\b|,\s(?!(?:and|but|while|whereas|although)\b)[^,;]*\b"
    rf"(?:{'|'.join(_TELLING)})\b(?! that)[^,;]*$",
    re.I,
)

_SINGULAR = frozenset("is was has does".split())
_PLURAL = frozenset("are were have do".split())
# Always verbs with a subject of their own, neither nouns ("plans") nor participles ("built").
_FINITE = (
    _SINGULAR
    | _PLURAL
    | frozenset(
        "had did will would can could may might must shall should said says denies becomes contains includes carries "
        "gives takes makes knows goes comes brings keeps seems allows provides requires believes thinks wants tells "
        "became began broke came chose drew drove fell flew gave grew knew sank spoke stole swore threw took "
        "went withdrew woke wrote shrank sang swam ate hid died arrived remained happened occurred existed lasted "
        "resigned".split()
    )
)
# May be participles, as words in -ed may ("the bridge built in 1931"): surely verbs only before an object.
_PAST = frozenset(
    "bought brought built caught cut fought found held heard kept laid led left lost made met paid put read sent set "
    "shot sold sought spent taught told thought won".split()
)
_NAMING = frozenset("called named dubbed deemed considered elected appointed offered granted awarded".split())
_OBJECT = frozenset(
    "a an the his her its their our this that these those it him them all every no some many he she they we i".split()
)
_ADVERBS = frozenset("also never now still only not soon again often later then".split())

_PERSONS = frozenset("he she they we i you".split())
_THINGS = frozenset("it this these those there".split())
_DETERMINERS = frozenset(
    "a an the his her its their our my this these those some many most each every no another several two three".split()
)
_BACK = re.compile(
    r"\W*(?:he|she|they|we|i|you|it|this|that|these|those|there|his|her|its|their|our|my|both|(?:the|an)\s?other"
    r"|the (?:latter|former|same))\b",
    re.I,
)
# Pronouns that stand for what an earlier sentence named, unless this one names it before them.
_PRONOUN = re.compile(
    r"\b(?P<who>he|she|they|it(?! (?:is|was|has been|seems|appears) (?:\w+ ){0,3}(?:that|to)\b)|one of them"
    r"|all of them|such|these|those|this(?! (?:year|month|week)\b)|both|(?:an|the) ?other|the (?:latter|former|same))\b"
    r"|\b(?P<whom>him|them)\b|\b(?P<whose>his|her|their|its)\b",
    re.I,
)
# A noun before the pronoun in its clause: "The tunnel was closed because it leaked", "The bank said it would".
_NOUN = re.compile(
    rf"\b(?:the|an?|no|some|many|every|each|most|{'|'.join(_TELLING)})\s"
    r"(?!(?:few|year|month|week|day|decade|century|moment|while|time|boy|girl|child|result)s?\b)\w",
    re.I,
)
# A capital opens every sentence: of these words it makes no name.
_OPENERS = STOPWORDS | frozenset(
    "later earlier soon today yesterday now then here there once again still thus hence meanwhile however "
    "moreover nevertheless nonetheless instead also besides otherwise aged despite during since until upon within "
    "without after before under over one two three four five six several many some most all each both such "
    "another other last next first second third even only although though unlike according because perhaps maybe "
    "often sometimes january february march april may june july august september october november december monday "
    "tuesday wednesday thursday friday saturday sunday".split()
)
_MANY = frozenset("people police children men women".split())
_END = re.compile(r"[.!?…][\"'”’»)\]]*$")
_PREPOSITIONS = frozenset("of in at on for from with between".split())
_NO_SUBJECT = _PERSONS | frozenset(
    "and or but nor longer that who which whom whose where how what why to by as than if when while because".split()
)


def claims_of(sentence: str) -> list[str]:
    """The claims of a sentence, in order; the sentence itself where it makes one.

    A clause that opens with a pronoun says nothing alone: its claim begins where that of the clause before it does.
    """
    spans = _clauses(sentence)
    if len(spans) == 1:
        return [sentence]
    claims = []
    start = 0
    for low, high in spans:
        back = _BACK.match(sentence, _begin(sentence, low), high) or (low and points_back(_capital(sentence[low:high])))
        start = start if back else low
        claims.append(_ended(sentence[start:high].strip()))
    return claims


def points_back(sentence: str) -> bool:
    """Whether a sentence speaks of one whom it does not name: "He said so", "Two years later she left", "The court sent
    him to prison". Not of one whom it names first: "Lee said he would", "The bank sold its house"."""
    for pronoun in _PRONOUN.finditer(sentence):
        before = sentence[: pronoun.start()]
        if _names_one(before):
            return False
        clause = re.split(r"[,;:—–(]\s*", before)[-1]
        if pronoun["whom"] or not _NOUN.search(clause):
            return True
    return False


def _names_one(text: str) -> bool:
    """Whether a name, or a noun that opens the sentence, stands in the text."""
    first, *rest = re.findall(r"[^\W\d_][\w'’-]*[,;:]?", text) or [""]
    bare = first.rstrip(",;:").lower()
    opens = bool(bare) and first == first.rstrip(",;:") and bare not in _OPENERS and not bare.endswith("ly")
    return opens or any(word[0].isupper() and word.rstrip(",;:").lower() not in _OPENERS for word in rest)


def _clauses(sentence: str) -> list[Span]:
    """The spans of its clauses, without what joins them."""
    masked = _masked(sentence)
    spans: list[Span] = []
    low = 0
    for seam in [] if _ALL_TOLD.search(masked) else _SEAM.finditer(masked):
        both = sentence[low : seam.start()], sentence[seam.end() :]
        if min(map(_content, both)) >= CONTENT_WORDS and _divides(seam, masked[low : seam.start()]):
            spans.append((low, seam.start()))
            low = seam.end()
    return [*spans, (low, len(sentence))]


def _capital(clause: str) -> str:
    return clause[:1].upper() + clause[1:]


def _masked(text: str) -> str:
    """The text with dots for what stands in quotation marks and brackets, the inner ones first."""
    while (masked := _ENCLOSED.sub(lambda match: "•" * len(match.group()), text)) != text:
        text = masked
    return text


def _divides(seam: re.Match[str], left: str) -> bool:
    """Whether a clause ends before the seam, and one of its own, free of it, begins behind."""
    right = seam.string[_begin(seam.string, seam.end()) :].split()[: SUBJECT_WORDS + 4]
    verb = _clause_verb(right)
    if verb is None or _DEPENDS.search(left) or (_TOLD.search(left) and verb not in _TELLING):
        return False
    if _OPENS.match(left) and ";" not in seam.group():
        return False
    if seam["plain"]:  # where no comma parts the two, surer signs are asked for
        last = re.split(r"[,;] | and ", left)[-1]
        return (verb in _SINGULAR or right[0].lower() in _PERSONS) and _has_verb(last.split(), surely=True)
    # "Paris, Rome, and Bern": a list, unless there is a verb after its last comma too.
    return _has_verb((left.rpartition(", ")[2] if seam["word"] == "and" else left).split())


def _begin(text: str, at: int) -> int:
    """Where a clause's subject begins: behind "however" and its like."""
    match = _ADVERBIAL.match(text, at)
    return match.end() if match else at


def _clause_verb(words: Sequence[str]) -> str | None:
    """The verb of the clause that the words open; None where they do not surely open one."""
    first = words[0].lower() if words else ""
    if first in _PERSONS or first in _THINGS:
        at = next((at for at in range(1, len(words)) if words[at].lower() not in _ADVERBS), 0)
        verb = _bare(words[at])
        surely = _is_verb(words, at) or (first in _PERSONS and verb.isalpha() and verb not in _NO_SUBJECT)
        if at and surely:
            return verb
    counts = first in _DETERMINERS or first[:1].isdigit()  # then a noun must follow
    return _verb_of_noun(words, 2 if counts else 1) if counts or (words and words[0][0].isupper()) else None


def _verb_of_noun(words: Sequence[str], start: int) -> str | None:
    """The first verb from `start` on, when the words before it can be its subject."""
    for at in range(start, min(len(words), SUBJECT_WORDS + 1)):
        before, word = words[at - 1].lower(), words[at].lower()
        # "the harm the war has done" is no clause, "the head of the state has come" is one.
        nested = word in _DETERMINERS and before not in _PREPOSITIONS
        if before[-1] in ",;:)" or "—" in before or before in _NO_SUBJECT or nested:
            return None
        if _is_verb(words, at):
            verb = _bare(words[at])
            # "Paris and Rome were": both are the subject.
            return None if verb in _PLURAL and not (before.endswith("s") or before in _MANY) else verb
    return None


def _is_verb(words: Sequence[str], at: int) -> bool:
    word, after = _bare(words[at]), words[at + 1] if at + 1 < len(words) else ""
    object_follows = after.lower() in _OBJECT or after[:1].isupper() or after[:1].isdigit()
    return words[at][0].islower() and (word in _FINITE or (_may_be_past(word) and object_follows))


def _may_be_past(word: str) -> bool:
    return word in _PAST or (word.endswith("ed") and len(word) > 4 and word not in _NAMING)


def _has_verb(words: Sequence[str], surely: bool = False) -> bool:
    """Whether a clause's words hold its verb; unless `surely`, a past form without an object counts ("it opened")."""
    verbs = (_is_verb(words, at) or (not surely and _follows_noun(words, at)) for at in range(len(words)))
    return any(verbs) or (bool(words) and words[0].lower() in _PERSONS)


def _follows_noun(words: Sequence[str], at: int) -> bool:
    """Whether a word is a past form that no determiner, adverb or comma makes an adjective."""
    before = words[at - 1].lower() if at else ","
    return _may_be_past(_bare(words[at])) and not before.endswith((",", "ly")) and before not in _DETERMINERS


def _bare(word: str) -> str:
    return word.rstrip(".,;:!?")


def _content(text: str) -> int:
    return sum(word not in STOPWORDS for word in re.findall(r"\w+", text.lower()))


def _ended(text: str) -> str:
    """With the full stop that a claim has, and that our model expects (0.71 without, 0.94 with it, on one pair)."""
    return text if _END.search(text) else f"{text}."
