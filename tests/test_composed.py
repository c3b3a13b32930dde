"""Models that are made of several: how their members come together, and what is refused."""

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_relatif import RelatIFExplainer, trusted_types
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.losses import (
    CalibratedLoss,
    LogLink,
    LogLoss,
    MeanPredictionLoss,
    MeanProbabilityLoss,
    MultinomialLogLoss,
    PoissonDeviance,
    ProblemsLoss,
    SquaredError,
    SquaredHinge,
    TargetsLoss,
    VoteLoss,
    binary_codebook,
    one_vs_rest_codebook,
)
from sklearn_relatif.serving import ExplanationIndex
from tests import cases

LOGISTIC = LogisticRegression(solver="newton-cholesky", tol=1e-12)
MARGIN = LinearSVC(dual=False, tol=1e-12)
X, Y = cases.noisy_classes(3)
X_NEW, Y_NEW = X[:4] + 0.1, np.array([0, 1, 2, 1])
BINARY = (Y == 1).astype(int)
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + np.random.default_rng(0).normal(size=len(X))
BOTH = np.column_stack([Y, X[:, 0] + X[:, 3] > 0]).astype(int)
STEP = 1e-4


def soft(**params):
    members = [("one", LOGISTIC), ("other", clone(LOGISTIC).set_params(C=0.05))]
    return VotingClassifier(members, voting="soft", weights=[1, 3], **params)


def log_loss(model):
    return -np.log(model.predict_proba(X_NEW)[np.arange(len(X_NEW)), Y_NEW])


# --- what queries ask of predictors ------------------------------------------------------------

BINARY_LOSS, THREE = LogLoss(binary_codebook()), MultinomialLogLoss(3)
PAIRS = np.array([[0, 0, -1], [1, -1, 0], [-1, 1, 1]])
LOSSES = {
    "problems": ProblemsLoss([BINARY_LOSS] * 3, np.eye(3, dtype=int), "score", False, True),
    "pairs": ProblemsLoss([BINARY_LOSS] * 3, PAIRS, "probability", True, False),
    "margins": ProblemsLoss(
        [SquaredHinge(binary_codebook())] * 3, np.eye(3, dtype=int), "score", False, False
    ),
    "votes": VoteLoss([THREE, SquaredHinge(one_vs_rest_codebook(3))], np.array([1.0, 2.0]), 3),
    "probabilities": MeanProbabilityLoss(
        [THREE, LogLoss(one_vs_rest_codebook(3))], np.array([1.0, 2.0])
    ),
    "calibrated": MeanProbabilityLoss(
        [
            CalibratedLoss(THREE, np.array([-1.0, -2.0, -0.5]), np.array([0.1, 0.0, -0.3])),
            CalibratedLoss(
                SquaredHinge(one_vs_rest_codebook(3)), -np.ones(3), np.array([0.5, 0.2, 0.0])
            ),
        ],
        np.ones(2),
    ),
}
DEVIANCE = PoissonDeviance(LogLink())
NUMBER_LOSSES = {
    "predictions": (MeanPredictionLoss([DEVIANCE, SquaredError()], np.array([1.0, 3.0])), 1),
    "targets": (TargetsLoss([DEVIANCE, SquaredError()]), 2),
}


def differences(function, eta):
    steps = 1e-6 * np.eye(eta.shape[1])
    sides = [(function(eta + step) - function(eta - step)) / 2e-6 for step in steps]
    return np.stack(sides, axis=1)


