"""Classifiers that are fitted by sums over the rows of their classes."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as LDA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as QDA
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.serving import ExplanationIndex
from sklearn_relatif.testing import check_adapter
from tests.catalogue.moments import squared_margin

PRIORS = [0.2, 0.3, 0.5]
COPIES = 300


def wine():
    """A table of three classes, thinned out, and rows to ask for."""
    X, y = load_wine(return_X_y=True)
    X = X[:, :6] / X[:, :6].std(axis=0)
    return X[::2], y[::2], X[1::20], y[1::20]


def categories(X):
    return np.clip(np.floor(X - X.min(axis=0)), 0, 3).astype(int)


def loss_of(model, X, y):
    """What queries enter by, from public methods."""
    if isinstance(model, NearestCentroid):
        return squared_margin(model, X, y)
    if hasattr(model, "decision_function"):
        scores = model.decision_function(X)
        scores = np.column_stack([0 * scores, scores]) if scores.ndim == 1 else scores
        log_p = log_softmax(scores, axis=1)
    else:
        log_p = model.predict_log_proba(X)
    return -log_p[np.arange(len(y)), y]


def assert_close(actual, expected, share):
    assert_allclose(actual, expected, rtol=0, atol=share * np.abs(expected).max())


def removals_are_refits(explainer, model, X, y, X_new, y_new, rows, share=1e-9, weight=None):
    """Effects of removing rows one by one, and all of them, against scikit-learn's refits."""
    groups = [[row] for row in rows] + [rows]
    for label, group in enumerate(groups):
        member = np.full(len(y), None)
        member[group] = label
        found = explainer.removal_effect(X_new, y_new, member, order="newton")[:, 0]
        kept = np.delete(np.arange(len(y)), group)
        fitted = {} if weight is None else {"sample_weight": weight[kept]}
        refit = clone(model).fit(X[kept], y[kept], **fitted)
        before, after = (loss_of(m, X_new, y_new) for m in (explainer.estimator_, refit))
        # A loss is the difference of numbers some hundred times as large.
        rounding = 100 * np.finfo(np.float64).eps * np.abs(before).max()
        limit = share * np.abs(after - before).max() + rounding
        assert_allclose(found, after - before, rtol=0, atol=limit)


NAIVE = [
    GaussianNB(),
    GaussianNB(priors=PRIORS, var_smoothing=0.3),
    MultinomialNB(alpha=np.linspace(0.5, 1, 6), class_prior=PRIORS),
    MultinomialNB(fit_prior=False),
    ComplementNB(norm=True, alpha=0.7),
    BernoulliNB(binarize=3.0, class_prior=PRIORS),
    CategoricalNB(),
    CategoricalNB(alpha=0.3, min_categories=6, fit_prior=False),
]


@pytest.mark.parametrize("model", NAIVE, ids=str)
def test_influence_of_naive_bayes_is_the_derivative_by_a_weight(model):
    X, y, X_new, y_new = wine()
    if isinstance(model, CategoricalNB):
        X, X_new = categories(X), categories(X_new)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    weight[[4, 60]] = 0
    explainer = RelatIFExplainer(model).fit(X, y, sample_weight=weight)
    assert explainer.distance_to_optimum_ < 1e-10
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    for row in (0, 40, 80):
        sides = []
        for step in (1e-4, -1e-4):
            nudged = weight.copy()
            nudged[row] += step
            refit = clone(model).fit(X, y, sample_weight=nudged)
            sides.append(loss_of(refit, X_new, y_new))
        slope = (sides[1] - sides[0]) / 2e-4 * weight.sum()
        assert_allclose(influence[:, row], slope, rtol=0, atol=1e-6 * np.abs(influence).max())
    assert not influence[:, 4].any()
    removals_are_refits(explainer, model, X, y, X_new, y_new, [0, 4, 40, 41], weight=weight)
    check_adapter(adapter_of(model), explainer.estimator_, X, y, weight)


WITHOUT_WEIGHTS = [
    LDA(),
    LDA(priors=PRIORS),
    LDA(solver="lsqr", priors=PRIORS),
    LDA(solver="eigen", shrinkage=0.3, priors=PRIORS),
    LDA(solver="lsqr", shrinkage=1),
    QDA(reg_param=0.2, priors=PRIORS),
    QDA(),
    NearestCentroid(),
]


