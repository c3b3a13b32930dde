"""The displays of training rows, of fidelity, of damping and of pictures: what is drawn, where."""

import itertools
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import (
    CooksDistanceDisplay,
    DampingDisplay,
    GalleryDisplay,
    LeverageDisplay,
    RemovalFidelityDisplay,
    SelfInfluenceDisplay,
)
from sklearn_relatif.results import Explanation, TrainingRows
from sklearn_relatif.utils._colors import SUPPORTING, SUPPORTING_ON_DARK
from sklearn_relatif.utils._drawing import LABEL_GAP, spread
from sklearn_relatif.utils._style import DARK, LIGHT, names_of

pd = pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

N_ROWS = 120


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    X = X / 16
    return X[:N_ROWS], y[:N_ROWS], X[N_ROWS:160], y[N_ROWS:160]


@pytest.fixture(scope="module")
def explainer(digits):
    model = LogisticRegression(tol=1e-8, max_iter=1000)
    return RelatIFExplainer(model, criterion="influence", n_retrainings=8, random_state=0).fit(
        *digits[:2]
    )


@pytest.fixture(scope="module")
def two_classes(digits):
    X, y = digits[:2]
    chosen = y < 2
    names = [f"digit {i} of the archive" for i in np.flatnonzero(chosen)]
    X = pd.DataFrame(X[chosen], index=names)
    weights = np.linspace(0, 2, len(X))
    return RelatIFExplainer(LogisticRegression(C=0.1, tol=1e-8)).fit(
        X, np.array(["no", "yes"])[y[chosen]], sample_weight=weights
    )


@pytest.fixture(scope="module")
def drawers(explainer, two_classes, digits):
    X, _, X_test, y_test = digits
    return {
        "self-influence": lambda ax: SelfInfluenceDisplay.from_estimator(explainer, X_test, ax=ax),
        "leverage": lambda ax: LeverageDisplay.from_estimator(explainer, ax=ax),
        "Cook's distance": lambda ax: CooksDistanceDisplay.from_estimator(two_classes, ax=ax),
        "fidelity": lambda ax: RemovalFidelityDisplay.from_estimator(
            explainer, X_test, y_test, ax=ax
        ),
        "damping": lambda ax: DampingDisplay([0, 1e-3, 1], [0.5, 0.7, 0.2], [0.1] * 3).plot(ax),
        "gallery": lambda ax: GalleryDisplay.from_estimator(
            explainer, X_test[:2], X_train=X, labels=y_test[:2], ax=ax
        ),
    }


NAMES = ("self-influence", "leverage", "Cook's distance", "fidelity", "damping", "gallery")


@pytest.mark.parametrize("name", NAMES)
def test_draws_into_given_axes_only_and_never_shows(name, drawers, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("plt.show was called"))
    figure, (left, right) = plt.subplots(1, 2)
    display = drawers[name](right)
    assert display.ax_ is right and display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.has_data() and not left.texts


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off(name, drawers):
    figure = drawers[name](None).figure_
    figure.canvas.draw()
    inside = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert inside.x0 >= 0 and inside.y0 >= 0
    assert inside.x1 <= width and inside.y1 <= height


@pytest.mark.parametrize("name", NAMES)
def test_can_be_drawn_again(name, drawers):
    display = drawers[name](None)
    first = display.figure_
    assert display.plot() is display and display.figure_ is not first


