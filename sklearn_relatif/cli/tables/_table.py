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
from ._refusals import TableError, import_pandas, some

#: Parameters that the features of all texts may have in all classes together, and those of all
#: categories, and rows times squared parameters, with which the time of an audit grows: this much
#: takes about a minute.
MAX_PARAMETERS, MAX_PRODUCTS = 5000, 5e11
MAX_CLASSES = 100
#: Share of the features that are not 0 below which they are a sparse matrix.
SPARSE_BELOW = 0.3
#: Different numbers in a target from which on it is a quantity, not a class.
MAX_NUMERIC_CLASSES = 50
#: Groups that are told apart.
MAX_GROUPS = 50
#: Labels that are numbers, in the forms in which programs write them; other digits are names.
LABEL_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]*)?")
#: Columns that are listed where one is not found; letters of a name that tell what it is a part of.
N_LISTED, SHORTEST_PART = 40, 3


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Attributes
    ----------
    cells : DataFrame of shape (n_rows, n_columns)
        All that was read of them, but the target and what names the rows.
    X : DataFrame of shape (n_rows, n_features)
        The columns that are used: numbers, and strings without missing values.
    y : ndarray of shape (n_rows,)
    row_names : str
        What the names of the rows are, which are the index of both frames.
    """

    cells: Any
    X: Any
    y: np.ndarray
    row_names: str


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
    target : str
    id_column : str or None
        The column that names the rows.
    n_rows_read, n_columns_read : int
    rows_left_out : dict of str to int
        How many rows were left out, by why.
    columns_left_out : dict of str to str
        Why each column that nothing is predicted from was left out.
    notes : list of str
        What else was assumed.
    read_target : callable or None
        How a target is read that is a number. None: the targets are labels.
    """

    frame: Any
    X: Any
    y: np.ndarray
    readings: dict[str, Any]
    target: str
    id_column: str | None
    n_rows_read: int
    n_columns_read: int
    rows_left_out: dict[str, int]
    columns_left_out: dict[str, str]
    notes: list[str] = field(default_factory=list)
    read_target: Any = None

    @property
    def has_classes(self):
        """Whether the targets are labels of classes, not numbers."""
        return self.read_target is None

    @property
    def row_names(self):
        """What the names of the rows are."""
        return _row_names(self.frame)

    @property
    def cells(self):
        """The rows that have a target, but that target and what names the rows."""
        return _cells(self.frame, self.target, self.id_column)

    def rows(self, positions):
        """Some of the rows that have a target."""
        cells, X = self.cells.iloc[positions], self.X.iloc[positions]
        return Rows(cells, X, self.y[positions], self.row_names)

    def kinds(self):
        """The columns of each kind: numbers, categories, and texts of two kinds."""
        named: dict[str, list[str]] = {
            kind: [] for kind in ("number", "category", "words", "letters")
        }
        for name, reading in self.readings.items():
            named[reading.kind].append(name)
        return named

    def assumed(self):
        """A line for each thing that was made of the file."""
        rows = [f"Left out: {count_of(n, 'row')} {why}." for why, n in self.rows_left_out.items()]
        why = {name: {f"Left out, since {why}": ""} for name, why in self.columns_left_out.items()}
        return [*rows, *notes_of(why), *self.notes]


