"""Kernel ridge regression and Gaussian processes, in the space of the kernels of their rows."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    Exponentiation,
    Kernel,
    Matern,
    WhiteKernel,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer, trusted_types
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.jacobians import KernelSpaceJacobian, PairwiseKernel
from sklearn_relatif.serving import ExplanationIndex
from sklearn_relatif.testing import check_adapter

N_ROWS = 50
RNG = np.random.default_rng(0)
X, X_NEW = np.split(RNG.normal(size=(N_ROWS + 4, 3)), [N_ROWS])
NOISE = 0.3 * RNG.normal(size=N_ROWS)
Y = 3 + np.sin(2 * X[:, 0]) * X[:, 1] + NOISE
Y_NEW = 3 + np.sin(2 * X_NEW[:, 0]) * X_NEW[:, 1]
TARGETS = np.column_stack([Y, 10 * X[:, 2] + NOISE])
WEIGHT = RNG.integers(0, 4, N_ROWS).astype(float)
LABELS = np.where(Y > 3, "high", "low")
#: Rows to do without: one that has a weight, and some.
REMOVALS = [[int(np.flatnonzero(WEIGHT)[2])], [0, 1, 2, 7]]


def inverse_distance(a, b, scale=1.0):
    return 1 / (1 + scale * np.sum((a - b) ** 2))


RIDGES = {
    "linear": KernelRidge(),
    "rbf": KernelRidge(kernel="rbf", alpha=0.1),
    "laplacian": KernelRidge(kernel="laplacian", gamma=0.4),
    "poly": KernelRidge(kernel="poly", degree=2, coef0=0.5, gamma=0.3),
    "cosine": KernelRidge(kernel="cosine"),
    "function": KernelRidge(kernel=inverse_distance, kernel_params={"scale": 0.5}),
    "covariance": KernelRidge(kernel=RBF(2.0)),
    "no penalty": KernelRidge(alpha=0),
}
without_warning_of_singular_kernels = pytest.mark.filterwarnings("ignore:Singular matrix in")


def same_model(model, other, tolerance=1e-10):
    assert_allclose(model.predict(X_NEW), other.predict(X_NEW), rtol=0, atol=tolerance)


# --- kernel ridge regression -----------------------------------------------------------------


@without_warning_of_singular_kernels
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("name", RIDGES)
def test_removal_is_the_refit_of_kernel_ridge(name, weight):
    model = clone(RIDGES[name]).fit(X, Y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, Y, weight)
    assert explainer.distance_to_optimum_ < 1e-10
    groups = np.full(N_ROWS, None)
    groups[REMOVALS[1]] = "some"
    (one, several) = explainer.retrain_without(REMOVALS)
    effects = np.column_stack(
        [
            explainer.removal_effect(X_NEW, Y_NEW)[:, REMOVALS[0]],
            explainer.removal_effect(X_NEW, Y_NEW, groups),
        ]
    )
    for rows, changed, effect in zip(REMOVALS, (one, several), effects.T, strict=True):
        kept = np.setdiff1d(np.arange(N_ROWS) if weight is None else np.flatnonzero(weight), rows)
        refit = clone(model).fit(X[kept], Y[kept], None if weight is None else weight[kept])
        same_model(changed, refit)
        after, before = ((m.predict(X_NEW) - Y_NEW) ** 2 / 2 for m in (refit, model))
        assert_allclose(effect, after - before, rtol=0, atol=1e-10)


def test_influence_is_that_of_the_dual():
    """``(K + alpha W^-1)^-1`` stands for what the primal inverts."""
    model = KernelRidge(kernel="rbf", alpha=0.3).fit(X, Y, WEIGHT + 1)
    explainer = RelatIFExplainer.from_fitted(model, X, Y, WEIGHT + 1)
    kernels, with_new = pairwise_kernels(X, metric="rbf"), pairwise_kernels(X_NEW, X, metric="rbf")
    smoother = np.linalg.inv(kernels + np.diag(0.3 / (WEIGHT + 1)))
    forms = (with_new - with_new @ smoother @ kernels) / 0.3 * (WEIGHT + 1).sum()
    error, error_new = model.predict(X) - Y, model.predict(X_NEW) - Y_NEW
    expected = error_new[:, None] * forms * error
    found = explainer.pairwise_influence(X_NEW, Y_NEW, criterion="influence")
    assert_allclose(found, expected, rtol=0, atol=1e-9)
    own = np.diag(kernels - kernels @ smoother @ kernels) / 0.3 * (WEIGHT + 1).sum()
    assert_allclose(explainer.self_influence_, own * error**2, atol=1e-10)
    assert_allclose(explainer.leverage_, np.diag(kernels @ smoother), atol=1e-12)


def test_kernels_that_were_computed_are_those_that_are():
    kernels, with_new = pairwise_kernels(X, metric="rbf"), pairwise_kernels(X_NEW, X, metric="rbf")
    own = RelatIFExplainer(KernelRidge(kernel="rbf", alpha=0.1)).fit(X, Y)
    computed = RelatIFExplainer(KernelRidge(kernel="precomputed", alpha=0.1)).fit(kernels, Y)
    expected = own.pairwise_influence(X_NEW)
    assert_allclose(computed.pairwise_influence(with_new), expected, atol=1e-10)
    check_adapter(adapter_of(computed.estimator_), computed.estimator_, kernels, Y)
    (without,), rest = computed.retrain_without([3]), np.delete(np.arange(N_ROWS), 3)
    refit = clone(computed.estimator_).fit(kernels[np.ix_(rest, rest)], Y[rest])
    assert_allclose(without.predict(with_new), refit.predict(with_new[:, rest]), atol=1e-12)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
def test_sparse_rows_are_explained_as_dense_ones(kernel, kind):
    few = np.where(np.abs(X) > 0.7, X, 0)
    model = KernelRidge(kernel=kernel, alpha=0.5)
    explainer = RelatIFExplainer(model).fit(kind(few), Y)
    expected = RelatIFExplainer(model).fit(few, Y).pairwise_influence(X_NEW)
    found = explainer.pairwise_influence(sparse.csr_matrix(X_NEW))
    assert_allclose(found, expected, atol=1e-10)
    (without,) = explainer.retrain_without([3])
    same_model(without, clone(model).fit(np.delete(few, 3, axis=0), np.delete(Y, 3)))


def test_each_target_has_a_penalty_of_its_own():
    model = KernelRidge(kernel="rbf", alpha=[0.1, 3.0]).fit(X, TARGETS, WEIGHT)
    check_adapter(adapter_of(model), model, X, TARGETS, WEIGHT)
    explainer = RelatIFExplainer.from_fitted(model, X, TARGETS, WEIGHT)
    (without,), kept = explainer.retrain_without(REMOVALS[:1]), WEIGHT > 0
    kept[REMOVALS[0]] = False
    same_model(without, clone(model).fit(X[kept], TARGETS[kept], WEIGHT[kept]))


@without_warning_of_singular_kernels
def test_dependent_rows_add_no_dimension():
    twice, y = np.vstack([X[:30], X[:20]]), Y[:50]
    model = KernelRidge(kernel="laplacian", alpha=0.1).fit(twice, y)
    explainer = RelatIFExplainer.from_fitted(model, twice, y)
    assert explainer._study.objective.shape == (1, 30)
    (without,) = explainer.retrain_without([31])
    same_model(without, clone(model).fit(np.delete(twice, 31, axis=0), np.delete(y, 31)))
    # Kernels with a copy are 1 but for rounding, which no penalty would keep small.
    fits = KernelRidge(kernel="rbf", gamma=2, alpha=0).fit(twice, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        explainer = RelatIFExplainer.from_fitted(fits, twice, y)
    assert explainer._study.objective.shape == (1, 30)
    wide = np.hstack([X, X[:, :1], np.ones((N_ROWS, 1)), np.zeros((N_ROWS, 1))])
    explainer = RelatIFExplainer(KernelRidge(alpha=1.0)).fit(wide, Y)
    assert explainer._study.objective.shape == (1, 4)


def test_short_rows_are_told_apart_beside_long_ones():
    rows = np.array([[1e9, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1e-3, 1e-4]])
    kernel = PairwiseKernel("linear", {}, rows)
    jacobian = KernelSpaceJacobian.of(kernel, np.ones(4, bool))
    assert jacobian.n_features == 3
    gram, found = rows @ rows.T, jacobian.X @ jacobian.X.T
    lengths = np.where(rows.any(axis=1), np.sqrt(np.diag(gram)), 1)
    assert_allclose(
        found / np.outer(lengths, lengths), gram / np.outer(lengths, lengths), atol=1e-14
    )
    assert_allclose(jacobian.at(rows[1:]).X, jacobian.X[1:], atol=1e-12)


@pytest.mark.parametrize("offset", [100, 1e4])
def test_kernels_that_lost_digits_are_factored_as_far_as_they_go(offset):
    """Distances of rows that lie far from 0 are sums of products that nearly cancel."""
    model = KernelRidge(kernel="rbf", gamma=0.05, alpha=0.1).fit(X + offset, Y)
    explainer = RelatIFExplainer.from_fitted(model, X + offset, Y)
    lost = 10 * N_ROWS * np.finfo(float).eps * offset**2
    assert explainer.distance_to_optimum_ < lost
    (without,) = explainer.retrain_without([3])
    refit = clone(model).fit(np.delete(X, 3, axis=0) + offset, np.delete(Y, 3))
    found, expected = (m.predict(X_NEW + offset) for m in (without, refit))
    assert_allclose(found, expected, rtol=0, atol=10 * lost)


def test_single_precision_stays():
    narrow = X.astype(np.float32)
    explainer = RelatIFExplainer(KernelRidge(kernel="rbf", alpha=0.1)).fit(narrow, Y)
    assert explainer._study.objective.dtype == np.float32
    expected = RelatIFExplainer(KernelRidge(kernel="rbf", alpha=0.1)).fit(X, Y)
    found, scores = (e.pairwise_influence(X_NEW.astype(np.float32)) for e in (explainer, expected))
    assert_allclose(found, scores, atol=1e-4 * np.abs(scores).max())


def lopsided(a, b):
    return float(a[0] * b[1])


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        (KernelRidge(kernel="sigmoid", alpha=10), X, "no positive pivot"),
        (KernelRidge(kernel="additive_chi2", alpha=100), np.abs(X), "no positive pivot"),
        (KernelRidge(kernel="precomputed", alpha=9), np.triu(X @ X.T), "b and a, differ"),
        (KernelRidge(kernel="precomputed", alpha=99), -X @ X.T, "with itself is -"),
        (KernelRidge(kernel="rbf", alpha=1), X + 1e7, "lie far from 0"),
        (KernelRidge(kernel="rbf", alpha=0), X, "goes through all of its rows"),
    ],
)
@without_warning_of_singular_kernels
def test_what_has_no_optimum_is_refused(model, rows, message):
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(model).fit(rows, Y)


def test_indefinite_pairs_are_refused():
    """Of which one is left after the first pivot, without any other to compare it with."""
    kernel = PairwiseKernel("precomputed", {}, np.array([[1.0, 1.5], [1.5, 1.0]]))
    with pytest.raises(ValueError, match="no positive pivot"):
        KernelSpaceJacobian.of(kernel, np.ones(2, bool))


def test_penalties_for_some_of_the_targets_are_refused():
    """scikit-learn leaves the coefficients of the other targets to chance."""
    model = KernelRidge(alpha=[1.0, 2.0]).fit(X, np.column_stack([TARGETS, Y]))
    with pytest.raises(ValueError, match="3 targets and 2 values of alpha"):
        RelatIFExplainer.from_fitted(model, X, np.column_stack([TARGETS, Y]))


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (KernelRidge(kernel="rbf"), Y),
        (GaussianProcessRegressor(alpha=0.1), Y),
        (GaussianProcessClassifier(optimizer=None), LABELS),
    ],
)
def test_other_rows_than_those_of_the_fit_are_told(model, y):
    model = clone(model).fit(X, y)
    with pytest.raises(ValueError, match="was fitted on an array of shape"):
        RelatIFExplainer.from_fitted(model, X[:40], y[:40])
    with pytest.warns(ConvergenceWarning, match="rows that the model keeps are not among these"):
        RelatIFExplainer.from_fitted(model, X[::-1], y[::-1])


# --- Gaussian processes ----------------------------------------------------------------------

HELD = {"optimizer": None}
PROCESSES = {
    "default": GaussianProcessRegressor(**HELD),
    "noise": GaussianProcessRegressor(2.0 * RBF() + WhiteKernel(0.2), **HELD),
    "variances": GaussianProcessRegressor(
        RBF() + WhiteKernel(0.01), alpha=np.linspace(0.05, 1, N_ROWS), **HELD
    ),
    "noise by place": GaussianProcessRegressor(
        Matern() + DotProduct() * WhiteKernel(0.1), alpha=0.01, **HELD
    ),
    "noise squared": GaussianProcessRegressor(Exponentiation(RBF() + WhiteKernel(0.3), 2), **HELD),
}


def refitted(model, rows, y):
    """The process of some rows at the kernel of all."""
    alpha = model.alpha[rows] if np.ndim(model.alpha) else model.alpha
    unfitted = clone(model).set_params(kernel=model.kernel_, optimizer=None, alpha=alpha)
    return unfitted.fit(X[rows], y[rows])


@pytest.mark.parametrize("y", [Y, TARGETS], ids=["", "two targets"])
@pytest.mark.parametrize("name", PROCESSES)
def test_removal_is_the_refit_of_a_process(name, y):
    model = clone(PROCESSES[name]).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    # It is measured by what is left of the targets, which by default is next to nothing.
    assert explainer.distance_to_optimum_ < 1e-4
    queries = np.reshape([Y_NEW] * np.ndim(y), (np.ndim(y), -1)).T.squeeze()
    before, effect = model.predict(X_NEW), explainer.removal_effect(X_NEW, queries)[:, 7]
    rest = np.delete(np.arange(N_ROWS), 7)
    (without,), refit = explainer.retrain_without([7]), refitted(model, rest, y)
    after, spread = refit.predict(X_NEW, return_std=True)
    for found, expected in zip(
        without.predict(X_NEW, return_std=True), (after, spread), strict=True
    ):
        assert_array_equal(found, expected)
    losses = [((p - queries) ** 2).reshape(len(X_NEW), -1).sum(axis=1) / 2 for p in (after, before)]
    assert_allclose(effect, losses[0] - losses[1], rtol=0, atol=1e-9)


def test_processes_keep_what_adapters_promise():
    for model, y in [
        (PROCESSES["noise"], Y),
        (PROCESSES["variances"], TARGETS),
        (GaussianProcessClassifier(2.0 * RBF(), **HELD), LABELS),
        (GaussianProcessClassifier(2.0 * RBF() + WhiteKernel(0.5), **HELD), LABELS),
    ]:
        model = clone(model).fit(X, y)
        check_adapter(adapter_of(model), model, X, y)


@pytest.mark.parametrize("y", [Y, TARGETS], ids=["", "two targets"])
def test_scale_of_targets_is_held(y):
    """What the targets are divided by, and the mean that is taken off, are those of all rows."""
    kernel, rest = 2.0 * RBF() + WhiteKernel(0.2), np.delete(np.arange(N_ROWS), 7)
    model = GaussianProcessRegressor(kernel, normalize_y=True, **HELD).fit(X, y)
    assert adapter_of(model).removal_changes_objective(model)
    mean, deviation = y.mean(axis=0), y.std(axis=0)
    scaled = GaussianProcessRegressor(kernel, **HELD).fit(X[rest], ((y - mean) / deviation)[rest])
    expected = scaled.predict(X_NEW) * deviation + mean
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < 1e-10
    (without,) = explainer.retrain_without([7])
    assert_allclose(without.predict(X_NEW), expected, atol=1e-12)
    _, spread = scaled.predict(X_NEW, return_std=True)
    found = without.predict(X_NEW, return_std=True)[1]
    assert_allclose(
        found, np.multiply.outer(spread, deviation) if y.ndim == 1 else spread * deviation
    )
    losses = [
        ((m.predict(X_NEW) - model.predict(X_NEW)[::-1]) ** 2).reshape(4, -1).sum(axis=1) / 2
        for m in (without, model)
    ]
    effect = explainer.removal_effect(X_NEW, model.predict(X_NEW)[::-1])[:, 7]
    assert_allclose(effect, losses[0] - losses[1], atol=1e-10)


def test_the_kernel_that_was_found_is_held():
    model = GaussianProcessRegressor(RBF() + WhiteKernel()).fit(X, Y)
    assert adapter_of(model).removal_changes_objective(model)
    (without,) = RelatIFExplainer.from_fitted(model, X, Y).retrain_without([[0, 3]])
    assert without.kernel_ == model.kernel_ and without.optimizer is None
    rest = np.delete(np.arange(N_ROWS), [0, 3])
    assert_array_equal(without.predict(X_NEW), refitted(model, rest, Y).predict(X_NEW))
    fixed = GaussianProcessRegressor(alpha=0.1, kernel=ConstantKernel(2.0, "fixed")).fit(X, Y)
    assert not adapter_of(fixed).removal_changes_objective(fixed)


class Neighbours(Kernel):
    """Of training rows with one another, and with no query."""

    def __init__(self, scale=2.0):
        self.scale = scale

    def __call__(self, X, Y=None, eval_gradient=False):
        return np.eye(len(X)) * self.scale + 0.01 if Y is None else np.zeros((len(X), len(Y)))

    def diag(self, X):
        return np.full(len(X), self.scale + 0.01)

    def is_stationary(self):
        return False


@pytest.mark.parametrize(
    ("model", "weight", "message"),
    [
        (GaussianProcessRegressor(alpha=0.1), WEIGHT + 1, "takes no sample_weight"),
        (GaussianProcessRegressor(RBF(0.01), alpha=0, **HELD), None, "alpha is 0"),
        (GaussianProcessRegressor(Neighbours(), **HELD), None, "other covariances"),
    ],
)
def test_processes_without_an_objective_are_refused(model, weight, message):
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(clone(model).fit(X, Y), X, Y, weight)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_classifier_is_the_mode_of_its_process(noise):
    """By Newton steps on the latent values, in none of the package's coordinates."""
    kernel = 4.0 * RBF() + WhiteKernel(noise) if noise else 4.0 * RBF()
    model = GaussianProcessClassifier(kernel, **HELD).fit(X, LABELS)
    explainer = RelatIFExplainer.from_fitted(model, X, LABELS)
    assert explainer.distance_to_optimum_ < 1e-6
    signs = np.where(LABELS == "low", 1.0, -1.0)
    between = 4 * pairwise_kernels(X_NEW, X, metric="rbf", gamma=0.5)

    def latent(rows):
        own = kernel(X[rows])
        f = np.zeros(len(rows))
        for _ in range(50):
            p = expit(f)
            bend, pull = p * (1 - p), (signs[rows] > 0) - p
            f = own @ np.linalg.solve(np.eye(len(rows)) + bend[:, None] * own, bend * f + pull)
        return between[:, rows] @ ((signs[rows] > 0) - expit(f))

    everything = np.arange(N_ROWS)
    labels = np.array(["low", "high", "low", "low"])
    sides = np.where(labels == "low", 1.0, -1.0)
    before = np.logaddexp(0, -sides * latent(everything))
    effect = explainer.removal_effect(X_NEW, labels, order="retrain")
    for row in (0, 5):
        after = np.logaddexp(0, -sides * latent(np.delete(everything, row)))
        assert_allclose(effect[:, row], after - before, rtol=0, atol=1e-9)
    (without,) = explainer.retrain_without([5])
    rest = np.delete(everything, 5)
    refit = GaussianProcessClassifier(kernel, **HELD).fit(X[rest], LABELS[rest])
    assert_array_equal(without.predict_proba(X_NEW), refit.predict_proba(X_NEW))