@pytest.mark.parametrize("name", NAMES)
def test_without_matplotlib_says_so(name, drawers, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        drawers[name](None)


def box_of(text):
    """Where a text stands, without the line of an annotation."""
    return matplotlib.text.Text.get_window_extent(text)


def overlapping(texts):
    boxes = [box_of(text) for text in texts]
    return [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


def written(figure):
    """All texts that are seen, but for ticks."""
    return [
        text
        for text in figure.findobj(matplotlib.text.Text)
        if text.get_text() and text.get_visible() and not is_tick(text)
    ]


def is_tick(text):
    return any(text in axis.get_ticklabels(which="both") for axis in axes_of(text.figure))


def axes_of(figure):
    return [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]


@pytest.mark.parametrize("name", NAMES)
def test_texts_keep_apart_in_a_grid_of_pictures(name, drawers):
    figure, axes = plt.subplots(2, 2, layout="constrained")
    for ax in axes.ravel()[[0, 3]]:
        drawers[name](ax)
    figure.canvas.draw()
    assert not overlapping(written(figure))
    inside, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert inside.x0 >= 0 and inside.y0 >= 0 and inside.x1 <= width and inside.y1 <= height
    for ax in axes.ravel()[[0, 3]]:
        assert ax.get_window_extent().width > 0.25 * figure.bbox.width


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_seen_on_a_dark_background(name, drawers):
    with plt.style.context("dark_background"):
        figure = drawers[name](None).figure_
        drawn = [*figure.findobj(matplotlib.text.Text), *figure.axes[0].get_lines()]
        assert all(contrast(artist.get_color()) > 4.5 for artist in drawn)


def contrast(color):
    """Of a colour against black, as accessibility guidelines have it."""
    return (linear(color) @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05


#: What is left of linear red, green and blue without one kind of cones (Machado, Oliveira &
#: Fernandes 2009).
VISIONS = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("cones", VISIONS)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_curves_are_told_apart_with_every_form_of_colour_vision(palette, cones):
    seen = np.clip([VISIONS[cones] @ linear(color) for color in palette.lines], 0, 1)
    for one, other in itertools.combinations(map(lab, seen), 2):
        assert np.linalg.norm(one - other) > 20


def linear(color):
    parts = np.array(matplotlib.colors.to_rgb(color))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB coordinates, in which distances are those that are seen."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    share = to_xyz @ rgb / [0.9505, 1, 1.089]
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_follow_the_background_of_the_axes(two_classes):
    _, (light, dark) = plt.subplots(1, 2)
    dark.set_facecolor("#14181d")
    seen = [
        LeverageDisplay.from_estimator(two_classes, ax=ax).bubbles_.get_facecolor()[0, :3]
        for ax in (light, dark)
    ]
    expected = [matplotlib.colors.to_rgb(color) for color in (SUPPORTING, SUPPORTING_ON_DARK)]
    np.testing.assert_allclose(seen, expected)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["ann", "bob"], ["ann", "bob"]),
        ([f"row {i:03d} of the first batch" for i in (1, 2)], ["...001...", "...002..."]),
        ([f"customer {i}" for i in (1, 22)], ["...1", "...22"]),
        (["one two 3", "one two 3 4"], ["...3", "...3 4"]),
        (["$5 a long one", "$6 a long one"], [r"\$5...", r"\$6..."]),
    ],
)
def test_names_are_shortened_where_all_are_alike(names, shown):
    assert names_of(names, 9) == shown


# --- training rows --------------------------------------------------------------------------


def test_self_influence_against_loss_with_hubs(explainer, digits):
    X, y, X_test, _ = digits
    display = SelfInfluenceDisplay.from_estimator(explainer, X_test)
    own = explainer.predict_proba(X)[np.arange(N_ROWS), y]
    np.testing.assert_allclose(display.loss, -np.log(own))
    np.testing.assert_allclose(display.self_influence, explainer.self_influence_)
    scores = explainer.pairwise_influence(X_test)
    counts = np.bincount(scores.argmax(axis=1), minlength=N_ROWS)
    np.testing.assert_array_equal(display.times_first, counts)
    np.testing.assert_allclose(
        display.points_.get_offsets(), np.column_stack([display.loss, display.self_influence])
    )
    largest = np.argsort(-counts, kind="stable")[:6]
    marked = display.hubs_.get_offsets()
    np.testing.assert_allclose(marked[:, 0], display.loss[largest])
    assert {text.get_text() for text in display.ax_.texts} == {
        f"{row}: {counts[row]}×" for row in largest
    }


