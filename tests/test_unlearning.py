"""Explainers without some of the rows that they were fitted to."""

import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.removal import Unlearning, remover_of
from tests.catalogue import CASES
from tests.test_catalogue import assert_close, fitted, quietly, weights_of

#: Of the catalogue, those that are never without rows: they stop, or draw rows.
REFUSED = ("MLPClassifier", "MLPRegressor", "BaggingClassifier", "BaggingRegressor")
TIGHT = LogisticRegression(solver="newton-cholesky", tol=1e-12)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:700] / 16, y[:700]


def assert_same(explainer, other, X, y=None, share=1e-8):
    """The same rows, scores, numbers of rows and effects of more removals."""
    for criterion in ("influence", "loss_relative", "theta_relative"):
        scores = explainer.pairwise_influence(X, criterion=criterion)
        assert_close(scores, other.pairwise_influence(X, criterion=criterion), share)
    assert_array_equal(explainer.explain(X).indices, other.explain(X).indices)
    assert_close(explainer.self_influence_, other.self_influence_, share)
    assert_close(explainer.removal_effect(X, y), other.removal_effect(X, y), 100 * share)
    assert_array_equal(explainer.predict(X), other.predict(X))


@quietly
@pytest.mark.parametrize(
    ("name", "is_weighted"),
    [(name, is_weighted) for name, case in CASES.items() for is_weighted in (False, True)
     if name not in REFUSED and (case.takes_weights or not is_weighted)],
)  # fmt: skip
def test_it_is_the_explainer_of_the_rows_that_are_left(name, is_weighted):
    """Also where models are followed by their path, in closed form, or fitted again."""
    case = CASES[name]
    weight = weights_of(case, is_weighted)
    _, explainer = fitted(case, weight)
    without = explainer.without(0).without([6, 7, 8])
    table, left = case.table, np.delete(np.arange(len(case.table.X)), [0, 7, 8, 9])
    y = None if table.y is None else table.y[left]
    (model,) = explainer.retrain_without([[0, 7, 8, 9]])
    if isinstance(model, KernelRidge):
        model = without.estimator_
        refit = clone(model).fit(table.X[left], y, *([] if weight is None else [weight[left]]))
        assert_close(model.dual_coef_, refit.dual_coef_, 1e-8)
    own = None if weight is None else weight[left]
    expected = RelatIFExplainer.from_fitted(model, table.X[left], y, own, **case.explainer)
    assert_array_equal(without.training_rows_.index, left)
    assert without.distance_to_optimum_ < case.distance
    scores = expected.pairwise_influence(table.X_new)
    assert_close(without.pairwise_influence(table.X_new), scores, 1e-8)
    reached = without.removed_.relative_gradients
    assert (np.isnan(reached) | (reached <= 1e-10)).all()


@pytest.mark.parametrize("is_sparse", [False, True])
def test_it_equals_a_refit_of_scikit_learn(cancer, is_sparse):
    X, y = cancer
    X = sparse.csr_array(X) if is_sparse else X
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    without = explainer.without([5, 400]).without(17).without([])
    left = np.delete(np.arange(len(y)), [5, 400, 18])
    refit = clone(TIGHT).fit(X[left], y[left])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-9)
    assert_same(without, RelatIFExplainer.from_fitted(refit, X[left], y[left]), X[:5], y[:5])
    assert without.distance_to_optimum_ < 1e-9


def test_softmax_in_a_long_chain_is_at_the_optimum(digits):
    X, y = digits
    explainer = RelatIFExplainer(LogisticRegression(C=0.1)).fit(X, y)
    order, without = np.random.default_rng(0).permutation(len(y))[:60], explainer
    for row in order:
        left = np.delete(np.arange(len(y)), without.removed_.positions)
        without = without.without(np.flatnonzero(left == row))
    assert_array_equal(without.removed_.positions, order)
    assert without.removed_.relative_gradients.max() <= 1e-10
    assert without.removed_.n_factorisations.sum() < 10
    left = np.delete(np.arange(len(y)), order)
    refit = clone(TIGHT).set_params(C=0.1).fit(X[left], y[left])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-8)
    assert without.distance_to_optimum_ < 1e-8


