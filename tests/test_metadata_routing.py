"""With metadata routing an explainer is a router: weights reach whatever has requested them.

What it then explains is compared with real refits of scikit-learn with the same weights.
"""

import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import MetadataRouter

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from tests import cases

#: Newton's steps end at the level of rounding, so that refits are what they should be.
LOGISTIC = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-14)
RIDGE = Ridge(alpha=2.0)
ALIAS = "my_weights"
#: So that it warns of no default that changes.
OF_RELEASE = {} if cases.HAS_MULTI_CLASS else {"use_legacy_attributes": False, "l1_ratios": (0.0,)}


@pytest.fixture(autouse=True)
def routed():
    with config_context(enable_metadata_routing=True):
        yield


def problem(model):
    X, y = cases.noisy_classes(3)
    if isinstance(model, Ridge):
        X, y = X[:, 1:], X[:, 0] + y
    return X, y, np.random.default_rng(0).integers(0, 4, len(y)).astype(float)


def requesting(model, request=True):
    return clone(model).set_fit_request(sample_weight=request)


def loss(model, X, y):
    """By which a query enters, from the model's public methods."""
    if isinstance(model, Ridge):
        return (model.predict(X) - y) ** 2 / 2
    return -model.predict_log_proba(X)[np.arange(len(y)), y]


def assert_explains_refits(explainer, model, X, y, weight):
    """The model is that of these weights, and removals are those of refits with them."""
    queries, labels = X[:4], y[:4]
    full = clone(model).fit(X, y, weight)
    assert_allclose(explainer._study.model.coef_, full.coef_, rtol=0, atol=1e-10)
    effect = explainer.removal_effect(queries, labels, order="retrain")
    for row in (0, 1, 7, 30):
        without = weight.copy()
        without[row] = 0
        refit = clone(model).fit(X, y, without)
        change = loss(refit, queries, labels) - loss(full, queries, labels)
        assert_allclose(effect[:, row], change, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["sample_weight", ALIAS])
@pytest.mark.parametrize("model", [LOGISTIC, RIDGE], ids=["logistic", "ridge"])
def test_weights_reach_the_model(model, name):
    X, y, weight = problem(model)
    wanted = requesting(model, True if name == "sample_weight" else name)
    explainer = RelatIFExplainer(wanted).fit(X, y, **{name: weight})
    assert_explains_refits(explainer, model, X, y, weight)


@pytest.mark.parametrize("name", ["sample_weight", ALIAS])
@pytest.mark.parametrize("model", [LOGISTIC, RIDGE], ids=["logistic", "ridge"])
def test_weights_reach_the_model_through_a_search(model, name):
    X, y, weight = problem(model)
    wanted = requesting(model, True if name == "sample_weight" else name)
    explainer = RelatIFExplainer(wanted, n_retrainings=5, random_state=0)
    search = GridSearchCV(explainer, {"criterion": ["influence", "loss_relative"]}, cv=2)
    search.fit(X, y, **{name: weight})
    assert_explains_refits(search.best_estimator_, model, X, y, weight)


@pytest.mark.parametrize("name", ["sample_weight", ALIAS])
def test_weights_reach_the_model_through_pipelines(name):
    X, y, weight = problem(LOGISTIC)
    wanted = requesting(LOGISTIC, True if name == "sample_weight" else name)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    scaled = scaler.fit_transform(X)
    inside = RelatIFExplainer(make_pipeline(scaler, wanted)).fit(X, y, **{name: weight})
    around = make_pipeline(scaler, RelatIFExplainer(wanted)).fit(X, y, **{name: weight})
    assert_explains_refits(around[-1], LOGISTIC, scaled, y, weight)
    asked = inside.removal_effect(X[:4], y[:4], order="retrain")
    assert_allclose(asked, around[-1].removal_effect(scaled[:4], y[:4], order="retrain"))


def test_a_step_that_is_no_last_one_is_given_them_too():
    X, y, weight = problem(LOGISTIC)
    explainer = RelatIFExplainer(requesting(LOGISTIC))
    last = requesting(LogisticRegression(), False)
    pipeline = make_pipeline(explainer, last).fit(X, y, sample_weight=weight)
    assert_explains_refits(pipeline[0], LOGISTIC, X, y, weight)
    embedded = clone(explainer).fit_transform(X, y, sample_weight=weight)
    assert_array_equal(embedded, pipeline[0].transform(X))


