"""Columns are read for what they hold, and further rows as the first ones were."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from sklearn_relatif._table_files import TableError  # noqa: E402
from sklearn_relatif._tables import features_of, group_labels, make_table, more_rows  # noqa: E402


def table_of(values, labels=None):
    notes = []
    frame = pd.DataFrame({"column": values, "other": np.arange(len(values)) % 3})
    frame["label"] = np.arange(len(frame)) % 2 if labels is None else labels
    return make_table(frame, "label", notes)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1,234.50", "-12", "7.25"], [1234.5, -12, 7.25]),
        (["1.234,50", "-12", "7,25"], [1234.5, -12, 7.25]),
        (["0,5", "0,125", "3"], [0.5, 0.125, 3]),
        (["1 234 567", "1\u202f000", "5"], [1234567, 1000, 5]),
        (["$1,234", "$5", "$2.5"], [1234, 5, 2.5]),
        (["12.5%", "3 %", "100%"], [12.5, 3, 100]),
        (["7 €", "1.000,5 €", "2 €"], [7, 1000.5, 2]),
        (["1e3", "2.5E-1", "1,000"], [1000, 0.25, 1000]),
    ],
)
def test_numbers_as_text(texts, numbers):
    table = table_of(texts * 4)
    np.testing.assert_allclose(table.X["column"], numbers * 4)
    assert any("holds numbers as text" in note for note in table.notes)


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["1970-01-02", "1970-01-31", "1969-12-31"], [1, 30, -1]),
        (["1970-01-02 12:00", "1970-01-03", "1970-01-04"], [1.5, 2, 3]),
        (["1/2/1970", "1/31/1970", "12/31/1969"], [1, 30, -1]),
        (["2/1/1970", "31/1/1970", "31/12/1969"], [1, 30, -1]),
        (["02.01.1970", "03.01.1970", "04.01.1970"], [1, 2, 3]),
        (["0001-01-01", "9999-12-31", "1970-01-01"], [-719162, 2932896, 0]),
    ],
    ids=["days", "times", "month first", "day first", "with points", "far away"],
)
def test_dates(texts, days):
    table = table_of(texts * 4)
    read = table.X["column"]
    if pd.__version__ < "3" and days[0] < -1e5:
        assert read.isna().sum() == 8  # Out of the range that nanoseconds span.
        return
    np.testing.assert_allclose(read, days * 4)


def test_truth_and_missing_values():
    table = table_of([True, False, None, True] * 3)
    np.testing.assert_array_equal(table.X["column"], [1, 0, np.nan, 1] * 3)
    X, y = more_rows(table, pd.DataFrame({"column": ["TRUE", 0], "other": 1, "label": 1}), "label")
    np.testing.assert_array_equal(X["column"], [1, 0])
    assert y.tolist() == [1, 1]


def test_values_that_are_not_text_nor_number():
    lists = table_of([[1], [2], [1]] * 4)
    assert lists.X["column"].tolist()[:2] == ["[1]", "[2]"]
    assert set(table_of(pd.Categorical(["a", "b", "c"] * 4)).X["column"]) == {"a", "b", "c"}
    whole = table_of(pd.array([1, None, 3] * 4, dtype="Int64"))
    np.testing.assert_array_equal(whole.X["column"], [1, np.nan, 3] * 4)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1.0, 2.0, None] * 4, [1, 2]),
        ([0.5, 1.5, 0.5] * 4, ["0.5", "1.5"]),
        ([1.0, np.inf, 1.0] * 4, ["1.0", "inf"]),
        (["a", "a ", "b"] * 4, ["a", "b"]),
        (["a", " ", "b"] * 4, ["a", "b"]),
        ([True, False, True] * 4, [False, True]),
        ([1, "a", 1] * 4, ["1", "a"]),
    ],
)
def test_labels(labels, classes):
    table = table_of(list(range(6)) * 2, pd.Series(labels))
    assert np.unique(table.y).tolist() == classes
    frame = pd.DataFrame({"column": range(12), "other": 1, "label": labels})
    X, y = more_rows(table, frame, "label")
    np.testing.assert_array_equal(y, table.y)
    assert y.dtype == table.y.dtype and len(X) == len(y)


def test_columns_of_further_rows_may_stand_in_another_order():
    table = table_of(["a", "b", "c"] * 4)
    frame = pd.DataFrame({"label": [0, 1], "other": [0, 1], "more": 1, "column": ["new", None]})
    X, _ = more_rows(table, frame, "label")
    assert X.columns.tolist() == table.X.columns.tolist()
    assert X["column"].tolist() == ["new", ""]
    assert features_of(table).fit(table.X).transform(X).shape[0] == 2


def test_groups():
    notes = []
    groups = group_labels(pd.Series([1.0, None, 2.0], name="g"), notes)
    assert groups.tolist() == ["1", None, "2"] and notes == []
    tenths = group_labels(pd.Series(np.arange(100.0), name="g"), notes)
    assert len(set(tenths)) == 10 and "tenths of 'g'" in notes[0]
    many = group_labels(pd.Series([f"v{i % 60}" for i in range(130)], name="g"), notes)
    assert len(set(many) - {None}) == 50 and None in many
    with pytest.raises(TableError, match="no values to group by"):
        group_labels(pd.Series([None, None], name="g"), notes)
