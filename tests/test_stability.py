"""The stability of explanations, against real refits to resamples by scikit-learn."""

import json
import pickle
from copy import copy

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.explainers import study_of
from sklearn_relatif.results import Explanation, TrainingRows
from sklearn_relatif.stability import (
    at_optimum,
    balanced_draws,
    multinomial_draws,
    reweighted,
    stepped,
)
from sklearn_relatif.stability._few import FewParameters
from sklearn_relatif.stability._ranks import RanksTogether, among_best

CRITERIA = ["influence", "theta_relative", "loss_relative"]


def standardised(load, n_features=None):
    X, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return StandardScaler().fit_transform(X[order, :n_features]), y[order]


@pytest.fixture(scope="module")
def cancer():
    return standardised(load_breast_cancer, 5)


def by_refits(model, X, y, queries, n_examples, draws, weight=None):
    """Rows and shares by scikit-learn's own refits with the draws as weights, from scratch.

    Gradients and Hessians are written down whole, by the formulas of the logistic and of the linear
    model; the strength of the ridge is held. Keys are the criterion and the sign.
    """
    own = np.ones(len(y)) if weight is None else weight
    fitted = clone(model).fit(X, y, sample_weight=own)
    is_classifier = hasattr(fitted, "classes_")
    target = fitted.predict(queries)
    ridge = 1 / model.C if is_classifier else model.alpha

    def best(model, weight):
        x, xq = (np.column_stack([A, np.ones(len(A))]) for A in (X, queries))
        theta = np.append(model.coef_, model.intercept_)
        if is_classifier:
            mean, mean_q = 1 / (1 + np.exp(-x @ theta)), 1 / (1 + np.exp(-xq @ theta))
            bend = mean * (1 - mean)
        else:
            mean, mean_q, bend = x @ theta, xq @ theta, np.ones(len(x))
        hessian = (x.T * (weight * bend)) @ x + ridge * np.diag([*np.ones(X.shape[1]), 0])
        gradients = x * (mean - y)[:, None]
        solved = np.linalg.solve(hessian, gradients.T)
        products = (xq * (mean_q - target)[:, None]) @ solved
        lengths = {
            "influence": 1,
            "theta_relative": np.linalg.norm(solved, axis=0),
            "loss_relative": np.sqrt(np.einsum("ip,pi->i", gradients, solved)),
        }
        each = {name: products / length for name, length in lengths.items()}
        return {
            (name, sign): np.argsort(factor * -scores)[:, :n_examples]
            for name, scores in each.items()
            for sign, factor in (("positive", 1), ("negative", -1))
        }

    first = best(fitted, own)
    stays = dict.fromkeys(first, 0)
    for drawn in draws:
        again = best(clone(model).fit(X, y, sample_weight=own * drawn), own * drawn)
        for key, rows in first.items():
            is_there = (rows[:, :, None] == again[key][:, None]).any(axis=2)
            stays[key] = stays[key] + is_there
    return {key: (rows, stays[key] / len(draws)) for key, rows in first.items()}


def of_the_same_refits(explainer, explanation, X, n_draws):
    """The shares that :func:`few_resamples` has, of models at their optima."""
    study = study_of(explainer)
    resampler = study.resampler(study.query(X), str(explanation.criterion))
    draws = balanced_draws(study.objective.counts, n_draws, np.random.RandomState(0))
    best = explanation.indices, str(explanation.sign)
    return np.mean([resampler.stays(*resampler.refitted(drawn), *best) for drawn in draws], axis=0)


@pytest.fixture
def few_resamples(monkeypatch):
    """The default of 200 costs seconds where models come one by one."""
    monkeypatch.setattr("sklearn_relatif.stability._resamples.N_STEPS", 20)
    return 20


# --- real refits --------------------------------------------------------------------------------


def test_refits_are_those_of_scikit_learn(cancer):
    X, y = cancer[0][:150], cancer[1][:150]
    model = LogisticRegression(C=1.0, tol=1e-10, solver="newton-cholesky")
    explainer = RelatIFExplainer(model).fit(X[10:], y[10:])
    draws = list(multinomial_draws(np.ones(140, bool), 12, np.random.RandomState(0)))
    known = by_refits(model, X[10:], y[10:], X[:10], 3, draws)
    for (criterion, sign), (indices, shares) in known.items():
        explanation = explainer.explain(X[:10], n_examples=3, sign=sign, criterion=criterion)
        assert np.array_equal(explanation.indices, indices)
        found = explanation.stability(12, random_state=np.random.RandomState(0))
        assert found == pytest.approx(shares, abs=1e-12)


