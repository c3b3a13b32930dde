"""Data frames in, the same kind out: pandas, Polars and PyArrow; and rows by their labels."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.serving import ExplanationIndex
from sklearn_relatif.utils._frames import MAX_SPARSE_COLUMNS, frame_of, library_of
from sklearn_relatif.utils._text import apart

pd = pytest.importorskip("pandas")

X, Y = load_iris(return_X_y=True)
Y = (Y == 2).astype(int)
NAMES = [f"flower {i}" for i in range(len(X))]
FEATURES = ["sepal length", "sepal width", "label", "score"]
LIBRARIES = ("pandas", "polars", "pyarrow")


def frame_in(library, values=X):
    """Features as a frame of a library, whose columns are called like some of ours."""
    module = pytest.importorskip(library)
    columns = dict(zip(FEATURES, np.ascontiguousarray(values.T), strict=True))
    if library == "pandas":
        return module.DataFrame(columns, index=NAMES[: len(values)])
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


def columns_of(frame):
    """The columns of a frame of any library as lists, its index among them."""
    if isinstance(frame, pd.DataFrame):
        frame = frame.reset_index() if frame.index.name else frame
        return {name: frame[name].tolist() for name in frame}
    return frame.to_pydict() if hasattr(frame, "to_pydict") else frame.to_dict(as_series=False)


def rows_in(frame, rows):
    if isinstance(frame, pd.DataFrame):
        return frame.iloc[rows]
    return frame.take(rows) if library_of(frame) == "pyarrow" else frame[rows]


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(library):
    """A frame of a library, and an explainer that was fitted to it."""
    frame = frame_in(library)
    return frame, RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)


@pytest.fixture(scope="module")
def by_array():
    return RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, Y)


def names_of(library, positions):
    return [NAMES[i] for i in positions] if library == "pandas" else list(positions)


# --- the same kind out ----------------------------------------------------------------------


def test_the_frame_of_an_explanation_is_of_the_library_of_the_data(fitted, library, by_array):
    frame, explainer = fitted
    explanation = explainer.explain(rows_in(frame, [3, 70]), n_examples=2)
    found = explanation.frame()
    assert library_of(found) == library
    expected = by_array.explain(X[[3, 70]], n_examples=2)
    columns = columns_of(found)
    assert columns["row"] == names_of(library, expected.indices.ravel())
    assert columns["position"] == expected.indices.ravel().tolist()
    np.testing.assert_allclose(columns["score"], expected.scores.ravel())
    assert columns["label"] == Y[expected.indices.ravel()].tolist()
    assert library_of(pickle.loads(pickle.dumps(explanation))[1:].frame()) == library


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_arrays_are_explained_in_the_library_of_the_training_rows(fitted, library):
    assert library_of(fitted[1].explain(X[:2]).frame()) == library


def test_queries_decide_before_training_rows(library):
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame_in("pandas"), Y)
    assert library_of(explainer.explain(frame_in(library)).frame()) == library


def test_frames_of_arrays_are_of_pandas(by_array, report_of_arrays):
    assert isinstance(by_array.explain(X[:2]).frame(), pd.DataFrame)
    assert isinstance(report_of_arrays.frame(), pd.DataFrame)
    assert isinstance(by_array.diagnostics(), pd.DataFrame)


TEST_ROWS = [3, 70, 77]


@pytest.fixture(scope="module")
def report(fitted):
    frame, explainer = fitted
    return explainer.audit(rows_in(frame, TEST_ROWS), Y[TEST_ROWS])


@pytest.fixture(scope="module")
def report_of_arrays(by_array):
    return by_array.audit(X[TEST_ROWS], Y[TEST_ROWS])


def test_reports_and_diagnostics_are_of_the_library_of_the_training_rows(
    fitted, report, library, by_array, report_of_arrays
):
    for found, expected in (
        (report.frame(), report_of_arrays.frame()),
        (fitted[1].diagnostics(dfbetas=False), by_array.diagnostics(dfbetas=False)),
    ):
        assert library_of(found) == library
        columns = columns_of(found)
        assert columns["row"] == names_of(library, range(150))
        assert list(columns) == ["row", *expected.columns]
        for name in expected.columns:
            np.testing.assert_allclose(columns[name], expected[name], rtol=1e-6, atol=1e-9)


def test_test_rows_have_a_frame_of_their_own(report, library, report_of_arrays):
    found = report.test_frame()
    assert library_of(found) == library
    columns = columns_of(found)
    assert columns.pop("row") == (
        names_of(library, TEST_ROWS) if library == "pandas" else [0, 1, 2]
    )
    assert list(columns) == [name for name in report.predictions if name != "query"]
    best = report_of_arrays.predictions["best_row"].tolist()
    assert columns["best_row"] == names_of(library, best)
    assert len(columns_of(replace(report, predictions={}).test_frame())["row"]) == 0


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_what_names_rows_is_said(fitted, report, library):
    own = "index labels" if library == "pandas" else "positions, counted from 0"
    assert report.source.row_names == own
    others = "; of test rows, positions, counted from 0" if library == "pandas" else ""
    assert fitted[1].audit(X[:1]).source.row_names == own + others
    named = fitted[1].audit(sample_names=NAMES)
    assert named.source.row_names == "the names that were given"


def test_neighbors_and_an_index_give_frames_of_the_library_too(fitted, library):
    frame, explainer = fitted
    neighbors = NearestNeighborsExplainer().fit(frame, Y)
    for other in (neighbors, ExplanationIndex(explainer), explainer.compact()):
        assert library_of(other.explain(rows_in(frame, [1])).frame()) == library


def test_frames_without_pandas():
    """Polars in, Polars out, where pandas is not installed."""
    pytest.importorskip("polars")
    code = """if True:
        import sys
        class NotInstalled:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "pandas":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, NotInstalled())
        import numpy as np, polars as pl
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        from sklearn_relatif import RelatIFExplainer
        X, y = load_iris(return_X_y=True)
        X = pl.DataFrame(X, schema=["a", "b", "c", "d"])
        explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        found = [
            explainer.explain(X[:2]).frame(X, X[:2]),
            explainer.audit(X, y).frame(),
            explainer.diagnostics(),
            explainer.removal_effect(X[:2]),
            explainer.pairwise_influence(X[:2]),
        ]
        assert all(isinstance(frame, pl.DataFrame) for frame in found)
        try:
            RelatIFExplainer(explainer.estimator).fit(X.to_numpy(), y).audit().frame()
        except ImportError as error:
            print(error)
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = "AuditReport.frame needs pandas, which is not installed: pip install pandas"
    assert found.stdout.strip() == expected, found.stderr


