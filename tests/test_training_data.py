"""Models are explained on what reached them, which is not always what transform makes of X."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LassoLars, LogisticRegression, SGDRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.adapters import Recordings, TrainingData
from tests import cases

MODEL = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10)

#: Newer releases of scikit-learn take the folds of a target encoder.
TAKES_FOLDS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


def categories(n_rows=150, n_categories=40, seed=0):
    """A category, whose effect on the label is large, and a number."""
    rng = np.random.default_rng(seed)
    category = rng.integers(n_categories, size=n_rows)
    number = rng.normal(size=n_rows)
    logit = rng.normal(size=n_categories)[category] + number
    y = (logit + rng.logistic(size=n_rows) > 0).astype(int)
    return np.column_stack([category, number]), y


def target_encoder():
    """Encodes training rows by the labels of the other folds, and later rows by all labels."""
    if not TAKES_FOLDS:
        return TargetEncoder(random_state=0)
    return TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))


def encoder():
    return make_column_transformer((target_encoder(), [0]), (StandardScaler(), [1]))


def placeholder(step):
    return Pipeline([("prepare", step), ("model", "passthrough")])


def search(estimator, grid, **options):
    return GridSearchCV(estimator, grid, cv=2, scoring="neg_log_loss", **options)


def estimators(step, model=MODEL):
    """A transformer and a model at the end of it, in many nestings."""
    weak = clone(model).set_params(C=1e-3)
    plain = make_pipeline(step, model)
    return {
        "pipeline": plain,
        "pipeline in a pipeline": make_pipeline(step, make_pipeline("passthrough", model)),
        "both in a pipeline": make_pipeline(None, plain),
        "search": search(plain, {"logisticregression__C": [1e-3, 0.5]}),
        "search at the end": make_pipeline(step, search(model, {"C": [1e-3, 0.5]})),
        "placeholder": search(placeholder(step), {"model": [weak, model]}),
        "another model": search(
            make_pipeline(step, DecisionTreeClassifier()),
            [{"decisiontreeclassifier": [model]}],
        ),
        "search of searches": search(
            make_pipeline(step, search(model, {"C": [1e-3, 0.5]})),
            {"gridsearchcv__cv": [2, 3]},
        ),
    }


@pytest.mark.parametrize("name", estimators(None))
def test_training_rows_are_those_that_the_model_saw(name):
    X, y = categories()
    explainer = RelatIFExplainer(estimators(encoder())[name]).fit(X, y)
    model = explainer._study.model
    seen = encoder().fit_transform(X, y)
    assert_allclose(model.coef_, clone(model).fit(seen, y).coef_, atol=1e-8)
    asked = encoder().fit(X, y).transform(X[:5])
    expected = RelatIFExplainer.from_fitted(model, seen, y)
    assert_allclose(
        explainer.pairwise_influence(X[:5], y[:5]),
        expected.pairwise_influence(asked, y[:5]),
        atol=1e-8,
    )


def test_removals_are_those_of_refits():
    X, y = categories()
    explainer = RelatIFExplainer(make_pipeline(encoder(), MODEL)).fit(X, y)
    seen, asked = encoder().fit_transform(X, y), encoder().fit(X, y).transform(X[:5])

    def losses(model):
        return [
            log_loss([label], p[None], labels=[0, 1])
            for label, p in zip(y[:5], model.predict_proba(asked), strict=True)
        ]

    before = losses(clone(MODEL).fit(seen, y))
    effect = explainer.removal_effect(X[:5], y[:5], order="retrain")
    for row in range(8):
        kept = np.arange(len(y)) != row
        after = losses(clone(MODEL).fit(seen[kept], y[kept]))
        assert_allclose(effect[:, row], np.subtract(after, before), atol=1e-9)


def test_recording_leaves_no_trace(tmp_path):
    X, y = categories()
    pipeline = Pipeline(make_pipeline(encoder(), MODEL).steps, memory=str(tmp_path))
    searched = search(pipeline, {"logisticregression__C": [0.5]}, n_jobs=2)
    # The second of two finds what the first one has left in the cache.
    for estimator in (pipeline, pipeline, searched, searched):
        with parallel_config("threading"):
            explainer = RelatIFExplainer(estimator).fit(X, y)
            plain = clone(estimator).fit(X, y)
        fitted = explainer.estimator_
        assert type(fitted) is type(plain)
        best = getattr(fitted, "best_estimator_", fitted)
        for part in (fitted, best, best[-1], getattr(fitted, "estimator", fitted)):
            assert not {"fit", "__sklearn_clone__"} & set(vars(part))
        assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))
        loaded = pickle.loads(pickle.dumps(explainer))
        assert_array_equal(loaded.pairwise_influence(X[:3]), explainer.pairwise_influence(X[:3]))


def test_a_placeholder_that_stays_is_no_model():
    X, y = categories()
    for last in ("passthrough", None):
        estimator = Pipeline([("prepare", StandardScaler()), ("model", last)])
        with pytest.raises(TypeError, match=f"The placeholder {last!r} cannot be explained"):
            RelatIFExplainer(estimator).fit(X, y)


def test_search_that_ends_in_another_kind_of_model():
    X, y = categories()
    estimator = search(placeholder(StandardScaler()), {"model": [KNeighborsClassifier()]})
    with pytest.raises(TypeError, match="KNeighborsClassifier cannot be explained"):
        RelatIFExplainer(estimator).fit(X, y)
    kernel = search(placeholder(StandardScaler()), {"model": [SVC()]})
    explainer = RelatIFExplainer(kernel.set_params(scoring="accuracy")).fit(X, y)
    assert not hasattr(explainer, "transform")
    from_fitted = RelatIFExplainer.from_fitted(explainer.estimator_, X, y)
    assert_array_equal(from_fitted.explain(X).indices, explainer.explain(X).indices)


# --- a fitted estimator -----------------------------------------------------------------------


def warning_of_from_fitted(estimator, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        RelatIFExplainer.from_fitted(estimator, X, y)
    messages = [str(warning.message) for warning in caught]
    (told,) = [message for message in messages if "not trained on what the pipeline" in message]
    return told


@pytest.mark.parametrize(
    "head",
    [
        encoder(),
        target_encoder(),
        make_pipeline(StandardScaler(), target_encoder()),
        FeatureUnion([("encoded", target_encoder())]),
    ],
    ids=["columns", "alone", "pipeline", "union"],
)
def test_from_fitted_tells_of_a_transformer_that_it_cannot_see_through(head):
    X, y = categories()
    message = warning_of_from_fitted(make_pipeline(head, MODEL).fit(X, y), X, y)
    assert "TargetEncoder gives other rows" in message
    assert "from_fitted(pipeline[-1], X_seen, y_seen)" in message


def test_frozen_model_behind_a_transformer_that_is_fitted():
    X, y = categories()
    scaled = StandardScaler().fit_transform(X)
    model = clone(MODEL).fit(scaled, y)
    explainer = RelatIFExplainer(make_pipeline(StandardScaler(), FrozenEstimator(model)))
    expected = RelatIFExplainer.from_fitted(model, scaled, y).pairwise_influence(scaled[:5])
    assert_array_equal(explainer.fit(X, y).pairwise_influence(X[:5]), expected)


def test_leave_one_out_encoder():
    encoders = pytest.importorskip("category_encoders")
    X, y = categories()
    head = encoders.LeaveOneOutEncoder(cols=[0])
    explainer = RelatIFExplainer(make_pipeline(head, MODEL)).fit(X, y)
    seen = clone(head).fit_transform(X, y)
    expected = RelatIFExplainer.from_fitted(explainer.estimator_[-1], seen, y)
    asked = explainer.estimator_[0].transform(X[:5])
    assert_array_equal(explainer.pairwise_influence(X[:5]), expected.pairwise_influence(asked))
    message = warning_of_from_fitted(explainer.estimator_, X, y)
    assert "LeaveOneOutEncoder gives other rows" in message


# --- samplers ---------------------------------------------------------------------------------


def unbalanced():
    X, y = cases.noisy_classes(2)
    kept = np.flatnonzero((y == 0) | (np.arange(len(y)) % 3 == 0))
    return X[kept], y[kept]


@pytest.mark.parametrize("order", [1, -1], ids=["scaler first", "sampler first"])
@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_samplers(name, order):
    """Rows that are drawn twice are two rows, of the same label of the index."""
    imblearn = pytest.importorskip("imblearn")
    pd = pytest.importorskip("pandas")
    from imblearn import over_sampling, under_sampling

    X, y = unbalanced()
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(len(y))])
    kind = getattr(over_sampling, name, None) or getattr(under_sampling, name)
    steps = [StandardScaler(), kind(random_state=0)][::order]
    pipeline = imblearn.pipeline.make_pipeline(*steps, MODEL)
    for estimator in (pipeline, search(pipeline, {"logisticregression__C": [0.5]})):
        explainer = RelatIFExplainer(estimator).fit(frame, y)
        sampler = kind(random_state=0)
        sampler.fit_resample(X, y)
        rows = sampler.sample_indices_
        scaler = StandardScaler().fit(X[rows] if order == -1 else X)
        model = clone(MODEL).fit(scaler.transform(X[rows]), y[rows])
        expected = RelatIFExplainer.from_fitted(model, scaler.transform(X[rows]), y[rows])
        assert_array_equal(explainer.training_rows_.index, frame.index[rows])
        assert_array_equal(explainer.training_rows_.labels, y[rows])
        assert_allclose(
            explainer.removal_effect(frame[:5], order="retrain"),
            expected.removal_effect(scaler.transform(X[:5]), order="retrain"),
            atol=1e-9,
        )


def test_sampler_whose_rows_are_none_of_the_users():
    imblearn = pytest.importorskip("imblearn")
    from imblearn.over_sampling import SMOTE

    X, y = unbalanced()
    pipeline = imblearn.pipeline.make_pipeline(SMOTE(random_state=0), MODEL)
    message = r"SMOTE makes training rows that are none of the rows in X.*from_fitted\(pipeline"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(pipeline).fit(X, y)
    assert "SMOTE gives other rows" in warning_of_from_fitted(pipeline.fit(X, y), X, y)


# --- weights ----------------------------------------------------------------------------------


def weighted_problem():
    X, y = cases.noisy_classes(3)
    return X, y, cases.weights_with_zeros(len(y))


def assert_explains(explainer, model, X, y, weight):
    expected = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert_allclose(
        explainer.removal_effect(X[:5], y[:5]), expected.removal_effect(X[:5], y[:5]), atol=1e-8
    )


@pytest.mark.parametrize("request_of_model", [True, False, "importance"])
@pytest.mark.parametrize("one_vs_rest", [False, True], ids=["softmax", "one vs rest"])
def test_weights_are_followed_along_their_route(request_of_model, one_vs_rest):
    X, y, weight = weighted_problem()
    with config_context(enable_metadata_routing=True):
        model = clone(MODEL).set_fit_request(sample_weight=request_of_model)
        model = OneVsRestClassifier(model) if one_vs_rest else model
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        name = "importance" if request_of_model == "importance" else "sample_weight"
        weights = {"sample_weight": weight, name: weight}
        explainer = RelatIFExplainer(make_pipeline(scaler, model)).fit(X, y, **weights)
        fitted = make_pipeline(scaler, model).fit(X, y, **weights)
        seen = weight if request_of_model else None
        assert_explains(explainer, fitted, X, y, seen)


@pytest.mark.parametrize("weight", [3, 3.0, np.float32(3)])
def test_one_weight_for_all_rows(weight):
    X, y, _ = weighted_problem()
    all_rows = np.full(len(y), 3.0)
    for model in (MODEL, make_pipeline(StandardScaler(), MODEL), SVC()):
        expected = RelatIFExplainer(model).fit(X, y, all_rows).removal_effect(X[:5])
        explainer = RelatIFExplainer(model).fit(X, y, weight)
        assert_array_equal(explainer.removal_effect(X[:5]), expected)
    again = RelatIFExplainer.from_fitted(explainer.estimator_, X, y, weight)
    assert_array_equal(again.removal_effect(X[:5]), expected)


# --- a fit that fails -------------------------------------------------------------------------


def test_first_fit_that_fails_leaves_the_explainer_unfitted():
    X, _ = cases.noisy_classes(2)
    explainer = RelatIFExplainer(LogisticRegression(), curvature="empirical_fisher")
    with pytest.raises(ValueError, match="not positive definite"):
        explainer.fit(X[:9], np.arange(9) % 3)
    for call in (explainer.explain, explainer.pairwise_influence, explainer.removal_effect):
        with pytest.raises(NotFittedError):
            call(X)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("step", ["prepare_curvature", "Study.factors", "_described"])
def test_refit_that_fails_leaves_the_explainer_as_it_was(step, error, monkeypatch):
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    before = dict(vars(explainer))

    def fail(*args):
        raise error

    monkeypatch.setattr(f"sklearn_relatif._study.{step}", fail)
    with pytest.raises(error):
        explainer.fit(X[:, :2], np.where(y > 0, "one", "other"))
    assert vars(explainer) == before


def test_refit_on_numbers_has_no_classes():
    X, y = cases.noisy_classes(2)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    assert_array_equal(explainer.classes_, [0, 1])
    regressor = SGDRegressor(average=True, tol=None, max_iter=1000, random_state=0)
    explainer.set_params(estimator=regressor).fit(X[:, 1:], X[:, 0])
    assert not hasattr(explainer, "classes_")


def test_nearest_neighbors_stay_as_they_were():
    X, y = cases.noisy_classes(2)
    explainer = NearestNeighborsExplainer().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        explainer.fit(X[:, :2], y[:-1])
    assert explainer.n_features_in_ == 4
    assert_array_equal(explainer.explain(X[:1]).indices[0, 0], 0)


@pytest.mark.parametrize(
    "model",
    [
        LinearDiscriminantAnalysis(),
        LassoLars(),
        OneVsRestClassifier(QuadraticDiscriminantAnalysis(reg_param=0.1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_weights_that_no_fit_can_have_minded_are_refused(model):
    X, y = load_iris(return_X_y=True)
    model = model.fit(X, y)
    with pytest.raises(ValueError, match="takes no sample_weight in its fit"):
        RelatIFExplainer.from_fitted(model, X, y, np.repeat([1.0, 2.0], 75))
    RelatIFExplainer.from_fitted(model, X, y, np.ones(150))


def test_recordings_go_to_workers_empty():
    seen = Recordings()
    model = LogisticRegression()
    seen.keep(model, None)
    assert not pickle.loads(pickle.dumps(seen))


def test_recordings_are_dropped_with_their_models():
    seen = Recordings()
    model = LogisticRegression()
    seen.keep(model, TrainingData(None, None, 1.0))
    assert seen.of(model).sample_weight == 1 and seen.of(LogisticRegression()) is None
    del model
    assert len(seen) == 0
