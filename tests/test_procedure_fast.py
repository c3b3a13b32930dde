"""Removals through everything that ``fit`` does, without doing it all again."""

import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.procedure import Shortcut
from sklearn_relatif.procedure._choice import choice
from sklearn_relatif.procedure._nodes import take
from sklearn_relatif.procedure._scores import Scored, score_of
from sklearn_relatif.procedure._search import parts_of
from sklearn_relatif.procedure._steps import chain_of

X, Y = load_breast_cancer(return_X_y=True)
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
TIGHT = {"tol": 1e-10, "max_iter": 10_000, "solver": "newton-cholesky"}
WINE = load_wine(return_X_y=True)
C13 = np.logspace(-4, 4, 13)


def columns_apart(last=MinMaxScaler):
    return make_column_transformer(
        (make_pipeline(StandardScaler(), PCA(2)), [0, 1, 2, 3]), (last(), [4, 5]), remainder="drop"
    )


def one_by_one(rows, n_rows):
    groups = np.full(n_rows, np.nan)
    groups[rows] = rows
    return groups


TRANSFORMERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler((-1, 2)),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(unit_variance=True),
    SimpleImputer(),
    SimpleImputer(strategy="median"),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(add_indicator=True),
    SimpleImputer(strategy="constant", fill_value=3.0),
    make_pipeline(StandardScaler(), PCA(3)),
    make_pipeline(StandardScaler(), PCA(3, whiten=True)),
    make_pipeline(FunctionTransformer(np.log1p), StandardScaler()),
    make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False)),
    make_union(StandardScaler(), PCA(2)),
    columns_apart(),
    columns_apart(RobustScaler),
    SelectKBest(k=4),
]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_transformers_are_those_that_a_fit_without_the_rows_gives(transformer):
    is_imputer = isinstance(transformer, SimpleImputer)
    rows = (HOLES if is_imputer else X)[:150, :8]
    rows = np.column_stack([rows, np.full(150, 0.1)])
    left, others = np.delete(np.arange(150), [3, 77]), np.arange(20)
    chain = chain_of([clone(transformer).fit(rows, Y[:150])])
    base = chain.base(rows)
    fitted = chain.fit(take(base, left), Y[left])
    again = clone(transformer).fit(rows[left], Y[left])
    for found, expected in (
        (fitted.features, again.transform(rows[left])),
        (fitted.transform(take(base, others)), again.transform(rows[others])),
    ):
        # Axes have no sign.
        np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-9, atol=1e-9)


def test_a_category_that_loses_its_last_row_is_not_held():
    rows = np.array([["a"], ["b"], ["c"], ["a"], ["b"]])
    for encoder, is_covered in ((OneHotEncoder(), False), (OneHotEncoder(drop="first"), True)):
        chain = chain_of([encoder.fit(rows)])
        left = [0, 1, 3, 4]
        if is_covered:
            features = chain.fit(take(chain.base(rows), left), None).features
            assert features.shape == (4, 1)
        else:
            with pytest.raises(ValueError, match="last row of a category"):
                chain.fit(take(chain.base(rows), left), None)