@pytest.mark.parametrize("model", WITHOUT_WEIGHTS, ids=str)
def test_influence_of_discriminants_is_the_derivative_by_how_often_a_row_is_there(model):
    X, y, X_new, y_new = wine()
    explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.distance_to_optimum_ < 1e-10
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    if not takes_fewer_rows_for_granted(model):
        for row in (0, 40, 80):
            sides = []
            for more in (1, -1):
                copies = np.full(len(y), COPIES)
                copies[row] += more
                refit = clone(model).fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))
                sides.append(loss_of(refit, X_new, y_new))
            slope = (sides[1] - sides[0]) / 2 * COPIES * len(y)
            assert_allclose(influence[:, row], slope, rtol=0, atol=1e-6 * np.abs(influence).max())
    removals_are_refits(explainer, model, X, y, X_new, y_new, [0, 40, 41])
    first = explainer.removal_effect(X_new, y_new, order="first")
    assert_close(first, influence / len(y), 1e-12)


def takes_fewer_rows_for_granted(model):
    """Whether this release divides by fewer rows than there are, so that copies change it."""
    X, y = np.array([[-1.0], [1.0], [9.0], [11.0]]), np.array([0, 0, 1, 1])
    if isinstance(model, QDA):
        return QDA().fit(X, y).scalings_[0][0] > 1.5
    return getattr(model, "solver", None) == "svd" and LDA().fit(X, y).coef_[0, 0] < 7.5


