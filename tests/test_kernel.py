"""Kernel machines: SVC and NuSVC against the two formulas of the paper, evaluated directly.

With the margin signs s of a binary problem and its support vectors i, a query t gets
IF = s_i s_t K(x_i, x_t) and RelatIF = IF / sqrt(K(x_i, x_i)). One vs one adds binary problems up.
The kernels, the signs and the support vectors are found here without the package's help: kernels
from their definitions, support vectors from the decision values.
"""

import warnings
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif import RelatIFExplainer
from tests import cases

TIGHT = 1e-10
EXACT = 1e-10
#: What TIGHT leaves: libsvm keeps the kernel in single precision while it solves.
STATIONARY = 1e-3
#: Support vectors have margins below this.
MARGIN = 1 + 1e-5
C = 0.7


def linear_kernel(A, B):
    return A @ B.T


def squared_distances(A, B):
    return ((A[:, None, :] - B[None, :, :]) ** 2).sum(axis=2)


KERNELS = {
    "linear": ({"kernel": "linear"}, lambda X: linear_kernel),
    "poly": (
        {"kernel": "poly", "degree": 2, "gamma": 0.3, "coef0": 0.5},
        lambda X: lambda A, B: (0.3 * A @ B.T + 0.5) ** 2,
    ),
    "rbf, scale": (
        {"kernel": "rbf"},
        lambda X: lambda A, B: np.exp(-squared_distances(A, B) / (X.shape[1] * X.var())),
    ),
    "rbf, auto": (
        {"kernel": "rbf", "gamma": "auto"},
        lambda X: lambda A, B: np.exp(-squared_distances(A, B) / X.shape[1]),
    ),
    "rbf, float": (
        {"kernel": "rbf", "gamma": 0.2},
        lambda X: lambda A, B: np.exp(-0.2 * squared_distances(A, B)),
    ),
    "sigmoid": (
        {"kernel": "sigmoid", "gamma": 0.02, "coef0": 0.1},
        lambda X: lambda A, B: np.tanh(0.02 * A @ B.T + 0.1),
    ),
    "callable": ({"kernel": linear_kernel}, lambda X: linear_kernel),
    "precomputed": ({"kernel": "precomputed"}, lambda X: linear_kernel),
}
kernels = pytest.mark.parametrize("name", KERNELS)
machines = pytest.mark.parametrize("machine", [SVC, NuSVC])


def svm(machine=SVC, **params):
    """A machine whose decision function shows its binary problems."""
    strength = {"C": C} if machine is SVC else {"nu": 0.6}
    return machine(tol=TIGHT, decision_function_shape="ovo", **{**strength, **params})


def class_pairs(n_classes):
    """The positive and the negative class of each binary problem."""
    return [(1, 0)] if n_classes == 2 else list(combinations(range(n_classes), 2))


def directly(model, kernel, X, y, X_query, y_query, present=True, X_model=None):
    """IF and RelatIF by the formulas, each (n_queries, n_rows).

    ``X_model`` holds the training rows as the model takes them, when those are not ``X``.
    """
    K = kernel(X_query, X)
    own = np.array([kernel(x[None], x[None])[0, 0] for x in X])
    values = model.decision_function(X if X_model is None else X_model).reshape(len(X), -1)
    influence, n_problems = np.zeros(K.shape), np.zeros(len(X))
    for (positive, negative), value in zip(class_pairs(y.max() + 1), values.T, strict=True):
        signs, query_signs = ((1.0 * (c == positive) - (c == negative)) for c in (y, y_query))
        support = (signs != 0) & (signs * value <= MARGIN) & present
        influence += np.outer(query_signs, signs * support) * K
        n_problems += support
    length = np.sqrt(n_problems * own)
    relative = np.divide(influence, length, out=np.zeros_like(K), where=length > 0)
    return {"influence": influence, "theta_relative": relative, "loss_relative": relative}


def check_formulas(explainer, expected, X, y, factor=1.0):
    """``factor`` is C S, of which H^-1 is a multiple of the identity."""
    factors = {"influence": factor, "theta_relative": 1.0, "loss_relative": np.sqrt(factor)}
    for criterion, matrix in expected.items():
        actual = explainer.pairwise_influence(X, y, criterion=criterion)
        assert cases.relative_error(actual, factors[criterion] * matrix) <= EXACT, criterion


@pytest.fixture(scope="module", params=[2, 3])
def classes(request):
    """Training rows, labels, queries and their labels."""
    X, y = cases.noisy_classes(request.param, n_rows=140)
    return X[:110], y[:110], X[110:], y[110:]