def test_without_queries_no_hub_is_marked(explainer):
    display = SelfInfluenceDisplay.from_estimator(explainer)
    assert display.hubs_ is None and not display.ax_.texts


def test_rows_of_no_influence_are_drawn_at_the_edge(digits):
    svm = RelatIFExplainer(SVC(kernel="linear", tol=1e-8)).fit(*digits[:2])
    assert (svm.self_influence_ == 0).any()
    heights = SelfInfluenceDisplay.from_estimator(svm).points_.get_offsets()[:, 1]
    assert (heights > 0).all()
    np.testing.assert_allclose(heights.min(), svm.self_influence_.max() * 1e-10)


def test_leverage_and_residual(explainer):
    display = LeverageDisplay.from_estimator(explainer)
    order = np.argsort(display.self_influence)
    np.testing.assert_array_equal(display.leverage, explainer.leverage_)
    drawn = display.bubbles_.get_offsets()
    np.testing.assert_array_equal(drawn[:, 0], display.leverage[order])
    np.testing.assert_array_equal(drawn[:, 1], display.residual[order])
    areas = display.bubbles_.get_sizes()
    assert (np.diff(areas) >= 0).all()
    large = areas > areas.min()
    ratio = areas[large] / display.self_influence[order][large]
    np.testing.assert_allclose(ratio, ratio[0])
    assert {text.get_text() for text in display.ax_.texts} == set(map(str, order[-6:]))


def test_audits_give_the_same_pictures(explainer, digits):
    report = explainer.audit(digits[2])
    for kind, queries in ((SelfInfluenceDisplay, (digits[2],)), (LeverageDisplay, ())):
        one, other = kind.from_report(report), kind.from_estimator(explainer, *queries)
        for name in vars(other):
            if isinstance(getattr(other, name), np.ndarray):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name))


def test_models_without_leverage_are_refused(digits):
    svm = RelatIFExplainer(SVC(kernel="linear", tol=1e-8)).fit(*digits[:2])
    with pytest.raises(AttributeError, match="no leverage_"):
        LeverageDisplay.from_estimator(svm)
    with pytest.raises(ValueError, match="SVC has no leverage"):
        LeverageDisplay.from_report(svm.audit())


@pytest.mark.parametrize("model", [LinearRegression(), PoissonRegressor(tol=1e-8), "classes"])
def test_residuals_have_the_sign_of_the_error(model, two_classes, counts):
    X, y = counts
    explainer = two_classes if model == "classes" else RelatIFExplainer(model).fit(X, y)
    display = LeverageDisplay.from_estimator(explainer)
    rows = explainer.training_rows_
    above = rows.labels == "yes" if model == "classes" else rows.labels > rows.predictions
    np.testing.assert_array_equal(display.residual > 0, above)
    if isinstance(model, LinearRegression):
        np.testing.assert_allclose(display.residual, rows.labels - rows.predictions)
    assert 0 < above.mean() < 1
    assert display.ax_.get_ylabel() == "deviance residual"
    report = LeverageDisplay.from_report(explainer.audit())
    np.testing.assert_allclose(report.residual, display.residual)


def test_the_row_of_the_largest_leverage_is_named():
    leverage = np.append(np.linspace(0.1, 0.2, 20), 0.9)
    size = np.append(np.linspace(1, 2, 20), 0.1)
    display = LeverageDisplay(leverage, size, size, np.arange(21)).plot(n_named=2)
    assert {text.get_text() for text in display.ax_.texts} == {"18", "19", "20"}
    assert not LeverageDisplay(leverage, size, size, np.arange(21)).plot(n_named=0).ax_.texts


# --- Cook's distance ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((40, 3)), index=[f"r{i}" for i in range(40)])
    X.iloc[5] *= 4
    y = rng.poisson(np.exp(0.3 * X[0] + 1)).astype(float)
    y[5] += 9
    return X, y


