"""Metrics by name: exactly scikit-learn's, with gradients of them or of ramps in their place."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import (
    load_breast_cancer,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, label_binarize
from sklearn.svm import SVC, LinearSVC, OneClassSVM

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.explainers._studied import study_of
from sklearn_relatif.statistics import METRICS, metric_of
from sklearn_relatif.statistics._ranking import AveragePrecision, RocAuc, TopRows

RNG = np.random.default_rng(0)
N_TEST = 60


def classes(n_classes):
    """Overlapping classes with names, and rows to judge models by."""
    X, y = make_classification(
        160, 5, n_informative=4, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1,
        flip_y=0.2, random_state=3,
    )  # fmt: skip
    y = np.array(["ant", "bee", "cow"])[y]
    return X[N_TEST:], y[N_TEST:], X[:N_TEST], y[:N_TEST]


def numbers(n_targets=1):
    X = RNG.normal(size=(160, 4))
    Y = X @ RNG.normal(size=(4, n_targets)) + RNG.normal(size=(160, n_targets))
    Y = np.exp(Y / 4)
    y = Y[:, 0] if n_targets == 1 else Y
    return X[N_TEST:], y[N_TEST:], X[:N_TEST], y[:N_TEST]


def logistic(**params):
    return make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=1000, **params))


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = {"curvature": "gauss_newton", "damping": 0.1}
        params = network if isinstance(model, MLPClassifier) else {}
        return RelatIFExplainer.from_fitted(model.fit(X, y), X, y, **params)


def judged(explainer, name, X, y, sensitive=None):
    """The metric and the predictors that it judges."""
    study = study_of(explainer)
    query = study.query(X, y)
    metric = metric_of(name, study, query, y, sensitive)
    return metric, study.objective.predictor(query.jacobian)


def value(explainer, name, X, y, sensitive=None):
    metric, predictor = judged(explainer, name, X, y, sensitive)
    return metric.values(predictor[:, None])[0]


GROUPS = np.array(["x", "y", "z"])[np.arange(N_TEST) % 3]
VOTERS = [("one", LogisticRegression()), ("two", GaussianNB())]
BINARY = {
    "pipeline": logistic(),
    "unpenalised": logistic(C=np.inf),
    "bayes": GaussianNB(),
    "tuned": TunedThresholdClassifierCV(logistic(), scoring="f1", cv=3).set_params(
        scoring="accuracy"
    ),
    "fixed": FixedThresholdClassifier(logistic(), threshold=0.2),
    "fixed score": FixedThresholdClassifier(
        LinearSVC(), threshold=0.3, response_method="decision_function", pos_label="ant"
    ),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=3),
    "soft vote": VotingClassifier(VOTERS, voting="soft"),
    "hard vote": VotingClassifier([*VOTERS, ("three", LogisticRegression(C=0.01))]),
    "one vs rest": OneVsRestClassifier(LinearSVC()),
    "squared hinge": LinearSVC(),
    "ridge": RidgeClassifier(),
    "svm": SVC(),
    "network": MLPClassifier((4,), max_iter=30, random_state=0),
}
MANY = {
    "pipeline": logistic(),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=3),
    "soft vote": VotingClassifier(VOTERS, voting="soft"),
    "rest by bayes": OneVsRestClassifier(GaussianNB()),
    "rest by scores": OneVsRestClassifier(LinearSVC()),
    "soft vote of rests": VotingClassifier(
        [("one", OneVsRestClassifier(GaussianNB())), ("two", LogisticRegression())], voting="soft"
    ),
    "squared hinge": LinearSVC(),
    "svm": SVC(),
    "network": MLPClassifier((4,), max_iter=30, random_state=0),
}
#: Beside those that have no probabilities at all.
NO_PROBABILITIES = {"hard vote", "one vs rest", "squared hinge", "ridge", "svm", "fixed score",
                    "rest by scores"}  # fmt: skip


def scores_of(model, X):
    """What scikit-learn's scorers rank by."""
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    return model.predict_proba(X)[:, 1]


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BINARY)
def test_of_two_classes_values_are_those_of_scikit_learn(kind):
    X, y, X_new, y_new = classes(2)
    explainer = fitted(clone(BINARY[kind]), X, y)
    model, is_bee = explainer.estimator_, y_new == "bee"

    def of(name, sensitive=None):
        return value(explainer, name, X_new, y_new, sensitive)

    predicted = model.predict(X_new)
    assert of("accuracy") == pytest.approx(accuracy_score(y_new, predicted))
    right = [np.mean((predicted == y_new)[group == GROUPS]) for group in "xyz"]
    assert of("worst_group_accuracy", GROUPS) == pytest.approx(min(right))
    for name, among in {
        "demographic_parity": np.ones(N_TEST, bool),
        "equal_opportunity": is_bee,
        "predictive_equality": ~is_bee,
    }.items():
        rates = [np.mean((predicted == "bee")[among & (group == GROUPS)]) for group in "xyz"]
        assert of(name, GROUPS) == pytest.approx(np.ptp(rates))
    if kind == "hard vote":
        return
    scores = scores_of(model, X_new)
    assert of("roc_auc") == pytest.approx(roc_auc_score(is_bee, scores), rel=1e-12)
    expected = average_precision_score(is_bee, scores)
    assert of("average_precision") == pytest.approx(expected, rel=1e-12)
    first = np.argsort(-scores)[:7]
    assert of("precision@7") == pytest.approx(is_bee[first].mean())
    assert of("recall@7") == pytest.approx(is_bee[first].sum() / is_bee.sum())
    assert of("precision@7") == of("precision@11.7%")
    if kind in NO_PROBABILITIES:
        return
    p = model.predict_proba(X_new)
    assert of("log_loss") == pytest.approx(log_loss(y_new, p))
    assert of("brier") == pytest.approx(brier_score_loss(is_bee, p[:, 1]))
    assert of("mean_prediction") == pytest.approx(p[:, 1].mean())
    losses = -np.log(p[np.arange(N_TEST), (y_new == "bee").astype(int)])
    expected = max(losses[group == GROUPS].mean() for group in "xyz")
    assert of("worst_group", GROUPS) == pytest.approx(expected)
    means = [p[(group == GROUPS) & is_bee, 1].mean() for group in "xyz"]
    assert of("soft_equal_opportunity", GROUPS) == pytest.approx(np.ptp(means))
    counts = np.histogram(p[:, 1], np.linspace(0, 1, 11))[0]
    found, told = calibration_curve(is_bee, p[:, 1], n_bins=10)
    expected = np.abs(found - told) @ counts[counts > 0] / N_TEST
    assert of("calibration_error") == pytest.approx(expected)


