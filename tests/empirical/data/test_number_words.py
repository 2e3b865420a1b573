"""Numbers written out and read again."""

import pytest

from selfdistill.empirical.data.number_words import LARGEST, read, write
from selfdistill.theory import InputError

# From grammars and dictionaries, not from our rules.
KNOWN = {
    "english": {0: "zero", 21: "twenty one", 115: "one hundred and fifteen", 1006: "one thousand and six",
                40_300: "forty thousand three hundred", 999_999:
                "nine hundred and ninety nine thousand nine hundred and ninety nine"},
    "french": {0: "zéro", 17: "dix sept", 21: "vingt et un", 70: "soixante dix", 71: "soixante et onze",
               80: "quatre vingts", 81: "quatre vingt un", 91: "quatre vingt onze", 99: "quatre vingt dix neuf",
               100: "cent", 200: "deux cents", 201: "deux cent un", 280: "deux cent quatre vingts", 1000: "mille",
               1100: "mille cent", 80_000: "quatre vingt mille", 200_000: "deux cent mille",
               2_080: "deux mille quatre vingts", 21_000: "vingt et un mille"},
    "german": {0: "null", 1: "eins", 16: "sech zehn", 17: "sieb zehn", 21: "ein und zwanzig", 30: "dreißig",
               67: "sieben und sechzig", 101: "ein hundert eins", 1001: "ein tausend eins",
               21_000: "ein und zwanzig tausend", 101_000: "ein hundert ein tausend",
               4_576: "vier tausend fünf hundert sechs und siebzig"},
}  # fmt: skip


@pytest.mark.parametrize("language", KNOWN)
def test_known_numbers(language):
    for number, words in KNOWN[language].items():
        assert " ".join(write(number, language)) == words


@pytest.mark.parametrize("language", KNOWN)
def test_what_is_written_is_read_again_and_no_two_numbers_are_written_alike(language):
    numbers = [*range(12_000), *range(12_000, LARGEST + 1, 997), LARGEST]
    written = [tuple(write(n, language)) for n in numbers]
    assert len(set(written)) == len(numbers)
    assert [read(list(words), language) for words in written] == numbers


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("quatre vingt et un", "french"),
        ("zwanzig und ein", "german"),
        ("ein", "german"),
        ("one hundred five", "english"),
        ("deux", "english"),
        ("thousand", "english"),
        ("", "french"),
    ],
)
def test_what_is_not_well_written_is_no_number(words, language):
    assert read(words.split(), language) is None


def test_what_cannot_be_written_is_refused():
    with pytest.raises(InputError, match="at most 999999"):
        write(LARGEST + 1, "french")
    with pytest.raises(InputError, match="number"):
        write(-1, "french")
    with pytest.raises(InputError, match="language must be one of"):
        write(1, "latin")