def assert_derivatives(loss, y, eta):
    assert_allclose(
        loss.residual(y, eta), differences(lambda at: loss.value(y, at), eta), atol=1e-8
    )
    norm, unit = loss.query_direction(y, eta)
    of_query = differences(lambda at: loss.query_value(y, at), eta)
    assert_allclose(norm[:, None] * unit, of_query, atol=1e-8)
    assert_allclose(loss.from_scores(loss.scores(eta)), eta, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_of_losses_of_classes(name):
    loss = LOSSES[name]
    eta = np.random.default_rng(0).normal(size=(30, loss.n_outputs))
    assert_derivatives(loss, np.arange(30) % 3, eta)
    if loss.has_probabilities:
        p = loss.probabilities(eta)
        assert_allclose(p.sum(axis=1), 1)
        assert_array_equal(loss.predict(eta), p.argmax(axis=1))


@pytest.mark.parametrize("name", NUMBER_LOSSES)
@pytest.mark.parametrize("is_known", [True, False])
def test_derivatives_of_losses_of_numbers(name, is_known):
    loss, n_targets = NUMBER_LOSSES[name]
    rng = np.random.default_rng(0)
    eta, y = rng.normal(size=(30, 2)), rng.poisson(2.0, size=(30, n_targets)).astype(float)
    y = np.where(is_known, y, np.nan).reshape(loss.predict(eta).shape)
    assert_derivatives(loss, y, eta)
    if not is_known:
        assert_allclose(loss.value(y, eta), -loss.predict(eta).reshape(30, -1).sum(axis=1))


def test_a_saturated_mean_of_probabilities_has_a_direction():
    loss, eta = LOSSES["probabilities"], 400.0 * np.array([[1.0, -1.0, 2.0, -2.0, -2.0]])
    norm, unit = loss.direction(np.array([0]), eta)
    assert 0 < norm[0] < 1e-50
    assert_allclose(np.linalg.norm(unit), 1)


# --- against models of their members -----------------------------------------------------------


def test_influence_is_the_sum_over_the_members():
    """Of a vote for labels: queries weigh its members, rows count in each by their weights."""
    weight = cases.weights_with_zeros(len(Y))
    balanced = clone(LOGISTIC).set_params(class_weight="balanced")
    vote = VotingClassifier([("a", LOGISTIC), ("b", balanced)], weights=[1, 2])
    vote.fit(X, Y, sample_weight=weight)
    whole = RelatIFExplainer.from_fitted(vote, X, Y, weight, criterion="influence")
    total, counts = 0, weight > 0
    for share, member in zip([1 / 3, 2 / 3], vote.estimators_, strict=True):
        own = RelatIFExplainer.from_fitted(member, X, Y, weight, criterion="influence")
        # A row counts its class weight in the member, and the sum of all weights there.
        objective = reduce_estimator(member, X, Y, weight)
        factor = objective.sample_weight / objective.total_weight
        total = total + share * factor * own.pairwise_influence(X_NEW, Y_NEW)
    found = whole.pairwise_influence(X_NEW, Y_NEW) * weight / weight.sum()
    assert_allclose(found[:, counts], total[:, counts], rtol=1e-6, atol=1e-12)
    assert not found[:, ~counts].any()
    assert_allclose(
        whole.explain(X_NEW, Y_NEW).scores,
        np.sort(whole.pairwise_influence(X_NEW, Y_NEW), axis=1)[:, :-6:-1],
    )


def test_one_vs_rest_of_pipelines_is_that_of_their_models():
    """The stacked objective of LogisticRegression and the composed one are the same."""
    scaled = StandardScaler().fit_transform(X)
    inside = RelatIFExplainer(
        OneVsRestClassifier(make_pipeline(StandardScaler(), LOGISTIC)), random_state=0
    ).fit(X, Y)
    stacked = RelatIFExplainer(OneVsRestClassifier(LOGISTIC), random_state=0).fit(scaled, Y)
    queries = StandardScaler().fit(X).transform(X_NEW)
    for criterion in ("influence", "theta_relative", "loss_relative"):
        found = inside.pairwise_influence(X_NEW, Y_NEW, criterion=criterion)
        expected = stacked.pairwise_influence(queries, Y_NEW, criterion=criterion)
        assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    for order in ("first", "newton", "retrain"):
        found = inside.removal_effect(X_NEW, Y_NEW, order=order)
        assert_allclose(found, stacked.removal_effect(queries, Y_NEW, order=order), atol=1e-9)
    assert_allclose(inside.loo_proba(), stacked.loo_proba(), atol=1e-9)
    assert_allclose(inside.leverage_, stacked.leverage_, rtol=1e-6)
    inside.criterion = stacked.criterion = "influence"
    assert_allclose(inside.score(X_NEW, Y_NEW), stacked.score(queries, Y_NEW), atol=1e-6)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_bags_hold_what_they_drew(is_indexed):
    """To first order, the derivative by what a row counts in each of the draws."""
    member = make_pipeline(StandardScaler(), LOGISTIC) if is_indexed else LOGISTIC
    bag = BaggingClassifier(member, n_estimators=3, max_features=0.8, random_state=1).fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(bag, X, Y)
    effect = explainer.removal_effect(X_NEW, Y_NEW, order="first")
    retrained = explainer.removal_effect(X_NEW, Y_NEW, order="retrain")

    def losses(row, change):
        changed = deepcopy(bag)
        drawn = zip(
            changed.estimators_, bag.estimators_samples_, bag.estimators_features_, strict=True
        )
        for own, samples, columns in drawn:
            counts = np.bincount(samples, minlength=len(Y)).astype(float)
            counts[row] *= 1 + change
            features = X[:, columns]
            core = own[-1] if is_indexed else own
            core.fit(own[0].transform(features) if is_indexed else features, Y, counts)
        return log_loss(changed)

    for row in (0, 5):
        slope = (losses(row, -STEP) - losses(row, STEP)) / (2 * STEP)
        assert_allclose(effect[:, row], slope, rtol=1e-5, atol=1e-8)
        assert_allclose(retrained[:, row], losses(row, -1) - losses(row, 0), atol=1e-9)
    never = np.setdiff1d(np.arange(len(Y)), np.concatenate(bag.estimators_samples_))
    assert not explainer.self_influence_[never].any()
    assert not retrained[:, never].any()
    (without,) = explainer.retrain_without([[0]])
    assert_allclose(log_loss(without), losses(0, -1), atol=1e-9)
    assert explainer.loo_proba().shape == (len(Y), 3)


def test_leave_one_out_probabilities_of_rows_that_were_drawn_repeatedly():
    member = make_pipeline(StandardScaler(), LOGISTIC)
    bag = BaggingClassifier(member, n_estimators=2, random_state=1).fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(bag, X, Y)
    found = explainer.loo_proba()
    effect = explainer.removal_effect(X[:5], Y[:5], order="newton")
    before = -np.log(bag.predict_proba(X)[np.arange(5), Y[:5]])
    own = -np.log(found[np.arange(5), Y[:5]])
    assert_allclose(own - before, np.diag(effect), atol=1e-9)


@pytest.mark.parametrize("ensemble", [False, True])
def test_calibration_is_held(ensemble):
    model = CalibratedClassifierCV(LOGISTIC, ensemble=ensemble, cv=3).fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(model, X, Y)
    assert explainer.distance_to_optimum_ < 1e-3
    rows = [np.arange(len(Y))]
    if ensemble:
        rows = [train for train, _ in StratifiedKFold(3).split(X, Y)]

    def losses(row, change):
        changed = deepcopy(model)
        for calibrated, own in zip(changed.calibrated_classifiers_, rows, strict=True):
            weight = np.ones(len(Y))
            weight[row] += change
            calibrated.estimator.fit(X[own], Y[own], weight[own])
        return log_loss(changed)

    effect = explainer.removal_effect(X_NEW, Y_NEW, order="first")[:, 3]
    slope = (losses(3, -STEP) - losses(3, STEP)) / (2 * STEP)
    assert_allclose(effect, slope, rtol=1e-5, atol=1e-9)
    retrained = explainer.removal_effect(X_NEW, Y_NEW, order="retrain")[:, 3]
    assert_allclose(retrained, losses(3, -1) - losses(3, 0), atol=1e-9)


# --- what else is asked of them ----------------------------------------------------------------

MODELS = {
    "one vs rest": (OneVsRestClassifier(MARGIN), Y),
    "one vs one": (OneVsOneClassifier(LOGISTIC), Y),
    "two labels": (MultiOutputClassifier(LOGISTIC), BOTH),
    "vote": (soft(), Y),
    "bag": (BaggingRegressor(Ridge(), n_estimators=3, random_state=0), NUMBERS),
    "several scores": (VotingClassifier([("a", RidgeClassifier()), ("b", LOGISTIC)]), Y),
}


@pytest.mark.parametrize("name", MODELS)
def test_everything_that_is_asked(name):
    model, y = MODELS[name]
    explainer = RelatIFExplainer(model, criterion="influence").fit(X, y)
    scores = explainer.pairwise_influence(X_NEW)
    found = explainer.explain(X_NEW, n_examples=3)
    assert_allclose(found.scores, np.sort(scores, axis=1)[:, :-4:-1])
    assert len(found.frame()) == 3 * len(X_NEW)
    assert_array_equal(
        ExplanationIndex(explainer).explain(X_NEW, n_examples=3).indices, found.indices
    )
    loaded = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(loaded.pairwise_influence(X_NEW), scores)
    embedded = explainer.transform(X_NEW)
    assert embedded.shape[1] == len(explainer.get_feature_names_out())
    if name != "bag":
        assert_allclose(embedded @ explainer.transform(X, y).T, scores, atol=1e-8)
    by_cg = RelatIFExplainer(model, criterion="influence", solver="cg").fit(X, y)
    assert_allclose(by_cg.pairwise_influence(X_NEW), scores, atol=1e-6)
    assert_allclose(explainer.scale_, 1)
    lengths = explainer.pairwise_influence(X_NEW, criterion="loss_relative")
    assert_allclose(lengths * np.sqrt(explainer.self_influence_), scores, atol=1e-8)
    assert_array_equal(found.targets, explainer.predict(X_NEW))
    shape = explainer.removal_effect_on(lambda s: (s.sum(), np.ones_like(s)), X_NEW).shape
    assert shape == (len(X),)


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "identity"])
def test_damping_is_that_of_the_whole(curvature):
    model = soft().fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(
        model, X, Y, curvature=curvature, damping=0.1, criterion="influence"
    )
    total = 0
    for member in model.estimators_:
        objective = reduce_estimator(member, X, Y, np.ones(len(Y)))
        kind = {"hessian": objective.hessian, "fisher": objective.fisher}.get(curvature)
        matrix = kind()[0] if kind else np.eye(objective.weights.size)
        matrix = matrix + 0.1 * np.eye(len(matrix))
        rows = objective.rows.norm[:, None] * objective.rows.block(slice(None))
        # A query asks for its share of the mean of probabilities.
        own = objective.query_rows(objective.query_jacobian(X_NEW), Y_NEW)
        counts = 1 if member is model.estimators_[0] else 3
        of_label = member.predict_proba(X_NEW)[np.arange(4), Y_NEW] * counts
        share = of_label / (4 * model.predict_proba(X_NEW)[np.arange(4), Y_NEW])
        queries = (share * own.norm)[:, None] * own.block(slice(None))
        total = total + queries @ np.linalg.solve(matrix, rows.T)
    assert_allclose(explainer.pairwise_influence(X_NEW, Y_NEW), total, rtol=1e-6, atol=1e-9)