@pytest.mark.parametrize("kind", MANY)
def test_of_more_classes_values_are_those_of_scikit_learn(kind):
    X, y, X_new, y_new = classes(3)
    explainer = fitted(clone(MANY[kind]), X, y)
    model, is_own = explainer.estimator_, label_binarize(y_new, classes=["ant", "bee", "cow"])

    def of(name, sensitive=None):
        return value(explainer, name, X_new, y_new, sensitive)

    assert of("accuracy") == pytest.approx(accuracy_score(y_new, model.predict(X_new)))
    if kind == "svm":
        for name in ("roc_auc", "average_precision", "brier"):
            with pytest.raises(ValueError, match=f"'{name}'.*SVC"):
                of(name)
        return
    has_probabilities = kind not in NO_PROBABILITIES
    scores = model.predict_proba(X_new) if has_probabilities else model.decision_function(X_new)
    expected = roc_auc_score(is_own, scores, average="macro")
    assert of("roc_auc") == pytest.approx(expected, rel=1e-12)
    expected = average_precision_score(is_own, scores, average="macro")
    assert of("average_precision") == pytest.approx(expected, rel=1e-12)
    if not has_probabilities:
        return
    assert of("roc_auc") == pytest.approx(roc_auc_score(y_new, scores, multi_class="ovr"))
    assert of("log_loss") == pytest.approx(log_loss(y_new, scores))
    assert of("brier") == pytest.approx(((scores - is_own) ** 2).sum(axis=1).mean())
    sure, right = scores.max(axis=1), model.predict(X_new) == y_new
    bins = np.minimum((sure * 10).astype(int), 9)
    errors = [np.sum((right - sure)[bins == place]) for place in range(10)]
    assert of("calibration_error") == pytest.approx(np.abs(errors).sum() / N_TEST)


