"""Tables as people keep them, made into features and labels."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ._columns import (
    MAX_CATEGORIES,
    as_quantity,
    count_of,
    examples,
    lost_values,
    notes_of,
    number_column,
    understand,
)
from ._readings import STAND_INS, count_texts, texts_of
from ._table_files import TableError, import_pandas, some

#: Parameters that the features of all texts may have in all classes together, and those of all
#: categories. The time of an audit grows with their square: this many take about a minute for
#: 20,000 rows.
MAX_PARAMETERS = 5000
MAX_CLASSES = 100
#: Different numbers in a target from which on it is a quantity, not a class.
MAX_NUMERIC_CLASSES = 50
#: Groups that are told apart.
MAX_GROUPS = 50
#: Labels that are numbers, in the forms in which programs write them; other digits are names.
LABEL_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]*)?")
#: Names that are proposed where one is not found.
N_PROPOSED = 3


@dataclass
class Table:
    """Features and targets of a file.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The rows that have a target, as they were read.
    X : DataFrame of shape (n_rows, n_features)
        The columns that are used: numbers, and strings without missing values.
    y : ndarray of shape (n_rows,)
    readings : dict of str to callable
        How the values of each column of X are read.
    notes : list of str
        What was assumed.
    read_target : callable or None
        How a target is read that is a number. None: the targets are labels.
    """

    frame: Any
    X: Any
    y: np.ndarray
    readings: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    read_target: Any = None

    @property
    def has_classes(self):
        """Whether the targets are labels of classes, not numbers."""
        return self.read_target is None

    def kinds(self):
        """The columns of each kind: numbers, categories, and texts of two kinds."""
        named: dict[str, list[str]] = {
            kind: [] for kind in ("number", "category", "words", "letters")
        }
        for name, reading in self.readings.items():
            named[reading.kind].append(name)
        return named


def make_table(frame, target, notes, dropped=(), predicts=None) -> Table:
    """Separate the target, and find out what each column holds.

    Parameters
    ----------
    frame : DataFrame
    target : str
        Name of the column to predict.
    notes : list of str
        What was assumed is added to it.
    dropped : sequence of str
        Columns not to predict from.
    predicts : {"classes", "numbers"}, optional
        What the target is taken for. None: what it looks like.

    Raises
    ------
    TableError
        If the table cannot be used.
    """
    frame = frame.rename(columns=str).reset_index(drop=True)
    require_columns(frame, [target, *dropped])
    has_numbers = is_quantity(frame[target]) if predicts is None else predicts == "numbers"
    if not has_numbers:
        frame, y = _classes(frame, target, notes)
    columns, said = understand(frame.drop(columns=[target, *dropped]))
    notes += said
    used = {name: column for name, column in columns.items() if column.reading is not None}
    if not used:
        raise TableError("no column is left to predict from")
    X = import_pandas().DataFrame({name: used[name].values for name in used}, index=frame.index)
    readings = {name: used[name].reading for name in used}
    if not has_numbers:
        return Table(frame, X, y, readings, notes)
    votes: Counter[str] = sum((column.votes for column in columns.values()), Counter())
    read, numbers = _numbers(frame[target], votes, notes)
    kept = numbers.notna()
    return Table(frame[kept], X[kept], numbers[kept].to_numpy(), readings, notes, read)


def more_rows(table, frame, target):
    """Features and targets of further rows, read as those of a table.

    Rows without a number, or whose label the table does not have, are left out.

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
    if table.has_classes:
        y = _as_known_labels(texts_of(frame[target]), np.unique(table.y))
        wanted = "label of the training data"
    else:
        y, wanted = table.read_target(frame[target]), "number"
    known = y.notna()
    if not known.any():
        raise TableError(f"none of its values of {target!r} is a {wanted}")
    if not known.all():
        table.notes.append(f"{(~known).sum()} test rows without a {wanted} were left out.")
    columns = {name: read(frame[name]) for name, read in table.readings.items()}
    lost = {name: lost_values(frame[name], columns[name]) for name in columns}
    said = "Values of the test rows that are not what their column holds, taken as missing"
    table.notes += notes_of({name: {said: detail} for name, detail in lost.items() if detail})
    X = pandas.DataFrame(columns, index=frame.index)
    return X[known], y[known].to_numpy(table.y.dtype)


def require_columns(frame, names):
    """Raise a TableError if a data frame lacks a column, with names that come close to it."""
    for name in names:
        if name not in frame.columns:
            raise TableError(f"no column {name!r}; {_proposals(name, frame.columns)}")


def _proposals(name, columns):
    lowered = {column.lower(): column for column in reversed(columns)}
    close = [lowered[it] for it in get_close_matches(name.strip().lower(), lowered, N_PROPOSED)]
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}{'T' if meant else 't'}here are: {some(columns)}"


