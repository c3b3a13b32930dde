"""Reductions: every kind of logistic regression, proved by its gradient and by brute force.

The gradient of the reduced objective vanishes at the fitted coefficients only if losses, weights
and penalties are the ones that scikit-learn minimised.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.criteria import leverages
from sklearn_relatif.curvature import build_curvature, prepare_curvature
from sklearn_relatif.objectives import LinearObjective, PairGrams
from sklearn_relatif.optimality import lacks_optimum
from sklearn_relatif.removal import newton_step, polish, retrain
from tests import cases, reference

pytestmark = cases.ignore_warning_about_no_penalty
TIGHT = {"tol": 1e-10, "max_iter": 20_000}
#: What a solver reaches with TIGHT. A wrong weight or penalty leaves 1e-3 or more.
STATIONARY = 1e-3
EXACT = 1e-8
CLASS_WEIGHT = {0: 2.0, 1: 0.5, 2: 3.0}
old_only = pytest.mark.skipif(
    not cases.HAS_MULTI_CLASS, reason="scikit-learn 1.8 removed multi_class"
)


def with_solvers(*solvers):
    """Two and three classes; liblinear, which does not know the softmax, with two alone."""
    pairs = [(n, solver) for n in (2, 3) for solver in solvers if (n, solver) != (3, "liblinear")]
    return pytest.mark.parametrize(("n_classes", "solver"), pairs)


def quiet_fit(estimator, X, y, **fit_params):
    """Fit without scikit-learn's own warnings about its older parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="Inconsistent values: penalty=")
        return estimator.fit(X, y, **fit_params)


def logistic(**params):
    return LogisticRegression(**{**TIGHT, **params})


def check_against_brute_force(explainer, expected, X, y):
    for criterion, matrix in expected.items():
        actual = np.asarray(explainer.pairwise_influence(X, y, criterion=criterion))
        assert cases.relative_error(actual, matrix) <= EXACT, criterion


def check_model(model, X, y, sample_weight=None, **brute_force_options):
    """Explain a fitted model; compare with brute force on hessian and fisher."""
    positions = np.searchsorted(model.classes_, y)
    for curvature in ("hessian", "fisher"):
        explainer = RelatIFExplainer.from_fitted(model, X, y, sample_weight, curvature=curvature)
        assert explainer.distance_to_optimum_ < STATIONARY
        expected = cases.brute_force(
            model,
            X,
            positions,
            X[:25],
            positions[:25],
            curvature=curvature,
            **{"row_weight": sample_weight, **brute_force_options},
        )
        check_against_brute_force(explainer, expected, X[:25], y[:25])


# --- one logistic regression ----------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@with_solvers("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
def test_every_solver(n_classes, solver, fit_intercept):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    options = {"intercept_scaling": 3.0} if solver == "liblinear" else {}
    model = logistic(C=0.3, solver=solver, fit_intercept=fit_intercept, **options)
    model.fit(X, y, sample_weight=weight)
    intercept_strength = 1 / 0.3 / 3.0**2 if solver == "liblinear" else 0.0
    check_model(model, X, y, weight, intercept_strength=intercept_strength)


@with_solvers("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
def test_no_penalty(n_classes, solver):
    X, y = cases.noisy_classes(n_classes)
    model = quiet_fit(logistic(C=np.inf, solver=solver), X, y)
    check_model(model, X, y, strength=0.0)


def test_older_way_of_saying_no_penalty():
    """penalty=None wins over C; scikit-learn 1.8 and later warn, and we add nothing to it."""
    X, y = cases.noisy_classes(3)
    model = quiet_fit(logistic(penalty=None, solver="newton-cholesky"), X, y)
    check_model(model, X, y, strength=0.0)


def with_l1_share(l1_ratio):
    """`penalty` says the kind of penalty up to scikit-learn 1.7; from 1.8 on `l1_ratio` does."""
    if not cases.HAS_MULTI_CLASS:
        return {"l1_ratio": l1_ratio}
    return {"penalty": "l1"} if l1_ratio == 1 else {"penalty": "elasticnet", "l1_ratio": l1_ratio}


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("n_classes", "solver", "l1_ratio"),
    [(2, "saga", 1.0), (2, "saga", 0.4), (2, "liblinear", 1.0), (3, "saga", 1.0), (3, "saga", 0.4)],
)
def test_l1_and_elastic_net(n_classes, solver, l1_ratio, fit_intercept):
    """Against brute force on the active set: coefficients at zero are held there."""
    X, y = cases.noisy_classes(n_classes, n_features=8)
    X[:, 5:] = np.random.default_rng(3).normal(size=(len(y), 3))
    strength = 20.0
    params = {"C": 1 / strength, "solver": solver, "fit_intercept": fit_intercept}
    model = quiet_fit(logistic(**params, **with_l1_share(l1_ratio)), X, y)
    active = model.coef_ != 0
    assert not active.all()
    if fit_intercept:
        active = np.column_stack([active, model.intercept_ != 0])
    check_model(model, X, y, strength=strength * (1 - l1_ratio), active=active)