REGRESSORS = {
    "ridge": (Ridge(), 1),
    "poisson": (PoissonRegressor(tol=1e-10, max_iter=1000), 1),
    "several": (Ridge(), 3),
    "one each": (MultiOutputRegressor(PoissonRegressor(tol=1e-10, max_iter=1000)), 3),
    "vote": (VotingRegressor([("a", Ridge()), ("b", PoissonRegressor(tol=1e-10))]), 1),
    "transformed": (
        TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp), 1,
    ),
    "several transformed": (
        TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp), 2,
    ),
    "scaled": (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", REGRESSORS)
def test_of_numbers_values_are_those_of_scikit_learn(kind):
    model, n_targets = REGRESSORS[kind]
    X, y, X_new, y_new = numbers(n_targets)
    explainer = fitted(clone(model), X, y)
    predicted = explainer.predict(X_new)
    found = [value(explainer, name, X_new, y_new) for name in ("mean_squared_error", "r2")]
    assert_allclose(found, [mean_squared_error(y_new, predicted), r2_score(y_new, predicted)])
    errors = ((y_new - predicted) ** 2).reshape(N_TEST, -1).mean(axis=1)
    expected = max(errors[group == GROUPS].mean() for group in "xyz")
    assert value(explainer, "worst_group", X_new, y_new, GROUPS) == pytest.approx(expected)
    if n_targets == 1:
        found = value(explainer, "soft_demographic_parity", X_new, None, GROUPS)
        assert found == pytest.approx(np.ptp([predicted[g == GROUPS].mean() for g in "xyz"]))


def test_ties_are_those_of_scikit_learn_in_each_of_many_models():
    is_positive = RNG.random(50) < 0.3
    scores = np.hstack(
        [
            RNG.integers(0, 6, (50, 20)).astype(float),
            RNG.normal(size=(50, 20)),
            np.repeat(RNG.normal(size=(25, 5)), 2, axis=0),
            np.zeros((50, 1)),
        ]
    )
    for ranking, of in {RocAuc: roc_auc_score, AveragePrecision: average_precision_score}.items():
        found = ranking(is_positive[:, None]).values(scores[:, :, None])
        assert_allclose(found, [of(is_positive, own) for own in scores.T], rtol=1e-12)
    scores[0, 0] = np.nan
    found = RocAuc(is_positive[:, None]).values(scores[:, :, None])
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()


def test_rows_tied_for_the_last_places_share_them():
    is_positive = np.array([True, False, True, False, False])[:, None]
    scores = np.array([3.0, 2.0, 2.0, 2.0, 1.0])[:, None, None]
    # The first row, and one of three at the same score, of which one is positive.
    assert TopRows(is_positive, 2, 2).values(scores)[0] == pytest.approx((1 + 1 / 3) / 2)


# --- gradients ---------------------------------------------------------------------------------


def ramp(differences, width):
    return np.clip(differences / (2 * width) + 0.5, 0, 1)


def width_of(scores):
    """By the rule that the documentation states."""
    low, high = np.percentile(scores, [25, 75])
    return 0.3915 * min(scores.std(), (high - low) / 1.349) * len(scores) ** -0.2


def smooth_auc(scores, is_positive, width):
    pairs = scores[is_positive][:, None] - scores[~is_positive]
    return ramp(pairs, width).mean()


def smooth_precision(scores, is_positive, width):
    among = ramp(scores - scores[:, None], width)
    np.fill_diagonal(among, 1)
    return ((among @ is_positive) / among.sum(axis=1))[is_positive].mean()


def smooth_recall(scores, is_positive, width, n_first=20):
    low, high = scores.min() - width, scores.max() + width
    for _ in range(100):
        level = (low + high) / 2
        low, high = (level, high) if ramp(scores - level, width).sum() > n_first else (low, level)
    return ramp(scores - level, width)[is_positive].sum() / is_positive.sum()


def slopes(function, at, step=1e-6):
    """Central differences of a function of an array."""
    found = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[place] += sign * step
            ends.append(function(moved))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize(
    "ranking, smooth",
    [
        (RocAuc, smooth_auc),
        (AveragePrecision, smooth_precision),
        (lambda is_positive: TopRows(is_positive, 20, is_positive.sum()), smooth_recall),
    ],
    ids=["roc_auc", "average_precision", "recall@20"],
)
@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e6])
def test_gradients_of_rankings_are_those_of_ramps(ranking, smooth, scale):
    rng = np.random.default_rng(1)
    is_positive = rng.random(80) < 0.4
    scores = scale * (3 + rng.normal(size=80) + is_positive)
    width = width_of(scores)
    expected = slopes(lambda at: smooth(at, is_positive, width), scores, 1e-6 * scale)
    found = ranking(is_positive[:, None]).gradient(scores[:, None])[:, 0]
    # The rule is stated with four digits.
    assert_allclose(
        found * scale, expected * scale, rtol=0, atol=2e-3 * np.abs(expected).max() * scale
    )
    assert abs(found.sum()) < 1e-12 * np.abs(found).sum()


