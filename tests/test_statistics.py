"""Statistics of parameters: statsmodels, shares of rows, and refits."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import Comparison, RelatIFExplainer
from sklearn_relatif.curvature import hessian_inverse
from sklearn_relatif.explainers import study_of
from sklearn_relatif.statistics import (
    Coefficient,
    Difference,
    GroupGap,
    MetricOn,
    ParameterFunction,
    TStatistic,
    statistic_of,
)

KINDS = ["classical", "HC0", "HC1", "HC2", "HC3"]
TIGHT = {"tol": 1e-12, "max_iter": 10_000}


def explained(model, X, y, weight=None):
    return RelatIFExplainer.from_fitted(model.fit(X, y, sample_weight=weight), X, y, weight)


def value_of(explainer, statistic):
    study = study_of(explainer)
    return statistic_of(study, statistic).value(study.remover.objective)


def effects_of(explainer, statistic):
    study = study_of(explainer)
    objective = study.remover.objective
    return statistic_of(study, statistic).row_effects(objective, hessian_inverse(objective))


@pytest.fixture(scope="module")
def rows():
    """Columns, real targets, two classes, counts and positive numbers; 90 rows, some weights."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 3)), columns=["age", "hours", "height"])
    spread = 1 + 0.7 * np.abs(X["age"])
    eta = 0.3 + X @ [0.5, -0.3, 0.1]
    targets = {
        "real": (eta + spread * rng.normal(size=90)).to_numpy(),
        "class": (eta + rng.logistic(size=90) > 0).to_numpy().astype(int),
        "count": rng.poisson(np.exp(eta)),
        "positive": rng.gamma(2.0, np.exp(eta) / 2),
    }
    return X, targets, rng.uniform(0.5, 2.0, 90)


MODELS = {
    "real": LinearRegression(),
    "class": LogisticRegression(C=np.inf, **TIGHT),
    "count": PoissonRegressor(alpha=0, **TIGHT),
    "positive": GammaRegressor(alpha=0, **TIGHT),
}


# --- values: statsmodels ---------------------------------------------------------------------


def fit_of_statsmodels(kind, X, y, weight, cov_type):
    sm = pytest.importorskip("statsmodels.api")
    design = sm.add_constant(X)
    if kind == "real":
        return sm.WLS(y, design, weights=weight).fit(cov_type=cov_type)
    families = {
        "class": sm.families.Binomial(),
        "count": sm.families.Poisson(),
        "positive": sm.families.Gamma(sm.families.links.Log()),
    }
    return sm.GLM(y, design, family=families[kind], var_weights=weight).fit(
        cov_type=cov_type, tol=1e-14, maxiter=200
    )


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("kind", list(MODELS))
def test_t_statistics_are_those_of_statsmodels(rows, kind, is_weighted):
    X, targets, weight = rows
    weight = weight if is_weighted else np.ones(90)
    explainer = explained(MODELS[kind], X, targets[kind], weight)
    for errors in KINDS if kind == "real" else KINDS[:3]:
        known = fit_of_statsmodels(
            kind, X, targets[kind], weight, "nonrobust" if errors == "classical" else errors
        )
        for name in ["age", "height", "intercept"]:
            expected = known.tvalues["const" if name == "intercept" else name]
            found = value_of(explainer, TStatistic(name, errors))
            if errors == "HC1" and kind != "real":  # Which statsmodels does not correct.
                found *= np.sqrt(90 / (90 - 4))
            assert_allclose(found, expected, rtol=1e-7, err_msg=f"{errors} {name}")


def test_logit_and_poisson_models_have_the_same(rows):
    sm = pytest.importorskip("statsmodels.api")
    X, targets, _ = rows
    for kind, model in [("class", sm.Logit), ("count", sm.Poisson)]:
        explainer = explained(MODELS[kind], X, targets[kind])
        for errors in ["nonrobust", "HC0", "HC1"]:
            known = model(targets[kind], sm.add_constant(X)).fit(
                disp=False, cov_type=errors, method="newton", tol=1e-14
            )
            ending = "" if errors == "nonrobust" else f":{errors}"
            found = value_of(explainer, f"tstat:age{ending}")
            found *= np.sqrt(90 / (90 - 4)) if errors == "HC1" else 1
            assert_allclose(found, known.tvalues["age"], rtol=1e-7)


