"""Removal curves, detection curves and heat maps: the numbers that are drawn."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import losses, mean_influence
from sklearn_relatif.explainers import study_of
from sklearn_relatif.metrics import mislabel_rankings, plant_label_errors
from sklearn_relatif.plotting import (
    DetectionCurveDisplay,
    InfluenceHeatmapDisplay,
    RemovalCurveDisplay,
)
from sklearn_relatif.utils._colors import OPPOSING, SUPPORTING

pd = pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

N_ROWS = 100
MODEL = LogisticRegression(C=0.1, tol=1e-10, max_iter=5000)


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(n_class=3, return_X_y=True)
    X = pd.DataFrame(X[:140] / 16, index=[f"d{i}" for i in range(140)])
    labels, is_wrong = plant_label_errors(np.array(["a", "b", "c"])[y[:140]], 0.1, 0)
    return X[:N_ROWS], labels[:N_ROWS], X[N_ROWS:], labels[N_ROWS:], is_wrong[:N_ROWS]


@pytest.fixture(scope="module")
def explainer(data):
    return RelatIFExplainer(MODEL).fit(*data[:2])


# --- removal --------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_points_are_the_scores_of_real_refits(explainer, data, scoring):
    X, y, X_test, y_test, _ = data
    shares = [0.1, 0.333, 0.5]
    display = RemovalCurveDisplay.from_estimator(
        explainer, X_test, y_test, shares=shares, scoring=scoring, n_random=2, random_state=3
    )
    np.testing.assert_allclose(display.shares, [0, 0.1, 0.33, 0.5])
    study = study_of(explainer)
    own = explainer.predict_proba(X)[np.arange(N_ROWS), np.searchsorted(explainer.classes_, y)]
    rankings = {
        "self_influence": explainer.self_influence_,
        "loss": -np.log(own),
        "test_influence": mean_influence(study, X_test, y_test),
    }
    draws = np.random.RandomState(3)
    orders = {name: [np.argsort(-scores, kind="stable")] for name, scores in rankings.items()}
    orders["random"] = [draws.permutation(N_ROWS) for _ in range(2)]
    score = get_scorer(scoring or "accuracy")
    assert list(display.scores) == list(orders)
    for name, some in orders.items():
        expected = []
        for order in some:
            for n in (0, 10, 33, 50):
                kept = np.sort(order[n:])
                refit = clone(MODEL).fit(X.iloc[kept], y[kept])
                # Without a class there is no model of the three.
                is_whole = len(refit.classes_) == 3
                expected.append(score(refit, X_test, y_test) if is_whole else np.nan)
        expected = np.reshape(expected, (len(some), 4))
        np.testing.assert_allclose(np.atleast_2d(display.scores[name]), expected, rtol=1e-5)
        line = display.lines_[name]
        np.testing.assert_array_equal(line.get_xdata(), display.shares)
        np.testing.assert_allclose(line.get_ydata(), expected.mean(axis=0), rtol=1e-5)
    corners = display.bands_["random"].get_paths()[0].vertices[:, 1]
    drawn = display.scores["random"]
    assert corners.min() == drawn.min() and corners.max() == drawn.max()
    assert list(display.bands_) == ["random"] and np.isfinite(drawn).all()
    assert np.isfinite(display.scores["loss"][:3]).all()
    assert display.ax_.get_ylabel() == ("neg log loss" if scoring else "accuracy")
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["self-influence", "loss", "influence on the test rows", "random (2 draws)"]


@pytest.mark.parametrize("model", [SVC(gamma=0.1, tol=1e-8), LinearDiscriminantAnalysis()])
def test_models_that_are_fitted_again_know_the_columns(model, data):
    X, y, X_test, y_test, _ = data
    X, X_test = X.iloc[:, 18:24].add_prefix("x"), X_test.iloc[:, 18:24].add_prefix("x")
    explainer = RelatIFExplainer(model).fit(X, y)
    display = RemovalCurveDisplay.from_estimator(
        explainer, X_test, y_test, rankings=["loss"], shares=0.2, n_random=0
    )
    order = np.argsort(-losses_of(explainer), kind="stable")
    expected = clone(model).fit(X.iloc[order[20:]], y[order[20:]]).score(X_test, y_test)
    assert display.scores["loss"][1] == expected


def losses_of(explainer):
    return losses(study_of(explainer).objective)


def test_the_most_helpful_rows_are_removed_first(explainer, data):
    display = RemovalCurveDisplay.from_estimator(
        explainer, *data[2:4], rankings=["test_influence"], shares=0.3, n_random=3, random_state=0
    )
    assert display.scores["test_influence"][-1] < display.scores["random"][:, -1].min()


def test_rankings_of_ones_own_in_a_regression_with_weights():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = X @ [1.0, 2, 0, -1] + rng.standard_normal(60)
    weights = np.ones(60)
    weights[:10] = 0
    pipeline = make_pipeline(StandardScaler(), RelatIFExplainer(Ridge()))
    pipeline.fit(X[:40], y[:40], relatifexplainer__sample_weight=weights[:40])
    ages = np.arange(40.0)
    display = RemovalCurveDisplay.from_estimator(
        pipeline, X[40:], y[40:], rankings={"age": ages}, shares=[0.2, 0.5], n_random=0
    )
    np.testing.assert_allclose(display.shares, [0, 6 / 30, 15 / 30])
    Z = pipeline[:-1].transform(X)
    expected = [Ridge().fit(Z[10:end], y[10:end]).score(Z[40:], y[40:]) for end in (40, 34, 25)]
    np.testing.assert_allclose(display.scores["age"], expected)
    assert display.ax_.get_ylabel() == "R2" and not display.bands_


def test_a_curve_ends_where_a_class_has_no_rows_left(explainer, data):
    _, y, X_test, y_test, _ = data
    display = RemovalCurveDisplay.from_estimator(
        explainer, X_test, y_test, rankings={"c": y == "c"}, shares=[0.1, 0.5], n_random=0
    )
    assert np.isfinite(display.scores["c"]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rankings": ["age"]}, "rankings must be one of"),
        ({"rankings": {"age": np.ones(3)}}, "one finite score for each of the 100"),
        ({"rankings": {"age": np.full(N_ROWS, np.nan)}}, "one finite score"),
        ({"rankings": {"random": np.ones(N_ROWS)}}, "another name than 'random'"),
        ({"shares": [0.5, 1.0]}, "below 1"),
        ({"shares": [-0.1]}, "at least 0"),
    ],
)
def test_bad_removals_are_refused(explainer, data, changes, message):
    with pytest.raises(ValueError, match=message):
        RemovalCurveDisplay.from_estimator(explainer, *data[2:4], **changes)


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        RemovalCurveDisplay([0, 1], {})
    with pytest.raises(ValueError, match="for each of the 2 shares"):
        RemovalCurveDisplay([0, 1], {"loss": [1.0, 2, 3]})


# --- detection ------------------------------------------------------------------------------


def test_errors_found_by_each_ranking(explainer, data):
    is_wrong = data[-1]
    display = DetectionCurveDisplay.from_estimator(explainer, is_wrong)
    names = ("self-influence", "leave-one-out", "loss")
    for name, scores in zip(names, mislabel_rankings(explainer).values(), strict=True):
        x, y = display.lines_[name].get_data()
        found = np.cumsum(is_wrong[np.argsort(-scores)])
        np.testing.assert_allclose(x, np.arange(N_ROWS + 1) / N_ROWS)
        np.testing.assert_allclose(y, np.append(0, found / is_wrong.sum()))
        precision = average_precision_score(is_wrong, scores)
        assert display.average_precision[name] == precision > 0.4
    share = is_wrong.mean()
    np.testing.assert_allclose(display.ideal_.get_data(), [[0, share, 1], [0, 1, 1]])
    np.testing.assert_allclose(*display.chance_.get_data())
    told = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert told[2] == f"loss: {precision:.2f}" and told[3:] == ["ideal: 1", f"chance: {share:.2f}"]
    title = display.ax_.get_title()
    assert title == f"{is_wrong.sum()} errors in {N_ROWS} rows\naverage precision"


def test_rows_of_equal_score_are_found_at_an_even_pace():
    display = DetectionCurveDisplay({"age": [2, 1, 1, 1, 0]}, [False, True, False, True, False])
    x, y = display.plot().lines_["age"].get_data()
    np.testing.assert_allclose([x, y], [[0, 0.2, 0.8, 1], [0, 0, 1, 1]])


def test_audits_of_numbers_find_planted_errors():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    y = X @ [1.0, 2, 3] + 0.1 * rng.standard_normal(80)
    is_wrong = np.arange(80) % 20 == 3
    report = RelatIFExplainer(Ridge()).fit(X, y + 20 * is_wrong).audit()
    display = DetectionCurveDisplay.from_report(report, is_wrong)
    assert list(display.lines_) == ["loss", "leave-one-out", "self-influence"]
    np.testing.assert_array_equal(display.rankings["loss"], report.columns["loss"])
    assert display.average_precision["leave-one-out"] == 1


@pytest.mark.parametrize(
    ("rankings", "is_wrong", "message"),
    [
        ({"loss": [1.0, 2]}, [0, 1], "True or False for each row"),
        ({"loss": [1.0, 2]}, [True, True], "some must be errors"),
        ({}, [True, False], "at least one"),
        ({"loss": [1.0]}, [True, False], "one finite score"),
        ({"loss": [1.0, np.nan]}, [True, False], "one finite score"),
    ],
)
def test_bad_rankings_are_refused(rankings, is_wrong, message):
    with pytest.raises(ValueError, match=message):
        DetectionCurveDisplay(rankings, is_wrong)


# --- heat maps ------------------------------------------------------------------------------


def test_cells_are_the_scores_of_the_rows_that_matter(explainer, data):
    X_test = data[2].iloc[:6]
    display = InfluenceHeatmapDisplay.from_estimator(
        explainer, X_test, n_examples=2, criterion="theta_relative"
    )
    scores = np.asarray(explainer.pairwise_influence(X_test, criterion="theta_relative"))
    matter = np.unique(np.argsort(-np.abs(scores), axis=1)[:, :2])
    names = explainer.training_rows_.index
    assert sorted(display.rows) == sorted(names[matter])
    down = [list(X_test.index).index(name) for name in display.queries]
    across = [list(names).index(name) for name in display.rows]
    assert sorted(down) == list(range(6))
    drawn = display.image_.get_array()
    np.testing.assert_allclose(drawn, scores[down][:, across], rtol=1e-6)
    # Labels stand together.
    assert list(display.labels) == sorted(explainer.training_rows_.labels[matter])
    assert list(display.targets) == sorted(explainer.predict(X_test))
    assert display.image_.get_clim() == (-np.abs(drawn).max(), np.abs(drawn).max())
    written = np.reshape([float(text.get_text()) for text in display.values_], drawn.shape)
    np.testing.assert_allclose(written, drawn, atol=0.051 * np.abs(drawn).max())
    queries = [text.get_text() for text in display.ax_.get_yticklabels()]
    expected = zip(display.queries, display.targets, strict=True)
    assert queries == [f"{name} ({target})" for name, target in expected]
    rows = [text.get_text() for text in display.ax_.get_xticklabels()]
    expected = zip(display.rows, display.labels, strict=True)
    assert rows == [f"{name} ({label})" for name, label in expected]


def test_colours_say_which_side_a_row_is_on():
    display = InfluenceHeatmapDisplay([[2.0, -2.0, 0.0]], ["q"], ["a", "b", "c"]).plot()
    colors = display.image_.to_rgba(display.scores)[0, :, :3]
    expected = [matplotlib.colors.to_rgb(color) for color in (SUPPORTING, OPPOSING, "white")]
    np.testing.assert_allclose(colors, expected, atol=0.01)
    assert [text.get_text() for text in display.values_] == ["2.0", "-2.0", "0.0"]
    assert "opposes ← influence → supports" in display.colorbar_.ax.get_ylabel()


def test_rows_that_are_alike_are_neighbours():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)) * [5, 1]
    explainer = RelatIFExplainer(Ridge(), criterion="influence").fit(X, X[:, 0] + X[:, 1] ** 2)
    display = InfluenceHeatmapDisplay.from_estimator(explainer, X[:12], n_examples=4)

    def distance(scores):
        return np.linalg.norm(np.diff(scores, axis=1), axis=0).sum()

    assert distance(display.scores) < 0.8 * distance(display.scores[:, np.argsort(display.rows)])
    assert display.labels.tolist() != sorted(display.labels)


@pytest.mark.parametrize("scale", [1e-9, 3e-3, 1.0, 99.6, 1e7])
def test_values_are_written_in_one_precision(scale):
    scores = scale * np.array([[1, 0.5, -0.25, -1e-6]])
    display = InfluenceHeatmapDisplay(scores, ["q"], list("abcd")).plot()
    written = [text.get_text() for text in display.values_]
    if written:
        np.testing.assert_allclose([float(text) for text in written], scores[0], atol=0.06 * scale)
        assert written[-1].strip("0.e+-") == "" or "e" in written[-1]
        assert not written[-1].startswith("-0.0")


def test_names_without_room_are_counted():
    ax = plt.subplots(2, 2, layout="constrained")[1][0, 0]
    scores = np.linspace(-1, 1, 80 * 3).reshape(3, 80)
    display = InfluenceHeatmapDisplay(scores, list("abc"), np.arange(80)).plot(ax)
    assert ax.get_xlabel() == "80 training rows" and not display.values_
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c"]


def test_bad_scores_of_heat_maps_are_refused():
    with pytest.raises(ValueError, match="one for each of 1 queries and 2 rows"):
        InfluenceHeatmapDisplay([[1.0]], ["q"], ["a", "b"])
    with pytest.raises(ValueError, match="at least one query and one row"):
        InfluenceHeatmapDisplay(np.empty((1, 0)), ["q"], [])
    with pytest.raises(ValueError, match="must be finite"):
        InfluenceHeatmapDisplay([[np.nan]], ["q"], ["a"])
    with pytest.raises(ValueError, match="criterion must be one of"):
        InfluenceHeatmapDisplay([[1.0]], ["q"], ["a"], criterion="nearest_neighbors")


# --- all ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawers(explainer, data):
    _, _, X_test, y_test, is_wrong = data
    return {
        "removal": RemovalCurveDisplay(
            [0, 0.1, 0.2],
            {f"a ranking with a long name, number {i}": [0.8, 0.9, 0.1 * i] for i in range(3)}
            | {"random": [[0.8, 0.7, 0.6], [0.8, 0.6, 0.6]]},
        ).plot,
        "detection": lambda ax: DetectionCurveDisplay.from_estimator(explainer, is_wrong, ax=ax),
        "heat map": lambda ax: InfluenceHeatmapDisplay.from_estimator(
            explainer, X_test[:4], y_test[:4], ax=ax
        ),
    }


KINDS = ("removal", "detection", "heat map")


@pytest.mark.parametrize("name", KINDS)
def test_draws_into_given_axes_only_and_never_shows(name, drawers, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("plt.show was called"))
    figure, (left, right) = plt.subplots(1, 2)
    display = drawers[name](right)
    assert display.ax_ is right and display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.has_data() and not left.texts


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", KINDS)
def test_legends_cover_nothing_and_nothing_is_cut_off(name, style, drawers):
    with plt.style.context(style), warnings.catch_warnings():
        warnings.simplefilter("error")
        grid, axes = plt.subplots(2, 2, layout="constrained")
        for ax in axes.ravel()[[0, 3]]:
            drawers[name](ax)
        alone = drawers[name](None).figure_
        for figure in (grid, alone):
            figure.canvas.draw()
            inside, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
            assert inside.x0 >= 0 and inside.y0 >= 0
            assert inside.x1 <= width and inside.y1 <= height
    for ax in (*axes.ravel()[[0, 3]], alone.axes[0]):
        legend = ax.get_legend()
        for line in ax.get_lines() if legend else ():
            points = ax.transData.transform(np.column_stack(line.get_data()))
            assert points[:, 1].max() <= legend.get_window_extent().y0 + 1