def test_scores_far_out_leave_the_digits_of_the_others():
    rng = np.random.default_rng(1)
    is_positive = rng.random(80) < 0.4
    scores = rng.normal(size=80) + is_positive
    scores[:2] = 1e12, -1e12
    expected = slopes(lambda at: smooth_precision(at, is_positive, width_of(scores)), scores)
    found = AveragePrecision(is_positive[:, None]).gradient(scores[:, None])[:, 0]
    assert_allclose(found[2:], expected[2:], rtol=0, atol=2e-3 * np.abs(expected[2:]).max())


def test_the_same_score_for_all_has_a_gradient_all_the_same():
    is_positive = np.arange(6) < 2
    for ranking in (RocAuc, AveragePrecision):
        found = ranking(is_positive[:, None]).gradient(np.full((6, 1), 0.7))
        assert (found[:2] > 0).all() and (found[2:] < 0).all()


SMOOTH_OF_CLASSES = ["log_loss", "brier", "mean_loss"]
SMOOTH_OF_GROUPS = ["worst_group", "soft_demographic_parity",
                 "soft_equal_opportunity", "soft_predictive_equality", "cohens_d"]  # fmt: skip


def check_gradient(explainer, name, X, y, sensitive=None):
    metric, predictor = judged(explainer, name, X, y, sensitive)
    assert not metric.is_smoothed
    expected = slopes(lambda eta: metric.values(eta[:, None])[0], predictor)
    found = metric.gradient(predictor)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max() + 1e-9)


@pytest.mark.parametrize("kind", [kind for kind in BINARY if kind not in NO_PROBABILITIES])
def test_gradients_of_smooth_metrics_of_two_classes_are_their_differences(kind):
    X, y, X_new, y_new = classes(2)
    explainer = fitted(clone(BINARY[kind]), X, y)
    for name in (*SMOOTH_OF_CLASSES, "mean_prediction"):
        check_gradient(explainer, name, X_new, y_new)
    for name in SMOOTH_OF_GROUPS:
        groups = GROUPS == "x" if name == "cohens_d" else GROUPS
        check_gradient(explainer, name, X_new, y_new, groups)


@pytest.mark.parametrize("kind", [kind for kind in MANY if kind not in NO_PROBABILITIES])
def test_gradients_of_smooth_metrics_of_more_classes_are_their_differences(kind):
    X, y, X_new, y_new = classes(3)
    explainer = fitted(clone(MANY[kind]), X, y)
    for name in SMOOTH_OF_CLASSES:
        check_gradient(explainer, name, X_new, y_new)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_gradients_of_numbers_are_differences(kind):
    model, n_targets = REGRESSORS[kind]
    X, y, X_new, y_new = numbers(n_targets)
    explainer = fitted(clone(model), X, y)
    for name in ("mean_squared_error", "r2", "mean_loss"):
        check_gradient(explainer, name, X_new, y_new)


