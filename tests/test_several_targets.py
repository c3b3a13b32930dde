"""Targets of several columns, all the way through the explainer."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_linnerud
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import InfluenceDisplay
from sklearn_relatif.serving import ExplanationIndex
from tests import cases

ALPHA = 2.0


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal([0, 0, 3, 0], size=(60, 4))
    y = X @ rng.normal(size=(4, 3)) + rng.standard_t(4, size=(60, 3))
    return X[:50], y[:50], X[50:], y[50:]


@pytest.fixture(scope="module")
def explainer(data):
    return RelatIFExplainer(Ridge(alpha=ALPHA), criterion="influence", random_state=0).fit(
        *data[:2]
    )


@pytest.fixture(scope="module")
def of_each(data):
    """An explainer for each target alone."""
    X, y, *_ = data
    model = RelatIFExplainer(Ridge(alpha=ALPHA), criterion="influence")
    return [clone(model).fit(X, one) for one in y.T]


def half_squares(model, X, y):
    return ((model.predict(X) - y) ** 2).sum(axis=1) / 2


def test_influence_is_the_sum_of_that_of_each_target(explainer, of_each, data):
    *_, queries, targets = data
    found = explainer.pairwise_influence(queries, targets)
    expected = [
        one.pairwise_influence(queries, y) for one, y in zip(of_each, targets.T, strict=True)
    ]
    assert_allclose(found, np.sum(expected, axis=0), rtol=1e-10, atol=1e-12)
    found = explainer.pairwise_influence(queries)
    expected = [one.pairwise_influence(queries) for one in of_each]
    assert_allclose(found, np.sum(expected, axis=0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_relative_criteria_are_those_of_the_whole_gradient(explainer, data, criterion):
    X, y, queries, targets = data
    x, t = (np.column_stack([table, np.ones(len(table))]) for table in (X, queries))
    model = explainer.estimator_
    residual, asked = model.predict(X) - y, model.predict(queries) - targets
    block = x.T @ x / len(x) + np.diag([ALPHA / len(x)] * 4 + [0.0])
    rows = np.einsum("nk,nd->nkd", residual, x)
    solved = np.linalg.solve(block, rows.swapaxes(1, 2)).swapaxes(1, 2)
    expected = np.einsum("qk,qd,nkd->qn", asked, t, solved)
    scale = {
        "influence": np.ones(len(x)),
        "theta_relative": np.linalg.norm(solved.reshape(len(x), -1), axis=1),
        "loss_relative": np.sqrt(np.einsum("nkd,nkd->n", rows, solved)),
    }[criterion]
    found = explainer.pairwise_influence(queries, targets, criterion=criterion)
    assert_allclose(found, expected / scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("order", ["newton", "retrain"])
def test_removal_is_the_refit(explainer, data, order):
    X, y, queries, targets = data
    groups = np.arange(50) % 7
    found = explainer.removal_effect(queries, targets, groups, order=order)
    before = half_squares(explainer.estimator_, queries, targets)
    for group in range(7):
        refit = Ridge(alpha=ALPHA, solver="svd").fit(X[groups != group], y[groups != group])
        expected = half_squares(refit, queries, targets) - before
        assert_allclose(found[:, group], expected, atol=1e-10)


def test_first_order_is_the_sum_of_that_of_each_target(explainer, of_each, data):
    *_, queries, targets = data
    found = explainer.removal_effect(queries, targets, order="first")
    expected = [
        one.removal_effect(queries, y, order="first")
        for one, y in zip(of_each, targets.T, strict=True)
    ]
    assert_allclose(found, np.sum(expected, axis=0), rtol=1e-10, atol=1e-12)


def test_refits_are_whole_models(explainer, data):
    X, y, queries, _ = data
    (without,) = explainer.retrain_without([[3, 4]])
    refit = Ridge(alpha=ALPHA).fit(np.delete(X, [3, 4], 0), np.delete(y, [3, 4], 0))
    assert without.coef_.shape == refit.coef_.shape
    assert np.shape(without.intercept_) == np.shape(refit.intercept_)
    assert_allclose(without.predict(queries), refit.predict(queries), rtol=1e-10)


@pytest.mark.parametrize("order", ["first", "newton", "retrain"])
def test_a_number_of_all_predictions(explainer, data, order):
    *_, queries, targets = data

    def total(predictions):
        assert predictions.shape == targets.shape
        error = predictions - targets
        return (error**2).sum() / 2, error

    found = explainer.removal_effect_on(total, queries, order=order)
    expected = explainer.removal_effect(queries, targets, order=order).sum(axis=0)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_criteria_are_faithful(data, criterion):
    X, y, queries, targets = data
    explainer = RelatIFExplainer(Ridge(alpha=ALPHA), criterion=criterion, random_state=0)
    assert explainer.fit(X, y).score(queries, targets) > 0.97
    assert explainer.score(queries) > 0.97


def test_explanations_show_all_targets(explainer, data):
    X, y, queries, targets = data
    explanation = explainer.explain(queries, targets, n_examples=2)
    assert_allclose(explanation.targets, targets)
    assert_allclose(explainer.explain(queries).targets, explainer.predict(queries))
    assert_allclose(explanation.training_rows.labels, y)
    assert_allclose(explanation.training_rows.predictions, explainer.predict(X))
    assert explanation[3].targets.shape == (1, 3)
    assert pickle.loads(pickle.dumps(explanation)).targets.shape == targets.shape


def test_frames_have_a_column_a_target(explainer, data):
    pytest.importorskip("pandas")
    _, y, queries, targets = data
    frame = explainer.explain(queries, targets, n_examples=2).frame()
    names = [f"{name}_{k}" for name in ("target", "label", "prediction") for k in range(3)]
    assert set(names) <= set(frame.columns)
    assert "label" not in frame.columns
    assert_allclose(frame[["label_0", "label_1", "label_2"]], y[frame["position"]])


def test_texts_and_bars_name_all_targets(data):
    pytest.importorskip("matplotlib")
    X, y = np.arange(6.0)[:, None], np.outer(np.arange(6), [1, 10]) + [[0, 0.5]] * 6
    explainer = RelatIFExplainer(Ridge()).fit(X, y)
    explanation = explainer.explain([[2.0]], [[2.0, 20.0]], n_examples=1)
    assert "query 0, target (2, 20)" in repr(explanation)
    row = explanation.indices[0, 0]
    assert f"({row}, {10 * row + 0.5})" in repr(explanation)
    assert "(2, 20)" in explanation._repr_html_()
    display = InfluenceDisplay.from_estimator(explainer, [[2.0]], [[2.0, 20.0]], n_examples=1)
    assert f"({row}, {10 * row + 0.5})" in display.ax_.get_yticklabels()[0].get_text()


def test_compact_saved_and_indexed_explainers_agree(explainer, data):
    *_, queries, targets = data
    expected = explainer.explain(queries, targets, n_examples=3)
    small = pickle.loads(pickle.dumps(explainer.compact()))
    index = ExplanationIndex(explainer)
    for found in (
        small.explain(queries, targets, n_examples=3),
        index.explain(queries, targets, n_examples=3),
    ):
        assert (found.indices == expected.indices).all()
        assert_allclose(found.scores, expected.scores, rtol=1e-4)
        assert_allclose(found.targets, targets)


def test_inner_products_are_influences(explainer, data):
    X, y, queries, _ = data
    products = explainer.transform(queries) @ explainer.transform(X, y).T
    assert_allclose(products, explainer.pairwise_influence(queries), rtol=1e-9, atol=1e-12)


def test_y_has_a_column_a_target(explainer, data):
    X, y, queries, targets = data
    for wrong in (targets[:, 0], targets[:, :2]):
        with pytest.raises(ValueError, match=r"one column for each of the 3 targets.*\(10"):
            explainer.explain(queries, wrong)
        with pytest.raises(ValueError, match=r"one column for each of the 3 targets"):
            explainer.removal_effect(queries, wrong)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        explainer.explain(queries, targets[1:])
    with pytest.raises(ValueError, match="NaN or infinity"):
        explainer.explain(queries, np.where(targets > 0, np.nan, targets))
    with pytest.raises(ValueError, match="one column for each of the 3 targets"):
        RelatIFExplainer.from_fitted(explainer.estimator_, X, y[:, 0])


def test_columns_of_one_target_are_labels_of_a_query(of_each, data):
    *_, queries, targets = data
    explanation = of_each[0].explain(queries, targets)
    assert_allclose(explanation.targets, targets.ravel())
    assert len(explanation) == targets.size


def test_one_column_is_one_target(of_each, data):
    X, y, queries, targets = data
    explainer = RelatIFExplainer(Ridge(alpha=ALPHA), criterion="influence").fit(X, y[:, :1])
    assert explainer.predict(queries).shape == explainer.estimator_.predict(queries).shape
    assert explainer.training_rows_.labels.shape == (50,)
    found = explainer.pairwise_influence(queries, targets[:, 0])
    assert_allclose(found, of_each[0].pairwise_influence(queries, targets[:, 0]), rtol=1e-12)


def test_weights_and_wrappers_around_it():
    X, y = load_linnerud(return_X_y=True, as_frame=True)
    weight = cases.weights_with_zeros(len(X))
    model = make_pipeline(StandardScaler(), GridSearchCV(Ridge(), {"alpha": [1.0]}))
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    explanation = explainer.explain(X, y)
    assert explanation.targets.shape == (20, 3)
    assert (weight[explanation.indices[explanation.indices >= 0]] > 0).all()
    assert explainer.distance_to_optimum_ < 1e-8


def test_wide_rows_and_single_precision():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(20, 50)).astype(np.float32), rng.normal(size=(20, 2))
    explainer = RelatIFExplainer(Ridge(), solver="woodbury").fit(X, y)
    single = explainer.pairwise_influence(X[:3], y[:3], criterion="influence")
    assert single.dtype == np.float32
    double = RelatIFExplainer(Ridge()).fit(X.astype(float), y)
    assert_allclose(
        single, double.pairwise_influence(X[:3], y[:3], criterion="influence"), rtol=2e-3, atol=1e-3
    )