def test_audits():
    explainer = RelatIFExplainer(soft()).fit(X, Y)
    report = explainer.audit(X_NEW, Y_NEW)
    assert {"leverage", "loo_probability", "self_influence"} <= set(report.frame().columns)
    assert "VotingClassifier" in report.summary()
    assert RelatIFExplainer(VotingRegressor([("a", Ridge())])).fit(X, NUMBERS).audit() is not None


def test_a_label_that_flips():
    """Scores of problems lead as those of one model do."""
    explainer = RelatIFExplainer(OneVsOneClassifier(LOGISTIC)).fit(X, Y)
    lead = np.sort(explainer.estimator_.decision_function(X), axis=1)
    nearest = np.argmin(lead[:, -1] - lead[:, -2])
    found = explainer.flip_set(X[[nearest]])
    (without,) = explainer.retrain_without([found.positions])
    assert without.predict(X[[nearest]])[0] == found.new_label != found.label


def test_frames_of_texts_and_numbers():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 0, "yes", "no")})
    columns = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    vote = soft().set_params(
        one=make_pipeline(columns, LOGISTIC), other=make_pipeline(clone(columns), clone(LOGISTIC))
    )
    names = np.array(["x", "y", "z"])[Y]
    explainer = RelatIFExplainer(vote).fit(frame, names)
    found = explainer.explain(frame[:3], [["x", "y"], ["y", "z"], ["x", "z"]])
    assert_array_equal(found.targets, ["x", "y", "y", "z", "x", "z"])
    assert explainer.removal_effect(frame[:3], names[:3]).shape == (3, len(frame))
    # Others hand arrays on.
    pair = RelatIFExplainer(OneVsOneClassifier(LOGISTIC)).fit(frame[["a", "b"]], names)
    bag = RelatIFExplainer(BaggingClassifier(LOGISTIC, random_state=0)).fit(
        frame[["a", "b"]], names
    )
    for own in (pair, bag):
        assert own.explain(frame[["a", "b"]][:3]).indices.shape == (3, 5)


