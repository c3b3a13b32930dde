"""The audit of regressors: targets and residuals in their units, and nothing of classes."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.linear_model import GammaRegressor, PoissonRegressor, Ridge, SGDRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import LeverageDisplay, SelfInfluenceDisplay

NEWTON = {"alpha": 1e-3, "solver": "newton-cholesky", "tol": 1e-10}
MODELS = {
    "ridge": Ridge(0.1),
    "counts": PoissonRegressor(**NEWTON),
    "positive": GammaRegressor(**NEWTON),
    "huber": SGDRegressor(
        "huber", epsilon=50.0, alpha=0.1, tol=None, max_iter=500, average=True, eta0=0.1
    ),
}
OF_CLASSES = re.compile(r"label|\bclass(es|ifier)?\b|probabilit|accura|\bright\b|p\(", re.I)


@pytest.fixture(scope="module")
def data():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X[:150], y[:150].to_numpy(), X[150:190], y[150:190].to_numpy()


@pytest.fixture(scope="module")
def audited(data):
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(MODELS["ridge"]).fit(X, y)
    groups = np.where(np.arange(150) % 3 == 0, "every third", "rest")
    return explainer, explainer.audit(X_test, y_test, groups=groups), groups


def root_mean_square(values):
    return np.sqrt(np.mean(np.square(values)))


def test_columns_are_targets_predictions_and_what_is_between(audited, data):
    X, y, X_test, y_test = data
    explainer, report, _ = audited
    frame = report.frame()
    assert_array_equal(frame["target"], y)
    assert_allclose(frame["prediction"], explainer.predict(X))
    assert_allclose(frame["residual"], y - explainer.predict(X))
    for row in (0, 80, int(report.first_positions(1)[0])):
        refit = clone(MODELS["ridge"]).fit(X.drop(index=row), np.delete(y, row))
        assert_allclose(frame["loo_prediction"][row], refit.predict(X.loc[[row]])[0])
        assert_allclose(frame["loo_residual"][row], y[row] - refit.predict(X.loc[[row]])[0])
    assert_allclose(frame["loss"], frame["residual"] ** 2 / 2)
    assert_allclose(frame["loo_loss"], frame["loo_residual"] ** 2 / 2)
    scores = explainer.pairwise_influence(X_test, criterion="influence")
    firsts = np.bincount(np.abs(np.asarray(scores)).argmax(axis=1), minlength=150)
    assert_array_equal(frame["hub_if"], firsts)
    influence = explainer.pairwise_influence(X_test, y_test, criterion="influence")
    assert_allclose(frame["test_influence"], influence.mean(axis=0) / 150)
    order = report.first_positions(150)
    assert (np.diff(np.abs(report.columns["residual"][order])) <= 1e-9).all()


def test_facts_are_errors_in_units_of_the_target(audited, data):
    X, y, X_test, y_test = data
    explainer, report, _ = audited
    facts = report.model
    assert_allclose(facts["error"], root_mean_square(y - explainer.predict(X)))
    assert_allclose(facts["loo_error"], root_mean_square(report.columns["loo_residual"]))
    assert_allclose(facts["spread"], np.std(y))
    assert_allclose(facts["test_error"], root_mean_square(y_test - explainer.predict(X_test)))
    assert_allclose(facts["test_spread"], root_mean_square(y_test - y.mean()))
    assert_allclose(report.predictions["residual"], y_test - explainer.predict(X_test))


def test_groups_are_retrained_without(audited, data):
    X, y, X_test, y_test = data
    explainer, report, groups = audited
    for place, group in enumerate(report.groups["group"]):
        inside = groups == group
        model = clone(MODELS["ridge"]).fit(X[~inside], y[~inside])
        moved = model.predict(X_test) - explainer.predict(X_test)
        errors = [root_mean_square(y_test - m.predict(X_test)) for m in (explainer, model)]
        found = {name: values[place] for name, values in report.groups.items()}
        assert_allclose(found["prediction_change"], np.mean(np.abs(moved)))
        assert_allclose(found["error_change"], errors[1] - errors[0])
        assert_allclose(found["mean_residual"], report.columns["residual"][inside].mean())
        assert_allclose(found["error"], root_mean_square(report.columns["residual"][inside]))


def test_support_is_the_largest_cosine_up_or_down(audited, data):
    explainer, report, _ = audited
    queries, rows = explainer.transform(data[2]), explainer.transform(data[0], data[1])
    cosine = np.abs(queries @ rows.T) / np.outer(
        *(np.linalg.norm(v, axis=1) for v in (queries, rows))
    )
    assert_allclose(report.predictions["support"], cosine.max(axis=1))
    assert_array_equal(report.predictions["best_row"], cosine.argmax(axis=1))


def test_sentences_tell_the_side_and_the_size(audited):
    _, report, _ = audited
    row = report.first_rows(1)[0]
    line = report.frame().loc[row]
    side = "above" if line["loo_residual"] > 0 else "below"
    times = abs(line["loo_residual"]) / report.model["error"]
    assert report.why(row).startswith(
        f"Its target {line['target']:.3g} is {abs(line['loo_residual']):.3g} {side} the "
        f"{line['loo_prediction']:.3g} that the model without it predicts "
        f"({line['prediction']:.3g} with it), {times:.1f} times the typical error"
    )
    assert "Targets to look at first:" in report.summary()


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize("name", MODELS)
def test_no_page_speaks_of_classes(name, data, tmp_path):
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(MODELS[name]).fit(X, y)
    report = explainer.audit(X_test, y_test, groups=X["sex"] > 0)
    assert_allclose(report.columns["prediction"], explainer.predict(X))
    assert_allclose(report.columns["residual"], y - explainer.predict(X))
    report.to_html(tmp_path / "report.html", X)
    page = (tmp_path / "report.html").read_text("utf-8")
    body = page[page.index("<body>") : page.index("<script")]
    titles = re.findall(r'title="([^"]*)"', body)
    text = html.unescape(" ".join([re.sub(r"<[^>]*>", " ", body), *titles]))
    text = text.replace("index labels", "")  # which name rows, whatever their targets
    for spoken in (text, report.summary(), *report.notes):
        assert not OF_CLASSES.search(spoken), OF_CLASSES.search(spoken)
    assert 'aria-label="residual against prediction"' in body
    without = explainer.audit()
    without.to_html(tmp_path / "report.html")
    assert "residual" in without.frame() and "test_error" not in without.model


def test_means_of_counts_are_in_units_of_the_target(data):
    X, y, _, _ = data
    report = RelatIFExplainer(MODELS["counts"]).fit(X, y).audit()
    row = int(report.first_positions(1)[0])
    # At the same alpha, whose penalty is a mean.
    refit = clone(MODELS["counts"]).fit(X.drop(index=row), np.delete(y, row))
    step, exact = report.columns["loo_prediction"][row], refit.predict(X.loc[[row]])[0]
    own = report.columns["prediction"][row]
    assert abs(step - exact) < 0.05 * abs(exact - own)


def test_a_transformed_target_is_told_in_its_own_units(data):
    X, y, X_test, y_test = data
    model = TransformedTargetRegressor(Ridge(0.1), func=np.log, inverse_func=np.exp)
    explainer = RelatIFExplainer(model).fit(X, y)
    report = explainer.audit(X_test, y_test)
    assert_allclose(report.columns["target"], y)
    assert_allclose(report.columns["residual"], y - explainer.predict(X))
    assert_allclose(report.predictions["residual"], y_test - explainer.predict(X_test))
    refit = clone(model).fit(X.drop(index=7), np.delete(y, 7))
    assert_allclose(report.columns["loo_prediction"][7], refit.predict(X.loc[[7]])[0])
    # The losses are of what the model is fitted to.
    errors = np.log(y) - np.log(explainer.predict(X))
    assert_allclose(report.columns["loss"], errors**2 / 2)
    assert_allclose(explainer.diagnostics()["residual"], errors)


@pytest.mark.parametrize(
    "model", [BaggingRegressor(Ridge(), 3, random_state=0), VotingRegressor([("a", Ridge())])]
)
def test_models_of_several_members_give_a_report(model, data, tmp_path):
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(model).fit(X, y)
    report = explainer.audit(X_test, y_test)
    assert_allclose(report.columns["residual"], y - explainer.predict(X))
    report.to_html(tmp_path / "report.html", X)


def test_displays_take_the_report(audited):
    pytest.importorskip("matplotlib")
    for kind in (SelfInfluenceDisplay, LeverageDisplay):
        assert kind.from_report(audited[1]).ax_.get_xlabel()


def test_wrong_targets_are_refused(audited, data):
    explainer, _, _ = audited
    with pytest.raises(ValueError, match="NaN or infinity"):
        explainer.audit(data[2], np.full(40, np.nan))
    with pytest.raises(ValueError, match="no number"):
        explainer.audit(data[2], ["high"] * 40)


def test_a_frame_keeps_the_index(data):
    X, y, _, _ = data
    named = X.set_axis([f"patient {row}" for row in X.index])
    report = RelatIFExplainer(Ridge()).fit(named, pd.Series(y, named.index)).audit()
    assert report.frame().index[3] == "patient 3"
    assert report.why("patient 3").startswith("Its target ")
