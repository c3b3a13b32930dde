"""The experiments of benchmarks/paper, in small on scikit-learn's digits: the paper's pattern."""

import numpy as np
import pytest

from benchmarks.paper import (
    data,
    galleries,
    illustration,
    influence_sets,
    loo_fidelity,
    overlap,
    removals,
)
from sklearn_relatif import NearestNeighborsExplainer

RELATIVE = ("theta_relative", "loss_relative")


@pytest.fixture(scope="module")
def images():
    return data.digits()


@pytest.fixture(scope="module")
def model(images):
    return data.fit(images)


@pytest.fixture(scope="module")
def explanations(images, model):
    neighbors = NearestNeighborsExplainer().fit(images.X_train, images.y_train)
    nearest = neighbors.explain(images.X_test, n_examples=influence_sets.N_EXAMPLES)
    return influence_sets.explain(images, model) | {"nearest_neighbors": nearest}


def test_relative_criteria_choose_more_rows_and_likelier_ones(explanations):
    probabilities = explanations["influence"].training_rows.probabilities
    sets = influence_sets.influence_sets(explanations, probabilities)
    for size in influence_sets.SIZES:
        base = sets["influence"][size]
        for criterion in RELATIVE:
            assert sets[criterion][size].cardinality > 2 * base.cardinality
            assert sets[criterion][size].mean > base.mean + 0.1


def test_influence_set_counts_each_row_once_and_no_missing_one():
    found = influence_sets.influence_set(np.array([[0, 2], [2, -1]]), np.array([0.5, 0.1, 1.0]))
    assert found == (2, 0.75, 0.25)


def test_single_precision_finds_sets_of_nearly_the_same_size(images, model, explanations):
    single = images._replace(
        X_train=images.X_train.astype(np.float32), X_test=images.X_test.astype(np.float32)
    )
    for criterion, one in influence_sets.explain(single, model).items():
        cardinality = len(np.unique(one.indices[:, :5]))
        assert cardinality == pytest.approx(
            len(np.unique(explanations[criterion].indices[:, :5])), rel=0.01
        )


def test_relative_criteria_overlap_more_with_neighbours(explanations):
    shares = overlap.overlaps(explanations)
    for criterion in RELATIVE:
        for k in overlap.SIZES:
            assert shares[criterion][k] > shares["influence"][k]


def test_relative_criteria_change_the_model_less_for_what_they_change_of_the_query(images, model):
    queries = removals.draw_queries(len(images.X_test), 30)
    best = removals.explain(images, model, queries)
    effects = removals.effects_of_removal(images, model, queries, best)
    base = effects["influence"]
    for criterion in RELATIVE:
        found = effects[criterion]
        assert found["loss"].value > 0
        for globally in ("parameters", "training"):
            assert found[globally].value < base[globally].value / 2
        for ratio in ("loss_per_parameter", "loss_per_training"):
            assert found[ratio].value > base[ratio].value


def test_curvature_predicts_removals_better_than_gradients_and_the_corrected_step_best(
    images, model
):
    names = ("exact Hessian", "gradient (identity)")
    methods = {name: loo_fidelity.FIRST_ORDER[name] for name in names}
    chosen = loo_fidelity.choose(images, model)
    actual, estimated = loo_fidelity.estimates(images, model, *chosen, methods)
    correlation, slope = {}, {}
    for name, one in estimated.items():
        correlation[name], slope[name] = loo_fidelity.agreement(actual.change, one.change)
    assert correlation["gradient (identity)"] < correlation["exact Hessian"]
    assert correlation["exact Hessian"] < correlation[loo_fidelity.LEVERAGE_CORRECTED]
    assert slope[loo_fidelity.LEVERAGE_CORRECTED] == pytest.approx(1, abs=0.2)


def test_outlier_explains_much_of_the_plane_by_influence_alone():
    X, y = illustration.two_groups()
    chosen = illustration.regions(X, y, n_grid=40)["chosen"]
    outlier = len(X) - 1
    shares = {criterion: np.mean(rows == outlier) for criterion, rows in chosen.items()}
    assert shares["influence"] > 4 * shares["loss_relative"]
    assert len(np.unique(chosen["loss_relative"])) > 2 * len(np.unique(chosen["influence"]))


def test_influence_projects_farthest_and_relatif_has_the_smallest_angle():
    found = illustration.vectors(*illustration.two_groups(), illustration.QUERY)
    projection = found["rows"] @ found["query"]
    cosine = projection / np.linalg.norm(found["rows"], axis=1)
    assert found["chosen"] == {
        "influence": projection.argmax(),
        "loss_relative": cosine.argmax(),
    }


def test_gallery_shows_the_rows_of_the_explanations(images, model, explanations):
    queries = galleries.draw_queries(images, model)
    lines = galleries.gallery(images, model, explanations, queries)
    rows = explanations["theta_relative"].indices[queries[0], : galleries.N_SHOWN]
    strip = lines[0][2]
    np.testing.assert_array_equal(
        strip.pictures.reshape(len(rows), -1), np.round(255 * images.X_train[rows])
    )
    assert [caption[0] for caption in strip.captions] == [str(images.y_train[row]) for row in rows]


def test_one_row_comes_first_for_many_queries_by_influence_only(explanations):
    row, queries = galleries.hub(explanations)
    assert len(queries) > 10
    assert len(queries) > 2 * (explanations["loss_relative"].indices[:, 0] == row).sum()


def test_each_label_of_an_ambiguous_digit_is_supported_by_rows_of_that_label(images, model):
    for _, *sides in galleries.by_label(images, model):
        for side in sides:
            label = side.heading.split()[-1]
            assert sum(caption[0] == label for caption in side.captions) >= 3
