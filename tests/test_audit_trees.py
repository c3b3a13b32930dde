"""Audits of forests and boosted models: by trees that have not seen a row, and without leverage."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import DetectionCurveDisplay, LeverageDisplay

#: scikit-learn 1.7 finds whole numbers that mostly differ odd, where it judges out of the bag.
pytestmark = pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")

#: What models of trees have not, as words on a page.
LACKED = ("eigenvalue", "condition number", "Newton", "effective parameters", "damping")
OPTIONS = {"min_samples_leaf": 3, "random_state": 0}
FOREST = RandomForestClassifier(60, oob_score=True, **OPTIONS)
BOOSTING = GradientBoostingClassifier(n_estimators=15, random_state=0)


@pytest.fixture(scope="module")
def digits():
    """Threes and eights, of which some are labelled wrong."""
    X, y = load_digits(return_X_y=True)
    X, y = X[(y == 3) | (y == 8)], y[(y == 3) | (y == 8)]
    is_wrong = np.zeros(240, bool)
    is_wrong[np.random.default_rng(0).choice(240, 12, replace=False)] = True
    y[:240] = np.where(is_wrong, 11 - y[:240], y[:240])
    return X[:240], y[:240], X[240:], y[240:], is_wrong


@pytest.fixture(scope="module")
def of_forest(digits):
    X, y, X_test, y_test, _ = digits
    explainer = RelatIFExplainer(FOREST).fit(X, y)
    groups = np.where(np.arange(240) < 60, "first", "rest")
    return explainer, explainer.audit(X_test, y_test, groups=groups)


@pytest.fixture(scope="module")
def of_boosting(digits):
    X, y, X_test, y_test, _ = digits
    explainer = RelatIFExplainer(BOOSTING).fit(X, y)
    groups = np.where(np.arange(240) < 60, "first", "rest")
    return explainer, explainer.audit(X_test, y_test, groups=groups)


@pytest.fixture(scope="module")
def of_numbers():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(40, oob_score=True, **OPTIONS)
    explainer = RelatIFExplainer(forest).fit(X[:200], y[:200])
    return explainer, explainer.audit(X[200:260], y[200:260]), y


def page_of(report, folder):
    report.to_html(folder / "page.html")
    return (folder / "page.html").read_text("utf-8")


# --- rows that trees have not seen --------------------------------------------------------------


def test_rows_are_judged_by_the_trees_that_have_not_seen_them(of_forest, digits):
    explainer, report = of_forest
    _, y, *_ = digits
    columns, place = report.columns, (y == 8).astype(int)
    # As scikit-learn counts them.
    shares = explainer.estimator_.oob_decision_function_
    np.testing.assert_allclose(columns["oob_probability"], shares[np.arange(240), place])
    np.testing.assert_allclose(columns["oob_loss"], (1 - shares[np.arange(240), place]) ** 2)
    np.testing.assert_array_equal(columns["oob_prediction"], np.where(shares[:, 1] > 0.5, 8, 3))
    assert report.model["oob_accuracy"] == pytest.approx(explainer.estimator_.oob_score_)
    first = report.first_positions(240)
    assert (np.diff(columns["oob_loss"][first]) <= 0).all()
    assert not {"loo_loss", "loo_rank", "leverage"} & set(columns)


def test_planted_errors_are_found_out_of_bag(of_forest, digits):
    _, report = of_forest
    is_wrong = digits[-1]
    (found,) = (finding for finding in report.findings if finding.kind == "label_errors")
    assert "each judged by the trees that were grown without it (out of bag)" in found.sentence
    assert is_wrong[found.rows].mean() > 0.7
    assert set(report.first_positions(20)) >= set(np.flatnonzero(is_wrong)) - {
        row for row in np.flatnonzero(is_wrong) if report.columns["oob_probability"][row] > 0.3
    }
    assert "each predicted by the rest of the forest" not in report.summary()
    assert "when each is predicted by the rest of the forest" in report.summary()
    said = report.why(report.index[report.first_positions(1)[0]])
    assert "which the rest of the forest gives" in said


def test_numbers_are_judged_out_of_bag(of_numbers, tmp_path):
    explainer, report, y = of_numbers
    predicted, columns = explainer.estimator_.oob_prediction_, report.columns
    np.testing.assert_allclose(columns["oob_prediction"], predicted)
    np.testing.assert_allclose(columns["oob_residual"], y[:200] - predicted)
    error = np.sqrt(np.mean((y[:200] - predicted) ** 2))
    assert report.model["oob_error"] == pytest.approx(error)
    first = report.first_positions(1)[0]
    assert first == np.abs(y[:200] - predicted).argmax()
    # Compared with errors of rows that were not seen, not with the small ones of the fit.
    times = abs(columns["oob_residual"][first]) / error
    assert f"{times:.1f} times the typical error" in report.why(report.index[first])
    assert "that the rest of the forest predicts" in report.why(report.index[first])
    assert "when each is predicted by the rest of the forest" in report.summary()
    page = page_of(report, tmp_path)
    assert "typical error, out of bag" in page
    assert "whose targets the rest of the forest, the trees whose samples" in page


def test_several_targets(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    targets = np.column_stack([y, y**2])[:150]
    forest = RandomForestRegressor(40, oob_score=True, **OPTIONS)
    explainer = RelatIFExplainer(forest).fit(X[:150], targets)
    report = explainer.audit()
    for k in (0, 1):
        expected = targets[:, k] - explainer.estimator_.oob_prediction_[:, k]
        np.testing.assert_allclose(report.columns[f"oob_residual_{k}"], expected)
    assert "predicted by the rest of the forest" in report.summary()
    assert "residual 1 of the rest" in page_of(report, tmp_path)


@pytest.mark.parametrize(
    "model", [ExtraTreesClassifier(20, **OPTIONS), RandomForestClassifier(3, **OPTIONS), BOOSTING]
)
def test_where_not_every_row_has_such_trees_the_training_loss_ranks(model, digits):
    X, y, *_ = digits
    report = RelatIFExplainer(model).fit(X, y).audit()
    assert not any(name.startswith(("oob_", "loo_")) for name in report.columns)
    first = report.first_positions(240)
    assert (np.diff(report.columns["loss"][first]) <= 0).all()
    (note,) = (note for note in report.notes if "ranked by their training loss" in note)
    assert "out of bag" in note
    judged = report.checked["labels that look wrong"]
    assert judged == (
        "not checked: there are no leave-one-out numbers of the training rows, and no test rows"
    )


# --- what trees have not ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_what_has_no_meaning_is_left_out_and_said(kind, of_forest, of_boosting, tmp_path):
    explainer, report = {"forest": of_forest, "boosting": of_boosting}[kind]
    leaves = explainer.estimator_.apply(digits_rows()).reshape(len(digits_rows()), -1)
    assert report.model["n_trees"] == leaves.shape[1]
    assert report.model["structure"] == "held as it was grown"
    assert "distance_to_optimum" not in report.model and "n_parameters" not in report.model
    assert report.curvature == {}
    assert "a fit that is not at its optimum" not in report.checked
    assert report.checked["single rows that predictions hang on"] == (
        "not checked: trees that are grown again differ by more than what a single row does"
    )
    (note,) = (note for note in report.notes if "structure held fixed" in note)
    assert "There is no leverage and no distance to an optimum" in note
    assert "the structure of its trees is held as it was grown" in report.verdict()
    page = page_of(report, tmp_path)
    assert 'id="curvature"' not in page and 'id="model"' in page
    assert "Held fixed" in page and "The model and its curvature" not in page
    for word in LACKED:
        assert word not in page, word
    box = report._repr_html_()
    assert "Held fixed" not in box and "held as it was grown" in box
    assert "nan" not in json.dumps(report.model, default=str)


def digits_rows():
    X, y = load_digits(return_X_y=True)
    return X[(y == 3) | (y == 8)]


def test_explained_predictions_say_why_there_are_no_flip_sets(of_boosting):
    for one in of_boosting[1].explained:
        assert one.flip_set is None
        assert one.flip_sentence().endswith(
            "trees would be grown again for each set of rows; see removal_effect."
        )
        assert len(one.supporting.indices[0]) == 5


# --- numbers of rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_columns_are_those_of_the_explainer(kind, of_forest, of_boosting, digits):
    explainer, report = {"forest": of_forest, "boosting": of_boosting}[kind]
    X, y, X_test, y_test, _ = digits
    columns, own = report.columns, explainer.predict_proba(X)[np.arange(240), (y == 8).astype(int)]
    loss = (1 - own) ** 2 if kind == "forest" else -np.log(own)
    np.testing.assert_allclose(columns["probability"], own)
    np.testing.assert_allclose(columns["loss"], loss, atol=1e-12)
    np.testing.assert_allclose(columns["self_influence"], explainer.self_influence_)
    scores = explainer.pairwise_influence(X_test, criterion="influence")
    firsts = scores.argmax(axis=1)[scores.max(axis=1) > 0]
    np.testing.assert_array_equal(columns["hub_if"], np.bincount(firsts, minlength=240))
    effect = explainer.removal_effect(X_test, y_test, order="first").mean(axis=0)
    np.testing.assert_allclose(columns["test_influence"], effect, atol=1e-12)
    relative = explainer.pairwise_influence(X_test)
    np.testing.assert_allclose(report.predictions["support"], relative.max(axis=1), rtol=1e-6)


def test_groups_of_boosting_are_fits_without_them(of_boosting, digits):
    X, y, X_test, y_test, _ = digits
    groups = of_boosting[1].groups
    for place, rows in enumerate((slice(60, None), slice(60))):
        refit = clone(BOOSTING).fit(X[rows], y[rows])
        change = log_loss(y_test, refit.predict_proba(X_test)) - log_loss(
            y_test, of_boosting[0].predict_proba(X_test)
        )
        assert groups["group"][place] == ("first", "rest")[place]
        assert groups["loss_change"][place] == pytest.approx(change, abs=1e-9)


def test_groups_of_forests_are_grown_again_from_what_trees_drew(of_forest, digits):
    explainer, report = of_forest
    _, y, X_test, y_test, _ = digits
    groups = report.groups
    half_brier = explainer.removal_effect(
        X_test, y_test, np.where(np.arange(240) < 60, "first", "rest"), order="retrain"
    ).mean(axis=0)
    np.testing.assert_allclose(groups["loss_change"], half_brier)
    assert groups["oob_accuracy"].shape == (2,)
    np.testing.assert_allclose(
        groups["oob_accuracy"][0], np.mean(report.columns["oob_prediction"][:60] == y[:60])
    )


def test_groups_need_a_seed(digits):
    X, y, X_test, y_test, _ = digits
    explainer = RelatIFExplainer(clone(BOOSTING).set_params(random_state=None)).fit(X, y)
    with pytest.raises(ValueError, match=r"random_state"):
        explainer.audit(X_test, y_test, groups=np.arange(240) % 2)


def test_regressors_of_boosting(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    model = GradientBoostingRegressor(n_estimators=10, random_state=0)
    report = RelatIFExplainer(model).fit(X[:150], y[:150]).audit(X[150:200], y[150:200])
    first = report.first_positions(1)[0]
    assert first == np.abs(report.columns["residual"]).argmax()
    assert "that the model predicts" in report.why(report.index[first])
    page_of(report, tmp_path)
    report.to_csv(tmp_path / "rows.csv")
    report.to_json(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert content["curvature"] == {}
    assert content["model"]["n_trees"] == 10


# --- displays -----------------------------------------------------------------------------------


def test_displays(of_forest, digits):
    pytest.importorskip("matplotlib")
    report, is_wrong = of_forest[1], digits[-1]
    display = DetectionCurveDisplay.from_report(report, is_wrong)
    assert list(display.rankings) == ["loss", "out of bag", "self-influence"]
    with pytest.raises(ValueError, match="has no leverage: it is made of trees"):
        LeverageDisplay.from_report(report)
    with pytest.raises(AttributeError, match="leverage"):
        LeverageDisplay.from_estimator(of_forest[0])