@pytest.mark.parametrize("name", ["accuracy", "worst_group_accuracy", "demographic_parity"])
@pytest.mark.parametrize("kind", sorted(set(BINARY) - {"hard vote"}))
def test_labels_change_with_the_ramp_of_a_margin(kind, name):
    """The gradient is ``ramp'(m) m'``, with the m at 0 of which the label changes."""
    X, y, X_new, y_new = classes(2)
    explainer = fitted(clone(BINARY[kind]), X, y)
    sensitive = None if name == "accuracy" else GROUPS
    metric, predictor = judged(explainer, name, X_new, y_new, sensitive)
    positions = (y_new == "bee").astype(int) if "accuracy" in name else np.ones(N_TEST, int)
    margin = metric.reading.margin.of_each(predictor)[:, 0]
    predicted = explainer.predict(X_new) == np.array(["ant", "bee"])[positions]
    assert np.array_equal(margin > 0, predicted)
    # Which groups are the first and the last, labels tell and not ramps.
    weights = metric.summary.gradient(metric.reading.values(predictor[:, None])[:, 0])[:, 0]
    check_ramps(metric, predictor, lambda read: weights @ read)


def check_ramps(metric, predictor, summary):
    margins = metric.reading.margin
    width = width_of(margins.of_each(predictor)[:, 0])
    expected = slopes(lambda eta: summary(ramp(margins.of_each(eta)[:, 0], width)), predictor)
    assert metric.is_smoothed
    found = metric.gradient(predictor)
    assert_allclose(found, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


def test_the_margin_of_more_classes_is_the_lead_over_the_best_other():
    X, y, X_new, y_new = classes(3)
    for kind in ("pipeline", "calibrated", "squared hinge"):
        explainer = fitted(clone(MANY[kind]), X, y)
        metric, predictor = judged(explainer, "accuracy", X_new, y_new)
        margin = metric.reading.margin.of_each(predictor)[:, 0]
        assert np.array_equal(margin > 0, explainer.predict(X_new) == y_new)
        check_ramps(metric, predictor, lambda read: read.mean())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_error_shares_rows_out_between_bins(n_classes):
    X, y, X_new, y_new = classes(n_classes)
    explainer = fitted(logistic(), X, y)
    metric, predictor = judged(explainer, "calibration_error", X_new, y_new)
    right = explainer.predict(X_new) == y_new if n_classes == 3 else y_new == "bee"

    def smooth(eta):
        p = study_of(explainer).objective.loss.probabilities(eta)
        p = p.max(axis=1) if n_classes == 3 else p[:, 1]
        middles = np.linspace(0.05, 0.95, 10)
        shares = np.clip(1 - np.abs(np.clip(p, 0.05, 0.95)[:, None] - middles) / 0.1, 0, 1)
        return np.abs((right - p) @ shares).sum() / len(p)

    expected = slopes(smooth, predictor)
    assert_allclose(metric.gradient(predictor), expected, rtol=1e-5, atol=1e-8)


# --- effects -----------------------------------------------------------------------------------


def test_effects_are_those_of_refits():
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    pipeline = explainer.estimator_
    X_in = pipeline[:-1].transform(X)

    def refit(rows):
        model = clone(pipeline[-1]).set_params(tol=1e-12).fit(X_in[rows], y[rows])
        return make_pipeline(pipeline[0], model)

    sklearns = {
        "roc_auc": lambda m: roc_auc_score(y_new == "bee", m.decision_function(X_new)),
        "brier": lambda m: brier_score_loss(y_new == "bee", m.predict_proba(X_new)[:, 1]),
        "accuracy": lambda m: m.score(X_new, y_new),
    }
    for name, of in sklearns.items():
        effect = explainer.removal_effect_on(name, X_new, y_new, order="retrain")
        expected = [
            of(refit(np.delete(np.arange(len(y)), row))) - of(refit(np.arange(len(y))))
            for row in range(12)
        ]
        assert_allclose(effect[:12], expected, rtol=0, atol=1e-7)


def test_first_order_is_the_derivative_in_the_weight_of_a_row():
    X, y, X_new, y_new = classes(3)
    weight, step = np.ones(len(y)), 1e-4
    explainer = fitted(LogisticRegression(solver="newton-cholesky", tol=1e-12), X, y)
    effect = explainer.removal_effect_on("brier", X_new, y_new, order="first")
    is_own = label_binarize(y_new, classes=["ant", "bee", "cow"])

    def brier(weight):
        model = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y, weight)
        return ((model.predict_proba(X_new) - is_own) ** 2).sum(axis=1).mean()

    for row in range(5):
        change = step * (np.arange(len(y)) == row)
        slope = (brier(weight + change) - brier(weight - change)) / (2 * step)
        assert effect[row] == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_iris])