def test_differences_between_classes_are_those_of_the_multinomial_logit():
    sm = pytest.importorskip("statsmodels.api")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X[["sepal length (cm)", "sepal width (cm)"]].set_axis(["length", "width"], axis=1)
    X = X + np.random.default_rng(0).normal(0, 1, X.shape)
    explainer = explained(LogisticRegression(C=np.inf, **TIGHT), X, y)
    known = sm.MNLogit(y, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    for column, label in enumerate([1, 2]):
        difference = Difference(f"coef:width:{label}", "coef:width:0")
        assert_allclose(
            value_of(explainer, difference), known.params.loc["width", column], rtol=1e-6
        )
        found = value_of(explainer, TStatistic(difference))
        assert_allclose(found, known.tvalues.loc["width", column], rtol=1e-6)


# --- effects: the share of each row ----------------------------------------------------------


def unit_loss(kind, y, eta):
    """The loss of each row, its derivatives, and the Fisher weight."""
    mean = np.exp(eta)
    if kind == "real":
        return eta - y, np.ones_like(eta), np.ones_like(eta)
    if kind == "class":
        mean = 1 / (1 + np.exp(-eta))
        return mean - y, mean * (1 - mean), mean * (1 - mean)
    if kind == "count":
        return mean - y, mean, mean
    return 1 - y / mean, y / mean, np.ones_like(eta)


def t_statistic(kind, X, y, weight, share, column, errors, penalty=0.0):
    """By its equations, of rows that count for a share of themselves."""
    design = np.column_stack([X, np.ones(len(X))])
    ridge = np.append(np.full(X.shape[1], penalty), 0)

    def gradient(w):
        return (share * weight * unit_loss(kind, y, design @ w)[0]) @ design + ridge * w

    def hessian(w):
        curve = unit_loss(kind, y, design @ w)[1]
        return (design.T * (share * weight * curve)) @ design + np.diag(ridge)

    w = np.zeros(design.shape[1])
    for _ in range(100):
        step = np.linalg.solve(hessian(w), gradient(w))
        w = w - step / max(1.0, np.abs(step).max())
    assert np.abs(gradient(w)).max() < 1e-9
    residual, _, fisher = unit_loss(kind, y, design @ w)
    n, p = share[weight > 0].sum(), design.shape[1]
    if errors == "classical":
        information = (design.T * (share * weight * fisher)) @ design
        has_dispersion = kind in ("real", "positive")
        squares = (share * weight * residual**2 / fisher).sum()
        covariance = np.linalg.inv(information) * (squares / (n - p) if has_dispersion else 1)
    else:
        bread = np.linalg.inv(hessian(w))
        leverage = weight * np.einsum("ij,jk,ik->i", design, bread, design)
        power = {"HC2": 1, "HC3": 2}.get(errors, 0)
        factor = share * (1 - leverage) ** -float(power) * (n / (n - p) if errors == "HC1" else 1)
        meat = (design.T * (factor * (weight * residual) ** 2)) @ design
        covariance = bread @ meat @ bread
    return w[column] / np.sqrt(covariance[column, column])


@pytest.mark.parametrize("kind", list(MODELS))
def test_effects_are_derivatives_in_the_share_of_a_row(rows, kind):
    X, targets, weight = rows
    explainer = explained(MODELS[kind], X, targets[kind], weight)
    few, step = [0, 7, 31, 60], 1e-4
    for errors in KINDS if kind == "real" else KINDS[:3]:
        effects = effects_of(explainer, TStatistic("hours", errors))
        for row in few:
            above, below = np.ones(90), np.ones(90)
            above[row] += step
            below[row] -= step
            own = [
                t_statistic(kind, X, targets[kind], weight, share, 1, errors)
                for share in (above, below)
            ]
            slope = (own[0] - own[1]) / (2 * step)
            assert_allclose(effects[row], -slope, rtol=2e-5, atol=1e-8, err_msg=errors)


@pytest.mark.parametrize("errors", ["HC0", "HC1"])
def test_effects_of_penalised_models_are_derivatives_too(rows, errors):
    X, targets, weight = rows
    ridge = explained(Ridge(alpha=7.0), X, targets["real"], weight)
    logistic = explained(LogisticRegression(C=0.2, **TIGHT), X, targets["class"], weight)
    for kind, explainer, penalty in [("real", ridge, 7.0), ("class", logistic, 5.0)]:
        known = t_statistic(kind, X, targets[kind], weight, np.ones(90), 1, errors, penalty)
        assert_allclose(value_of(explainer, TStatistic("hours", errors)), known, rtol=1e-8)
        effects = effects_of(explainer, TStatistic("hours", errors))
        for row in [0, 31]:
            shares = np.ones((2, 90))
            shares[:, row] += [1e-4, -1e-4]
            above, below = (
                t_statistic(kind, X, targets[kind], weight, share, 1, errors, penalty)
                for share in shares
            )
            assert_allclose(effects[row], -(above - below) / 2e-4, rtol=2e-5)


@pytest.mark.parametrize("kind", list(MODELS))
def test_effects_are_close_to_refits(rows, kind):
    X, targets, _ = rows
    y, model = targets[kind], MODELS[kind]
    explainer = explained(model, X, y)
    statistics = ["coef:age", "tstat:age", "tstat:age:HC1", "coef:age - coef:hours"]
    left_out = np.arange(0, 90, 6)
    kept = [np.delete(np.arange(90), row) for row in left_out]
    refits = [explained(model, X.iloc[k], y[k]) for k in kept]
    for statistic in statistics:
        before = value_of(explainer, statistic)
        changes = np.array([value_of(refit, statistic) for refit in refits]) - before
        effects = effects_of(explainer, statistic)[left_out]
        assert np.corrcoef(effects, changes)[0, 1] > 0.98, statistic
        assert 0.85 < np.polyfit(effects, changes, 1)[0] < 1.35, statistic


def test_several_classes():
    """The multinomial Fisher information, and what it owes to a row."""
    X, y = load_iris(return_X_y=True)
    X = X[:, :2] + np.random.default_rng(0).normal(0, 1, (150, 2))
    model = LogisticRegression(C=np.inf, **TIGHT)
    explainer = explained(model, X, y)
    effects = effects_of(explainer, "tstat:x1:2")
    for row in [3, 77, 120]:
        own = []
        for share in (1 + 1e-3, 1 - 1e-3):
            weight = np.ones(150)
            weight[row] = share
            own.append(value_of(explained(model, X, y, weight), "tstat:x1:2"))
        assert_allclose(effects[row], -(own[0] - own[1]) / 2e-3, rtol=1e-4)


def test_the_models_of_the_rows_left_are_asked(rows):
    """A set that is found moves the t-statistic of a refit by statsmodels across the threshold."""
    sm = pytest.importorskip("statsmodels.api")
    X, targets, _ = rows
    explainer = explained(LinearRegression(), X, targets["real"])
    found = explainer.fragility("tstat:hours:HC3", threshold=-0.5)
    left = np.delete(np.arange(90), found.positions)
    fit = sm.OLS(targets["real"][left], sm.add_constant(X.iloc[left])).fit(cov_type="HC3")
    assert found.value_before < -0.5 < found.value_after
    assert_allclose(found.value_after, fit.tvalues["hours"], rtol=1e-8)


# --- names -----------------------------------------------------------------------------------


def test_names_are_those_after_preprocessing():
    X = pd.DataFrame({"city": ["Linz", "Graz", "Wien", "Linz"] * 10, "age": np.arange(40.0) % 7})
    y = (np.arange(40) % 5 > 1).astype(int)
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["city"]),
        (StandardScaler(), ["age"]),
        verbose_feature_names_out=False,
    )
    model = make_pipeline(columns, LogisticRegression(C=np.inf, **TIGHT))
    explainer = RelatIFExplainer(model).fit(X, y)
    coef = explainer.estimator_[-1].coef_[0]
    for place, name in enumerate(["city_Linz", "city_Wien", "age"]):
        assert_allclose(value_of(explainer, f"coef:{name}"), coef[place], rtol=1e-6)
    intercept = explainer.estimator_[-1].intercept_[0]
    assert_allclose(value_of(explainer, Coefficient("intercept")), intercept, rtol=1e-6)
    with pytest.raises(ValueError, match=r"'city_Linx'.*near ones are 'city_Linz'"):
        value_of(explainer, "coef:city_Linx")


