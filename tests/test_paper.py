"""The experiments of benchmarks/paper, in small on scikit-learn's digits: the paper's pattern."""

import numpy as np
import pytest
from sklearn.base import clone

from benchmarks.paper import (
    convnet,
    convnet_galleries,
    convnet_sets,
    data,
    galleries,
    illustration,
    influence_sets,
    loo_fidelity,
    machines,
    overlap,
    recurrent,
    removals,
    surnames,
)
from sklearn_relatif import NearestNeighborsExplainer
from sklearn_relatif.adapters import reduce_estimator

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
    shares = overlap.overlaps(explanations, explanations["nearest_neighbors"])
    for criterion in RELATIVE:
        for k in overlap.SIZES:
            assert shares[criterion][k] > shares["influence"][k]


def test_variants_of_the_overlap_agree_with_it_on_the_mean(images, model, explanations):
    models = {"weak": {"model": model}, "strong": {"model": data.fit(images, 0.001)}}
    found = overlap.variants(images, models, explanations)
    share = np.mean(model.predict(images.X_test) == images.y_test)
    total = overlap.overlaps(explanations, explanations["nearest_neighbors"])
    for criterion in RELATIVE:
        for k in overlap.SIZES:
            right, wrong = (
                found[kind][criterion][k] for kind in ("classified as labelled", "misclassified")
            )
            mean = share * right + (1 - share) * wrong
            assert mean == pytest.approx(total[criterion][k])
            # Of the few misclassified queries none may have a neighbour among its rows.
            for name in found.keys() - {"misclassified"}:
                assert found[name][criterion][k] > found[name]["influence"][k]


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


@pytest.fixture(scope="module")
def few_images(images):
    return images._replace(X_test=images.X_test[:150], y_test=images.y_test[:150])


@pytest.mark.parametrize("name", machines.MACHINES)
def test_without_the_norm_of_the_kernel_few_large_or_misclassified_vectors_explain(
    few_images, name
):
    machine = clone(machines.MACHINES[name]).fit(few_images.X_train, few_images.y_train)
    explanations, support = machines.explain(few_images, machine)
    found = machines.describe(few_images, machine, explanations, support)
    relative = found["loss_relative"]
    assert relative.top_5 > found["influence"].top_5
    if name == "linear, squared hinge":
        assert relative.wrong < found["influence"].wrong
        return
    assert found["theta_relative"] == relative
    if name == "rbf":
        assert relative.norm == found["influence"].norm == 1
    else:
        assert relative.norm < found["influence"].norm


def test_smallest_margin_is_negative_where_a_problem_of_the_row_goes_wrong(images):
    X, y = images.X_train, images.y_train
    one_vs_one = clone(machines.MACHINES["polynomial"]).set_params(C=0.01).fit(X, y)
    margins = machines.smallest_margins(one_vs_one, X, y)
    wrong = one_vs_one.predict(X) != y
    assert wrong.any() and (margins[wrong] < 0).all()
    one_vs_rest = clone(machines.MACHINES["linear, hinge"]).fit(X, y)
    scores = one_vs_rest.decision_function(X)
    signs = np.where(y[:, None] == one_vs_rest.classes_, 1, -1)
    np.testing.assert_array_equal(
        machines.smallest_margins(one_vs_rest, X, y), (signs * scores).min(axis=1)
    )


@pytest.mark.parametrize("name", machines.MACHINES)
def test_feature_norms_are_those_of_the_kernel(images, name):
    machine = clone(machines.MACHINES[name]).fit(images.X_train, images.y_train)
    objective = reduce_estimator(
        machine, images.X_train, images.y_train, np.ones(len(images.y_train))
    )
    rows = np.arange(3)
    if name.startswith("linear, "):
        expected = np.sqrt((images.X_train[rows] ** 2).sum(axis=1) + 1)
    else:
        expected = np.sqrt(np.diagonal(objective.kernel.gram(rows, rows)))
    norms = machines.feature_norms(machine, images.X_train)[rows]
    np.testing.assert_allclose(norms, expected)


@pytest.fixture(scope="module")
def surnames_file(tmp_path_factory):
    """Words of three "languages", each with its endings; some with a wrong language."""
    rng = np.random.default_rng(0)
    endings = {"a": ["ov", "enko", "sky"], "b": ["elli", "ini", "ucci"], "c": ["mann", "berg"]}
    path = tmp_path_factory.mktemp("surnames") / "names.csv"
    lines = ["surname,language"]
    for language, own in endings.items():
        for _ in range(250):
            stem = "".join(rng.choice(list("bdklmnprst") + list("aeiou"), rng.integers(2, 5)))
            label = rng.choice(list(endings)) if rng.random() < 0.05 else language
            lines.append(f"{(stem + rng.choice(own)).title()},{label}")
    path.write_text("\n".join([*lines, f"{surnames.QUERY},a", f"{surnames.QUERY},a"]), "utf-8")
    return path


def test_surnames_counts_pairs_once_and_holds_out_what_is_asked(surnames_file):
    names = data.surnames(surnames_file, held_out=[surnames.QUERY], n_test=50)
    assert (names.test == surnames.QUERY).sum() == 1
    assert surnames.QUERY not in names.train
    pairs = [*zip(names.train, names.y_train, strict=True)]
    pairs += zip(names.test, names.y_test, strict=True)
    assert len(set(pairs)) == len(pairs)