def test_models_in_models_in_models():
    bag = BaggingClassifier(OneVsRestClassifier(LOGISTIC), n_estimators=2, random_state=0)
    model = make_pipeline(
        StandardScaler(), VotingClassifier([("a", bag), ("b", soft())], voting="soft")
    )
    explainer = RelatIFExplainer(model).fit(X, Y)
    assert explainer.distance_to_optimum_ < 1e-3
    first, retrained = (
        explainer.removal_effect(X_NEW, Y_NEW, order=order) for order in ("first", "retrain")
    )
    assert np.corrcoef(first.ravel(), retrained.ravel())[0, 1] > 0.97
    (without,) = explainer.retrain_without([[0, 1]])
    effect = explainer.removal_effect(
        X_NEW, Y_NEW, np.where(np.arange(len(X)) < 2, 0, None), order="retrain"
    )
    after, before = log_loss(without), log_loss(explainer.estimator_)
    assert_allclose(after - before, effect[:, 0], atol=1e-8)


def test_searches_and_thresholds_around_them():
    search = GridSearchCV(soft(), {"one__C": [0.1, 1.0]}, cv=3)
    explainer = RelatIFExplainer(search).fit(X, Y)
    plain = RelatIFExplainer(search.fit(X, Y).best_estimator_).fit(X, Y)
    assert_allclose(explainer.pairwise_influence(X_NEW), plain.pairwise_influence(X_NEW))
    cut = FixedThresholdClassifier(soft(), threshold=0.2)
    explainer = RelatIFExplainer(cut).fit(X, BINARY)
    assert_array_equal(explainer.explain(X_NEW).targets, explainer.predict(X_NEW))


