"""Rows shown as their user wrote them."""

import datetime as dt

import numpy as np
import pytest
from scipy import sparse

from sklearn_relatif.utils._cells import Cells


@pytest.mark.parametrize("kind", ["frame", "polars", "pyarrow"])
def test_cells_are_shown_as_they_were_given(kind):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "account": [40817203, 40817204],
            "large": [2**60 + 1, 0],
            "amount": [0.1, 1234567.891],
            "single": np.array([0.1, 0.2], np.float32),
            "opened": pd.to_datetime(["2020-02-29", "2021-01-01"]),
            "paid": [True, False],
            "note": ["<b>\x1b[2J", None],
            "rate": [np.nan, 2.5],
        }
    )
    if kind != "frame":
        module = pytest.importorskip(kind)
        columns = {name: list(frame[name]) for name in frame}
        columns |= {"single": frame["single"].to_numpy(), "note": ["<b>\x1b[2J", None]}
        frame = module.DataFrame(columns) if kind == "polars" else module.table(columns)
    cells = Cells(frame, 2)
    assert [text for _, text in cells.row(np.int64(0))] == [
        "40817203",
        "1152921504606846977",
        "0.1",
        "0.1",
        "2020-02-29",
        "True",
        r"<b>\x1b[2J",
        "missing",
    ]
    shown = dict(cells.row(1))
    assert shown["amount"] == "1234567.891" and shown["note"] == "missing"


TEXTS = ["free money now", "meeting at noon"]


@pytest.mark.parametrize(
    "X, expected",
    [
        (TEXTS, [("value", "meeting at noon")]),
        (np.array(TEXTS), [("value", "meeting at noon")]),
        ([[1, "a"], [2, "b"]], [("0", "2"), ("1", "b")]),
        (np.array([[0.5, 1], [2, 40817203]]), [("0", "2"), ("1", "40817203")]),
        (sparse.csr_matrix([[0.0, 1], [0, 0]]), []),
        (sparse.coo_matrix(([0.5, 3.0], ([1, 1], [7, 2]))), [("2", "3"), ("7", "0.5")]),
        (sparse.csc_array([[1, 0, 0], [0, 0, 7]]), [("2", "7")]),
    ],
)
def test_cells_of_any_table(X, expected):
    assert Cells(X, 2).row(1) == expected
    with pytest.raises(ValueError, match="X has 2 rows; the model was trained on 3"):
        Cells(X, 3)


@pytest.mark.parametrize("X", ["texts", {1, 2}, 2, (row for row in TEXTS)])
def test_what_holds_no_rows_is_named(X):
    with pytest.raises(TypeError, match="X must hold the training rows, as a data frame"):
        Cells(X, 2)


def test_sparse_rows_of_the_user_stay_as_they_are():
    X = sparse.csr_array((np.array([1.0, 2.0]), np.array([5, 3]), np.array([0, 2])), shape=(1, 9))
    assert Cells(X, 1).row(0) == [("3", "2"), ("5", "1")]
    assert X.indices.tolist() == [5, 3]


@pytest.mark.parametrize(
    "value, text",
    [
        (1213380.0, "1213380"),
        (np.float32(100_000_000), "100000000"),
        (123456789012345.0, "123456789012345"),
        (1e22, "1e+22"),
        (0.00001, "0.00001"),
        (1e-9, "1e-09"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (np.inf, "inf"),
        (17.63, "17.63"),
        (True, "True"),
        (np.bool_(False), "False"),
        (2**70, "1180591620717411303424"),
        (dt.date(2020, 2, 29), "2020-02-29"),
        (dt.datetime(2020, 2, 29), "2020-02-29"),
        (dt.datetime(2020, 2, 29, 7, 30), "2020-02-29 07:30:00"),
        (dt.datetime(2020, 2, 29, tzinfo=dt.timezone.utc), "2020-02-29+00:00"),
        (dt.timedelta(5), "5 days"),
        (np.datetime64("2020-02-29T07:30"), "2020-02-29 07:30"),
        (np.datetime64("2020-02-29T00:00:00", "ns"), "2020-02-29"),
        (np.timedelta64(3, "D"), "3 days"),
        (None, "missing"),
        (np.nan, "missing"),
        (np.datetime64("NaT", "s"), "missing"),
        (np.ma.masked, "missing"),
        ("missing", '"missing"'),
        ("", '""'),
        ("  ", '"  "'),
        ("red ", '"red "'),
        ("two\nlines", "two lines"),
        ("\ttab", r'"\ttab"'),
        ("bell\x07", r"bell\x07"),
        ("NaN", "NaN"),
        ("x" * 500, "x" * 500),
    ],
)
def test_a_cell_is_written_as_its_user_would(value, text):
    column = np.empty((1, 1), object)
    column[0, 0] = value
    assert Cells(column).row(0) == [("0", text)]


def test_missing_values_are_called_one_thing():
    pd = pytest.importorskip("pandas")
    columns = {
        "nan": pd.Series([np.nan]),
        "none": pd.Series([None], dtype=object),
        "na": pd.Series([pd.NA], dtype="Int64"),
        "nat": pd.Series([pd.NaT]),
        "category": pd.Series([None], dtype="category"),
        "boolean": pd.Series([None], dtype="boolean"),
        "span": pd.Series([pd.NaT], dtype="timedelta64[ns]"),
    }
    assert {text for _, text in Cells(pd.DataFrame(columns)).row(0)} == {"missing"}


def test_pandas_types_are_written_plainly():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "whole": [3.0, np.nan],
            "day": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Berlin"),
            "span": pd.to_timedelta(["5 days", None]),
            "month": pd.PeriodIndex(["2020-01", None], freq="M"),
            "grade": pd.Categorical(["B", None]),
            "between": pd.arrays.IntervalArray.from_tuples([(0, 5), None]),
        }
    )
    assert [text for _, text in Cells(frame).row(0)] == [
        "3", "2020-01-01+01:00", "5 days", "2020-01", "B", "(0.0, 5.0]",
    ]  # fmt: skip
    assert {text for _, text in Cells(frame).row(1)} == {"missing"}


def test_records_have_named_columns():
    records = np.array([(1.0, "a"), (2.5, "b")], dtype=[("size", float), ("note", "U5")])
    cells = Cells(records)
    assert cells.names == ["size", "note"] and cells.n_rows == 2
    assert cells.row(1) == [("size", "2.5"), ("note", "b")]
    assert cells.values("note").tolist() == ["a", "b"] and cells.value(0, "size") == 1.0


@pytest.mark.parametrize("X", [[{"a": 1}, {"a": 2}], {"a": [1, 2]}, ({"a": 1},)])
def test_dicts_are_refused_by_name(X):
    with pytest.raises(TypeError, match=r"got dicts. Make a data frame of them"):
        Cells(X)


def test_columns_of_one_name_are_told_apart():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["a", "a (2)", "a", "a"])
    assert Cells(frame).names == ["a", "a (2)", "a (3)", "a (4)"]
    assert Cells(frame).value(0, "a (4)") == 4