# --- labels ---------------------------------------------------------------------------------
def _classes(frame, target, notes):
    """The rows that have a label, and their labels, of at least two classes of two rows."""
    y = _labels(frame[target], notes)
    missing = y.isna()
    if missing.any():
        notes.append(f"{missing.sum()} rows without a value of {target!r} were left out.")
    counts = y.value_counts()
    rare = counts.index[counts < 2]
    n_classes = len(counts) - len(rare)
    way_out = "; --model ridge predicts numbers" if is_quantity(frame[target]) else ""
    if n_classes < 2:
        raise TableError(
            f"{target!r} has {n_classes} classes of at least two rows; two are needed{way_out}"
        )
    if n_classes > MAX_CLASSES:
        raise TableError(
            f"{target!r} has {n_classes} classes; at most {MAX_CLASSES} are possible{way_out}"
        )
    if len(rare):
        notes.append(
            f"Classes of a single row were left out, {count_of(len(rare), 'row')}: {some(rare)}."
        )
    kept = ~(missing | y.isin(rare))
    return frame[kept], _as_array(y[kept])


def _numbers(values, votes, notes):
    """How the numbers of a target are read, and the numbers, of which some are missing."""
    column = number_column(values, votes)
    if column is None:
        raise TableError(f"{values.name!r} does not hold numbers, which this model predicts")
    if column.reading is None:
        raise TableError(f"{values.name!r} cannot be predicted, since it holds one value only")
    notes += notes_of({values.name: column.said})
    n_missing = int(column.values.isna().sum())
    if n_missing:
        notes.append(f"{n_missing} rows without a number in {values.name!r} were left out.")
    if len(values) - n_missing < 2:
        raise TableError(f"{values.name!r} has fewer than two numbers")
    return column.reading, column.values


def is_quantity(values):
    """Whether a column holds so many different numbers that it names no classes.

    Parameters
    ----------
    values : Series
    """
    column = number_column(values, Counter())
    if column is None or column.reading is None:
        return False
    return column.values.nunique() > MAX_NUMERIC_CLASSES


def _labels(values, notes):
    """Labels as text; words such as NA are missing beside numbers only, and else a class."""
    texts = texts_of(values)
    are_words = texts.str.lower().isin(STAND_INS)
    if not are_words.any():
        return _plain_labels(texts)
    others = texts[~are_words].dropna()
    words = examples(count_texts(texts[are_words]))
    if len(others) and (_are_numbers(others) or _are_truth(others)):
        notes.append(f"Labels taken as missing, as the others are {_kind(others)}: {words}.")
        return _plain_labels(texts.where(~are_words))
    notes.append(f"Labels that often stand for missing values, taken as classes: {words}.")
    return texts


def _plain_labels(texts):
    """Numbers and truth values, if all labels are such, as Python writes them."""
    present = texts.dropna()
    if _are_truth(present):
        return texts.str.capitalize()
    if not _are_numbers(present):
        return texts
    return texts_of(present.astype(float)).reindex(texts.index)


def _as_known_labels(texts, classes):
    """The class that each text is, in other forms of the same number or truth value too."""
    exact = texts.map({str(label): label for label in classes})
    alike = texts.map(_meaning, na_action="ignore")
    return exact.where(exact.notna(), alike.map({_meaning(str(label)): label for label in classes}))


def _meaning(text):
    if LABEL_NUMBER.fullmatch(text):
        return float(text)
    return text.lower() if text.lower() in ("true", "false") else text


def _are_numbers(texts):
    return all(LABEL_NUMBER.fullmatch(text) for text in texts.unique())


def _are_truth(texts):
    return all(text.lower() in ("true", "false") for text in texts.unique())


def _kind(texts):
    return "numbers" if _are_numbers(texts) else "true and false"


def _as_array(labels):
    """Whole numbers and truth values in their own types, other labels as text."""
    if _are_truth(labels):
        return (labels == "True").to_numpy(bool)
    if _are_numbers(labels) and not labels.str.contains(".", regex=False).any():
        return labels.to_numpy(object).astype(int)
    return labels.to_numpy(str)


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
    named, n_classes = table.kinds(), len(np.unique(table.y)) if table.has_classes else 1
    n_features = MAX_PARAMETERS // (n_classes - 1 if n_classes > 2 else 1)
    of_text = max(50, n_features // max(1, len(named["words"]) + len(named["letters"])))
    of_category = max(10, n_features // max(1, len(named["category"])))
    return {"category": min(MAX_CATEGORIES, of_category), "words": of_text, "letters": of_text}


def groups_in_column(values, notes):
    """Labels of the groups in a column of a table; None for rows that belong to none."""
    labels = _labels(values, [])
    numbers = as_quantity(values) if labels.nunique() > MAX_GROUPS else None
    if numbers is not None:
        notes.append(f"The groups are tenths of {values.name!r}.")
        labels = texts_of(import_pandas().qcut(numbers, 10, duplicates="drop"))
    if labels.nunique() > MAX_GROUPS:
        notes.append(f"Only the {MAX_GROUPS} largest groups of {values.name!r} are looked at.")
        labels = labels.where(labels.isin(labels.value_counts().index[:MAX_GROUPS]))
    if labels.nunique() < 1:
        raise TableError(f"{values.name!r} has no values to group by")
    return labels.where(labels.notna(), None).to_numpy(object)
