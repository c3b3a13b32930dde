"""What a column holds: the reading that fits most of its values, and what to say of it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ...utils._text import clip
from ._readings import (
    DATES,
    PLAIN,
    SEPARATORS,
    STAND_INS,
    AsDate,
    AsNumber,
    AsText,
    AsTruth,
    count_texts,
    parse_number,
    texts_of,
)
from ._refusals import import_pandas, some

#: Share of the values of a column that must be numbers or dates for it to be taken as such.
MOST = 0.95
#: Where more different numbers than this stand beside no more than so many different words, the
#: words stand for missing values.
MANY_NUMBERS, FEW_WORDS = 50, 5
#: A column of strings of which more than this share differ is text, not a category.
TEXT_SHARE = 0.5
#: Fewer different strings than this are categories in any case.
FEW = 50
#: Categories of a column; rarer ones are put together.
MAX_CATEGORIES = 100
#: Values that should coincide by chance in a column of whole numbers where none does, for it to be
#: taken for names of the rows.
EXPECTED_PAIRS = 5
DIGITS_ALONE, NUMBER_LIKE = re.compile("[0-9]+"), re.compile(r"[^\w\s]*\s*[0-9]")
#: What such a column is called: id, user_id, customerID.
ID_NAME = r"(^|[_\W])[iI][dD]$|[a-z]I[dD]$"
#: Words in a value from which on a text is taken apart by words, below by letters.
WORDS = 3
#: Different texts of a column that are tried as dates before all are.
SAMPLE = 50


@dataclass
class Column:
    """How a column is read.

    Attributes
    ----------
    reading : callable or None
        Takes the values, and gives numbers or texts. None: the column is left out.
    values : Series or None
        What it gives.
    said : dict of str to str
        What was assumed (the same words for all columns of which it is true), and of which values.
    why_left_out : str or None
        Why nothing is predicted from it; None if something is.
    votes : Counter of str
        Values that are numbers only with a decimal point, "."; only with a decimal comma, ",";
        dates only in an order, such as "day first".
    is_torn : bool
        Whether the reading rests on what the rest of the file is like.
    """

    reading: object = None
    values: object = None
    said: dict[str, str] = field(default_factory=dict)
    why_left_out: str | None = None
    votes: Counter = field(default_factory=Counter)
    is_torn: bool = False


def understand(frame):
    """How to read each column of a data frame.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    columns : dict of str to Column
    notes : list of str
        What was assumed.
    """
    columns = {name: _column(name, frame[name], Counter()) for name in frame.columns}
    votes: Counter = sum((column.votes for column in columns.values()), Counter())
    for name, column in columns.items():
        if column.is_torn and votes:
            columns[name] = _column(name, frame[name], votes)
    return columns, notes_of({name: column.said for name, column in columns.items()})


def notes_of(said, most=5):
    """A line for each thing that was said of columns.

    Parameters
    ----------
    said : dict of str to dict of str to str
        For each column what is said of it, and details.
    most : int
        Columns whose details are shown.
    """
    lines: dict[str, list[str]] = {}
    for name, of_column in said.items():
        for what, detail in of_column.items():
            shown = some([name])
            lines.setdefault(what, []).append(f"{shown} ({detail})" if detail else shown)
    return [
        f"{what}: {', '.join(names[:most])}"
        + (f" and {len(names) - most} more columns." if len(names) > most else ".")
        for what, names in lines.items()
    ]


def lost_values(values, read):
    """What to say of values that a reading gave no number for."""
    is_lost = (read.isna() & values.notna()).to_numpy()
    if not is_lost.any():
        return None
    counts = count_texts(texts_of(values[is_lost]))
    n_values = f"{count_of(counts.total())}: " if len(counts) > 1 else ""
    return f"{n_values}{examples(counts)}" if counts else None


def as_quantity(values):
    """The numbers in a column by itself; None if it does not hold numbers."""
    if import_pandas().api.types.is_numeric_dtype(values):
        return AsNumber()(values)
    numbers = _Numbers(_counts(texts_of(values)))
    if not numbers.texts or not numbers.are_most():
        return None
    return AsNumber(numbers.decimal(Counter())[0], numbers.unit())(values)


def number_column(values, votes):
    """A column that is to be predicted as a number, whatever it is called; None if it holds none.

    Parameters
    ----------
    values : Series
    votes : Counter of str
        Of the other columns of the file.
    """
    pandas = import_pandas()
    if pandas.api.types.is_bool_dtype(values):
        return None
    if pandas.api.types.is_numeric_dtype(values):
        return _finish(Column(AsNumber()), values)
    counts = _counts(texts_of(values))
    return _as_numbers(counts, values, votes, None) if counts else None


def are_codes(texts, counts):
    """Whether texts are digits of which leading zeros are a part, as in postal codes.

    They are where all have one length, or where more than a few have such zeros.
    """
    if not all(map(DIGITS_ALONE.fullmatch, texts)):
        return False
    n_led = sum(n for text, n in zip(texts, counts, strict=True) if text[0] == "0" != text)
    is_padded = len(set(map(len, texts))) == 1
    return bool(n_led) and (is_padded or n_led > (1 - MOST) * sum(counts))


def _counts(texts):
    """How often each text occurs, without those that stand for missing values."""
    counts = count_texts(texts)
    return Counter({text: n for text, n in counts.items() if text.lower() not in STAND_INS})


# --- one column -----------------------------------------------------------------------------
def _column(name, values, votes):
    pandas = import_pandas()
    if pandas.api.types.is_bool_dtype(values):
        return _finish(Column(AsTruth()), values)
    if pandas.api.types.is_numeric_dtype(values):
        return _finish(Column(AsNumber()), values, name)
    texts = texts_of(values)
    if texts.isna().all():
        return _left_out("is empty")
    counts = _counts(texts)
    if not counts:
        return _left_out("holds no value that can be used")
    return (
        _as_truth(counts, values)
        or _as_dates(counts, values, ["eight digits"], votes)
        or _as_numbers(counts, values, votes, name)
        or _as_dates(counts, values, [order for order in DATES if order != "eight digits"], votes)
        or _as_texts(counts, texts)
    )


def _finish(column, values, name=None):
    """Apply the reading, and leave out what nothing can be predicted from."""
    read = column.values = column.reading(values)
    if read.isna().all():
        return _left_out("holds no value that can be used")
    lost = lost_values(values, read)
    if read.nunique(dropna=False) == 1:
        return _left_out("holds one value only")
    if name is not None and _names_rows(name, read):
        return _left_out("has a different whole number in each row, as names have")
    if lost:
        column.said[f"Values that are {_negation(column.reading)}, taken as missing"] = lost
    return column


def _left_out(why):
    return Column(why_left_out=f"it {why}")


def _negation(reading):
    if isinstance(reading, AsDate):
        return "no dates"
    return "neither true nor false" if isinstance(reading, AsTruth) else "no finite numbers"


def _as_truth(counts, values):
    if all(text.lower() in ("true", "false") for text in counts):
        return _finish(Column(AsTruth()), values)
    return None


def _as_texts(counts, texts):
    n_present, n_different = counts.total(), len(counts)
    said = {}
    if n_different <= max(FEW, TEXT_SHARE * n_present):
        reading = AsText("category")
        if n_different > MAX_CATEGORIES:
            said[f"Over {MAX_CATEGORIES} categories, of which rare ones were put together"] = ""
        if are_codes(list(counts), list(counts.values())):
            said["Digits with leading zeros, taken as names, not as numbers"] = examples(counts)
        elif sum(n for text, n in counts.items() if NUMBER_LIKE.match(text)) > n_present / 2:
            said["Values that begin with digits and are no numbers, taken as categories"] = (
                examples(counts)
            )
        words = count_texts(texts) - counts
        if words:
            said["Words that often stand for missing values, taken as a category"] = examples(words)
    elif n_different == len(texts) and all(re.search(r"^\S*\d\S*$", text) for text in counts):
        return _left_out("names the rows")
    else:
        of_words = np.mean([re.search(r"\w\w", text) is not None for text in counts]) > 0.5
        of_words &= np.mean([len(text.split()) for text in counts]) >= WORDS
        reading = AsText("words" if of_words else "letters")
        said["Texts, taken apart by words" if of_words else "Texts, taken apart by letters"] = ""
    column = _finish(Column(reading), texts)
    column.said = column.said | said if column.reading else column.said
    return column


def _names_rows(name, numbers):
    """Whether whole numbers, all different, are rather names than measurements.

    They are where measurements of that range would have coincided, or where they are called so.
    """
    n_rows = len(numbers)
    if n_rows <= FEW or not numbers.is_unique or numbers.isna().any() or (numbers % 1).any():
        return False
    expected_pairs = n_rows**2 / 2 / np.ptp(numbers)
    return bool(expected_pairs >= EXPECTED_PAIRS or re.search(ID_NAME, name))


# --- numbers --------------------------------------------------------------------------------
class _Numbers:
    """The different texts of a column as numbers, with a decimal point and with a decimal comma."""

    def __init__(self, counts):
        self.texts, self.counts = list(counts), np.array(list(counts.values()))
        point, comma, self.units = zip(*map(parse_number, self.texts), strict=True)
        self.values = {".": np.array(point), ",": np.array(comma)}
        fits_point, fits_comma = (~np.isnan(values) for values in self.values.values())
        self.fits = {".": fits_point, ",": fits_comma}
        self.are_numbers = fits_point | fits_comma
        self.votes = Counter(
            {".": self.n(fits_point & ~fits_comma), ",": self.n(fits_comma & ~fits_point)}
        )
        both = fits_point & fits_comma
        self.are_torn = both & (self.values["."] != self.values[","])
        self.are_whole = both & ~self.are_torn

    def n(self, which):
        return int(self.counts[which].sum())

    def are_most(self):
        """Whether the column is one of numbers."""
        if are_codes(self.texts, self.counts):
            return False
        n_numbers, n_all = self.n(self.are_numbers), self.counts.sum()
        n_words = len(self.texts) - self.are_numbers.sum()
        is_many = self.are_numbers.sum() > MANY_NUMBERS and n_numbers > n_all / 2
        return n_numbers >= MOST * n_all or (is_many and n_words <= FEW_WORDS)

    def decimal(self, votes):
        """The decimal mark, and whether that is what only the rest of the file can tell."""
        n_fit = {mark: self.n(fits) for mark, fits in self.fits.items()}
        best = max(n_fit, key=n_fit.__getitem__)
        if not self.are_torn.any() or min(n_fit.values()) < MOST * self.n(self.are_numbers):
            return best, False
        if votes["."] or votes[","]:
            return "." if votes["."] >= votes[","] else ",", True
        if any(self.votes.values()):
            return best, True
        return self.decimal_by_shape() or ".", True

    def decimal_by_shape(self):
        """The decimal mark by the other whole numbers; None where there are none.

        Where marks separate thousands, no number from 1,000 on is without one. Where they stand
        before decimals, hardly any number of three is beside whole ones.
        """
        whole = self.values["."][self.are_whole]
        if not len(whole):
            return None
        n_with_point = sum("." in self.texts[place] for place in np.flatnonzero(self.are_torn))
        has_points = 2 * n_with_point >= self.are_torn.sum()
        mark, other = (".", ",") if has_points else (",", ".")
        return mark if (np.abs(whole) >= 1000).any() else other

    def unit(self):
        """The unit of most values that have one; none where most have no percent sign."""
        n_of: Counter[str] = Counter()
        for unit, count in zip(self.units, self.counts * self.are_numbers, strict=True):
            n_of[unit] += int(count)
        unit = max((unit for unit in n_of if unit), key=n_of.__getitem__, default="")
        return "" if unit == "%" and n_of[""] > n_of["%"] else unit


def _as_numbers(counts, values, votes, name):
    numbers = _Numbers(counts)
    if not numbers.are_most():
        return None
    mark, is_torn = numbers.decimal(votes)
    reading = AsNumber(mark, numbers.unit())
    column = Column(reading, votes=numbers.votes, is_torn=is_torn)
    column.said = _said_of_numbers(numbers, reading)
    if is_torn and _is_doubtful(numbers, mark, votes):
        column.said["Numbers that could mean others"] = _doubt(numbers, mark)
    return _finish(column, values, name)


def _said_of_numbers(numbers, reading):
    """What is unusual in the way in which the numbers of a column are written."""
    mark, said = reading.decimal, {}
    taken = [reading.takes(unit) for unit in numbers.units] & numbers.fits[mark]
    taken = [
        at
        for at in np.flatnonzero(taken)
        if mark != "." or PLAIN.fullmatch(numbers.texts[at]) is None
    ]
    for what, pattern in (
        ("Numbers with a decimal comma", "," if mark == "," else None),
        ("Numbers with separators of thousands", rf"\d{SEPARATORS[mark]}\d"),
        ("Numbers with a unit", r"[^\d.,\s'’()+\-−e]" if reading.unit else None),
        ("Numbers in parentheses, taken as negative", r"\("),
        ("Numbers with a minus at the end, taken as negative", r"[\d.,]\s?[-−]"),
    ):
        if pattern is None:
            continue
        places = [at for at in taken if re.search(pattern, numbers.texts[at])]
        if places:
            longest = max(places, key=lambda at: len(numbers.texts[at]))
            said[what] = f"{count_of(numbers.n(places))}, {_meaning(numbers, longest, mark)}"
    return said


def _meaning(numbers, at, mark):
    return f"{clip(numbers.texts[at])!r} is {numbers.values[mark][at]:.10g}"


def _is_doubtful(numbers, mark, votes):
    """Whether the other decimal mark is likely too."""
    by_shape, marks = numbers.decimal_by_shape(), (votes["."], votes[","])
    is_mixed = min(marks) > (1 - MOST) * sum(marks)
    is_told = any(marks) and by_shape in (None, mark)
    return not numbers.votes[mark] and (is_mixed or not is_told)


def _doubt(numbers, mark):
    at = max(np.flatnonzero(numbers.are_torn), key=lambda at: len(numbers.texts[at]))
    other = numbers.values["," if mark == "." else "."][at]
    n_torn = count_of(numbers.n(numbers.are_torn))
    return f"{n_torn}, {_meaning(numbers, at, mark)} here, and could be {other:.10g}"


# --- dates ----------------------------------------------------------------------------------
def _as_dates(counts, values, orders, votes):
    """A column of dates, in the order that fits most of them; None if they are none."""
    sample = dict(list(counts.items())[:SAMPLE])
    if max(_n_dates(sample, order) for order in orders) < sum(sample.values()) / 2:
        return None
    n_fit = {order: _n_dates(counts, order) for order in orders}
    order = max(n_fit, key=n_fit.__getitem__)
    if n_fit[order] < MOST * counts.total():
        return None
    column, doubt = Column(), ""
    if order == "month first" and n_fit["day first"] == n_fit[order]:
        column.is_torn, (order, is_told) = True, _order_of_torn(counts, votes)
        doubt = "" if is_told else "; nothing tells the day from the month"
    else:
        column.votes[order] = n_fit[order]
    column.reading = AsDate(order)
    text = max((t for t in counts if not np.isnan(column.reading.value(t))), key=len)
    meaning = np.datetime64("1970-01-01") + int(np.floor(column.reading.value(text)))
    said = f"{count_of(n_fit[order])}, {order}, {clip(text)!r} is {meaning}{doubt}"
    column.said["Dates, counted in days"] = said
    return _finish(column, values)


def _order_of_torn(counts, votes):
    """The order of dates that may be either, and whether other columns of the file tell it."""
    of_others = votes["day first"], votes["month first"]
    if of_others[0] != of_others[1]:
        # With dates in both orders, the rest tells what is likely, but not what is so.
        return ("day first" if of_others[0] > of_others[1] else "month first"), not min(of_others)
    is_likely = "." in next(iter(counts)) or votes[","] > votes["."]
    return ("day first" if is_likely else "month first"), False


def _n_dates(counts, order):
    read = AsDate(order).value
    return sum(count for text, count in counts.items() if not np.isnan(read(text)))


# --- words ----------------------------------------------------------------------------------
def count_of(number, of_what="value"):
    """A number of things in words: 1 value, 2 values."""
    return f"{number} {of_what}" if number == 1 else f"{number} {of_what}s"


def examples(counts, most=3):
    """A few texts, the most frequent first, with how often they occur: 'NA' 12 times, '?'."""
    parts = [
        repr(clip(text)) + (f" {times} times" if times > 1 else "")
        for text, times in counts.most_common(most)
    ]
    return ", ".join(parts) + (", ..." if len(counts) > most else "")