def test_weights_are_kept_as_multiplicities(cancer):
    X, y = cancer[0][:120], cancer[1][:120]
    weight = np.random.default_rng(1).uniform(0.5, 2, 110)
    model = LogisticRegression(tol=1e-10, solver="newton-cholesky")
    explainer = RelatIFExplainer(model).fit(X[10:], y[10:], weight)
    draws = list(multinomial_draws(np.ones(110, bool), 20, np.random.RandomState(0)))
    known = by_refits(model, X[10:], y[10:], X[:10], 5, draws, weight)
    found = explainer.explain(X[:10]).stability(20, random_state=0)
    assert found == pytest.approx(known["loss_relative", "positive"][1], abs=1e-12)


@pytest.mark.parametrize("C", [0.1, 1.0])
def test_two_steps_are_within_3_points_of_the_same_refits(cancer, C):
    """Of the same resamples, so that the difference is that of the models alone."""
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression(C=C, tol=1e-8)).fit(X[20:], y[20:])
    study = study_of(explainer)
    query = study.query(X[:20])
    draws = np.stack(
        list(multinomial_draws(np.ones(len(X) - 20, bool), 40, np.random.RandomState(0)))
    )
    few = FewParameters(study.objective, 0.0, np.float32)
    models = few.steps(draws)
    resamplers = {name: study.resampler(query, name) for name in CRITERIA}
    refitted = [resamplers["influence"].refitted(drawn) for drawn in draws]
    for name, resampler in resamplers.items():
        best = explainer.explain(X[:20], criterion=name).indices, "positive"
        steps = RanksTogether(few, name, query.features, query.y).stays(models, *best)
        fits = sum(resampler.stays(*one, *best).astype(int) for one in refitted)
        assert np.abs(steps - fits).mean() / 40 < 0.03


def test_squared_errors_need_no_second_step():
    X, y = standardised(load_diabetes)
    study = study_of(RelatIFExplainer(Ridge(alpha=3.0)).fit(X, y))
    drawn = next(multinomial_draws(np.ones(len(X), bool), 1, np.random.RandomState(0)))
    one = stepped(reweighted(study.objective, drawn), study.solver, "hessian", 0.0)
    model = Ridge(alpha=3.0).fit(X, y, sample_weight=drawn)
    assert one.ratio < 1e-6
    assert one.objective.score_weights()[0] == pytest.approx([*model.coef_, model.intercept_])


def test_bounds_and_l1_penalties_are_fitted_by_scikit_learn():
    X, y = standardised(load_diabetes)
    model = Lasso(alpha=2.0, tol=1e-6)
    explainer = RelatIFExplainer(model).fit(X[10:], y[10:])
    explanation = explainer.explain(X[:10], n_examples=2)
    with pytest.raises(ValueError, match="Pass n_resamples"):
        explanation.stability()
    shares = explanation.stability(15, random_state=0)
    random, stays = np.random.RandomState(0), 0
    for drawn in multinomial_draws(np.ones(len(X) - 10, bool), 15, random):
        own = clone(model).fit(X[10:], y[10:], sample_weight=drawn)
        again = RelatIFExplainer.from_fitted(own, X[10:], y[10:], drawn)
        # Rows that were not drawn have gradients too.
        rows = study_of(again).objective
        rows = rows.loss_rows(rows.jacobian, y[10:])
        query = study_of(again).query(X[:10])
        queries = study_of(again).objective.query_rows(query.jacobian, query.y)
        solved = study_of(again).curvature.solve(rows.block(slice(None)))
        lengths = np.sqrt(np.einsum("ip,ip->i", solved, rows.block(slice(None))))
        scores = (queries.block(slice(None)) @ solved.T) * queries.norm[:, None] / lengths
        stays = stays + among_best(scores, explanation.indices, "positive")
    assert shares == pytest.approx(stays / 15)


# --- steps --------------------------------------------------------------------------------------


