"""What the values of a column mean: numbers, dates and texts in the ways in which people write."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np

from ._refusals import import_pandas

#: Words that stand for a missing value where numbers or dates are expected, in small letters.
STAND_INS = {
    *("na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nil", "none", "null", "missing"),
    *("?", "-", "--", ".", "..", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    *("#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!"),
}
#: Numbers beyond it cannot be squared, and are as good as infinite.
HUGE = 1e100
CURRENCY = r"[$¢-¥₠-₿]|USD|EUR|GBP|CHF|JPY|INR"
NUMBER = re.compile(
    rf"""(?P<ahead>{CURRENCY})?\s* (?P<opened>\()?\s* (?P<sign>[+\-−])?\s*
    (?P<before>{CURRENCY})?\s* (?P<digits>[0-9.,\s'’]*[0-9][.,]?) (?P<power>e[+-]?[0-9]+)?
    \s?(?P<last>[\-−])? \s*(?P<after>%|{CURRENCY})? \s*(?P<closed>\))?""",
    re.VERBOSE | re.IGNORECASE,
)
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
#: The form in which programs write numbers, which is taken without looking further.
PLAIN = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")
#: What may separate thousands beside each decimal mark.
SEPARATORS = {".": r"[,\s'’]", ",": r"[.\s'’]"}
#: Digits with a decimal mark; thousands in groups of three, or in twos as in India.
DIGITS = {
    mark: re.compile(
        rf"([0-9]*|[1-9][0-9]{{0,2}}(?P<gap>{gap})[0-9]{{3}}((?P=gap)[0-9]{{3}})*{indian})"
        rf"({re.escape(mark)}[0-9]*)?"
    )
    for (mark, gap), indian in zip(
        SEPARATORS.items(), (r"|[1-9][0-9]?(,[0-9]{2})+,[0-9]{3}", ""), strict=True
    )
}
NO_NUMBER = (np.nan, np.nan, "")
TIME = (
    r"((T|,?\s)\s*(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2}([.,][0-9]+)?))?"
    r"(\s?(?P<half>[ap])\.?m\.?)?\s?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
DAY, YEAR, NAME = r"(?P<day>[0-9]{1,2})", r"(?P<year>[0-9]{4}|[0-9]{2})", r"(?P<month>[a-z]{3,9})"
MONTH, MARK, SAME = r"(?P<month>[0-9]{1,2})", r"(?P<mark>[-./])", r"(?P=mark)"
#: The orders in which dates are written.
DATES = {
    order: re.compile(pattern + TIME, re.IGNORECASE)
    for order, pattern in {
        "year first": rf"(?P<year>[0-9]{{4}}){MARK}{MONTH}{SAME}{DAY}",
        "eight digits": "(?P<year>(19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
        "month first": rf"{MONTH}{MARK}{DAY}{SAME}{YEAR}",
        "day first": rf"{DAY}{MARK}{MONTH}{SAME}{YEAR}",
        "day and name of the month": rf"{DAY}[-./\s]{{0,2}}{NAME}[-./,\s]{{0,2}}{YEAR}",
        "name of the month first": rf"{NAME}\.?\s?{DAY},?\s(?P<year>[0-9]{{4}})",
    }.items()
}
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
#: Years of two digits are those of 1969 to 2068, as strptime has it.
LAST_OF_CENTURY = 68
EPOCH = date(1970, 1, 1).toordinal()


# --- readings of a column -------------------------------------------------------------------
@dataclass(frozen=True)
class AsNumber:
    """Reads numbers with one decimal mark and one unit; what has others is missing.

    Attributes
    ----------
    decimal : str
        "." or ",".
    unit : str
        A sign of currency, which may be left out, or "%", which may not. Empty: none.
    """

    decimal: str = "."
    unit: str = ""
    kind = "number"

    def __call__(self, values):
        """The numbers in a column; NaN where there is none."""
        pandas = import_pandas()
        if pandas.api.types.is_numeric_dtype(values):
            numbers = pandas.to_numeric(values, errors="coerce").astype(float)
        else:
            numbers = _each(texts_of(values), self.value)
        return numbers.where(numbers.abs() < HUGE)

    def value(self, text):
        """The number that a text means; NaN if it means none."""
        point, comma, unit = parse_number(text)
        if not self.takes(unit):
            return np.nan
        return point if self.decimal == "." else comma

    def takes(self, unit):
        """Whether a number with some unit is one of this column."""
        return unit == self.unit or (unit == "" and self.unit != "%")


@dataclass(frozen=True)
class AsDate:
    """Reads dates that are written in one order, as days since 1970."""

    order: str
    kind = "number"

    def __call__(self, values):
        """The days of a column; NaN where there is no date."""
        return _each(texts_of(values), self.value)

    def value(self, text):
        """The days since 1970 of a text; NaN if it is no date."""
        found = DATES[self.order].fullmatch(text)
        return np.nan if found is None else _days(found.groupdict())


@dataclass(frozen=True)
class AsTruth:
    """Reads true and false, and what stands for them beside such, as 1 and 0."""

    kind = "number"

    def __call__(self, values):
        """The truth of a column; NaN where there is none."""
        return _each(texts_of(values), self.value)

    def value(self, text):
        """1 or 0; NaN for any other text."""
        return {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}.get(text.lower(), np.nan)


@dataclass(frozen=True)
class AsText:
    """Takes texts as they are; kind: "category", "words" or "letters"."""

    kind: str

    def __call__(self, values):
        """The texts of a column; empty where there is none."""
        return texts_of(values).fillna("")


def texts_of(values):
    """Values as text without spaces around it, missing and empty ones as missing.

    Whole numbers have no decimal point.
    """
    pandas = import_pandas()
    if pandas.api.types.infer_dtype(values) == "string":
        codes, different = pandas.factorize(values)
        # The last is for missing ones, code -1.
        texts = np.array([*(text.strip() or np.nan for text in different), np.nan], dtype=object)
        return pandas.Series(texts[codes], index=values.index, dtype=object)
    present = values.notna().to_numpy()
    given = values.to_numpy(object)[present]
    if pandas.api.types.is_float_dtype(values) and all(number % 1 == 0 for number in given):
        given = given.astype(np.int64)
    texts = np.full(len(values), np.nan, dtype=object)
    texts[present] = [str(value).strip() or np.nan for value in given]
    return pandas.Series(texts, index=values.index, dtype=object)


def count_texts(texts):
    """How often each text occurs, in the order in which they come first."""
    codes, different = import_pandas().factorize(texts)
    return Counter(dict(zip(different, np.bincount(codes[codes >= 0]).tolist(), strict=True)))


def _each(texts, read):
    """A number for each text, each different one read once."""
    pandas = import_pandas()
    codes, different = pandas.factorize(texts)
    numbers = np.array([*map(read, different), np.nan])  # The last is for missing ones, code -1.
    return pandas.Series(numbers[codes], index=texts.index)


# --- numbers --------------------------------------------------------------------------------
def parse_number(text):
    """The number that a text means with a decimal point, and with a decimal comma, and its unit.

    Parameters
    ----------
    text : str

    Returns
    -------
    point, comma : float
        NaN where it means none.
    unit : str

    Examples
    --------
    >>> from sklearn_relatif.cli.tables._readings import parse_number
    >>> parse_number("1.234"), parse_number("(1,234.50)"), parse_number("3,5 %")
    ((1.234, 1234.0, ''), (-1234.5, nan, ''), (nan, 3.5, '%'))
    """
    plain = PLAIN.fullmatch(text)
    if plain is not None:
        return _of_plain(text, *plain.groups())
    found = NUMBER.fullmatch(text)
    if found is None:
        return (float(text), float(text), "") if INFINITE.fullmatch(text) else NO_NUMBER
    ahead, opened, sign, before, digits, power, last, after, closed = found.groups()
    units, signs = (list(filter(None, of)) for of in ((ahead, before, after), (opened, sign, last)))
    if bool(opened) != bool(closed) or len(units) > 1 or len(signs) > 1:
        return NO_NUMBER
    is_negative = bool(signs) and signs != ["+"]
    point, comma = (_of_digits(digits, mark, power or "", is_negative) for mark in ".,")
    return point, comma, "".join(units).upper()


def _of_plain(text, whole, fraction):
    number = float(text)
    if fraction is None:
        return number, number, ""
    may_be_thousands = len(fraction) == 3 and len(whole) <= 3 and whole[0] != "0"
    return number, float(text.replace(".", "")) if may_be_thousands else np.nan, ""


def _of_digits(digits, mark, power, is_negative):
    if DIGITS[mark].fullmatch(digits) is None:
        return np.nan
    number = float(re.sub(SEPARATORS[mark], "", digits).replace(",", ".") + power)
    return -number if is_negative else number


# --- dates ----------------------------------------------------------------------------------
def _days(parts):
    """Days since 1970 of the parts of a date; NaN where there is no such day."""
    year, month = int(parts["year"]), _month(parts["month"])
    if len(parts["year"]) == 2:
        year += 2000 if year <= LAST_OF_CENTURY else 1900
    try:
        days = date(year, month, int(parts["day"])).toordinal() - EPOCH
    except ValueError:
        return np.nan
    return days if parts["hour"] is None else days + _share_of_day(parts)


def _month(text):
    if text.isdecimal():
        return int(text)
    fitting = [place for place, name in enumerate(MONTHS, 1) if name.startswith(text.lower())]
    return fitting[0] if fitting else 0


def _share_of_day(parts):
    hour, minute = int(parts["hour"]), int(parts["minute"])
    second = float((parts["second"] or "0").replace(",", "."))
    if parts["half"] is not None:
        if not 1 <= hour <= 12:
            return np.nan
        hour = hour % 12 + 12 * (parts["half"].lower() == "p")
    if hour > 24 or minute > 59 or second >= 61:
        return np.nan
    return (hour - _hours_ahead(parts["zone"])) / 24 + minute / 1440 + second / 86400


def _hours_ahead(zone):
    """Hours by which the clocks of a zone are ahead of universal time."""
    if zone is None or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return float(f"{zone[0]}1") * (int(digits[:2]) + int(digits[2:]) / 60)
