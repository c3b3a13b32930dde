"""What removing rows does through everything that ``fit`` does, against refits done by hand."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNetCV,
    LassoCV,
    LassoLarsCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuitCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, PredefinedSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import chosen, held

TIGHT = {"tol": 1e-10, "solver": "newton-cholesky"}
ROWS = [0, 10, 20]
N_ROWS = 100


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :6]
    return X[:N_ROWS], y[:N_ROWS], X[400:420], y[400:420]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X[:N_ROWS], y[:N_ROWS], X[400:420], y[400:420]


def one_by_one(rows=ROWS, n_rows=N_ROWS):
    """Groups, of which each removes one of the rows."""
    groups = np.full(n_rows, np.nan)
    groups[rows] = rows
    return groups


def logistic(**options):
    return make_pipeline(StandardScaler(), LogisticRegression(**TIGHT, **options))


def search(cv=2):
    grid = {"logisticregression__C": np.logspace(0.5, 1, 3)}
    return GridSearchCV(logistic(), grid, scoring="neg_log_loss", cv=cv)


def log_losses(model, X, y):
    return -np.log(model.predict_proba(X)[np.arange(len(y)), y])


def half_squares(model, X, y):
    return (model.predict(X) - y) ** 2 / 2


def by_hand(model, data, losses, fit=None):
    """Effects by scikit-learn's own fits, and the models."""
    X, y, X_test, y_test = data
    fit = fit or (lambda rows: clone(model).fit(X[rows], y[rows]))
    every = np.arange(len(X))
    before = losses(fit(every), X_test, y_test)
    models = [fit(np.delete(every, row)) for row in ROWS]
    return np.stack([losses(own, X_test, y_test) - before for own in models], axis=1), models


def explained(model, data, **fit_params):
    """Effects, and their parts."""
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(model).fit(X, y, **fit_params)
    return explainer.removal_effect(
        X_test, y_test, one_by_one(), order="retrain", procedure="all", return_parts=True
    )


def assert_adds_up(effect, parts):
    total = parts.model + parts.preprocessing + parts.penalty
    assert_allclose(total, effect, rtol=0, atol=1e-12 * np.abs(effect).max())


# --- the effect ------------------------------------------------------------------------------


def test_a_search_is_done_again(cancer):
    model = search()
    effect, parts = explained(model, cancer)
    expected, models = by_hand(model, cancer, log_losses)
    assert_allclose(effect, expected, atol=1e-7)
    assert parts.chosen_without == [own.best_params_ for own in models]
    assert_adds_up(effect, parts)
    # The parts, each by fits of its own.
    best = model.fit(*cancer[:2]).best_estimator_
    fixed, _ = by_hand(best, cancer, log_losses)
    assert_allclose(parts.model + parts.preprocessing, fixed, atol=1e-7)
    explainer = RelatIFExplainer(best).fit(*cancer[:2])
    inner = explainer.removal_effect(*cancer[2:], one_by_one(), order="retrain")
    assert_allclose(parts.model, inner, atol=1e-9)
    assert parts.changed.any() and not parts.changed.all()
    assert not parts.penalty[:, ~parts.changed].any() and parts.penalty[:, parts.changed].all()
    assert parts.preprocessing.any()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), PCA(3), LogisticRegression(**TIGHT)),
        LogisticRegression(class_weight="balanced", C=0.01, **TIGHT),
    ],
    ids=["PCA", "balanced"],
)
def test_what_is_computed_from_rows_is_computed_again(cancer, model):
    effect, parts = explained(model, cancer)
    expected, _ = by_hand(model, cancer, log_losses)
    assert_allclose(effect, expected, atol=1e-7)
    assert_adds_up(effect, parts)
    assert parts.chosen == {} and not parts.penalty.any() and parts.preprocessing.any()


def test_models_are_compared_at_their_optimum(cancer):
    loose = make_pipeline(StandardScaler(), LogisticRegression(tol=0.01))
    effect, _ = explained(loose, cancer)
    expected, _ = by_hand(logistic(), cancer, log_losses)
    assert_allclose(effect, expected, atol=1e-7)
    unpolished, _ = by_hand(loose, cancer, log_losses)
    assert np.abs(unpolished - expected).max() > 0.1 * np.abs(expected).max()