def problems():
    X, y = standardised(load_wine, 4)
    counts = np.random.default_rng(0).poisson(2, len(y))
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    weightless = SGDClassifier(loss="log_loss", alpha=0.05, tol=1e-6, max_iter=5000, random_state=0)
    return [
        pytest.param(LogisticRegression(), X, y > 0, None, id="logistic"),
        pytest.param(LogisticRegression(), X, y, None, id="softmax"),
        pytest.param(LogisticRegression(class_weight="balanced"), X, y, weight, id="weights"),
        pytest.param(Ridge(), X, np.column_stack([y, counts]).astype(float), None, id="targets"),
        pytest.param(PoissonRegressor(), X, counts, None, id="counts"),
        pytest.param(weightless, X, y, weight, id="penalty of rows"),
    ]


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 8), (np.float32, 4)])
@pytest.mark.parametrize(("model", "X", "y", "weight"), problems())
def test_many_models_at_once_are_those_one_by_one(model, X, y, weight, dtype, digits):
    explainer = RelatIFExplainer(model, damping=0.01)
    study = study_of(explainer.fit(X, y, weight))
    objective, query = study.objective, study.query(X[:9])
    draws = np.stack(list(balanced_draws(objective.counts, 7, np.random.RandomState(0))))
    few = FewParameters(objective, 0.01, dtype)
    models = few.steps(draws)
    alone = [stepped(reweighted(objective, own), study.solver, "hessian", 0.01) for own in draws]
    gradients = objective.loss_rows(objective.jacobian, objective.y).block(slice(0, 9))
    total = draws @ objective.sample_weight
    for own, one in enumerate(alone):
        weights = one.objective.weights
        near = 10.0**-digits * np.abs(weights).max()
        assert models.weights[own] == pytest.approx(weights, abs=near)
        blocks = models.inverses[own].astype(np.float64)
        parts = gradients.reshape(9, *objective.shape) @ few.root
        parts = parts.reshape(9, len(blocks), -1).swapaxes(0, 1) @ blocks
        solved = parts.swapaxes(0, 1).reshape(9, *objective.shape) @ few.root.T
        known = one.curvature.solve(gradients.copy())
        found = total[own] * solved.reshape(known.shape)
        assert found == pytest.approx(known, abs=10.0**-digits * np.abs(known).max())
    if not objective.loss.is_quadratic:  # There, the second step is one of rounding errors.
        ratios = [one.ratio for one in alone]
        assert models.ratios == pytest.approx(ratios, rel=10.0 ** (2 - digits))
    for name in CRITERIA:
        ranks = RanksTogether(few, name, query.features, query.y)
        resampler = study.resampler(query, name)
        for sign in ("positive", "negative", "absolute"):
            indices = explainer.explain(X[:9], criterion=name, sign=sign).indices
            each = [resampler.stays(*one[:2], indices, sign).astype(int) for one in alone]
            assert np.array_equal(ranks.stays(models, indices, sign), sum(each))


def test_where_single_precision_is_too_low_double_is_taken():
    X, y = standardised(load_wine, 4)
    X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, tol=1e-8, max_iter=9999))
    study = study_of(explainer.fit(X, y > 0))
    query = study.query(X[:5])
    single, double = (FewParameters(study.objective, 0.0, dtype) for dtype in ("f4", "f8"))
    with pytest.raises(np.linalg.LinAlgError):
        RanksTogether(single, "theta_relative", query.features, query.y)
    RanksTogether(double, "theta_relative", query.features, query.y)
    draws = np.zeros((1, len(y)))
    draws[:, :3] = 1
    for few in (single, double):
        with pytest.raises(np.linalg.LinAlgError):
            few.steps(draws)


def test_the_first_step_is_the_derivative_of_the_refit(cancer):
    """To first order in the weights, against central differences of refits to 1e-13."""
    X, y = cancer[0][:200], cancer[1][:200]
    study = study_of(RelatIFExplainer(LogisticRegression(tol=1e-12, max_iter=9999)).fit(X, y))
    objective = study.objective
    direction = np.random.default_rng(0).normal(size=200)

    def fitted(step):
        return at_optimum(reweighted(objective, 1 + step * direction)).weights

    slope = (fitted(1e-4) - fitted(-1e-4)) / 2e-4
    small = reweighted(objective, 1 + 1e-6 * direction)
    taken = stepped(small, study.solver, "hessian", 0.0).objective.weights - fitted(0)
    assert taken / 1e-6 == pytest.approx(slope, rel=1e-4)


def test_steps_that_fall_short_say_so(cancer):
    X, y = standardised(load_breast_cancer)
    explainer = RelatIFExplainer(LogisticRegression(C=1000.0, max_iter=10_000)).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="Pass n_resamples"):
        explainer.explain(X[:3]).stability(random_state=0)


def test_resamples_without_an_optimum_are_left_out():
    X, y = make_blobs(40, centers=[[0, 0], [2.2, 2.2]], random_state=3)
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    explanation = RelatIFExplainer(model).fit(X, y).explain(X[:3])
    with pytest.warns(ConvergenceWarning, match=r"of 9 resamples determine no model"):
        shares = explanation.stability(9, random_state=0)
    assert np.isfinite(shares).all()


