"""Hinge machines without some rows: their active set against refits and written-out systems."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.metrics import influence_set_cardinality, retraining_fidelity, top_k_overlap
from tests import cases

C = 0.7
#: libsvm keeps its kernel in single precision, and liblinear stops at its tol.
REFITTED = 2e-5


def svc(**options):
    options = {"gamma": 0.2, "C": C} | options
    return SVC(tol=1e-9, decision_function_shape="ovo", **options)


def linear_svc(**options):
    return LinearSVC(C=C, loss="hinge", tol=1e-8, max_iter=10**6, random_state=0, **options)


MACHINES = {
    "rbf": (svc(), 2),
    "rbf, three classes": (svc(), 3),
    "linear kernel": (svc(kernel="linear"), 3),
    "class weights": (svc(class_weight={0: 1.0, 1: 2.5}), 2),
    "LinearSVC": (linear_svc(), 2),
    "LinearSVC, three classes": (linear_svc(intercept_scaling=5.0), 3),
    "LinearSVC, no intercept": (linear_svc(fit_intercept=False), 3),
}
machines = pytest.mark.parametrize("name", MACHINES)


def problem(n_classes):
    X, y = cases.noisy_classes(n_classes, n_rows=90)
    return X, y, np.random.default_rng(2).uniform(0.3, 2.5, len(y))


def decisions(model, X):
    """Decision values, a column a binary problem."""
    return np.reshape(model.decision_function(X), (len(X), -1))


def signs_of(model, y):
    """Signs of rows in the binary problems, 0 where their class takes no part."""
    n_classes = len(model.classes_)
    if n_classes == 2:
        signs = np.array([[-1], [1]])
    elif isinstance(model, (SVC, NuSVC)):
        first, second = np.triu_indices(n_classes, 1)
        signs = (first == np.arange(n_classes)[:, None]) * 1
        signs = signs - (second == np.arange(n_classes)[:, None])
    else:
        signs = 2 * np.eye(n_classes) - 1
    return signs[y]


def hinge_losses(model, X, y):
    """Sum over the binary problems in which the class of a row takes part."""
    scores, signs = decisions(model, X), signs_of(model, y)
    return np.where(signs != 0, np.maximum(1 - signs * scores, 0), 0).sum(axis=1)


def refits(model, X, y, removals, weight):
    models = []
    for rows in removals:
        kept = np.delete(np.arange(len(y)), rows)
        models.append(clone(model).fit(X[kept], y[kept], weight[kept]))
    return models


# --- retraining ----------------------------------------------------------------------------


@machines
def test_retrained_effects_are_those_of_refits(name):
    model, n_classes = MACHINES[name]
    X, y, weight = problem(n_classes)
    model = clone(model).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    queries, labels = X[:8] + 0.1, y[:8]
    before = hinge_losses(model, queries, labels)

    chosen = np.r_[np.argsort(-explainer.self_influence_)[:6], 50:56]
    rows = explainer.removal_effect(queries, labels, order="retrain")
    assert rows.shape == (8, len(y))
    after = [hinge_losses(m, queries, labels) for m in refits(model, X, y, chosen[:, None], weight)]
    assert_allclose(rows[:, chosen], np.transpose(after) - before[:, None], rtol=0, atol=REFITTED)

    groups = np.arange(len(y)) % 6
    members = [np.flatnonzero(groups == label) for label in range(6)]
    together = explainer.removal_effect(queries, labels, groups, order="retrain")
    after = [hinge_losses(m, queries, labels) for m in refits(model, X, y, members, weight)]
    assert_allclose(together, np.transpose(after) - before[:, None], rtol=0, atol=REFITTED)


@machines
def test_statistics_and_scores_of_refits(name):
    model, n_classes = MACHINES[name]
    X, y, weight = problem(n_classes)
    model = clone(model).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight, curvature="active_set")
    removals = [[0], [7], [1, 2, 3]]
    found = explainer.removal_statistics(removals, X[:8], y[:8])
    of_class_weight = np.ones(len(y)) if model.class_weight is None else np.array([1.0, 2.5])[y]

    def mean_decision(scores):
        return scores.mean(), np.full_like(scores, 1 / scores.size)

    groups = np.full(len(y), None)
    for label, rows in enumerate(removals):
        groups[rows] = label
    means = explainer.removal_effect_on(mean_decision, X, groups=groups, order="retrain")
    for index, without in enumerate(refits(model, X, y, removals, weight)):
        change = hinge_losses(without, X, y) - hinge_losses(model, X, y)
        training = np.sqrt(weight * of_class_weight @ change**2)
        assert_allclose(found.training_change[index], training, atol=10 * REFITTED)
        moved = decisions(without, X) - decisions(model, X)
        assert_allclose(means[index], moved.mean(), atol=REFITTED)
        if hasattr(model, "coef_") and isinstance(model, LinearSVC):
            step = np.linalg.norm(np.column_stack([without.coef_ - model.coef_]))
            scaled = np.atleast_1d(without.intercept_ - model.intercept_) / model.intercept_scaling
            length = np.hypot(step, np.linalg.norm(scaled))
            assert_allclose(found.parameter_change[index], length, atol=REFITTED)


def rounded_rbf(A, B):
    """A kernel whose values single precision holds, so that libsvm knows them as they are."""
    return np.exp(-0.7 * cdist(A, B, "sqeuclidean")).astype(np.float32).astype(float)


def random_machine(seed):
    """A small SVC of any kind, with its rows, labels, weights, and groups of rows to remove."""
    rng = np.random.default_rng(seed)
    n_classes = int(rng.choice([2, 2, 3]))
    n_rows = n_classes * int(rng.integers(4, 14))
    X = np.round(4 * rng.normal(size=(n_rows, int(rng.integers(1, 4))))) / 4
    if rng.integers(4) == 0:
        X = X[rng.integers(n_rows, size=n_rows)]
    y = np.arange(n_rows) % n_classes
    if rng.integers(2):
        y[2 * n_classes :] = rng.integers(n_classes, size=n_rows - 2 * n_classes)
    weight = [np.ones(n_rows), rng.uniform(0.3, 2.5, n_rows), rng.integers(0, 3, n_rows) * 1.0]
    weight = weight[rng.integers(3)]
    weight[: 2 * n_classes] = 1
    kernel = ["linear", "poly", rounded_rbf, "precomputed"][rng.integers(4)]
    if kernel == "precomputed":
        X = (X @ X.T + 1) ** 2
    if kernel in ("precomputed", rounded_rbf):
        weight = np.maximum(weight, 0.5)
    model = SVC(
        kernel=kernel,
        degree=2,
        gamma=0.5,
        coef0=1.0,
        C=10 ** rng.uniform(-3, 1),
        class_weight=[None, "balanced"][rng.integers(2)],
        tol=1e-10,
        max_iter=10**6,
        decision_function_shape="ovo",
    )
    sizes = rng.integers(1, n_rows // 2, size=2)
    # Singles, groups, and a row of each class, which keeps weights as balanced as they are.
    groups = [rng.choice(n_rows, size, replace=False) for size in (1, *sizes)]
    groups.append(np.arange(n_classes) + 2 * n_classes)
    counts = [np.bincount(np.delete(y, g), np.delete(weight, g), n_classes) for g in groups]
    return model, X, y, weight, [g for g, n in zip(groups, counts, strict=True) if np.all(n > 0)]


@pytest.mark.parametrize("seed", range(100))
def test_retrained_effects_of_random_machines(seed):
    """To what libsvm itself finds, also of the intercepts that rows do not determine."""
    model, X, y, weight, removals = random_machine(seed)
    of_class = np.ones(len(y))
    if model.class_weight:
        of_class = (len(y) / len(np.unique(y)) / np.bincount(y))[y]
    model.fit(X, y, weight)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
        found = explainer.removal_statistics(removals, X, y)
    assert all("do not determine the intercept" in str(w.message) for w in caught)
    for rows, margins, training in zip(
        removals, found.loss_change.T, found.training_change, strict=True
    ):
        kept = np.setdiff1d(np.flatnonzero(weight), rows)
        columns = kept if model.kernel == "precomputed" else slice(None)
        refit = clone(model).set_params(class_weight=None)
        refit.fit(X[kept][:, columns], y[kept], (weight * of_class)[kept])
        signs = signs_of(model, y)
        change = decisions(refit, X[:, columns]) - decisions(model, X)
        assert_allclose(margins, -(signs * change).sum(axis=1), rtol=1e-6, atol=1e-6)
        losses = hinge_losses(refit, X[:, columns], y) - hinge_losses(model, X, y)
        assert_allclose(training, np.sqrt(weight * of_class @ losses**2), rtol=1e-6, atol=1e-6)


def effects_of_refits(model, X, y, weight, removals):
    """Change of each row's loss by scikit-learn's own fits, ``weight`` times the class weight."""
    model = clone(model).set_params(class_weight=None)
    before = hinge_losses(model.fit(X, y, weight), X, y)
    after = [hinge_losses(m, X, y) for m in refits(model, X, y, removals, weight)]
    return np.transpose(after) - before[:, None]


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_an_intercept_that_no_row_determines_is_scikit_learn_s_own(kernel):
    """Balanced weights and a small C: all rows are at their bounds."""
    X, y = cases.breast_cancer()
    X, y = X[::3], y[::3]
    weight = (len(y) / 2 / np.bincount(y))[y]
    model = svc(kernel=kernel, C=1e-4, gamma=0.03, class_weight="balanced")
    explainer = RelatIFExplainer(model).fit(X, y)

    # By hand: f + b is at most 1 at the positive rows, and at least -1 at the negative ones.
    signs = 2.0 * y - 1
    values = pairwise_kernels(X, metric=kernel, **({} if kernel == "linear" else {"gamma": 0.03}))
    values = values @ (1e-4 * weight * signs)
    interval = np.max((-1 - values)[y == 0]), np.min((1 - values)[y == 1])
    assert_allclose(explainer.intercept_interval_, [interval], rtol=1e-6)
    assert np.ptp(interval) > 0.5
    own = explainer.estimator_.intercept_[0]
    assert interval[0] - 1e-6 <= own <= interval[1] + 1e-6

    for order in ("newton", "retrain"):
        with pytest.warns(
            UserWarning, match=r"do not determine the intercept.*intercept_interval_"
        ):
            effect = explainer.removal_effect(X, y, order=order)
    expected = effects_of_refits(model, X, y, weight, np.arange(8)[:, None])
    assert_allclose(effect[:, :8], expected, rtol=0, atol=REFITTED)


def test_intercept_interval_of_other_machines():
    X, y, weight = problem(3)
    interval = RelatIFExplainer(svc()).fit(X, y, weight).intercept_interval_
    assert interval.shape == (3, 2)
    assert_array_equal(interval[:, 0], interval[:, 1])
    for model in (linear_svc(), NuSVC(nu=0.3), LogisticRegression()):
        explainer = RelatIFExplainer(model).fit(X, y, weight)
        with pytest.raises(AttributeError, match="has no intercept_interval_"):
            explainer.intercept_interval_  # noqa: B018 (what is tested is the access)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("intercept_scaling", [1.0, 5.0])
def test_single_precision_of_linear_svc(n_classes, intercept_scaling):
    X, y, weight = problem(n_classes)
    X32 = X.astype(np.float32)
    model = linear_svc(intercept_scaling=intercept_scaling)
    single = RelatIFExplainer(model).fit(X32, y, weight)
    expected = effects_of_refits(model, X32.astype(float), y, weight, np.arange(12)[:, None])
    for curvature in ("hessian", "active_set"):
        single.set_params(curvature=curvature).fit(X32, y, weight)
        effect = single.removal_effect(X32, y, order="retrain")
        assert_allclose(effect[:, :12], expected, rtol=0, atol=REFITTED)


def test_effects_do_not_depend_on_how_far_the_fit_has_come():
    X, y, weight = problem(3)
    tight, loose = (
        RelatIFExplainer(svc().set_params(tol=tol)).fit(X, y, weight) for tol in (1e-9, 1e-2)
    )
    assert np.abs(tight.decision_function(X) - loose.decision_function(X)).max() > 1e-3
    for order in ("newton", "retrain"):
        effects = [e.removal_effect(X, y, order=order) for e in (tight, loose)]
        assert_allclose(effects[1], effects[0], rtol=0, atol=1e-9)


# --- refits, where there is no path --------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["NuSVC", "sigmoid"])
def test_machines_without_a_path_are_fitted_again(name, n_classes):
    X, y, weight = problem(n_classes)
    model = {"NuSVC": NuSVC(nu=0.3), "sigmoid": SVC(kernel="sigmoid", C=10.0)}[name]
    model.set_params(tol=1e-9, gamma=0.5, decision_function_shape="ovo", class_weight={1: 1.5})
    of_class = np.where((y == 1) & (name == "sigmoid"), 1.5, 1.0)
    explainer = RelatIFExplainer(model, n_retrainings=8, random_state=0).fit(X, y, weight)
    removals = [[0], [7], [1, 2, 3], np.arange(20, 40)]
    expected = effects_of_refits(model, X, y, weight * of_class, removals)
    groups = np.full(len(y), None)
    for label, rows in enumerate(removals):
        groups[rows] = label
    effect = explainer.removal_effect(X, y, groups, order="retrain")
    assert_allclose(effect, expected, rtol=0, atol=REFITTED)
    found = explainer.removal_statistics(removals, X, y)
    training = np.sqrt(weight * of_class @ expected**2)
    assert_allclose(found.training_change, training, rtol=0, atol=10 * REFITTED)
    assert -1 <= explainer.score(X[:9], y[:9]) <= 1
    if name == "NuSVC":
        with pytest.raises(ValueError, match=r"NuSVC is not followed .*use order='retrain'"):
            explainer.removal_effect(X[:2])


def test_a_refit_that_does_not_exist_names_the_rows():
    X, y, _ = problem(2)
    few = np.r_[np.flatnonzero(y == 0)[:12], np.flatnonzero(y == 1)[:14]]
    explainer = RelatIFExplainer(NuSVC(nu=0.9)).fit(X[few], y[few])
    groups = np.where(np.arange(26) < 9, 1, None)
    with pytest.raises(ValueError, match=r"cannot fit this NuSVC without the rows .*infeasible"):
        explainer.removal_effect(X[:2], groups=groups, order="retrain")


def test_path_of_an_sgd_machine_is_that_of_its_objective():
    """SGD itself never arrives; libsvm solves the same problem at C = 1 / (alpha n)."""
    X, y, weight = problem(2)
    sgd = SGDClassifier(alpha=0.02, max_iter=20_000, tol=1e-7, average=True, random_state=0)
    with pytest.warns(UserWarning, match="not at the optimum") as caught:
        explainer = RelatIFExplainer(sgd).fit(X, y, weight)
    assert len(caught) <= 1
    exact = SVC(kernel="linear", C=1 / (0.02 * len(y)), tol=1e-9).fit(X, y, weight)

    def mean_decision(scores):
        return scores.mean(), np.full_like(scores, 1 / scores.size)

    effect = explainer.removal_effect_on(mean_decision, X, order="retrain")[:10]
    without = refits(exact, X, y, np.arange(10)[:, None], weight)
    expected = [m.decision_function(X).mean() for m in without]
    assert_allclose(effect, expected - exact.decision_function(X).mean(), rtol=0, atol=REFITTED)


def test_rows_that_are_no_support_vectors_change_nothing():
    X, y, weight = problem(2)
    model = svc().fit(X, y, weight)
    others = np.setdiff1d(np.arange(len(y)), model.support_)
    for curvature in ("hessian", "active_set"):
        explainer = RelatIFExplainer.from_fitted(model, X, y, weight, curvature=curvature)
        for order in ("newton", "retrain"):
            groups = np.where(np.isin(np.arange(len(y)), others), 1, None)
            effect = explainer.removal_effect(X[:5], groups=groups, order=order)
            assert_array_equal(effect, 0)
        found = explainer.removal_statistics(others[:3], X[:5])
        assert_array_equal(found.parameter_change, 0)
        assert_array_equal(found.loss_per_parameter, 0)


# --- one step on the active set ------------------------------------------------------------


def written_out_step(model, X, y, weight, row, queries):
    """Change of the decision values: free rows stay on the margin, bounded ones keep theirs."""
    kernel = lambda A, B: np.exp(-0.2 * ((A[:, None] - B[None]) ** 2).sum(axis=2))  # noqa: E731
    beta = np.zeros(len(y))
    beta[model.support_] = model.dual_coef_[0]
    size = np.abs(beta)
    free = np.flatnonzero((size > 1e-6) & (size < C * weight - 1e-6))
    free = free[free != row]
    system = np.ones((len(free) + 1, len(free) + 1))
    system[0, 0] = 0
    system[1:, 1:] = kernel(X[free], X[free])
    right = beta[row] * np.append(1.0, kernel(X[free], X[[row]]).ravel())
    step = np.linalg.solve(system, right)
    change = step[0] + kernel(queries, X[free]) @ step[1:]
    change -= beta[row] * kernel(queries, X[[row]]).ravel()
    moved = np.append(step[1:], -beta[row])
    gram = kernel(X[np.append(free, row)], X[np.append(free, row)])
    return change, np.sqrt(moved @ gram @ moved)


def test_newton_and_active_set_by_a_written_out_system():
    X, y, weight = problem(2)
    model = svc().fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight, curvature="active_set")
    queries, labels = X[:8] + 0.1, y[:8]
    signs = 2 * labels - 1
    share = weight / weight.sum()
    scores = {
        name: explainer.pairwise_influence(queries, labels, criterion=name)
        for name in cases.CRITERIA
    }
    effect = explainer.removal_effect(queries, labels, order="newton")
    before = model.decision_function(queries)
    for row in model.support_:
        change, length = written_out_step(model, X, y, weight, row, queries)
        after = np.maximum(1 - signs * (before + change), 0)
        expected = after - np.maximum(1 - signs * before, 0)
        assert_allclose(effect[:, row], expected, rtol=0, atol=REFITTED)
        influence = scores["influence"][:, row] * share[row]
        assert_allclose(influence, -signs * change, rtol=0, atol=REFITTED)
        relative = scores["theta_relative"][:, row]
        assert_allclose(relative, influence / length, rtol=0, atol=REFITTED)
        own, _ = written_out_step(model, X, y, weight, row, X[[row]])
        squared = -(2 * y[row] - 1) * own[0] / share[row]
        assert_allclose(explainer.self_influence_[row], squared, rtol=1e-4)
        loss_relative = scores["influence"][:, row] / np.sqrt(squared)
        assert_allclose(scores["loss_relative"][:, row], loss_relative, rtol=1e-3, atol=1e-4)


def test_newton_of_linear_svc_by_projection():
    """Without a bounded row, the parameters move at right angles to the free rows."""
    X, y, weight = problem(2)
    X = np.random.default_rng(0).normal(size=(90, 40)) + 0.4 * y[:, None]
    model = linear_svc().fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    D, signs = np.column_stack([X, np.ones(90)]), 2 * y - 1
    margins = signs * model.decision_function(X)
    free = D[np.abs(margins - 1) < 1e-6]
    assert 0 < len(free) < 41
    groups = np.where(margins < 1 - 1e-6, np.arange(90), None)
    bounded = np.flatnonzero(margins < 1 - 1e-6)

    def first_score(scores):
        return scores[0], None

    effect = explainer.removal_effect_on(first_score, X, groups=groups, order="newton")
    away = np.eye(41) - np.linalg.pinv(free) @ free
    expected = -C * weight[bounded] * signs[bounded] * (D[bounded] @ away @ D[0])
    assert_allclose(effect, expected, rtol=0, atol=REFITTED)


def test_self_influence_on_the_active_set_of_several_problems():
    """A row's own margins, of all problems that it supports, by the step that removes it."""
    X, y, weight = problem(3)
    model = svc().fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight, curvature="active_set")
    signs, scores = signs_of(model, y), decisions(model, X)
    is_support = (signs != 0) & (signs * scores <= 1 + 1e-6)
    assert set(is_support.sum(axis=1)) == {0, 1, 2}
    for row in np.flatnonzero(is_support.any(axis=1))[::4]:

        def own_margin(values, row=row):
            return (is_support[row] * signs[row] * values[0]).sum(), None

        groups = np.where(np.arange(len(y)) == row, 1, None)
        fall = -explainer.removal_effect_on(own_margin, X[[row]], groups=groups, order="newton")[0]
        influence = fall * weight.sum() / weight[row]
        assert_allclose(explainer.self_influence_[row], influence, rtol=1e-6)