# --- effects by labels ----------------------------------------------------------------------


def methods(explainer, queries):
    groups = np.array(["c", None, "a"] * 50)

    def mean_score(scores):
        return scores.mean(), np.full_like(scores, 1 / scores.size)

    return {
        "removal_effect": explainer.removal_effect(queries, order="first"),
        "of groups": explainer.removal_effect(queries, groups=groups),
        "pairwise_influence": explainer.pairwise_influence(queries),
        "removal_effect_on": explainer.removal_effect_on(mean_score, queries, order="first"),
        "on, of groups": explainer.removal_effect_on(mean_score, queries, groups=groups),
    }


def test_arrays_give_arrays(by_array):
    assert all(isinstance(found, np.ndarray) for found in methods(by_array, X[:3]).values())
    assert all(
        isinstance(found, np.ndarray) for found in methods(by_array, X[:3].tolist()).values()
    )


def test_pandas_gives_effects_by_index_labels(by_array):
    frame = frame_in("pandas")
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    queries = frame.iloc[[77, 3]].rename_axis("id")
    expected = methods(by_array, X[[77, 3]])
    for name, found in methods(explainer, queries).items():
        np.testing.assert_allclose(found.to_numpy().squeeze(), expected[name], rtol=1e-6)
        is_total = "on" in name.split("_")[-1].split(",")[0]
        removed = found.index if is_total else found.columns
        assert removed.tolist() == (["a", "c"] if "groups" in name else NAMES), name
        assert removed.name == ("group" if "groups" in name else "row")
        if not is_total:
            pd.testing.assert_index_equal(found.index, queries.index)
            assert found.loc["flower 77", removed[1]] == found.iloc[0, 1]


@pytest.mark.parametrize("library", LIBRARIES[1:])
def test_other_libraries_give_effects_by_columns(library, by_array):
    frame = frame_in(library)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    expected = methods(by_array, X[:3])
    for name, found in methods(
        explainer, frame[:3] if library == "polars" else frame.slice(0, 3)
    ).items():
        assert library_of(found) == library
        columns = columns_of(found)
        removed = ["a", "c"] if "groups" in name else list(range(150))
        if name.split(",")[0].endswith("on"):
            assert columns["group" if "groups" in name else "row"] == removed
            np.testing.assert_allclose(columns["change"], expected[name], rtol=1e-6)
        else:
            assert list(columns) == ["query", *map(str, removed)]
            assert columns.pop("query") == [0, 1, 2]
            np.testing.assert_allclose(
                np.array(list(columns.values())).T, expected[name], rtol=1e-6
            )