def test_texts_as_labels_of_several_targets():
    labels = np.column_stack([np.array(["x", "y", "z"])[Y], np.array(["no", "yes"])[BINARY]])
    explainer = RelatIFExplainer(MultiOutputClassifier(LOGISTIC)).fit(X, labels)
    found = explainer.explain(X_NEW, labels[:4])
    assert_array_equal(found.targets, labels[:4])
    assert len(found.frame()) == 20
    assert "x" in found[0]._repr_html_()
    with pytest.raises(ValueError, match="labels that the model was not trained on"):
        explainer.explain(X_NEW, np.full((4, 2), "w"))
    with pytest.raises(ValueError, match="one column for each of the 2 targets"):
        explainer.explain(X_NEW, Y_NEW)


def test_targets_with_links_of_their_own():
    counts = np.random.default_rng(0).poisson(np.exp(NUMBERS / 4))
    both = np.column_stack([counts, counts[::-1]])
    model = MultiOutputRegressor(PoissonRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-10))
    explainer = RelatIFExplainer(model).fit(X, both)
    assert explainer.distance_to_optimum_ < 1e-3
    kept = np.delete(np.arange(len(X)), 2)
    (without,) = explainer.retrain_without([2])
    refit = clone(model).fit(X[kept], both[kept])
    assert_allclose(without.predict(X_NEW), refit.predict(X_NEW), rtol=1e-6)
    # Without targets, the sum of the predictions is asked for.
    effect = explainer.removal_effect(X_NEW, order="retrain")[:, 2]
    before = explainer.predict(X_NEW).sum(axis=1)
    assert_allclose(effect, before - without.predict(X_NEW).sum(axis=1), rtol=1e-5, atol=1e-9)


CLOSED = {
    "vote": VotingClassifier([("a", GaussianNB()), ("b", LOGISTIC)], voting="soft"),
    "shared": VotingClassifier([("a", LinearDiscriminantAnalysis())], voting="soft"),
    "one vs one": OneVsOneClassifier(GaussianNB()),
    "one vs rest": OneVsRestClassifier(GaussianNB()),
}