def test_ridge_chooses_again(diabetes):
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-1, 3, 300)))
    effect, parts = explained(model, diabetes)
    expected, models = by_hand(model, diabetes, half_squares)
    assert_allclose(effect, expected, atol=1e-6)
    assert [own[-1].alpha_ for own in models] == [
        found["ridgecv__alpha"] for found in parts.chosen_without
    ]
    assert_adds_up(effect, parts)
    assert parts.penalty.any()


def test_metrics_take_the_same_way(cancer):
    X, y, X_test, y_test = cancer
    explainer = RelatIFExplainer(search()).fit(X, y)
    options = {"order": "retrain", "procedure": "all", "return_parts": True}
    losses, _ = explainer.removal_effect(X_test, y_test, one_by_one(), **options)
    mean, parts = explainer.removal_effect_on("log_loss", X_test, y_test, one_by_one(), **options)
    assert_allclose(mean, losses.mean(axis=0), atol=1e-12)
    assert_adds_up(mean, parts)


def test_groups_are_removed_together(cancer):
    X, y, X_test, y_test = cancer
    groups = np.full(N_ROWS, None, object)
    groups[[3, 4, 5]], groups[[50, 60]] = "a", "b"
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    effect = explainer.removal_effect(X_test, y_test, groups, order="retrain", procedure="all")
    before = log_losses(logistic().fit(X, y), X_test, y_test)
    for place, rows in enumerate(([3, 4, 5], [50, 60])):
        left = np.delete(np.arange(N_ROWS), rows)
        after = log_losses(logistic().fit(X[left], y[left]), X_test, y_test)
        assert_allclose(effect[:, place], after - before, atol=1e-7)


@pytest.mark.parametrize("transformer", [StandardScaler(), PowerTransformer()])
def test_losses_stay_in_the_units_of_the_target(diabetes, transformer):
    model = TransformedTargetRegressor(Ridge(), transformer=transformer)
    effect, _ = explained(model, diabetes)
    fitted = clone(model).fit(*diabetes[:2])

    def losses(own, X, y):
        predicted = own.predict(X)
        both = fitted.transformer_.transform(np.stack([predicted, y], axis=1).reshape(-1, 1))
        return np.diff(both.reshape(-1, 2))[:, 0] ** 2 / 2

    expected, _ = by_hand(model, diabetes, losses)
    assert_allclose(effect, expected, atol=1e-9)


def test_a_kernel_is_computed_again(cancer):
    model = make_pipeline(StandardScaler(), SVC(tol=1e-9))

    def hinge(own, X, y):
        return np.maximum(0, 1 - (2 * y - 1) * own.decision_function(X))

    effect, parts = explained(model, cancer)
    assert_allclose(effect, by_hand(model, cancer, hinge)[0], atol=1e-5)
    assert_adds_up(effect, parts)


def test_models_in_closed_form_are_fitted_again(cancer):
    effect, parts = explained(GaussianNB(), cancer)
    assert_allclose(effect, by_hand(GaussianNB(), cancer, log_losses)[0], atol=1e-7)
    assert not parts.penalty.any()


# --- what comes with the rows ------------------------------------------------------------------


def test_weights_and_groups_of_folds_go_with_their_rows(cancer):
    X, y = cancer[:2]
    weight, people = np.linspace(0.5, 2, N_ROWS), np.arange(N_ROWS) % 17
    model = search(cv=GroupKFold(2))
    effect, parts = explained(model, cancer, sample_weight=weight, groups=people)

    def fit(rows):
        return clone(model).fit(
            X[rows],
            y[rows],
            groups=people[rows],
            logisticregression__sample_weight=weight[rows],
        )

    expected, models = by_hand(model, cancer, log_losses, fit)
    assert_allclose(effect, expected, atol=1e-7)
    assert parts.chosen_without == [own.best_params_ for own in models]
    assert_adds_up(effect, parts)