def test_several_criteria_give_a_frame_each(fitted, library):
    frame, explainer = fitted
    queries = rows_in(frame, [0, 1])
    for one in (explainer, explainer.compact()):
        found = one.pairwise_influence(queries, criterion=["influence", "loss_relative"])
        assert [library_of(scores) for scores in found.values()] == [library] * 2


def test_labels_that_look_the_same_keep_columns_apart():
    pl = pytest.importorskip("polars")
    frame = pd.DataFrame(X, index=["query", *["same"] * 149], columns=FEATURES)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    found = explainer.pairwise_influence(pl.DataFrame(X[:2], schema=FEATURES))
    assert found.columns[:4] == ["query", "query (2)", "same", "same (2)"]
    assert found.shape == (2, 151)


def test_the_effects_of_pandas_are_not_copied(by_array, monkeypatch):
    matrix = np.zeros((150, 150))
    monkeypatch.setattr("sklearn_relatif.explainers._removal.told_effects", lambda *_: [matrix])
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame_in("pandas"), Y)
    found = explainer.removal_effect(frame_in("pandas"))
    assert np.shares_memory(found.to_numpy(), matrix)


def test_an_index_of_several_levels_names_rows_and_columns():
    index = pd.MultiIndex.from_product([["a", "b"], range(75)], names=["site", "number"])
    frame = pd.DataFrame(X, index=index, columns=FEATURES)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    found = explainer.removal_effect(frame.iloc[:2], order="first")
    pd.testing.assert_index_equal(found.index, index[:2])
    assert found.columns[76] == ("b", 1)
    assert explainer.audit().frame().index[76] == ("b", 1)


# --- features beside scores -----------------------------------------------------------------


def test_features_stand_beside_the_scores(fitted, library):
    frame, explainer = fitted
    explanation = explainer.explain(frame, n_examples=2)[[70, 3]]
    found = explanation.frame(frame, frame)
    assert library_of(found) == library
    columns = columns_of(found)
    rows, queries = explanation.indices.ravel(), [70, 70, 3, 3]
    for place, name in enumerate(FEATURES):
        assert columns[f"row_{name}"] == X[rows, place].tolist()
        assert columns[f"query_{name}"] == X[queries, place].tolist()
    assert columns["label"] == Y[rows].tolist()
    assert list(columns) == [
        *columns_of(explanation.frame()),
        *(f"row_{name}" for name in FEATURES),
        *(f"query_{name}" for name in FEATURES),
    ]


def test_features_keep_their_types():
    frame = frame_in("pandas").assign(
        kind=pd.Categorical(np.where(Y, "x", "y")),
        day=pd.date_range("2026-01-01", periods=150),
        count=pd.array([None, *range(149)], dtype="Int64"),
    )
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame[FEATURES], Y)
    found = explainer.explain(frame[FEATURES].iloc[[3]]).frame(frame)
    for name in ("kind", "day", "count"):
        assert found[f"row_{name}"].dtype == frame[name].dtype
        assert_array_equal(
            found[f"row_{name}"].astype(str), frame.loc[found["row"], name].astype(str)
        )


@pytest.mark.parametrize("as_given", [np.asarray, np.ndarray.tolist, frame_in.__get__("polars")])
def test_features_of_arrays_lists_and_other_frames(as_given, by_array):
    explanation = by_array.explain(X[[3, 70]], n_examples=2)
    found = explanation.frame(as_given(X), as_given(X[[3, 70]]))
    features = columns_of(found)
    values = [values for name, values in features.items() if name.startswith(("row_", "query_"))]
    assert_array_equal(np.transpose(values)[:, :4], X[explanation.indices.ravel()])
    assert_array_equal(np.transpose(values)[:, 4:], X[[3, 3, 70, 70]])


def test_texts_stand_beside_the_scores(by_array):
    texts = [f"text {i}" for i in range(150)]
    explanation = by_array.explain(X[:1])
    for given in (texts, pd.Series(texts, name="words"), np.array(texts)):
        name = "row_words" if isinstance(given, pd.Series) else "row_value"
        assert explanation.frame(given)[name].tolist() == [texts[i] for i in explanation.indices[0]]


def test_several_labels_of_a_query_have_its_features_each(by_array):
    frame = by_array.explain(X[:2], np.array([[0, 1], [0, 1]])).frame(None, X[:2])
    assert_array_equal(frame["query_0"], np.where(frame["query"] == 0, X[0, 0], X[1, 0]))