def test_probabilities_of_latent_scores_are_not_told():
    """They are averages over what is not known of the score."""
    explainer = RelatIFExplainer(GaussianProcessClassifier(**HELD)).fit(X, LABELS)
    assert explainer.training_rows_.probabilities is None
    with pytest.raises(AttributeError, match="no probabilities that its scores alone tell"):
        explainer.loo_proba()


def test_several_classes_are_refused_and_explained_one_by_one():
    """Their probabilities are compared, which their scores alone do not tell."""
    labels = np.arange(N_ROWS) % 3
    for model in (
        GaussianProcessClassifier(**HELD),
        GaussianProcessClassifier(multi_class="one_vs_one", **HELD),
        OneVsRestClassifier(GaussianProcessClassifier(**HELD)),
    ):
        with pytest.raises(ValueError, match=r"which scores alone|that their scores alone do not"):
            RelatIFExplainer(model).fit(X, labels)
    processes = GaussianProcessClassifier(**HELD).fit(X, labels).base_estimator_.estimators_
    explainer = RelatIFExplainer.from_fitted(processes[1], X, (labels == 1).astype(int))
    assert explainer.distance_to_optimum_ < 1e-6
    (without,) = explainer.retrain_without([3])
    refit = clone(processes[1]).fit(np.delete(X, 3, axis=0), np.delete(labels == 1, 3))
    assert_array_equal(without.predict_proba(X_NEW), refit.predict_proba(X_NEW))


