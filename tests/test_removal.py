"""What removing rows does, as the explainer tells it, against scikit-learn's own refits."""

import numpy as np
import pytest
from joblib import parallel_backend
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_expit, log_softmax
from scipy.stats import pearsonr, spearmanr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.curvature import _memory
from sklearn_relatif.explainers import study_of
from sklearn_relatif.objectives import LinearObjective
from tests import cases, reference

pytestmark = cases.ignore_warning_about_no_penalty

ORDERS = ("first", "newton", "retrain")
N_QUERIES = 6


def logistic(C=1.0, **options):
    """A logistic regression whose fits are exact to rounding."""
    return LogisticRegression(C=C, solver="newton-cholesky", tol=1e-11, max_iter=200, **options)


def saga(**options):
    return LogisticRegression(solver="saga", tol=1e-11, max_iter=100_000, random_state=0, **options)


def squared_hinge():
    return LinearSVC(C=0.1, dual=True, tol=1e-10, max_iter=100_000, random_state=0)


def l1_model(solver, l1_ratio, **options):
    """A logistic regression with an L1 penalty, whichever way scikit-learn is asked for it."""
    if not cases.HAS_MULTI_CLASS:
        options["l1_ratio"] = l1_ratio
    elif solver == "liblinear":
        options["penalty"] = "l1"
    else:
        options |= {"penalty": "elasticnet", "l1_ratio": l1_ratio}
    return LogisticRegression(solver=solver, **options)


def small_wine(n_rows=60):
    X, y = cases.wine()
    order = np.random.default_rng(0).permutation(len(y))[:n_rows]
    return X[order], y[order]


def overlapping(n_classes, n_rows=120):
    X, y = cases.noisy_classes(n_classes, n_rows)
    weight = np.random.default_rng(2).uniform(0.3, 2.5, n_rows)
    return X, y, weight


def log_losses(model, X, y):
    """Log loss of each row; of one-vs-rest, the sum over its binary problems."""
    scores = model.decision_function(X)
    if scores.ndim == 1:
        return -log_expit(np.where(y == model.classes_[1], scores, -scores))
    own = y[:, None] == model.classes_
    if isinstance(model, OneVsRestClassifier):
        return -log_expit(np.where(own, scores, -scores)).sum(axis=1)
    return -log_softmax(scores, axis=1)[own]


def squared_hinge_losses(model, X, y):
    scores = np.atleast_2d(model.decision_function(X).T).T
    classes = model.classes_[1:] if scores.shape[1] == 1 else model.classes_
    margins = np.where(y[:, None] == classes, scores, -scores)
    return (np.maximum(1 - margins, 0) ** 2).sum(axis=1)


def refits(model, X, y, removals, weight=None):
    """scikit-learn's fits without each of some groups of rows, which are deleted."""
    models = []
    for rows in removals:
        kept = np.delete(np.arange(len(y)), rows)
        options = {} if weight is None else {"sample_weight": weight[kept]}
        models.append(clone(model).fit(X[kept], y[kept], **options))
    return models


def members(groups):
    return [np.flatnonzero(groups == label) for label in np.unique(groups)]


# --- removal_effect ------------------------------------------------------------------------