def test_sparse_rows_show_the_columns_that_are_not_zero():
    features = sparse.random(60, 500, density=0.01, random_state=0, format="csr")
    explainer = RelatIFExplainer(LogisticRegression()).fit(features, Y[45:105])
    explanation = explainer.explain(features[:1], n_examples=3)
    frame = explanation.frame(features, features[:1])
    shown = [name for name in frame if name.startswith("row_")]
    rows = features[explanation.indices[0]].toarray()
    assert shown == [f"row_{column}" for column in np.nonzero(rows.any(axis=0))[0]]
    assert_array_equal(frame[shown], rows[:, rows.any(axis=0)])
    many = sparse.csr_array(np.ones((60, MAX_SPARSE_COLUMNS + 1)))
    with pytest.raises(ValueError, match=r"101 columns that are not 0 .* such as the texts"):
        explanation.frame(many)


def test_no_rows_have_no_features(by_array):
    explanation = by_array.explain(X[:2])[:0]
    for features in (X, frame_in("pandas"), sparse.csr_array(X), X.tolist()):
        assert len(explanation.frame(features, features)) == 0


def test_other_rows_are_refused(by_array):
    frame = frame_in("pandas")
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    explanation = explainer.explain(frame.iloc[50:60])
    with pytest.raises(ValueError, match="X has 149 rows; the model was trained on 150"):
        explanation.frame(frame.iloc[1:])
    with pytest.raises(ValueError, match="labels of X_train are not those"):
        explanation.frame(frame.iloc[::-1])
    with pytest.raises(ValueError, match="labels of X_test are not those"):
        explanation.frame(frame, frame)
    with pytest.raises(ValueError, match="X_test has 1 rows, and none at position 9"):
        explanation[9].frame(X_test=frame.iloc[[59]])
    with pytest.raises(ValueError, match="labels of X_train are not those"):
        explanation.plot(X_train=frame.iloc[::-1])
    # What goes by its positions may come as anything.
    assert len(explanation.frame(X)) and len(by_array.explain(X[:2]).frame(frame, frame))


def test_labels_that_are_numbers_from_0_tell_the_order_too(by_array, tmp_path):
    frame, queries = pd.DataFrame(X), pd.DataFrame(X[50:60])
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    explanation, report = explainer.explain(queries), explainer.audit(queries, Y[50:60])
    for X_train, X_test in ((frame[::-1], queries), (frame, queries[::-1]), (frame, frame[3:13])):
        with pytest.raises(ValueError, match="are not those that the rows had"):
            explanation.frame(X_train, X_test)
    with pytest.raises(ValueError, match="labels of X_train are not those"):
        explainer.audit(X_train=frame[::-1])
    for name, tables in (("X", (frame[::-1], queries)), ("X_test", (frame, queries[::-1]))):
        with pytest.raises(ValueError, match=f"labels, {name} has the rows in another order"):
            report.to_html(tmp_path / "report.html", *tables)
    # Of arrays, rows have no labels, and of those that are given names, others.
    assert len(by_array.explain(X[:2]).frame(frame[::-1], frame[:2][::-1]))
    named = explainer.audit(queries, sample_names=NAMES, X_train=frame)
    named.to_html(tmp_path / "report.html", frame, queries)


def test_missing_index_labels_are_the_same():
    frame = pd.DataFrame(X, index=[None, *range(1, 150)], columns=FEATURES)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(frame, Y)
    assert len(explainer.explain(frame.iloc[:1], n_examples=150).frame(frame, frame.iloc[:1]))


# --- pieces ---------------------------------------------------------------------------------


def test_columns_that_share_a_name_do_not_matter():
    frame = pd.DataFrame(X, columns=["a", "a", "b", 5])
    assert library_of(frame) == "pandas"
    explainer = RelatIFExplainer(LinearRegression()).fit(frame.to_numpy()[:, :3], X[:, 3])
    found = explainer.explain(X[:1, :3]).frame(frame)
    assert [name for name in found if name.startswith("row_")] == [
        "row_a", "row_a (2)", "row_b", "row_5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["a (2)", "a", "a"], ["a (2)", "a", "a (3)"]),
        ([], []),
    ],
)
def test_names_are_kept_apart(names, expected):
    assert apart(names) == expected


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "values",
    [
        np.array(["x", None, "y"], dtype=object),
        np.array([1, "x", 2.5], dtype=object),
        np.array(["2026-01-02", "NaT", "2026-01-03"], dtype="M8[ns]"),
        np.array([("a", 1), ("b", 2), ("c", 3)], dtype="O,i4").astype(object),
        np.array([True, False, True]),
    ],
    ids=["missing", "mixed", "days", "several", "truths"],
)
def test_columns_of_any_kind_can_be_held(library, values):
    pytest.importorskip(library)
    frame = frame_of({"value": values}, library, "this", np.arange(3))
    assert library_of(frame) == library and len(columns_of(frame)["value"]) == 3
