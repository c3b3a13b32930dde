"""Scorers of explanations, and the searches of scikit-learn that maximise them."""

from functools import partial

import numpy as np
import pytest
from joblib import parallel_backend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer, metrics
from tests import cases

DAMPINGS = [0.0, 1e-3, 10.0]
SCORERS = [
    metrics.retraining_fidelity,
    metrics.top_k_overlap,
    metrics.mislabel_detection,
    metrics.influence_set_cardinality,
    metrics.influence_set_probability,
]


def explainer(estimator=None, **options):
    estimator = LogisticRegression(tol=1e-8, max_iter=1000) if estimator is None else estimator
    return RelatIFExplainer(estimator, **{"n_retrainings": 12, "random_state": 0} | options)


@pytest.fixture(scope="module")
def split():
    X, y = cases.breast_cancer()
    return train_test_split(X[:300], y[:300], random_state=0)


@pytest.fixture(scope="module")
def fitted(split):
    X, _, y, _ = split
    return explainer().fit(X, y)


# --- each measure --------------------------------------------------------------------------


def test_fidelity_is_the_score(fitted, split):
    _, X, _, y = split
    assert metrics.retraining_fidelity(fitted, X, y) == fitted.score(X, y)
    by_rank = metrics.retraining_fidelity(fitted, X, y, correlation="spearman")
    assert by_rank == fitted.score(X, y, correlation="spearman") != fitted.score(X, y)


@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_top_k_overlap_counts_shared_rows(split, criterion):
    X, X_test, y, y_test = split
    model = explainer(criterion=criterion).fit(X, y)
    estimate, truth = model.estimate_and_truth(X_test, y_test)
    shared = [
        len(set(np.argsort(-one)[:4]) & set(np.argsort(-other)[:4])) / 4
        for one, other in zip(estimate, truth, strict=True)
    ]
    overlap = metrics.top_k_overlap(model, X_test, y_test, n_examples=4)
    assert_allclose(overlap, np.mean(shared))
    assert 4 / 12 < overlap <= 1
    assert metrics.top_k_overlap(model, X_test, y_test, n_examples=12) == 1


def test_influence_set_by_hand(split):
    """Table 1 of the paper: distinct first rows, and the probability of their labels."""
    X, X_test, y, _ = split
    sizes, probabilities = {}, {}
    for criterion in cases.CRITERIA:
        model = explainer(criterion=criterion).fit(X, y)
        first = np.unique(model.pairwise_influence(X_test).argmax(axis=1))
        sizes[criterion] = metrics.influence_set_cardinality(model, X_test)
        probabilities[criterion] = metrics.influence_set_probability(model, X_test)
        assert sizes[criterion] == len(first)
        own = model.predict_proba(X)[first, y[first]]
        assert_allclose(probabilities[criterion], own.mean())
        three = np.unique(np.argsort(-model.pairwise_influence(X_test))[:, :3])
        assert metrics.influence_set_cardinality(model, X_test, n_examples=3) == len(three)
    # What the paper's Table 1 shows: relative influence is specific, influence finds outliers.
    assert sizes["loss_relative"] > sizes["influence"]
    assert probabilities["loss_relative"] > probabilities["influence"]


def test_rows_that_do_not_exist_are_not_in_the_influence_set():
    """Two rows of one class cannot both support a label and number more than the rows."""
    X, y = cases.noisy_classes(2, n_rows=12)
    model = explainer().fit(X, y)
    assert metrics.influence_set_cardinality(model, X[:2], n_examples=50) <= 12
    assert 0 < metrics.influence_set_probability(model, X[:2], n_examples=50) < 1


def test_a_model_without_probabilities_has_none_of_its_influence_set(split):
    X, X_test, y, _ = split
    model = explainer(LinearSVC(tol=1e-8, max_iter=10_000, random_state=0)).fit(X, y)
    with pytest.raises(AttributeError, match="needs a model with probabilities"):
        metrics.influence_set_probability(model, X_test[:2])


def test_mislabel_rankings(fitted, split):
    X, _, y, _ = split
    rankings = metrics.mislabel_rankings(fitted)
    assert_array_equal(rankings["self_influence"], fitted.self_influence_)
    own = np.arange(len(y)), y
    assert_allclose(rankings["loo_probability"], 1 - fitted.loo_proba()[own])
    assert_allclose(rankings["loss"], 1 - fitted.predict_proba(X)[own])
    # Leaving a row out cannot make its own label likelier.
    assert (rankings["loo_probability"] >= rankings["loss"] - 1e-12).all()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_planted_errors_are_errors(n_classes):
    labels = np.array(list("abcd"))[np.arange(200) % n_classes]
    noisy, wrong = metrics.plant_label_errors(labels, 0.15, np.random.RandomState(0))
    assert wrong.sum() == 30
    assert_array_equal(noisy != labels, wrong)
    assert set(noisy) == set(labels)


