"""Tables as numbers: scikit-learn's, German credit, and CSV files of one's own."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import train_test_split

CREDIT = Path(__file__).parents[2] / "examples" / "data" / "german_credit.csv"
#: Columns of words with more values than this are left out.
MANY = 50
#: Numbers with more values than this are a regression's targets.
MANY_CLASSES = 20


class Split(NamedTuple):
    """A table, its training rows and its queries apart.

    Attributes
    ----------
    kind : {"regression", "binary", "multiclass"}
    y, y_query : ndarray
        Numbers in standard deviations of the training rows, or positions of classes.
    """

    kind: str
    X: np.ndarray
    y: np.ndarray
    X_query: np.ndarray
    y_query: np.ndarray

    @property
    def n_outputs(self):
        return len(np.unique(self.y)) if self.kind == "multiclass" else 1


def tables(paths):
    """Return {name: (X, y)}; ``paths`` are "file.csv:target column"."""
    shipped = {
        "breast cancer": load_breast_cancer(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "digits 0 to 4": load_digits(n_class=5, return_X_y=True),
        "diabetes": load_diabetes(return_X_y=True),
        "German credit": _read(CREDIT, "class"),
    }
    given = [path.rsplit(":", 1) for path in paths]
    return shipped | {Path(path).name.split(".")[0]: _read(path, name) for path, name in given}


def _read(path, target):
    """Numbers as they are, words as positions in their sorted order; gaps by the median."""
    table = pd.read_csv(path, na_values="?", skipinitialspace=True).dropna(subset=[target])
    y = table.pop(target)
    columns = [_numbers(column) for _, column in table.items()]
    X = np.column_stack([column for column in columns if column is not None])
    is_numeric = pd.api.types.is_numeric_dtype(y)
    if is_numeric and y.nunique() > MANY_CLASSES:
        return X, y.to_numpy(float)
    return X, pd.factorize(y, sort=True)[0]


def _numbers(column):
    if pd.api.types.is_numeric_dtype(column):
        return column.fillna(column.median()).to_numpy(float)
    codes, values = pd.factorize(column.fillna(""), sort=True)
    return codes.astype(float) if len(values) <= MANY else None


def split(X, y, n_rows, n_queries, seed):
    """Draw at most ``n_rows`` training rows, and ``n_queries`` others."""
    is_number = np.issubdtype(y.dtype, np.floating)
    n_rows = min(n_rows, int(0.8 * len(y)))
    stratify = None if is_number else y
    X, X_query, y, y_query = train_test_split(
        X, y, train_size=n_rows, stratify=stratify, random_state=seed
    )
    X_query, y_query = X_query[:n_queries], y_query[:n_queries]
    if is_number:
        mean, deviation = y.mean(), y.std()
        return Split("regression", X, (y - mean) / deviation, X_query, (y_query - mean) / deviation)
    kind = "binary" if len(np.unique(y)) == 2 else "multiclass"
    return Split(kind, X, y.astype(np.int32), X_query, y_query.astype(np.int32))