def test_contours_of_cooks_distance(counts):
    statsmodels = pytest.importorskip("statsmodels.api")
    X, y = counts
    display = CooksDistanceDisplay.from_estimator(RelatIFExplainer(LinearRegression()).fit(X, y))
    theirs = statsmodels.OLS(y, statsmodels.add_constant(X)).fit().get_influence()
    drawn = display.points_.get_offsets()
    np.testing.assert_allclose(drawn[:, 0], theirs.hat_matrix_diag)
    np.testing.assert_allclose(drawn[:, 1], theirs.resid_studentized_internal)
    distance = theirs.cooks_distance[0]
    np.testing.assert_allclose(display.cooks_distance, distance)
    # A row is beyond a contour if its distance is larger.
    assert sorted(display.contours_) == [0.5, 1.0]
    for level, lines in display.contours_.items():
        assert lines
        for line in lines:
            h, r = line.get_data()
            side = np.sign(r[0])
            np.testing.assert_allclose(r**2 * h / (1 - h) / 4, level)
            same = (np.sign(drawn[:, 1]) == side) & (drawn[:, 0] > h[0]) & (drawn[:, 0] < h[-1])
            beyond = side * drawn[:, 1] > np.interp(drawn[:, 0], h, side * r)
            np.testing.assert_array_equal(beyond[same], distance[same] > level)
    assert distance[5] > 1
    np.testing.assert_allclose(display.cutoff_.get_xdata(), 2 * 4 / 40)
    largest = {*np.argsort(-distance)[:3], *np.argsort(-theirs.hat_matrix_diag)[:3]}
    assert {text.get_text() for text in display.ax_.texts} == {f"r{i}" for i in largest}
    assert display.ax_.get_title() == f"largest Cook's distance: {distance[5]:.3g} (r5)"
    keys = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert keys == ["Cook's distance 0.5", "Cook's distance 1", "leverage 2p/n = 0.2"]


def test_rows_that_do_not_count_are_no_rows(two_classes):
    display = CooksDistanceDisplay.from_estimator(two_classes)
    table = two_classes.diagnostics(dfbetas=False).iloc[1:]
    drawn = display.points_.get_offsets()
    np.testing.assert_array_equal(drawn[:, 0], table["leverage"])
    np.testing.assert_array_equal(drawn[:, 1], table["studentised_internal"])
    np.testing.assert_allclose(display.cutoff_.get_xdata(), 2 * table["leverage"].mean())
    assert list(display.rows) == list(table.index)
    signs = np.where(two_classes.training_rows_.labels[1:] == "yes", 1, -1)
    np.testing.assert_array_equal(np.sign(display.residual), signs)
    for level, lines in display.contours_.items():
        for line in lines:
            h, r = line.get_data()
            np.testing.assert_allclose(r**2 * h / (1 - h) / table["leverage"].sum(), level)


def test_contours_out_of_sight_are_not_drawn():
    h = np.full(50, 0.04)
    r = np.linspace(-2, 2, 50)
    display = CooksDistanceDisplay(h, r, r**2 * h / (1 - h) / 2, np.arange(50)).plot()
    assert display.contours_ == {0.5: [], 1.0: []} and display.cutoff_ is None
    assert display.ax_.get_legend() is None
    low, high = display.ax_.get_ylim()
    assert -2.5 < low < -2 and 2 < high < 2.5


def test_rows_of_leverage_one_are_counted_in_the_title(counts):
    X, y = counts
    alone = np.zeros((40, 1))
    alone[7] = 1
    explainer = RelatIFExplainer(LinearRegression()).fit(np.hstack([X, alone]), y)
    display = CooksDistanceDisplay.from_estimator(explainer)
    assert len(display.points_.get_offsets()) == 39
    assert display.ax_.get_title().endswith("1 row without a residual, not drawn")
    assert "7" not in {text.get_text() for text in display.ax_.texts}
    np.testing.assert_allclose(display.cutoff_.get_xdata(), 2 * 5 / 40)
    nothing = CooksDistanceDisplay([1.0], [np.nan], [np.nan], [0]).plot()
    assert nothing.ax_.get_title() == "no row has a studentised residual"


