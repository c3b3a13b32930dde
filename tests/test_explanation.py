"""Explanation: data, selection of queries, and its forms as a frame, text and HTML."""

import datetime
import pickle
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import sparse

from sklearn_relatif.results import (
    MAX_QUERIES_HTML,
    MAX_QUERIES_TEXT,
    MAX_ROWS,
    OPPOSING_COLOR,
    SUPPORTING_COLOR,
    Explanation,
    TrainingRows,
)
from sklearn_relatif.utils._index import row_index
from sklearn_relatif.utils._text import clip, clip_apart, text_of

ROWS = TrainingRows(
    index=np.array(["ann", "bob", "cid", "dee"]),
    labels=np.array(["no", "yes", "yes", "no"]),
    predictions=np.array(["no", "no", "yes", "no"]),
    probabilities=np.array([0.9, 0.25, 0.75, 0.6]),
)


def make_explanation(**changes):
    arguments = {
        "indices": np.array([[2, 0], [3, -1], [-1, -1]]),
        "scores": np.array([[0.5, -0.25], [2.0, np.nan], [np.nan, np.nan]]),
        "targets": np.array(["yes", "no", "yes"]),
        "criterion": "loss_relative",
        "sign": "absolute",
        "training_rows": ROWS,
        "query_index": np.array([10, 20, 30]),
    }
    return Explanation(**(arguments | changes))


def many_queries(n_queries, n_examples=1):
    rows = TrainingRows(index=np.array([f"row{i}" for i in range(n_examples)]))
    return make_explanation(
        indices=np.tile(np.arange(n_examples), (n_queries, 1)),
        scores=np.ones((n_queries, n_examples)),
        targets=None,
        training_rows=rows,
        query_index=np.array([f"<q{i}>" for i in range(n_queries)]),
    )


class Cells(HTMLParser):
    """Rows of cell texts of an HTML table; fails on tags that do not match."""

    def __init__(self, html):
        super().__init__()
        self.open_tags, self.rows, self.styles = [], [], []
        self.feed(html)
        self.close()
        assert not self.open_tags

    def handle_starttag(self, tag, attrs):
        self.open_tags.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.styles.append(dict(attrs).get("class", ""))
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if self.open_tags[-1] in ("td", "th"):
            self.rows[-1][-1] += data


# --- data -----------------------------------------------------------------------------------


def test_array_likes_become_arrays():
    explanation = make_explanation(
        indices=[[0]], scores=[[1.0]], targets=["yes"], query_index=["q"]
    )
    assert explanation.indices.shape == explanation.scores.shape == (1, 1)
    assert explanation.targets.tolist() == ["yes"]
    assert explanation.query_index.tolist() == ["q"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros((3, 1))}, r"indices and scores .* \(3, 2\) and \(3, 1\)"),
        ({"indices": np.zeros(3, dtype=int), "scores": np.zeros(3)}, "indices and scores"),
        ({"targets": ["yes"]}, r"targets must have one entry a query, shape \(3,\), got \(1,\)"),
        ({"query_index": np.zeros((3, 1))}, r"query_index must have one entry a query"),
    ],
)
def test_shapes_must_agree(change, message):
    with pytest.raises(ValueError, match=message):
        make_explanation(**change)


def test_pickles():
    explanation = make_explanation()
    copy = pickle.loads(pickle.dumps(explanation))
    np.testing.assert_array_equal(copy.scores, explanation.scores)
    assert repr(copy) == repr(explanation)


def test_row_index_of_tables():
    pd = pytest.importorskip("pandas")
    X = np.zeros((3, 2))
    assert row_index(X).tolist() == [0, 1, 2]
    assert row_index(X.tolist()).tolist() == [0, 1, 2]
    assert row_index(sparse.csr_matrix(X)).tolist() == [0, 1, 2]
    frame = pd.DataFrame(X, index=["b", "a", "c"])
    assert row_index(frame).tolist() == ["b", "a", "c"]
    pairs = [("x", 1), ("x", 2), ("y", 1)]
    index = row_index(frame.set_axis(pd.MultiIndex.from_tuples(pairs)))
    assert index.shape == (3,)
    assert index.tolist() == pairs