def test_older_way_of_saying_l1():
    X, y = cases.noisy_classes(2)
    model = quiet_fit(logistic(C=0.1, solver="liblinear", penalty="l1"), X, y)
    active = np.column_stack([model.coef_ != 0, model.intercept_ != 0])
    check_model(model, X, y, strength=0.0, active=active)


def test_l1_drops_inactive_columns_of_sparse_rows():
    X, y = cases.text()
    model = quiet_fit(logistic(C=1.0, solver="saga", **with_l1_share(1.0)), X, y)
    active = np.column_stack([model.coef_ != 0, np.ones(3, bool)])
    assert active.sum() < active.size / 2
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY
    assert explainer._study.objective.jacobian.n_columns < X.shape[1] / 2
    expected = cases.brute_force(model, X, y, X[:25], y[:25], strength=0.0, active=active)
    check_against_brute_force(explainer, expected, X[:25], y[:25])


def test_model_without_any_active_coefficient():
    """All that is left is the intercept, which liblinear penalises next to nothing here."""
    X, y = cases.noisy_classes(2)
    params = {"C": 0.01, "solver": "liblinear", "intercept_scaling": 1e3}
    model = quiet_fit(logistic(**params, **with_l1_share(1.0)), X, y)
    assert not model.coef_.any()
    active = np.array([[False] * X.shape[1] + [True]])
    check_model(model, X, y, strength=0.0, active=active)


def balanced(y, weight):
    """Balanced class weights of the rows, by definition."""
    counts = np.bincount(y, weights=weight if cases.BALANCES_BY_WEIGHT else None)
    return (counts.sum() / (len(counts) * counts))[y]


@pytest.mark.parametrize("class_weight", [CLASS_WEIGHT, "balanced"])
@with_solvers("newton-cholesky", "liblinear", "saga")
def test_class_weight_with_sample_weight(n_classes, solver, class_weight):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    if class_weight == "balanced":
        row_weight = weight * balanced(y, weight)
    else:
        class_weight = {k: class_weight[k] for k in range(n_classes)}
        row_weight = weight * np.array([class_weight[k] for k in y])
    model = logistic(C=0.3, solver=solver, class_weight=class_weight).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    expected = cases.brute_force(
        model,
        X,
        y,
        X[:25],
        y[:25],
        row_weight=row_weight,
        intercept_strength=1 / 0.3 if solver == "liblinear" else 0.0,
    )
    check_against_brute_force(explainer, expected, X[:25], y[:25])