def make_table(frame, target, notes, dropped=(), predicts=None, id_column=None) -> Table:
    """Separate the target, and find out what each column holds.

    Parameters
    ----------
    frame : DataFrame
        Its index names the rows, and the name of its index says what they are.
    target : str
        Name of the column to predict.
    notes : list of str
        What was assumed is added to it.
    dropped : sequence of str
        Columns not to predict from.
    predicts : {"classes", "numbers"}, optional
        What the target is taken for. None: what it looks like.
    id_column : str, optional
        The column that names the rows, by its values.

    Raises
    ------
    TableError
        If the table cannot be used.
    """
    names_of_rows = [] if id_column is None else [id_column]
    require_columns(frame, [target, *dropped, *names_of_rows])
    frame = _named_by(frame, id_column, notes)
    n_rows_read, n_columns_read = frame.shape
    has_numbers = is_quantity(frame[target]) if predicts is None else predicts == "numbers"
    left_out: dict[str, int] = {}
    if not has_numbers:
        frame, y = _classes(frame, target, left_out, notes)
    columns, said = understand(frame.drop(columns=[target, *dropped, *names_of_rows]))
    notes += said
    why = {name: "it names the rows (--id)" for name in names_of_rows}
    why |= {name: "that was asked for (--drop)" for name in dropped if name != target}
    why |= {name: of.why_left_out for name, of in columns.items() if of.why_left_out is not None}
    used = {name: column for name, column in columns.items() if column.reading is not None}
    if not used:
        raise TableError("no column is left to predict from")
    X = import_pandas().DataFrame({name: used[name].values for name in used}, index=frame.index)
    read = None
    if has_numbers:
        votes: Counter[str] = sum((column.votes for column in columns.values()), Counter())
        read, numbers = _numbers(frame[target], votes, left_out, notes)
        kept = numbers.notna()
        frame, X, y = frame[kept], X[kept], numbers[kept].to_numpy()
    return Table(
        frame=frame,
        X=X,
        y=y,
        readings={name: used[name].reading for name in used},
        target=target,
        id_column=id_column,
        n_rows_read=n_rows_read,
        n_columns_read=n_columns_read,
        rows_left_out=left_out,
        columns_left_out=why,
        notes=notes,
        read_target=read,
    )


def more_rows(table, frame, target) -> Rows:
    """Features and targets of further rows, read as those of a table.

    Rows without a number, or whose label the table does not have, are left out.

    Parameters
    ----------
    table : Table
        What is assumed is added to its notes.
    frame : DataFrame
        Its rows are named as those of the table where it has that column.
    target : str
    """
    require_columns(frame, [target, *table.X.columns])
    if table.id_column in frame.columns:
        frame = _named_by(frame, table.id_column, table.notes)
    if table.has_classes:
        y = _as_known_labels(texts_of(frame[target]), np.unique(table.y))
        wanted = "label of the training data"
    else:
        y, wanted = table.read_target(frame[target]), "number"
    known = y.notna()
    if not known.any():
        raise TableError(f"none of its values of {target!r} is a {wanted}")
    if not known.all():
        n_unknown = count_of((~known).sum(), "test row")
        table.notes.append(f"Left out: {n_unknown} without a {wanted}.")
    columns = {name: read(frame[name]) for name, read in table.readings.items()}
    lost = {name: lost_values(frame[name], columns[name]) for name in columns}
    said = "Values of the test rows that are not what their column holds, taken as missing"
    table.notes += notes_of({name: {said: detail} for name, detail in lost.items() if detail})
    X = import_pandas().DataFrame(columns, index=frame.index)
    cells = _cells(frame, target, table.id_column)
    return Rows(cells[known], X[known], y[known].to_numpy(table.y.dtype), _row_names(frame))


def _named_by(frame, id_column, notes):
    """A frame whose rows are named by a column, and by their former names where that is needed."""
    if id_column is None:
        return frame
    given = texts_of(frame[id_column])
    is_shared, is_missing = given.dropna().duplicated(keep=False), given.isna()
    n_shared, n_missing = int(is_shared.sum()), int(is_missing.sum())
    if not n_shared and not n_missing:
        return frame.set_axis(given.to_numpy()).rename_axis(f"values of {id_column!r}")
    counts = count_texts(given.dropna()[is_shared])
    problems = [f"{count_of(n_shared, 'row')} share theirs ({examples(counts)})"] * bool(n_shared)
    problems += [f"{count_of(n_missing, 'row')} have none"] * bool(n_missing)
    notes.append(f"Values of {id_column!r} do not tell all rows apart: {', '.join(problems)}.")
    places = given.index.astype(str)
    is_doubtful = is_missing | given.duplicated(keep=False)
    apart = (given.fillna("") + " (" + places + ")").str.strip()
    names = given.where(~is_doubtful, apart)
    if not names.is_unique:
        raise TableError(f"{id_column!r} cannot name the rows: {', '.join(problems)}")
    return frame.set_axis(names.to_numpy()).rename_axis(
        f"values of {id_column!r}, with {_row_names(frame)} in parentheses where that is needed"
    )