def test_newton_steps_tell_what_retraining_does_to_the_auc(load):
    X, y = load(return_X_y=True)
    rng = np.random.default_rng(0)
    X, y = X + X.std(axis=0) * rng.normal(size=X.shape), y
    train = rng.permutation(len(y)) < len(y) / 2
    explainer = fitted(logistic(), X[train], y[train])
    asked = X[~train], y[~train]
    newton = explainer.removal_effect_on("roc_auc", *asked)
    retrained = explainer.removal_effect_on("roc_auc", *asked, order="retrain")
    assert np.corrcoef(newton, retrained)[0, 1] > 0.99


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "demographic_parity"])
def test_what_changes_no_count_has_an_effect_of_exactly_zero(name):
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    sensitive = GROUPS if name == "demographic_parity" else None
    effect = explainer.removal_effect_on(name, X_new, y_new, sensitive=sensitive)
    assert (effect == 0).sum() > 20 and (np.abs(effect) > 1e-4).any()
    assert not ((effect != 0) & (np.abs(effect) < 1e-4)).any()


BOUNDED = ["accuracy", "log_loss", "brier", "roc_auc", "average_precision", "recall@7",
           "calibration_error", "mean_loss", "demographic_parity", "worst_group"]  # fmt: skip


@pytest.mark.parametrize("n_classes, kind", [(2, "tuned"), (2, "fixed score"), (3, "pipeline")])
def test_no_exact_effect_is_farther_off_than_the_bound(n_classes, kind):
    X, y, X_new, y_new = classes(n_classes)
    explainer = fitted(clone((BINARY if n_classes == 2 else MANY)[kind]), X, y)
    told = 0
    for name in BOUNDED:
        groups = GROUPS if name in ("demographic_parity", "worst_group") else None
        try:
            judged(explainer, name, X_new, y_new, groups)
        except ValueError:  # Of two classes, or of probabilities.
            continue
        check_bounds(explainer, name, X_new, y_new, groups)
        told += 1
    assert told >= 6


@pytest.mark.parametrize("kind", ["ridge", "poisson", "several"])
def test_no_exact_effect_on_numbers_is_farther_off_than_the_bound(kind):
    model, n_targets = REGRESSORS[kind]
    X, y, X_new, y_new = numbers(n_targets)
    explainer = fitted(clone(model), X, y)
    for name in ("mean_squared_error", "r2", "mean_loss"):
        check_bounds(explainer, name, X_new, y_new)


def check_bounds(explainer, name, X, y, sensitive=None):
    effect, bound = explainer.removal_effect_on(name, X, y, sensitive=sensitive, return_bounds=True)
    exact = explainer.removal_effect_on(name, X, y, sensitive=sensitive, order="retrain")
    assert not np.isnan(bound).any() and np.isfinite(bound).mean() > 0.8
    assert (np.abs(effect - exact) <= bound + 1e-13).all()


def test_groups_of_rows_and_frames_of_queries():
    pd = pytest.importorskip("pandas")
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    vendors = np.array(["A", "B"])[np.arange(len(y)) % 2]
    frame = pd.DataFrame(X_new).assign(sex=GROUPS)
    asked = frame.drop(columns="sex"), pd.Series(y_new)
    effect = explainer.removal_effect_on(
        "equal_opportunity", *asked, groups=vendors, sensitive=frame["sex"]
    )
    assert effect.index.tolist() == ["A", "B"]
    plain = explainer.removal_effect_on(
        "equal_opportunity", X_new, y_new, groups=vendors, sensitive=GROUPS.tolist()
    )
    assert_allclose(effect["change"], plain)


def test_rows_of_no_group_count_for_none():
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    some = [None if group == "z" else group for group in GROUPS]
    found = value(explainer, "soft_demographic_parity", X_new, y_new, some)
    kept = GROUPS != "z"
    expected = value(explainer, "soft_demographic_parity", X_new[kept], y_new[kept], GROUPS[kept])
    assert found == pytest.approx(expected)
    single = np.where(np.arange(N_TEST) == 0, 1.0, 2.0)
    p = explainer.predict_proba(X_new)[:, 1]
    found = value(explainer, "soft_demographic_parity", X_new, None, single)
    assert found == pytest.approx(abs(p[0] - p[1:].mean()))