def test_one_of_several_targets(counts):
    X, y = counts
    explainer = RelatIFExplainer(Ridge()).fit(X, np.column_stack([y, -2 * y + X[1]]))
    display = CooksDistanceDisplay.from_estimator(explainer, target=1)
    expected = explainer.diagnostics(dfbetas=False)["studentised_internal_target1"]
    np.testing.assert_array_equal(display.residual, expected)
    for target in (None, 2, -1):
        with pytest.raises(ValueError, match=r"target must be one of \[0, 1\]"):
            CooksDistanceDisplay.from_estimator(explainer, target=target)


def test_models_without_studentised_residuals_are_refused(explainer, two_classes):
    with pytest.raises(TypeError, match="LogisticRegression has no studentised residuals"):
        CooksDistanceDisplay.from_estimator(explainer)
    with pytest.raises(ValueError, match=r"target must be one of \[None\]; got 0"):
        CooksDistanceDisplay.from_estimator(two_classes, target=0)


# --- names of points ------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_names_keep_apart_and_off_the_points(layout):
    n = 30
    names = np.array([f"a customer of a long name, number {i}" for i in range(n)])
    values = np.geomspace(1e-3, 1, n)
    ax = plt.subplots(figsize=(7, 4.5), layout=layout)[1]
    display = SelfInfluenceDisplay(values, values, names, np.arange(n)).plot(ax)
    display.figure_.canvas.draw()
    assert len(ax.texts) == 6 and not overlapping(ax.texts)
    points = ax.transData.transform(display.points_.get_offsets())
    for text in ax.texts:
        box, inside = box_of(text), ax.get_window_extent()
        assert not any(box.contains(*point) for point in points)
        assert inside.x0 < box.x0 and box.x1 < inside.x1
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1


@pytest.mark.parametrize("heights", [[], [2.0], [0.5] * 4, [1.0, 0.99, 0.0, -1.0], [0.5] * 40])
def test_spread_keeps_order_and_distance(heights):
    moved = spread(np.array(heights, dtype=float))
    gap = min(LABEL_GAP, 1 / max(1, len(heights)))
    assert (-np.diff(moved) >= 0.9 * gap).all()
    assert ((moved > 0) & (moved < 1)).all()


def test_spread_leaves_what_is_apart():
    heights = np.array([0.9, 0.5, 0.1])
    np.testing.assert_allclose(spread(heights), heights)


# --- fidelity -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [None, "first", "newton"])
def test_predicted_against_retrained(explainer, digits, order):
    _, _, X_test, y_test = digits
    display = RemovalFidelityDisplay.from_estimator(explainer, X_test, y_test, order=order)
    assert display.estimate.shape == display.retrained.shape == (40, 8)
    drawn = display.points_.get_offsets()
    np.testing.assert_allclose(drawn[:, 0], display.estimate.ravel())
    np.testing.assert_allclose(drawn[:, 1], display.retrained.ravel())
    assert display.line_ is not None
    np.testing.assert_array_equal(*display.line_.get_data())
    correlation = np.corrcoef(display.estimate.ravel(), display.retrained.ravel())[0, 1]
    assert display.ax_.get_title() == f"Pearson correlation {correlation:.3f}"
    if order is None:
        assert correlation == pytest.approx(explainer.score(X_test, y_test))