@pytest.mark.parametrize("name", CLOSED)
def test_models_in_closed_form(name):
    """Their rows have gradients of other predictors than queries have."""
    model = CLOSED[name]
    explainer = RelatIFExplainer(model, criterion="influence").fit(X, Y)
    scores = explainer.pairwise_influence(X_NEW, Y_NEW)
    assert_allclose(explainer.transform(X_NEW, Y_NEW).shape[1], explainer.transform(X).shape[1])
    first = explainer.removal_effect(X_NEW, Y_NEW, order="first")
    assert_allclose(first, scores / len(X), rtol=1e-6, atol=1e-9)
    retrained = explainer.removal_effect(X_NEW, Y_NEW, order="retrain")
    assert np.corrcoef(first.ravel(), retrained.ravel())[0, 1] > 0.95
    (without,) = explainer.retrain_without([0])
    refit = clone(model).fit(X[1:], Y[1:])
    if name in ("vote", "shared"):
        assert_allclose(without.predict_proba(X), refit.predict_proba(X), atol=1e-6)
        assert_allclose(
            retrained[:, 0], log_loss(refit) - log_loss(explainer.estimator_), atol=1e-6
        )
    for own, expected in zip(without.estimators_, refit.estimators_, strict=True):
        assert_allclose(own.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    with pytest.raises(AttributeError, match="has no leverage_"):
        _ = explainer.leverage_


def test_hinges_side_by_side():
    hinge = LinearSVC(loss="hinge", C=0.1, tol=1e-10, max_iter=10**6)
    explainer = RelatIFExplainer(OneVsOneClassifier(hinge)).fit(X, Y)
    (without,) = explainer.retrain_without([[0, 3]])
    refit = clone(explainer.estimator_).fit(np.delete(X, [0, 3], 0), np.delete(Y, [0, 3]))
    for own, expected in zip(without.estimators_, refit.estimators_, strict=True):
        assert_allclose(own.coef_, expected.coef_, atol=1e-4)
    with pytest.raises(ValueError, match="needs a loss with curvature"):
        explainer.removal_effect(X_NEW, Y_NEW, order="first")
    with pytest.raises(AttributeError, match="has no leverage_"):
        _ = explainer.leverage_


def test_types_of_state_are_trusted():
    explainer = RelatIFExplainer(soft()).fit(X, Y)
    kinds = {
        type(explainer._study.objective),
        type(explainer._study.objective.members[0].inputs),
        type(explainer._study.curvature),
        type(explainer._study.objective.loss),
    }
    assert {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds} <= set(trusted_types())


# --- what is refused ---------------------------------------------------------------------------

REFUSED = {
    "kernels": (OneVsRestClassifier(SVC()), Y, TypeError, "no vectors.*estimators_"),
    "trees": (BaggingClassifier(DecisionTreeClassifier()), Y, TypeError, "DecisionTreeClassifier"),
    "frozen": (
        CalibratedClassifierCV(FrozenEstimator(clone(LOGISTIC).fit(X, Y))),
        Y,
        ValueError,
        r"fitted before.*calibrated_classifiers_\[0\].estimator",
    ),
    "steps": (CalibratedClassifierCV(LOGISTIC, method="isotonic"), Y, ValueError, "isotonic"),
    "folds": (
        CalibratedClassifierCV(LOGISTIC, cv=StratifiedKFold(3, shuffle=True)),
        Y,
        ValueError,
        "folds at random",
    ),
    "threshold": (
        VotingClassifier([("a", FixedThresholdClassifier(LOGISTIC, threshold=0.3))]),
        BINARY,
        TypeError,
        "FixedThresholdClassifier inside VotingClassifier",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    model, y, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        RelatIFExplainer(model).fit(X, y)


def test_the_way_out_of_a_chain():
    with pytest.raises(TypeError, match=r"model\.order_\[:k\]"):
        RelatIFExplainer(RegressorChain(Ridge())).fit(X, X[:, :2])
    model = RegressorChain(Ridge()).fit(X, X[:, :2] + NUMBERS[:, None])
    y = X[:, :2] + NUMBERS[:, None]
    rows = np.hstack([X, y[:, model.order_[:1]]])
    explainer = RelatIFExplainer.from_fitted(model.estimators_[1], rows, y[:, model.order_[1]])
    assert explainer.distance_to_optimum_ < 1e-6


def test_what_one_model_has_and_several_have_not():
    explainer = RelatIFExplainer(soft()).fit(X, Y)
    with pytest.raises(ValueError, match=r"compact\(\) is for one model"):
        explainer.compact()
    with pytest.raises(TypeError, match="no diagnostics"):
        explainer.diagnostics()
    with pytest.raises(ValueError, match="flip_set follows"):
        explainer.flip_set(X[[0]])
    with pytest.raises(ValueError, match="empirical_fisher"):
        RelatIFExplainer(soft(), curvature="empirical_fisher").fit(X, Y)


def test_labels_that_no_model_tells_apart():
    with (
        pytest.warns(UserWarning, match="present in all"),
        pytest.raises(ValueError, match="all or none have the label"),
    ):
        RelatIFExplainer(OneVsRestClassifier(LOGISTIC)).fit(X, np.column_stack([BINARY, 0 * Y + 1]))


def test_a_bag_without_a_class():
    rare = np.where(np.arange(len(Y)) == 0, 2, BINARY)
    bag = BaggingClassifier(LOGISTIC, n_estimators=5, random_state=0)
    with pytest.raises(ValueError, match="drew no row of the classes"):
        RelatIFExplainer(bag).fit(X, rare)


def test_a_removal_that_takes_a_class_from_a_member():
    rare = np.where(np.arange(len(Y)) < 2, 2, BINARY)
    bag = BaggingClassifier(LOGISTIC, n_estimators=2, max_samples=0.5, random_state=0)
    seed = next(
        seed
        for seed in range(200)
        if all(
            (rare[own] == 2).any()
            for own in bag.set_params(random_state=seed).fit(X, rare).estimators_samples_
        )
        and any(not (own == 1).any() for own in bag.estimators_samples_)
    )
    explainer = RelatIFExplainer(bag.set_params(random_state=seed)).fit(X, rare)
    with pytest.raises(ValueError, match=r"one of the models.*no row of the classes"):
        explainer.retrain_without([0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_more_columns_than_rows(dtype):
    """Each member is solved in the space of its own rows."""
    rng = np.random.default_rng(0)
    wide, labels = rng.normal(size=(30, 1200)).astype(dtype), np.arange(30) % 3
    model = OneVsOneClassifier(LogisticRegression(C=0.1, tol=1e-8, max_iter=1000))
    explainer = RelatIFExplainer(model, criterion="influence").fit(wide, labels)
    assert explainer.solver_.name == "woodbury"
    scores = explainer.pairwise_influence(wide[:3], labels[:3])
    assert scores.dtype == dtype
    first = explainer.removal_effect(wide[:3], labels[:3], order="first")
    assert_allclose(first, scores / 30, atol=1e-6)
    stepped, retrained = (
        explainer.removal_effect(wide[:3], labels[:3], order=order)
        for order in ("newton", "retrain")
    )
    assert_allclose(stepped, retrained, atol=0.01 * np.abs(retrained).max())
    products = explainer.transform(wide[:3], labels[:3]) @ explainer.transform(wide, labels).T
    assert_allclose(products, scores, atol=1e-5)


def test_weights_follow_metadata_to_all_members():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    with config_context(enable_metadata_routing=True):
        one, other = clone(LOGISTIC), clone(LOGISTIC).set_params(C=0.1)
        vote = VotingClassifier([("a", one), ("b", other)], voting="soft")
        for member in (one, other):
            member.set_fit_request(sample_weight=True)
        explainer = RelatIFExplainer(vote).fit(X, Y, sample_weight=weight)
        other.set_fit_request(sample_weight=False)
        with pytest.raises(ValueError, match="reached some of the models"):
            RelatIFExplainer(vote).fit(X, Y, sample_weight=weight)
    assert explainer.distance_to_optimum_ < 1e-3
    plain = RelatIFExplainer(vote).fit(X, Y, sample_weight=weight)
    assert_allclose(explainer.pairwise_influence(X_NEW), plain.pairwise_influence(X_NEW))


def test_other_rows_are_told_by_their_distance():
    model = soft().fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="not at the optimum"):
        RelatIFExplainer.from_fitted(model, X[::-1], Y)


@pytest.mark.parametrize("case", ["grown", "other rows", "a class not drawn"])
def test_bags_whose_draws_are_not_those_of_the_rows_are_refused(case):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    bag = BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0, warm_start=True)
    if case == "grown":
        bag.fit(X, y).set_params(n_estimators=5).fit(X, y)
        message = "does not tell which rows the first of them drew"
    elif case == "other rows":
        bag.fit(X, y)
        X, y = X[:20], y[:20]
        message = "drew others"
    else:
        y = (np.arange(60) < 2) * 1 + (np.arange(60) < 30)
        bag.set_params(max_samples=0.3).fit(X, y)
        message = r"drew no row of the classes \[2\]"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(bag, X, y)


def test_a_bag_without_probabilities_is_told_by_its_votes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] + 0.3 * rng.normal(size=60) > 0).astype(int)
    bag = BaggingClassifier(LinearSVC(tol=1e-10, max_iter=100_000), n_estimators=3, random_state=0)
    explainer = RelatIFExplainer(bag).fit(X, y)
    X_new = rng.normal(size=(40, 3))
    assert_array_equal(explainer.explain(X_new).targets, explainer.estimator_.predict(X_new))
