"""Letters that plain text has for what a page shows otherwise: raised and lowered figures, ligatures."""

from __future__ import annotations

import re

_FIGURES = re.compile(r"[\s,+−–()-]*\d[\d\s,+−–()-]*")
_SUPERSCRIPTS = str.maketrans("0123456789+−–-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁽⁾")
_SUBSCRIPTS = str.maketrans("0123456789+−–-()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₍₎")
_LIGATURES = {0xFB00 + at: letters for at, letters in enumerate(("ff", "fi", "fl", "ffi", "ffl", "st", "st"))}


def superscript(text: str) -> str:
    """Raised figures as such, lest "2023" and a note's "1" become 20231; other raised text ("rd") as it is."""
    return text.translate(_SUPERSCRIPTS) if _FIGURES.fullmatch(text) else text


def subscript(text: str) -> str:
    """The same of lowered figures."""
    return text.translate(_SUBSCRIPTS) if _FIGURES.fullmatch(text) else text


def plain(text: str) -> str:
    """Without surrogates and NULs, which some fonts' tables give, and with letters for ligatures."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").translate(_LIGATURES)
