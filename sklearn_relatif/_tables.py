"""Tables as people keep them, made into features and labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ._explanation import clip
from ._table_files import TableError, import_pandas, some

#: Share of the values of a column that must look like numbers or dates for it to be taken as such.
MOST = 0.95
#: Numbers with separators of thousands, and a decimal point or a decimal comma.
POINT_NUMBER = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}([,\s']\d{3})+)(\.\d*)?(e[+-]?\d+)?", re.I)
COMMA_NUMBER = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}([.\s']\d{3})+)(,\d*)?(e[+-]?\d+)?", re.I)
#: What may stand before or behind a number.
UNIT = r"^[$€£]\s?|\s?[%$€£]$"
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?")
DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2\d{4}( \d{1,2}:\d{2}.*)?")
#: Numbers beyond it cannot be squared, and are as good as infinite.
HUGE = 1e100
#: A column of strings of which more than this share differ is text, not a category.
TEXT_SHARE = 0.5
#: Fewer different strings than this are categories in any case.
FEW = 50
#: Values that should coincide by chance in a column of whole numbers where none does, for it to be
#: taken for names of the rows.
EXPECTED_PAIRS = 5
#: What such a column is called: id, user_id, customerID.
ID_NAME = r"(^|[_\W])[iI][dD]$|[a-z]I[dD]$"
#: Words in a value from which on a text is taken apart by words, below by letters.
WORDS = 3
#: Categories of a column; rarer ones are put together.
MAX_CATEGORIES = 100
#: Parameters that the features of all texts may have in all classes together, and those of all
#: categories. The time of an audit grows with their square: this many take about a minute for
#: 20,000 rows.
MAX_PARAMETERS = 5000
MAX_CLASSES = 100
#: Different numbers in a target from which on it is a quantity, not a class.
MAX_NUMERIC_CLASSES = 50
#: Groups that are told apart.
MAX_GROUPS = 50


@dataclass
class Table:
    """Features and labels of a file.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The rows that have a label, as they were read.
    X : DataFrame of shape (n_rows, n_features)
        The columns that are used: numbers, and strings without missing values.
    y : ndarray of shape (n_rows,)
    readings : dict of str to str
        How the values of each column of X are read, a key of ``READERS``.
    notes : list of str
        What was assumed.
    """

    frame: object
    X: object
    y: np.ndarray
    readings: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def kinds(self):
        """The columns of each kind: numbers, categories, and texts of two kinds."""
        named = {kind: [] for kind in ("number", "category", "words", "letters")}
        for name, reading in self.readings.items():
            named[reading if reading in named else "number"].append(name)
        return named


def make_table(frame, target, notes, dropped=()) -> Table:
    """Separate the target, and find out what each column holds.

    Parameters
    ----------
    frame : DataFrame
    target : str
        Name of the column of labels.
    notes : list of str
        What was assumed is added to it.
    dropped : sequence of str
        Columns not to predict from.

    Raises
    ------
    TableError
        If the table cannot be used.
    """
    frame = frame.rename(columns=str).reset_index(drop=True)
    require_columns(frame, [target, *dropped])
    frame, y = _classes(frame, target, notes)
    columns, readings, said = {}, {}, {}
    for name in frame.columns.drop([target, *dropped], errors="ignore"):
        reading, values, note = _understand(name, frame[name])
        if note:
            said.setdefault(note, []).append(name)
        if reading is not None:
            columns[name], readings[name] = values, reading
            _note_unreadable(name, frame[name], values, notes)
    notes += [_of_columns(names, note) for note, names in said.items()]
    if not columns:
        raise TableError("no column is left to predict from")
    X = import_pandas().DataFrame(columns, index=frame.index)
    return Table(frame, X, y, readings, notes)


def more_rows(table, frame, target):
    """Features and labels of further rows, read as those of a table.

    Rows whose label the table does not have are left out.

    Parameters
    ----------
    table : Table
        What is assumed is added to its notes.
    frame : DataFrame
    target : str

    Returns
    -------
    X : DataFrame of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    """
    pandas = import_pandas()
    frame = frame.rename(columns=str).reset_index(drop=True)
    require_columns(frame, [target, *table.X.columns])
    classes = {str(label): label for label in np.unique(table.y)}
    y = _label_text(frame[target]).map(classes)
    known = y.notna()
    if not known.any():
        raise TableError(f"none of its values of {target!r} is a label of the training data")
    if not known.all():
        table.notes.append(
            f"{(~known).sum()} test rows without a label of the training data were left out."
        )
    columns = {}
    for name, reading in table.readings.items():
        columns[name] = READERS[reading](frame[name])
        _note_unreadable(name, frame[name], columns[name], table.notes)
    X = pandas.DataFrame(columns, index=frame.index)
    return X[known], y[known].to_numpy(table.y.dtype)


def require_columns(frame, names):
    """Raise a TableError if a data frame lacks a column."""
    for name in names:
        if name not in frame.columns:
            raise TableError(f"no column {name!r}; there are: {some(frame.columns)}")


# --- labels ---------------------------------------------------------------------------------


def _classes(frame, target, notes):
    """The rows that have a label, and their labels, of at least two classes of two rows."""
    pandas = import_pandas()
    y = _label_text(frame[target])
    missing = y.isna()
    if missing.any():
        notes.append(f"{missing.sum()} rows without a value of {target!r} were left out.")
    counts = y.value_counts()
    if pandas.api.types.is_numeric_dtype(frame[target]):
        is_whole = y.dropna().str.fullmatch(r"-?\d+").all()
        most = max(MAX_NUMERIC_CLASSES, len(y) // 10 if is_whole else 0)
        if len(counts) > most:
            raise TableError(
                f"{target!r} has {len(counts)} different numbers and looks like a quantity; an "
                "audit needs a column of classes"
            )
    rare = counts.index[counts < 2]
    n_classes = len(counts) - len(rare)
    if n_classes < 2:
        raise TableError(f"{target!r} has {n_classes} classes of at least two rows; two are needed")
    if n_classes > MAX_CLASSES:
        raise TableError(f"{target!r} has {n_classes} classes; at most {MAX_CLASSES} are possible")
    if len(rare):
        notes.append(f"Classes of a single row were left out: {some(rare)}.")
    kept = ~(missing | y.isin(rare))
    labels = frame.loc[kept, target]
    if pandas.api.types.is_bool_dtype(labels):
        return frame[kept], labels.to_numpy(bool)
    is_whole = pandas.api.types.is_numeric_dtype(labels) and (labels % 1 == 0).all()
    return frame[kept], labels.to_numpy(int) if is_whole else y[kept].to_numpy(str)


def _label_text(values):
    """Labels as text, missing ones as they are; whole numbers without a decimal point."""
    pandas = import_pandas()
    present = values.dropna()
    if pandas.api.types.is_float_dtype(present) and (present % 1 == 0).all():
        present = present.astype(int)
    texts = present.astype(str).str.strip().astype(object)
    return texts.where(texts != "").reindex(values.index)


# --- columns --------------------------------------------------------------------------------


def _understand(name, values):
    """How to read a column (a key of READERS, None: not at all), its values, and what to say."""
    present = values.dropna()
    if not len(present):
        return None, None, "is empty and was left out"
    reading, note = _reading(name, values, present)
    if reading is None:
        return None, None, note
    read = READERS[reading](values)
    if read.isna().all():
        return None, None, "has no value that can be used and was left out"
    if read.nunique(dropna=False) == 1:
        return None, None, "has one value only and was left out"
    return reading, read, note


def _reading(name, values, present):
    pandas = import_pandas()
    if pandas.api.types.is_bool_dtype(values):
        return "truth", None
    if pandas.api.types.is_numeric_dtype(values):
        if _names_rows(name, values):
            return None, "has a different whole number in each row, as names have; it was left out"
        return "number", None
    texts = present.astype(str).str.strip()
    if texts.str.lower().isin(["true", "false"]).all():
        return "truth", None
    bare = texts.str.replace(UNIT, "", regex=True)
    for reading, pattern in (("point number", POINT_NUMBER), ("comma number", COMMA_NUMBER)):
        if bare.str.fullmatch(pattern).mean() >= MOST:
            numbers = READERS[reading](texts)
            longest = texts[numbers.notna()].str.len().idxmax()
            meaning = f"{numbers[longest]:.10g}"
            example = clip(texts[longest])
            return reading, f"holds numbers as text ({example!r} was read as {meaning})"
    if texts.str.fullmatch(ISO_DATE).mean() >= MOST:
        return "date", "holds dates, taken as a number of days"
    if texts.str.fullmatch(DATE).mean() >= MOST:
        order = _order_of_date(texts)
        return order, f"holds dates, with the {order}, taken as a number of days"
    return _reading_of_texts(texts, len(values))


def _names_rows(name, values):
    """Whether whole numbers, all different, are rather names than measurements.

    They are where measurements of that range would have coincided, or where they are called so.
    """
    n_rows = len(values)
    if n_rows <= FEW or not values.is_unique or values.isna().any():
        return False
    numbers = values.to_numpy(float)
    if not np.isfinite(numbers).all() or (numbers % 1).any():
        return False
    expected_pairs = n_rows**2 / 2 / np.ptp(numbers)
    return bool(expected_pairs >= EXPECTED_PAIRS or re.search(ID_NAME, name))


def _order_of_date(texts):
    parts = texts.str.extract(DATE).dropna(subset=[0])
    n_first, n_second = ((parts[column].astype(int) > 12).sum() for column in (0, 2))
    n_first += parts[1].eq(".").mean() > 0.5  # Where neither can be a month, points tell.
    return "day first" if n_first > n_second else "month first"


def _reading_of_texts(texts, n_rows):
    n_different = texts.nunique()
    if n_different <= max(FEW, TEXT_SHARE * len(texts)):
        note = None
        if n_different > MAX_CATEGORIES:
            note = f"has over {MAX_CATEGORIES} categories, of which rare ones were put together"
        return "category", note
    if n_different == len(texts) == n_rows and texts.str.contains(r"^\S*\d\S*$").all():
        return None, "names the rows and was left out"
    has_words = texts.str.contains(r"\w\w").mean() > 0.5
    if has_words and texts.str.split().str.len().mean() >= WORDS:
        return "words", "is text, taken apart by words"
    return "letters", "is text of few words, taken apart by letters"


def _of_columns(names, note):
    return (
        f"Column {names[0]!r} {note}."
        if len(names) == 1
        else f"Columns {some(names)}: each {note}."
    )


def _note_unreadable(name, values, read, notes):
    n_lost = int((read.isna() & values.notna()).sum())
    if n_lost:
        notes.append(
            f"{n_lost} values of {name!r} that are infinite or cannot be read were taken as "
            "missing."
        )


def _number(values):
    numbers = import_pandas().to_numeric(values, errors="coerce").astype(float)
    return numbers.where(numbers.abs() < HUGE)


def _text(values):
    return values.dropna().astype(str).str.strip().reindex(values.index, fill_value="")


def _truth(values):
    return _text(values).str.lower().map({"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0})


def _point_number(values):
    bare = _text(values).str.replace(UNIT, "", regex=True)
    return _number(bare.str.replace(r"[,\s']", "", regex=True))


def _comma_number(values):
    bare = _text(values).str.replace(UNIT, "", regex=True)
    return _number(bare.str.replace(r"[.\s']", "", regex=True).str.replace(",", "."))


def _days(**how):
    def read(values):
        pandas = import_pandas()
        dates = pandas.to_datetime(_text(values), errors="coerce", utc=True, **how)
        epoch = pandas.Timestamp(0, tz="UTC").as_unit("s")  # In nanoseconds, years are few.
        return (dates - epoch) / pandas.Timedelta(days=1).as_unit("s")

    return read


#: How the values of a column are read: numbers, or strings without missing values.
READERS = {
    "number": _number,
    "truth": _truth,
    "point number": _point_number,
    "comma number": _comma_number,
    "date": _days(format="ISO8601"),
    "day first": _days(format="mixed", dayfirst=True),
    "month first": _days(format="mixed"),
    "category": _text,
    "words": _text,
    "letters": _text,
}


# --- features and groups --------------------------------------------------------------------


def features_of(table) -> ColumnTransformer:
    """scikit-learn's transformers for the columns of a table."""
    named, most = table.kinds(), _limits(table)
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    numbers = make_pipeline(impute, StandardScaler())
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=most["category"]
    )
    parts = [("numbers", numbers, named["number"]), ("categories", categories, named["category"])]
    for name in named["words"]:
        parts.append((f"words of {name}", TfidfVectorizer(max_features=most["words"]), name))
    for name in named["letters"]:
        letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(1, 3), max_features=most["letters"]
        )
        parts.append((f"letters of {name}", letters, name))
    return ColumnTransformer([part for part in parts if len(part[2])])