# --- the formulas -------------------------------------------------------------------------------


@kernels
@machines
def test_formulas_for_every_kernel(machine, name, classes):
    params, define = KERNELS[name]
    X, y, X_query, y_query = classes
    kernel = define(X)
    rows, queries = X, X_query
    if name == "precomputed":
        rows, queries = kernel(X, X), kernel(X_query, X)
    model = svm(machine, **params).fit(rows, y)
    expected = directly(model, kernel, X, y, X_query, y_query, X_model=rows)
    assert 0 < np.count_nonzero(expected["influence"][0]) < len(X)

    for curvature in ("identity", "hessian"):
        explainer = RelatIFExplainer.from_fitted(model, rows, y, curvature=curvature)
        assert explainer.distance_to_optimum_ < STATIONARY
        has_strength = curvature == "hessian" and machine is SVC
        check_formulas(explainer, expected, queries, y_query, C * len(y) if has_strength else 1.0)


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "precomputed"])
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows(container, name, classes):
    X, y, X_query, y_query = classes
    # Half of the entries are zero, so that there is something to leave out.
    X, X_query = X * (X > 0), X_query * (X_query > 0)
    params, define = KERNELS[name]
    model = svm(**params).fit(container(X), y)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, curvature="identity")
    assert explainer.distance_to_optimum_ < STATIONARY
    expected = directly(model, define(X), X, y, X_query, y_query, X_model=container(X))
    check_formulas(explainer, expected, container(X_query), y_query)


def test_rows_that_are_no_support_vectors_score_exactly_zero(classes):
    X, y, X_query, _ = classes
    model = svm().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    others = np.setdiff1d(np.arange(len(y)), model.support_)
    assert 0 < len(others) < len(y)
    for criterion in cases.CRITERIA:
        scores = explainer.pairwise_influence(X_query, criterion=criterion)
        assert not scores[:, others].any()
        assert scores[:, model.support_].any(axis=0).all()
    assert not explainer.scale_[others].any()
    assert explainer.scale_[model.support_].all()


def test_linear_kernel_of_one_problem_by_hand():
    """Three rows on a line, the margin between 1 and 3: f(x) = x - 2, and row 0 lies outside it."""
    X, y = np.array([[0.0], [1.0], [3.0]]), np.array([0, 0, 1])
    explainer = RelatIFExplainer(
        SVC(kernel="linear", C=10.0, tol=TIGHT), criterion="theta_relative"
    ).fit(X, y)
    assert_allclose(explainer.decision_function([[5.0]]), [3.0])
    assert_allclose(explainer.pairwise_influence([[5.0]]), [[0.0, -5.0, 5.0]])
    # K = [5, 15] at the support vectors, and C S = 30.
    influence = explainer.pairwise_influence([[5.0]], criterion="influence")
    assert_allclose(influence, [[0.0, -150.0, 450.0]])


def test_explain_finds_the_rows_that_the_formulas_rank_first(classes):
    X, y, X_query, _ = classes
    model = svm().fit(X, y)
    expected = directly(model, KERNELS["rbf, scale"][1](X), X, y, X_query, model.predict(X_query))
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    for sign, direction in (("positive", 1), ("negative", -1)):
        found = explainer.explain(X_query, criterion=cases.CRITERIA, sign=sign, n_examples=4)
        for criterion, explanation in found.items():
            scores = np.take_along_axis(expected[criterion], explanation.indices, axis=1)
            best = -np.sort(-direction * expected[criterion], axis=1)[:, :4]
            assert_allclose(direction * scores, best, rtol=1e-9)


def test_damping_is_added_to_the_hessian(classes):
    X, y, X_query, y_query = classes
    model = svm().fit(X, y)
    expected = directly(model, KERNELS["rbf, scale"][1](X), X, y, X_query, y_query)
    explainer = RelatIFExplainer.from_fitted(model, X, y, damping=0.05)
    check_formulas(explainer, expected, X_query, y_query, 1 / (1 / (C * len(y)) + 0.05))