def test_names_of_several_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = load_iris().target_names[y]
    explainer = RelatIFExplainer(LogisticRegression(**TIGHT)).fit(X, y)
    coef = explainer.estimator_.coef_
    name = "sepal width (cm)"
    assert_allclose(value_of(explainer, f"coef:{name}:virginica"), coef[2, 1], rtol=1e-4)
    with pytest.raises(ValueError, match=r"for each of 3 classes.*'sepal width .cm.:setosa'"):
        value_of(explainer, f"coef:{name}")
    with pytest.raises(ValueError, match=r"near ones are 'sepal width .cm.:virginica'"):
        value_of(explainer, f"coef:{name}:virginia")


def test_names_with_colons_and_minus_signs(rows):
    _, targets, _ = rows
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=["a:b", "a - b", "HC1"])
    explainer = explained(LinearRegression(), X, targets["real"])
    coef = explainer.estimator_.coef_
    for place, name in enumerate(X.columns):
        assert_allclose(value_of(explainer, f"coef:{name}"), coef[place], rtol=1e-8)
    difference = value_of(explainer, "coef:a - b - coef:a:b")
    assert_allclose(difference, coef[1] - coef[0], rtol=1e-8)
    classical = value_of(explainer, TStatistic("HC1"))
    assert_allclose(value_of(explainer, "tstat:HC1"), classical)
    assert value_of(explainer, "tstat:HC1:HC1") != classical


