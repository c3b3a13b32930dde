"""SVR, NuSVR, LinearSVR and OneClassSVM, against formulas, KKT conditions and their own refits."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics.pairwise import pairwise_kernels, rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, LinearSVR, NuSVR, OneClassSVM

from sklearn_relatif import RelatIFExplainer, trusted_types
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.losses import EpsilonInsensitive, OneClassHinge
from sklearn_relatif.removal.active_set import ActiveSetSVM
from sklearn_relatif.testing import check_adapter, check_loss

GAMMA = 0.3
#: libsvm keeps its kernel in single precision.
REFITTED = 2e-5
REMOVALS = [[0], [3], [10, 11, 12]]


def svr(**options):
    return SVR(**{"gamma": GAMMA, "tol": 1e-10, **options})


def nu_svr(**options):
    return NuSVR(**{"gamma": GAMMA, "tol": 1e-10, **options})


def one_class(**options):
    return OneClassSVM(**{"gamma": GAMMA, "tol": 1e-10, "nu": 0.3, **options})


def data(n_rows=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + 5, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=len(X))
    weight = rng.uniform(0.5, 2, n_rows)
    weight[[5, 20]] = 0
    return X[:n_rows], y[:n_rows], weight, X[n_rows:], y[n_rows:]


def values(model, X):
    return (model.decision_function if isinstance(model, OneClassSVM) else model.predict)(X)


def groups_of(removals, n_rows):
    groups = np.full(n_rows, None)
    for label, rows in enumerate(removals):
        groups[rows] = label
    return groups


def check_refits(explainer, model, X, y, weight, queries):
    """Predictions without rows by the path, and by retrain_without, are those of refits."""
    effect = explainer.removal_effect(queries, groups=groups_of(REMOVALS, len(X)), order="retrain")
    retrained = explainer.retrain_without(REMOVALS)
    before = values(explainer.estimator_.estimator, queries)
    for k, rows in enumerate(REMOVALS):
        kept = np.setdiff1d(np.flatnonzero(weight), rows)
        after = values(clone(model).fit(X[kept], y[kept], sample_weight=weight[kept]), queries)
        size = np.abs(after - before).max()
        assert_allclose(before - after, effect[:, k], rtol=0, atol=REFITTED * max(size, 1))
        assert_allclose(values(retrained[k], queries), after, rtol=0, atol=REFITTED)


# --- the losses ----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [EpsilonInsensitive(0.3), EpsilonInsensitive(0), OneClassHinge()])
def test_losses(loss):
    eta = np.array([[1.0], [-2.0], [0.4], [-0.1], [3.0]])
    y = np.zeros(5) if isinstance(loss, OneClassHinge) else np.array([0.0, 1.0, 0.5, -0.3, 3.7])
    if isinstance(loss, OneClassHinge):
        assert_array_equal(loss.predict(eta), [1, -1, 1, -1, 1])
        y_nan = np.full(5, np.nan)
        assert_array_equal(loss.value(y_nan, eta), -eta[:, 0])
        assert_array_equal(loss.value(y, eta), np.maximum(-eta[:, 0], 0))
        assert_array_equal(loss.residual(y, eta)[:, 0], -(eta[:, 0] < 0).astype(float))
        return
    check_loss(loss, y, eta)
    hinges = loss.hinges(y)
    excess = hinges.excess(eta)
    assert_allclose(hinges.by_row(np.maximum(-excess, 0))[:, 0], loss.value(y, eta), atol=1e-15)


def test_coefficients_of_hinges_add_up_to_those_of_rows():
    hinges = EpsilonInsensitive(0.1).hinges(np.arange(3.0))
    beta = np.array([[0.5], [-2.0], [0.0]])
    alpha = hinges.of_rows(beta)
    assert_array_equal(alpha[:, 0], [0.5, 0, 0, 0, 2, 0])
    assert_array_equal(hinges.by_row(hinges.signs * alpha), beta)


# --- the path ------------------------------------------------------------------------------


def hostile_problem(seed, kind):
    """A small machine: ties, duplicates, bad scaling, weights, targets of any size and offset."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(2, 30), rng.integers(1, 6)
    X = rng.normal(size=(n, d))
    rows = rng.choice(["plain", "grid", "duplicates", "scales"])
    if rows == "grid":
        X = rng.integers(-2, 3, size=(n, d)).astype(float)
    elif rows == "duplicates":
        X = X[rng.integers(0, n, n)]
    elif rows == "scales":
        X = X * 10 ** rng.uniform(-2, 2, d)
    kernel, options = [("linear", {}), ("rbf", {"gamma": 10 ** rng.uniform(-3, 1)})][seed % 2]
    K = pairwise_kernels(X, metric=kernel, **options)
    weight = [np.ones(n), rng.uniform(0.1, 3, n), rng.integers(0, 3, n) + 0.0][rng.integers(3)]
    weight[0] = 1
    if kind == "one class":
        signs, targets, upper = np.ones(n), np.zeros(n), weight
        quota, has_intercept, of_row = rng.choice([0.1, 0.5, 0.9]) * weight, True, np.arange(n)
    else:
        y = X @ rng.normal(size=d) + rng.choice([0, 1]) * rng.normal(size=n)
        y = [y, np.round(y)][rng.integers(2)] * 10.0 ** rng.integers(-3, 4) + rng.choice([0, 1e4])
        of_row, signs = np.tile(np.arange(n), 2), np.repeat([1.0, -1.0], n)
        targets = y[of_row] - rng.choice([0, 0.1, 1]) * y.std() * signs
        upper, quota = 10 ** rng.uniform(-3, 3) * weight[of_row], np.zeros(2 * n)
        has_intercept = bool(rng.integers(2))
    K = K[np.ix_(of_row, of_row)]
    start = [np.zeros(len(upper)), upper, rng.uniform(size=len(upper)) * upper][rng.integers(3)]
    return K, signs, targets, upper, quota, has_intercept, start, of_row