def test_only_who_requests_them_gets_them():
    """The scaler does, and the model under another name, or not at all."""
    X, y, weight = problem(LOGISTIC)
    scaler = StandardScaler().set_fit_request(sample_weight=True)
    scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    plain = make_pipeline(scaler, requesting(LOGISTIC, False))
    explainer = RelatIFExplainer(plain).fit(X, y, sample_weight=weight)
    assert_allclose(explainer._study.model.coef_, clone(LOGISTIC).fit(scaled, y).coef_, atol=1e-10)
    assert explainer._study.training_data.sample_weight is None
    other = np.roll(weight, 1)
    named = make_pipeline(scaler, requesting(LOGISTIC, ALIAS))
    explainer = RelatIFExplainer(named).fit(X, y, sample_weight=weight, **{ALIAS: other})
    expected = clone(LOGISTIC).fit(scaled, y, other).coef_
    assert_allclose(explainer._study.model.coef_, expected, atol=1e-10)
    assert_array_equal(explainer._study.training_data.sample_weight, other)


def test_what_is_not_said_to_be_wanted_is_refused():
    X, y, weight = problem(LOGISTIC)
    message = re.escape(
        "[sample_weight] are passed but are not explicitly set as requested or not requested for "
        "LogisticRegression.fit"
    )
    explainer = RelatIFExplainer(LOGISTIC)
    for estimator in (
        explainer,
        RelatIFExplainer(make_pipeline("passthrough", LOGISTIC)),
        make_pipeline(StandardScaler().set_fit_request(sample_weight=False), explainer),
        GridSearchCV(explainer, {"damping": [0.0]}, error_score="raise"),
    ):
        with pytest.raises(UnsetMetadataPassedError, match=message):
            estimator.fit(X, y, sample_weight=weight)
    assert explainer.fit(X, y)._study.training_data.sample_weight is None


def test_what_nobody_takes_is_refused():
    X, y, weight = problem(LOGISTIC)
    aliased = RelatIFExplainer(requesting(LOGISTIC, ALIAS))
    for explainer, name in (
        (aliased, "sample_weight"),
        (RelatIFExplainer(LOGISTIC), ALIAS),
        (NearestNeighborsExplainer(), "sample_weight"),
    ):
        with pytest.raises(TypeError, match=rf"unexpected.*{name}"):
            explainer.fit(X, y, **{name: weight})


def test_a_search_inside_routes_to_its_scorer_and_to_its_folds():
    X, y, weight = problem(LOGISTIC)
    groups = np.arange(len(y)) % 5
    # That of the weights alone: the other penalty would be chosen without them.
    scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
    grid = {"C": [0.001, 0.5]}
    search = GridSearchCV(requesting(LOGISTIC), grid, cv=GroupKFold(3), scoring=scorer)
    metadata = {"sample_weight": weight, "groups": groups}
    explainer = RelatIFExplainer(search).fit(X, y, **metadata)
    expected = clone(search).fit(X, y, **metadata)
    found = explainer.estimator_.cv_results_["mean_test_score"]
    assert_array_equal(found, expected.cv_results_["mean_test_score"])
    best = clone(LOGISTIC).set_params(**expected.best_params_)
    assert_explains_refits(explainer, best, X, y, weight)
    with pytest.raises(TypeError, match=r"unexpected argument.*elsewhere"):
        RelatIFExplainer(search).fit(X, y, **metadata, elsewhere=groups)


def test_cross_validation_hands_its_share_to_each_fold():
    X, y, weight = problem(LOGISTIC)
    explainer = RelatIFExplainer(requesting(LOGISTIC), n_retrainings=3, random_state=0)
    options = {"cv": 2, "return_estimator": True, "return_indices": True}
    scores = cross_validate(explainer, X, y, params={"sample_weight": weight}, **options)
    for fitted, rows in zip(scores["estimator"], scores["indices"]["train"], strict=True):
        assert_explains_refits(fitted, LOGISTIC, X[rows], y[rows], weight[rows])


class Noted(TransformerMixin, BaseEstimator):
    """Notes what its rows come with."""

    def fit(self, X, y=None, *, batch=None):
        self.batch_ = batch
        return self

    def transform(self, X):
        return X


def test_other_metadata_reach_transformers():
    X, y, weight = problem(LOGISTIC)
    batch = np.arange(len(y))
    noted = Noted().set_fit_request(batch=True)
    explainer = RelatIFExplainer(make_pipeline(noted, requesting(LOGISTIC)))
    explainer.fit(X, y, sample_weight=weight, batch=batch)
    assert_array_equal(explainer.estimator_[0].batch_, batch)
    assert_explains_refits(explainer, LOGISTIC, X, y, weight)