MODELS = {
    "binary": (logistic(), 2, log_losses),
    "multinomial": (logistic(), 3, log_losses),
    "class weights": (logistic(0.3, class_weight={0: 1.0, 1: 3.0, 2: 0.5}), 3, log_losses),
    "no intercept": (logistic(fit_intercept=False), 3, log_losses),
    "no penalty": (logistic(np.inf), 2, log_losses),
    "l1": (saga(l1_ratio=1.0, penalty="l1", C=0.3), 2, log_losses),
    "squared hinge": (squared_hinge(), 3, squared_hinge_losses),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.filterwarnings("ignore:l1_ratio parameter is only used")
def test_retrained_effects_are_those_of_refits(name):
    model, n_classes, losses = MODELS[name]
    X, y, weight = overlapping(n_classes)
    model = clone(model).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    before = losses(model, queries, labels)

    chosen = np.r_[np.argsort(-explainer.self_influence_)[:5], 50:55]
    rows = explainer.removal_effect(queries, labels, order="retrain")
    assert rows.shape == (N_QUERIES, len(y))
    expected = [losses(m, queries, labels) for m in refits(model, X, y, chosen[:, None], weight)]
    assert_allclose(rows[:, chosen], np.transpose(expected) - before[:, None], rtol=0, atol=1e-8)

    groups = np.arange(len(y)) % 10
    together = explainer.removal_effect(queries, labels, groups, order="retrain")
    expected = [losses(m, queries, labels) for m in refits(model, X, y, members(groups), weight)]
    assert_allclose(together, np.transpose(expected) - before[:, None], rtol=0, atol=1e-8)


def test_retrained_effects_of_one_vs_rest():
    X, y, _ = overlapping(3)
    model = OneVsRestClassifier(logistic()).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    effect = explainer.removal_effect(queries, labels, order="retrain")[:, :8]
    after = [log_losses(m, queries, labels) for m in refits(model, X, y, np.arange(8)[:, None])]
    expected = np.transpose(after) - log_losses(model, queries, labels)[:, None]
    assert_allclose(effect, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("group_size", [1, 3, 40])
def test_newton_effects_by_brute_force(n_classes, group_size):
    """One step with the Hessian of the other rows, written out; few rows are downdated."""
    X, y, weight = overlapping(n_classes)
    model = logistic().fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    groups = np.arange(len(y)) // group_size
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    effect = explainer.removal_effect(queries, labels, groups)

    W, link = cases.parameters(model), cases.link_of(model)
    D, D_query = reference.design(X), reference.design(queries)
    penalty = np.append(np.full(X.shape[1], 1 / model.C), 0)
    gradients = reference.gradients(W, D, y, link)
    before = reference.log_loss(W, D_query, labels, link)
    for label in range(len(effect.T)):
        inside = groups == label
        s = np.where(inside, 0, weight)
        gradient = s @ gradients + (penalty * W).ravel()
        hessian = s.sum() * reference.hessian(W, D, s, penalty, link)
        stepped = W - (np.linalg.pinv(hessian, hermitian=True) @ gradient).reshape(W.shape)
        expected = reference.log_loss(stepped, D_query, labels, link) - before
        assert_allclose(effect[:, label], expected, rtol=1e-7, atol=1e-11)


def test_first_order_is_the_weighted_influence_and_adds_up():
    X, y, weight = overlapping(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    influence = explainer.pairwise_influence(X[:N_QUERIES], criterion="influence")
    expected = influence * weight / weight.sum()
    rows = explainer.removal_effect(X[:N_QUERIES], order="first")
    assert_allclose(rows, expected, rtol=1e-10)
    groups = np.arange(len(y)) % 7
    together = explainer.removal_effect(X[:N_QUERIES], groups=groups, order="first")
    indicator = groups[:, None] == np.arange(7)
    assert_allclose(together, expected @ indicator, rtol=1e-9, atol=1e-12)


def test_each_order_is_closer_to_the_truth():
    X, y = cases.breast_cancer()
    explainer = RelatIFExplainer(logistic()).fit(X[::2], y[::2])
    hardest = np.argsort(-explainer.self_influence_)[:15]
    effects = {
        order: explainer.removal_effect(X[1:80:2], y[1:80:2], order=order)[:, hardest].ravel()
        for order in ORDERS
    }
    first, newton = (pearsonr(effects[o], effects["retrain"]).statistic for o in ORDERS[:2])
    assert newton > 0.985 > first


def test_predicted_labels_are_the_default():
    X, y, _ = overlapping(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    for order in ORDERS:
        implied = explainer.removal_effect(X[:N_QUERIES], order=order)
        given = explainer.removal_effect(
            X[:N_QUERIES], explainer.predict(X[:N_QUERIES]), order=order
        )
        assert_array_equal(implied, given)


def test_rows_of_weight_zero_have_no_effect():
    X, y, _ = overlapping(2)
    weight = cases.weights_with_zeros(len(y))
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    for order in ORDERS:
        effect = explainer.removal_effect(X[:N_QUERIES], order=order)
        assert_allclose(effect[:, weight == 0], 0, atol=1e-12)
        assert (effect[:, weight > 0] != 0).all()


def test_curvature_damping_and_solver_do_not_change_the_truth_nor_the_newton_step():
    X, y, _ = overlapping(3)
    plain = RelatIFExplainer(logistic()).fit(X, y)
    for options in (
        {"curvature": "fisher"},
        {"curvature": "identity"},
        {"solver": "cg"},
        {"solver": "woodbury"},
        {"damping": 1.0},
    ):
        other = RelatIFExplainer(logistic(), **options).fit(X, y)
        for order in ORDERS[1:]:
            expected = plain.removal_effect(X[:N_QUERIES], order=order)
            effect = other.removal_effect(X[:N_QUERIES], order=order)
            assert_allclose(effect, expected, rtol=1e-6, atol=1e-10)
        assert_allclose(other.loo_proba(), plain.loo_proba(), rtol=1e-6)


@pytest.mark.parametrize("model", [logistic(), OneVsRestClassifier(logistic())])
def test_without_room_for_a_factor(model, monkeypatch):
    """Then no Hessian is formed, and its inverse is that of conjugate gradients."""
    X, y, _ = overlapping(3)
    plain = RelatIFExplainer(model, solver="cg").fit(X, y)
    large = np.where(np.arange(len(y)) % 3 == 0, "third", None)
    options = [{}, {"groups": np.arange(len(y)) // 3}, {"groups": large}]
    expected = [plain.removal_effect(X[:N_QUERIES], **groups) for groups in options]
    expected_proba = plain.loo_proba()

    monkeypatch.setattr(_memory, "machine_memory", lambda: 1)
    monkeypatch.delattr(LinearObjective, "hessian")
    explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.solver_.name == "cg"
    for groups, effect in zip(options, expected, strict=True):
        assert (
            cases.relative_error(explainer.removal_effect(X[:N_QUERIES], **groups), effect) < 1e-6
        )
    assert_allclose(explainer.loo_proba(), expected_proba, rtol=1e-6)
    with pytest.raises(ValueError, match="Retraining needs a factor of the Hessian"):
        explainer.removal_effect(X[:N_QUERIES], order="retrain")


def test_wide_data_agree_with_refits():
    """More columns than rows: the objective is that in the space of the rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 300)), np.arange(40) % 3
    model = logistic().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    chosen = np.arange(5)
    queries, labels = rng.normal(size=(4, 300)), np.array([0, 1, 2, 0])
    effect = explainer.removal_effect(queries, labels, order="retrain")[:, chosen]
    after = [log_losses(m, queries, labels) for m in refits(model, X, y, chosen[:, None])]
    expected = np.transpose(after) - log_losses(model, queries, labels)[:, None]
    assert_allclose(effect, expected, rtol=0, atol=1e-8)


def test_sparse_rows():
    X, y = cases.text()
    dense, sparse = (RelatIFExplainer(logistic()).fit(table, y) for table in (X.toarray(), X))
    for order in ORDERS:
        expected = dense.removal_effect(X[:4].toarray(), groups=np.arange(len(y)) % 5, order=order)
        effect = sparse.removal_effect(X[:4], groups=np.arange(len(y)) % 5, order=order)
        assert_allclose(effect, expected, rtol=1e-7, atol=1e-10)


# --- groups --------------------------------------------------------------------------------


def group_forms(pd):
    """The same assignment of 120 rows to two groups, or to none, in many forms."""
    plain = [(None, 2, 10)[row % 3] for row in range(120)]
    names = [None if label is None else f"vendor {label:02d}" for label in plain]
    gaps = [np.nan if label is None else label for label in plain]
    dates = [None if label is None else f"2020-01-{label:02d}" for label in plain]
    return {
        "ints and None": plain,
        "ints and NaN": gaps,
        "floats": np.array(gaps),
        "strings": names,
        "object array": np.array(names, dtype=object),
        "strings and NaN": [np.nan if name is None else name for name in names],
        "Series": pd.Series(names, index=range(500, 620)),
        "Categorical": pd.Categorical(names),
        "Int64": pd.array(plain, dtype="Int64"),
        "string": pd.array(names, dtype="string"),
        "pd.NA": [pd.NA if label is None else label for label in plain],
        "dates": pd.to_datetime(pd.Series(dates)),
        "datetime64": np.array(dates, dtype="datetime64[ns]"),
        "masked": np.ma.array(
            [label or 0 for label in plain], mask=[label is None for label in plain]
        ),
        "masked strings": np.ma.array(
            [name or "" for name in names], mask=[name is None for name in names]
        ),
        "masked values": [np.ma.masked if label is None else label for label in plain],
        "Series of Int64": pd.Series(plain, dtype="Int64"),
        "categories of Int64": pd.Categorical(pd.array(plain, dtype="Int64")),
        "Float64": pd.array(plain, dtype="Float64"),
    }


def test_groups_of_every_kind():
    pd = pytest.importorskip("pandas")
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    numbers = np.arange(120) % 3
    of_each = explainer.removal_effect(X[:N_QUERIES], groups=numbers)
    for name, groups in group_forms(pd).items():
        effect = explainer.removal_effect(X[:N_QUERIES], groups=groups)
        assert_array_equal(effect, of_each[:, 1:], err_msg=name)


def test_groups_of_one_are_rows():
    X, y, _ = overlapping(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    backwards = -np.arange(len(y))
    for order in ORDERS:
        rows = explainer.removal_effect(X[:N_QUERIES], order=order)
        groups = explainer.removal_effect(X[:N_QUERIES], groups=backwards, order=order)
        assert_allclose(groups, rows[:, ::-1], rtol=1e-8, atol=1e-12)


# --- removal_effect_on ---------------------------------------------------------------------


def mean_log_loss(labels):
    """Mean log loss as a function of scores, with its gradient."""

    def function(scores):
        if scores.ndim == 1:
            signs = np.where(labels == 1, 1.0, -1.0)
            slope = -signs * np.exp(log_expit(-signs * scores))
            return -log_expit(signs * scores).mean(), slope / len(labels)
        log_p = log_softmax(scores, axis=1)
        own = np.eye(scores.shape[1])[labels]
        return -(own * log_p).sum() / len(labels), (np.exp(log_p) - own) / len(labels)

    return function


def score_gap(scores):
    """Gap between the mean last scores of the even and the odd queries."""
    last = scores if scores.ndim == 1 else scores[:, -1]
    signs = np.where(np.arange(len(last)) % 2, -2.0, 2.0) / len(last)
    gradient = np.zeros_like(scores)
    if scores.ndim == 1:
        gradient[:] = signs
    else:
        gradient[:, -1] = signs
    return signs @ last, gradient


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_mean_loss_is_the_mean_of_the_losses(n_classes, order):
    X, y, weight = overlapping(n_classes)
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    queries, labels = X[:20] + 0.1, y[:20]
    for groups in (None, [None, "a", "b"] * 40):
        each = explainer.removal_effect(queries, labels, groups, order=order)
        mean = explainer.removal_effect_on(
            mean_log_loss(labels), queries, groups=groups, order=order
        )
        assert_allclose(mean, each.mean(axis=0), rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_score_gap_of_refits(n_classes):
    X, y, weight = overlapping(n_classes)
    model = logistic().fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    queries = X[:20] + 0.1
    before, _ = score_gap(model.decision_function(queries))
    effect = explainer.removal_effect_on(score_gap, queries, order="retrain")
    models = refits(model, X, y, np.arange(10)[:, None], weight)
    expected = [score_gap(m.decision_function(queries))[0] - before for m in models]
    assert_allclose(effect[:10], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_first_order_is_the_derivative_in_the_weight_of_a_row(n_classes):
    X, y, weight = overlapping(n_classes)
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    queries = X[:20] + 0.1
    effect = explainer.removal_effect_on(score_gap, queries, order="first")
    step = 1e-4
    for row in range(10):
        change = step * (np.arange(len(y)) == row)
        gaps = [
            score_gap(logistic().fit(X, y, weight + sign * change).decision_function(queries))[0]
            for sign in (1, -1)
        ]
        slope = (gaps[0] - gaps[1]) / (2 * step)
        assert_allclose(effect[row], -weight[row] * slope, rtol=0, atol=1e-6)


# --- retrain_without -----------------------------------------------------------------------

REMOVALS = [0, 7, [3, 11, 30, 31], np.arange(40, 60)]


def assert_same_model(actual, expected, rtol):
    assert type(actual) is type(expected)
    assert str(actual.get_params()) == str(expected.get_params())
    assert_array_equal(actual.classes_, expected.classes_)
    for name in ("coef_", "intercept_"):
        one, other = getattr(actual, name), getattr(expected, name)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        scale = np.linalg.norm(other)
        assert np.linalg.norm(one - other) <= rtol * scale + 1e-15, name


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.filterwarnings("ignore:l1_ratio parameter is only used")
def test_retrained_models_are_those_of_scikit_learn(name):
    model, n_classes, _ = MODELS[name]
    X, y, weight = overlapping(n_classes)
    model = clone(model).fit(X, y, weight)
    coefficients = model.coef_.copy()
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    explained = explainer.pairwise_influence(X)
    models = explainer.retrain_without(REMOVALS)
    for actual, expected in zip(models, refits(model, X, y, REMOVALS, weight), strict=True):
        assert_same_model(actual, expected, 1e-6)
        assert_array_equal(actual.predict(X), expected.predict(X))
    assert_array_equal(model.coef_, coefficients)
    assert_array_equal(explainer.pairwise_influence(X), explained)


def test_balanced_class_weights_are_held():
    X, y, weight = overlapping(3)
    explainer = RelatIFExplainer(logistic(class_weight="balanced")).fit(X, y, weight)
    held = explainer._study.objective.sample_weight
    models = explainer.retrain_without(REMOVALS)
    for actual, expected in zip(models, refits(logistic(), X, y, REMOVALS, held), strict=True):
        assert actual.class_weight == "balanced"
        assert_allclose(cases.parameters(actual), cases.parameters(expected), rtol=0, atol=1e-9)


def test_strings_as_labels_and_two_class_softmax():
    X, y, _ = overlapping(2)
    names = np.array(["no", "yes"])[y]
    explainer = RelatIFExplainer(logistic()).fit(X, names)
    models = explainer.retrain_without(REMOVALS)
    for actual, expected in zip(models, refits(logistic(), X, names, REMOVALS), strict=True):
        assert_same_model(actual, expected, 1e-6)


def test_one_vs_rest_is_retrained_part_by_part():
    X, y, _ = overlapping(3)
    model = OneVsRestClassifier(logistic()).fit(X, y)
    models = RelatIFExplainer.from_fitted(model, X, y).retrain_without(REMOVALS)
    for actual, expected in zip(models, refits(model, X, y, REMOVALS), strict=True):
        assert isinstance(actual, OneVsRestClassifier)
        for part, other in zip(actual.estimators_, expected.estimators_, strict=True):
            assert_same_model(part, other, 1e-6)
        assert_allclose(actual.predict_proba(X), expected.predict_proba(X), rtol=1e-7)


def wrapped(X, y, kind):
    """An estimator around a pipeline, and the fitted pipeline inside."""
    pipeline = make_pipeline(StandardScaler(), logistic(0.5))
    if kind == "pipeline":
        fitted = pipeline.fit(X, y)
        return fitted, fitted
    if kind == "frozen":
        fitted = pipeline.fit(X, y)
        return FrozenEstimator(fitted), fitted
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.5, 2.0]}, cv=2).fit(X, y)
    return search, search.best_estimator_


@pytest.mark.parametrize("kind", ["pipeline", "frozen", "search"])
def test_wrappers_are_taken_off_and_preprocessing_is_held_fixed(kind):
    X, y, _ = overlapping(3)
    estimator, pipeline = wrapped(X, y, kind)
    models = RelatIFExplainer.from_fitted(estimator, X, y).retrain_without(REMOVALS)
    design = pipeline[:-1].transform(X)
    for actual, expected in zip(models, refits(pipeline[-1], design, y, REMOVALS), strict=True):
        assert type(actual) is type(pipeline)
        assert actual[0] is pipeline[0]
        assert_same_model(actual[-1], expected, 1e-6)
        assert_allclose(actual.predict_proba(X), expected.predict_proba(design), rtol=1e-7)


def held_balance(y):
    return compute_sample_weight("balanced", y)


@pytest.mark.parametrize("balance", [None, "balanced"])
@pytest.mark.parametrize("machine", [SVC, NuSVC])
def test_kernel_machines_keep_their_kernel_and_their_weights(machine, balance):
    X, y, weight = overlapping(3)
    explainer = RelatIFExplainer(machine(class_weight=balance)).fit(X, y, weight)
    gamma = 1 / (X.shape[1] * X.var())
    if balance and machine is SVC:
        weight = weight * held_balance(y)
    closely = machine(gamma=gamma, tol=1e-9)
    models = explainer.retrain_without(REMOVALS)
    for actual, expected in zip(models, refits(closely, X, y, REMOVALS, weight), strict=True):
        assert actual.gamma == gamma and actual.class_weight is None
        assert_array_equal(actual.decision_function(X), expected.decision_function(X))


def liblinear(loss, **options):
    return LinearSVC(loss=loss, C=0.3, tol=1e-11, max_iter=10**6, random_state=0, **options)


@pytest.mark.parametrize("balance", [None, "balanced"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_linear_svc_from_a_loose_fit(loss, n_classes, balance):
    """The weights of the classes are those that all rows had."""
    X, y, weight = overlapping(n_classes)
    loose = liblinear(loss, class_weight=balance).set_params(tol=1e-2)
    explainer = RelatIFExplainer(loose).fit(X, y, weight)
    held = None
    if balance:
        counted = {"sample_weight": weight} if cases.BALANCES_BY_WEIGHT else {}
        held = compute_class_weight("balanced", classes=np.unique(y), y=y, **counted)
        held = dict(enumerate(held))
    models = explainer.retrain_without([[], *REMOVALS])
    tight = liblinear(loss, class_weight=held)
    expected = refits(tight, X, y, [[], *map(np.atleast_1d, REMOVALS)], weight)
    for one, other in zip(models, expected, strict=True):
        assert_allclose(cases.parameters(one), cases.parameters(other), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_sgd_keeps_its_alpha(loss):
    """The same problem for solvers that reach its optimum, whose penalty is alpha times n.

    Without some rows n is less, but for the hinge loss, whose path holds the penalty.
    """
    X, y, weight = overlapping(2)
    model = SGDClassifier(loss, alpha=0.01, max_iter=50, random_state=0)
    model.fit(X, y, sample_weight=weight)
    models = RelatIFExplainer.from_fitted(model, X, y, weight).retrain_without(REMOVALS)
    for actual, rows in zip(models, REMOVALS, strict=True):
        assert isinstance(actual, SGDClassifier)
        if loss == "hinge":
            tight = SVC(kernel="linear", C=1 / (0.01 * len(y)), tol=1e-9)
        else:
            tight = logistic(1 / (0.01 * (len(y) - np.size(rows))))
        (expected,) = refits(tight, X, y, [rows], weight)
        assert_allclose(
            actual.decision_function(X), expected.decision_function(X), rtol=0, atol=1e-5
        )


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_sgd_regression_keeps_its_alpha():
    X, _, weight = overlapping(2)
    y = X @ [1.0, -2.0, 0.5, 0.0] + np.sin(9 * X[:, 0])
    model = SGDRegressor(alpha=0.01, max_iter=50, random_state=0)
    model.fit(X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    models = explainer.retrain_without(REMOVALS)
    for actual, rows in zip(models, REMOVALS, strict=True):
        tight = Ridge(0.01 * (len(y) - np.size(rows)))
        (expected,) = refits(tight, X, y, [rows], weight)
        assert_allclose(actual.predict(X), expected.predict(X), rtol=0, atol=1e-9)


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_a_hinge_with_an_l1_penalty_is_fitted_again_with_a_warning():
    X, y, _ = overlapping(2)
    model = SGDClassifier(penalty="elasticnet", alpha=0.01, class_weight="balanced", random_state=0)
    explainer = RelatIFExplainer(model).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="hinge loss and an L1 penalty"):
        (without,) = explainer.retrain_without([REMOVALS[-1]])
    weight = np.ones(len(y))
    weight[REMOVALS[-1]] = 0
    expected = clone(model).set_params(class_weight=None)
    expected.fit(X, y, sample_weight=weight * held_balance(y))
    assert_allclose(without.coef_, expected.coef_)
    with pytest.raises(ValueError, match="for an L2 penalty only"):
        explainer.removal_effect(X[:2])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_searched_penalty_is_not_searched_again():
    X, y, _ = overlapping(2)
    options = {"Cs": [0.02, 0.1, 0.5], "cv": 3, "solver": "newton-cholesky", "tol": 1e-4}
    model = LogisticRegressionCV(class_weight="balanced", **options).fit(X, y)
    models = RelatIFExplainer.from_fitted(model, X, y).retrain_without(REMOVALS)
    C = float(np.ravel(model.C_)[0])
    expected = refits(logistic(C), X, y, REMOVALS, held_balance(y))
    for actual, other in zip(models, expected, strict=True):
        assert isinstance(actual, LogisticRegressionCV)
        assert_array_equal(actual.C_, model.C_)
        assert_allclose(cases.parameters(actual), cases.parameters(other), rtol=0, atol=1e-9)


def test_refits_in_parallel():
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(SVC(gamma=0.2), n_jobs=2).fit(X, y)
    with parallel_backend("threading"):
        models = explainer.retrain_without(REMOVALS)
    expected = refits(SVC(gamma=0.2, tol=1e-9), X, y, REMOVALS)
    for actual, other in zip(models, expected, strict=True):
        assert_array_equal(actual.dual_coef_, other.dual_coef_)


def test_kernel_machines_explained_on_the_active_set_are_retrained_too():
    X, y, _ = overlapping(3)
    plain, other = (
        RelatIFExplainer(SVC(gamma=0.2), curvature=curvature).fit(X, y)
        for curvature in ("hessian", "active_set")
    )
    for actual, expected in zip(
        other.retrain_without(REMOVALS), plain.retrain_without(REMOVALS), strict=True
    ):
        assert_array_equal(actual.dual_coef_, expected.dual_coef_)


def test_precomputed_kernel_is_cut_to_the_rows_that_stay():
    X, y, _ = overlapping(2)
    gram = X @ X.T
    explainer = RelatIFExplainer(SVC(kernel="precomputed")).fit(gram, y)
    without = explainer.retrain_without([[0, 5]])[0]
    kept = np.delete(np.arange(len(y)), [0, 5])
    expected = SVC(kernel="precomputed", tol=1e-9).fit(gram[np.ix_(kept, kept)], y[kept])
    assert_allclose(without.dual_coef_, expected.dual_coef_)


# --- where the fit has stopped before its optimum --------------------------------------------


def exact(model):
    """The same model, fitted to rounding."""
    if getattr(model, "solver", "") == "lbfgs":
        return logistic(model.C)
    return clone(model).set_params(tol=1e-11, max_iter=100_000)


LOOSE = {
    "binary": (LogisticRegression(C=3.0, tol=1e-2), 2, log_losses),
    "multinomial": (LogisticRegression(C=3.0, tol=1e-2), 3, log_losses),
    "squared hinge": (liblinear("squared_hinge"), 3, squared_hinge_losses),
    "L1": (l1_model("liblinear", 1.0, C=0.3, tol=1e-1, random_state=0), 2, log_losses),
    "L1, multinomial": (l1_model("saga", 1.0, C=0.1, tol=1e-2, random_state=0), 3, log_losses),
    "elastic net": (l1_model("saga", 0.5, C=0.1, tol=1e-2, random_state=0), 2, log_losses),
}


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize("name", LOOSE)
@pytest.mark.parametrize("balance", [None, "balanced"])
def test_effects_are_differences_between_two_optima(name, balance):
    """Every row and some groups, of which many change the active set of an L1 penalty."""
    model, n_classes, losses = LOOSE[name]
    X, y, weight = overlapping(n_classes, n_rows=60)
    X = np.column_stack([X, np.random.default_rng(7).normal(size=(60, 4))])
    model = clone(model).set_params(class_weight=balance)
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    removals = [*np.arange(0, 60, 4)[:, None], np.arange(15), np.arange(20, 45)]
    tight = exact(model).set_params(class_weight=None)
    if explainer._study.objective.output_weight is None:
        held = explainer._study.objective.sample_weight
    else:
        counted = {"sample_weight": weight} if cases.BALANCES_BY_WEIGHT else {}
        by_class = compute_class_weight("balanced", classes=np.unique(y), y=y, **counted)
        tight, held = tight.set_params(class_weight=dict(enumerate(by_class))), weight
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    before, *after = (
        losses(m, queries, labels) for m in refits(tight, X, y, [[], *removals], held)
    )
    expected = np.transpose(after) - before[:, None]
    found = explainer.removal_statistics(removals, queries, labels)
    scale = np.abs(expected).max()
    query_value = losses is log_losses
    if query_value:
        assert_allclose(found.loss_change, expected, rtol=0, atol=1e-6 * scale)
    groups = np.full(60, None)
    groups[removals[-1]] = 0
    effect = explainer.removal_effect(queries, labels, groups, order="retrain")
    assert_allclose(effect[:, 0], expected[:, -1], rtol=0, atol=1e-6 * scale)


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(C=3.0, tol=1e-2),
        l1_model("saga", 1.0, C=0.3, tol=1e-2, random_state=0),
        OneVsRestClassifier(LogisticRegression(C=3.0, tol=1e-2)),
        SVC(tol=0.1),
        LinearSVC(loss="hinge", tol=1e-2, max_iter=1000, random_state=0),
    ],
    ids=["smooth", "L1", "one vs rest", "kernel", "hinge"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_removing_what_does_not_count_changes_nothing_at_all(model, dtype):
    X, y, _ = overlapping(3)
    weight = cases.weights_with_zeros(len(y))
    if isinstance(model, OneVsRestClassifier):
        weight = None
    explainer = RelatIFExplainer(model).fit(X.astype(dtype), y, weight)
    queries = X[:N_QUERIES].astype(dtype)
    rows = [] if weight is None else np.flatnonzero(weight == 0)
    found = explainer.removal_statistics([[], rows], queries)
    for part in found:
        assert_array_equal(part, np.zeros_like(part))
    if weight is not None:
        groups = np.where(weight == 0, "absent", None)
        for order in ("newton", "retrain"):
            assert_array_equal(explainer.removal_effect(queries, groups=groups, order=order), 0)
    # Rows that hardly count hardly change anything, whatever the fit lacks of its optimum.
    if isinstance(model, LogisticRegression):
        light = np.where(np.arange(len(y)) < 5, 1e-9, 1.0)
        explainer = RelatIFExplainer(model).fit(X.astype(dtype), y, light)
        few = np.where(np.arange(len(y)) < 5, "light", None)
        for order in ("newton", "retrain"):
            assert np.abs(explainer.removal_effect(queries, groups=few, order=order)).max() < 1e-7


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_newton_steps_do_not_depend_on_where_the_fit_has_stopped():
    X, y, weight = overlapping(3)
    loose, tight = (
        RelatIFExplainer(model).fit(X, y, weight)
        for model in (LogisticRegression(tol=1e-2), logistic())
    )
    groups = np.arange(len(y)) // 3
    for options in ({}, {"groups": groups}):
        expected = tight.removal_effect(X[:N_QUERIES], y[:N_QUERIES], **options)
        effect = loose.removal_effect(X[:N_QUERIES], y[:N_QUERIES], **options)
        assert_allclose(effect, expected, rtol=0, atol=1e-9)
    assert_allclose(loose.loo_proba(), tight.loo_proba(), rtol=0, atol=1e-9)


def kkt_violation(model, X, y, weight):
    """How far a binary L1 model is from its optimum, relative to the terms that are added up."""
    p = model.predict_proba(X)[:, 1]
    residual, strength, ratio = weight * (p - y), 1 / model.C, model.l1_ratio
    coef = model.coef_[0]
    slope = residual @ X + strength * (1 - ratio) * coef
    terms = np.abs(residual) @ np.abs(X) + strength
    l1 = strength * ratio
    excess = np.where(coef == 0, np.abs(slope) - l1, np.abs(slope + l1 * np.sign(coef)))
    return max((excess / terms).max(), abs(residual.sum()) / weight.sum())


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.filterwarnings("ignore:The max_iter was reached")
@pytest.mark.parametrize("seed", range(12))
def test_an_l1_penalty_finds_its_active_set(seed):
    """From a fit of a few steps: more columns than rows, columns twice, of other units, weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, (6, 60)[seed % 2])) * 10.0 ** rng.uniform(-1, 1)
    X[:, 1] = X[:, 0]
    y = (X @ rng.normal(size=X.shape[1]) / X.std() + 3 * rng.logistic(size=40) > 0).astype(int)
    weight = rng.uniform(0.3, 2, 40)
    model = l1_model("saga", (1.0, 0.7)[seed % 3 == 0], C=10 ** rng.uniform(-1, 0.5), max_iter=20)
    models = RelatIFExplainer(model).fit(X, y, weight).retrain_without([[], 3, np.arange(12)])
    for rows, without in zip([[], [3], range(12)], models, strict=True):
        left = weight.copy()
        left[list(rows)] = 0
        assert kkt_violation(without, X, y, left) < 1e-9


def test_without_any_coefficient_the_intercept_is_the_log_odds():
    rng = np.random.default_rng(38)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] + rng.logistic(size=60) * 2 > 0.3).astype(int)
    model = l1_model("saga", 1.0, C=0.06, tol=1e-10, max_iter=30_000, random_state=0).fit(X, y)
    assert model.coef_.any()
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    (without,) = explainer.retrain_without([np.arange(15)])
    assert not without.coef_.any()
    share = y[15:].mean()
    assert_allclose(without.intercept_, np.log(share / (1 - share)), rtol=1e-9)
    groups = [0] * 15 + [None] * 45
    effect = explainer.removal_effect(X[:1], [1], groups=groups, order="retrain")
    expected = -np.log(share) - log_losses(model, X[:1], np.array([1]))
    assert_allclose(effect[:, 0], expected, rtol=0, atol=1e-8)


# --- removal_statistics --------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_statistics_of_refits(n_classes):
    X, y, weight = overlapping(n_classes)
    model = logistic().fit(X, y, weight)
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    found = RelatIFExplainer.from_fitted(model, X, y, weight).removal_statistics(
        REMOVALS, queries, labels
    )
    for index, without in enumerate(refits(model, X, y, REMOVALS, weight)):
        on_queries = log_losses(without, queries, labels) - log_losses(model, queries, labels)
        on_training = log_losses(without, X, y) - log_losses(model, X, y)
        step = cases.parameters(without) - cases.parameters(model)
        parameter, training = np.linalg.norm(step), np.sqrt(weight @ on_training**2)
        assert_allclose(found.loss_change[:, index], on_queries, rtol=0, atol=1e-8)
        assert_allclose(found.parameter_change[index], parameter, rtol=1e-5)
        assert_allclose(found.training_change[index], training, rtol=1e-5)
        sizes = np.abs(on_queries)
        assert_allclose(found.loss_per_parameter[:, index], sizes / parameter, rtol=1e-4)
        assert_allclose(found.loss_per_training[:, index], sizes / training, rtol=1e-4)


def test_statistics_of_a_row_that_does_not_count_are_zero():
    X, y, weight = overlapping(2)
    weight[4] = 0
    found = RelatIFExplainer(logistic()).fit(X, y, weight).removal_statistics([4], X[:3])
    assert_allclose(found.loss_change, 0, atol=1e-13)
    assert_allclose(found.training_change, 0, atol=1e-12)
    assert np.isfinite(found.loss_per_training).all()


# --- score ---------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_score_correlates_the_criterion_with_what_it_stands_for(criterion):
    X, y, weight = overlapping(3, n_rows=60)
    queries, labels = X[:N_QUERIES] + 0.1, y[:N_QUERIES]
    explainer = RelatIFExplainer(logistic(), criterion=criterion, n_retrainings=1000)
    explainer.fit(X, y, weight)
    truth = explainer.removal_statistics(range(60), queries, labels)
    estimate = explainer.pairwise_influence(queries, labels)
    measured = truth.loss_change
    if criterion == "influence":
        estimate = estimate * weight
    elif criterion == "theta_relative":
        measured = measured / truth.parameter_change
    else:
        measured = measured / truth.training_change
    for name, correlation in (("pearson", pearsonr), ("spearman", spearmanr)):
        expected = correlation(estimate.ravel(), measured.ravel()).statistic
        score = explainer.score(queries, labels, correlation=name)
        assert_allclose(score, expected, rtol=1e-6)
    assert explainer.score(queries, labels) > 0.9


def test_half_of_the_rows_are_the_most_influential_and_the_choice_is_repeatable():
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(logistic(), criterion="influence", n_retrainings=11)

    def estimate(random_state):
        explainer.set_params(random_state=random_state).fit(X, y)
        return explainer.estimate_and_truth(X[:N_QUERIES])[0]

    one, same, other = estimate(0), estimate(0), estimate(1)
    assert_array_equal(one, same)
    influence = explainer.pairwise_influence(X[:N_QUERIES]) / len(y)
    strongest = np.argsort(-np.abs(influence).sum(axis=0))[:6]
    for chosen in (one, other):
        assert chosen.shape == (N_QUERIES, 11)
        assert_allclose(chosen[:, :6], influence[:, strongest])
        assert len(np.unique(chosen[0])) == 11
    assert not np.isin(one[0, 6:], other[0, 6:]).all()


def test_score_takes_the_predicted_labels_when_there_are_none():
    X, y, _ = overlapping(3)
    explainer = RelatIFExplainer(logistic(), n_retrainings=10, random_state=0).fit(X, y)
    assert explainer.score(X[:9]) == explainer.score(X[:9], explainer.predict(X[:9]))


def test_score_leaves_the_only_row_of_a_class_in():
    X, y, _ = overlapping(2, n_rows=40)
    y[7] = 2
    explainer = RelatIFExplainer(logistic(), n_retrainings=100).fit(X, y)
    assert explainer.estimate_and_truth(X[:3])[0].shape == (3, 39)
    assert explainer.score(X[:3]) > 0.5


# --- loo_proba -----------------------------------------------------------------------------


def test_loo_probabilities_are_those_of_the_newton_models():
    X, y, weight = overlapping(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    proba = explainer.loo_proba()
    assert proba.shape == (len(y), 3)
    assert_allclose(proba.sum(axis=1), 1)
    own = explainer.removal_effect(X, y).diagonal() + log_losses(explainer.estimator_, X, y)
    assert_allclose(-np.log(proba[np.arange(len(y)), y]), own, rtol=1e-8)


@pytest.mark.parametrize(
    "load", [lambda: overlapping(2)[:2], lambda: overlapping(3)[:2], small_wine]
)
def test_loo_probabilities_are_close_to_real_leave_one_out(load):
    X, y = load()
    model = logistic().fit(X, y)
    proba = RelatIFExplainer.from_fitted(model, X, y).loo_proba()
    truth = np.vstack(
        [
            m.predict_proba(X[[row]])
            for row, m in enumerate(refits(model, X, y, np.arange(len(y))[:, None]))
        ]
    )
    optimism = np.abs(model.predict_proba(X) - truth).max()
    assert np.abs(proba - truth).max() < 0.1 * optimism


# --- errors --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    X, y, _ = overlapping(3)
    return RelatIFExplainer(logistic(), n_retrainings=5).fit(X, y)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([-1], ValueError, r"rows must hold positions from 0 to 119, of the 120 .*; got -1\."),
        ([0, [5, 120]], ValueError, r"got \[5, 120\]"),
        ([1.5], TypeError, r"rows must hold row positions \(whole numbers\); got 1\.5\."),
        (["a"], TypeError, "got 'a'"),
        ([[True] * 120], TypeError, r"got \[True, True, .*\.\.\.\]"),
        (5, TypeError, r"rows must be a sequence of row positions, or of arrays .*; got 5\."),
        ("12", TypeError, "rows must be a sequence"),
    ],
)
def test_bad_rows(fitted, rows, kind, message):
    for method in (
        fitted.retrain_without,
        lambda rows: fitted.removal_statistics(rows, [[0.0] * 4]),
    ):
        with pytest.raises(kind, match=message):
            method(rows)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("groups", "kind", "message"),
    [
        (["a"] * 7, ValueError, r"one label for each of the 120 training rows; .* shape \(7,\)"),
        ("vendor", ValueError, r"shape \(\)"),
        (np.zeros((120, 1)), ValueError, r"shape \(120, 1\)"),
        ([None] * 120, ValueError, "groups assigns no row to a group; give at least one row"),
        (np.full(120, np.nan), ValueError, "groups assigns no row"),
        (["a", 1] * 60, TypeError, "groups holds labels that cannot be sorted; let all be str"),
    ],
)
def test_bad_groups(fitted, groups, order, kind, message):
    with pytest.raises(kind, match=message):
        fitted.removal_effect([[0.0] * 4], groups=groups, order=order)
    with pytest.raises(kind, match=message):
        fitted.removal_effect_on(score_gap, [[0.0] * 4], groups=groups, order=order)