# --- refusals ----------------------------------------------------------------------------------


def refused(explainer, name, X, y, match, sensitive=None, order="newton"):
    with pytest.raises(ValueError, match=match):
        explainer.removal_effect_on(name, X, y, sensitive=sensitive, order=order)


def test_what_a_metric_asks_for_and_is_not_there_is_refused_by_its_name():
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    refused(explainer, "f1", X_new, y_new, r"'accuracy'.*'roc_auc'.*'recall@k'; got 'f1'")
    refused(explainer, 3, X_new, y_new, "got 3")
    refused(explainer, ["roc_auc"], X_new, y_new, r"got \['roc_auc'\]")
    refused(explainer, "recall@k", X_new, y_new, "'recall@100'")
    refused(explainer, "recall@60", X_new, y_new, "first of 60 rows; it takes 1 to 59")
    refused(explainer, "recall@0", X_new, y_new, "1 to 59")
    refused(explainer, "precision@100%", X_new, y_new, "1 to 59")
    for name in ("roc_auc", "accuracy", "log_loss", "recall@5", "mean_loss"):
        refused(explainer, name, X_new, None, f"'{name}'.*pass y")
        refused(explainer, name, X_new, y_new, f"sensitive means nothing to '{name}'", GROUPS)
    for name in ("equal_opportunity", "worst_group"):
        refused(explainer, name, X_new, None, f"'{name}'.*pass y", GROUPS)
        refused(explainer, name, X_new, y_new, f"'{name}'.*pass sensitive")
    refused(explainer, "demographic_parity", X_new, y_new, "of one, 'w'", ["w"] * N_TEST)
    refused(explainer, "demographic_parity", X_new, y_new, "each of the 60 rows", ["w"] * 3)
    refused(explainer, "cohens_d", X_new, y_new, "two groups of two rows", GROUPS)
    refused(explainer, "cohens_d", X_new, y_new, "two groups", np.arange(N_TEST) == 0)
    is_ant = X_new[y_new == "ant"], y_new[y_new == "ant"]
    refused(explainer, "roc_auc", *is_ant, r"'roc_auc'.*no row of \['bee'\]")
    refused(explainer, "average_precision", *is_ant, r"no row of \['bee'\]")
    refused(explainer, "equal_opportunity", X_new, y_new, "class 'bee'.*None", y_new)
    for name in ("r2", "mean_squared_error"):
        refused(explainer, name, X_new, y_new, f"'{name}' is of regressors")

    def mean(scores):
        return scores.mean(), np.full(scores.shape, 1 / len(scores))

    refused(explainer, mean, X_new, y_new, "leave y and sensitive out")


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda scores: scores.mean(), "must return a pair, the number and its gradient"),
        (lambda scores: scores, "must return a pair"),
        (lambda scores: (scores, scores), r"one number; got shape \(60,\)"),
        (lambda scores: (np.nan, scores), "gives nan"),
    ],
)
def test_functions_that_return_no_number_are_refused(function, match):
    X, y, X_new, _ = classes(2)
    for order in ("first", "newton"):
        refused(fitted(logistic(), X, y), function, X_new, None, match, order=order)


@pytest.mark.parametrize(
    ("gradient", "match"),
    [
        (lambda scores: None, "of object"),
        (lambda scores: np.ones(3), r"shape of its scores, \(60,\); got shape \(3,\)"),
        (lambda scores: np.full_like(scores, np.inf), "not finite"),
    ],
)
def test_gradients_that_are_none_are_refused_where_they_are_asked_for(gradient, match):
    X, y, X_new, _ = classes(2)
    explainer = fitted(logistic(), X, y)

    def mean(scores):
        return scores.mean(), gradient(scores)

    refused(explainer, mean, X_new, None, match, order="first")
    assert explainer.removal_effect_on(mean, X_new).shape == (len(X),)