def test_the_first_order_is_the_derivative_in_the_weight_of_a_row():
    """By central differences of scikit-learn's own weighted fits."""
    rows, y, queries = X[:120, :6], Y[:120], X[300:310, :6]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, **TIGHT)).fit(rows, y)
    order = Shortcut(model, rows, y).first_order()
    changes = order.changes(order.lifted(queries), np.arange(120))
    for row in (0, 19, 77):
        ends, step = [], 1e-4
        for sign in (1, -1):
            weight = np.ones(120)
            weight[row] += sign * step
            scaler = StandardScaler().fit(rows, sample_weight=weight)
            again = LogisticRegression(C=0.5, **TIGHT)
            again.fit(scaler.transform(rows), y, sample_weight=weight)
            ends.append(again.decision_function(scaler.transform(queries)))
        derivative = (ends[1] - ends[0]) / (2 * step)
        np.testing.assert_allclose(changes[:, row, 0], derivative, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("transformer", "data", "y", "model"),
    [
        (make_pipeline(SimpleImputer(), StandardScaler()), HOLES, Y, LogisticRegression(**TIGHT)),
        (make_pipeline(StandardScaler(), PCA(3)), X, Y, LogisticRegression(**TIGHT)),
        (make_pipeline(StandardScaler(), PCA(3, whiten=True)), X_REAL, Y_REAL, Ridge(3.0)),
        (columns_apart(StandardScaler), X, Y, LogisticRegression(**TIGHT)),
    ],
    ids=["imputer", "pca", "whitened", "columns"],
)
def test_the_first_order_is_the_limit_of_many_copies(transformer, data, y, model):
    """Without one of k copies of a row, k times the change tends to the derivative."""
    rows, y, queries, k = data[:90, :6], y[:90], data[200:210, :6], 300
    explained = make_pipeline(transformer, model).fit(rows, y)
    order = Shortcut(explained, rows, y).first_order()
    changes = order.changes(order.lifted(queries), np.arange(90))
    copies, of_copies = np.tile(rows, (k, 1)), np.tile(y, k)
    name = "C" if isinstance(model, LogisticRegression) else "alpha"
    strength = getattr(model, name)
    model = clone(model).set_params(**{name: strength / k if name == "C" else strength * k})
    shortcut = Shortcut(
        make_pipeline(clone(transformer), model).fit(copies, of_copies), copies, of_copies
    )
    before = shortcut.of_all().predictor(shortcut.prepared(queries))
    for row in (4, 50):
        after = shortcut.without(np.array([row])).predictor(shortcut.prepared(queries))
        limit = k * (after - before)
        size = np.abs(limit).max()
        # n - 1 in the variances of PCA is another number of kn rows.
        np.testing.assert_allclose(changes[:, row], limit, rtol=0, atol=0.015 * size)


def test_the_extremes_of_columns_move_by_what_they_lose():
    rows, y, queries = X[:100, :5], Y[:100], X[300:320, :5]
    for scaler in (MinMaxScaler(), MaxAbsScaler()):
        model = make_pipeline(scaler, LogisticRegression(**TIGHT)).fit(rows, y)
        shortcut = Shortcut(model, rows, y)
        order = shortcut.first_order()
        changes, at = (
            order.changes(order.lifted(queries), np.arange(100)),
            shortcut.prepared(queries),
        )
        before = shortcut.of_all().predictor(at)
        found = [shortcut.without(np.array([row])).predictor(at) - before for row in range(100)]
        exact = np.stack(found, axis=1)
        assert np.corrcoef(changes.ravel(), exact.ravel())[0, 1] > 0.99