def test_row_index_does_not_follow_later_changes():
    pd = pytest.importorskip("pandas")
    labels = np.array([5, 6])
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index(labels, copy=False))
    index = row_index(frame)
    assert not np.shares_memory(index, frame.index.to_numpy())


# --- selection ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "positions"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int64(0), [0]),
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        ([2, 0, 0], [2, 0, 0]),
        (np.array([2, 1]), [2, 1]),
        (np.array([True, False, True]), [0, 2]),
        ([False, True, False], [1]),
        ([], []),
        (slice(0, 0), []),
    ],
)
def test_selection_by_query(item, positions):
    explanation = make_explanation()
    part = explanation[item]
    assert isinstance(part, Explanation)
    assert len(part) == len(positions)
    for name in ("indices", "scores", "targets", "query_index"):
        np.testing.assert_array_equal(getattr(part, name), getattr(explanation, name)[positions])
    assert (part.criterion, part.sign) == ("loss_relative", "absolute")
    assert part.training_rows is explanation.training_rows


@pytest.mark.parametrize("item", [3, -4, [True, False], (0, 1), [[0, 1]], 0.5, "ann", None])
def test_bad_selection(item):
    with pytest.raises(IndexError):
        make_explanation()[item]


def test_selection_keeps_missing_targets():
    assert make_explanation(targets=None)[:2].targets is None


def test_iteration_gives_one_query_each():
    parts = list(make_explanation())
    assert [len(part) for part in parts] == [1, 1, 1]
    assert [part.query_index[0] for part in parts] == [10, 20, 30]


# --- frame ----------------------------------------------------------------------------------


def test_frame_holds_every_row_and_no_missing_place():
    pd = pytest.importorskip("pandas")
    expected = pd.DataFrame(
        {
            "query": [10, 10, 20],
            "target": ["yes", "yes", "no"],
            "rank": [1, 2, 1],
            "row": ["cid", "ann", "dee"],
            "position": [2, 0, 3],
            "score": [0.5, -0.25, 2.0],
            "label": ["yes", "no", "no"],
            "prediction": ["yes", "no", "no"],
            "probability": [0.75, 0.9, 0.6],
        }
    )
    pd.testing.assert_frame_equal(make_explanation().frame(), expected)


def test_frame_leaves_out_what_is_not_known():
    pytest.importorskip("pandas")
    rows = TrainingRows(index=np.arange(4), labels=None)
    frame = make_explanation(targets=None, training_rows=rows).frame()
    assert list(frame.columns) == ["query", "rank", "row", "position", "score"]


def test_frame_of_no_query_keeps_its_columns():
    pytest.importorskip("pandas")
    frame = make_explanation()[:0].frame()
    assert frame.empty
    assert list(frame.columns) == list(make_explanation().frame().columns)


def test_frame_is_the_users_own_copy():
    pytest.importorskip("pandas")
    explanation = make_explanation()
    frame = explanation.frame()
    frame["score"] = 0.0
    frame["label"] = "changed"
    assert explanation.scores[0, 0] == 0.5
    assert ROWS.labels[2] == "yes"


def test_frame_keeps_types_of_labels_and_index():
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2020-01-01", periods=4)
    rows = TrainingRows(index=row_index(pd.DataFrame(index=days)), labels=np.arange(4) % 2 == 0)
    frame = make_explanation(training_rows=rows).frame()
    assert frame["label"].dtype == bool
    assert frame["row"].tolist() == [days[2], days[0], days[3]]
    assert frame["score"].dtype == np.float64


def test_frame_without_pandas_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        make_explanation().frame()


# --- text -----------------------------------------------------------------------------------