def test_relative_criteria_choose_likelier_names_that_look_alike(surnames_file):
    names = data.surnames(surnames_file, held_out=[surnames.QUERY], n_test=150)
    vectorizer = surnames.make_vectorizer().set_params(min_df=5)
    X, model = surnames.fit(names, vectorizer)
    explanations, _ = surnames.explain(names, model, X, vectorizer.transform(names.test))
    found = surnames.describe(names, explanations)
    base = found["influence"]
    for criterion in RELATIVE:
        relative = found[criterion]
        assert relative.top_5.cardinality > 1.5 * base.top_5.cardinality
        assert relative.top_1.mean > base.top_1.mean + 0.1
        assert relative.wrong < base.wrong
        assert relative.similarity > base.similarity


@pytest.fixture(scope="module")
def colour_images(tmp_path_factory):
    """Pictures of a colour a class, with much noise, and some labels at random."""
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 200, (convnet.N_CLASSES, 3))
    arrays = {}
    for name, n in {"train": 300, "test": 80}.items():
        y = np.arange(n) % convnet.N_CLASSES
        noise = rng.normal(scale=30, size=(n, 8, 8, 3))
        arrays[f"x_{name}"] = np.clip(colours[y][:, None, None] + noise, 0, 255).astype(np.uint8)
        arrays[f"y_{name}"] = np.where(rng.random(n) < 0.1, rng.permutation(y), y).astype(np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "cifar.npz"
    np.savez(path, **arrays)
    return data.cifar(path), data.cifar_pictures(path)


@pytest.fixture(scope="module")
def small_network(colour_images):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    images, _ = colour_images
    net, told = convnet.build(widths=(4, 6)), []
    convnet.train(images, net, n_epochs=60, tell=told.append)
    assert len(told) == 60
    return net


def test_the_papers_network_has_its_number_of_parameters_and_is_loaded_as_it_was():
    torch = pytest.importorskip("torch")
    net = convnet.build()
    assert sum(own.numel() for own in net.parameters()) == 24_234
    kept = {"parameters": [own.detach().numpy() for own in net.parameters()]}
    X = torch.ones(2, 3, 32, 32)
    assert torch.equal(convnet.load(kept)(X), net(X))


def test_pictures_are_standardised_by_channel(colour_images):
    images, (pictures, _) = colour_images
    np.testing.assert_allclose(images.X_train.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.X_train.std(axis=(0, 2, 3)), 1, atol=1e-5)
    own = pictures[:, :, :, 1] / 1.0
    np.testing.assert_allclose(images.X_train[:, 1], (own - own.mean()) / own.std(), atol=1e-5)


# Training stops somewhere.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_network_is_explained_in_all_criteria_and_by_each_of_two_labels(
    colour_images, small_network, capsys
):
    images, pictures = colour_images
    model = convnet_sets.classifier(small_network, images)
    assert convnet.accuracy(small_network, images.X_test, images.y_test) > 0.5
    results = convnet_sets.explain_all(images, model)
    told = capsys.readouterr().out
    assert all(stage in told for stage in results["stages"])
    explanations = results["explanations"] | {"nearest_neighbors": convnet_sets.neighbors(images)}
    probabilities = explanations["influence"].training_rows.probabilities
    sets = influence_sets.influence_sets(explanations, probabilities)
    for criterion in RELATIVE:
        assert sets[criterion][1].cardinality > sets["influence"][1].cardinality
        assert sets[criterion][1].mean > sets["influence"][1].mean
    rows = explanations["influence"].training_rows
    predictions = model.predict(images.X_test)
    album = convnet_galleries.Album(pictures, images.y_test, predictions, rows)
    ((query, found),) = album.lines(explanations, ("loss_relative",), [3])
    np.testing.assert_array_equal(query.pictures, pictures[1][[3]])
    shown = explanations["loss_relative"].indices[3, : galleries.N_SHOWN]
    np.testing.assert_array_equal(found.pictures, pictures[0][shown])
    for _, *sides in album.two_labels(*results["ambiguous"]):
        assert len({side.heading for side in sides}) == 2


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_last_layer_of_a_recurrent_net_is_explained_as_the_softmax_regression_that_it_is(
    surnames_file,
):
    recurrent_net = pytest.importorskip("benchmarks.paper.recurrent_net", exc_type=ImportError)
    names = data.surnames_by_language(surnames_file, held_out=[surnames.QUERY])
    sequence = recurrent.sequences(names)
    shape = (sequence.n_letters, 16, len(sequence.classes))
    net = recurrent_net.train(shape, sequence.tokens, sequence.y, epochs=(6,))[6]
    explanations, predictions, _ = recurrent.explain(net, names, sequence)
    assert np.mean(predictions == names.y_test) > 0.7
    found = recurrent.describe(explanations, predictions)
    for criterion in RELATIVE:
        assert found[criterion].wrong < found["influence"].wrong
        assert found[criterion].own_language > 0.9
    assert recurrent.largest_difference(net, names, sequence) < 1e-8


def test_recurrent_net_does_not_see_what_stands_behind_a_name():
    recurrent_net = pytest.importorskip("benchmarks.paper.recurrent_net", exc_type=ImportError)
    alphabet = recurrent_net.Alphabet(["Ana", "Anna"])
    net = recurrent_net.RecurrentNet(len(alphabet.letters), 4, 2)
    short, padded = alphabet.tokens(["Ana"]), alphabet.tokens(["Ana", "Anna"])
    np.testing.assert_allclose(
        recurrent.states(net, short)[0], recurrent.states(net, padded)[0], rtol=1e-6
    )