def test_metadata_are_routed_as_in_fit(cancer):
    X, y = cancer[:2]
    weight = np.linspace(0.5, 2, N_ROWS)
    with config_context(enable_metadata_routing=True):
        last = LogisticRegression(**TIGHT).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=False)
        grid = {"logisticregression__C": [0.1, 1.0]}
        model = GridSearchCV(make_pipeline(scaler, last), grid, scoring=scorer, cv=GroupKFold(2))
        people = np.arange(N_ROWS) % 17
        effect, parts = explained(model, cancer, sample_weight=weight, groups=people)

        def fit(rows):
            return clone(model).fit(
                X[rows], y[rows], groups=people[rows], sample_weight=weight[rows]
            )

        expected, _ = by_hand(model, cancer, log_losses, fit)
        # To tell the parts apart, no folds are needed any more.
        assert_adds_up(effect, parts)
    assert_allclose(effect, expected, atol=1e-7)


@pytest.mark.parametrize("kind", ["list", "mask", "predefined"])
def test_folds_that_are_given_lose_the_rows(cancer, kind):
    X, y = cancer[:2]
    fold = np.arange(N_ROWS) % 2
    pairs = [(np.flatnonzero(fold != own), np.flatnonzero(fold == own)) for own in range(2)]
    cv = {
        "list": pairs,
        "mask": [(fold != own, fold == own) for own in range(2)],
        "predefined": PredefinedSplit(fold),
    }[kind]
    effect, parts = explained(search(cv), cancer)

    def fit(rows):
        return clone(search(PredefinedSplit(fold[rows]))).fit(X[rows], y[rows])

    expected, models = by_hand(None, cancer, log_losses, fit)
    assert_allclose(effect, expected, atol=1e-7)
    assert parts.chosen_without == [own.best_params_ for own in models]


def test_rows_that_were_drawn_are_drawn_again(cancer):
    imblearn = pytest.importorskip("imblearn")
    sampler = imblearn.under_sampling.RandomUnderSampler(random_state=0)
    model = imblearn.pipeline.make_pipeline(sampler, LogisticRegression(C=1e-4, **TIGHT))
    with pytest.warns(UserWarning, match="draws at random"):
        effect, parts = explained(model, cancer)
    assert_allclose(effect, by_hand(model, cancer, log_losses)[0], atol=1e-7)
    assert_adds_up(effect, parts)
    drawn = clone(model).fit(*cancer[:2])[0].sample_indices_
    assert_array_equal(parts.model.any(axis=0), np.isin(ROWS, drawn))


def test_texts_are_rows_too():
    texts = ["free cash offer", "lunch with a friend", "cash now", "see you friend"] * 4
    y = np.array([1, 0, 1, 0] * 4)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(**TIGHT))
    explainer = RelatIFExplainer(model).fit(texts, y)
    (effect,) = explainer.removal_effect(
        texts[:1], y[:1], [0] * 3 + [None] * 13, order="retrain", procedure="all"
    )
    before = log_losses(clone(model).fit(texts, y), texts[:1], y[:1])
    after = log_losses(clone(model).fit(texts[3:], y[3:]), texts[:1], y[:1])
    assert_allclose(effect, after - before, atol=1e-7)


def test_frames_and_labels(cancer):
    pandas = pytest.importorskip("pandas")
    X, y, X_test, y_test = cancer
    X = pandas.DataFrame(X, index=[f"r{row}" for row in range(N_ROWS)])
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    X_test = pandas.DataFrame(X_test)
    options = {"order": "retrain", "procedure": "all", "return_parts": True}
    effect, parts = explainer.removal_effect(X_test, y_test, one_by_one(), **options)
    assert effect.columns.tolist() == ROWS
    frame = parts.frame()
    assert frame.index.tolist() == ROWS and frame.index.name == "group"
    assert_allclose(frame["model"], np.sqrt((parts.model**2).mean(axis=0)))
    few = X.index[:12].tolist() + X.index[-2:].tolist()
    explainer = RelatIFExplainer(logistic()).fit(X.loc[few], [0, 1] * 7)
    change = explainer.removal_effect_on("log_loss", X_test[:2], y_test[:2], **options)[0]
    assert change.index.tolist() == few


# --- whole models ------------------------------------------------------------------------------


def test_whole_estimators_come_back(cancer):
    X, y, X_test, _ = cancer
    model = search()
    with parallel_config("threading", n_jobs=2):
        explainer = RelatIFExplainer(model).fit(X, y)
        one, two = explainer.retrain_without([3, [5, 70]], procedure="all")
    assert type(one) is GridSearchCV and one.best_estimator_[0].n_samples_seen_ == N_ROWS - 1
    left = np.delete(np.arange(N_ROWS), [5, 70])
    again = clone(model).fit(X[left], y[left])
    assert two.best_params_ == again.best_params_
    assert_array_equal(two.predict_proba(X_test), again.predict_proba(X_test))
    assert not hasattr(model, "best_params_")