@machines
def test_active_set_explains_by_support_vectors(name):
    model, n_classes = MACHINES[name]
    X, y, weight = problem(n_classes)
    explainer = RelatIFExplainer(model, curvature="active_set").fit(X, y, weight)
    assert explainer.solver_.name == "active_set"
    plain = RelatIFExplainer.from_fitted(explainer.estimator_, X, y, weight)
    support = plain.self_influence_ > 0
    explanations = explainer.explain(X[:8], n_examples=4, criterion=cases.CRITERIA)
    for criterion, explanation in explanations.items():
        scores = explainer.pairwise_influence(X[:8], criterion=criterion)
        assert np.isfinite(scores).all()
        assert_array_equal(scores[:, ~support], 0)
        best = -np.sort(-scores, axis=1)[:, :4]
        assert_allclose(explanation.scores, np.where(best > 0, best, np.nan), rtol=1e-6)


@pytest.mark.parametrize("name", ["rbf", "rbf, three classes"])
@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_active_set_is_more_faithful_than_the_hessian(name, criterion):
    """With many free rows. Where they fill the space, as in few dimensions, one step sees less."""
    model, n_classes = MACHINES[name]
    X, y, weight = problem(n_classes)
    model = clone(model).fit(X, y, weight)
    scores = [
        RelatIFExplainer.from_fitted(
            model, X, y, weight, curvature=curvature, criterion=criterion, n_retrainings=90
        ).score(X[:30] + 0.1)
        for curvature in ("hessian", "active_set")
    ]
    assert scores[1] > scores[0]
    assert scores[1] > 0.5