# --- draws and ranks ----------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [multinomial_draws, balanced_draws])
def test_draws_are_of_the_rows_that_count(draw):
    counts = np.array([True, False, True, True, True])
    draws = np.stack(list(draw(counts, 4000, np.random.RandomState(0))))
    assert draws.shape == (4000, 5)
    assert (draws.sum(axis=1) == 4).all()
    assert not draws[:, 1].any()
    # As the multinomial: 1 - 1/n and -1/n.
    covariance = np.cov(draws[:, counts].T)
    assert covariance == pytest.approx(np.eye(4) - 0.25, abs=0.06)
    if draw is balanced_draws:
        assert (draws.sum(axis=0) == 4000 * counts).all()


def test_among_best():
    scores = np.array([[3.0, -1.0, 2.0, 0.0], [-5.0, 4.0, 1.0, -6.0]])
    indices = np.array([[0, 2, 1], [3, 0, -1]])
    assert among_best(scores, indices, "positive").tolist() == [[1, 1, 0], [0, 0, 0]]
    assert among_best(scores, indices, "negative").tolist() == [[0, 0, 1], [1, 1, 0]]
    assert among_best(scores, indices[:, :1], "absolute").tolist() == [[1], [1]]
    assert among_best(scores[:, :2], np.array([[0, 1, -1]] * 2), "absolute").tolist() == (
        [[1, 1, 0]] * 2
    )


# --- the explanation ----------------------------------------------------------------------------


def test_places_without_a_row_have_no_share(cancer):
    X, y = cancer[0][:60], cancer[1][:60]
    explanation = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[:2], n_examples=58)
    shares = explanation.stability(random_state=0)
    assert (explanation.indices < 0).any()
    assert np.array_equal(np.isnan(shares), explanation.indices < 0)
    assert ((shares >= 0) & (shares <= 1))[explanation.indices >= 0].all()


def test_rows_of_no_weight_are_never_named(cancer):
    X, y = cancer[0][:60], cancer[1][:60]
    weight = np.repeat([1.0, 0.0], 30)
    whole = RelatIFExplainer(LogisticRegression()).fit(X, y, weight).explain(X[:4])
    left = RelatIFExplainer(LogisticRegression()).fit(X[:30], y[:30]).explain(X[:4])
    assert np.array_equal(whole.indices, left.indices)
    random = 0
    assert whole.stability(random_state=random) == pytest.approx(left.stability(random_state=0))


def test_it_is_a_column(cancer):
    X, y = pd.DataFrame(cancer[0], index=np.arange(569) + 1000), cancer[1]
    explanation = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X.iloc[:3])
    assert "stability" not in explanation.frame()
    shown = explanation.with_stability(random_state=0)
    assert explanation.shares is None
    assert shown.shares.ravel().tolist() == shown.frame()["stability"].tolist()
    assert np.array_equal(shown.shares, explanation.stability(random_state=0))
    assert np.array_equal(shown[1:].shares, shown.shares[1:])
    assert f"{shown.shares[0, 0]:.2f}" in repr(shown)
    assert "stability" in repr(shown) and "stability" in shown._repr_html_()


def test_slices_ask_for_their_own_queries(cancer):
    X, y = cancer
    explanation = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[:6])
    whole = explanation.stability(random_state=0)
    assert np.array_equal(explanation[[4, 1]].stability(random_state=0), whole[[4, 1]])


def test_labels_that_are_asked_for_are_held(cancer):
    X, y = cancer
    explanation = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[:2], [[0, 1], [1, 0]])
    shares = explanation.stability(random_state=0)
    each = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[[0, 0, 1, 1]], [0, 1, 1, 0])
    assert np.array_equal(shares, each.stability(random_state=0))


def test_files_leave_the_training_data_out(cancer):
    X, y = cancer
    shown = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[:2]).with_stability()
    saved = pickle.dumps(shown)
    assert len(saved) < X.nbytes
    for other in (pickle.loads(saved), copy(shown)):
        assert np.array_equal(other.shares, shown.shares)
        with pytest.raises(ValueError, match="Call explain again"):
            other.stability()