def test_the_factor_is_the_inverse_of_the_hessian_without_the_rows(cancer):
    """At the same parameters, which are those of least squares throughout."""
    X, y = cancer
    objective = reduce_estimator(Ridge().fit(X, y), X, y.astype(float), np.ones(len(y)))
    unlearning = Unlearning.of(remover_of(objective))
    for rows in ([3], [10, 11, 40], [7]):
        unlearning = unlearning.without(np.array(rows))
    left = np.delete(np.arange(len(y)), unlearning.rows)
    features = np.column_stack([X, np.ones(len(X))])[left]
    hessian = features.T @ features + np.diag([1.0] * 30 + [0.0])
    gradient = np.random.default_rng(0).normal(size=(1, 1, 31))
    solved = unlearning.inverse.solve(gradient, len(left))
    assert_allclose(hessian @ solved.ravel() / len(left), gradient.ravel(), atol=1e-9)


def test_the_one_it_came_from_stays(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    before = pickle.dumps(explainer)
    scores = explainer.pairwise_influence(X[:2])
    first, second = explainer.without(3), explainer.without(4)
    first.explain(X[:2])
    assert_array_equal(explainer.pairwise_influence(X[:2]), scores)
    assert explainer.removed_.n_removed == 0
    assert_array_equal(pickle.loads(before).training_rows_.index, np.arange(len(y)))
    assert_array_equal(second.training_rows_.index, np.delete(np.arange(len(y)), 4))
    assert first.estimator_ is not explainer.estimator_


def test_it_explains_between_requests(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    through = explainer.without(3)
    through.explain(X[:1])
    assert_close(
        through.without(8).estimator_.coef_, explainer.without([3, 9]).estimator_.coef_, 1e-9
    )


def test_a_batch_larger_than_the_factor(cancer):
    X, y = cancer
    rows = np.arange(0, 500, 2)
    without = RelatIFExplainer(LogisticRegression()).fit(X, y).without(rows)
    left = np.delete(np.arange(len(y)), rows)
    refit = clone(TIGHT).fit(X[left], y[left])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-9)


def test_rows_that_alone_hold_a_direction():
    """A hospital with a column of its own: nothing of it is left in the factor."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    X[:, 2] = 0
    X[[4, 7], 2] = 1
    y = (X[:, 0] + rng.logistic(size=80) > 0).astype(int)
    without = RelatIFExplainer(LogisticRegression(C=10)).fit(X, y).without(4).without(6)
    left = np.delete(np.arange(80), [4, 7])
    assert_array_equal(without.training_rows_.index, left)
    refit = clone(TIGHT).set_params(C=10).fit(X[left], y[left])
    assert_allclose(without.estimator_.coef_, refit.coef_, atol=1e-9)
    assert without.estimator_.coef_[0, 2] == pytest.approx(0, abs=1e-9)


def test_a_model_that_loses_its_optimum_says_so():
    X = np.arange(8.0)[:, None]
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, max_iter=1000)).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        without = explainer.without(3)
    assert not without.distance_to_optimum_ < 0.3


def test_class_weights_and_penalties_are_what_they_were(cancer):
    X, y = cancer
    rows = np.flatnonzero(y == 0)[:60]
    left = np.delete(np.arange(len(y)), rows)
    counts = dict(enumerate(len(y) / (2 * np.bincount(y))))
    balanced = clone(TIGHT).set_params(class_weight="balanced").fit(X, y)
    without = RelatIFExplainer.from_fitted(balanced, X, y).without(rows)
    refit = clone(TIGHT).set_params(class_weight=counts).fit(X[left], y[left])
    assert_same(without, RelatIFExplainer.from_fitted(refit, X[left], y[left]), X[:4], y[:4])
    assert "what LogisticRegression chose by its rows" in str(without.removed_)
    machine = LinearSVC(loss="hinge", class_weight="balanced", tol=1e-10, max_iter=10**7).fit(X, y)
    held = RelatIFExplainer.from_fitted(machine, X, y).without(rows[:5])
    assert_allclose(np.unique(held._study.objective.sample_weight), sorted(counts.values()))
    assert held.distance_to_optimum_ < 1e-3


def test_a_penalty_that_counts_rows_leaves_with_them(cancer):
    X, y = cancer
    model = SGDClassifier(loss="log_loss", alpha=0.01, random_state=0).fit(X, y)
    without = RelatIFExplainer.from_fitted(model, X, y).without(np.arange(100)).without(0)
    left = np.arange(101, len(y))
    refit = clone(TIGHT).set_params(C=1 / (0.01 * len(left))).fit(X[left], y[left])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-8)


def test_preprocessing_is_kept_and_named():
    pd = pytest.importorskip("pandas")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X.index = y.index = [f"patient {i}" for i in range(len(y))]
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    explainer = RelatIFExplainer(scaled).fit(X, y)
    without = explainer.without([3, 9]).without(0)
    assert without.estimator_[0] is explainer.estimator_[0]
    assert "STILL FITTED WITH THE REMOVED ROWS: StandardScaler." in str(without.removed_)
    assert list(without.removed_.rows) == ["patient 3", "patient 9", "patient 0"]
    assert "3 training rows (patient 3, patient 9, patient 0)" in str(without.removed_)
    frame = without.removed_.frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["request"].tolist() == [0, 0, 1]
    assert frame["position"].tolist() == [3, 9, 0]
    assert without.removal_effect(X[:2], y[:2]).columns.equals(X.index.delete([0, 3, 9]))
    # The way out: everything is fitted again.
    anew = clone(without).fit(X.drop(index=without.removed_.rows), y.drop(without.removed_.rows))
    assert anew.removed_.n_requests == 0
    assert anew.estimator_[0].mean_[0] != explainer.estimator_[0].mean_[0]


def test_what_was_chosen_is_named(cancer):
    X, y = cancer
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    steps = make_pipeline(FunctionTransformer(), search)
    without = RelatIFExplainer(steps).fit(X, y).without(3).without(4)
    assert without.removed_.held == ("the choice of GridSearchCV",)


def test_nothing_of_a_row_is_saved(cancer):
    """Neither in the explainer, nor in what it is made from, whatever the model keeps of rows."""
    X, y = cancer
    X = X.copy()
    X[5] = np.float64(0.123456789012345678)
    trace = X[5, :2].tobytes()
    models = [
        LogisticRegression(),
        FrozenEstimator(LogisticRegression().fit(X, y)),
        SVC(),
        KernelRidge(kernel="rbf"),
        GaussianNB(),
    ]
    for model in models:
        explainer = RelatIFExplainer(model).fit(X, y)
        assert trace in pickle.dumps(explainer)
        saved = pickle.dumps(explainer.without(5))
        assert trace not in saved
        loaded = pickle.loads(saved)
        assert loaded.removed_.positions == [5]
        assert len(loaded.training_rows_.index) == len(y) - 1


def test_the_rest_works_without_rows(cancer):
    X, y = cancer
    without = RelatIFExplainer(LogisticRegression()).fit(X, y).without([1, 2])
    assert without.compact().explain(X[:2]).indices.shape == (2, 5)
    assert without.transform(X[:2]).shape == (2, 31)
    assert len(without.loo_proba()) == len(y) - 2
    assert without.retrain_without([0])[0].coef_.shape == (1, 30)
    assert len(without.audit().frame()) == len(y) - 2
    assert len(without.diagnostics(dfbetas=False)) == len(y) - 2
    html = without.removed_._repr_html_()
    assert re.search("position in the training data", html)


def test_the_record_before_any_request(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    assert str(explainer.removed_) == (
        "No training rows have been removed from the model; it has 569."
    )
    assert "569" in explainer.removed_._repr_html_()
    with pytest.raises(NotFittedError):
        RelatIFExplainer(LogisticRegression()).without(0)


def test_rows_of_no_weight_leave_the_model_as_it_is(cancer):
    X, y = cancer
    weight = np.ones(len(y))
    weight[[3, 8]] = 0
    model = clone(TIGHT).fit(X, y, weight)
    without = RelatIFExplainer.from_fitted(model, X, y, weight).without(3).without(7)
    assert_close(without.estimator_.coef_, model.coef_, 1e-9)
    assert_array_equal(without.training_rows_.index, np.delete(np.arange(len(y)), [3, 8]))
    assert without.distance_to_optimum_ < 1e-9


def test_wide_rows_are_those_of_their_own_span():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1500))
    y = (X[:, 0] + rng.logistic(size=40) > 0).astype(int)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    assert explainer.solver_.name == "woodbury"
    without = explainer.without([1, 5]).without(0)
    left = np.delete(np.arange(40), [0, 1, 5])
    refit = clone(TIGHT).set_params(solver="newton-cg").fit(X[left], y[left])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-6)
    assert_same(without, RelatIFExplainer.from_fitted(without.estimator_, X[left], y[left]), X[:3])
    assert without.distance_to_optimum_ < 1e-9


def test_single_precision_stays(digits):
    X, y = digits
    X = X.astype(np.float32)
    explainer = RelatIFExplainer(LogisticRegression(C=0.1, max_iter=1000)).fit(X, y)
    without = explainer.without([1, 2])
    assert without.estimator_.coef_.dtype == explainer.estimator_.coef_.dtype
    assert without.pairwise_influence(X[:2]).dtype == np.float32
    left = np.arange(3, len(y))
    refit = clone(TIGHT).set_params(C=0.1).fit(X[np.r_[0, left]].astype(float), y[np.r_[0, left]])
    assert_close(without.estimator_.coef_, refit.coef_, 1e-6)
    assert without.distance_to_optimum_ < 1e-4


def test_fitting_again_forgets_what_was_removed(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y).without(0)
    explainer.fit(X, y)
    assert explainer.removed_.n_removed == 0
    assert len(explainer.training_rows_.index) == len(y)


def test_what_cannot_be_is_refused(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"no row of the classes \[0\]"):
        explainer.without(np.flatnonzero(y == 0)[1:]).without(np.flatnonzero(y == 0)[0])
    with pytest.raises(ValueError, match="from 0 to 567"):
        explainer.without(0).without(568)
    with pytest.raises(TypeError, match="row positions"):
        explainer.without(np.zeros(569, bool))
    regression = RelatIFExplainer(LinearRegression()).fit(X[:40, :3], y[:40])
    with pytest.raises(ValueError, match="no training row is left"):
        regression.without(np.arange(40))
    machine = RelatIFExplainer(SVC(kernel="precomputed")).fit(X @ X.T, y)
    with pytest.raises(TypeError, match="precomputed kernel"):
        machine.without(0)
    for name in REFUSED:
        _, explainer = fitted(CASES[name])
        with pytest.raises(TypeError, match=f"{name} cannot be rid of rows"):
            explainer.without(0)


def test_rows_in_a_file_are_refused(cancer, tmp_path):
    X, y = cancer
    rows = np.memmap(tmp_path / "X", np.float64, "w+", shape=X.shape)
    rows[:] = X
    explainer = RelatIFExplainer.from_fitted(clone(TIGHT).fit(X, y), rows, y)
    with pytest.raises(TypeError, match="in a file"):
        explainer.without(0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_record_does_not_claim_an_optimum_that_there_is_none_of():
    X, y = np.arange(10.0)[:, None], np.repeat([0, 1], 5)
    y[[4, 5]] = 1, 0
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    apart = RelatIFExplainer(model).fit(X, y).without([4, 5])
    assert "No optimum of these was found" in str(apart.removed_)
    assert "is at the optimum" not in str(apart.removed_)


def test_rows_in_lists_of_several_lengths_are_refused():
    X, y = load_breast_cancer(return_X_y=True)
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    with pytest.raises(TypeError, match="rows must hold row positions"):
        explainer.without([[1, 2], [3]])
    assert str(explainer.without([]).removed_).startswith("0 training rows have been removed")