def describe_features(table):
    """A line on what is predicted from."""
    most = _limits(table)
    how = {
        "number": "numbers ({}; standardised, missing ones replaced by the median)",
        "category": f"categories ({{}}; one-hot, at most {most['category']} a column)",
        "words": f"texts ({{}}; TF-IDF of at most {most['words']} words)",
        "letters": f"texts ({{}}; TF-IDF of at most {most['letters']} groups of letters)",
    }
    parts = [how[kind].format(len(names)) for kind, names in table.kinds().items() if names]
    return f"Columns predicted from: {', '.join(parts)}."


def _limits(table):
    """Features of each column of a kind, at most."""
    named, n_classes = table.kinds(), len(np.unique(table.y))
    n_features = MAX_PARAMETERS // (n_classes - 1 if n_classes > 2 else 1)
    of_text = max(50, n_features // max(1, len(named["words"]) + len(named["letters"])))
    of_category = max(10, n_features // max(1, len(named["category"])))
    return {"category": min(MAX_CATEGORIES, of_category), "words": of_text, "letters": of_text}


def group_labels(values, notes):
    """Labels of the groups in a column of a table; None for rows that belong to none."""
    pandas = import_pandas()
    is_number = pandas.api.types.is_numeric_dtype(values)
    if is_number and values.nunique() > MAX_GROUPS:
        notes.append(f"The groups are tenths of {values.name!r}.")
        values = pandas.qcut(_number(values), 10, duplicates="drop")
    labels = _label_text(values)
    if labels.nunique() > MAX_GROUPS:
        notes.append(f"Only the {MAX_GROUPS} largest groups of {values.name!r} are looked at.")
        labels = labels.where(labels.isin(labels.value_counts().index[:MAX_GROUPS]))
    if labels.nunique() < 1:
        raise TableError(f"{values.name!r} has no values to group by")
    return labels.where(labels.notna(), None).to_numpy(object)