def test_bad_choices(fitted):
    query = [[0.0] * 4]
    with pytest.raises(ValueError, match=r"order must be one of 'first', .*; got 'second'"):
        fitted.removal_effect(query, order="second")
    with pytest.raises(ValueError, match=r"order must be one of"):
        fitted.removal_effect_on(score_gap, query, order=2)
    with pytest.raises(ValueError, match=r"correlation must be one of .*; got 'kendall'"):
        fitted.score(query, correlation="kendall")
    with pytest.raises(ValueError, match="y contains labels that the model was not trained on"):
        fitted.removal_effect(query, [7])
    with pytest.raises(ValueError, match="features"):
        fitted.removal_effect([[0.0] * 3])


@pytest.mark.parametrize(
    ("n_retrainings", "kind"), [(0, ValueError), (-3, ValueError), (2.5, TypeError)]
)
def test_bad_n_retrainings(n_retrainings, kind):
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(logistic(), n_retrainings=n_retrainings).fit(X, y)
    with pytest.raises(kind, match=f"n_retrainings must be .* got {n_retrainings}"):
        explainer.score(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("order", ["newton", "retrain"])
def test_removing_a_whole_class_is_refused(n_classes, order):
    X, y, weight = overlapping(n_classes)
    weight[np.flatnonzero(y == 1)[:5]] = 0  # These do not count as rows that are left.
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    groups = np.where((y == 1) & (weight > 0), "gone", None)
    message = r"Without the rows \[.*\.\.\.\] there is no row of the classes \[1\] to train with"
    with pytest.raises(ValueError, match=message):
        explainer.removal_effect(X[:3], groups=groups, order=order)
    with pytest.raises(ValueError, match=message):
        explainer.removal_effect_on(score_gap, X[:3], groups=groups, order=order)
    for method in (explainer.retrain_without, lambda rows: explainer.removal_statistics(rows, X)):
        with pytest.raises(ValueError, match=message):
            method([0, np.flatnonzero(groups == "gone")])
    with pytest.raises(ValueError, match=r"no row of the classes \[0, 1"):
        explainer.removal_effect(X[:3], groups=np.zeros(len(y)), order=order)


def test_unfitted_explainers_say_so():
    explainer = RelatIFExplainer(logistic())
    for call in (
        lambda: explainer.removal_effect([[0.0]]),
        lambda: explainer.removal_effect_on(score_gap, [[0.0]]),
        lambda: explainer.retrain_without([0]),
        lambda: explainer.removal_statistics([0], [[0.0]]),
        lambda: explainer.score([[0.0]]),
        lambda: explainer.loo_proba(),
    ):
        with pytest.raises(ValueError, match="not fitted"):
            call()


def test_models_without_probabilities_have_no_leave_one_out_probabilities():
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(squared_hinge()).fit(X, y)
    with pytest.raises(AttributeError, match="LinearSVC has no probabilities"):
        explainer.loo_proba()


# --- progress ------------------------------------------------------------------------------


def test_progress_is_shown_on_standard_error_only_when_asked(capsys):
    X, y, _ = overlapping(2)
    for verbose in (False, True):
        explainer = RelatIFExplainer(logistic(), n_retrainings=4, verbose=verbose).fit(X, y)
        capsys.readouterr()
        explainer.removal_effect(X[:2])
        explainer.score(X[:2])
        printed, progress = capsys.readouterr()
        assert printed == ""
        assert ("models without rows" in progress) is verbose
    assert progress.endswith("\r4 of 4 models without rows\n")


def test_options_set_after_the_fit_count_and_what_was_found_stays(capsys):
    X, y, _ = overlapping(2)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    explainer.removal_effect(X[:2])
    remover = study_of(explainer).remover
    capsys.readouterr()
    explainer.set_params(verbose=True, n_jobs=2).removal_effect(X[:2])
    assert "models without rows" in capsys.readouterr().err
    study = study_of(explainer)
    assert (study.n_jobs, study.verbose) == (2, True)
    assert study.remover is remover
