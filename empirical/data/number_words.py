"""Numbers written out in English, French and German, word for word, and read again.

A translation task that is made by rule: it has one right answer, and structure to learn. German puts units
before tens (dreiundzwanzig), French counts in twenties beyond sixty (quatre-vingt-dix-sept). Words are split
where a reader hears their parts, so that no number is a word of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from ...theory.base.validation import InputError, check_choice, check_count

Language = Literal["english", "french", "german"]
LARGEST = 999_999

_ENGLISH = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_FRENCH = [
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze",
    "treize", "quatorze", "quinze", "seize",
]  # fmt: skip
_FRENCH_TENS = ["vingt", "trente", "quarante", "cinquante", "soixante"]
_GERMAN = [
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
]  # fmt: skip
_GERMAN_TENS = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
# As they stand before "zehn".
_GERMAN_TEENS = ["drei", "vier", "fünf", "sech", "sieb", "acht", "neun"]


def write(number: int, language: Language) -> list[str]:
    """Words of a number from 0 to 999,999.

    Raises
    ------
    InputError
        If the number is out of range or the language is unknown.

    Examples
    --------
    >>> from selfdistill.empirical.data.number_words import write
    >>> " ".join(write(1097, "french")), " ".join(write(1097, "german"))
    ('mille quatre vingt dix sept', 'ein tausend sieben und neunzig')
    """
    check_count(number, "number", least=0)
    if number > LARGEST:
        raise InputError(f"number must be at most {LARGEST}; got {number}.")
    check_choice(language, "language", get_args(Language))
    if number == 0:
        return [{"english": _ENGLISH, "french": _FRENCH, "german": _GERMAN}[language][0]]
    return _WRITERS[language](number)


def _english(n: int) -> list[str]:
    if n >= 1000:
        rest = n % 1000
        return [*_english(n // 1000), "thousand", *(["and"] if 0 < rest < 100 else []), *_english(rest)]
    if n >= 100:
        return [_ENGLISH[n // 100], "hundred", *(["and", *_english(n % 100)] if n % 100 else [])]
    if n >= 20:
        return [_ENGLISH_TENS[n // 10 - 2], *_english(n % 10)]
    return [_ENGLISH[n]] if n else []


def _french(n: int, last: bool = True) -> list[str]:
    """With `last` nothing follows, which decides an s."""
    if n >= 1000:
        thousands = n // 1000
        return [*(_french(thousands, last=False) if thousands > 1 else []), "mille", *_french(n % 1000)]
    if n >= 100:
        hundreds, rest = divmod(n, 100)
        plural = hundreds > 1 and not rest and last
        return [
            *([_FRENCH[hundreds]] if hundreds > 1 else []),
            "cents" if plural else "cent",
            *_french(rest, last),
        ]
    if n >= 80:
        return ["quatre", "vingt", *_french(n - 80)] if n > 80 else ["quatre", "vingts" if last else "vingt"]
    if n >= 20:
        tens, rest = (60, n - 60) if n >= 60 else (n // 10 * 10, n % 10)
        return [_FRENCH_TENS[tens // 10 - 2], *(["et"] if rest in (1, 11) else []), *_french(rest)]
    if n > 16:
        return ["dix", _FRENCH[n - 10]]
    return [_FRENCH[n]] if n else []


def _german(n: int, last: bool = True) -> list[str]:
    """With `last` nothing follows, which makes ein to eins."""
    if n >= 1000:
        return [*_german(n // 1000, last=False), "tausend", *_german(n % 1000, last)]
    if n >= 100:
        return [*_german(n // 100, last=False), "hundert", *_german(n % 100, last)]
    if n >= 20:
        unit = [*_german(n % 10, last=False), "und"] if n % 10 else []
        return [*unit, _GERMAN_TENS[n // 10 - 2]]
    if n > 12:
        return [_GERMAN_TEENS[n - 13], "zehn"]
    if n == 1 and not last:
        return ["ein"]
    return [_GERMAN[n]] if n else []


_WRITERS: dict[Language, Callable[[int], list[str]]] = {
    "english": _english,
    "french": _french,
    "german": _german,
}


def read(words: list[str], language: Language) -> int | None:
    """Return the number that words spell, or None where they spell none; what was not written by `write` is none."""
    check_choice(language, "language", get_args(Language))
    try:
        number = _READERS[language](words)
    except (KeyError, ValueError):
        return None
    return number if 0 <= number <= LARGEST and write(number, language) == list(words) else None


_SMALL = {word: value for words in (_ENGLISH, _FRENCH, _GERMAN) for value, word in enumerate(words)}
_TENS = {
    word: 10 * i for words in (_ENGLISH_TENS, _FRENCH_TENS, _GERMAN_TENS) for i, word in enumerate(words, 2)
}


def _halves(words: list[str], at: str) -> tuple[list[str], list[str]] | None:
    return (words[: words.index(at)], words[words.index(at) + 1 :]) if at in words else None


def _read_english(words: list[str]) -> int:
    for word, size in (("thousand", 1000), ("hundred", 100)):
        if halves := _halves(words, word):
            return size * _read_english(halves[0]) + _read_english(halves[1])
    return sum(_SMALL[word] if word in _SMALL else _TENS[word] for word in words if word != "and")


def _read_french(words: list[str]) -> int:
    if halves := _halves(words, "mille"):
        return 1000 * (_read_french(halves[0]) or 1) + _read_french(halves[1])
    total = 0
    for i, word in enumerate(words):
        if word in ("cent", "cents"):
            total = 100 * max(total, 1)
        elif word in ("vingt", "vingts") and i and words[i - 1] == "quatre":
            total += 76  # four is there already
        elif word != "et":
            total += _SMALL[word] if word in _SMALL else _TENS[word]
    return total


def _read_german(words: list[str]) -> int:
    for word, size in (("tausend", 1000), ("hundert", 100)):
        if halves := _halves(words, word):
            return size * _read_german(halves[0]) + _read_german(halves[1])
    short = {"ein": 1, "sech": 6, "sieb": 7, "und": 0}
    return sum(
        short[word] if word in short else _SMALL[word] if word in _SMALL else _TENS[word] for word in words
    )


_READERS: dict[Language, Callable[[list[str]], int]] = {
    "english": _read_english,
    "french": _read_french,
    "german": _read_german,
}
