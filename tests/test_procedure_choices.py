"""Choices that are known to be made again, and those that are left to scikit-learn's own fits."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.procedure import Shortcut
from sklearn_relatif.procedure._scores import score_of

X, Y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X[:, :5])
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
Y_REAL = Y_REAL / Y_REAL.std()
CLASSES = X[:60], Y[:60], X[300:310], Y[300:310]
NUMBERS = X_REAL[:60], Y_REAL[:60], X_REAL[300:310], Y_REAL[300:310]
TIGHT = {"tol": 1e-10, "max_iter": 1000}
CS = [0.03, 0.3, 3.0]
ALPHAS = [0.01, 0.1, 1.0]
DONE_AGAIN = "removals are done by fitting everything again"


def one_by_one(rows, n_rows):
    groups = np.full(n_rows, np.nan)
    groups[rows] = rows
    return groups


def effects(model, data, groups=None, **fit_params):
    """Those of the default order, of refits, the choices of both, and what was said."""
    rows, y, queries, truth = data
    groups = one_by_one([0, 20, 41], len(y)) if groups is None else groups
    explainer = RelatIFExplainer(model).fit(rows, y, **fit_params)
    options = {"groups": groups, "procedure": "all", "return_parts": True}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found, parts = explainer.removal_effect(queries, truth, **options)
    said = [str(one.message) for one in caught if DONE_AGAIN in str(one.message)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true, exact = explainer.removal_effect(queries, truth, order="retrain", **options)
    assert parts.chosen == exact.chosen
    return found, true, (parts.chosen_without, exact.chosen_without), said


def assert_are_refits(model, data, reason, **options):
    """All removals are, with that reason."""
    found, true, (chosen, expected), said = effects(model, data, **options)
    (message,) = said
    assert reason in message and np.abs(true).max() > 0
    assert_allclose(found, true, rtol=1e-6, atol=1e-9)
    assert chosen == expected


def assert_is_known(model, data, **options):
    """Effects are those of refits, without any."""
    found, true, (chosen, expected), said = effects(model, data, **options)
    assert not said and np.abs(true).max() > 0
    assert_allclose(found, true, rtol=1e-5, atol=1e-8)
    assert chosen == expected


def logistic(**options):
    return LogisticRegression(**TIGHT, **options)


def by_loss(cv=3, **options):
    options = {"scoring": "neg_log_loss", **options}
    return GridSearchCV(logistic(), {"C": CS}, cv=cv, **options)


def ratios():
    """A path of penalties that are not all squares of lengths."""
    kind = vars(LogisticRegressionCV()).get("penalty")
    own = {"penalty": "elasticnet"} if kind == "l2" else {}
    return LogisticRegressionCV(
        Cs=[0.1, 1.0], cv=2, l1_ratios=[0.5], solver="saga", scoring="neg_log_loss", **TIGHT, **own
    )


def with_target_scaled():
    return TransformedTargetRegressor(Ridge(), transformer=StandardScaler())


# --- what is left to refits ----------------------------------------------------------------------

REFITTED = {
    "two parameters": (
        GridSearchCV(logistic(), {"C": CS, "fit_intercept": [True, False]}, cv=3),
        "more than the strength of a penalty",
    ),
    "another parameter": (
        GridSearchCV(logistic(), {"fit_intercept": [True, False]}, cv=3),
        "more than the strength of a penalty",
    ),
    "candidates drawn": (
        RandomizedSearchCV(logistic(), {"C": CS}, n_iter=3, cv=3, scoring="neg_log_loss"),
        "candidates are drawn anew",
    ),
    "a function chooses": (
        by_loss(refit=lambda results: int(np.argmin(results["mean_test_score"]))),
        "choice is by a function",
    ),
    "folds given": (by_loss(PredefinedSplit(np.arange(60) % 3)), "given row by row"),
    "folds listed": (
        by_loss([(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]),
        "given row by row",
    ),
    "two penalties": (ratios(), "more than one penalty"),
    "rows scored its own way": (RidgeClassifierCV(ALPHAS), "in a way of its own"),
}


@pytest.mark.parametrize("case", list(REFITTED))
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_choice_that_is_not_known_is_made_by_refits_with_the_reason(case):
    assert_are_refits(REFITTED[case][0], CLASSES, REFITTED[case][1])


OF_NUMBERS = {
    "a function scores": (
        GridSearchCV(
            Ridge(),
            {"alpha": ALPHAS},
            scoring=make_scorer(mean_absolute_error, greater_is_better=False),
        ),
        "is none of those that are known",
    ),
    "another name": (
        GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="neg_median_absolute_error"),
        "scoring='neg_median_absolute_error' is none of those that are known",
    ),
    "rows scored by name": (
        RidgeCV(ALPHAS, scoring="neg_mean_absolute_error"),
        "in a way of its own",
    ),
    "around the model": (
        GridSearchCV(with_target_scaled(), {"regressor__alpha": ALPHAS}),
        "more than the strength of a penalty",
    ),
    "no search": (with_target_scaled(), "no fast way through TransformedTargetRegressor"),
}


@pytest.mark.parametrize("case", list(OF_NUMBERS))
def test_so_are_choices_for_numbers(case):
    assert_are_refits(OF_NUMBERS[case][0], NUMBERS, OF_NUMBERS[case][1])


def test_so_is_a_pipeline_that_draws_all_of_its_rows():
    imblearn = pytest.importorskip("imblearn")
    rows = np.r_[np.flatnonzero(Y == 0)[:30], np.flatnonzero(Y == 1)[:30]]
    sampler = imblearn.under_sampling.RandomUnderSampler(random_state=0)
    model = imblearn.pipeline.make_pipeline(sampler, logistic())
    data = X[rows], Y[rows], *CLASSES[2:]
    assert_are_refits(model, data, "the pipeline chooses the rows to train on")


def test_a_fold_without_a_class_to_test_with_leaves_the_area_open():
    y = np.r_[np.tile([0, 1], 20), np.zeros(20, int)]
    y[50] = 1
    search = by_loss(KFold(3), scoring="roc_auc")
    found, true, (chosen, expected), (said,) = effects(
        search, (X[:60], y, *CLASSES[2:]), one_by_one([3, 50], 60)
    )
    assert said.startswith("1 of 2") and "no row of a class to test with" in said
    assert_allclose(found, true, rtol=1e-6, atol=1e-8)
    assert chosen == expected


# --- what is known -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [
        ({"loss": "neg_log_loss", "hits": "accuracy"}, "loss"),
        (["accuracy", "neg_log_loss"], "neg_log_loss"),
    ],
    ids=["dict", "list"],
)
def test_of_several_scores_the_one_that_chooses_is_known(scoring, refit):
    assert_is_known(by_loss(scoring=scoring, refit=refit), CLASSES)


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="neg_mean_squared_error"),
        GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="neg_root_mean_squared_error"),
        RidgeCV(ALPHAS, fit_intercept=False),
        # Of the same scores, to the last bit, the first counts.
        GridSearchCV(Ridge(), {"alpha": [0.1, 0.1, 50.0]}),
    ],
    ids=["squares", "root", "no intercept", "tie"],
)
def test_choices_for_numbers_are_known(model):
    assert_is_known(model, NUMBERS)


def test_scores_that_models_cannot_have_are_none():
    svm = LinearSVC().fit(*CLASSES[:2])
    three = LogisticRegression().fit(X[:60], np.arange(60) % 3)
    shortcut = Shortcut(three, X[:60], np.arange(60) % 3)
    assert score_of("roc_auc", three, shortcut.loss) is None
    assert score_of("neg_log_loss", three, shortcut.loss) is not None
    shortcut = Shortcut(svm, *CLASSES[:2])
    assert score_of("neg_log_loss", svm, shortcut.loss) is None
    assert score_of("roc_auc", svm, shortcut.loss) is not None


# --- optima that are far -------------------------------------------------------------------------


def test_many_columns_are_summed_one_candidate_at_a_time():
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 150))
    y = (rows[:, 0] + random.normal(size=200) > 0).astype(int)
    data = rows[:190], y[:190], rows[190:], y[190:]
    assert_is_known(logistic(C=0.01), data)


def test_where_few_rows_are_left_steps_go_on_until_the_optimum():
    random = np.random.default_rng(2)
    rows = random.normal(size=(70, 8)) * np.logspace(-1, 1, 8)
    y = (rows[:, 0] + 0.1 * random.normal(size=70) > 0).astype(int)
    groups = np.where(np.arange(60) < 36, 0.0, np.nan)
    assert_is_known(logistic(C=30.0), (rows[:60], y[:60], rows[60:], y[60:]), groups=groups)


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
def test_a_candidate_that_leaves_a_direction_open_is_told():
    rows, y, queries, truth = NUMBERS
    twice = [0, 1, 1]
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1e-30]}, scoring="neg_mean_squared_error")
    data = rows[:, twice], y, queries[:, twice], truth
    assert_are_refits(search, data, "leave a direction of the parameters open")


def test_counts_too_large_to_come_near_from_nothing_are_told():
    counts = np.random.default_rng(0).poisson(1e6 * np.exp(X_REAL[:70, 2]))
    data = X_REAL[:60], counts[:60], X_REAL[60:70], counts[60:]
    model = PoissonRegressor(alpha=1.0, solver="newton-cholesky", tol=1e-10)
    assert_are_refits(model, data, "has no optimum, or none was found")


# --- what must not be taken for known -------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_count_in_scores_leave_the_choice_to_refits():
    random = np.random.default_rng(2)
    order = random.permutation(len(Y))
    data = X[order[:60]], Y[order[:60]], X[order[60:70]], Y[order[60:70]]
    weight = random.uniform(0.05, 5, 60)
    model = LogisticRegressionCV(Cs=[0.03, 0.3, 3.0, 30.0], cv=3, scoring="neg_log_loss", **TIGHT)
    reason = "weights count in the scores of LogisticRegressionCV"
    assert_are_refits(model, data, reason, groups=one_by_one([2, 5], 60), sample_weight=weight)


def test_columns_that_a_removal_takes_away_are_left_to_refits():
    kinds = np.array(["a", "b", "c"])[np.arange(60) % 3].astype(object)
    kinds[5] = "rare"
    data = kinds[:, None], Y[:60], kinds[10:20, None], Y[10:20]
    model = make_pipeline(OneHotEncoder(drop="first"), logistic())
    found, true, _, (said,) = effects(model, data, groups=one_by_one([5, 8], 60))
    assert said.startswith("1 of 2") and "a column goes with the rows" in said
    assert_allclose(found, true, rtol=1e-6, atol=1e-9)
