"""Regression diagnostics: statsmodels, R, and deletions one by one."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler, scale
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer

EXACT = {"rtol": 1e-8, "atol": 1e-10}
ALPHA = 5.0


def explained(model, X, y, weight=None):
    return RelatIFExplainer.from_fitted(model.fit(X, y, sample_weight=weight), X, y, weight)


def dfbetas_of(frame):
    return frame.filter(like="dfbetas_").to_numpy()


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X[:120] * 20, y[:120].to_numpy()


@pytest.fixture(scope="module")
def weight():
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 120)
    weight[[3, 50]] = 0
    return weight


# --- against statsmodels and R ---------------------------------------------------------------


@pytest.mark.parametrize("is_weighted", [False, True])
def test_least_squares_are_those_of_statsmodels(diabetes, weight, is_weighted):
    sm = pytest.importorskip("statsmodels.api")
    X, y = diabetes
    frame = explained(LinearRegression(), X, y, weight if is_weighted else None).diagnostics()
    kept = np.flatnonzero(weight) if is_weighted else np.arange(120)
    root = np.sqrt(weight[kept]) if is_weighted else np.ones(120)
    columns = np.column_stack([X, np.ones(120)])[kept]
    expected = sm.OLS(root * y[kept], root[:, None] * columns).fit().get_influence()
    found = frame.iloc[kept]
    assert_allclose(found["residual"], expected.resid / root, **EXACT)
    assert_allclose(found["leverage"], expected.hat_matrix_diag, **EXACT)
    assert_allclose(found["studentised_internal"], expected.resid_studentized_internal, **EXACT)
    assert_allclose(found["studentised_external"], expected.resid_studentized_external, **EXACT)
    assert_allclose(found["cooks_distance"], expected.cooks_distance[0], **EXACT)
    assert_allclose(found["dffits"], expected.dffits[0], **EXACT)
    assert_allclose(found["covariance_ratio"], expected.cov_ratio, **EXACT)
    assert_allclose(dfbetas_of(found), expected.dfbetas, **EXACT)


def test_least_squares_are_those_of_R():
    pytest.importorskip("statsmodels")
    from statsmodels.datasets import macrodata
    from statsmodels.stats import tests

    results = Path(tests.__file__).parent / "results"
    if not (results / "influence_lsdiag_R.json").exists():
        pytest.skip("statsmodels comes without what R said")
    data = macrodata.load_pandas().data
    growth = 400 * np.log(data[["realinv", "realgdp"]]).diff().dropna()
    X = np.column_stack([growth["realgdp"], data["realint"][:-1]])
    frame = explained(LinearRegression(), X, growth["realinv"].to_numpy()).diagnostics()
    expected = json.loads((results / "influence_lsdiag_R.json").read_text("utf-8"))
    names = {
        "hat": "leverage",
        "std.res": "studentised_internal",
        "stud.res": "studentised_external",
        "cooks": "cooks_distance",
        "dfits": "dffits",
    }
    for of_R, ours in names.items():
        assert_allclose(frame[ours], expected[of_R], **EXACT)
    measures = pd.read_csv(results / "influence_measures_R.csv", index_col=0)
    assert_allclose(frame["covariance_ratio"], measures["cov.r"], **EXACT)
    intercept_first = np.roll(dfbetas_of(frame), 1, axis=1)
    assert_allclose(intercept_first, measures.filter(like="dfb.").to_numpy(), **EXACT)


def test_classes_are_those_of_statsmodels(diabetes, weight):
    sm = pytest.importorskip("statsmodels.api")
    X, y = diabetes
    y, weight = np.where(y > 140, "yes", "no"), weight + 1
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    frame = explained(model, X, y, weight).diagnostics()
    columns, family = np.column_stack([X, np.ones(120)]), sm.families.Binomial()
    fitted = sm.GLM(y == "yes", columns, family, var_weights=weight).fit(tol=1e-14)
    assert_generalised(frame, fitted, fitted.get_influence())
    assert_allclose(frame["residual"], fitted.resid_response, **EXACT)


def test_counts_are_those_of_statsmodels(diabetes):
    sm = pytest.importorskip("statsmodels.api")
    X, y = diabetes
    y = np.round(y / 20)
    model = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-12)
    frame = explained(model, X, y).diagnostics()
    fitted = sm.GLM(y, np.column_stack([X, np.ones(120)]), sm.families.Poisson()).fit(tol=1e-14)
    assert_generalised(frame, fitted, fitted.get_influence())
    assert_allclose(frame["residual"], fitted.resid_response, **EXACT)


def test_positive_targets_are_those_of_statsmodels(diabetes):
    sm = pytest.importorskip("statsmodels.api")
    X, y = diabetes
    frame = explained(GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-12), X, y)
    frame = frame.diagnostics()
    columns, family = np.column_stack([X, np.ones(120)]), sm.families.Gamma(sm.families.links.Log())
    fitted = sm.GLM(y, columns, family).fit(tol=1e-14)
    expected = fitted.get_influence(observed=False)
    assert_allclose(frame["residual"], fitted.resid_response, **EXACT)
    assert_allclose(frame["leverage"], expected.hat_matrix_diag, **EXACT)
    assert_allclose(frame["studentised_internal"], expected.resid_studentized, **EXACT)
    assert_allclose(frame["cooks_distance"], expected.cooks_distance[0], **EXACT)
    # There, the dispersion is that of all rows.
    inflation = (frame["covariance_ratio"] * (1 - frame["leverage"])) ** (1 / 11)
    root = np.sqrt(inflation)
    assert_allclose(frame["dffits"] * root, expected.d_linpred_scaled, **EXACT)
    assert_allclose(dfbetas_of(frame) * root.to_numpy()[:, None], expected.dfbetas, **EXACT)


def assert_generalised(frame, fitted, expected):
    """Without a dispersion to estimate."""
    leverage = expected.hat_matrix_diag
    assert_allclose(frame["leverage"], leverage, **EXACT)
    assert_allclose(frame["studentised_internal"], expected.resid_studentized, **EXACT)
    assert_allclose(frame["cooks_distance"], expected.cooks_distance[0], **EXACT)
    assert_allclose(frame["dffits"], expected.d_linpred_scaled, **EXACT)
    assert_allclose(dfbetas_of(frame), expected.dfbetas, **EXACT)
    # As R's rstudent.
    pearson, deviance = fitted.resid_pearson, fitted.resid_deviance
    likelihood = np.sqrt(deviance**2 + leverage * pearson**2 / (1 - leverage)) * np.sign(deviance)
    assert_allclose(frame["studentised_external"], likelihood, **EXACT)


# --- against deletions -------------------------------------------------------------------------


class Ridged:
    """Ridge regression from its formulas, and its dispersion."""

    def __init__(self, X, y, weight, alpha):
        self.Z = np.column_stack([X, np.ones(len(X))])
        penalty = np.diag([alpha] * X.shape[1] + [0.0])
        self.C = np.linalg.inv(self.Z.T @ (weight[:, None] * self.Z) + penalty)
        self.b = self.C @ self.Z.T @ (weight * y)
        self.residual = y - self.Z @ self.b
        self.leverage = weight * np.einsum("ij,jk,ik->i", self.Z, self.C, self.Z)
        freedom = np.sum(weight > 0) - self.leverage.sum()
        self.dispersion = np.sum(weight * self.residual**2) / freedom


def assert_deletions(frame, X, y, weight, alpha, rows):
    """Every number from the models themselves, with and without a row."""
    whole, weight = Ridged(X, y, weight, alpha), np.array(weight, float)
    for row in rows:
        without = weight.copy()
        without[row] = 0
        rest, found = Ridged(X, y, without, alpha), frame.iloc[row]
        moved, z, C = whole.b - rest.b, whole.Z[row], whole.C
        form, h, root = z @ C @ z, whole.leverage[row], np.sqrt(weight[row])
        scale, deviation = whole.dispersion, np.sqrt(rest.dispersion)
        expected = {
            "residual": whole.residual[row],
            "leverage": h,
            "studentised_internal": root * whole.residual[row] / np.sqrt(scale * (1 - h)),
            "studentised_external": root * whole.residual[row] / np.sqrt(1 - h) / deviation,
            "cooks_distance": moved @ np.linalg.solve(C, moved) / whole.leverage.sum() / scale,
            "dffits": z @ moved / np.sqrt(form) / deviation,
            "covariance_ratio": np.linalg.det(rest.dispersion * rest.C / scale @ np.linalg.inv(C)),
        }
        for name, value in expected.items():
            assert_allclose(found[name], value, **EXACT, err_msg=name)
        dfbetas = found.filter(like="dfbetas_").to_numpy()
        assert_allclose(dfbetas, moved / np.sqrt(np.diag(C)) / deviation, **EXACT)


def test_penalised_least_squares_are_those_of_refits(diabetes, weight):
    X, y = diabetes
    ones = np.ones(120)
    frame = explained(Ridge(ALPHA), X, y).diagnostics()
    assert_deletions(frame, X.to_numpy(), y, ones, ALPHA, range(0, 120, 17))
    frame = explained(Ridge(ALPHA), X, y, weight).diagnostics()
    assert_deletions(frame, X.to_numpy(), y, weight, ALPHA, [0, 9, 119])


def test_wide_data_are_those_of_refits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(25, 40))
    y = X[:, 0] + rng.normal(size=25)
    frame = explained(Ridge(ALPHA), X, y).diagnostics()
    assert_deletions(frame, X, y, np.ones(25), ALPHA, [0, 7])
    # In the space of the rows.
    X = rng.normal(size=(12, 1200))
    model = Ridge(50.0).fit(X, y[:12])
    explainer = RelatIFExplainer.from_fitted(model, X, y[:12])
    assert explainer.solver_.name == "woodbury"
    found = explainer.diagnostics().iloc[3]
    whole, kept = Ridged(X, y[:12], np.ones(12), 50.0), np.arange(12) != 3
    rest = Ridged(X, y[:12], 1.0 * kept, 50.0)
    deviations = np.sqrt(rest.dispersion * np.diag(whole.C))
    assert_allclose(dfbetas_of(found.to_frame().T)[0], (whole.b - rest.b) / deviations, **EXACT)
    inflated = (rest.dispersion / whole.dispersion) ** 1201 / (1 - whole.leverage[3])
    assert_allclose(found["covariance_ratio"], inflated, **EXACT)


def test_a_row_without_weight_takes_no_part(diabetes, weight):
    X, y = diabetes
    frame = explained(Ridge(ALPHA), X, y, weight).diagnostics()
    absent = frame.iloc[3]
    assert absent["residual"] != 0
    assert np.isnan(absent[["studentised_internal", "studentised_external"]]).all()
    zeros = ["leverage", "cooks_distance", "dffits", *frame.filter(like="dfbetas_")]
    assert not absent[zeros].any()
    assert absent["covariance_ratio"] == 1
    kept = np.flatnonzero(weight)
    others = explained(Ridge(ALPHA), X.iloc[kept], y[kept], weight[kept]).diagnostics()
    assert_allclose(frame.iloc[kept], others, **EXACT)


def test_a_row_that_alone_determines_a_parameter_has_no_deletion(diabetes):
    X, y = diabetes
    X = X.assign(alone=0.0)
    X.loc[7, "alone"] = 1.0
    frame = explained(LinearRegression(), X, y).diagnostics()
    assert_allclose(frame.loc[7, "leverage"], 1, atol=1e-12)
    assert frame.loc[7].drop(["leverage", "residual"]).isna().all()
    assert frame.drop(index=7).notna().all().all()


@pytest.mark.filterwarnings("ignore:The LinearRegression passes through all")
def test_no_degrees_of_freedom_is_no_number():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 5)), rng.normal(size=6)
    frame = explained(LinearRegression(), X, y).diagnostics()
    assert_allclose(frame["leverage"], 1)
    assert frame.drop(columns=["leverage", "residual"]).isna().all().all()


@pytest.mark.filterwarnings("ignore:The LinearRegression passes through all of its training rows")
def test_a_perfect_fit_has_no_dispersion_and_one_row_off_it_is_infinitely_far(diabetes):
    X, _ = diabetes
    y = 3.0 + X @ np.arange(10)
    numbers = ["leverage", "residual"]
    frame = explained(LinearRegression(), X, y).diagnostics()
    assert frame[numbers].notna().all().all()
    assert frame.drop(columns=numbers).isna().all().all()
    y[5] += 100
    frame = explained(LinearRegression(), X, y).diagnostics()
    assert frame["studentised_external"].abs().idxmax() == 5
    assert frame.loc[5, "studentised_external"] > 1e6


def test_a_duplicate_column_changes_nothing_but_its_own_parameters(diabetes):
    X, y = diabetes
    plain = explained(LinearRegression(), X, y).diagnostics()
    doubled = X.assign(again=X["bmi"], constant=3.0)
    frame = explained(LinearRegression(), doubled, y).diagnostics()
    shared = [name for name in plain if name not in ("dfbetas_bmi", "dfbetas_intercept")]
    assert_allclose(frame[shared], plain[shared], rtol=1e-6, atol=1e-9)
    # Both have half of the coefficient, and half of its standard error.
    assert_allclose(frame["dfbetas_bmi"], plain["dfbetas_bmi"], rtol=1e-6, atol=1e-9)
    assert_allclose(frame["dfbetas_again"], plain["dfbetas_bmi"], rtol=1e-6, atol=1e-9)


def test_several_classes_have_what_blocks_tell():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    frame = explained(LogisticRegression(tol=1e-8), X, y).diagnostics()
    assert list(frame) == ["leverage", "cooks_distance", "covariance_ratio"]
    explainer = explained(LogisticRegression(tol=1e-8), X, y)
    assert_allclose(frame["leverage"], explainer.leverage_, rtol=1e-6)
    # By one Newton step in class scores, in the metric of the second derivatives of the sum.
    model = explainer.estimator_.estimator
    Z = np.column_stack([X, np.ones(150)])
    p = model.predict_proba(X)
    inner = np.stack([np.diag(row) - np.outer(row, row) for row in p])
    hessian = np.einsum("nkm,ni,nj->kimj", inner, Z, Z).reshape(15, 15)
    hessian += np.diag(np.tile([1.0] * 4 + [0.0], 3))
    row = 106
    lost = np.einsum("km,i,j->kimj", inner[row], Z[row], Z[row]).reshape(15, 15)
    gradient = np.outer(p[row] - np.eye(3)[y[row]], Z[row]).ravel()
    step = np.linalg.pinv(hessian - lost) @ gradient
    expected = step @ hessian @ step / frame["leverage"].sum()
    assert_allclose(frame["cooks_distance"][row], expected, rtol=1e-5)
    kept, whole = (np.linalg.eigvalsh(matrix)[1:] for matrix in (hessian - lost, hessian))
    assert_allclose(frame["covariance_ratio"][row], np.prod(whole / kept), rtol=1e-5)


def test_several_targets_are_each_on_its_own(diabetes):
    X, y = diabetes
    both = np.column_stack([y, -X["bmi"] + 0.3 * y])
    frame = explained(Ridge(np.array([ALPHA, 1.0])), X, both).diagnostics()
    for target, alpha in enumerate([ALPHA, 1.0]):
        own = explained(Ridge(alpha), X, both[:, target]).diagnostics()
        assert_allclose(frame[[f"{name}_target{target}" for name in own]], own, **EXACT)


# --- the frame -------------------------------------------------------------------------------


def test_index_and_names_are_kept(diabetes):
    X, y = diabetes
    X = X.set_axis([f"patient {row}" for row in range(120)])
    frame = explained(Ridge(), X, y).diagnostics()
    assert_array_equal(frame.index, X.index)
    assert list(frame)[-3:] == ["dfbetas_s5", "dfbetas_s6", "dfbetas_intercept"]
    assert list(explained(Ridge(), X.to_numpy(), y).diagnostics())[7] == "dfbetas_x0"
    steps = StandardScaler(), PolynomialFeatures(2, include_bias=False)
    pipeline = make_pipeline(*steps, Ridge()).fit(X, y)
    frame = RelatIFExplainer.from_fitted(pipeline, X, y).diagnostics()
    assert "dfbetas_age sex" in frame and "dfbetas_s6^2" in frame
    without = explained(Ridge(fit_intercept=False), X, y).diagnostics(dfbetas=False)
    assert not without.filter(like="dfbetas").size


def test_forms_of_the_data_agree(diabetes):
    X, y = diabetes
    dense = explained(Ridge(), X.to_numpy(), y).diagnostics()
    csr = explained(Ridge(solver="sparse_cg", tol=1e-12), sparse.csr_matrix(X), y).diagnostics()
    assert_allclose(csr, dense, rtol=1e-6, atol=1e-8)
    single = explained(Ridge(), X.to_numpy(np.float32), y.astype(np.float32)).diagnostics()
    assert_allclose(single, dense, rtol=1e-3, atol=1e-4)


def test_the_explainers_own_curvature_does_not_matter(diabetes):
    X, y = diabetes
    plain = explained(Ridge(), X, y).diagnostics()
    model = Ridge().fit(X, y)
    for params in ({"curvature": "identity"}, {"damping": 0.5}, {"solver": "cg"}):
        frame = RelatIFExplainer.from_fitted(model, X, y, **params).diagnostics()
        assert_allclose(frame, plain, **EXACT)


def test_losses_that_are_no_likelihood_have_a_leverage_and_a_residual(diabetes):
    X, y = diabetes
    model = SGDRegressor("huber", epsilon=1.0, tol=None, max_iter=3000, average=True)
    explainer = explained(model, scale(X), scale(y))
    frame = explainer.diagnostics()
    assert list(frame) == ["residual", "leverage"]
    # SGD stops near the optimum, of which the numbers are.
    (optimum,) = explainer.retrain_without([[]])
    assert_allclose(frame["residual"], scale(y) - optimum.predict(scale(X)), atol=1e-6)


def test_a_scale_that_is_fitted_too_leaves_a_leverage_and_a_residual(diabetes):
    X, y = diabetes
    explainer = explained(HuberRegressor(tol=1e-9, max_iter=1000), scale(X), y)
    frame = explainer.diagnostics()
    assert list(frame) == ["residual", "leverage"]
    (optimum,) = explainer.retrain_without([[]])
    assert_allclose(frame["residual"], y - optimum.predict(scale(X)), **EXACT)


@pytest.mark.parametrize("model", [LinearSVC(loss="hinge", max_iter=100_000), SVC()])
def test_a_hinge_has_no_diagnostics(diabetes, model):
    X, y = diabetes
    with pytest.raises(TypeError, match=f"{type(model).__name__} has no diagnostics: its loss"):
        RelatIFExplainer.from_fitted(model.fit(X, y > 140), X, y > 140).diagnostics()


def test_without_pandas_the_error_says_so(diabetes, monkeypatch):
    X, y = diabetes
    explainer = explained(Ridge(), X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="diagnostics needs pandas"):
        explainer.diagnostics()
