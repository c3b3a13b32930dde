"""Tables as people keep them: read from a file, and made into features by scikit-learn."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

#: Share of the values of a column that must look like numbers or dates for it to be taken as such.
MOST = 0.95
NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?")
#: A column of strings of which more than this share differ is text, not a category.
TEXT_SHARE = 0.5
#: Fewer different strings than this are categories in any case.
FEW = 50
#: Words in a value from which on a text is taken apart by words, below by letters.
WORDS = 3
#: Categories of a column; rarer ones are put together.
MAX_CATEGORIES = 100
#: Parameters that the features of a text column may have in all classes together.
MAX_TEXT_PARAMETERS = 8000
#: Different numbers in a target from which on it is a quantity, not a class.
MAX_NUMERIC_CLASSES = 50
#: Groups that are told apart.
MAX_GROUPS = 50


class TableError(ValueError):
    """The table cannot be used; the message is one line for the person who gave it."""


@dataclass
class Table:
    """Features and labels of a file.

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_features)
        Numbers, and strings without missing values.
    y : ndarray of shape (n_rows,)
    kinds : dict of str to str
        "number", "category", "words" or "letters", for each column.
    notes : list of str
        What was assumed.
    """

    X: object
    y: np.ndarray
    kinds: dict[str, str]
    notes: list[str] = field(default_factory=list)


def import_pandas():
    try:
        import pandas
    except ImportError as error:
        raise TableError("reading tables needs pandas; run: pip install pandas") from error
    return pandas


def read_frame(path, notes):
    """The data frame in a CSV, compressed CSV or Parquet file."""
    pandas = import_pandas()
    if not Path(path).is_file():
        raise TableError(f"{path}: no such file")
    try:
        if Path(path).suffix in {".parquet", ".pq"}:
            return pandas.read_parquet(path)
        try:
            return _read_csv(pandas, path, "utf-8", notes)
        except UnicodeDecodeError:
            notes.append(f"{path} is not UTF-8 and was read as Latin-1.")
            return _read_csv(pandas, path, "latin-1", notes)
    except pandas.errors.EmptyDataError as error:
        raise TableError(f"{path}: the file is empty") from error
    except (pandas.errors.ParserError, csv.Error, ImportError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path}: cannot be read as a table ({reason})") from error


def _read_csv(pandas, path, encoding, notes):
    frame = pandas.read_csv(path, encoding=encoding, skipinitialspace=True, low_memory=False)
    header = pandas.read_csv(path, encoding=encoding, header=None, nrows=1, dtype=str)
    names = header.iloc[0].dropna()
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        notes.append(f"Columns that share a name were numbered: {_some(twice)}.")
    return frame


def make_table(frame, target, notes) -> Table:
    """Separate the target, and find out what each column holds."""
    frame = frame.rename(columns=str).reset_index(drop=True)
    if target not in frame.columns:
        raise TableError(f"no column {target!r}; there are: {_some(frame.columns)}")
    frame, y = _classes(frame, frame.pop(target), target, notes)
    kinds = {}
    for name in list(frame.columns):
        kind, values, note = _understand(frame[name])
        if note:
            notes.append(f"Column {name!r} {note}.")
        if kind is None:
            del frame[name]
        else:
            kinds[name], frame[name] = kind, values
    if not kinds:
        raise TableError("no column is left to predict from")
    return Table(frame, y, kinds, notes)


def _classes(frame, y, target, notes):
    """The rows that have a label, and their labels, of at least two classes of two rows."""
    pandas = import_pandas()
    missing = y.isna()
    if missing.any():
        notes.append(f"{missing.sum()} rows without a value of {target!r} were left out.")
    if pandas.api.types.is_float_dtype(y) and y.nunique() > MAX_NUMERIC_CLASSES:
        raise TableError(
            f"{target!r} has {y.nunique()} different numbers and looks like a quantity; an audit "
            "needs a column of classes"
        )
    counts = y.value_counts()
    rare = counts.index[counts < 2]
    if len(rare):
        notes.append(f"Classes of a single row were left out: {_some(rare)}.")
    kept = ~(missing | y.isin(rare))
    labels = y[kept]
    if labels.nunique() < 2:
        raise TableError(
            f"{target!r} has {labels.nunique()} classes of at least two rows; two are needed"
        )
    is_whole = pandas.api.types.is_float_dtype(labels) and (labels % 1 == 0).all()
    labels = labels.astype(int) if is_whole else labels
    if not pandas.api.types.is_numeric_dtype(labels):
        labels = labels.astype(str)
    return frame[kept], labels.to_numpy()


def _understand(values):
    """What a column is ("number", …, or None to leave it out), its values, and what to say."""
    pandas = import_pandas()
    present = values.dropna()
    if present.empty:
        return None, values, "is empty and was left out"
    if present.nunique() == 1 and len(present) == len(values):
        return None, values, "has one value only and was left out"
    is_number = pandas.api.types.is_numeric_dtype(values)
    if is_number or pandas.api.types.is_bool_dtype(values):
        steps = present.diff().iloc[1:] if pandas.api.types.is_integer_dtype(values) else []
        if len(steps) > FEW and (steps == 1).all():
            return None, values, "counts the rows and was left out"
        return "number", values.astype(float), None
    texts = present.astype(str).str.strip()
    if texts.str.lower().isin(["true", "false"]).all():
        return "number", texts.str.lower().eq("true").astype(float).reindex(values.index), None
    if texts.str.fullmatch(NUMBER).mean() >= MOST:
        numbers = pandas.to_numeric(texts.str.replace(",", ""), errors="coerce")
        note = "holds numbers as text, with separators of thousands removed"
        return "number", numbers.reindex(values.index), note
    if texts.str.fullmatch(DATE).mean() >= MOST:
        dates = pandas.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
        days = (dates - dates.min()) / pandas.Timedelta(days=1)
        return "number", days.reindex(values.index), "holds dates, taken as a number of days"
    return _understand_strings(values, texts)


def _understand_strings(values, texts):
    filled = texts.reindex(values.index, fill_value="")
    n_different = texts.nunique()
    if n_different <= max(FEW, TEXT_SHARE * len(texts)):
        note = None
        if n_different > MAX_CATEGORIES:
            note = f"has {n_different} categories, of which the rare ones were put together"
        return "category", filled, note
    if n_different == len(texts) and texts.str.contains(r"^\S*\d\S*$").all():
        return None, values, "names the rows and was left out"
    if texts.str.split().str.len().mean() >= WORDS:
        return "words", filled, "is text, taken apart by words"
    return "letters", filled, "is text of few words, taken apart by letters"


def features_of(table) -> ColumnTransformer:
    """scikit-learn's transformers for the columns of a table."""
    n_classes = len(np.unique(table.y))
    n_outputs = n_classes - 1 if n_classes > 2 else 1
    most = max(50, MAX_TEXT_PARAMETERS // n_outputs)
    named = {kind: [] for kind in ("number", "category", "words", "letters")}
    for name, kind in table.kinds.items():
        named[kind].append(name)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES)
    parts = [("numbers", numbers, named["number"]), ("categories", categories, named["category"])]
    for name in named["words"]:
        parts.append((f"words of {name}", TfidfVectorizer(max_features=most), name))
    for name in named["letters"]:
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), max_features=most)
        parts.append((f"letters of {name}", letters, name))
    return ColumnTransformer([part for part in parts if len(part[2])])


def group_labels(values, notes):
    """Labels of the groups in a column of a Table; None for rows that belong to none."""
    pandas = import_pandas()
    if pandas.api.types.is_float_dtype(values) or values.nunique() > MAX_GROUPS:
        if pandas.api.types.is_numeric_dtype(values):
            notes.append(f"The groups are tenths of {values.name!r}.")
            values = pandas.qcut(values, 10, duplicates="drop").astype(str)
        else:
            frequent = values.value_counts().index[:MAX_GROUPS]
            notes.append(f"Only the {MAX_GROUPS} largest groups of {values.name!r} are looked at.")
            values = values.where(values.isin(frequent))
    labels = values.astype(str).to_numpy(object)
    labels[np.isin(labels, ["", "nan"])] = None
    return labels


def _some(names, most=20):
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
