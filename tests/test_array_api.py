"""Arrays of other libraries: converted, or computed with where scikit-learn does so itself.

Everything on a device is computed by what runs here on PyTorch's tensors in this machine's memory
and on the standard's own strict library, and compared with NumPy's engine for the same parameters.
"""

import pickle
import re
from contextlib import ExitStack

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.utils._arrays import Place, estimator_on_host, is_elsewhere, on_host
from tests import cases

#: The only solver of ridge that scikit-learn dispatches.
MODEL = Ridge(solver="svd")
X, y = cases.noisy_classes(2)
X, y = X[:, 1:], X[:, 0] + y
QUERIES = slice(None, None, 7)
#: What scikit-learn computes with other arrays from 1.9 on.
since_1_9 = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="scikit-learn dispatches these from 1.9 on",
)


@pytest.fixture(params=["array_api_strict", "torch"])
def asarray(request):
    return pytest.importorskip(request.param).asarray


@pytest.fixture
def dispatching(monkeypatch):
    # scikit-learn wants to know that SciPy dispatches too, which nothing here needs.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with ExitStack() as stack:
        try:
            stack.enter_context(config_context(array_api_dispatch=True))
        except ImportError as error:
            pytest.skip(f"no dispatch: {error}")
        yield


def data(name):
    """Features, targets and weights of rows."""
    rows, labels = cases.noisy_classes(3, n_rows=120, n_features=5, seed=1)
    weight = np.random.default_rng(2).integers(1, 4, len(rows)).astype(float)
    targets = {
        "classes": labels,
        "two classes": (labels > 0).astype(int),
        "number": rows[:, 0] + labels,
        "numbers": np.stack([rows[:, 0] + labels, labels - rows[:, 1], rows[:, 2] ** 2], axis=1),
        "counts": labels.astype(float),
    }
    return rows, targets[name], weight


LOGISTIC = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000)
#: Models, what they are fitted to, whether with weights, and how they are explained.
EXPLAINED = {
    "ridge": (Ridge(solver="svd"), "number", True, {}),
    "ridge of several targets": (
        Ridge(solver="svd", alpha=[0.1, 1, 10]),
        "numbers",
        False,
        {"damping": 1e-3},
    ),
    "ridge without intercept": (Ridge(solver="svd", fit_intercept=False), "number", False, {}),
    "ridge of classes": (RidgeClassifier(solver="svd"), "classes", True, {}),
    "softmax": (LOGISTIC, "classes", True, {}),
    "softmax without intercept": (
        clone(LOGISTIC).set_params(fit_intercept=False),
        "classes",
        False,
        {"damping": 1e-3},
    ),
    "softmax, balanced": (
        clone(LOGISTIC).set_params(class_weight="balanced"),
        "classes",
        False,
        {"curvature": "gauss_newton"},
    ),
    "softmax, Fisher": (LOGISTIC, "classes", True, {"curvature": "fisher", "damping": 1e-2}),
    "softmax, empirical Fisher": (
        LOGISTIC,
        "classes",
        True,
        {"curvature": "empirical_fisher", "damping": 1e-2},
    ),
    "softmax, identity": (LOGISTIC, "classes", False, {"curvature": "identity"}),
    "logistic": (LOGISTIC, "two classes", True, {}),
    "Poisson": (PoissonRegressor(alpha=0.1, tol=1e-8, max_iter=1000), "counts", True, {}),
}
NUMPY_1_9 = [
    pytest.param(name, marks=() if name.startswith("ridge") else since_1_9) for name in EXPLAINED
]


class Both:
    """An explainer with arrays of a library, and NumPy's of the same parameters."""

    def __init__(self, name, asarray, dtype):
        model, kind, has_weight, params = EXPLAINED[name]
        self.X, self.y, weight = data(kind)
        self.X = self.X.astype(dtype)
        self.asarray = asarray
        A, b = asarray(self.X), asarray(self.y)
        weights = (asarray(weight.astype(dtype)),) if has_weight else ()
        self.own = RelatIFExplainer(clone(model), **params).fit(A, b, *weights)
        self.numpy = RelatIFExplainer.from_fitted(
            estimator_on_host(self.own.estimator_),
            self.X,
            self.y,
            *(weight,) * has_weight,
            **params,
        )
        self.queries, self.asked = self.X[QUERIES], asarray(self.X[QUERIES])


def scaled_error(found, expected):
    return np.abs(on_host(found) - expected).max() / np.abs(expected).max()