@pytest.mark.parametrize("wrapped", ["pipeline", "search", "weighted"])
def test_models_fitted_before_are_fitted_again(cancer, wrapped):
    X, y, X_test, y_test = cancer
    weight = np.linspace(0.5, 2, N_ROWS) if wrapped == "weighted" else None
    model = search() if wrapped == "search" else logistic()
    passed = {} if weight is None else {"logisticregression__sample_weight": weight}
    explainer = RelatIFExplainer.from_fitted(clone(model).fit(X, y, **passed), X, y, weight)
    again = RelatIFExplainer(model).fit(X, y, weight)
    options = {"order": "retrain", "procedure": "all"}
    assert_allclose(
        explainer.removal_effect(X_test, y_test, one_by_one(), **options),
        again.removal_effect(X_test, y_test, one_by_one(), **options),
        atol=1e-10,
    )
    (one,) = explainer.retrain_without([3], procedure="all")
    assert type(one) is type(model)


# --- what was chosen, and what holds it ----------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        RidgeCV(alphas=[0.1, 1.0]),
        LassoCV(cv=3),
        ElasticNetCV(l1_ratio=[0.5, 0.9], cv=3),
        LassoLarsCV(cv=3),
        OrthogonalMatchingPursuitCV(cv=3),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3),
        GridSearchCV(make_pipeline(PCA(2), RidgeCV([0.1, 1.0])), {"pca__n_components": [2, 3]}),
        make_pipeline(StandardScaler(), RidgeCV(alphas=[0.1, 1.0])),
        TransformedTargetRegressor(RidgeCV(alphas=[0.1, 1.0]), transformer=StandardScaler()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_held_estimators_fit_the_same_model(diabetes, model):
    X, y, X_test, _ = diabetes
    fitted = clone(model).fit(X, y)
    again = held(fitted).fit(X, y)
    assert chosen(fitted) and not chosen(again)
    assert_allclose(again.predict(X_test), fitted.predict(X_test), rtol=1e-6)


@pytest.mark.parametrize("kind", [MultiTaskElasticNetCV, MultiTaskLassoCV])
def test_held_estimators_of_several_targets(diabetes, kind):
    X, y = diabetes[:2]
    Y = np.stack([y, X[:, 0] * 100], axis=1)
    fitted = kind(cv=3).fit(X, Y)
    assert_allclose(held(fitted).fit(X, Y).predict(X), fitted.predict(X), rtol=1e-6)
    assert chosen(fitted)["alpha"] == fitted.alpha_


def test_held_classifiers_fit_the_same_model(cancer):
    X, y = StandardScaler().fit_transform(cancer[0]), cancer[1]
    fitted = RidgeClassifierCV(alphas=[0.1, 1.0]).fit(X, y)
    assert_allclose(held(fitted).fit(X, y).coef_, fitted.coef_, rtol=1e-7)
    fitted = quiet_logistic_cv().fit(X, y)
    again = held(fitted).fit(X, y)
    assert_allclose(again.coef_, fitted.coef_, rtol=1e-6)
    assert chosen(fitted)["C"] == again.C


def quiet_logistic_cv():
    """Of whatever release, without what it says of its next one."""
    names = LogisticRegressionCV().get_params()
    options = {"l1_ratios": (0.0,), "use_legacy_attributes": False, "scoring": "neg_log_loss"}
    known = {name: value for name, value in options.items() if name in names}
    if "use_legacy_attributes" not in names:
        known.pop("l1_ratios")
    return LogisticRegressionCV(Cs=3, cv=3, **TIGHT, **known)


def test_choices_that_nothing_holds_are_named(diabetes):
    for model, what in (
        (BayesianRidge(), "precisions"),
        (BaggingRegressor(RidgeCV([0.1, 1.0]), 2, random_state=0), "made of choose"),
    ):
        with pytest.raises(ValueError, match=what):
            explained(model, diabetes)


# --- what is said ------------------------------------------------------------------------------


def test_sentences(cancer):
    _, parts = explained(search(), cancer)
    text = str(parts)
    n_changed = int(parts.changed.sum())
    assert text.startswith(f"{n_changed} of 3 removals changed C (C from ")
    assert "Of the size of the effects:" in text and "penalty" in text
    assert text.partition("(")[0] in parts._repr_html_()
    _, parts = explained(logistic(), cancer)
    assert str(parts).startswith("The fit has no parameters to choose.")


def test_draws_are_warned_of(cancer):
    bags = BaggingClassifier(LogisticRegression(**TIGHT), 3, random_state=0)
    with pytest.warns(UserWarning, match="draws at random"):
        explained(make_pipeline(StandardScaler(), bags), cancer)


def test_other_models_are_warned_of(cancer):
    X, y, X_test, y_test = cancer
    model = logistic().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    model.set_params(logisticregression__C=0.5)  # Not what it was fitted with.
    with pytest.warns(UserWarning, match="Fitting everything again to all of the rows moves"):
        explainer.removal_effect(X_test, y_test, one_by_one(), order="retrain", procedure="all")


def test_refusals(cancer):
    X, y, X_test, y_test = cancer
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    options = {"order": "retrain", "procedure": "all"}
    with pytest.raises(ValueError, match="procedure must be one of"):
        explainer.removal_effect(X_test, y_test, procedure="some")
    with pytest.raises(ValueError, match="needs procedure='all'"):
        explainer.removal_effect(X_test, y_test, return_parts=True)
    with pytest.raises(ValueError, match="order='pbrf' does not exist with procedure='all'"):
        explainer.removal_effect(X_test, y_test, order="pbrf", procedure="all")
    with pytest.raises(ValueError, match=r"no row of the classes \[1\]"):
        explainer.removal_effect(X_test, y_test, np.where(y == 1, 0, np.nan), **options)
    with pytest.raises(ValueError, match=r"no row of the classes \[1\]"):
        explainer.retrain_without([np.flatnonzero(y == 1)], procedure="all")
    loaded = pickle.loads(pickle.dumps(explainer))
    with pytest.raises(ValueError, match="explainers are saved"):
        loaded.removal_effect(X_test, y_test, **options)
    network = MLPClassifier((2,), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0)
    explainer = RelatIFExplainer(
        make_pipeline(StandardScaler(), network), curvature="gauss_newton", damping=0.1
    ).fit(X, y)
    with pytest.raises(ValueError, match="is a network"):
        explainer.removal_effect(X_test, y_test, **options)


def test_models_of_another_loss_are_not_compared(cancer):
    X, y, X_test, y_test = cancer
    model = make_pipeline(StandardScaler(), Ridge())

    def score(own, X, y):  # One model leads for all rows, the other without any of them.
        is_whole = own[0].n_samples_seen_ == N_ROWS
        return float(isinstance(own[-1], RidgeClassifier) == is_whole)

    every = np.arange(N_ROWS)
    grid = {"ridge": [RidgeClassifier(), LogisticRegression()]}
    model = GridSearchCV(model, grid, scoring=score, cv=[(every, every)])
    explainer = RelatIFExplainer(model).fit(X, y)
    with pytest.raises(ValueError, match="another loss"):
        explainer.removal_effect(X_test, y_test, one_by_one(), order="retrain", procedure="all")


def test_progress_is_shown(cancer, capsys):
    X, y, X_test, y_test = cancer
    explainer = RelatIFExplainer(logistic(), verbose=True).fit(X, y)
    explainer.removal_effect(X_test, y_test, one_by_one(), order="retrain", procedure="all")
    assert "4 of 4 fits of everything" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:The estimator draws at random")
def test_nothing_of_the_user_changes(cancer):
    X, y, X_test, y_test = cancer
    cv = KFold(2, shuffle=True, random_state=np.random.RandomState(0))
    model = search(cv)
    explainer = RelatIFExplainer(model).fit(X, y)
    state, kept = cv.random_state.get_state()[1].copy(), explainer.estimator_.best_params_
    explainer.removal_effect(X_test, y_test, one_by_one(), order="retrain", procedure="all")
    assert_array_equal(cv.random_state.get_state()[1], state)
    assert not hasattr(model, "best_params_") and explainer.estimator_.best_params_ == kept
