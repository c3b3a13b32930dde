"""The derivative of boosted models: by the triangle, by sweeps, and written down once more."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters._boosting import softmax_loss
from sklearn_relatif.curvature import _trees as of_trees
from sklearn_relatif.curvature._recursion import leaf_fisher
from sklearn_relatif.curvature._sweeps import drawn_losses
from sklearn_relatif.objectives import BoostedObjective
from sklearn_relatif.trees import (
    BoostedTrees,
    DenseRecursion,
    Leaves,
    NewtonStep,
    PriorStart,
    SoftmaxStep,
    SweptRecursion,
)

from . import slow_boosting as slow

CRITERIA = ("influence", "theta_relative", "loss_relative")


def classes(name):
    X, y = {"two": load_breast_cancer, "three": load_iris}[name](return_X_y=True)
    return X[::2], y[::2], X[1::2][:6], y[1::2][:6]


def numbers():
    X, y = load_diabetes(return_X_y=True)
    return X[::3], y[::3], X[1::3][:6], y[1::3][:6]


MODELS = {
    "two classes": (
        GradientBoostingClassifier(n_estimators=17, random_state=0),
        classes("two"),
        slow.Logistic(),
    ),
    "three classes": (
        GradientBoostingClassifier(n_estimators=10, max_depth=2, random_state=0),
        classes("three"),
        slow.Softmax(3, is_centred=True),
    ),
    "numbers": (
        GradientBoostingRegressor(n_estimators=19, random_state=0),
        numbers(),
        slow.Squared(),
    ),
}


@pytest.fixture(params=MODELS)
def case(request):
    model, (X, y, X_query, y_query), loss = MODELS[request.param]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    weight[3] = 0
    explainer = RelatIFExplainer(model).fit(X, y, sample_weight=weight)
    trees = explainer._study.objective.trees
    written = slow.Boosted(
        loss, trees.y, trees.leaves.positions.astype(int), trees.outputs, trees.stages,
        trees.estimation.rate,
    )  # fmt: skip
    return explainer, X_query, y_query, weight, written


def test_as_written_down_once_more(case):
    explainer, X, y, weight, written = case
    study = explainer._study
    query = study.query(X, y)
    leaves, eta = query.jacobian.leaves, study.objective.trees.predictors(query.jacobian.leaves)
    expected = slow.influences(written, weight, leaves.positions.astype(int), query.y, eta)
    for criterion in CRITERIA:
        found = explainer.pairwise_influence(X, y, criterion=criterion)
        own = np.where(weight > 0, expected[criterion], 0)
        np.testing.assert_allclose(found, own, atol=1e-10 * np.abs(own).max())


def test_self_influence_is_that_on_its_own_loss(case):
    explainer, *_ = case
    X, y = explainer._study.training_data[:2]
    everything = explainer.pairwise_influence(X, y, criterion="influence")
    own = np.diag(everything)
    np.testing.assert_allclose(explainer.self_influence_, own, atol=1e-12 * np.abs(own).max())


def test_sweeps_solve_as_the_triangle_does(case, monkeypatch):
    trees = case[0]._study.objective.trees
    dense = DenseRecursion(trees)
    queries = np.random.default_rng(0).normal(size=(trees.n_values, 5))
    expected = dense.solve_transposed(queries)
    np.testing.assert_allclose(SweptRecursion(trees).solve_transposed(queries), expected)
    # Blocks of two queries, and groups of a stage.
    monkeypatch.setattr("sklearn_relatif.trees._sweep.PASSED_BYTES", 17 * trees.n_rows)
    monkeypatch.setattr("sklearn_relatif.trees._sweep.GROUPED", 1)
    np.testing.assert_allclose(SweptRecursion(trees).solve_transposed(queries), expected)


def test_sweeps_of_some_rows_at_a_time(case, monkeypatch):
    trees = case[0]._study.objective.trees
    queries = np.random.default_rng(0).normal(size=(trees.n_values, 5))
    expected = SweptRecursion(trees).solve_transposed(queries)
    monkeypatch.setattr("sklearn_relatif.trees._sweep.SLOPES_BYTES", 999)
    monkeypatch.setattr("sklearn_relatif.trees._sweep.GROUPED", 1)
    np.testing.assert_allclose(SweptRecursion(trees).solve_transposed(queries), expected)


def test_fisher_weights_of_some_rows_at_a_time(case):
    objective = case[0]._study.objective
    expected = leaf_fisher(objective)
    with config_context(working_memory=2.0**-10):
        np.testing.assert_allclose(leaf_fisher(objective), expected, rtol=1e-12, atol=1e-15)


def many_classes(n_classes=40, n_rows=900):
    """A stage of a tree for each class, with leaves of their own."""
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % n_classes
    return BoostedTrees(
        step=SoftmaxStep(n_classes),
        start=PriorStart(n_classes),
        estimation=NewtonStep(np.full(n_classes, 0.1)),
        y=y,
        weight=np.ones(n_rows),
        leaves=Leaves.of(rng.integers(2, size=(n_classes, n_rows)), np.full(n_classes, 2)),
        outputs=np.arange(n_classes),
        stages=np.zeros(n_classes, int),
        values=np.zeros(2 * n_classes),
        start_values=np.zeros(n_classes),
    )


def test_memory_does_not_grow_with_classes_squared_times_rows(monkeypatch):
    trees = many_classes()
    loss, outputs = softmax_loss(trees.n_outputs)
    objective = BoostedObjective(loss, trees.y, trees.weight, None, trees, outputs, refits=None)
    recursion, _ = SweptRecursion(trees), objective.training_predictor
    squared = 8 * trees.n_outputs**2 * trees.n_rows
    monkeypatch.setattr("sklearn_relatif.trees._sweep.SLOPES_BYTES", squared / 20)
    monkeypatch.setattr("sklearn_relatif.curvature._sweeps.N_PROJECTIONS", 5)
    queries = np.random.default_rng(0).normal(size=(recursion.trees.n_values, 3))
    for work in (
        lambda: recursion.solve_transposed(queries),
        lambda: leaf_fisher(objective),
        lambda: drawn_losses(objective),
    ):
        tracemalloc.start()
        with config_context(working_memory=8):
            work()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < squared / 2


def test_large_models_are_explained_by_sweeps(case, monkeypatch):
    explainer, X, y, weight, _ = case
    monkeypatch.setattr(of_trees, "MOST_PAIRS", 0)
    data = explainer._study.training_data
    large = RelatIFExplainer.from_fitted(explainer.estimator_, *data)
    assert (explainer.solver_.name, large.solver_.name) == ("triangle", "sweeps")
    assert (explainer.solver_.is_exact, large.solver_.is_exact) == (True, False)
    assert "standard error of 5 %" in large.solver_.reason
    same = explainer.pairwise_influence(X, y, criterion="influence")
    found = large.pairwise_influence(X, y, criterion="influence")
    np.testing.assert_allclose(found, same, atol=1e-12 * np.abs(same).max())
    for criterion in CRITERIA[1:]:
        ratio = large._study.scale(criterion) / np.where(
            weight > 0, explainer._study.scale(criterion), np.nan
        )
        # Rows share their projections, so that they are off together.
        assert abs(np.nanmedian(ratio) - 1) < 0.15
        assert np.nanstd(ratio) < 0.1
    own = np.corrcoef(large.self_influence_, explainer.self_influence_)[0, 1]
    assert own > 0.99


def test_the_best_rows_are_those_of_all_scores(case):
    explainer, X, y, *_ = case
    scores = explainer.pairwise_influence(X, y)
    found = explainer.explain(X, y, n_examples=3)
    best = -np.sort(-scores, axis=1)[:, :3]
    np.testing.assert_allclose(found.scores, best, rtol=1e-9)


def test_in_worker_processes_and_from_a_file(case):
    explainer, X, y, *_ = case
    expected = explainer.explain(X, y).indices
    explainer = pickle.loads(pickle.dumps(explainer))
    assert (explainer.explain(X, y).indices == expected).all()
    explainer.set_params(n_jobs=2)
    assert (explainer.explain(X, y).indices == expected).all()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"damping": 0.1}, "Set damping=0"),
        ({"curvature": "fisher"}, "use curvature='hessian'"),
        ({"solver": "cholesky"}, "use solver='auto'"),
    ],
)
def test_what_trees_do_not_have_is_refused(params, words):
    X, y = load_wine(return_X_y=True)
    model = GradientBoostingClassifier(n_estimators=2)
    with pytest.raises(ValueError, match=words):
        RelatIFExplainer(model, **params).fit(X, y)


def test_what_has_no_meaning_is_left_out(case):
    explainer, X, *_ = case
    for name in ("leverage_", "distance_to_optimum_"):
        with pytest.raises(AttributeError, match=f"has no {name}: .*tree"):
            getattr(explainer, name)
        assert not hasattr(explainer, name)
    with pytest.raises(AttributeError, match="no attribute 'transform'") as raised:
        explainer.transform(X)
    assert "no inner products" in str(raised.value.__cause__)


def test_leaves_of_some_rows():
    leaves = Leaves.of(np.array([[0, 1, 2, 1], [1, 0, 0, 1]]), [3, 2])
    assert leaves.positions.dtype == np.uint8
    assert (leaves.n_trees, leaves.n_rows, leaves.n_leaves) == (2, 4, 5)
    assert leaves[1:].numbered().tolist() == [[1, 3], [2, 3], [1, 4]]
    matrix = leaves.matrix(np.arange(8.0).reshape(4, 2), start=np.full((4, 1), 9.0))
    assert matrix.toarray()[2].tolist() == [9, 0, 0, 4, 5, 0]