def test_columns_that_share_a_name_are_refused(rows):
    X, targets, _ = rows
    explainer = explained(LinearRegression(), X.assign(intercept=X["age"] ** 2), targets["real"])
    with pytest.raises(ValueError, match="2 parameters are called 'intercept'"):
        value_of(explainer, "coef:intercept")


@pytest.mark.parametrize("text", ["age", "coef:", "mean:age", "coef:age - coef:hours - coef:age"])
def test_what_is_no_name_is_refused(rows, text):
    X, targets, _ = rows
    explainer = explained(LinearRegression(), X, targets["real"])
    with pytest.raises(ValueError, match="is no statistic: use 'coef:NAME'"):
        explainer.fragility(text)


# --- what does not exist ---------------------------------------------------------------------


def test_penalised_models_have_sandwich_errors_only(rows):
    X, targets, _ = rows
    explainer = explained(LogisticRegression(), X, targets["class"])
    for errors in ["classical", "HC2", "HC3"]:
        with pytest.raises(TypeError, match="its penalty pulls the coefficients"):
            value_of(explainer, TStatistic("age", errors))
    assert np.isfinite(value_of(explainer, "tstat:age:HC0"))


def test_models_without_standard_errors_are_refused(rows):
    X, targets, _ = rows
    y = targets["real"]
    with pytest.raises(TypeError, match="by an L1 penalty"):
        value_of(explained(Lasso(alpha=0.1), X, y), "tstat:age:HC0")
    huber = explained(HuberRegressor(alpha=0, tol=1e-10), X, y)
    assert_allclose(value_of(huber, "coef:age"), huber.estimator_.coef_[0], rtol=1e-4)
    with pytest.raises(TypeError, match="beside a scale"):
        value_of(huber, "tstat:age:HC0")
    hinge = explained(LinearSVC(loss="squared_hinge", tol=1e-10), X, targets["class"])
    with pytest.raises(TypeError, match="its loss is no likelihood"):
        value_of(hinge, "tstat:age")
    kernel = explained(SVC(kernel="linear"), X, targets["class"])
    with pytest.raises(TypeError, match="SVC has no coef:age"):
        value_of(kernel, "coef:age")
    with pytest.raises(TypeError, match="is of least squares"):
        value_of(explained(MODELS["class"], X, targets["class"]), "tstat:age:HC3")
    several = explained(LinearRegression(), X, np.column_stack([y, -y]))
    with pytest.raises(TypeError, match="of several targets"):
        value_of(several, "tstat:age:0")
    with pytest.raises(ValueError, match="errors"):
        value_of(several, TStatistic("age:0", errors="HC4"))


def test_what_the_rows_do_not_determine_is_refused(rows):
    X, targets, _ = rows
    twice = X.assign(years=X["age"])
    explainer = explained(LinearRegression(), twice, targets["real"])
    with pytest.raises(ValueError, match="do not determine the coefficient"):
        value_of(explainer, "tstat:age")
    with pytest.warns(UserWarning, match="passes through all"):
        perfect = explained(LinearRegression(), X, X["age"] + 2)
    with pytest.raises(ValueError, match="leave nothing to tell its standard error by"):
        value_of(perfect, "tstat:age")


# --- other numbers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patients():
    """Two halves of the breast cancer data, in units of their spread."""
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X[:, :6])
    return X[::2], y[::2], X[1::2], y[1::2]