def test_self_influence_is_the_scaled_kernel(classes):
    X, y, _, _ = classes
    model = svm().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    expected = directly(model, KERNELS["rbf, scale"][1](X), X, y, X, y)["influence"]
    support = model.support_
    # A query counts in all problems of its class, a training row where it is a support vector.
    n_support = (expected[support, support]).astype(int)
    assert_allclose(explainer.self_influence_[support], C * len(y) * n_support, rtol=1e-10)


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_weight", "by_class"),
    [
        (None, lambda counts: np.ones(len(counts))),
        ({0: 2.0, 1: 0.5}, lambda counts: np.array([2.0, 0.5, 1.0])),
        # Rows are counted here, not their weights.
        ("balanced", lambda counts: counts.sum() / len(counts) / counts),
    ],
    ids=["none", "given", "balanced"],
)
def test_weights_with_zeros(class_weight, by_class, classes):
    X, y, X_query, y_query = classes
    weight = cases.weights_with_zeros(len(y))
    row_weight = weight * by_class(np.bincount(y))[y]
    for container in (np.asarray, sparse.csr_matrix):
        model = svm(class_weight=class_weight).fit(container(X), y, weight)
        explainer = RelatIFExplainer.from_fitted(model, container(X), y, weight)
        assert explainer.distance_to_optimum_ < STATIONARY
        kernel = KERNELS["rbf, scale"][1](X)
        expected = directly(model, kernel, X, y, X_query, y_query, weight > 0, X_model=container(X))
        check_formulas(explainer, expected, container(X_query), y_query, C * row_weight.sum())


def test_rows_of_weight_zero_count_as_if_left_out(classes):
    X, y, X_query, _ = classes
    weight = cases.weights_with_zeros(len(y))
    kept = weight > 0
    params = {"gamma": 0.3}
    whole = RelatIFExplainer(svm(**params)).fit(X, y, weight)
    rest = RelatIFExplainer(svm(**params)).fit(X[kept], y[kept], weight[kept])
    for criterion, scores in whole.pairwise_influence(X_query, criterion=cases.CRITERIA).items():
        assert not scores[:, ~kept].any()
        expected = rest.pairwise_influence(X_query, criterion=criterion)
        assert_allclose(scores[:, kept], expected, rtol=1e-10)


def test_sample_weights_of_nu_svc(classes):
    X, y, X_query, y_query = classes
    weight = cases.weights_with_zeros(len(y))
    # libsvm takes no notice of class weights in a NuSVC.
    model = svm(NuSVC, class_weight={0: 2.0, 1: 0.5}).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    kernel = KERNELS["rbf, scale"][1](X)
    expected = directly(model, kernel, X, y, X_query, y_query, weight > 0)
    check_formulas(explainer, expected, X_query, y_query)


@pytest.mark.parametrize("name", ["precomputed", "callable"])
def test_weights_of_zero_where_the_model_itself_predicts_wrongly(name, classes):
    X, y, _, _ = classes
    weight = cases.weights_with_zeros(len(y))
    rows = linear_kernel(X, X) if name == "precomputed" else X
    model = svm(**KERNELS[name][0]).fit(rows, y, weight)
    with pytest.raises(ValueError, match=r"sample_weight 0\. Leave these 11 rows out"):
        RelatIFExplainer.from_fitted(model, rows, y, weight)
    weight[weight == 0] = 0.1
    model.fit(rows, y, weight)
    assert RelatIFExplainer.from_fitted(model, rows, y, weight).distance_to_optimum_ < STATIONARY


def test_class_without_any_weight():
    X, y = cases.noisy_classes(3)
    weight = np.where(y == 1, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"no row .* of the classes \[1\]"):
        RelatIFExplainer(svm()).fit(X, y, weight)


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"break_ties": True}, {"decision_function_shape": "ovo"}])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_explains_the_label_that_the_model_predicts(n_classes, params):
    X, y = cases.digits(400)
    X, y = X[y < n_classes], y[y < n_classes]
    rng = np.random.default_rng(0)
    # Rows between the classes, where several of them get the same number of votes.
    queries = (X[rng.integers(len(X), size=500)] + X[rng.integers(len(X), size=500)]) / 2
    model = SVC(C=0.1, **params).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    explanation = explainer.explain(queries)
    assert_array_equal(explanation.targets, model.predict(queries))
    assert_array_equal(explanation.training_rows.predictions, model.predict(X))
    if n_classes == 10:
        resolved, first = (
            SVC(C=0.1, break_ties=b).fit(X, y).predict(queries) for b in (True, False)
        )
        assert np.any(resolved != first)