def test_shares_must_have_the_shape_of_the_scores():
    with pytest.raises(ValueError, match="shares must have the shape"):
        Explanation(
            [[0]],
            [[1.0]],
            [0],
            criterion="influence",
            sign="positive",
            training_rows=TrainingRows(index=np.arange(2)),
            query_index=[0],
            shares=[1.0],
        )


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (SVC(), {}),
        (GaussianNB(), {}),
        (
            MLPClassifier(3, solver="lbfgs", random_state=0),
            {"curvature": "gauss_newton", "damping": 0.1},
        ),
    ],
)
def test_models_that_are_not_known_say_what_to_do(cancer, model, options):
    X, y = cancer
    explanation = RelatIFExplainer(model, **options).fit(X[:80], y[:80]).explain(X[:2])
    with pytest.raises(
        ValueError, match=f"{type(model).__name__} is none. Fit the explainer again"
    ):
        explanation.stability()


def test_explainers_without_a_model_say_so(cancer):
    X, y = cancer
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="compact explainer has let go of"):
        explainer.compact().explain(X[:2]).stability()
    with pytest.raises(ValueError, match="nearest"):
        NearestNeighborsExplainer().fit(X, y).explain(X[:2]).stability()


@pytest.mark.parametrize("n_resamples", [0, 1.5, "many"])
def test_n_resamples_is_a_number(cancer, n_resamples):
    X, y = cancer
    explanation = RelatIFExplainer(LogisticRegression()).fit(X, y).explain(X[:2])
    with pytest.raises((ValueError, TypeError), match="n_resamples"):
        explanation.stability(n_resamples)


@pytest.mark.parametrize(
    "options",
    [
        {"curvature": "fisher", "damping": 1e-3},
        {"curvature": "identity"},
        {"solver": "block_diagonal"},
        {"solver": "cg"},
        {"damping": 0.1},
    ],
)
def test_the_curvature_and_the_solver_are_those_that_explain(few_resamples, options):
    X, y = standardised(load_wine, 4)
    X, y = X[y < 2], y[y < 2]
    explainer = RelatIFExplainer(LogisticRegression(C=0.1), **options).fit(X, y)
    explanation = explainer.explain(X[:8])
    steps = explanation.stability(random_state=0)
    fits = of_the_same_refits(explainer, explanation, X[:8], few_resamples)
    assert np.abs(steps - fits).mean() < 0.03


def test_wide_and_sparse_rows(few_resamples):
    X, y = standardised(load_breast_cancer)
    X, y = X[:40], y[:40]
    X = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), 90))])
    model = make_pipeline(LogisticRegression(C=0.01))
    dense = RelatIFExplainer(model).fit(X, y).explain(X[:3]).stability(random_state=0)
    rows = sparse.csr_matrix(X)
    thin = RelatIFExplainer(model).fit(rows, y).explain(rows[:3]).stability(random_state=0)
    assert dense == pytest.approx(thin, abs=0.011)


def test_without_a_penalty(few_resamples):
    X, y = standardised(load_diabetes, 4)
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    explanation = explainer.explain(X[:10])
    steps = explanation.stability(random_state=0)
    assert np.array_equal(steps, of_the_same_refits(explainer, explanation, X[:10], few_resamples))


# --- the report ---------------------------------------------------------------------------------


@pytest.mark.parametrize("with_test", [True, False])
def test_a_report_shows_it_where_it_is_asked_for(cancer, tmp_path, with_test):
    X, y = pd.DataFrame(cancer[0][:60]), cancer[1][:60]
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    test = (X[::10], y[::10]) if with_test else ()
    report = explainer.audit(*test, X_train=X, stability=True)
    explained = report.explained[0]
    assert "named again" in str(explained)
    report.to_html(tmp_path / "page.html", X)
    report.to_json(tmp_path / "numbers.json")
    assert "named again" in (tmp_path / "page.html").read_text("utf-8")
    kept = json.loads((tmp_path / "numbers.json").read_text("utf-8"))["explained"][0]
    assert kept["supporting"]["stability"] == explained.supporting.shares[0].tolist()
    plain = explainer.audit(*test, X_train=X)
    assert plain.explained[0].supporting.shares is None
    assert np.array_equal(plain.explained[0].supporting.indices, explained.supporting.indices)
    assert "named again" not in str(plain.explained[0])


def test_steps_to_where_nothing_curves_are_told_with_the_way_out():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[:200], y[:200]
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=10_000)
    explanation = RelatIFExplainer(model).fit(X, y).explain(X[:2])
    # Whether the curvature there is rounding, or next to it, depends on the draws.
    for seed in range(3):
        with pytest.raises((ValueError, ConvergenceWarning), match="Pass n_resamples"):
            explanation.stability(random_state=seed)