def test_repr():
    assert repr(make_explanation()) == "\n".join(
        [
            "Explanation of 3 queries: criterion loss_relative, sign absolute",
            "",
            "query 10, target yes",
            "  rank  row    score  label  prediction  probability",
            "     1  cid  +0.5000    yes         yes        0.750",
            "     2  ann  -0.2500     no          no        0.900",
            "",
            "query 20, target no",
            "  rank  row    score  label  prediction  probability",
            "     1  dee   +2.000     no          no        0.600",
            "",
            "query 30, target yes",
            "  no training row of this sign",
        ]
    )


def test_repr_needs_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    explanation = make_explanation()
    assert "cid" in repr(explanation)
    assert "cid" in explanation._repr_html_()


def test_repr_without_sign_has_no_plus():
    text = repr(make_explanation(sign=None, targets=None, criterion="nearest_neighbors"))
    assert text.startswith("Explanation of 3 queries: criterion nearest_neighbors\n\nquery 10\n")
    assert "+" not in text


def test_repr_is_short_and_says_what_it_hides():
    text = repr(many_queries(MAX_QUERIES_TEXT + 3, MAX_ROWS + 2))
    assert text.count("query <q") == MAX_QUERIES_TEXT
    assert text.count("  ... and 2 more rows\n") == MAX_QUERIES_TEXT
    assert text.endswith("\n\n... and 3 more queries")
    assert f"row{MAX_ROWS - 1} " in text
    assert f"row{MAX_ROWS} " not in text


def test_repr_of_no_query():
    text = repr(make_explanation()[:0])
    assert text == "Explanation of 0 queries: criterion loss_relative, sign absolute"


def test_repr_of_one_query():
    assert repr(make_explanation()[0]).startswith("Explanation of 1 query:")


def test_repr_keeps_long_and_multiline_names_on_aligned_lines():
    rows = TrainingRows(index=np.array(["a\nb", "first" + "x" * 80 + "last"], dtype=object))
    explanation = make_explanation(
        indices=[[0, 1]],
        scores=[[1.0, 1e-5]],
        targets=["yes"],
        training_rows=rows,
        query_index=["q"],
    )
    table = repr(explanation).splitlines()[3:]
    assert len(table) == 3
    assert len({len(line) for line in table}) == 1
    assert "a b" in table[1]
    assert "first" in table[2]
    assert "last" in table[2]
    assert len(table[2]) < 60


@pytest.mark.parametrize(
    ("score", "text"),
    [(1234.4, "+1234"), (0.0, "+0.000"), (-1e-5, "-1.000e-05"), (0.123456, "+0.1235")],
)
def test_scores_have_four_digits_and_their_sign(score, text):
    lines = repr(make_explanation(scores=[[score, score]] * 3)).splitlines()
    assert lines[4].split()[2] == text


def test_names_and_labels_are_shown_as_given_and_predictions_short():
    rows = TrainingRows(
        index=np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"),
        labels=np.array([40817203.0, 0.1]),
        predictions=np.array([152.13348416289, 40817203.0]),
    )
    lines = repr(
        make_explanation(indices=[[0, 1]] * 3, scores=np.ones((3, 2)), training_rows=rows)
    ).splitlines()
    assert lines[4].split() == ["1", "2020-01-01", "+1.000", "40817203", "152.133"]
    assert lines[5].split() == ["2", "2020-01-02", "+1.000", "0.1", "40817203"]