def test_shape_of_the_decision_function_has_no_effect():
    X, y = cases.wine()
    shapes = [
        RelatIFExplainer(SVC(decision_function_shape=shape)).fit(X, y) for shape in ("ovo", "ovr")
    ]
    for criterion in cases.CRITERIA:
        one, other = (e.pairwise_influence(X, criterion=criterion) for e in shapes)
        assert_array_equal(one, other)


def test_labels_of_any_kind():
    X, y = cases.noisy_classes(3)
    named = np.array(["no", "maybe", "yes"])[y]
    explainer = RelatIFExplainer(svm(class_weight={"no": 2.0})).fit(X, named)
    assert explainer.distance_to_optimum_ < STATIONARY
    explanation = explainer.explain(X)
    assert_array_equal(explanation.targets, explainer.predict(X))
    assert_array_equal(explanation.training_rows.labels, named)
    positions = np.searchsorted(["maybe", "no", "yes"], named)
    numbered = RelatIFExplainer(svm(class_weight={1: 2.0})).fit(X, positions)
    assert_array_equal(explanation.indices, numbered.explain(X).indices)


def test_single_precision():
    X, y = cases.wine()
    X32 = X.astype(np.float32)
    double = RelatIFExplainer(SVC()).fit(X32.astype(np.float64), y)
    single = RelatIFExplainer(SVC()).fit(X32, y)
    # libsvm knows double precision only, and so do its explanations.
    assert_array_equal(single.pairwise_influence(X32[:9]), double.pairwise_influence(X32[:9]))


def test_frame_has_no_probabilities():
    pytest.importorskip("pandas")
    X, y = cases.wine()
    explainer = RelatIFExplainer(SVC()).fit(X, y)
    frame = explainer.explain(X[:2], n_examples=3).frame()
    assert len(frame) == 6
    assert "probability" not in frame or frame["probability"].isna().all()


# --- memory -------------------------------------------------------------------------------------