@pytest.mark.parametrize("model", [GaussianNB(), MultinomialNB(), LDA(), QDA(), NearestCentroid()])
def test_estimators_without_rows_have_the_attributes_of_refits(model):
    X, y, _, _ = wine()
    explainer = RelatIFExplainer(model).fit(X, y)
    kept = np.delete(np.arange(len(y)), [3, 50])
    (without,) = explainer.retrain_without([[3, 50]])
    refit = clone(model).fit(X[kept], y[kept])
    for name, value in vars(refit).items():
        if name.endswith("_") and not name.startswith("_"):
            own, values = np.atleast_1d(getattr(without, name)), np.atleast_1d(value)
            for found, expected in zip(own, values, strict=True):
                assert_allclose(found, expected, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("model", [GaussianNB(), ComplementNB(), LDA(), QDA(), NearestCentroid()])
def test_criteria_are_what_they_stand_for(model):
    X, y, X_new, y_new = wine()
    for criterion in ("influence", "theta_relative", "loss_relative"):
        explainer = RelatIFExplainer(model, criterion=criterion, random_state=0).fit(X, y)
        assert explainer.score(X_new, y_new) > (0.5 if isinstance(model, QDA) else 0.9)


@pytest.mark.parametrize("model", [GaussianNB(), BernoulliNB(binarize=3), LDA(shrinkage=None)])
def test_what_else_explainers_answer(model):
    X, y, X_new, y_new = wine()
    explainer = RelatIFExplainer(model).fit(X, y)
    products = explainer.transform(X_new) @ explainer.transform(X, y).T
    assert_close(products, explainer.pairwise_influence(X_new, criterion="influence"), 1e-10)
    assert_close(np.diag(explainer.transform(X, y) @ explainer.transform(X, y).T),
                 explainer.self_influence_, 1e-10)  # fmt: skip
    found = explainer.explain(X_new, n_examples=3)
    # Rows of the same features are in an order of rounding.
    indexed = ExplanationIndex(explainer).explain(X_new, n_examples=3)
    assert_close(indexed.scores, found.scores, 1e-10)
    found = found.indices
    saved = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(saved.explain(X_new, n_examples=3).indices, found)
    kept = np.delete(np.arange(len(y)), 7)
    expected = clone(model).fit(X[kept], y[kept]).predict_proba(X[[7]])[0]
    assert_allclose(explainer.loo_proba()[7], expected, atol=1e-10)
    report = explainer.audit(X_new, y_new, groups=np.arange(len(y)) % 4)
    assert "leverage" not in report.columns
    assert "loo_loss" in report.columns
    with pytest.raises(AttributeError, match="features and labels together"):
        _ = explainer.leverage_
    with pytest.raises(ValueError, match="linear in their parameters"):
        explainer.compact()

    def mean_difference(scores):
        slope = np.zeros_like(scores)
        slope[:, 0], slope[:, 1] = 1 / len(scores), -1 / len(scores)
        return (scores * slope).sum(), slope

    first, exact = (
        explainer.removal_effect_on(mean_difference, X_new, order=order)
        for order in ("first", "retrain")
    )
    assert np.corrcoef(first, exact)[0, 1] > 0.9


def test_flip_sets_are_verified():
    X, y, X_new, _ = wine()
    model = GaussianNB().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    nearest = X_new[np.ptp(np.sort(model.predict_proba(X_new))[:, -2:], axis=1).argmin()]
    found = explainer.flip_set(nearest[None], max_size=15)
    assert found.positions.size
    kept = np.delete(np.arange(len(y)), found.positions)
    assert clone(model).fit(X[kept], y[kept]).predict(nearest[None])[0] == found.new_label


@pytest.mark.parametrize("kind", ["fisher", "empirical_fisher", "identity"])
def test_other_curvatures(kind):
    X, y, X_new, _ = wine()
    exact, other = (
        RelatIFExplainer(MultinomialNB(), curvature=curvature, damping=1e-3).fit(X, y)
        for curvature in ("hessian", kind)
    )
    scores = [explainer.pairwise_influence(X_new).ravel() for explainer in (exact, other)]
    assert np.corrcoef(*scores)[0, 1] > 0.5
    with pytest.raises(ValueError, match="needs a likelihood"):
        RelatIFExplainer(ComplementNB(), curvature="fisher").fit(X, y)


def test_damping_is_added_to_the_hessian_in_exposed_parameters():
    X, y, X_new, y_new = wine()
    model, damping = LDA(solver="lsqr", shrinkage=0.2), 0.7
    plain, damped = (RelatIFExplainer(model, damping=d).fit(X, y) for d in (0.0, damping))
    objective = adapter_of(model).reduce(model.fit(X, y), X, y, np.ones(len(y)))
    diagonal = objective.curvature_diagonal("hessian")
    rows = objective.rows.block(slice(None))
    queries = objective.query_rows(objective.query_jacobian(X_new), y_new)
    block = queries.norm[:, None] * queries.block(slice(None))
    for explainer, d in ((plain, 0.0), (damped, damping)):
        found = explainer.pairwise_influence(X_new, y_new, criterion="influence")
        assert_close(found, block @ (rows / (diagonal + d)).T, 1e-10)


def test_coordinates_have_the_norm_of_the_means_and_the_covariance():
    X, y, _, _ = wine()
    model = LDA(solver="lsqr").fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")
    row, n = 5, len(y)
    z = X[row] - model.means_[y[row]]
    prior = (np.eye(3)[y[row]] - model.priors_) / model.priors_
    mean = z / model.priors_[y[row]]
    covariance = np.outer(z, z) - model.covariance_
    expected = np.sqrt((prior**2).sum() + (mean**2).sum() + (covariance**2).sum())
    assert_allclose(explainer.scale_[row], expected, rtol=1e-10)
    (change,) = explainer.removal_statistics([row], X[:1]).parameter_change
    kept = np.delete(np.arange(n), row)
    refit = clone(model).fit(X[kept], y[kept])
    parts = [
        np.log(refit.priors_) - np.log(model.priors_),
        refit.means_ - model.means_,
        refit.covariance_ - model.covariance_,
    ]
    assert_allclose(change, np.sqrt(sum((part**2).sum() for part in parts)), rtol=1e-8)


MADE_OF_SEVERAL = [
    OneVsRestClassifier(GaussianNB(var_smoothing=0.1)),
    OneVsRestClassifier(LDA()),
    VotingClassifier([("bayes", GaussianNB()), ("linear", LDA())], voting="soft"),
    VotingClassifier([("bayes", BernoulliNB(binarize=3)), ("nearest", NearestCentroid())]),
    BaggingClassifier(LDA(), 3, random_state=0),
]


@pytest.mark.parametrize("model", MADE_OF_SEVERAL, ids=str)
def test_models_that_are_made_of_several(model):
    X, y, X_new, _ = wine()
    explainer = RelatIFExplainer(model).fit(X, y)
    check_adapter(adapter_of(model), explainer.estimator_, X, y)
    influence = explainer.pairwise_influence(X_new, criterion="influence")
    first, exact = (explainer.removal_effect(X_new, order=order) for order in ("first", "retrain"))
    assert np.corrcoef(first.ravel(), exact.ravel())[0, 1] > 0.7
    if isinstance(model, BaggingClassifier):
        with pytest.raises(ValueError, match="drew their rows"):
            explainer.transform(X, y)
    else:
        products = explainer.transform(X_new) @ explainer.transform(X, y).T
        assert_close(products, influence, 1e-10)
    with pytest.raises(AttributeError, match="features and labels together"):
        _ = explainer.leverage_


# --- hostile rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", [LDA(), LDA(solver="lsqr"), GaussianNB(var_smoothing=0)])
def test_columns_of_very_different_units(model):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[::3], y[::3]
    units = X / X.std(axis=0)
    scores, effects = [], []
    for features in (X, units):
        explainer = RelatIFExplainer(model).fit(features, y)
        scores.append(explainer.pairwise_influence(features[::30], y[::30]))
        effects.append(explainer.removal_effect(features[::30], y[::30], np.arange(len(y)) // 40))
    assert_close(*scores, 1e-6)
    assert_close(*effects, 1e-6)


@pytest.mark.parametrize(
    "model", [GaussianNB(), LDA(), LDA(solver="lsqr", shrinkage=0.1), QDA(), NearestCentroid()]
)
def test_far_columns_and_an_outlier_that_is_removed(model):
    X, y, X_new, y_new = wine()
    X[7] += 1e4
    X, X_new = X + 1e3, X_new + 1e3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        explainer = RelatIFExplainer(model).fit(X, y)
    removals_are_refits(explainer, model, X, y, X_new, y_new, [7, 8, 50], share=1e-6)


def test_columns_that_are_constant_in_a_class():
    X, y, X_new, y_new = wine()
    X[y == 1, 2] = 3.0
    X[:, 4] = 1e6
    X_new[:, 4] = 1e6
    explainer = RelatIFExplainer(GaussianNB()).fit(X, y)
    assert np.isfinite(explainer.pairwise_influence(X_new)).all()
    removals_are_refits(explainer, GaussianNB(), X, y, X_new, y_new, [7, 50], share=1e-6)
    with pytest.raises(ValueError, match="constant in a class"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        RelatIFExplainer(GaussianNB(var_smoothing=0)).fit(X, y)


def test_a_column_that_only_removed_rows_have():
    X, y, X_new, y_new = wine()
    X, X_new = (np.column_stack([table, np.zeros(len(table))]) for table in (X, X_new))
    X[[7, 50], -1] = 1.0
    for model in (LDA(), LDA(solver="lsqr"), BernoulliNB(binarize=3)):
        explainer = RelatIFExplainer(model).fit(X, y)
        removals_are_refits(explainer, model, X, y, X_new, y_new, [7, 50])


def test_constant_columns_count_for_nothing_in_linear_discriminants():
    X, y, X_new, y_new = wine()
    wide = np.column_stack([X, np.full(len(X), 5.0)])
    wide_new = np.column_stack([X_new, np.arange(len(X_new))])
    plain = RelatIFExplainer(LDA()).fit(X, y).pairwise_influence(X_new, y_new)
    found = RelatIFExplainer(LDA()).fit(wide, y).pairwise_influence(wide_new, y_new)
    assert_close(found, plain, 1e-10)


def test_more_columns_than_rows_with_shrinkage():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 40)), np.arange(30) % 3
    X[:, :3] += 2 * np.eye(3)[y]
    X_new = X[:4] + 0.1
    for solver in ("lsqr", "eigen"):
        model = LDA(solver=solver, shrinkage=0.4)
        explainer = RelatIFExplainer(model).fit(X, y)
        assert explainer.distance_to_optimum_ < 1e-6
        removals_are_refits(explainer, model, X, y, X_new, y[:4], [0, 9])


def test_words_stay_sparse():
    rng = np.random.default_rng(0)
    X = sparse.random(60, 5000, density=0.01, random_state=0, format="csr")
    y = np.arange(60) % 3
    for model in (MultinomialNB(), ComplementNB(norm=True), BernoulliNB(), NearestCentroid()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of NearestCentroid, on constant words.
            found, expected = (RelatIFExplainer(model).fit(table, y) for table in (X, X.toarray()))
        rows = rng.integers(60, size=4)
        for method in ("pairwise_influence", "removal_effect"):
            assert_close(
                getattr(found, method)(X[rows], y[rows]),
                getattr(expected, method)(X[rows].toarray(), y[rows]),
                1e-8,
            )


# --- what is noticed, and refused -------------------------------------------------------------


@pytest.mark.parametrize("model", [GaussianNB(), BernoulliNB(binarize=3), LDA(), QDA()])
def test_models_of_other_rows_are_noticed(model):
    X, y, _, _ = wine()
    fitted = clone(model).fit(X[::2], y[::2])
    with pytest.warns(ConvergenceWarning, match="not at the optimum"):
        RelatIFExplainer.from_fitted(fitted, X, y)


@pytest.mark.parametrize("model", [GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB()])
def test_models_that_were_fitted_in_parts(model):
    X, y, X_new, _ = wine()
    parts = clone(model)
    for start in range(0, len(y), 30):
        parts.partial_fit(X[start : start + 30], y[start : start + 30], classes=np.unique(y))
    found = RelatIFExplainer.from_fitted(parts, X, y)
    assert found.distance_to_optimum_ < 1e-5
    expected = RelatIFExplainer(model).fit(X, y).pairwise_influence(X_new)
    assert_close(found.pairwise_influence(X_new), expected, 1e-5)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (LDA(solver="lsqr", shrinkage="auto"), "shrinkage='auto'"),
        (LDA(), "singular"),
        (GaussianNB(priors=[0, 0.5, 0.5]), "prior is 0"),
        (NearestCentroid(metric="manhattan"), "medians"),
        (NearestCentroid(shrink_threshold=0.1), "shrink_threshold"),
        (MultinomialNB(alpha=0.0), "larger alpha"),
        (BernoulliNB(alpha=0.0), "larger alpha"),
    ],
)
def test_what_has_no_closed_form_is_refused(model, match):
    X, y, _, _ = wine()
    X = np.column_stack([X, X[:, 0] + X[:, 1], (y == 1) & (X[:, 0] > 3)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=match):
            RelatIFExplainer(model).fit(X, y)


def test_classes_and_categories_must_stay():
    X, y, X_new, _ = wine()
    for model in (GaussianNB(), LDA()):
        explainer = RelatIFExplainer(model).fit(X, y)
        with pytest.raises(ValueError, match="no row of the classes"):
            explainer.removal_effect(X_new, groups=y)
    X, X_new = categories(X), categories(X_new)
    explainer = RelatIFExplainer(CategoricalNB()).fit(X, y)
    groups = np.where(X[:, 0] == X[:, 0].max(), 0, None)
    with pytest.raises(ValueError, match="last category of column 0"):
        explainer.removal_effect(X_new, groups=groups)


def test_the_only_row_of_a_class_has_no_chance_without_itself():
    X, y, _, _ = wine()
    y = np.where(np.arange(len(y)) == 3, 3, y)
    for model in (GaussianNB(var_smoothing=1e-2), LDA()):
        probability = RelatIFExplainer(model).fit(X, y).loo_proba()
        assert probability[3, 3] == 0
        assert_allclose(probability.sum(axis=1), 1)


def test_a_covariance_that_becomes_singular_is_refused():
    X, y, X_new, _ = wine()
    explainer = RelatIFExplainer(QDA()).fit(X, y)
    few = np.flatnonzero(y == 0)[4:]
    groups = np.full(len(y), None)
    groups[few] = 0
    with pytest.raises(ValueError, match="covariance of a class is singular"):
        explainer.removal_effect(X_new, groups=groups)