def test_gaps_between_groups_and_models(patients):
    X, y, X_test, y_test = patients
    groups = np.where(X_test[:, 1] > 0, "rough", "smooth")
    strong, weak = LogisticRegression(C=0.01, **TIGHT), LogisticRegression(**TIGHT)

    def without(row, model):
        kept = np.delete(np.arange(len(y)), row)
        return explained(model, X[kept], y[kept])

    explainer = explained(weak, X, y)
    other = explained(strong, X, y)
    gap = GroupGap("log_loss", X_test, y_test, groups, ("rough", "smooth"))
    comparison = Comparison("log_loss", X_test, y_test, other=other)
    few = np.argsort(-np.abs(effects_of(explainer, comparison)))[[0, 1, 2, 5, 50]]
    few = np.append(few, np.argsort(-np.abs(effects_of(explainer, gap)))[:5])
    changes = np.empty((2, len(few)))
    for place, row in enumerate(few):
        refit = without(row, weak)
        rival = Comparison("log_loss", X_test, y_test, other=without(row, strong))
        changes[:, place] = value_of(refit, gap), value_of(refit, rival)
    for statistic, values in zip([gap, comparison], changes, strict=True):
        effects = effects_of(explainer, statistic)[few]
        moved = values - value_of(explainer, statistic)
        assert np.corrcoef(effects, moved)[0, 1] > 0.98
        assert 0.7 < np.polyfit(effects, moved, 1)[0] < 1.4


def test_comparisons_are_of_models_without_the_same_rows(patients):
    X, y, X_test, y_test = patients
    few, few_classes = X[:120], y[:120]
    models = [LogisticRegression(C=c, **TIGHT) for c in (1.0, 0.02)]
    own, other = (explained(model, few, few_classes) for model in models)
    comparison = Comparison("log_loss", X_test, y_test, other=other)
    value = value_of(own, comparison)
    found = own.fragility(comparison, threshold=0.97 * value, max_rows=20)
    left = np.delete(np.arange(120), found.positions)
    refits = [model.fit(few[left], few_classes[left]) for model in models]
    losses = [log_loss(y_test, refit.predict_proba(X_test)) for refit in refits]
    assert found.found
    assert_allclose(found.value_after, losses[0] - losses[1], rtol=1e-6)
    shorter = explained(models[0], few[:90], few_classes[:90])
    with pytest.raises(ValueError, match="other was fitted to 120 rows, and this model to 90"):
        value_of(shorter, comparison)


def test_functions_of_parameters_and_scores(patients):
    X, y, X_test, _ = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)

    def squares(parameters):
        return np.sum(parameters[0, :-1] ** 2), np.append(2 * parameters[0, :-1], 0)[None]

    def mean_score(scores):
        return scores.mean(), np.full_like(scores, 1 / len(scores))

    coef = explainer.estimator_.coef_
    assert_allclose(value_of(explainer, squares), np.sum(coef**2), rtol=1e-5)
    assert_allclose(value_of(explainer, ParameterFunction(squares)), np.sum(coef**2), rtol=1e-5)
    gradient = 2 * coef[0]
    parts = [effects_of(explainer, f"coef:x{k}") for k in range(6)]
    assert_allclose(effects_of(explainer, squares), gradient @ parts, rtol=1e-4, atol=1e-12)
    score = MetricOn(mean_score, X_test, name="mean score")
    mean = explainer.decision_function(X_test).mean()
    assert_allclose(value_of(explainer, score), mean, rtol=1e-5)
    direct = explainer.removal_effect_on(mean_score, X_test, order="first")
    assert_allclose(effects_of(explainer, score), direct, rtol=1e-4, atol=1e-10)
    with pytest.raises(ValueError, match=r"gradient of function must have the shape \(1, 7\)"):
        effects_of(explainer, lambda table: (table.sum(), np.ones(7)))


