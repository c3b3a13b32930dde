"""Wrappers that are looked through: thresholds, transformed targets, searches of placeholders."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from tests import cases

X, Y = cases.breast_cancer()
NAMES = np.array(["malignant", "benign"])[Y]
LOGISTIC = LogisticRegression(tol=1e-8, max_iter=1000)
THRESHOLDS = {
    "fixed": FixedThresholdClassifier(LOGISTIC, threshold=0.9),
    "fixed, of the other class": FixedThresholdClassifier(
        LOGISTIC, threshold=0.9, pos_label="benign"
    ),
    "fixed score": FixedThresholdClassifier(
        LOGISTIC, threshold=3.0, pos_label="benign", response_method="decision_function"
    ),
    "tuned": TunedThresholdClassifierCV(LOGISTIC, cv=3),
    "inside a pipeline": make_pipeline(
        StandardScaler(), FixedThresholdClassifier(LOGISTIC, threshold=0.1)
    ),
    "around a pipeline": FixedThresholdClassifier(
        make_pipeline(StandardScaler(), LOGISTIC), threshold=0.1
    ),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_the_label_that_a_threshold_gives_is_explained(name):
    explainer = RelatIFExplainer(THRESHOLDS[name]).fit(X, NAMES)
    labels = explainer.predict(X)
    assert (labels != explainer.estimator_.estimator_.predict(X)).any() if name == "fixed" else True
    assert_array_equal(explainer.explain(X).targets, labels)
    assert_array_equal(explainer.training_rows_.predictions, labels)
    frozen = RelatIFExplainer.from_fitted(explainer.estimator_, X, NAMES)
    assert_allclose(frozen.pairwise_influence(X[:5]), explainer.pairwise_influence(X[:5]))


def test_a_label_flips_at_the_threshold():
    model = FixedThresholdClassifier(LOGISTIC, threshold=0.9, pos_label="benign").fit(X, NAMES)
    probability = model.predict_proba(X)[:, 0]
    nearest = np.argmin(np.where(probability > 0.9, probability, np.inf))
    explainer = RelatIFExplainer.from_fitted(model, X, NAMES)
    found = explainer.flip_set(X[[nearest]])
    assert (found.label, found.new_label) == ("benign", "malignant")
    assert found.probability_before > 0.9 > found.probability_after > 0.5
    kept = np.delete(np.arange(len(X)), found.positions)
    refit = clone(model).fit(X[kept], NAMES[kept])
    assert refit.predict(X[[nearest]]) == ["malignant"]


def test_a_threshold_of_other_probabilities_is_refused():
    scored = FixedThresholdClassifier(SVC(), threshold=0.3, response_method="decision_function")
    explainer = RelatIFExplainer(scored).fit(X, NAMES)
    assert_array_equal(explainer.explain(X[:20]).targets, explainer.predict(X[:20]))

    class Doubting(LogisticRegression):
        """Whose probabilities are others than those of its objective."""

        def predict_proba(self, X):
            return 0.2 + 0.6 * super().predict_proba(X)

    model = FixedThresholdClassifier(Doubting(), threshold=0.7)
    with pytest.raises(ValueError, match=r"do not come from the predictor.*`estimator_`"):
        RelatIFExplainer(model).fit(X, NAMES)


def test_weights_and_folds_do_not_mix():
    """What is explained is the last fit, whichever fits its folds have seen in between."""
    explainer = RelatIFExplainer(TunedThresholdClassifierCV(LOGISTIC, cv=5)).fit(X, NAMES)
    assert explainer.training_rows_.index.size == len(X)
    assert explainer.distance_to_optimum_ < 0.01


@pytest.mark.parametrize(
    "model",
    [
        TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
        TransformedTargetRegressor(make_pipeline(StandardScaler(), Ridge()), func=np.log,
                                   inverse_func=np.exp),
        make_pipeline(StandardScaler(), TransformedTargetRegressor(
            Ridge(), transformer=PowerTransformer())),
    ],
)  # fmt: skip
def test_a_transformed_target_is_shown_as_it_was_given(model):
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.distance_to_optimum_ < 1e-3
    assert_array_equal(explainer.training_rows_.labels, y)
    assert_allclose(explainer.training_rows_.predictions, explainer.predict(X))
    assert_allclose(explainer.explain(X[:3]).targets, explainer.predict(X[:3]))
    assert_allclose(explainer.explain(X[:3], y[:3]).targets, y[:3])
    frozen = RelatIFExplainer.from_fitted(explainer.estimator_, X, y)
    found, expected = (one.pairwise_influence(X[:3], y[:3]) for one in (frozen, explainer))
    assert_allclose(found, expected)


def test_a_transformed_target_counts_in_its_own_units():
    X, y = load_diabetes(return_X_y=True)
    model = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp).fit(X, y)
    found = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X[:3], y[:3])
    inner = RelatIFExplainer.from_fitted(model.regressor_, X, np.log(y))
    assert_allclose(found, inner.pairwise_influence(X[:3], np.log(y[:3])))


@pytest.mark.parametrize("placeholder", ["passthrough", None])
def test_a_search_may_put_a_model_in_the_place_of_nothing(placeholder):
    steps = [("scale", StandardScaler()), ("model", placeholder)]
    grid = {"model": [LogisticRegression(C=0.1), LogisticRegression(C=10, max_iter=1000)]}
    search = GridSearchCV(Pipeline(steps), grid, scoring="accuracy")
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    explainer = RelatIFExplainer(search).fit(X, NAMES, sample_weight=weight)
    assert explainer.distance_to_optimum_ < 0.1
    best = explainer.estimator_.best_estimator_
    expected = RelatIFExplainer.from_fitted(best[-1], best[:-1].transform(X), NAMES, weight)
    queries = best[:-1].transform(X[:3])
    assert_allclose(
        explainer.pairwise_influence(X[:3]), expected.pairwise_influence(queries), rtol=1e-6
    )


@pytest.mark.parametrize("kind", ["classifier", "regressor", "cluster", "transformer"])
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_every_other_estimator_has_a_way_out(kind):
    """Of scikit-learn: either it is explained, or the message says what to do for its type."""
    for name, estimator in all_estimators(kind):
        wraps = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}
        if name in wraps | {"TransformedTargetRegressor"}:
            continue
        with np.errstate(all="ignore"):
            unfitted = estimator.__new__(estimator)
        try:
            adapter_of(unfitted)
        except TypeError as error:
            before, way_and_names = str(error).split(" cannot be explained.")
            assert before == name
            assert not way_and_names.startswith(" Supported estimators"), name


@pytest.mark.parametrize(
    ("ranker", "leaves"),
    [
        ("xgboost.XGBRanker", "model.apply"),
        ("lightgbm.LGBMRanker", "pred_leaf=True"),
        ("catboost.CatBoostRanker", "calc_leaf_indexes"),
    ],
)
def test_rankers_have_a_way_out(ranker, leaves):
    library, kind = ranker.split(".")
    with pytest.raises(TypeError, match=f"cannot be explained.*{leaves}"):
        adapter_of(getattr(pytest.importorskip(library), kind)())