def test_orders_predict_one_truth(explainer, digits):
    _, _, X_test, y_test = digits
    pairs = {
        order: explainer.estimate_and_truth(X_test, y_test, order=order)
        for order in (None, "first", "newton")
    }
    for _, truth in pairs.values():
        np.testing.assert_allclose(truth, pairs[None][1], rtol=1e-6, atol=1e-12)
    # Influence is the first order.
    np.testing.assert_allclose(pairs["first"][0], pairs[None][0], rtol=1e-6, atol=1e-12)
    error = {order: np.abs(one - truth).max() for order, (one, truth) in pairs.items()}
    assert error["newton"] < error["first"]


def test_loss_relative_estimates_have_no_line():
    display = RemovalFidelityDisplay([[1.0, 2.0]], [[0.1, 0.2]], kind="loss_relative").plot()
    assert display.line_ is None


def test_unknown_kinds_and_orders_are_refused(explainer, digits):
    with pytest.raises(ValueError, match="kind must be one of"):
        RemovalFidelityDisplay([[1.0]], [[1.0]], kind="retrain")
    with pytest.raises(ValueError, match="order must be one of"):
        RemovalFidelityDisplay.from_estimator(explainer, digits[2], order="retrain")


# --- damping --------------------------------------------------------------------------------


def test_damping_of_a_search_in_a_pipeline(explainer, digits):
    X, y = digits[:2]
    pipeline = make_pipeline(StandardScaler(), explainer)
    damping = [1.0, 0.0, 1e-2]
    search = GridSearchCV(pipeline, {"relatifexplainer__damping": damping}, cv=2).fit(X, y)
    display = DampingDisplay.from_search(search)
    order = np.argsort(damping)
    np.testing.assert_array_equal(display.damping, np.sort(damping))
    np.testing.assert_array_equal(display.fidelity, search.cv_results_["mean_test_score"][order])
    np.testing.assert_array_equal(display.spread, search.cv_results_["std_test_score"][order])
    best = search.best_params_["relatifexplainer__damping"]
    assert display.ax_.get_title() == f"best: {best:.3g}"
    computed = DampingDisplay.from_estimator(pipeline, X, y, damping=damping, cv=2)
    np.testing.assert_allclose(computed.fidelity, display.fidelity)


class Searched:
    """What a search leaves behind."""

    def __init__(self, **results):
        self.cv_results_ = {name: np.array(values) for name, values in results.items()}


def test_each_damping_is_drawn_with_the_best_of_the_other_parameters():
    search = Searched(
        param_damping=[0.1, 0.1, 1.0, 1.0],
        param_curvature=["hessian", "fisher"] * 2,
        mean_test_score=[0.3, 0.5, np.nan, 0.2],
        std_test_score=[0.01, 0.02, np.nan, 0.04],
    )
    display = DampingDisplay.from_search(search)
    assert display.fidelity.tolist() == [0.5, 0.2]
    assert display.spread.tolist() == [0.02, 0.04]


@pytest.mark.parametrize("name", ["param_C", "param_model__damping_of_doors"])
def test_other_searches_are_refused(name):
    search = Searched(**{name: [1.0]}, mean_test_score=[0.5], std_test_score=[0.1])
    with pytest.raises(ValueError, match="must be over 'damping'"):
        DampingDisplay.from_search(search)


@pytest.mark.parametrize(
    "damping", [[0.0], [0.0, 1e-3, 1e3], [1e-12, 1e-4], [0.5], [2.0, 3.0], [0.0, 5.0]]
)
def test_damping_has_legible_ticks_that_cover_it(damping):
    display = DampingDisplay(damping, np.linspace(0, 1, len(damping))).plot()
    display.figure_.canvas.draw()
    ticks = display.ax_.get_xticklabels()
    assert ticks and not overlapping(ticks)
    assert (ticks[0].get_text() == "0") == (0 in damping)
    places = display.line_.get_xdata()
    assert len(set(places)) == len(places)
    assert list(places) == sorted(places)


# --- pictures -------------------------------------------------------------------------------


def texts(display):
    return [caption.get_text() for caption in display.captions_]