@pytest.mark.usefixtures("dispatching")
@pytest.mark.parametrize("name", NUMPY_1_9)
@pytest.mark.parametrize(
    ("library", "dtype", "tolerance"),
    [
        ("array_api_strict", np.float64, 1e-11),
        ("torch", np.float64, 1e-11),
        ("torch", np.float32, 2e-3),
    ],
)
def test_they_are_explained_as_by_numpy(name, library, dtype, tolerance):
    asarray = pytest.importorskip(library).asarray
    both = Both(name, asarray, dtype)
    own, numpy = both.own, both.numpy
    assert own._study.objective.place is not None
    for criterion in cases.CRITERIA:
        matrix = own.pairwise_influence(both.asked, criterion=criterion)
        expected = numpy.pairwise_influence(both.queries, criterion=criterion)
        assert isinstance(matrix, np.ndarray)
        assert matrix.dtype == expected.dtype
        assert scaled_error(matrix, expected) < tolerance
        for sign in ("positive", "absolute"):
            best = own.explain(both.asked, criterion=criterion, sign=sign)
            of_numpy = numpy.explain(both.queries, criterion=criterion, sign=sign)
            if dtype == np.float64:
                assert_array_equal(best.indices, of_numpy.indices)
                assert_allclose(best.targets, of_numpy.targets)
            scores = np.where(np.isnan(of_numpy.scores), 0, of_numpy.scores)
            assert scaled_error(np.where(np.isnan(best.scores), 0, best.scores), scores) < tolerance
            rounded = tolerance * np.abs(expected).max()
            found = np.take_along_axis(expected, np.maximum(best.indices, 0), axis=1)
            is_there = best.indices >= 0
            assert_allclose(best.scores[is_there], found[is_there], rtol=0, atol=rounded)
    for attribute in ("self_influence_", "scale_", "leverage_"):
        found, expected = getattr(own, attribute), getattr(numpy, attribute)
        assert isinstance(found, np.ndarray)
        assert scaled_error(found, expected) < tolerance
    assert_allclose(own.distance_to_optimum_, numpy.distance_to_optimum_, rtol=0.05, atol=1e-5)
    vectors = own.transform(both.asked)
    assert type(vectors) is type(both.asked)
    assert scaled_error(vectors, numpy.transform(both.queries)) < tolerance


@pytest.mark.usefixtures("dispatching")
@pytest.mark.parametrize(
    "name",
    [
        "ridge",
        "ridge of several targets",
        pytest.param("softmax", marks=since_1_9),
        pytest.param("Poisson", marks=since_1_9),
    ],
)
def test_models_without_rows_are_those_of_numpy(name, asarray):
    both = Both(name, asarray, np.float64)
    labels, asked = both.y[QUERIES], both.asarray(both.y[QUERIES])
    for order in ("first", "newton"):
        effect = both.own.removal_effect(both.asked, asked, order=order)
        expected = both.numpy.removal_effect(both.queries, labels, order=order)
        assert isinstance(effect, np.ndarray)
        assert scaled_error(effect, expected) < 1e-10
    groups = np.full(len(both.X), None)
    groups[:6] = ["A", "B"] * 3
    effect = both.own.removal_effect(both.asked, asked, groups, order="retrain")
    expected = both.numpy.removal_effect(both.queries, labels, groups, order="retrain")
    assert scaled_error(effect, expected) < 1e-8
    (model,) = both.own.retrain_without([[0, 1]])
    (of_numpy,) = both.numpy.retrain_without([[0, 1]])
    assert type(model.coef_) is type(both.asked)
    assert scaled_error(model.predict(both.asked), of_numpy.predict(both.queries)) < 1e-8


