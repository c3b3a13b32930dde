"""The displays of training rows, of fidelity, of damping and of pictures: what is drawn, where."""

import itertools
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import (
    DampingDisplay,
    GalleryDisplay,
    LeverageDisplay,
    RemovalFidelityDisplay,
    SelfInfluenceDisplay,
)
from sklearn_relatif.results import Explanation, TrainingRows
from sklearn_relatif.utils._drawing import LABEL_GAP, spread

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

N_ROWS = 120


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


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
def drawers(explainer, digits):
    X, _, X_test, y_test = digits
    return {
        "self-influence": lambda ax: SelfInfluenceDisplay.from_estimator(explainer, X_test, ax=ax),
        "leverage": lambda ax: LeverageDisplay.from_estimator(explainer, ax=ax),
        "fidelity": lambda ax: RemovalFidelityDisplay.from_estimator(
            explainer, X_test, y_test, ax=ax
        ),
        "damping": lambda ax: DampingDisplay([0, 1e-3, 1], [0.5, 0.7, 0.2], [0.1] * 3).plot(ax),
        "gallery": lambda ax: GalleryDisplay.from_estimator(
            explainer, X_test[:2], X_train=X, labels=y_test[:2], ax=ax
        ),
    }


NAMES = ("self-influence", "leverage", "fidelity", "damping", "gallery")


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