def violation(K, signs, targets, upper, quota, beta, intercept):
    """How far a machine is from its KKT conditions; ``quota=None`` without an intercept."""
    alpha, excess = signs * beta, signs * (K @ beta + intercept - targets)
    slack = 1e-9 * upper
    wrong = np.where(alpha < upper - slack, np.maximum(-excess, 0), 0)
    wrong = np.maximum(wrong, np.where(alpha > slack, np.maximum(excess, 0), 0))
    imbalance = 0.0 if quota is None else abs(beta.sum() - quota.sum())
    outside = np.maximum(-alpha, alpha - upper).max(initial=0)
    return wrong[upper > 0].max(initial=0), max(imbalance, outside)


@pytest.mark.filterwarnings("ignore:The support vector machine is ill-conditioned")
@pytest.mark.parametrize("kind", ["regression", "one class"])
@pytest.mark.parametrize("seed", range(50))
def test_removals_from_hostile_machines_satisfy_the_kkt_conditions(seed, kind):
    problem = hostile_problem(seed, kind)
    K, signs, targets, upper, quota, has_intercept, start, of_row = problem
    svm = ActiveSetSVM(
        lambda rows: K[rows],
        signs,
        start,
        upper,
        fit_intercept=has_intercept,
        targets=targets,
        quota=quota,
    )
    total = svm.alpha.sum()
    size = max(np.abs(targets).max(), total * np.abs(K).max(), abs(svm.intercept))
    pairs = [[row] for row in range(of_row.max() + 1)] + [[0, 1]]
    removals = [np.flatnonzero(np.isin(of_row, rows)) for rows in pairs]
    change = svm.removal_path(removals)
    everyone = np.arange(len(upper))
    for rows, step, moved in zip(
        [[], *removals],
        np.vstack([np.zeros_like(upper), change.coefficients.toarray()]),
        np.append(0.0, change.intercepts),
        strict=True,
    ):
        kept, beta = np.setdiff1d(everyone, rows), signs * svm.alpha + step
        assert not beta[rows].any()
        if upper[kept].any():
            margin, outside = violation(
                K[np.ix_(kept, kept)],
                *(part[kept] for part in (signs, targets, upper)),
                quota[kept] if has_intercept else None,
                beta[kept],
                svm.intercept + moved,
            )
            assert margin <= 1e-9 * size
            assert outside <= 1e-9 * total