LABELS = {
    "strings": np.array(["no", "maybe", "yes"]),
    "objects": np.array(["no", "maybe", "yes"], dtype=object),
    "integers": np.array([10, -3, 7]),
    "floats": np.array([10.0, -3.0, 7.0]),
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_labels_of_any_kind(labels, n_classes):
    X, y = cases.noisy_classes(n_classes)
    named = labels[y]
    explainer = RelatIFExplainer(logistic(class_weight={labels[1]: 2.0})).fit(X, named)
    assert explainer.distance_to_optimum_ < STATIONARY
    assert_array_equal(explainer.classes_, np.unique(named))
    explanation = explainer.explain(X)
    assert_array_equal(explanation.targets, explainer.predict(X))
    assert_array_equal(explanation.training_rows.labels, named)

    # The same scores as with the classes numbered in sorted order.
    positions = np.searchsorted(explainer.classes_, named)
    numbered = RelatIFExplainer(
        logistic(class_weight={int(np.searchsorted(explainer.classes_, labels[1])): 2.0})
    ).fit(X, positions)
    assert_allclose(
        explainer.pairwise_influence(X[:9], named[:9]),
        numbered.pairwise_influence(X[:9], positions[:9]),
        rtol=1e-12,
    )


def test_boolean_labels():
    X, y = cases.noisy_classes(2)
    explainer = RelatIFExplainer(logistic()).fit(X, y == 1)
    numbered = RelatIFExplainer(logistic()).fit(X, y)
    explanation = explainer.explain(X)
    assert explanation.targets.dtype == bool
    assert_array_equal(explanation.indices, numbered.explain(X).indices)
    assert_array_equal(explainer.pairwise_influence(X, y == 1), numbered.pairwise_influence(X, y))


# --- coefficients in a sparse matrix -----------------------------------------------------------


SPARSIFIED = {
    "logistic": logistic(),
    "SVM": LinearSVC(tol=1e-10, max_iter=20_000, random_state=0),
    "SGD": SGDClassifier(loss="log_loss", tol=None, max_iter=1000, average=True, random_state=0),
    "SGD regression": SGDRegressor(tol=None, max_iter=1000, average=True, random_state=0),
    "one vs rest": OneVsRestClassifier(logistic()),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of SGD
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", SPARSIFIED.values(), ids=SPARSIFIED.keys())
def test_sparsified_coefficients(model, n_classes):
    X, y = cases.noisy_classes(n_classes)
    y = X[:, 0] + y if isinstance(model, SGDRegressor) else y
    dense, thin = clone(model).fit(X, y), clone(model).fit(X, y)
    for part in getattr(thin, "estimators_", [thin]):
        assert sparse.issparse(part.sparsify().coef_)
    dense, thin = (RelatIFExplainer.from_fitted(m, X, y) for m in (dense, thin))
    assert_array_equal(thin.pairwise_influence(X), dense.pairwise_influence(X))
    assert_array_equal(thin.removal_effect(X[:3]), dense.removal_effect(X[:3]))
    models = [explainer.retrain_without([[3, 4]])[0] for explainer in (dense, thin)]
    assert_array_equal(*(model.predict(X) for model in models))


# --- searches over the strength -------------------------------------------------------------


CV_PARAMETERS = {
    "l2": {},
    "no intercept": {"fit_intercept": False},
    "balanced": {"class_weight": "balanced"},
    "class weight": {"class_weight": {0: 2.0, 1: 0.5}},
    "elastic net": {"penalty": "elasticnet", "solver": "saga", "l1_ratios": (0.3, 0.7)},
    "l1": {"penalty": "l1", "solver": "saga"},
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("params", CV_PARAMETERS.values(), ids=CV_PARAMETERS.keys())
def test_logistic_regression_cv(params, n_classes):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    model = LogisticRegressionCV(Cs=[0.03, 0.1, 0.3], cv=3, **{**TIGHT, **params})
    quiet_fit(model, X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    assert explainer.pairwise_influence(X[:2]).shape == (2, len(y))


def test_logistic_regression_cv_drops_the_intercept_scaling():
    """Its final fit does not pass `intercept_scaling` on to liblinear."""
    X, y = cases.noisy_classes(2)
    params = {"solver": "liblinear", "intercept_scaling": 2.0, "Cs": [0.03, 0.1], "cv": 3}
    model = quiet_fit(LogisticRegressionCV(**params, **TIGHT), X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY


@pytest.mark.skipif(cases.HAS_MULTI_CLASS, reason="new in scikit-learn 1.8")
@pytest.mark.parametrize("legacy", [True, False])
def test_logistic_regression_cv_in_both_forms_of_its_attributes(legacy):
    X, y = cases.noisy_classes(3)
    model = LogisticRegressionCV(
        Cs=[0.03, 0.3], cv=3, l1_ratios=(0.2,), solver="saga", use_legacy_attributes=legacy, **TIGHT
    )
    quiet_fit(model, X, y)
    assert RelatIFExplainer.from_fitted(model, X, y).distance_to_optimum_ < STATIONARY


@pytest.mark.parametrize("how", ["refitted", "from fitted", "frozen best estimator"])
def test_best_estimator_of_a_search(how):
    X, y = cases.noisy_classes(3)
    search = GridSearchCV(logistic(), {"C": [0.01, 0.1, 1.0]}, cv=3)
    if how == "refitted":
        explainer = RelatIFExplainer(search).fit(X, y)
        best = explainer.estimator_.best_estimator_
    else:
        search.fit(X, y)
        best = search.best_estimator_
        explainer = RelatIFExplainer.from_fitted(search if how == "from fitted" else best, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY
    expected = cases.brute_force(best, X, y, X[:25], y[:25])
    check_against_brute_force(explainer, expected, X[:25], y[:25])


def test_search_around_a_pipeline_and_pipeline_around_a_search():
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    space = {"logisticregression__C": [0.01, 0.1]}
    search = RandomizedSearchCV(
        make_pipeline(StandardScaler(), logistic()), space, n_iter=2, cv=3, random_state=0
    )
    outside = RelatIFExplainer(search).fit(X, y, weight)
    nested = make_pipeline(StandardScaler(), GridSearchCV(logistic(), {"C": [0.01, 0.1]}, cv=3))
    inside = RelatIFExplainer(nested).fit(X, y, weight)
    for explainer in (outside, inside):
        assert explainer.distance_to_optimum_ < STATIONARY
        assert_array_equal(explainer.predict(X), explainer.estimator_.predict(X))
    best = inside.estimator_[-1].best_params_["C"]
    assert outside.estimator_.best_params_["logisticregression__C"] == best
    assert_allclose(outside.pairwise_influence(X), inside.pairwise_influence(X), rtol=1e-6)


# --- one versus rest ------------------------------------------------------------------------


def one_versus_rest_by_brute_force(models, X, y, X_query, y_query, strengths, weights, active=None):
    """Influence of a sum of binary problems, each with weights and penalties of its own.

    ``weights`` (n, K) are the weights of the rows in each problem. A row's gradient is taken for
    one unit of sample weight, which the problems' class weights multiply.
    """
    sample_weight, by_problem = weights
    gradients, query_gradients, solved = [], [], []
    for k, model in enumerate(models):
        W = cases.parameters(model)
        D, D_query = (reference.design(t, model.fit_intercept) for t in (X, X_query))
        g = reference.gradients(W, D, (y == k) * 1, "sigmoid") * by_problem[:, [k]]
        s = sample_weight * by_problem[:, k]
        H = reference.hessian(W, D, s, strengths[k], "sigmoid") * s.sum() / sample_weight.sum()
        free = np.ones(W.size, bool) if active is None else active[k]
        gradients.append(g[:, free])
        query_gradients.append(
            reference.gradients(W, D_query, (y_query == k) * 1, "sigmoid")[:, free]
        )
        solved.append(np.linalg.solve(H[np.ix_(free, free)], g[:, free].T).T)
    gradients, query_gradients, solved = map(np.hstack, (gradients, query_gradients, solved))
    influence = np.where(sample_weight > 0, query_gradients @ solved.T, 0)
    return {
        "influence": influence,
        "theta_relative": influence / np.linalg.norm(solved, axis=1),
        "loss_relative": influence / np.sqrt((solved * gradients).sum(axis=1)),
    }


def binary_class_weights(y, class_weight):
    """Weights of the rows in each of the binary problems "class k or not", (n, K)."""
    columns = []
    for k in range(3):
        positive = (y == k) * 1
        if class_weight == "balanced":
            columns.append(balanced(positive, np.ones(len(y))))
        else:
            columns.append(np.array([(class_weight or {}).get(label, 1.0) for label in positive]))
    return np.column_stack(columns)


@pytest.mark.parametrize("class_weight", [None, {0: 2.0, 1: 0.7}, "balanced"])
@pytest.mark.parametrize("solver", ["newton-cholesky", "liblinear"])
def test_one_versus_rest_classifier(solver, class_weight):
    X, y = cases.noisy_classes(3)
    model = OneVsRestClassifier(logistic(C=0.3, solver=solver, class_weight=class_weight))
    model.fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY
    penalty = np.r_[np.full(X.shape[1], 1 / 0.3), 1 / 0.3 if solver == "liblinear" else 0.0]
    weights = np.ones(len(y)), binary_class_weights(y, class_weight)
    expected = one_versus_rest_by_brute_force(
        model.estimators_, X, y, X[:25], y[:25], [penalty] * 3, weights
    )
    check_against_brute_force(explainer, expected, X[:25], y[:25])
    assert_array_equal(explainer.explain(X).targets, model.predict(X))


def test_one_versus_rest_of_l1_models():
    X, y = cases.noisy_classes(3, n_features=8)
    binary = logistic(C=0.1, solver="liblinear", **with_l1_share(1.0))
    model = quiet_fit(OneVsRestClassifier(binary), X, y)
    active = [
        np.append(part.coef_.ravel() != 0, part.intercept_ != 0) for part in model.estimators_
    ]
    assert not np.all(active)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY
    weights = np.ones(len(y)), np.ones((len(y), 3))
    expected = one_versus_rest_by_brute_force(
        model.estimators_, X, y, X[:25], y[:25], [0.0] * 3, weights, active
    )
    check_against_brute_force(explainer, expected, X[:25], y[:25])


def test_one_versus_rest_of_two_classes_is_the_binary_model():
    X, y = cases.noisy_classes(2)
    alone = RelatIFExplainer(logistic()).fit(X, y)
    wrapped = RelatIFExplainer(OneVsRestClassifier(logistic())).fit(X, y)
    assert wrapped.distance_to_optimum_ < STATIONARY
    assert_allclose(wrapped.pairwise_influence(X), alone.pairwise_influence(X), rtol=1e-9)


@old_only
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT, "balanced"])
@pytest.mark.parametrize("solver", ["lbfgs", "liblinear", "newton-cholesky", "saga"])
@pytest.mark.parametrize("kind", [LogisticRegression, LogisticRegressionCV])
def test_multi_class_ovr(kind, solver, class_weight):
    X, y = cases.noisy_classes(3)
    weight = cases.weights_with_zeros(len(y))
    params = {**TIGHT, "solver": solver, "class_weight": class_weight}
    if kind is LogisticRegressionCV:
        params |= {"Cs": [0.03, 0.3], "cv": 3}
    model = quiet_fit(kind(multi_class="ovr", **params), X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    assert_array_equal(explainer.explain(X).targets, model.predict(X))


@old_only
@pytest.mark.parametrize("n_classes", [2, 3])
def test_multi_class_multinomial(n_classes):
    """For two classes, scikit-learn fits a softmax of two and keeps one row of it."""
    X, y = cases.noisy_classes(n_classes)
    model = quiet_fit(logistic(C=0.3, multi_class="multinomial"), X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < STATIONARY
    W = cases.parameters(model)
    if n_classes == 2:
        W = np.vstack([-W, W])
    expected = reference.influence_matrices(
        W,
        reference.design(X),
        y,
        np.ones(len(y)),
        np.r_[np.full(X.shape[1], 1 / 0.3), 0.0],
        reference.design(X[:25]),
        y[:25],
        link="softmax",
    )
    check_against_brute_force(explainer, expected, X[:25], y[:25])
    assert_array_equal(explainer.explain(X).targets, model.predict(X))


@old_only
def test_multi_class_liblinear_by_default():
    X, y = cases.noisy_classes(3)
    model = quiet_fit(logistic(C=0.3, solver="liblinear"), X, y)
    assert RelatIFExplainer.from_fitted(model, X, y).distance_to_optimum_ < STATIONARY


# --- pipelines and frozen models ------------------------------------------------------------


def test_pipeline_with_columns_of_a_data_frame():
    pd = pytest.importorskip("pandas")
    X, y = cases.noisy_classes(3)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"], index=[f"row {i}" for i in range(len(y))])
    frame["kind"] = np.array(["red", "green", "blue"])[np.arange(len(y)) * 7 % 3]
    weight = cases.weights_with_zeros(len(y))
    preprocess = make_column_transformer(
        (StandardScaler(), ["a", "b", "c", "d"]), (OneHotEncoder(), ["kind"])
    )
    pipeline = make_pipeline(preprocess, logistic(C=0.3))
    explainer = RelatIFExplainer(pipeline).fit(frame, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    assert_array_equal(explainer.feature_names_in_, frame.columns)

    fitted = explainer.estimator_
    Z = fitted[:-1].transform(frame)
    expected = cases.brute_force(fitted[-1], Z, y, Z[:25], y[:25], row_weight=weight)
    check_against_brute_force(explainer, expected, frame[:25], y[:25])
    explanation = explainer.explain(frame[:2])
    assert_array_equal(explanation.query_index, ["row 0", "row 1"])
    assert_array_equal(explanation.training_rows.index, frame.index)


def test_both_nestings_of_a_pipeline_agree():
    X, y = cases.noisy_classes(3)
    X = X * [1.0, 100.0, 0.01, 5.0] + 3.0
    weight = cases.weights_with_zeros(len(y))
    outside = RelatIFExplainer(make_pipeline(StandardScaler(), logistic())).fit(X, y, weight)
    inside = make_pipeline(StandardScaler(), RelatIFExplainer(logistic()))
    inside.fit(X, y, relatifexplainer__sample_weight=weight)
    Z = inside[:-1].transform(X)
    assert_array_equal(outside.pairwise_influence(X), inside[-1].pairwise_influence(Z))
    assert_array_equal(outside.explain(X).indices, inside[-1].explain(Z).indices)
    assert_array_equal(inside.predict_proba(X), outside.predict_proba(X))
    assert_array_equal(inside.transform(X), outside.transform(X))


def test_sample_weight_reaches_the_model_of_a_pipeline():
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    pipeline = make_pipeline(StandardScaler(), logistic())
    by_argument = RelatIFExplainer(pipeline).fit(X, y, weight)
    by_path = RelatIFExplainer(pipeline).fit(X, y, logisticregression__sample_weight=weight)
    directly = make_pipeline(StandardScaler(), logistic())
    directly.fit(X, y, logisticregression__sample_weight=weight)
    fitted_before = RelatIFExplainer.from_fitted(directly, X, y, weight)
    for explainer in (by_argument, by_path, fitted_before):
        assert explainer.distance_to_optimum_ < STATIONARY
        assert_array_equal(explainer.predict_proba(X), directly.predict_proba(X))
        assert_array_equal(explainer.pairwise_influence(X), by_argument.pairwise_influence(X))


def test_sample_weight_is_routed():
    """With metadata routing, steps ask for the weights instead of being named."""
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    expected = RelatIFExplainer(make_pipeline(StandardScaler(), logistic())).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        asking = logistic().set_fit_request(sample_weight=True)
        outside = RelatIFExplainer(make_pipeline(scaler, asking)).fit(X, y, weight)
        explainer = RelatIFExplainer(asking)
        inside = make_pipeline(scaler, explainer).fit(X, y, sample_weight=weight)
    Z = inside[:-1].transform(X)
    assert_array_equal(outside.pairwise_influence(X), expected.pairwise_influence(X))
    assert_array_equal(inside[-1].pairwise_influence(Z), expected.pairwise_influence(X))


def test_pipeline_that_ends_in_a_frozen_model():
    X, y = cases.noisy_classes(3)
    weight = cases.weights_with_zeros(len(y))
    scaler = StandardScaler().fit(X)
    model = logistic().fit(scaler.transform(X), y, weight)
    pipeline = make_pipeline(FrozenEstimator(scaler), FrozenEstimator(model))
    explainer = RelatIFExplainer(pipeline).fit(X, y, weight)
    assert explainer.distance_to_optimum_ < STATIONARY
    expected = RelatIFExplainer.from_fitted(model, scaler.transform(X), y, weight)
    assert_array_equal(
        explainer.pairwise_influence(X), expected.pairwise_influence(scaler.transform(X))
    )


def test_pipelines_of_pipelines_and_passthrough():
    X, y = cases.noisy_classes(3)
    nested = make_pipeline(StandardScaler(), make_pipeline("passthrough", logistic()))
    explainer = RelatIFExplainer(nested).fit(X, y, cases.weights_with_zeros(len(y)))
    assert explainer.distance_to_optimum_ < STATIONARY
    assert explainer.explain(X[:3]).indices.shape == (3, 5)


def test_pipeline_with_frames_between_its_steps():
    pytest.importorskip("pandas")
    X, y = cases.noisy_classes(2)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), logistic())
    explainer = RelatIFExplainer(pipeline).fit(X, y)
    plain = RelatIFExplainer(make_pipeline(StandardScaler(), logistic())).fit(X, y)
    assert_array_equal(explainer.pairwise_influence(X), plain.pairwise_influence(X))


# --- the gradient ---------------------------------------------------------------------------


def test_distance_tells_wrong_rows_from_right_ones():
    X, y = cases.breast_cancer()
    model = LogisticRegression().fit(X[:400], y[:400])
    assert RelatIFExplainer.from_fitted(model, X[:400], y[:400]).distance_to_optimum_ < 0.03
    with pytest.warns(ConvergenceWarning, match="not at the optimum"):
        wrong = RelatIFExplainer.from_fitted(model, X[:400], 1 - y[:400])
    assert wrong.distance_to_optimum_ > 5


@pytest.mark.parametrize("n_classes", [2, 3])
def test_relative_gradient(n_classes):
    """Far from the optimum, where all terms count."""
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    model = LogisticRegression(C=0.2).fit(X[::-1], y)
    with pytest.warns(ConvergenceWarning):
        explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    W, D = cases.parameters(model), reference.design(X)
    g = reference.gradients(W, D, y, cases.link_of(model))
    penalty = np.r_[np.full(X.shape[1], 5.0), 0.0]
    gradient = (weight @ g + (penalty * W).ravel()) / weight.sum()
    root_mean_square = np.sqrt(weight @ (g**2).sum(axis=1) / weight.sum())
    expected = np.linalg.norm(gradient) / root_mean_square
    assert_allclose(explainer._study.objective.relative_gradient(), expected, rtol=1e-10)


# --- the objective itself -------------------------------------------------------------------


def objective_of(model, X, y, weight=None) -> LinearObjective:
    return RelatIFExplainer.from_fitted(model, X, y, weight)._study.objective


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_gradient_rows_contract_without_being_formed(container):
    X, y = cases.noisy_classes(3)
    X[np.abs(X) < 1] = 0
    rows = objective_of(logistic().fit(X, y), container(X), y).rows
    vectors = np.random.default_rng(0).normal(size=(6, rows.n_values))
    some = slice(20, 90)
    block = rows.block(some)
    unit, D = rows.unit[some], reference.design(X)[some]
    assert_allclose(block, np.einsum("nk,nj->nkj", unit, D).reshape(70, -1), rtol=1e-15)
    assert_allclose(rows.contract(vectors, some), vectors @ block.T, rtol=0, atol=1e-12)


def test_very_sparse_rows_take_the_sparse_product():
    """Below the share of non-zeros where a dense block is faster: another path, one result."""
    rng = np.random.default_rng(0)
    X = sparse.random(800, 300, density=0.006, format="csr", random_state=0)
    y = rng.integers(3, size=800)
    objective = objective_of(logistic(C=0.5).fit(X, y), X, y)
    assert sparse.issparse(objective.jacobian.product_block(slice(0, 800)))
    dense = objective_of(logistic(C=0.5).fit(X, y), X.toarray(), y)
    vectors = rng.normal(size=(3, objective.rows.n_values))
    everything = slice(0, 800)
    assert_allclose(
        objective.rows.contract(vectors, everything),
        dense.rows.contract(vectors, everything),
        rtol=0,
        atol=1e-12,
    )
    assert_allclose(objective.hessian(), dense.hessian(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_neglected_rows_are_a_small_share_of_the_hessian(container):
    """No pair of classes loses more of its weights than it may, so the error is bounded."""
    X, y = load_digits(return_X_y=True)
    X = np.hstack([X / 16, np.zeros((len(X), 1))])
    objective = objective_of(logistic(C=10).fit(X, y), container(X), y)
    exact, neglect = objective.hessian()[0], 0.01
    rough = objective.hessian(neglect=neglect)[0]
    probabilities = objective.loss.probabilities(objective.predictor(objective.jacobian))
    coupling = probabilities.T @ probabilities / len(X)
    np.fill_diagonal(coupling, 0)
    # The sum over pairs of what each may lose, in the direction of the longest row.
    longest = 1 + (X**2).sum(axis=1).max()
    missing = np.linalg.norm(exact - rough, 2)
    assert 0 < missing <= neglect * coupling.sum() * longest
    assert np.linalg.eigvalsh(exact - rough).min() >= -1e-15


@pytest.mark.parametrize("neglect", [0.01, 0.1])
def test_no_pair_of_classes_loses_more_than_it_may(neglect):
    p = np.r_[np.full(500, 0.5), np.full(500, 0.05), np.full(500, 1e-5)]
    exact, rough = PairGrams(np.eye(2), 1, float), PairGrams(np.eye(2), 1, float)
    rows = np.ones((len(p), 1)), np.column_stack([p, 1 - p]), np.ones(len(p))
    exact.add(*rows)
    rough.add(*rows, neglect)
    exact, rough = exact.total()[0, 0], rough.total()[0, 0]
    assert (1 - neglect) * exact <= rough < exact


# --- outputs that are coupled, but not by a softmax ------------------------------------------


def sum_over_rows(objective, inner):
    """``(1/S) sum_i s_i A_i ⊗ x~_i x~_i^T`` as it is written."""
    x, weight = objective.jacobian.dense_block(slice(None)), objective.sample_weight
    n_params = objective.weights.size
    total = np.einsum("n,nkl,na,nb->kalb", weight, inner, x, x).reshape(n_params, n_params)
    return total / weight.sum()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_coupled_outputs_by_brute_force(container):
    objective = cases.coupled(container)
    loss, y, eta = objective.loss, objective.y, objective.training_predictor
    residual = loss.residual(y, eta)
    expected = {
        "hessian": sum_over_rows(objective, loss.second_derivative(y, eta)),
        "fisher": sum_over_rows(objective, loss.fisher_weight(eta)),
        "empirical_fisher": sum_over_rows(objective, residual[:, :, None] * residual[:, None, :]),
    }
    expected["hessian"] += np.diag(objective.penalty.ravel()) / objective.total_weight
    for curvature, matrix in expected.items():
        (actual,) = getattr(objective, curvature)()
        assert_allclose(actual, matrix, rtol=0, atol=1e-14)
        with config_context(working_memory=0.001):
            assert_allclose(getattr(objective, curvature)()[0], matrix, rtol=0, atol=1e-14)
    x = objective.jacobian.dense_block(slice(None))
    expected = (residual * objective.sample_weight[:, None]).T @ x
    expected = (expected + objective.penalty * objective.weights) / objective.total_weight
    assert_allclose(objective.gradient(), expected, rtol=0, atol=1e-14)


def test_coupled_outputs_on_an_active_set():
    """No curvature is added where a softmax would have none: this loss has it everywhere."""
    whole, mask = cases.coupled(penalty=0.0), np.ones((2, 6))
    mask[1, 2] = 0
    (actual,) = replace(whole, mask=mask).hessian()
    expected = whole.hessian()[0] * np.outer(mask, mask)
    assert_allclose(actual, expected + np.diag(1 - mask.ravel()), rtol=0, atol=1e-15)


def test_coupled_outputs_explain():
    """All exact solvers, leverages and steps without a row, by the inverse that is written out."""
    objective = cases.coupled(sparse.csr_matrix, n_rows=20, n_features=40)
    x, inner = objective.jacobian.dense_block(slice(None)), objective.weighted_second_derivative
    H = np.linalg.inv(objective.hessian()[0])
    expected = objective.rows.block(slice(None)) @ H
    for solver in ("auto", "cholesky", "woodbury", "cg"):
        own, curvature, _ = prepare_curvature(objective, "hessian", 0.0, solver)
        back = own.jacobian.expand(
            curvature.solve(own.rows.block(slice(None))).reshape(20, *own.shape)
        )
        assert cases.relative_error(back.reshape(20, -1), expected) < 1e-7
    _, curvature, _ = prepare_curvature(objective, "hessian", 0.0, "cholesky")
    forms = np.einsum("na,kalb,nb->nkl", x, H.reshape(*objective.shape, *objective.shape), x)
    leverage = np.einsum("nkl,nkl->n", inner(slice(None)), forms) / objective.total_weight
    assert_allclose(leverages(objective, curvature), leverage, atol=1e-12)
    assert not lacks_optimum(replace(objective, penalty=0 * objective.penalty))


def test_coupled_outputs_are_retrained():
    """Exactly, and by one Newton step of the model without a group."""
    objective = cases.coupled()
    objective = replace(objective, weights=polish(objective))
    groups = [np.array([row]) for row in range(5)] + [np.arange(10, 17), np.arange(40, 120)]
    stepped = newton_step(objective, build_curvature(objective, "hessian", 0.0), groups)
    retrained = retrain(objective, groups)
    assert retrained.converged.all()
    for rows, step, weights in zip(groups, stepped, retrained.weights, strict=True):
        left = objective.sample_weight.copy()
        left[rows] = 0
        without = replace(objective, sample_weight=left)
        change = np.linalg.solve(without.hessian()[0], without.gradient().ravel())
        assert_allclose(step, objective.weights - change.reshape(objective.shape), atol=1e-9)
        assert np.linalg.norm(replace(without, weights=weights).gradient()) < 1e-9