def test_classifier_that_stopped_early_is_told():
    model = GaussianProcessClassifier(9.0 * RBF(), max_iter_predict=2, **HELD)
    with pytest.warns(ConvergenceWarning, match="max_iter_predict"):
        RelatIFExplainer(model).fit(X, LABELS)


# --- members of the explainer ----------------------------------------------------------------

MODELS = {
    "ridge": (KernelRidge(kernel="rbf", alpha=0.3), Y),
    "regressor": (GaussianProcessRegressor(RBF() + WhiteKernel(0.2), normalize_y=True, **HELD), Y),
    "classifier": (GaussianProcessClassifier(2.0 * RBF(), **HELD), LABELS),
}


@pytest.mark.parametrize("name", MODELS)
def test_rows_are_vectors(name):
    model, y = MODELS[name]
    explainer = RelatIFExplainer(model).fit(X, y)
    products = explainer.transform(X_NEW) @ explainer._study.embedded(X, y).T
    assert_allclose(products, explainer.pairwise_influence(X_NEW, criterion="influence"), atol=1e-9)
    explained = explainer.explain(X_NEW, n_examples=3)
    assert_array_equal(
        ExplanationIndex(explainer).explain(X_NEW, n_examples=3).indices, explained.indices
    )
    with pytest.raises(ValueError, match="compare queries with the training features themselves"):
        explainer.compact()