# --- regression ----------------------------------------------------------------------------


def test_influence_of_regression_in_closed_form():
    X, y, weight, queries, y_new = data()
    model = svr(C=2.0).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    counted, sign = np.flatnonzero(weight), np.zeros(len(X))
    sign[counted[model.support_]] = np.sign(model.dual_coef_[0])
    kernel = rbf_kernel(queries, X, gamma=GAMMA)
    influence = 2.0 * weight.sum() * sign * kernel
    found = explainer.pairwise_influence(queries, criterion="influence")
    assert_allclose(found, influence, rtol=1e-12, atol=1e-12)
    error = model.predict(queries) - y_new
    side = -np.sign(error) * (np.abs(error) > model.epsilon)
    found = explainer.pairwise_influence(queries, y_new, criterion="influence")
    assert_allclose(found, side[:, None] * influence, rtol=1e-12, atol=1e-12)
    relative = explainer.pairwise_influence(queries)
    assert_allclose(relative, np.sqrt(2 * weight.sum()) * sign * kernel, rtol=1e-12, atol=1e-12)
    assert_allclose(explainer.explain(queries).targets, model.predict(queries), rtol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        svr(),
        svr(epsilon=0.0, C=5.0),
        svr(kernel="linear", epsilon=0.3),
        svr(kernel="poly", degree=2, coef0=1, gamma=0.5),
        nu_svr(nu=0.4),
        one_class(),
        # Where it separates rows from the origin; around it, it is zero.
        one_class(kernel="linear", nu=0.26),
    ],
)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_models_without_rows_are_those_of_refits(model, is_weighted):
    X, y, weight, queries, _ = data()
    weight = weight if is_weighted else np.ones(len(X))
    if isinstance(model, OneClassSVM):
        X, queries = X + 2, queries + 2
    fitted = clone(model).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(fitted, X, y, weight)
    assert explainer.distance_to_optimum_ < 0.01
    check_refits(explainer, model, X, y, weight, queries)
    check_adapter(adapter_of(fitted), fitted, X, y, weight)


def test_gamma_is_held_as_it_was():
    X, y, _, queries, _ = data()
    X = X * np.linspace(1, 3, len(X))[:, None]
    explainer = RelatIFExplainer.from_fitted(svr(gamma="scale").fit(X, y), X, y)
    held = svr(gamma=1 / (X.shape[1] * X.var()))
    check_refits(explainer, held, X, y, np.ones(len(X)), queries)


def test_gram_matrix_of_a_regression():
    X, y, _, queries, _ = data()
    gram, between = rbf_kernel(X, gamma=GAMMA), rbf_kernel(queries, X, gamma=GAMMA)
    own, other = (
        RelatIFExplainer(model).fit(features, y)
        for model, features in ((svr(), X), (svr(kernel="precomputed"), gram))
    )
    assert_allclose(other.pairwise_influence(between), own.pairwise_influence(queries), atol=1e-6)
    groups = groups_of(REMOVALS, len(X))
    effects = [
        explainer.removal_effect(rows, groups=groups, order="retrain")
        for explainer, rows in ((own, queries), (other, between))
    ]
    assert_allclose(*effects, rtol=0, atol=REFITTED)
    for model, again in zip(*(e.retrain_without(REMOVALS) for e in (own, other)), strict=True):
        kept = np.isin(np.arange(len(X)), np.setdiff1d(np.arange(len(X)), REMOVALS[0]))
        assert kept.sum() == len(X) - 1
        assert model.n_support_.sum() == again.n_support_.sum()


@pytest.mark.parametrize("model", [svr(), svr(epsilon=0.0), one_class()])
def test_steps_and_influence_on_the_active_set_agree(model):
    """Also of rows that are no support vectors, which a machine of one class counts."""
    X, y, weight, queries, _ = data()
    explainer = RelatIFExplainer(model, curvature="active_set", criterion="influence")
    explainer.fit(X, y, sample_weight=weight)
    effect = explainer.removal_effect(queries, order="newton")
    influence = explainer.pairwise_influence(queries) * weight / weight.sum()
    assert_allclose(influence, effect, rtol=0, atol=1e-9)
    moves = np.abs(effect).max(axis=0) > 1e-12
    counts = weight > 0
    is_all = isinstance(model, OneClassSVM) or model.epsilon == 0
    assert_array_equal(moves[~counts], False)
    assert moves[counts].all() == is_all
    assert explainer.score(queries) > 0.8