def test_gaps_name_their_groups(patients):
    X, y, X_test, y_test = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)
    groups = np.arange(len(y_test)) % 2
    with pytest.raises(ValueError, match="No row is in the group 2 of between; groups has 0, 1"):
        value_of(explainer, GroupGap("log_loss", X_test, y_test, groups, (0, 2)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        value_of(explainer, GroupGap("log_loss", X_test, y_test, groups[:9], (0, 1)))


def test_coefficients_of_an_active_set():
    """Of a lasso, effects are those on the active set; a coefficient at zero stays there."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X * 20
    model = Lasso(alpha=3.0, tol=1e-12, max_iter=100_000)
    explainer = explained(model, X, y)
    coef = explainer.estimator_.coef_
    assert coef[0] == 0 != coef[2]
    assert not effects_of(explainer, "coef:age").any()
    effects, changes = effects_of(explainer, "coef:bmi")[:12], []
    for row in range(12):
        kept = np.delete(np.arange(len(y)), row)
        # The penalty of all rows, which the mean of the rows left has a little more of.
        refit = Lasso(alpha=3.0 * 442 / 441, tol=1e-12, max_iter=100_000)
        changes.append(refit.fit(X.iloc[kept], y.iloc[kept]).coef_[2] - coef[2])
    assert np.corrcoef(effects, changes)[0, 1] > 0.99


def test_coefficients_of_wide_data():
    """Of more columns than rows, in the space that the rows span."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 200)), rng.normal(size=30)
    model = Ridge(alpha=5.0)
    explainer = explained(model, X, y)
    coef, effects = explainer.estimator_.coef_, effects_of(explainer, "coef:x17")
    inverse = np.linalg.inv((X - X.mean(axis=0)).T @ (X - X.mean(axis=0)) + 5 * np.eye(200))
    errors = y - explainer.predict(X)
    known = -(inverse @ (X - X.mean(axis=0)).T)[17] * errors
    assert_allclose(value_of(explainer, "coef:x17"), coef[17], rtol=1e-8)
    assert_allclose(effects, known, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (1.0, TypeError, "function must return a pair"),
        ((1.0,), TypeError, "function must return a pair"),
        ((np.ones(2), np.ones((1, 3))), TypeError, "function must return a pair"),
        (("many", np.ones((1, 3))), TypeError, "function must return a pair"),
        ((1.0, np.full((1, 3), np.nan)), ValueError, "gradient of function must be finite"),
    ],
)
def test_functions_that_return_something_else_are_refused(returned, error, message):
    rng = np.random.default_rng(0)
    explainer = RelatIFExplainer(LinearRegression()).fit(
        rng.normal(size=(20, 2)), rng.normal(size=20)
    )
    with pytest.raises(error, match=message):
        explainer.fragility(lambda _: returned)


def test_functions_may_write_into_what_they_take(patients):
    X, y, X_test, _ = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)

    def wiped(values):
        number, values[...] = values.sum(), 0.0
        return number, np.ones_like(values)

    value = value_of(explainer, wiped)
    parameters = explainer.estimator_.coef_.sum() + explainer.estimator_.intercept_.sum()
    assert_allclose([value, value_of(explainer, wiped)], parameters, rtol=1e-5)
    scores = value_of(explainer, MetricOn(wiped, X_test))
    assert_allclose(scores, explainer.decision_function(X_test).sum(), rtol=1e-5)


def test_metrics_by_functions_have_gradients_of_their_form(patients):
    X, y, X_test, _ = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)
    for gradient in (np.ones(1), np.ones((len(X_test), 1))):
        metric = MetricOn(lambda scores, given=gradient: (scores.mean(), given), X_test)
        with pytest.raises(ValueError, match="gradient"):
            effects_of(explainer, metric)


def test_gaps_are_between_two_groups(patients):
    X, y, X_test, y_test = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)
    groups = np.arange(len(y_test)) % 2
    for between in ((0,), 0, (0, 1, 1)):
        with pytest.raises(ValueError, match="between must name the two groups"):
            value_of(explainer, GroupGap("log_loss", X_test, y_test, groups, between))


def test_models_are_compared_on_the_same_rows(patients):
    """Rows that are as many are not the same ones."""
    X, y, X_test, y_test = patients
    first, second = (explained(LogisticRegression(C=C, **TIGHT), X, y) for C in (0.1, 1.0))
    comparison = Comparison("log_loss", X_test, y_test, other=second.without(5))
    with pytest.raises(ValueError, match="fitted to other rows"):
        value_of(first.without(3), comparison)
    same = first.without(5)
    losses = [log_loss(y_test, one.predict_proba(X_test)) for one in (same, second.without(5))]
    assert_allclose(value_of(same, comparison), losses[0] - losses[1], rtol=1e-6)


def test_models_that_cannot_be_compared_are_refused(patients):
    X, y, X_test, y_test = patients
    explainer = explained(LogisticRegression(**TIGHT), X, y)
    for other, message in (
        (explainer.estimator_, "other must be a fitted explainer"),
        (explained(SVC(), X, y), "other explains a SVC"),
    ):
        with pytest.raises(TypeError, match=message):
            explainer.fragility(Comparison("accuracy", X_test, y_test, other=other))