class RecordedKernel:
    """A linear kernel that remembers what it was asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, A, B):
        self.calls.append((A, B))
        return A @ B.T


def test_gram_matrix_of_the_training_rows_is_never_formed():
    X, y = cases.noisy_classes(2, n_rows=5000)
    X += 1.5 * (y[:, None] - 0.5)
    X, y, X_query = X[:3000], y[:3000], X[3000:]
    kernel = RecordedKernel()
    model = SVC(kernel=kernel).fit(X, y)
    support = {row.tobytes() for row in X[model.support_]}
    n_support = len(support)
    assert n_support < len(X) / 3
    kernel.calls.clear()
    with config_context(working_memory=4):
        explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")
        explainer.explain(X_query)
    assert len(kernel.calls) > 10
    for A, B in kernel.calls:
        assert all(row.tobytes() in support for row in B)
        assert len(A) * len(B) * 8 <= 4 * 2**20
    # The decision values of the training rows, their diagonal in blocks of 64, the decision values
    # of the queries, and their scores.
    evaluations = sum(len(A) * len(B) for A, B in kernel.calls)
    assert evaluations <= (len(X) + 64 + 2 * len(X_query)) * n_support


def test_precomputed_gram_is_not_copied():
    X, y = cases.noisy_classes(2, n_rows=1500)
    gram = X @ X.T
    model = SVC(kernel="precomputed").fit(gram, y)
    explainer = RelatIFExplainer.from_fitted(model, gram, y)
    assert np.shares_memory(explainer._study.objective.kernel.X, gram)


# --- refusals -----------------------------------------------------------------------------------


def indefinite(A, B):
    """Positive within the half spaces of the first feature, and negative of a row with itself."""
    return A[:, :1] @ B[:, :1].T - A[:, 1:] @ B[:, 1:].T


def test_indefinite_kernel():
    X = np.array([[1.0, 0.1], [2.0, 0.5], [-1.0, 0.2], [-2.0, 2.5]])
    y = np.array([1, 1, 0, 0])
    model = SVC(kernel=indefinite, C=0.01)
    explainer = RelatIFExplainer(model, criterion="influence").fit(X, y)
    assert 3 in explainer.estimator_.support_
    # The plain influence does not divide by anything.
    assert np.isfinite(explainer.pairwise_influence(X)).all()
    message = r"kernel of training row 3 with itself is -2\.25, .* use criterion='influence'"
    with pytest.raises(ValueError, match=message):
        explainer.explain(X, criterion="loss_relative")
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(model).fit(X, y)


def test_indefinite_kernel_whose_diagonal_is_zero():
    """Off the diagonal the kernel is not zero there, which no inner product can be."""
    X = np.array([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [-2.0, 2.0]])
    y = np.array([1, 1, 0, 0])
    with pytest.raises(ValueError, match="training row 3 with itself is 0, so that"):
        RelatIFExplainer(SVC(kernel=indefinite, C=0.01)).fit(X, y)


def test_row_without_features_has_no_influence():
    """An empty document, say: its gradient is zero, and so is its relative influence."""
    X, y = cases.noisy_classes(2)
    X[[3, 40]] = 0
    explainer = RelatIFExplainer(svm(kernel="linear")).fit(X, y)
    assert {3, 40} & set(explainer.estimator_.support_)
    scores = explainer.pairwise_influence(X[:9])
    assert np.isfinite(scores).all()
    assert not scores[:, [3, 40]].any()


@pytest.mark.parametrize("curvature", ["fisher", "empirical_fisher"])
def test_curvatures_that_do_not_exist(curvature):
    X, y = cases.noisy_classes(2)
    message = f"curvature='{curvature}' does not exist for a kernel SVM; use curvature='hessian'"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(SVC(), curvature=curvature).fit(X, y)


def test_wrong_training_rows():
    X, y = cases.noisy_classes(3)
    model = SVC(kernel="linear").fit(X, y)
    with pytest.raises(ValueError, match="X has 40 rows of positive weight, but the model has"):
        RelatIFExplainer.from_fitted(model, X[:40], y[:40])
    with pytest.raises(ValueError, match="X has 3 features, but SVC is expecting 4 features"):
        RelatIFExplainer.from_fitted(model, X[:, :3], y)
    with pytest.warns(ConvergenceWarning, match="rows that the model keeps are not among these"):
        RelatIFExplainer.from_fitted(model, X[::-1], y[::-1])


@machines
@pytest.mark.parametrize("wrong", ["rows", "labels", "weights"])
def test_distance_tells_wrong_data(machine, wrong, classes):
    X, y, _, _ = classes
    weight = np.ones(len(y))
    model = svm(machine).fit(X, y, weight)
    assert RelatIFExplainer.from_fitted(model, X, y, weight).distance_to_optimum_ < STATIONARY
    # The tolerance that scikit-learn sets by default is close enough as well.
    loose = svm(machine).set_params(tol=1e-3).fit(X, y)
    assert RelatIFExplainer.from_fitted(loose, X, y).distance_to_optimum_ < 0.1

    order = np.random.default_rng(0).permutation(len(y))
    if wrong == "rows":
        X, y = X[order], y[order]
    elif wrong == "labels":
        y = y[order]
    else:
        weight = np.random.default_rng(0).uniform(0.2, 5, len(y))
    with pytest.warns(ConvergenceWarning):
        explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ > 0.3


# --- what a feature space without coordinates cannot offer --------------------------------------


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(StandardScaler(), e)])
def test_transform_is_absent(wrap):
    X, y = cases.noisy_classes(2)
    explainer = RelatIFExplainer(wrap(SVC()))
    for _ in range(2):
        assert not hasattr(explainer, "transform") and not hasattr(explainer, "fit_transform")
        with pytest.raises(AttributeError, match="no attribute 'transform'") as caught:
            explainer.transform(X)
        assert "SVC cannot be embedded" in str(caught.value.__cause__)
        assert "Nystroem" in str(caught.value.__cause__)
        explainer.fit(X, y)
    assert not hasattr(RelatIFExplainer.from_fitted(explainer.estimator_, X, y), "transform")


def test_transform_is_absent_on_the_active_set():
    X, y = cases.noisy_classes(2)
    linear = LinearSVC(loss="hinge", C=0.1, random_state=0)
    assert RelatIFExplainer(linear).fit_transform(X, y).shape == (len(y), 5)
    explainer = RelatIFExplainer(linear, curvature="active_set")
    assert not hasattr(explainer, "transform")
    with pytest.raises(AttributeError) as caught:
        explainer.transform(X)
    assert "no embedding with curvature='active_set'" in str(caught.value.__cause__)


def test_leverage_is_absent():
    X, y = cases.noisy_classes(2)
    explainer = RelatIFExplainer(NuSVC()).fit(X, y)
    assert not hasattr(explainer, "leverage_")
    with pytest.raises(AttributeError, match="NuSVC has no leverage_: the hinge loss has no curv"):
        explainer.leverage_  # noqa: B018 (what is tested is the access)


# --- wrappers -----------------------------------------------------------------------------------


def test_every_way_to_the_same_explanations():
    X, y = cases.noisy_classes(3)
    scaler = StandardScaler().fit(X)
    Z = scaler.transform(X)
    model = svm().fit(Z, y)
    pipeline = make_pipeline(StandardScaler(), svm())
    search = GridSearchCV(svm(), {"C": [C]}, cv=3).fit(Z, y)
    whole_search = GridSearchCV(pipeline, {"svc__C": [C]}, cv=3)
    inner = make_pipeline(StandardScaler(), RelatIFExplainer(svm())).fit(X, y)
    explainers = [
        (RelatIFExplainer(svm()).fit(Z, y), Z),
        (RelatIFExplainer(FrozenEstimator(model)).fit(Z, y), Z),
        (RelatIFExplainer.from_fitted(search, Z, y), Z),
        (RelatIFExplainer.from_fitted(search.best_estimator_, Z, y), Z),
        (RelatIFExplainer(pipeline).fit(X, y), X),
        (RelatIFExplainer(whole_search).fit(X, y), X),
        (inner[-1], Z),
    ]
    expected = RelatIFExplainer.from_fitted(model, Z, y).pairwise_influence(Z[:20], y[:20])
    for explainer, rows in explainers:
        assert explainer.distance_to_optimum_ < STATIONARY
        assert_allclose(
            explainer.pairwise_influence(rows[:20], y[:20]), expected, rtol=1e-9, atol=1e-12
        )
        assert_array_equal(explainer.predict(rows), model.predict(Z))
    assert_allclose(inner.decision_function(X), model.decision_function(Z), rtol=1e-9)


# --- rows far from the origin --------------------------------------------------------------------


def test_distances_of_rows_far_from_the_origin():
    """libsvm predicts by differences, but trains by products, on what rounding leaves of them."""
    X, y, X_query = near_and_far()
    near = svm(gamma=0.5).fit(X, y)
    far = svm(gamma=0.5).fit(X + 1e7, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explainer = RelatIFExplainer.from_fitted(far, X + 1e7, y)
    assert any("so far from the origin" in str(warning.message) for warning in caught)
    # The offset leaves 2e-9 of the features.
    for rows in (X, X_query):
        objective = explainer._study.objective
        predictor = objective.predictor(objective.query_jacobian(rows + 1e7))[:, 0]
        assert_allclose(predictor, far.decision_function(rows + 1e7), rtol=0, atol=1e-12)
    effect = explainer.removal_effect(X_query + 1e7, y[:5], order="retrain")
    expected = RelatIFExplainer.from_fitted(near, X, y)
    expected = expected.removal_effect(X_query, y[:5], order="retrain")
    assert_allclose(effect, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("kind", ["one column", "two clusters"])
def test_distances_where_no_mean_helps(container, kind):
    """A large column beside small ones, in sparse rows too; rows at both ends of the line."""
    X, y, X_query = near_and_far()
    far = np.zeros_like(X)
    far[:, 1] = 3e6 if kind == "one column" else np.where(y, 3e6, -3e6)
    rows, queries = container(X + far), container(X_query + far[:5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = svm(gamma=0.5, max_iter=10**5).fit(rows, y)
        explainer = RelatIFExplainer.from_fitted(model, rows, y, curvature="identity")
    objective = explainer._study.objective
    predictor = objective.predictor(objective.query_jacobian(queries))[:, 0]
    assert_allclose(predictor, model.decision_function(queries), rtol=0, atol=1e-12)
    kernel = explainer._study.objective.kernel.gram(np.arange(5), np.arange(len(y)))
    whole = X + far
    assert_allclose(kernel, np.exp(-0.5 * squared_distances(whole[:5], whole)), rtol=0, atol=1e-12)


def test_linear_machines_do_not_depend_on_the_offset():
    """libsvm's kernels, in single precision, do: so the machine is compared with near rows'."""
    X, y, X_query = near_and_far()
    near = RelatIFExplainer(svm(kernel="linear")).fit(X, y)
    near = near.removal_effect(X_query, y[:5], order="retrain")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = svm(kernel="linear", max_iter=10**5).fit(X + 1e4, y)
        far = RelatIFExplainer.from_fitted(model, X + 1e4, y)
        far = far.removal_effect(X_query + 1e4, y[:5], order="retrain")
    assert_allclose(far, near, rtol=0, atol=1e-8)


def near_and_far():
    X, y = cases.noisy_classes(2, n_rows=80)
    X = X[:, :3]
    return X, y, X[:5] + 0.1