@pytest.mark.parametrize("ranking", ["self_influence", "loo_probability", "loss"])
def test_mislabel_detection_finds_what_was_planted(split, ranking):
    X, _, y, _ = split
    names = np.array(["benign", "malignant"])[y]
    model = explainer()
    found = metrics.mislabel_detection(model, X, names, ranking=ranking)
    assert not hasattr(model, "estimator_")
    noisy, wrong = metrics.plant_label_errors(names, 0.1, np.random.RandomState(0))
    refitted = explainer().fit(X, noisy)
    expected = average_precision_score(wrong, metrics.mislabel_rankings(refitted)[ranking])
    assert found == expected > 0.7
    assert metrics.mislabel_detection(model, X, names, ranking=ranking, random_state=1) != found


def test_errors(fitted, split):
    _, X, _, y = split
    with pytest.raises(ValueError, match=r"ranking must be one of .*; got 'size'"):
        metrics.mislabel_detection(fitted, X, y, ranking="size")
    for noise in (0, 1, -0.5):
        with pytest.raises(ValueError, match=f"noise must lie between 0 and 1; got {noise}"):
            metrics.mislabel_detection(fitted, X, y, noise=noise)
    with pytest.raises(ValueError, match="n_examples must be at least 1; got 0"):
        metrics.top_k_overlap(fitted, X, n_examples=0)
    with pytest.raises(ValueError, match=r"plant errors in, y needs two classes; it has \[0\.0\]"):
        metrics.mislabel_detection(fitted, X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="not fitted"):
        metrics.retraining_fidelity(explainer(), X, y)


@pytest.mark.parametrize("scorer", SCORERS)
def test_pipelines_are_taken_apart(split, scorer):
    X, X_test, y, y_test = split
    inside = make_pipeline(StandardScaler(), explainer()).fit(X, y)
    around = explainer(make_pipeline(StandardScaler(), explainer().estimator)).fit(X, y)
    assert_allclose(scorer(inside, X_test, y_test), scorer(around, X_test, y_test), rtol=1e-6)
    alone = make_pipeline(explainer()).fit(X, y)
    assert_allclose(scorer(alone, X_test, y_test), scorer(alone[0], X_test, y_test))


# --- searches ------------------------------------------------------------------------------


def search(estimator, grid, X, y, **options):
    found = GridSearchCV(estimator, grid, cv=2, error_score="raise", **options).fit(X, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    return found


def test_search_over_damping_maximises_fidelity(split):
    X, _, y, _ = split
    found = search(explainer(), {"damping": DAMPINGS}, X, y)
    fidelity = found.cv_results_["mean_test_score"]
    assert found.best_params_["damping"] == DAMPINGS[fidelity.argmax()]
    expected = cross_val_score(explainer(damping=1e-3), X, y, cv=2)
    assert_allclose(fidelity[1], expected.mean())
    assert fidelity[0] > 0.95 > fidelity[2]
    assert found.predict(X).shape == (len(y),)
    assert found.best_estimator_.explain(X[:2]).indices.shape == (2, 5)


def test_both_nestings_find_the_same(split):
    X, _, y, _ = split
    inside = make_pipeline(StandardScaler(), explainer())
    around = explainer(make_pipeline(StandardScaler(), explainer().estimator))
    one = search(inside, {"relatifexplainer__damping": DAMPINGS}, X, y)
    other = search(around, {"damping": DAMPINGS}, X, y)
    assert_allclose(
        one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"], rtol=1e-6
    )


def test_search_over_everything_else(split):
    X, _, y, _ = split
    grid = [
        {"criterion": list(cases.CRITERIA)},
        {"curvature": ["hessian", "fisher", "empirical_fisher", "identity"], "damping": [1e-4]},
        {"solver": ["auto", "cholesky", "cg", "block_diagonal"]},
        {"estimator__C": [0.1, 1.0]},
    ]
    found = search(explainer(), grid, X, y)
    assert len(found.cv_results_["params"]) == 13


@pytest.mark.parametrize("scorer", SCORERS)
def test_search_with_each_scorer(split, scorer):
    X, _, y, _ = split
    pipeline = make_pipeline(StandardScaler(), explainer())
    search(pipeline, {"relatifexplainer__damping": DAMPINGS}, X, y, scoring=scorer)


def test_several_scorers_at_once_in_two_jobs(split):
    X, _, y, _ = split
    scoring = {scorer.__name__: scorer for scorer in SCORERS}
    scoring["by_rank"] = partial(metrics.retraining_fidelity, correlation="spearman")
    grid = {"damping": DAMPINGS}
    with parallel_backend("threading"):
        found = GridSearchCV(explainer(), grid, cv=2, scoring=scoring, refit="by_rank", n_jobs=2)
        found.fit(X, y)
    for name in scoring:
        assert np.isfinite(found.cv_results_[f"mean_test_{name}"]).all(), name
    alone = search(explainer(), grid, X, y).cv_results_["mean_test_score"]
    assert_allclose(found.cv_results_["mean_test_retraining_fidelity"], alone, rtol=1e-9)


def test_search_in_two_processes(split):
    X, _, y, _ = split
    grid = {"damping": DAMPINGS[:2]}
    one, two = (search(explainer(), grid, X, y, n_jobs=n_jobs) for n_jobs in (None, 2))
    assert_allclose(
        two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], rtol=1e-9
    )