@pytest.mark.parametrize(
    "value, text",
    [
        (2**60 + 1, "1152921504606846977"),
        (np.int64(40817203), "40817203"),
        (40817203.0, "40817203"),
        (np.float32(0.1), "0.1"),
        (1234567.891, "1234567.891"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-9, "1e-09"),
        (1e22, "1e+22"),
        (-0.5, "-0.5"),
        (True, "True"),
        (np.False_, "False"),
        (None, "missing"),
        (float("nan"), "missing"),
        (np.datetime64("NaT", "s"), "missing"),
        (np.datetime64("2020-02-29"), "2020-02-29"),
        (datetime.datetime(2020, 2, 29), "2020-02-29"),
        (datetime.datetime(2020, 2, 29, 12, 30), "2020-02-29 12:30:00"),
        (datetime.date(2020, 2, 29), "2020-02-29"),
        ((np.int64(3), "b", 0.5), "(3, b, 0.5)"),
        (" a\n b ", "a b"),
        ("\x1b[2J\u202etxt", "\\x1b[2J\\u202etxt"),
    ],
)
def test_values_are_shown_as_they_were_given(value, text):
    assert text_of(value) == text


def test_rows_are_labels_of_the_index_and_masked_where_there_is_none():
    rows = make_explanation().rows
    assert rows.tolist() == [["cid", "ann"], ["dee", None], [None, None]]
    assert rows.dtype == ROWS.index.dtype


def test_rows_lead_to_the_rows_of_a_frame():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": range(4)}, index=[30, 20, 10, 0])
    found = make_explanation(training_rows=TrainingRows(index=row_index(frame)))[0]
    assert frame.loc[found.rows[0]].equals(frame.iloc[found.indices[0]])


def test_long_names_that_differ_in_the_middle_stay_apart():
    names = [f"customer-{place}-{'x' * 40}-of-berlin" for place in "abcdefgh"]
    texts = clip_apart(names, 20)
    assert len(set(texts)) == 8 and max(map(len, texts)) < max(map(len, names))
    assert clip_apart(["same" * 20] * 3, 20) == [clip("same" * 20, 20)] * 3


# --- HTML -----------------------------------------------------------------------------------


def test_html_has_the_cells_of_the_text():
    cells = Cells(make_explanation()._repr_html_())
    assert cells.rows == [
        ["rank", "row", "score", "label", "prediction", "probability"],
        ["query 10, target yes"],
        ["1", "cid", "+0.5000", "yes", "yes", "0.750"],
        ["2", "ann", "-0.2500", "no", "no", "0.900"],
        ["query 20, target no"],
        ["1", "dee", "+2.000", "no", "no", "0.600"],
        ["query 30, target yes"],
        ["no training row of this sign"],
    ]


def test_html_colours_follow_the_sign():
    html = make_explanation()[0]._repr_html_()
    assert Cells(html).styles == ["", "", "supports", "opposes"]
    assert SUPPORTING_COLOR in html and OPPOSING_COLOR in html


def test_html_without_sign_has_neither_colour():
    html = make_explanation(sign=None)[0]._repr_html_()
    assert Cells(html).styles == ["", "", "neither", "neither"]


def test_html_escapes_every_text():
    evil = "<script>&\"'"
    rows = TrainingRows(
        index=np.array([evil] * 4),
        labels=np.array([evil] * 4),
        predictions=np.array([evil] * 4),
        probabilities=np.full(4, 0.5),
    )
    html = make_explanation(
        targets=[evil] * 3, query_index=[evil] * 3, training_rows=rows
    )._repr_html_()
    assert "<script" not in html
    cells = Cells(html)
    assert cells.rows[1] == [f"query {evil}, target {evil}"]
    assert cells.rows[2] == ["1", evil, "+0.5000", evil, evil, "0.500"]


def test_html_is_short_and_says_what_it_hides():
    html = many_queries(MAX_QUERIES_HTML + 80, MAX_ROWS + 1)._repr_html_()
    assert html.count("query &lt;q") == MAX_QUERIES_HTML
    assert "... and 80 more queries" in html
    assert html.count("... and 1 more row<") == MAX_QUERIES_HTML
    assert "more queries" not in many_queries(MAX_QUERIES_HTML)._repr_html_()


def test_html_of_no_query():
    assert Cells(make_explanation()[:0]._repr_html_()).rows == [
        ["rank", "row", "score", "label", "prediction", "probability"]
    ]