@pytest.mark.usefixtures("dispatching")
def test_single_precision_is_proved_or_left(asarray):
    """Rows that single precision spoils are explained in double precision, as by NumPy."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100, 3)).astype(np.float32) * np.float32(1e-2) + np.float32(10)
    target = (rows @ [1.0, 2.0, -1.0] + rng.normal(size=100)).astype(np.float32)
    model = clone(MODEL).set_params(alpha=1e-3).fit(asarray(rows), asarray(target))
    own = RelatIFExplainer.from_fitted(model, asarray(rows), asarray(target))
    numpy = RelatIFExplainer.from_fitted(estimator_on_host(model), rows, target)
    assert "double precision" in numpy.solver_.reason
    assert "double precision" in own.solver_.reason
    assert_allclose(own.self_influence_, numpy.self_influence_, rtol=1e-6)


@pytest.mark.usefixtures("dispatching")
@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
def test_equal_rows_come_in_their_order(asarray, sign):
    """However many of them are tied, and in whatever blocks they come."""
    rows, target = np.tile(X[:20], (7, 1)), np.tile(y[:20], 7)
    own = RelatIFExplainer(MODEL).fit(asarray(rows), asarray(target))
    numpy = RelatIFExplainer.from_fitted(estimator_on_host(own.estimator_), rows, target)
    for n_examples in (1, 10, 200):
        expected = numpy.explain(X[:6], criterion=cases.CRITERIA, sign=sign, n_examples=n_examples)
        for memory in (2e-2, 1024):
            with config_context(working_memory=memory):
                found = own.explain(
                    asarray(X[:6]), criterion=cases.CRITERIA, sign=sign, n_examples=n_examples
                )
            for criterion in cases.CRITERIA:
                assert_array_equal(found[criterion].indices, expected[criterion].indices)
                assert_allclose(
                    found[criterion].scores, expected[criterion].scores, rtol=1e-9, atol=1e-12
                )


@pytest.mark.usefixtures("dispatching")
@since_1_9
def test_blocks_change_nothing(asarray, monkeypatch):
    """Blocks of rows, and tiles of matrices."""
    whole = Both("softmax", asarray, np.float64)
    expected = whole.own.pairwise_influence(whole.asked)
    monkeypatch.setattr("sklearn_relatif.curvature._array_sums.TILE", 4)
    with config_context(working_memory=1e-2):
        parts = Both("softmax", asarray, np.float64)
        assert_allclose(parts.own.pairwise_influence(parts.asked), expected, atol=1e-11)
        assert_allclose(parts.own.leverage_, whole.own.leverage_, rtol=1e-10)
        assert_allclose(parts.own.scale_, whole.own.scale_, rtol=1e-10)


@pytest.mark.usefixtures("dispatching")
@since_1_9
def test_directions_that_nothing_sees_are_left_out(asarray):
    """A column that repeats another, without a penalty."""
    rows, labels, _ = data("two classes")
    rows = np.column_stack([rows, rows[:, 0]])
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(asarray(rows), asarray(labels))
    own = RelatIFExplainer.from_fitted(model, asarray(rows), asarray(labels))
    numpy = RelatIFExplainer.from_fitted(estimator_on_host(model), rows, labels)
    assert own._study.curvature.n_free == numpy._study.curvature.n_free == 6
    assert_allclose(
        own.pairwise_influence(asarray(rows[:5])), numpy.pairwise_influence(rows[:5]), rtol=1e-6
    )
    assert own.distance_to_optimum_ < 0.01


@pytest.mark.usefixtures("dispatching")
@since_1_9
def test_a_curvature_that_is_not_positive_definite_says_so(asarray):
    rows, labels, _ = data("classes")
    rows, labels = asarray(rows[:9]), asarray(labels[:9])
    explainer = RelatIFExplainer(LOGISTIC, curvature="empirical_fisher")
    with pytest.raises(ValueError, match=r"not positive definite.*Set a positive damping"):
        explainer.fit(rows, labels)
    explainer.set_params(damping=0.1).fit(rows, labels)


@pytest.mark.usefixtures("dispatching")
def test_only_the_factor_is_computed_with_them(asarray):
    with pytest.raises(ValueError, match=r"^solver='cg' is computed with NumPy.*'cholesky'"):
        RelatIFExplainer(MODEL, solver="cg").fit(asarray(X), asarray(y))
    explainer = RelatIFExplainer(MODEL).fit(asarray(X), asarray(y))
    for name, call in (
        ("audit", explainer.audit),
        (r"compact\(\)", explainer.compact),
    ):
        with pytest.raises(TypeError, match=rf"^{name} is computed with NumPy.*np\.asarray\(X\)"):
            call()


@pytest.mark.usefixtures("dispatching")
def test_what_asks_of_models_without_rows_works(asarray):
    own = RelatIFExplainer(MODEL, random_state=0).fit(asarray(X), asarray(y))
    numpy = RelatIFExplainer.from_fitted(estimator_on_host(own.estimator_), X, y, random_state=0)
    assert_allclose(own.loo_predict(), numpy.loo_predict(), rtol=1e-9)
    score = own.score(asarray(X[:9]), asarray(y[:9]))
    assert_allclose(score, numpy.score(X[:9], y[:9]), rtol=1e-6)
    statistics = own.removal_statistics([0, [1, 2]], asarray(X[:3]))
    assert_allclose(
        statistics.loss_change, numpy.removal_statistics([0, [1, 2]], X[:3]).loss_change, atol=1e-9
    )
    pytest.importorskip("pandas")
    assert_allclose(own.diagnostics(), numpy.diagnostics(), rtol=1e-8)


@since_1_9
@pytest.mark.usefixtures("dispatching")
def test_labels_flip_without_the_same_rows(asarray):
    rows, labels, _ = data("two classes")
    own = RelatIFExplainer(LOGISTIC).fit(asarray(rows), asarray(labels))
    numpy = RelatIFExplainer.from_fitted(estimator_on_host(own.estimator_), rows, labels)
    near = np.argmin(np.abs(on_host(own.predict_proba(asarray(rows)))[:, 0] - 0.5))
    query = rows[[near]]
    expected = numpy.flip_set(query)
    assert expected.size
    for asked in (query, asarray(query)):
        found = own.flip_set(asked)
        assert_array_equal(found.positions, expected.positions)
        assert found.new_label == expected.new_label
        assert_allclose(found.probability_after, expected.probability_after, rtol=1e-9)


@pytest.mark.usefixtures("dispatching")
def test_they_go_through_pipelines_and_files(asarray):
    pipeline = make_pipeline(MinMaxScaler(), MODEL)
    own = RelatIFExplainer(pipeline).fit(asarray(X), asarray(y))
    scaler = MinMaxScaler().fit(X)
    numpy = RelatIFExplainer(MODEL).fit(scaler.transform(X), y)
    expected = numpy.explain(scaler.transform(X[:4]))
    assert_array_equal(own.explain(asarray(X[:4])).indices, expected.indices)
    assert is_elsewhere(own.predict(asarray(X[:4])))
    if isinstance(asarray(X), pytest.importorskip("torch").Tensor):
        again = pickle.loads(pickle.dumps(own))
        assert_array_equal(again.explain(asarray(X[:4])).indices, expected.indices)


@pytest.mark.usefixtures("dispatching")
def test_queries_may_come_from_numpy_and_ask_for_several_labels(asarray):
    model = RidgeClassifier(solver="svd")
    rows, labels, _ = data("classes")
    names = np.array(["a", "b", "c"])[labels]
    own = RelatIFExplainer(model).fit(asarray(rows), names)
    numpy = RelatIFExplainer(model).fit(rows, names)
    asked = np.array([["a", "b"], ["c", "a"]])
    expected = numpy.explain(rows[:2], asked)
    for queries in (rows[:2], asarray(rows[:2])):
        found = own.explain(queries, asked)
        assert_array_equal(found.indices, expected.indices)
        assert_array_equal(found.targets, expected.targets)


def test_they_are_converted_where_nothing_is_dispatched(asarray):
    explainer = RelatIFExplainer(MODEL).fit(asarray(X), asarray(y), asarray(np.ones(len(y))))
    expected = RelatIFExplainer(MODEL).fit(X, y)
    assert explainer._study.objective.place is None
    assert_allclose(
        explainer.removal_effect(asarray(X[:3]), asarray(y[:3])),
        expected.removal_effect(X[:3], y[:3]),
    )
    assert_array_equal(explainer.explain(asarray(X[:3])).indices, expected.explain(X[:3]).indices)
    nearest = NearestNeighborsExplainer().fit(asarray(X)).explain(asarray(X[:3]))
    assert_array_equal(nearest.indices[:, 0], [0, 1, 2])


@pytest.mark.usefixtures("dispatching")
def test_they_are_refused_where_there_is_no_way(asarray):
    library = re.escape(type(asarray(X)).__module__.partition(".")[0])
    explainer = RelatIFExplainer(MODEL).fit(X, y)
    nearest = NearestNeighborsExplainer().fit(X)
    A, b, weight = asarray(X), asarray(y), asarray(np.ones(len(y)))
    named = asarray((y > 0).astype(int))
    fitted = clone(MODEL).fit(X, y)
    other = r"Ridge was fitted to NumPy's"
    for name, cause, call in (
        ("y", "X is not", lambda: RelatIFExplainer(MODEL).fit(X, b)),
        ("sample_weight", "X is not", lambda: RelatIFExplainer(MODEL).fit(X, y, weight)),
        ("X", other, lambda: RelatIFExplainer.from_fitted(fitted, A, b)),
        ("X", "the model was fitted to NumPy's", lambda: explainer.explain(A)),
        ("X", "the model was fitted to NumPy's", lambda: explainer.pairwise_influence(A)),
        ("X", "the model was fitted to NumPy's", lambda: explainer.transform(A)),
        ("X", "the model was fitted to NumPy's", lambda: explainer.compact().explain(A)),
        ("X", "the model was fitted to NumPy's", lambda: explainer.removal_effect(A, b)),
        ("y", "X is not", lambda: explainer.removal_effect(X, b)),
        ("X", "neighbours are found with NumPy", lambda: NearestNeighborsExplainer().fit(A)),
        ("X", "neighbours are found with NumPy", lambda: nearest.explain(A)),
        (
            "X",
            "SVC is explained with NumPy",
            lambda: RelatIFExplainer(SVC()).fit(A, named),
        ),
    ):
        message = (
            rf"^{name} is an array of {library}, and {cause}.*: pass np\.asarray\({name}\), or "
            rf"{name}\.cpu\(\)\.numpy\(\) from a GPU\.$"
        )
        with pytest.raises(TypeError, match=message):
            call()


@pytest.mark.usefixtures("dispatching")
def test_a_fit_that_does_not_compute_with_them_says_so():
    asarray = pytest.importorskip("torch").asarray
    message = r"^X is an array of torch, and Lasso, or its solver, does not.*np\.asarray\(X\)"
    with pytest.raises(TypeError, match=message):
        RelatIFExplainer(Lasso()).fit(asarray(X), asarray(y))


@pytest.mark.usefixtures("dispatching")
def test_models_without_a_way_of_their_own_are_refused(asarray):
    rows, labels, _ = data("classes")
    model = LinearDiscriminantAnalysis().fit(rows, labels)
    with pytest.raises(TypeError, match="LinearDiscriminantAnalysis is explained with NumPy"):
        RelatIFExplainer.from_fitted(model, asarray(rows), asarray(labels))
    # Fitted to NumPy's arrays, as scikit-learn does it, and explained with others.
    lasso = Lasso(alpha=0.1).fit(rows, labels)
    vars(lasso)["coef_"] = asarray(lasso.coef_)
    with pytest.raises(TypeError, match=r"^Models with an L1 penalty.*np\.asarray\(X\)"):
        RelatIFExplainer.from_fitted(lasso, asarray(rows), asarray(labels.astype(float)))


def test_models_that_were_fitted_to_them_want_such_rows(asarray, dispatching):
    message = (
        r"^{} was fitted to arrays of \w+ \(\w+ is one\), and these rows are none: pass rows of "
        r"that library, with array_api_dispatch=True, or fit it to np\.asarray\(X\), or "
        r"X\.cpu\(\)\.numpy\(\) from a GPU\.$"
    )
    model = clone(MODEL).fit(asarray(X), asarray(y))
    with pytest.raises(TypeError, match=message.format("Ridge")):
        RelatIFExplainer.from_fitted(model, X, y)
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression())
    pipeline.fit(X, y > 0)
    pipeline[0].fit(asarray(X))
    with pytest.raises(TypeError, match=message.format("MinMaxScaler")):
        RelatIFExplainer.from_fitted(pipeline, X, y > 0)
    with config_context(array_api_dispatch=False), pytest.raises(TypeError, match="Ridge was"):
        RelatIFExplainer.from_fitted(model, asarray(X), y)


@pytest.mark.usefixtures("dispatching")
def test_numpy_sparse_frames_and_arrow_are_as_ever():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    from scipy import sparse

    expected = RelatIFExplainer(MODEL).fit(X, y).explain(X[:3]).indices
    for rows in (pd.DataFrame(X), X.tolist(), np.asfortranarray(X)):
        explainer = RelatIFExplainer(MODEL).fit(rows, pa.array(y))
        assert_array_equal(explainer.explain(rows[:3]).indices, expected)
    plain = Ridge(fit_intercept=False)
    explainer = RelatIFExplainer(plain).fit(sparse.csr_array(X), y)
    assert_array_equal(
        explainer.explain(sparse.csr_array(X)[:3]).indices,
        RelatIFExplainer(plain).fit(X, y).explain(X[:3]).indices,
    )


def test_a_place_has_what_the_standard_lacks(asarray):
    try:
        place = Place.of(asarray(X))
    except ImportError as error:
        pytest.skip(str(error))
    matrix = np.cov(X, rowvar=False)
    factor = place.cholesky(place.put(matrix))
    assert_allclose(on_host(factor), np.linalg.cholesky(matrix))
    assert_allclose(
        on_host(place.inverse_of_lower(factor)) @ on_host(factor), np.eye(3), atol=1e-12
    )
    assert place.cholesky(place.put(-matrix)) is None
    scores, indices = (on_host(own) for own in place.largest(asarray(X), 2))
    order = np.argsort(-X, axis=1)[:, :2]
    assert_array_equal(indices, order)
    assert_array_equal(scores, np.take_along_axis(X, order, axis=1))
    assert pickle.loads(pickle.dumps(Place("torch", "cuda"))) == Place("torch", "cuda")
