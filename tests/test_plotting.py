"""InfluenceDisplay: what is drawn, where, and that nothing is cut off."""

import sys

import numpy as np
import pytest

from sklearn_relatif.results import (
    NEUTRAL_COLOR,
    OPPOSING_COLOR,
    SUPPORTING_COLOR,
    Explanation,
    InfluenceDisplay,
    TrainingRows,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")
colors = pytest.importorskip("matplotlib.colors")

ROWS = TrainingRows(
    index=np.array(["ann", "bob", "cid", "dee"]), labels=np.array(["no", "yes", "yes", "no"])
)


def make_explanation(**changes):
    arguments = {
        "indices": np.array([[2, 0, 1], [3, -1, -1]]),
        "scores": np.array([[0.5, -0.25, 0.125], [2.0, np.nan, np.nan]]),
        "targets": np.array(["yes", "no"]),
        "criterion": "loss_relative",
        "sign": "absolute",
        "training_rows": ROWS,
        "query_index": np.array(["q0", "q1"]),
    }
    return Explanation(**(arguments | changes))


def names(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def bar_colors(display):
    return [colors.to_hex(bar.get_facecolor()).upper() for bar in display.bars_]


def legend_texts(display):
    legend = display.ax_.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_bars_of_a_query():
    display = make_explanation().plot()
    assert isinstance(display, InfluenceDisplay)
    assert [bar.get_width() for bar in display.bars_] == [0.5, -0.25, 0.125]
    assert names(display) == ["cid (yes)", "ann (no)", "bob (yes)"]
    assert bar_colors(display) == [SUPPORTING_COLOR, OPPOSING_COLOR, SUPPORTING_COLOR]
    assert legend_texts(display) == ["supports", "opposes"]
    assert display.ax_.get_title() == "query q0\ntarget yes"
    assert display.ax_.get_xlabel() == "loss-relative influence"


def test_legend_shows_the_colours_of_its_bars():
    display = make_explanation().plot()
    patches = display.ax_.get_legend().get_patches()
    shown = [colors.to_hex(patch.get_facecolor()).upper() for patch in patches]
    assert shown == [SUPPORTING_COLOR, OPPOSING_COLOR]


def test_best_row_is_at_the_top():
    display = make_explanation().plot()
    display.figure_.canvas.draw()
    heights = [bar.get_window_extent().y0 for bar in display.bars_]
    assert heights == sorted(heights, reverse=True)


def test_places_without_a_row_are_not_drawn():
    display = make_explanation().plot(query=1)
    assert names(display) == ["dee (no)"]
    assert legend_texts(display) == ["supports"]


def test_query_without_any_row_says_so():
    nothing = make_explanation(indices=np.full((2, 3), -1), scores=np.full((2, 3), np.nan))
    display = nothing.plot()
    assert len(display.bars_) == 0
    assert [text.get_text() for text in display.ax_.texts] == ["no training row of this sign"]


def test_scores_without_a_sign_are_not_coloured():
    display = make_explanation(criterion="nearest_neighbors", sign=None, targets=None).plot()
    assert set(bar_colors(display)) == {NEUTRAL_COLOR}
    assert legend_texts(display) == []
    assert display.ax_.get_title() == "query q0"
    assert display.ax_.get_xlabel() == "minus the distance to the query"


def test_rows_without_labels():
    display = make_explanation(training_rows=TrainingRows(index=np.arange(4))).plot()
    assert names(display) == ["2", "0", "1"]


def test_draws_into_given_axes_only():
    figure, (left, right) = plt.subplots(1, 2)
    display = make_explanation().plot(ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.patches


def test_never_shows(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("plt.show was called"))
    make_explanation().plot()


def test_display_can_be_drawn_again():
    display = make_explanation().plot()
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.parametrize("query", [2, -3])
def test_unknown_query(query):
    with pytest.raises(IndexError):
        make_explanation().plot(query)


@pytest.mark.parametrize("query", [slice(1), [0], "q0"])
def test_query_is_one_position(query):
    with pytest.raises(TypeError):
        make_explanation().plot(query)


def test_from_estimator_asks_for_both_signs():
    class Explainer:
        def explain(self, X, y=None, **kwargs):
            self.asked = (X, y, kwargs)
            return make_explanation()

    explainer = Explainer()
    ax = plt.subplots()[1]
    display = InfluenceDisplay.from_estimator(
        explainer, "queries", "labels", query=1, n_examples=3, ax=ax
    )
    assert explainer.asked == ("queries", "labels", {"n_examples": 3, "sign": "absolute"})
    assert names(display) == ["dee (no)"]
    assert display.ax_ is ax


def test_without_matplotlib_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        make_explanation().plot()


@pytest.mark.parametrize("name", ["$5 and $6", r"a\$b", "_hidden", "50 % of x_i^2", "<b>&"])
def test_names_are_drawn_literally(name):
    rows = TrainingRows(index=np.array([name] * 4), labels=np.array([name] * 4))
    display = make_explanation(
        training_rows=rows, targets=[name] * 2, query_index=[name] * 2
    ).plot()
    display.figure_.canvas.draw()
    texts = [*display.ax_.get_yticklabels(), display.ax_.title]
    for text in texts:
        drawn, is_math = text._preprocess_math(text.get_text())
        assert not is_math
        assert name in drawn


@pytest.mark.parametrize("n_bars", [1, 2, 5, 10, 30])
@pytest.mark.parametrize("signs", [(1,), (-1,), (1, -1)])
def test_nothing_is_cut_off_and_the_legend_covers_no_bar(n_bars, signs):
    long_name = "a customer whose name goes on and on and on"
    rows = TrainingRows(
        index=np.array([f"{long_name} {i}" for i in range(n_bars)]),
        labels=np.array(["a class with a long name as well"] * n_bars),
    )
    # Bars of nearly one length: the hardest case for a legend.
    scores = np.resize(signs, n_bars) * np.linspace(1, 0.9, n_bars)
    display = make_explanation(
        indices=[np.arange(n_bars)],
        scores=[scores],
        targets=[long_name],
        query_index=[long_name],
        training_rows=rows,
    ).plot()
    figure, ax = display.figure_, display.ax_
    figure.canvas.draw()

    inside = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert inside.x0 >= 0
    assert inside.y0 >= 0
    assert inside.x1 <= width
    assert inside.y1 <= height

    legend = ax.get_legend().get_window_extent()
    assert not any(legend.overlaps(bar.get_window_extent()) for bar in display.bars_)
    assert ax.get_window_extent().width > 0.35 * figure.bbox.width


@pytest.mark.parametrize("n_bars", [1, 5, 20, 40])
def test_legend_covers_no_bar_in_given_axes(n_bars):
    rows = TrainingRows(index=np.arange(n_bars))
    scores = np.resize([1.0, -1.0], n_bars)
    ax = plt.subplots()[1]
    display = make_explanation(
        indices=[np.arange(n_bars)],
        scores=[scores],
        targets=["t"],
        query_index=["q"],
        training_rows=rows,
    ).plot(ax=ax)
    display.figure_.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert not any(legend.overlaps(bar.get_window_extent()) for bar in display.bars_)
    assert ax.get_window_extent().y0 <= legend.y0