def test_gallery_of_two_criteria(explainer, digits):
    X, y, X_test, y_test = digits
    wrong = np.append(y_test[:2], (y_test[2] + 1) % 3)
    criteria = ("influence", "theta_relative")
    display = GalleryDisplay.from_estimator(
        explainer, X_test[:3], X_train=X, criterion=criteria, n_examples=4, labels=wrong
    )
    found = explainer.explain(X_test[:3], criterion=criteria, n_examples=4)
    expected, captions = [], []
    for query in range(3):
        expected.append(X_test[query])
        captions.append(str(y_test[query]))
        for one in found.values():
            expected += list(X[one.indices[query]])
            captions += list(map(str, y[one.indices[query]]))
    captions[18] = f"{wrong[2]}→{y_test[2]}"
    drawn = [picture.get_array() for picture in display.pictures_]
    np.testing.assert_array_equal(drawn, np.reshape(expected, (-1, 8, 8)))
    assert texts(display) == captions
    marked = [c.get_color() != "black" for c in display.captions_]
    assert np.flatnonzero(marked).tolist() == [18]
    headings = [tick.get_text() for tick in display.ax_.get_xticklabels()]
    assert headings == ["query", "IF", "θ-RelatIF"]
    assert {picture.get_clim() for picture in display.pictures_} == {(X.min(), X.max())}


def test_pictures_are_upright_and_do_not_overlap(explainer, digits):
    display = GalleryDisplay.from_estimator(explainer, digits[2][:2], X_train=digits[0])
    display.figure_.canvas.draw()
    boxes = [picture.get_window_extent() for picture in display.pictures_]
    boxes += [caption.get_window_extent() for caption in display.captions_]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    first, below = display.pictures_[0], display.pictures_[6]
    assert first.get_window_extent().y0 > below.get_window_extent().y1
    left, right, bottom, top = first.get_extent()
    pixels = display.ax_.transData.transform([(left, bottom), (right, top)])
    assert pixels[0, 0] < pixels[1, 0] and pixels[0, 1] < pixels[1, 1]


def make_explanation(indices, labels, predictions=None):
    indices = np.asarray(indices)
    return Explanation(
        indices,
        np.where(indices >= 0, 1.0, np.nan),
        None,
        criterion="nearest_neighbors",
        sign=None,
        training_rows=TrainingRows(np.arange(len(labels)), np.array(labels), predictions),
        query_index=np.array(["q$0$"]),
    )


def test_places_without_a_row_stay_empty_and_long_labels_are_clipped():
    explanation = make_explanation(
        [[1, 0, -1]], ["a label of great length", "cat"], np.array(["cat", "cat"])
    )
    display = GalleryDisplay.from_explanations(explanation, np.eye(2, 6), np.ones((1, 6)),
                                               image_shape=(2, 3))  # fmt: skip
    assert texts(display) == ["", "cat", "a la...ngth"]
    assert display.captions_[2].get_color() != "black"
    assert len(display.pictures_) == 3
    assert display.ax_.get_yticklabels()[0].get_text() == r"q\$0\$"


def test_colours():
    explanation = make_explanation([[0]], ["cat"])
    pictures = np.linspace(0, 1, 12)[None]
    display = GalleryDisplay.from_explanations(
        explanation, pictures, pictures, image_shape=(2, 2, 3)
    )
    np.testing.assert_array_equal(display.pictures_[0].get_array(), pictures.reshape(2, 2, 3))


def test_bad_pictures_are_refused():
    explanation = make_explanation([[0]], ["cat"])
    with pytest.raises(ValueError, match="no picture of shape"):
        GalleryDisplay.from_explanations(explanation, np.ones((1, 6)), np.ones((1, 6)))
    with pytest.raises(ValueError, match="1 entries, and there are 2"):
        GalleryDisplay.from_explanations(explanation, np.ones((1, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="at least one"):
        GalleryDisplay({}, np.ones((1, 2, 2)), np.ones((1, 2, 2)))