def test_options_are_checked_whatever_the_procedure():
    X, y, X_new, y_new = classes(2)
    explainer = fitted(logistic(), X, y)
    for procedure in ("model", "all"):
        with pytest.raises(ValueError, match="tol must be finite and at least 0; got -1"):
            explainer.removal_effect(X_new, y_new, procedure=procedure, tol=-1)


def test_what_a_model_does_not_have_is_refused_by_the_name_of_the_metric():
    X, y, X_new, y_new = classes(2)
    for kind in ("squared hinge", "svm", "hard vote"):
        explainer = fitted(clone(BINARY[kind]), X, y)
        for name in ("log_loss", "brier", "calibration_error"):
            refused(explainer, name, X_new, y_new, f"'{name}' is of probabilities.*'mean_loss'")
    refused(explainer, "roc_auc", X_new, y_new, "'roc_auc' ranks rows.*VotingClassifier")
    refused(explainer, "accuracy", X_new, y_new, "needs a margin.*'newton'", order="first")
    assert np.isfinite(value(explainer, "mean_loss", X_new, y_new))
    # Its probabilities are averages over what is not known of the score.
    explainer = fitted(GaussianProcessClassifier(), X, y)
    refused(explainer, "roc_auc", X_new, y_new, "GaussianProcessClassifier")
    assert value(explainer, "accuracy", X_new, y_new) == explainer.estimator_.score(X_new, y_new)
    X, y, X_new, y_new = classes(3)
    explainer = fitted(logistic(), X, y)
    for name in ("demographic_parity", "soft_demographic_parity", "equal_opportunity"):
        refused(explainer, name, X_new, y_new, f"'{name}' is of 2 classes.* has 3", GROUPS)
    refused(explainer, "recall@5", X_new, y_new, "2 classes")


def test_numbers_several_labels_and_no_targets_have_metrics_of_their_own():
    X, y, X_new, y_new = numbers()
    explainer = fitted(Ridge(), X, y)
    for name in ("accuracy", "roc_auc", "log_loss", "recall@5"):
        refused(explainer, name, X_new, y_new, f"'{name}' is of classifiers")
    refused(explainer, "r2", X_new, np.ones(N_TEST), "has none in these rows")
    refused(explainer, "r2", X_new, None, "pass y")
    both = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    explainer = fitted(MultiOutputClassifier(LogisticRegression()), X, both)
    refused(explainer, "accuracy", X, both, "one label a row")
    assert np.isfinite(value(explainer, "mean_loss", X, both))
    explainer = RelatIFExplainer(OneClassSVM(gamma=0.1)).fit(X)
    refused(explainer, "mean_prediction", X_new, None, "one label a row")


def test_what_the_whole_procedure_would_do_to_thresholds_and_calibrations_is_not_told():
    X, y, X_new, y_new = classes(2)
    asked = {"groups": np.arange(len(y)) % 3, "order": "retrain", "procedure": "all"}
    explainer = RelatIFExplainer(clone(BINARY["tuned"])).fit(X, y)
    with pytest.raises(ValueError, match="'accuracy' is of labels, whose threshold is tuned"):
        explainer.removal_effect_on("accuracy", X_new, y_new, **asked)
    tuned = explainer.removal_effect_on("brier", X_new, y_new, **asked)
    explainer = RelatIFExplainer(clone(BINARY["fixed"])).fit(X, y)
    assert_allclose(explainer.removal_effect_on("brier", X_new, y_new, **asked), tuned)
    found = explainer.removal_effect_on("accuracy", X_new, y_new, **asked)
    rest = [np.flatnonzero(asked["groups"] != group) for group in range(3)]
    scores = [clone(BINARY["fixed"]).fit(X[rows], y[rows]).score(X_new, y_new) for rows in rest]
    assert_allclose(found, np.array(scores) - explainer.estimator_.score(X_new, y_new), atol=1e-12)
    explainer = RelatIFExplainer(clone(BINARY["calibrated"])).fit(X, y)
    with pytest.raises(ValueError, match="calibrated anew"):
        explainer.removal_effect_on("brier", X_new, y_new, **asked)


def test_all_names_are_told():
    assert "roc_auc" in METRICS and "recall@k" in METRICS
    assert len(set(METRICS)) == len(METRICS)
