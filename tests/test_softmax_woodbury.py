"""Softmax regression on wide sparse data class by class, against one dense Cholesky factor."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import (
    SoftmaxWoodburyCurvature,
    _choice,
    _lapack,
    _memory,
    _softmax_woodbury,
    build_curvature,
)
from sklearn_relatif.objectives import CurvatureOperator
from tests import cases
from tests.test_row_space import fitted, objective_of, wide

CURVATURES = [("hessian", 0.0), ("hessian", 1e-9), ("hessian", 0.01), ("fisher", 0.01)]


@pytest.fixture(autouse=True)
def no_problem_is_too_small(monkeypatch):
    monkeypatch.setattr(_choice, "MODERATE", 0)


def scales_of(objective, curvature, damping):
    """Of both relative criteria, by one factor and class by class."""
    whole = build_curvature(objective, curvature, damping)
    expected = whole.lengths(objective.rows, "theta_relative")
    return expected, streamed_scales(objective, curvature, damping)


def streamed_scales(objective, curvature="hessian", damping=0.0):
    streamed = SoftmaxWoodburyCurvature(CurvatureOperator(objective, curvature, damping))
    return streamed.lengths(objective.rows, "theta_relative")


def assert_same_scales(objective, curvature="hessian", damping=0.0, rtol=1e-10):
    expected, actual = scales_of(objective, curvature, damping)
    assert set(actual) == {"loss_relative", "theta_relative"}
    for name, scale in actual.items():
        assert scale.dtype == objective.dtype
        assert_allclose(scale, expected[name], rtol=rtol, atol=0)


@pytest.mark.parametrize("curvature, damping", CURVATURES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_scales(C, fit_intercept, curvature, damping):
    """With copies of rows under the same and other labels, and weights of zero."""
    X, y, weight, _ = wide(4, is_sparse=True)
    y[-3:] = y[:3]
    weight[[1, -2]] = 0, 0.7
    options = {"C": C, "fit_intercept": fit_intercept, "class_weight": "balanced"}
    model = fitted(X, y, weight, **options)
    assert_same_scales(objective_of(model, X, y, weight), curvature, damping)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_probabilities_of_next_to_nothing(fit_intercept):
    """Some rows are fitted nearly perfectly, some have hardly any features, and one has none."""
    X, y, _, _ = wide(4, is_sparse=True)
    X = sparse.csr_matrix(sparse.diags(np.r_[0, np.geomspace(1e-4, 30, X.shape[0] - 1)]) @ X)
    model = fitted(X, y, C=1e3, fit_intercept=fit_intercept)
    objective = objective_of(model, X, y)
    p = objective.loss.probabilities(objective.training_predictor)
    assert p.min() < 1e-12
    assert_same_scales(objective, damping=1e-4)
    assert_same_scales(objective, rtol=1e-8)


def test_probabilities_that_underflow():
    X, y, _, _ = wide(3, is_sparse=True)
    model = fitted(X, y)
    model.coef_ *= 500
    objective = objective_of(model, X, y)
    p = objective.loss.probabilities(objective.training_predictor)
    assert p.min() == 0
    assert_same_scales(objective, damping=1e-3)


def test_loss_relative_scales_alone():
    X, y, weight, _ = wide(4, is_sparse=True)
    objective = objective_of(fitted(X, y, weight), X, y, weight)
    streamed = SoftmaxWoodburyCurvature(CurvatureOperator(objective, "hessian", 0.0))
    alone = streamed.lengths(objective.rows, "loss_relative")
    both = streamed.lengths(objective.rows, "theta_relative")
    assert set(alone) == {"loss_relative"}
    assert_array_equal(alone["loss_relative"], both["loss_relative"])


def test_more_rows_than_a_tile_has():
    rng = np.random.default_rng(0)
    X = sparse.random(1_100, 1_200, 0.02, format="csr", random_state=rng)
    X = X[np.r_[:600, :100, 700:1_100]]
    y = rng.integers(3, size=1_100)
    objective = objective_of(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    assert_same_scales(objective)


@pytest.mark.parametrize("is_large", [False, True])
def test_inverse_in_place(is_large, monkeypatch):
    """By one block and by several of them."""
    if is_large:
        monkeypatch.setattr(_lapack, "LARGE", 10)
        monkeypatch.setattr(_lapack, "BLOCK", 16)
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(50, 70))
    matrix = np.asfortranarray(factor @ factor.T)
    expected, above = np.linalg.inv(matrix), np.triu(matrix, 1)
    factor, failed_at = _lapack.cholesky(matrix)
    assert not failed_at
    own = _lapack.symmetric_from_triangle(_lapack.invert_triangle(factor))
    assert_allclose(np.tril(own), np.tril(expected), atol=1e-12 * np.abs(expected).max())
    assert_array_equal(np.triu(own, 1), above)


@pytest.mark.parametrize("curvature, damping", CURVATURES)
def test_explanations(curvature, damping):
    X, y, weight, queries = wide(4, is_sparse=True)
    model = fitted(X, y, weight)
    whole, streamed = (
        RelatIFExplainer.from_fitted(
            model, X, y, weight, curvature=curvature, damping=damping, solver=solver
        )
        for solver in ("cholesky", "woodbury")
    )
    assert isinstance(streamed._study.curvature, SoftmaxWoodburyCurvature)
    found = streamed.explain(queries, criterion=cases.CRITERIA)
    for criterion, expected in whole.explain(queries, criterion=cases.CRITERIA).items():
        actual = found[criterion]
        assert_allclose(actual.scores, expected.scores, rtol=1e-8, atol=1e-12)
        expected = whole.pairwise_influence(queries, criterion=criterion)
        actual = streamed.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-9
    assert_allclose(streamed.self_influence_, whole.self_influence_, rtol=1e-9)


def test_single_precision():
    X, y, weight, queries = wide(3, is_sparse=True)
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    model = LogisticRegression(max_iter=1000).fit(X, y, sample_weight=weight)
    single, double = (
        RelatIFExplainer.from_fitted(model, X.astype(dtype), y, weight, solver=solver)
        for dtype, solver in ((np.float32, "woodbury"), (np.float64, "cholesky"))
    )
    assert isinstance(single._study.curvature, SoftmaxWoodburyCurvature)
    for criterion in cases.CRITERIA:
        expected = double.pairwise_influence(queries, criterion=criterion)
        actual = single.pairwise_influence(queries, criterion=criterion)
        assert actual.dtype == np.float32
        assert cases.relative_error(actual, expected) < 2e-5


@pytest.fixture
def precisions(monkeypatch):
    """Those in which the classes are inverted."""
    used, of_class = [], _softmax_woodbury.ClassDual

    def inverted(merged, k, ridges, dtype):
        used.append(np.dtype(dtype))
        return of_class(merged, k, ridges, dtype)

    monkeypatch.setattr(_softmax_woodbury, "ClassDual", inverted)
    return used


def of_single_precision(**options):
    X, y, weight, _ = wide(4, is_sparse=True)
    model = fitted(X, y, weight, **options)
    return objective_of(model, X.astype(np.float32), y, weight)


def refused(monkeypatch, reason):
    """Let single precision fail, by what a few solutions tell, or by an inverse that is none."""
    if reason == "disagreement":
        errors = iter([1e-4, 1e-7])
        own = SoftmaxWoodburyCurvature
        monkeypatch.setattr(own, "_disagreement", lambda *squares: next(errors))
    else:
        least = _softmax_woodbury.least_pivot
        monkeypatch.setattr(
            _softmax_woodbury,
            "least_pivot",
            lambda size, dtype: np.inf if dtype == np.float32 else least(size, dtype),
        )


@pytest.mark.parametrize("reason", ["disagreement", "pivot"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_denominators_in_the_precision_of_the_features(
    monkeypatch, precisions, C, fit_intercept, reason
):
    """Where that is single precision, it gives way to double precision if it does not do."""
    objective = of_single_precision(C=C, fit_intercept=fit_intercept)
    single = streamed_scales(objective)
    assert precisions == [np.float32] * 4
    refused(monkeypatch, reason)
    double = streamed_scales(objective)
    assert precisions[-4:] == [np.float64] * 4
    for name, scale in double.items():
        assert single[name].dtype == scale.dtype == np.float32
        assert_allclose(single[name], scale, rtol=2e-6)


@pytest.mark.parametrize("dtype, n_goes", [(np.float32, 2), (np.float64, 1)])
def test_denominators_that_are_off_in_double_precision_too(monkeypatch, precisions, dtype, n_goes):
    monkeypatch.setattr(SoftmaxWoodburyCurvature, "_disagreement", lambda *squares: 2e-4)
    X, y, weight, _ = wide(4, is_sparse=True)
    objective = objective_of(fitted(X, y, weight), X.astype(dtype), y, weight)
    with pytest.warns(LinAlgWarning, match=r"off by about 2e-04.*positive damping"):
        scales = streamed_scales(objective)
    assert len(precisions) == 4 * n_goes
    assert all(np.isfinite(scale).all() for scale in scales.values())


def test_a_ridge_too_weak_for_the_precision():
    """Where one row is the sum of two others, only the ridge keeps the matrix regular."""
    X, y, _, _ = wide(3, is_sparse=True)
    X = sparse.vstack([X, X[:1] + X[1:2]], format="csr")
    y = np.append(y, 0)
    model = fitted(X, y)
    model.C = 1e15
    objective = reduce_estimator(model, X.astype(np.float32), y, np.ones(len(y)))
    streamed = SoftmaxWoodburyCurvature(CurvatureOperator(objective, "hessian", 0.0))
    with pytest.raises(ValueError, match=r"too weak.*positive damping"):
        streamed.lengths(objective.rows, "loss_relative")


# --- which problems, and what else there is of them ------------------------------------------


def explainer_of(**params):
    X, y, _, queries = wide(4, is_sparse=True, n_features=1_200)
    return RelatIFExplainer(LogisticRegression(C=0.1), **params).fit(X, y), queries


def test_what_takes_a_factor_is_found_in_the_span_of_the_rows():
    streamed, queries = explainer_of()
    assert streamed.solver_.name == "woodbury"
    assert "40) than features (1200), and one exact factor a class" in streamed.solver_.reason
    whole, _ = explainer_of(solver="cholesky")
    assert_allclose(streamed.leverage_, whole.leverage_, rtol=1e-9)
    embedded = streamed.transform(queries)
    influence = whole.pairwise_influence(queries, criterion="influence")
    rows = streamed.transform(*whole._study.training_data[:2])
    assert cases.relative_error(embedded @ rows.T, influence) < 1e-9
    for order in ("first", "newton"):
        effects = (e.removal_effect(queries, order=order) for e in (streamed, whole))
        assert cases.relative_error(*effects) < 1e-8
    assert_allclose(streamed.loo_proba(), whole.loo_proba(), atol=1e-9)
    with pytest.raises(ValueError, match=r"compact.*woodbury.*softmax"):
        streamed.compact()


def test_what_takes_a_factor_is_refused_where_it_is_too_large(monkeypatch):
    # Enough for the matrices of 40 rows, too little for a factor of 3 x 41 parameters.
    monkeypatch.setattr(_memory, "machine_memory", lambda: 1.5 * 5 * 8 * 40**2)
    streamed, queries = explainer_of()
    assert isinstance(streamed._study.curvature, SoftmaxWoodburyCurvature)
    assert np.isfinite(streamed.removal_effect(queries, order="first")).all()
    for call in (
        lambda: streamed.leverage_,
        lambda: streamed.transform(queries),
        lambda: streamed.removal_effect(queries),
        lambda: streamed.loo_proba(),
    ):
        with pytest.raises(ValueError, match="factor of the whole curvature, which is too large"):
            call()
    report = streamed.audit(queries)
    assert "leverage" not in report.columns
    assert any("leverage are left out" in note for note in report.notes)


def test_conjugate_gradients_where_memory_is_short(monkeypatch):
    monkeypatch.setattr(_memory, "machine_memory", lambda: 5 * 8 * 40**2)
    assert explainer_of()[0].solver_.name == "cg"


def test_progress(capsys):
    explainer_of(verbose=True)
    assert "4 of 4 classes\n" in capsys.readouterr().err