@pytest.mark.parametrize("order", ["first", "newton", "retrain"])
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda model: LogisticRegressionCV(
            Cs=[0.5],
            cv=2,
            tol=1e-10,
            scoring=get_scorer("accuracy").set_score_request(sample_weight=True),
            **OF_RELEASE,
        ),
        lambda model: TunedThresholdClassifierCV(
            model, cv=2, scoring=get_scorer("accuracy").set_score_request(sample_weight=False)
        ),
        lambda model: BaggingClassifier(model, n_estimators=3, random_state=0),
    ],
    ids=["chosen penalty", "threshold", "bag"],
)
def test_models_that_route_themselves_are_removed_from_as_without_routing(wrapped, order):
    X, y = cases.noisy_classes(2)
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    estimator = wrapped(requesting(LOGISTIC))
    if "set_fit_request" in dir(estimator):
        estimator.set_fit_request(sample_weight=True)
    explainer = RelatIFExplainer(estimator).fit(X, y, sample_weight=weight)
    found = explainer.removal_effect(X[:3], y[:3], order=order)
    with config_context(enable_metadata_routing=False):
        expected = RelatIFExplainer.from_fitted(explainer.estimator_, X, y, weight)
        assert_allclose(found, expected.removal_effect(X[:3], y[:3], order=order), atol=1e-10)


def test_weights_of_a_frozen_model_are_those_that_it_is_said_to_have():
    """It is not fitted, so nothing is routed."""
    X, y, weight = problem(LOGISTIC)
    fitted = clone(LOGISTIC).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(fitted, X, y, weight)
    assert_explains_refits(explainer, LOGISTIC, X, y, weight)
    again = RelatIFExplainer(FrozenEstimator(fitted)).fit(X, y, sample_weight=weight)
    assert_array_equal(again.pairwise_influence(X[:3]), explainer.pairwise_influence(X[:3]))


def test_what_cannot_route_says_so():
    with pytest.raises(NotImplementedError, match="AdaBoostClassifier"):
        RelatIFExplainer(AdaBoostClassifier()).get_metadata_routing()


def test_requests():
    explainer = RelatIFExplainer(LOGISTIC)
    assert not hasattr(explainer, "set_fit_request")
    router = explainer.get_metadata_routing()
    assert isinstance(router, MetadataRouter)
    assert router.consumes("fit", {"sample_weight"}) == set()
    wanted = RelatIFExplainer(requesting(LOGISTIC, ALIAS)).get_metadata_routing()
    assert wanted.consumes("fit", {"sample_weight", ALIAS}) == {ALIAS}
    assert wanted.consumes("fit_transform", {ALIAS}) == {ALIAS}
    # Neighbours take the rows, and labels to show.
    assert not hasattr(NearestNeighborsExplainer(), "set_fit_request")
    assert NearestNeighborsExplainer().get_metadata_routing().consumes("fit", {"y"}) == set()


def test_score_is_told_which_correlation():
    X, y, weight = problem(LOGISTIC)
    explainer = RelatIFExplainer(requesting(LOGISTIC), n_retrainings=5, random_state=0)
    explainer.set_score_request(correlation=True)
    given = {"sample_weight": weight, "correlation": "spearman"}
    scores = cross_validate(
        explainer, X, y, params=given, cv=2, return_estimator=True, return_indices=True
    )
    for fitted, rows, score in zip(
        scores["estimator"], scores["indices"]["test"], scores["test_score"], strict=True
    ):
        assert score == fitted.score(X[rows], y[rows], correlation="spearman")
        assert score != fitted.score(X[rows], y[rows])


def test_what_was_routed_stays_when_it_is_saved_or_made_compact():
    X, y, weight = problem(LOGISTIC)
    explainer = RelatIFExplainer(requesting(LOGISTIC, ALIAS)).fit(X, y, **{ALIAS: weight})
    loaded = pickle.loads(pickle.dumps(explainer))
    assert_explains_refits(loaded, LOGISTIC, X, y, weight)
    assert_explains_refits(clone(loaded).fit(X, y, **{ALIAS: weight}), LOGISTIC, X, y, weight)
    expected = explainer.pairwise_influence(X[:5])
    assert_allclose(explainer.compact().pairwise_influence(X[:5]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The scoring RelatIFExplainer.score does not support")
def test_without_routing_weights_are_an_argument():
    X, y, weight = problem(LOGISTIC)
    explainer = RelatIFExplainer(requesting(LOGISTIC, ALIAS), n_retrainings=3, random_state=0)
    inside = clone(explainer).set_params(estimator=make_pipeline("passthrough", LOGISTIC))
    search = GridSearchCV(explainer, {"damping": [0.0]}, cv=2)
    with config_context(enable_metadata_routing=False):
        search.fit(X, y, sample_weight=weight)
        for fitted in (explainer.fit(X, y, weight), inside.fit(X, y, weight)):
            assert_explains_refits(fitted, LOGISTIC, X, y, weight)
        assert_explains_refits(search.best_estimator_, LOGISTIC, X, y, weight)
        with pytest.raises(TypeError, match=ALIAS):
            explainer.fit(X, y, **{ALIAS: weight})