def test_newton_effects_are_those_of_refits_through_scaling_and_a_search():
    pipeline = make_pipeline(StandardScaler(), PCA(3), LogisticRegression(**TIGHT))
    search = GridSearchCV(pipeline, {"logisticregression__C": C13[::3]}, cv=3)
    explainer = RelatIFExplainer(search).fit(X[:150, :8], Y[:150])
    groups = one_by_one([0, 38, 141], 150)
    groups[[7, 9, 12]] = 7
    given = X[300:340, :8], Y[300:340], groups
    fast, parts = explainer.removal_effect(*given, procedure="all", return_parts=True)
    true, expected = explainer.removal_effect(
        *given, order="retrain", procedure="all", return_parts=True
    )
    np.testing.assert_allclose(fast, true, rtol=1e-6, atol=1e-9)
    assert parts.chosen == expected.chosen
    assert parts.chosen_without == expected.chosen_without
    # The part of the model is that of one Newton step, as of procedure="model".
    held, true_held = true - expected.penalty, fast - parts.penalty
    np.testing.assert_allclose(held, true_held, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(parts.penalty, expected.penalty, rtol=1e-5, atol=1e-9)
    first = explainer.removal_effect(*given, order="first", procedure="all")
    assert np.corrcoef(first.ravel(), true_held.ravel())[0, 1] > 0.95


def searches():
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    grid, coarse = {"logisticregression__C": C13}, {"logisticregression__C": C13[::3]}
    shuffled = StratifiedKFold(4, shuffle=True, random_state=0)
    alphas = np.logspace(-2, 3, 6)
    squares = make_pipeline(StandardScaler(), Ridge())
    # Parameters of LogisticRegressionCV have other defaults in every release.
    path = LogisticRegressionCV(Cs=C13[::3], cv=3, scoring="accuracy")
    return {
        "accuracy": (GridSearchCV(scaled, grid, cv=3), X[:160, :8], Y[:160]),
        "log loss": (
            GridSearchCV(scaled, coarse, cv=3, scoring="neg_log_loss"),
            X[:160, :8],
            Y[:160],
        ),
        "area": (GridSearchCV(scaled, grid, cv=3, scoring="roc_auc"), X[:160, :8], Y[:160]),
        "balanced": (
            GridSearchCV(scaled, coarse, cv=3, scoring="balanced_accuracy"),
            X[:160, :8],
            Y[:160],
        ),
        "absolute": (
            GridSearchCV(squares, {"ridge__alpha": alphas}, scoring="neg_mean_absolute_error"),
            X_REAL,
            Y_REAL,
        ),
        "shuffled": (
            GridSearchCV(scaled, coarse, cv=shuffled),
            X[:160, :8],
            Y[:160],
        ),
        "path": (make_pipeline(StandardScaler(), path), X[:160, :8], Y[:160]),
        "three classes": (GridSearchCV(scaled, coarse, cv=3), *WINE),
        "r2": (GridSearchCV(squares, {"ridge__alpha": alphas}), X_REAL, Y_REAL),
        "ridge": (make_pipeline(StandardScaler(), RidgeCV(alphas, cv=4)), X_REAL, Y_REAL),
        "left out": (make_pipeline(StandardScaler(), RidgeCV(alphas)), X_REAL, Y_REAL),
    }


@pytest.mark.parametrize("name", list(searches()))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_choices_are_those_of_scikit_learn_at_its_own_tolerance(name):
    estimator, rows, y = searches()[name]
    fitted = clone(estimator).fit(rows, y)
    shortcut = Shortcut(fitted, rows, y)
    for row in (0, 131):
        left = np.delete(np.arange(len(y)), row)
        again = clone(estimator).fit(rows[left], y[left])
        found = shortcut.without(np.array([row]))
        assert found.candidate == parts_of(again).search.best


def test_a_search_that_is_not_covered_is_done_by_refits_with_a_word():
    drawn = ShuffleSplit(2, random_state=np.random.RandomState(0))
    model = make_pipeline(StandardScaler(), LogisticRegression(**TIGHT))
    search = GridSearchCV(model, {"logisticregression__C": [0.1, 1.0]}, cv=drawn)
    explainer = RelatIFExplainer(search).fit(X[:100, :5], Y[:100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        effect = explainer.removal_effect(
            X[200:210, :5], Y[200:210], one_by_one([3], 100), procedure="all"
        )
    assert effect.shape == (10, 1)
    assert any("1 of 1 removals are done by fitting" in str(w.message) for w in caught)
    assert any("drawn anew" in str(w.message) for w in caught)


def test_a_removal_that_is_not_covered_is_done_by_a_refit_with_a_word():
    rows = np.column_stack([X[:80, 0], np.arange(80) == 5]).astype(object)
    rows[:, 1] = np.where(rows[:, 1], "rare", np.where(np.arange(80) % 2, "a", "b"))
    columns = make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(), [1]))
    explainer = RelatIFExplainer(make_pipeline(columns, LogisticRegression(**TIGHT)))
    explainer.fit(rows, Y[:80])
    queries = rows[10:20], Y[10:20], one_by_one([2, 5], 80)
    with pytest.warns(UserWarning, match="1 of 2 removals.*last row of a category"):
        effect = explainer.removal_effect(*queries, procedure="all")
    true = explainer.removal_effect(*queries, order="retrain", procedure="all")
    np.testing.assert_allclose(effect, true, rtol=1e-6, atol=1e-9)


def test_weights_of_rows_and_of_classes_are_those_of_a_refit():
    weight = np.random.default_rng(0).uniform(0.5, 2, 120)
    model = LogisticRegression(class_weight="balanced", **TIGHT)
    pipeline = make_pipeline(StandardScaler(), model)
    explainer = RelatIFExplainer(pipeline).fit(X[:120, :5], Y[:120], sample_weight=weight)
    given = X[300:320, :5], Y[300:320], one_by_one([1, 20, 50], 120)
    effect = explainer.removal_effect(*given, procedure="all")
    scores = []
    for row in (None, 1, 20, 50):
        left = np.arange(120) if row is None else np.delete(np.arange(120), row)
        again = clone(pipeline)
        again.fit(X[left, :5], Y[left], logisticregression__sample_weight=weight[left])
        scores.append(again.decision_function(X[300:320, :5]))
    signs = 2 * Y[300:320] - 1
    loss = [-np.log(expit(signs * one)) for one in scores]
    np.testing.assert_allclose(effect, np.array(loss[1:]).T - loss[0][:, None], atol=1e-7)


def test_first_order_without_a_derivative_is_that_of_newton_with_a_word():
    pipeline = make_pipeline(RobustScaler(), LogisticRegression(**TIGHT))
    explainer = RelatIFExplainer(pipeline).fit(X[:100, :5], Y[:100])
    given = X[200:210, :5], Y[200:210], one_by_one([3, 60], 100)
    with pytest.warns(UserWarning, match="no derivative here, because RobustScaler"):
        models = explainer.removal_effect_on("log_loss", *given, order="first", procedure="all")
    steps = explainer.removal_effect_on("log_loss", *given, procedure="all")
    np.testing.assert_allclose(models, steps, rtol=0.1)


def test_axes_that_turn_without_a_row_are_those_of_refits():
    # Two pairs of axes with variances so close that they turn among one another.
    rows = np.random.default_rng(3).normal(size=(90, 5)) * [2.0, 2.0, 1.0, 1.0, 0.1]
    y = np.digitize(rows[:, 0] + rows[:, 3], [-1, 1])
    model = make_pipeline(PCA(4), LogisticRegression(C=3.0, **TIGHT))
    explainer = RelatIFExplainer(model).fit(rows[:80], y[:80])
    given = rows[80:], y[80:], one_by_one([0, 7, 33, 79], 80)
    effect = explainer.removal_effect(*given, procedure="all")
    true = explainer.removal_effect(*given, order="retrain", procedure="all")
    np.testing.assert_allclose(effect, true, rtol=1e-6, atol=1e-8)


def test_predictions_that_are_surely_wrong_score_as_in_scikit_learn():
    y = np.array([0, 1, 1])
    model = LogisticRegression(**TIGHT).fit(X[:100, :5], Y[:100])
    loss = Shortcut(model, X[:100, :5], Y[:100]).loss
    score = score_of("neg_log_loss", model, loss)
    eta = np.array([-50.0, -50.0, 3.0])
    (value,) = score.values(loss, y, eta[:, None, None])
    assert value == pytest.approx(-log_loss(y, expit(eta)), rel=1e-12)


def test_fits_are_asked_for_while_they_can_change_the_choice():
    class ByMean:
        @staticmethod
        def chosen(scores):
            return int(np.argmax(scores.mean(axis=1)))

    value = np.array([[0.5, 0.8, 0.81], [0.5, 0.8, 0.79]])  # (n_folds, n_candidates)
    reach = np.array([[0.1, 0.05, 0.1], [0.1, 0.0, 0.01]])
    scored = [
        Scored(own, own - width, own + width) for own, width in zip(value, reach, strict=True)
    ]
    asked = []

    def rescored(fold, candidate, to_the_bit):
        asked.append((fold, candidate))
        return (value[fold, candidate] - 0.09 * (candidate == 2),) * 3

    # The third may be better, until it is fitted where least is known of it.
    assert choice(ByMean, scored, rescored) == (1, 1)
    assert asked == [(0, 2)]