def test_one_step_is_the_derivative_of_the_quota():
    """A machine of one class without a row that is no support vector: what its quota does."""
    X, _, _, queries, _ = data()
    model = one_class().fit(X)
    explainer = RelatIFExplainer.from_fitted(model, X)
    alpha = np.zeros(len(X))
    alpha[model.support_] = model.dual_coef_[0]
    free = np.flatnonzero((alpha > 1e-6) & (alpha < 1 - 1e-6))
    row = np.flatnonzero(alpha == 0)[0]
    system = np.ones((len(free) + 1, len(free) + 1))
    system[0, 0] = 0
    system[1:, 1:] = rbf_kernel(X[free], gamma=GAMMA)
    step = np.linalg.solve(system, np.append(-model.nu, np.zeros(len(free))))
    change = step[0] + rbf_kernel(queries, X[free], gamma=GAMMA) @ step[1:]
    effect = explainer.removal_effect(queries, order="newton")[:, row]
    assert_allclose(effect, -change, rtol=0, atol=REFITTED)


def test_targets_of_any_size_and_offset():
    X, y, _, queries, _ = data()
    groups = groups_of(REMOVALS, len(X))
    plain = RelatIFExplainer(svr()).fit(X, y)
    expected = plain.removal_effect(queries, groups=groups, order="retrain")
    for factor, offset in ((1e6, 0.0), (1e-6, 0.0), (1.0, 1e5)):
        model = svr(epsilon=0.1 * factor, C=factor, tol=1e-10 * min(factor, 1))
        explainer = RelatIFExplainer(model).fit(X, factor * y + offset)
        assert explainer.distance_to_optimum_ < 0.02
        effect = explainer.removal_effect(queries, groups=groups, order="retrain") / factor
        assert_allclose(effect, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("wrong", ["rows", "targets", "weights"])
@pytest.mark.parametrize("model", [svr(), nu_svr(), one_class(nu=0.5)])
def test_distance_tells_wrong_data(model, wrong):
    X, y, weight, _, _ = data()
    weight = np.maximum(weight, 0.1)
    fitted = clone(model).fit(X, y, weight)
    if wrong == "rows":
        X = X + 0.5 * np.random.default_rng(1).normal(size=X.shape)
    elif wrong == "targets":
        if isinstance(model, OneClassSVM):
            pytest.skip("It has none.")
        y = y[::-1]
    else:
        weight = weight[::-1]
    with pytest.warns(match="not at the optimum|not among these rows"):
        explainer = RelatIFExplainer.from_fitted(fitted, X, y, weight)
    assert explainer.distance_to_optimum_ > 0.3


def test_a_tube_that_holds_all_rows_explains_nothing():
    X, y, _, _, _ = data()
    for model in (svr(epsilon=100), make_pipeline(StandardScaler(), svr(epsilon=100))):
        with pytest.raises(ValueError, match=r"no support vectors: all training rows .*epsilon"):
            RelatIFExplainer(model).fit(X, y)


@pytest.mark.filterwarnings("ignore:The training rows do not determine the intercept")
def test_a_tube_that_holds_all_rows_without_one():
    """The one row that is off the line is all that there is to explain."""
    X = np.linspace(-1, 1, 9)[:, None]
    y = np.zeros(9)
    y[4] = 5.0
    explainer = RelatIFExplainer(svr(epsilon=1.0, C=0.1)).fit(X, y)
    (without,) = explainer.retrain_without([[4]])
    effect = explainer.removal_effect(X, groups=groups_of([[4]], 9), order="retrain")[:, 0]
    change = explainer.predict(X) - without.predict(X)
    assert_allclose(effect, change, rtol=0, atol=1e-6)


# --- NuSVR ---------------------------------------------------------------------------------


@pytest.mark.parametrize("nu", [0.2, 0.7])
def test_the_tube_of_a_nu_svr_is_that_of_the_same_svr(nu):
    X, y, weight, queries, _ = data()
    explainer = RelatIFExplainer(nu_svr(nu=nu, C=2.0)).fit(X, y, sample_weight=weight)
    epsilon = explainer._study.objective.loss.epsilon
    same = svr(C=2.0, epsilon=epsilon).fit(X, y, weight)
    assert_allclose(same.predict(queries), explainer.predict(queries), rtol=0, atol=1e-5)
    own = RelatIFExplainer.from_fitted(same, X, y, weight)
    found, expected = (e.pairwise_influence(queries) for e in (explainer, own))
    assert_allclose(found, expected, rtol=1e-9)


def test_a_nu_svr_has_no_active_set():
    X, y, _, queries, _ = data()
    explainer = RelatIFExplainer(nu_svr()).fit(X, y)
    with pytest.raises(ValueError, match=r"NuSVR is not followed .* tube moves"):
        explainer.removal_effect(queries, order="newton")
    with pytest.raises(ValueError, match=r"NuSVR is not followed .* tube moves"):
        RelatIFExplainer(nu_svr(), curvature="active_set").fit(X, y)


# --- LinearSVR -----------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize("options", [{}, {"intercept_scaling": 4.0}, {"fit_intercept": False}])
def test_linear_regression_is_that_of_the_linear_kernel(epsilon, options):
    """With a constant column in the place of the penalised intercept."""
    X, y, weight, queries, _ = data(40)
    linear = LinearSVR(
        epsilon=epsilon, C=0.5, tol=1e-9, max_iter=10**6, random_state=0, **options
    ).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(linear, X, y, weight, criterion="influence")
    assert explainer.distance_to_optimum_ < 0.01
    scale = options.get("intercept_scaling", 1.0) if linear.fit_intercept else 0.0

    def extended(X):
        return np.column_stack([X, np.full(len(X), scale)])

    found = explainer.pairwise_influence(queries)
    pull = np.sign(y - linear.predict(X)) * (np.abs(y - linear.predict(X)) > epsilon - 1e-6)
    is_clear = np.abs(np.abs(y - linear.predict(X)) - epsilon) > 1e-5
    kernel = extended(queries) @ extended(X).T
    expected = 0.5 * weight.sum() * pull * (weight > 0) * kernel
    assert_allclose(found[:, is_clear], expected[:, is_clear], rtol=1e-8, atol=1e-8)
    # Of the others, the sign is that of what keeps them where they are.
    retrained = explainer.retrain_without(REMOVALS)
    effect = explainer.removal_effect(queries, groups=groups_of(REMOVALS, 40), order="retrain")
    for rows, model, own in zip(REMOVALS, retrained, effect.T, strict=True):
        kept = np.setdiff1d(np.flatnonzero(weight), rows)
        refit = clone(linear).fit(X[kept], y[kept], weight[kept])
        assert_allclose(model.predict(queries), refit.predict(queries), rtol=0, atol=1e-5)
        (optimum,) = explainer.retrain_without([[]])
        change = optimum.predict(queries) - model.predict(queries)
        assert_allclose(own, change, rtol=0, atol=1e-9)


def test_rows_that_are_fitted_exactly_pull_as_their_coefficients_do():
    """In a tube without width, errors of theirs have the signs of rounding."""
    X, y, weight, _, _ = data(40)
    ones = np.column_stack([X, np.ones(40)])
    linear = LinearSVR(epsilon=0, C=0.5, tol=1e-9, max_iter=10**6, random_state=0)
    explainer = RelatIFExplainer(linear, criterion="influence").fit(X, y, sample_weight=weight)
    rows = explainer._study.objective.rows
    twice = np.tile(ones, (2, 1))
    flat = ActiveSetSVM(
        lambda asked: twice[asked] @ twice.T,
        np.repeat([1.0, -1.0], 40),
        np.zeros(80),
        0.5 * np.tile(weight, 2),
        fit_intercept=False,
        targets=np.tile(y, 2),
    )
    beta = flat.alpha[:40] - flat.alpha[40:]
    assert (np.abs(beta) < 0.5 * weight)[weight > 0].sum() >= 3
    assert_array_equal(rows.unit[:, 0], -np.sign(beta))
    assert_array_equal(rows.norm, np.abs(np.sign(beta)))


# --- one class -----------------------------------------------------------------------------


def test_influence_of_one_class_in_closed_form():
    X, _, weight, queries, _ = data()
    model = one_class().fit(X, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, sample_weight=weight)
    is_support = np.zeros(len(X))
    is_support[np.flatnonzero(weight)[model.support_]] = 1
    kernel = rbf_kernel(queries, X, gamma=GAMMA)
    found = explainer.pairwise_influence(queries, criterion="influence")
    assert_allclose(found, weight.sum() * is_support * kernel, rtol=1e-12, atol=1e-12)
    explanation = explainer.explain(queries, n_examples=2)
    assert_array_equal(explanation.targets, model.predict(queries))
    frame = explanation.frame()
    assert "label" not in frame and set(frame.prediction) <= {-1, 1}


def test_one_class_takes_no_targets():
    X, y, _, queries, _ = data()
    pipeline = make_pipeline(StandardScaler(), one_class())
    explainer = RelatIFExplainer(pipeline, random_state=0).fit(X)
    for ask in (explainer.explain, explainer.pairwise_influence, explainer.removal_effect):
        with pytest.raises(ValueError, match=r"no targets .*leave y out"):
            ask(queries, np.ones(5))
    with pytest.raises(TypeError, match="predicts no label"):
        explainer.flip_set(queries[:1])
    assert explainer.score(queries) == explainer.score(queries, np.ones(5))
    assert_array_equal(
        explainer.score_samples(queries), explainer.estimator_.score_samples(queries)
    )
    with pytest.raises(ValueError, match="requires y to be passed"):
        RelatIFExplainer(svr()).fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        RelatIFExplainer.from_fitted(svr().fit(X, y), X)


def test_a_search_without_targets():
    X = data()[0]
    search = GridSearchCV(
        RelatIFExplainer(one_class(), random_state=0, n_retrainings=4),
        {"curvature": ["hessian", "active_set"]},
        cv=2,
    ).fit(X)
    assert search.best_params_ == {"curvature": "active_set"}


def test_labels_of_one_class_are_shown_with_its_rows():
    X, _, _, queries, _ = data()
    names = np.array(["known", "new"])[np.arange(len(X)) % 2]
    explainer = RelatIFExplainer(one_class()).fit(X, names)
    assert set(explainer.explain(queries).frame().label) <= {"known", "new"}


# --- whatever the machine ------------------------------------------------------------------


@pytest.mark.parametrize("model", [svr(), nu_svr(), one_class(), LinearSVR(epsilon=0.1)])
def test_saved_audited_and_refused(model):
    X, y, _, queries, _ = data()
    explainer = RelatIFExplainer(model).fit(X, None if isinstance(model, OneClassSVM) else y)
    loaded = pickle.loads(pickle.dumps(explainer))
    expected = explainer.pairwise_influence(queries)
    assert_array_equal(loaded.pairwise_influence(queries), expected)
    skops = pytest.importorskip("skops.io")
    loaded = skops.loads(skops.dumps(explainer), trusted=trusted_types())
    assert_array_equal(loaded.pairwise_influence(queries), expected)
    if isinstance(model, OneClassSVM):
        with pytest.raises(TypeError, match="OneClassSVM has none"):
            explainer.audit(queries)
    else:
        assert set(explainer.audit(queries).columns) >= {"target", "residual", "self_influence"}
    with pytest.raises(TypeError, match="predicts no label"):
        explainer.flip_set(queries[:1])
    with pytest.raises(ValueError, match="order='first' needs a loss with curvature"):
        explainer.removal_effect(queries, order="first")
    if not isinstance(model, LinearSVR):
        with pytest.raises((TypeError, ValueError, AttributeError), match="compact"):
            explainer.compact()
        assert not hasattr(explainer, "transform")


def test_sgd_is_refused():
    X = data()[0]
    with pytest.raises(TypeError, match=r"SGDOneClassSVM .*OneClassSVM\(kernel='linear'\)"):
        RelatIFExplainer(SGDOneClassSVM()).fit(X)