def _row_names(frame):
    return frame.index.name or "positions, counted from 0"


def _cells(frame, target, id_column):
    columns = [target] if id_column is None else [target, id_column]
    cells = frame.drop(columns=columns, errors="ignore")
    # In a file of texts, nothing stands for a missing value.
    return cells.mask(cells.eq(""))


def require_columns(frame, names):
    """Raise a TableError if a data frame lacks a column, with names that come close to it."""
    for name in names:
        if name not in frame.columns:
            raise TableError(f"no column {name!r}; {_proposals(name, frame.columns)}")


def _proposals(name, columns):
    """The columns that a name could be meant for, all of them, and the first of what there is."""
    close = _resembling(name.strip().lower(), columns)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}{'T' if meant else 't'}here are: {some(columns, N_LISTED)}"


def _resembling(name, columns):
    """The columns called nearly so, the nearest first, and those that a part of the name is of."""
    lowered = {column: column.lower() for column in columns}
    near = get_close_matches(name, dict.fromkeys(lowered.values()), len(columns)) if name else []
    parts = [it for it in lowered.values() if len(name) >= SHORTEST_PART and name in it]
    rank = {it: place for place, it in enumerate(dict.fromkeys(near + parts))}
    found = [column for column in columns if lowered[column] in rank]
    return sorted(found, key=lambda column: rank[lowered[column]])


# --- labels ---------------------------------------------------------------------------------
def _classes(frame, target, left_out, notes):
    """The rows that have a label, and their labels, of at least two classes of two rows."""
    y = _labels(frame[target], notes)
    missing = y.isna()
    if missing.any():
        left_out[f"without a value of {target!r}"] = int(missing.sum())
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
        left_out[f"alone in their class ({some(rare)})"] = len(rare)
    kept = ~(missing | y.isin(rare))
    return frame[kept], _as_array(y[kept])


def _numbers(values, votes, left_out, notes):
    """How the numbers of a target are read, and the numbers, of which some are missing."""
    column = number_column(values, votes)
    if column is None:
        raise TableError(f"{values.name!r} does not hold numbers, which this model predicts")
    if column.reading is None:
        raise TableError(f"{values.name!r} cannot be predicted, since it holds one value only")
    notes += notes_of({values.name: column.said})
    n_missing = int(column.values.isna().sum())
    if n_missing:
        left_out[f"without a number in {values.name!r}"] = n_missing
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
        return labels.to_numpy(object).astype(np.int64)
    return labels.to_numpy(str)


# --- features and groups --------------------------------------------------------------------
def features_of(table, is_dense=False) -> ColumnTransformer:
    """scikit-learn's transformers for the columns of a table.

    Parameters
    ----------
    table : Table
    is_dense : bool, default=False
        Whether the features must be an array, however many of them are 0.
    """
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
    present = [part for part in parts if len(part[2])]
    return ColumnTransformer(present, sparse_threshold=0.0 if is_dense else SPARSE_BELOW)


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
    n_each = n_classes - 1 if n_classes > 2 else 1
    n_of_text = min(MAX_PARAMETERS, int(np.sqrt(MAX_PRODUCTS / len(table.y)))) // n_each
    n_texts = len(named["words"]) + len(named["letters"])
    of_text = max(50, n_of_text // max(1, n_texts))
    of_category = max(10, MAX_PARAMETERS // n_each // max(1, len(named["category"])))
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