@pytest.mark.parametrize("name", MODELS)
def test_explainers_are_saved(name):
    skops = pytest.importorskip("skops.io")
    model, y = MODELS[name]
    explainer = RelatIFExplainer(model).fit(X, y)
    scores = explainer.pairwise_influence(X_NEW)
    data = skops.dumps(explainer)
    for loaded in (
        pickle.loads(pickle.dumps(explainer)),
        skops.loads(data, trusted=trusted_types()),
    ):
        assert_array_equal(loaded.pairwise_influence(X_NEW), scores)


@pytest.mark.parametrize("kind", ["hessian", "fisher", "empirical_fisher", "identity"])
def test_solvers_agree(kind):
    model, y = MODELS["ridge"]
    own = {"curvature": kind, "damping": 0.01}
    exact, iterative = (
        RelatIFExplainer(model, solver=solver, **own).fit(X, y).pairwise_influence(X_NEW)
        for solver in ("auto", "cg")
    )
    assert_allclose(iterative, exact, atol=1e-8 * np.abs(exact).max())
    with pytest.raises(ValueError, match="in coordinates of the space"):
        RelatIFExplainer(model, solver="woodbury", damping=0.01).fit(X, y)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), KernelRidge(kernel="rbf", alpha=0.3)),
        make_pipeline(StandardScaler(), Nystroem(n_components=20, random_state=0), Ridge(0.1)),
    ],
)
def test_pipelines_hold_what_is_in_front(estimator):
    explainer = RelatIFExplainer(estimator).fit(X, Y)
    (without,) = explainer.retrain_without([3])
    *_, last = (step for _, step in explainer.estimator_.steps)
    front = explainer.estimator_[:-1]
    refit = clone(last).fit(np.delete(front.transform(X), 3, axis=0), np.delete(Y, 3))
    expected = refit.predict(front.transform(X_NEW))
    assert_allclose(without.predict(X_NEW), expected, atol=1e-10)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_processes_that_all_but_go_through_their_rows_are_those_of_refits(normalize_y):
    """Leverages are next to 1 there, and nothing is told by what is left of them."""
    rng = np.random.default_rng(0)
    X, X_new = rng.normal(size=(60, 3)), rng.normal(size=(4, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    model = GaussianProcessRegressor(alpha=1e-10, normalize_y=normalize_y, optimizer=None)
    explainer = RelatIFExplainer(model).fit(X, y)
    centre, size = (y.mean(), y.std()) if normalize_y else (0.0, 1.0)
    left = [np.delete(np.arange(60), row) for row in range(60)]
    refits = [clone(model).set_params(normalize_y=False) for _ in left]
    refits = [own.fit(X[r], (y[r] - centre) / size) for own, r in zip(refits, left, strict=True)]
    expected = np.transpose([size * own.predict(X_new) + centre for own in refits])
    for order in ("newton", "retrain"):
        change = -explainer.removal_effect(X_new, order=order)
        after = explainer.predict(X_new)[:, None] + change
        assert_allclose(after, expected, rtol=0, atol=1e-6)
    own = [size * own.predict(X[[row]])[0] + centre for row, own in enumerate(refits)]
    assert_allclose(explainer.loo_predict(), own, rtol=0, atol=1e-6)
