"""Frames of every make, with types of their own, are explained as NumPy's numbers are."""

import narwhals.stable.v2 as nw
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

pd = pytest.importorskip("pandas")

N_ROWS = 120


def columns():
    rng = np.random.default_rng(0)
    number, whole = rng.normal(size=N_ROWS), rng.integers(0, 9, N_ROWS)
    table = {
        "number": number,
        "whole": whole,
        "text": rng.choice(["x", "y", "z"], N_ROWS),
        "flag": rng.random(N_ROWS) > 0.5,
    }
    return table, np.where(number + whole / 4 + rng.normal(size=N_ROWS) > 1, "good", "bad")


def nullable(table, labels):
    return pd.DataFrame(table).convert_dtypes(), pd.Series(labels, dtype="string")


def backed_by_arrow(table, labels):
    pa = pytest.importorskip("pyarrow")
    texts = pd.ArrowDtype(pa.string())
    return pd.DataFrame(table).convert_dtypes(dtype_backend="pyarrow"), pd.Series(labels).astype(
        texts
    )


def categorical(table, labels):
    frame = pd.DataFrame(table).astype({"text": "category", "flag": "category"})
    return frame, pd.Series(labels, dtype="category")


def polars(table, labels):
    pl = pytest.importorskip("polars")
    return pl.DataFrame(table), pl.Series(labels)


def arrow(table, labels):
    pa = pytest.importorskip("pyarrow")
    return pa.table(table), pa.array(labels)


def pipeline():
    encoded = make_column_transformer(
        (StandardScaler(), ["number", "whole"]), (OneHotEncoder(), ["text", "flag"])
    )
    return make_pipeline(encoded, LogisticRegression())


@pytest.mark.parametrize("made", [nullable, backed_by_arrow, categorical, polars, arrow])
def test_pipelines_of_frames(made):
    table, labels = columns()
    expected = RelatIFExplainer(pipeline()).fit(pd.DataFrame(table), labels)
    X, y = made(table, labels)
    for explainer in (
        RelatIFExplainer(pipeline()).fit(X, y),
        RelatIFExplainer.from_fitted(pipeline().fit(X, y), X, y),
    ):
        found = explainer.explain(X[:4], y[:4])
        asked = expected.explain(pd.DataFrame(table)[:4], labels[:4])
        assert_array_equal(found.indices, asked.indices)
        assert_allclose(found.scores, asked.scores, rtol=1e-10)
        assert_array_equal(found.targets, labels[:4])
        effect = explainer.removal_effect(X[:4], y[:4])
        without = expected.removal_effect(pd.DataFrame(table)[:4], labels[:4])
        # Frames without an index have the queries in their first column.
        effects = nw.from_native(effect).to_numpy()[:, -N_ROWS:]
        assert_allclose(effects, without, rtol=0, atol=1e-12)
