"""The audit of models of several targets: each in columns of its own, the loss in sum."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from tests.test_audit_regression import OF_CLASSES, root_mean_square

MODELS = {
    "ridge": Ridge(),
    "kernel": KernelRidge(),
    "each": MultiOutputRegressor(Ridge()),
    "scaled": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    noise = rng.standard_t(3, size=(60, 2))
    y = (X.to_numpy() @ rng.normal(size=(3, 2)) + noise) * [1, 100] + [0, 50]
    return X[:45], y[:45], X[45:], y[45:]


@pytest.mark.parametrize("name", MODELS)
def test_each_target_has_its_own_columns(name, data, tmp_path):
    X, y, X_test, y_test = data
    groups = np.where(X["a"] > 0, "high", "low")
    explainer = RelatIFExplainer(MODELS[name]).fit(X, pd.DataFrame(y))
    report = explainer.audit(X_test, pd.DataFrame(y_test), groups=groups)
    frame, residual = report.frame(), y - explainer.predict(X)
    tested = y_test - explainer.predict(X_test)
    rest = clone(MODELS[name]).fit(X[groups == "low"], y[groups == "low"])
    alone = clone(MODELS[name]).fit(X.drop(index=7), np.delete(y, 7, axis=0))
    for k in range(2):
        assert_allclose(frame[f"target_{k}"], y[:, k], rtol=1e-13)
        assert_allclose(frame[f"residual_{k}"], residual[:, k], atol=1e-9)
        other = alone.predict(X.loc[[7]])[0, k]
        assert_allclose(frame[f"loo_prediction_{k}"][7], other)
        assert_allclose(frame[f"loo_residual_{k}"][7], y[7, k] - other)
        assert_allclose(report.predictions[f"residual_{k}"], tested[:, k])
        assert_allclose(report.model[f"test_error_{k}"], root_mean_square(tested[:, k]))
        change = root_mean_square(y_test[:, k] - rest.predict(X_test)[:, k]) - root_mean_square(
            tested[:, k]
        )
        assert_allclose(report.groups[f"error_change_{k}"][0], change)
    units = np.std(y, axis=0) if name == "scaled" else 1
    assert_allclose(frame["loss"], ((residual / units) ** 2).sum(axis=1) / 2)
    influence = explainer.pairwise_influence(X_test, y_test, criterion="influence")
    assert_allclose(frame["test_influence"], influence.mean(axis=0) / 45, atol=1e-9)
    report.to_html(tmp_path / "report.html", X)
    page = (tmp_path / "report.html").read_text("utf-8")
    body = page[page.index("<body>") : page.index("<script")]
    text = html.unescape(re.sub(r"<[^>]*>", " ", body)) + report.summary()
    text = text.replace("index labels", "")  # which name rows, whatever their targets
    assert not OF_CLASSES.search(text), OF_CLASSES.search(text)
    assert 'aria-label="residual_1 against prediction_1"' in body


def test_sentences_tell_of_the_target_that_is_furthest_off(data):
    X, y, _, _ = data
    report = RelatIFExplainer(Ridge()).fit(X, y).audit()
    line = report.frame()
    for row in range(45):
        typical = [root_mean_square(line[f"residual_{k}"]) for k in range(2)]
        times = [abs(line[f"loo_residual_{k}"][row]) / typical[k] for k in range(2)]
        worst = int(np.argmax(times))
        side = "above" if line[f"loo_residual_{worst}"][row] > 0 else "below"
        told = report.why(row)
        assert told.startswith(f"Its target_{worst} ") and f" {side} the " in told
        assert f"{times[worst]:.1f} times the typical error of target_{worst}" in told


def test_test_targets_need_a_column_each(data):
    X, y, X_test, y_test = data
    with pytest.raises(ValueError, match="one column for each of the 2 targets"):
        RelatIFExplainer(Ridge()).fit(X, y).audit(X_test, y_test[:, 0])


@pytest.mark.parametrize("kind", [MultiOutputClassifier, OneVsRestClassifier])
def test_several_labels_are_refused_with_a_way_out(kind, data):
    X, y, _, _ = data
    labels = (y > np.median(y, axis=0)).astype(int)
    explainer = RelatIFExplainer(kind(LogisticRegression(tol=1e-8))).fit(X, labels)
    with pytest.raises(TypeError, match=r"one label a row.*was fitted to 2.*`estimators_`"):
        explainer.audit()
    one = explainer.estimator_.estimators_[0]
    assert "label" in RelatIFExplainer(one).fit(X, labels[:, 0]).audit().columns