def test_search_over_curvatures_in_a_pipeline():
    X, y, _ = problem(2)
    explainer = RelatIFExplainer(svc(), criterion="influence", n_retrainings=20, random_state=0)
    for scoring in (None, retraining_fidelity, top_k_overlap, influence_set_cardinality):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), explainer),
            {"relatifexplainer__curvature": ["hessian", "identity", "active_set"]},
            scoring=scoring,
            cv=2,
        ).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# --- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [svc(), linear_svc()])
def test_first_order_does_not_exist(model):
    X, y, _ = problem(2)
    explainer = RelatIFExplainer(model).fit(X, y)
    with pytest.raises(ValueError, match=r"order='first' needs a loss with curvature, .*'newton'"):
        explainer.removal_effect(X[:2], order="first")


def test_a_nu_svc_has_no_active_set():
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match="Removal from a NuSVC is not followed"):
        RelatIFExplainer(NuSVC(nu=0.4), curvature="active_set").fit(X, y)


def test_active_set_is_for_hinge_losses():
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match=r"curvature='active_set' exists for SVMs .*LinearSVC"):
        RelatIFExplainer(LinearSVC(), curvature="active_set").fit(X, y)
    explainer = RelatIFExplainer(linear_svc(), curvature="active_set").fit(X, y)
    for name in ("transform", "leverage_"):
        assert not hasattr(explainer, name)
