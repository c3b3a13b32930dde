"""CatBoost: its leaf values given again, and their derivatives against its own fits."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.adapters.extras import _catboost_steps
from sklearn_relatif.testing import check_adapter
from sklearn_relatif.trees import NewtonStep
from tests import cases

catboost = pytest.importorskip("catboost")

COLUMNS = [2, 8]
N_QUERIES = 5
SMALL = {
    "iterations": 6,
    "depth": 3,
    "learning_rate": 0.3,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
}


def table(loader, every):
    """Rows to fit on and queries, with some labels of classes that no leaf explains."""
    X, y = loader(return_X_y=True)
    if loader is not load_diabetes:
        y[::7] = y[::-7]
    return X[::every], y[::every], X[1::every][:N_QUERIES], y[1::every][:N_QUERIES]


TABLES = {
    "Logloss": table(load_breast_cancer, 4),
    "CrossEntropy": table(load_breast_cancer, 4),
    "MultiClass": table(load_wine, 2),
    "RMSE": table(load_diabetes, 4),
    "Poisson": table(load_diabetes, 4),
}
#: Name of a test: loss, and parameters.
MODELS = {
    "logloss": ("Logloss", {}),
    "logloss, automatic rate": ("Logloss", {"learning_rate": None, "iterations": 9}),
    "logloss, digits": ("Logloss", {"learning_rate": 0.2345678912, "l2_leaf_reg": 1.2345678912}),
    "logloss, one step": ("Logloss", {"leaf_estimation_iterations": 1}),
    "logloss, gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "logloss, one gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 1},
    ),
    "logloss, no backtracking": ("Logloss", {"leaf_estimation_backtracking": "No"}),
    "logloss, halved steps": ("Logloss", {"l2_leaf_reg": 0.0, "iterations": 3}),
    "logloss, from the mean": ("Logloss", {"boost_from_average": True}),
    "logloss, ordered": ("Logloss", {"boosting_type": "Ordered"}),
    "logloss, by depth": ("Logloss", {"grow_policy": "Depthwise", "min_data_in_leaf": 5}),
    "logloss, by loss": ("Logloss", {"grow_policy": "Lossguide", "max_leaves": 6}),
    "logloss, Bayesian": ("Logloss", {"bootstrap_type": "Bayesian", "bagging_temperature": 2}),
    "logloss, Bernoulli": ("Logloss", {"bootstrap_type": "Bernoulli", "rsm": 0.5}),
    "logloss, MVS": ("Logloss", {"bootstrap_type": "MVS", "subsample": 0.3}),
    "logloss, no bootstrap": (
        "Logloss",
        {"bootstrap_type": "No", "random_strength": 9, "rsm": 0.5},
    ),
    "logloss, classes": ("Logloss", {"class_weights": {0: 1.0, 1: 2.3}}),
    "logloss, positives": ("Logloss", {"scale_pos_weight": 2.3}),
    "logloss, balanced": ("Logloss", {"auto_class_weights": "Balanced"}),
    "logloss, nearly balanced": ("Logloss", {"auto_class_weights": "SqrtBalanced"}),
    "logloss, no fall": ("Logloss", {"monotone_constraints": [0] * 30}),
    "logloss, few borders": ("Logloss", {"border_count": 8, "feature_border_type": "Median"}),
    "cross-entropy": ("CrossEntropy", {}),
    "softmax": ("MultiClass", {}),
    "softmax, several steps": ("MultiClass", {"leaf_estimation_iterations": 4}),
    "softmax, gradient": ("MultiClass", {"leaf_estimation_method": "Gradient"}),
    "softmax, gradients": (
        "MultiClass",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "softmax, balanced": ("MultiClass", {"auto_class_weights": "Balanced"}),
    "softmax, by depth": ("MultiClass", {"grow_policy": "Depthwise"}),
    "squared": ("RMSE", {}),
    "squared, from 0": ("RMSE", {"boost_from_average": False}),
    "squared, gradients": (
        "RMSE",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 3},
    ),
    "squared, ordered": ("RMSE", {"boosting_type": "Ordered", "grow_policy": "SymmetricTree"}),
    "Poisson": ("Poisson", {}),
    "Poisson, gradient": ("Poisson", {"leaf_estimation_method": "Gradient", "learning_rate": 0.01}),
    "Poisson, several steps": (
        "Poisson",
        {"leaf_estimation_iterations": 6, "l2_leaf_reg": 0.1, "leaf_estimation_method": "Newton"},
    ),
}
#: Models that are fitted again with other weights.
OWN_FITS = {
    "logloss": ("Logloss", {}),
    "logloss, balanced": ("Logloss", {"class_weights": [1.0, 2.0], "boost_from_average": True}),
    "logloss, gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "softmax": ("MultiClass", {"iterations": 4}),
    "softmax, several steps": ("MultiClass", {"iterations": 4, "leaf_estimation_iterations": 3}),
    "squared": ("RMSE", {}),
    "squared, ordered": ("RMSE", {"boosting_type": "Ordered"}),
    "Poisson": ("Poisson", {}),
}


def model_of(loss, **params):
    has_classes = loss not in ("RMSE", "Poisson")
    kind = catboost.CatBoostClassifier if has_classes else catboost.CatBoostRegressor
    return kind(loss_function=loss, **{**SMALL, **params})


def targets(loss, y):
    return np.sqrt(y) // 2 if loss == "Poisson" else y


def weights(n_rows):
    """Those that single precision holds as they are."""
    return np.float32(cases.weights_with_zeros(n_rows)).astype(np.float64)


def fitted(name):
    loss, params = MODELS[name]
    X, y, X_new, y_new = TABLES[loss]
    y, y_new, weight = targets(loss, y), targets(loss, y_new), weights(len(y))
    model = model_of(loss, **params).fit(X, y, sample_weight=weight)
    return model, (X, y, weight), (X_new, y_new)


def trees_of(model, X, y, weight):
    adapter = adapter_of(model)
    X = adapter.model_rows([], model, X)
    y = adapter.targets(model).of_training(np.asarray(y), weight)
    return adapter.trees(model, X, y, weight)


def raw(model, X):
    return model.predict(X, prediction_type="RawFormulaVal").reshape(X.shape[0], -1)


def losses_of(loss, y, eta):
    """Of queries, by predictors of shape (n_queries, n_outputs)."""
    if loss == "MultiClass":
        return -log_softmax(eta, axis=1)[np.arange(len(y)), y]
    eta = eta[:, 0]
    if loss == "RMSE":
        return (eta - y) ** 2 / 2
    return (np.exp(eta) if loss == "Poisson" else np.logaddexp(0, eta)) - y * eta


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_given_again(name):
    model, train, (X_new, _) = fitted(name)
    trees = trees_of(model, *train)
    assert_allclose(trees.solved.values, trees.values, atol=1e-8 * np.abs(trees.values).max())
    assert_allclose(trees.solved.start, trees.start_values, atol=1e-12)
    assert_allclose(trees.predictors(trees.leaves), raw(model, train[0]), atol=1e-12)
    adapter = adapter_of(model)
    leaves = adapter.leaves_of(model, adapter.model_rows([], model, X_new))
    assert_allclose(trees.predictors(leaves), raw(model, X_new), atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_influence_is_the_derivative_of_the_replay(name):
    loss, _ = MODELS[name]
    model, train, (X_new, y_new) = fitted(name)
    trees, adapter = trees_of(model, *train), adapter_of(model)
    leaves = adapter.leaves_of(model, X_new)
    explainer = RelatIFExplainer.from_fitted(model, *train)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")

    def losses(weight):
        solved = trees.resolved(weight)
        replayed = replace(trees, values=solved.values, start_values=solved.start)
        return losses_of(loss, y_new, replayed.predictors(leaves))

    for row in np.flatnonzero(trees.weight)[::30]:
        step = 1e-5 * (np.arange(len(trees.weight)) == row)
        slope = (losses(trees.weight + step) - losses(trees.weight - step)) / 2e-5
        expected = -trees.weight.sum() * slope
        assert_allclose(influence[:, row], expected, atol=1e-6 * np.abs(influence).max())


def groups_of(model, X):
    """The first row that is in the same leaf of a tree, of each row in each tree."""
    leaves = model.calc_leaf_indexes(X)
    found = np.empty_like(leaves)
    for tree, own in enumerate(leaves.T):
        _, first, leaf = np.unique(own, return_index=True, return_inverse=True)
        found[:, tree] = first[leaf]
    return found


@pytest.mark.parametrize("name", OWN_FITS)
def test_influence_is_the_derivative_of_fits_that_keep_their_structure(name):
    # Trees of all combinations of two columns of two values.
    loss, params = OWN_FITS[name]
    X, y, X_new, y_new = TABLES[loss]
    y, y_new, weight = targets(loss, y), targets(loss, y_new), weights(len(y))
    halves = np.median(X[:, COLUMNS], axis=0)
    X, X_new = ((table[:, COLUMNS] > halves).astype(float) for table in (X, X_new))
    params = {"depth": 2, "bootstrap_type": "No", "random_strength": 0, **params}
    model = model_of(loss, **params).fit(X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    trees = trees_of(model, X, y, weight)
    borne, l2 = trees.weight, model.get_all_params()["l2_leaf_reg"]
    n_kept = 0
    for row in np.flatnonzero(weight > 0.5)[::20]:
        slopes, is_kept = [], True
        for step in (2.0**-3, 2.0**-4):
            losses = []
            for moved in (step, -step):
                others = weight + moved * (np.arange(len(y)) == row)
                # The penalty is multiplied by the mean of the weights, which is held.
                share = 1 + moved * borne[row] / weight[row] / borne.sum()
                refit = model_of(loss, **{**params, "l2_leaf_reg": l2 / share})
                refit.fit(X, y, sample_weight=others)
                is_kept &= np.array_equal(groups_of(refit, X), groups_of(model, X))
                losses.append(losses_of(loss, y_new, raw(refit, X_new)))
            slopes.append((losses[0] - losses[1]) / (2 * step))
        n_kept += is_kept
        if is_kept:
            # Without the error of the second order.
            slope = (4 * slopes[1] - slopes[0]) / 3
            expected = -borne.sum() * slope * weight[row] / borne[row]
            assert_allclose(influence[:, row], expected, atol=1e-5 * np.abs(influence).max())
    assert n_kept >= 3


# Weights of classes change the mean weight, by which the penalty is multiplied, and permutations
# are others for other numbers of rows.
@pytest.mark.parametrize(
    "name", sorted(OWN_FITS.keys() - {"logloss, balanced", "squared, ordered"})
)
def test_leaves_filled_again_are_those_of_fits_that_keep_their_structure(name):
    loss, params = OWN_FITS[name]
    X, y, X_new, y_new = TABLES[loss]
    y, y_new = targets(loss, y), targets(loss, y_new)
    halves = np.median(X[:, COLUMNS], axis=0)
    X, X_new = ((table[:, COLUMNS] > halves).astype(float) for table in (X, X_new))
    params = {"depth": 2, "bootstrap_type": "No", "random_strength": 0, **params}
    model = model_of(loss, **params).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    groups = np.arange(len(y)) % 10
    filled, grown = (
        explainer.removal_effect(X_new, y_new, groups, order=order)
        for order in ("structure", "retrain")
    )
    models = [model_of(loss, **params).fit(X[groups != one], y[groups != one]) for one in range(10)]
    kept = [np.array_equal(groups_of(own, X), groups_of(model, X)) for own in models]
    before = losses_of(loss, y_new, raw(model, X_new))
    expected = [losses_of(loss, y_new, raw(own, X_new)) - before for own in models]
    scale = np.abs(expected).max()
    assert_allclose(grown, np.transpose(expected), atol=1e-8 * scale)
    # Means that squared errors start from are of single precision.
    assert_allclose(filled[:, kept], grown[:, kept], atol=1e-6 * scale)
    assert np.mean(kept) > 0.5


@pytest.mark.parametrize("name", ["logloss, balanced", "softmax", "squared"])
def test_refits_hold_what_the_model_has_found(name):
    loss, params = MODELS[name]
    X, y, X_new, _ = TABLES[loss]
    half, weight = len(y) // 2, weights(len(y) // 2)
    model = model_of(loss, **{**params, "learning_rate": None, "iterations": 30})
    held_out = X[half:], targets(loss, y)[half:]
    X, y = X[:half], targets(loss, y)[:half]
    model.fit(X, y, sample_weight=weight, eval_set=held_out, early_stopping_rounds=1)
    adapter = adapter_of(model)
    found = adapter.chosen(model)
    assert found["learning_rate"] == model.get_all_params()["learning_rate"]
    assert ("class_weights" in found) == ("auto_class_weights" in params)
    assert found["iterations"] == model.tree_count_ < 30
    assert adapter.removal_changes_objective(model)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    same, without = explainer.retrain_without([[], [1, 2, 3]])
    assert_allclose(raw(same, X_new), raw(model, X_new), atol=1e-12)
    left = np.delete(np.arange(half), [1, 2, 3])
    assert trees_of(without, X[left], y[left], weight[left]).n_rows == half - 3


def test_models_of_default_parameters_and_wrappers():
    X, y, X_new, y_new = TABLES["Logloss"]
    model = model_of("Logloss")
    labels = np.array(["no", "yes"])
    explainer = RelatIFExplainer(model).fit(X, labels[y])
    alone = explainer.pairwise_influence(X_new, labels[y_new])
    assert explainer.explain(X_new).frame().target.isin(labels).all()
    assert_array_equal(explainer.predict(X_new), explainer.estimator_.predict(X_new))
    copied = pickle.loads(pickle.dumps(explainer))
    assert_allclose(copied.pairwise_influence(X_new, labels[y_new]), alone)
    for wrapped in (
        make_pipeline(StandardScaler(), model),
        GridSearchCV(model, {"depth": [3]}, cv=2),
    ):
        other = RelatIFExplainer(wrapped).fit(X, y)
        assert_allclose(other.pairwise_influence(X_new, y_new), alone, atol=1e-6 * alone.max())
    assert not adapter_of(model).chosen(explainer.estimator_)


@pytest.mark.parametrize("name", ["squared", "squared, from 0", "squared, gradients"])
def test_predictions_are_weighted_sums_of_targets(name):
    model, (X, y, weight), (X_new, _) = fitted(name)
    found = RelatIFExplainer.from_fitted(model, X, y, weight).target_weights(X_new)
    assert_allclose(found @ y, model.predict(X_new), rtol=1e-6)
    if "from 0" not in name:
        assert_allclose(found.sum(axis=1), 1, atol=1e-12)


def test_scores_are_the_predictors():
    model, _, (X_new, _) = fitted("softmax")
    assert_array_equal(adapter_of(model).scores(model, X_new), raw(model, X_new))


def test_missing_values_sparse_rows_and_single_precision():
    X, y, X_new, y_new = TABLES["Logloss"]
    X = X.astype(np.float32)
    rare = np.where(np.median(X, axis=0) < X, X, 0)
    model = model_of("Logloss").fit(sparse.csr_matrix(rare), y)
    expected = RelatIFExplainer.from_fitted(model, rare, y).pairwise_influence(X_new, y_new)
    found = RelatIFExplainer.from_fitted(model, sparse.csr_matrix(rare), y)
    assert_allclose(found.pairwise_influence(sparse.csr_matrix(X_new), y_new), expected)
    rare[rare == 0] = np.nan
    for mode in ("Min", "Max"):
        model = model_of("Logloss", nan_mode=mode).fit(rare, y)
        explainer = RelatIFExplainer.from_fitted(model, rare, y)
        assert np.isfinite(explainer.pairwise_influence(rare[:5], y[:5])).all()
        assert explainer.explain(rare[:2]).frame().shape[0] == 10


def framed():
    pd = pytest.importorskip("pandas")
    X, y, _, _ = TABLES["Logloss"]
    frame = pd.DataFrame(X[:, :4], columns=["a", "b", "c", "d"])
    frame["kind"] = np.array(["u", "v", "w"])[(X[:, 5] > 0.1) + 1 * (X[:, 6] > 0.1)]
    return frame, y


def test_frames_with_categories_that_are_told_apart_one_by_one():
    frame, y = framed()
    model = model_of("Logloss", cat_features=["kind"], one_hot_max_size=3).fit(frame, y)
    explainer = RelatIFExplainer.from_fitted(model, frame, y)
    assert np.isfinite(explainer.pairwise_influence(frame[:5], y[:5]).to_numpy()).all()
    filled, grown = (
        np.asarray(explainer.removal_effect(frame[:5], y[:5], np.arange(len(y)) % 2, order=order))
        for order in ("structure", "retrain")
    )
    assert np.corrcoef(filled.ravel(), grown.ravel())[0, 1] > 0.3
    frame["kind"] = (10 * frame["a"]).round().astype(int).astype(str) + frame["kind"]
    frame = frame[["d", "kind"]]
    model = model_of("Logloss", cat_features=["kind"]).fit(frame, y)
    with pytest.raises(ValueError, match="categories that are encoded by the targets of rows"):
        RelatIFExplainer.from_fitted(model, frame, y)


def test_columns_are_checked_by_their_names():
    frame, y = framed()
    frame = frame.drop(columns="kind")
    explainer = RelatIFExplainer.from_fitted(model_of("Logloss").fit(frame, y), frame, y)
    with pytest.raises(ValueError, match="must be those that CatBoostClassifier was fitted with"):
        explainer.pairwise_influence(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="X has 3 features, but CatBoostClassifier is expecting 4"):
        explainer.pairwise_influence(frame.to_numpy()[:, :3])


REFUSED = {
    "MAE": ("RMSE", {"loss_function": "MAE"}, "loss_function='MAE' is not covered"),
    "one-vs-all": (
        "MultiClass",
        {"loss_function": "MultiClassOneVsAll"},
        "MultiClassOneVsAll' is not covered",
    ),
    "Langevin": ("Logloss", {"langevin": True}, "langevin=True adds noise"),
    "posterior": ("Logloss", {"posterior_sampling": True}, "adds noise .* is not covered"),
    "shrinking": ("RMSE", {"model_shrink_rate": 0.1}, "model_shrink_rate=0.1.* shrinks the trees"),
    "held out": ("Logloss", {"eval_fraction": 0.2}, "eval_fraction=0.2.* holds out rows"),
    "order": ("Logloss", {"class_weights": {1: 2, 0: 1}}, "in the order .* ascending order"),
    "monotone": (
        "RMSE",
        {"monotone_constraints": [1] * 10, "model_shrink_rate": 0.0},
        "do not follow from the rows.*monotone_constraints that hold leaf values back",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_covered_is_refused_by_name(name):
    loss, params, message = REFUSED[name]
    X, y, _, _ = TABLES[loss]
    model = model_of(loss).set_params(**params).fit(X, y)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, y)


def test_other_rows_baselines_and_values_set_by_hand_are_refused():
    X, y, _, _ = TABLES["Logloss"]
    model = model_of("Logloss").fit(X, y)
    message = "do not follow from the rows, labels and weights"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, 1 - y)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, y, weights(len(y)))
    other = model_of("Logloss").fit(X, y, baseline=np.linspace(-1, 1, len(y)))
    with pytest.raises(ValueError, match="also be the cause: a baseline"):
        RelatIFExplainer.from_fitted(other, X, y)
    further = model_of("Logloss").fit(X[::2], y[::2], init_model=model)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(further, X[::2], y[::2])
    model.set_scale_and_bias(2.0, 0.0)
    with pytest.raises(ValueError, match="rescaled by set_scale_and_bias"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_leaves_without_penalty_may_have_no_end():
    X, y, _, _ = TABLES["Logloss"]
    endless = {"l2_leaf_reg": 0, "leaf_estimation_backtracking": "No", "iterations": 30}
    model = model_of("Logloss", **endless).fit(X, y)
    with pytest.raises(ValueError, match="l2_leaf_reg=0"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_steps_are_looked_for_so_long(monkeypatch):
    model, train, _ = fitted("Poisson, several steps")
    assert {tuple(own) for own in trees_of(model, *train).estimation.lengths} != {(1.0,) * 6}
    monkeypatch.setattr(_catboost_steps, "TRIALS", 1)
    with pytest.raises(ValueError, match="do not follow from the rows"):
        RelatIFExplainer.from_fitted(model, *train)


def test_estimation_that_is_not_covered():
    class Told(catboost.CatBoostClassifier):
        def get_all_params(self):
            return {**super().get_all_params(), "leaf_estimation_method": "Simple"}

    X, y, _, _ = TABLES["Logloss"]
    with pytest.raises(ValueError, match="leaf_estimation_method='Simple' is not covered"):
        RelatIFExplainer.from_fitted(Told(**SMALL).fit(X, y), X, y)


def test_text_is_refused():
    frame, y = framed()
    frame["kind"] = "of the kind " + frame["kind"]
    model = model_of("Logloss", text_features=["kind"]).fit(frame, y)
    with pytest.raises(ValueError, match="encodes columns of text and embeddings"):
        RelatIFExplainer.from_fitted(model, frame, y)


def test_counts_below_zero_are_refused():
    X, y, _, _ = TABLES["Poisson"]
    model = model_of("Poisson").fit(X, targets("Poisson", y))
    with pytest.raises(ValueError, match="y contains -1"):
        RelatIFExplainer.from_fitted(model, X, np.full(len(y), -1.0))


def test_one_newton_step_is_the_plain_one():
    model, train, _ = fitted("squared")
    assert isinstance(trees_of(model, *train).estimation, NewtonStep)


@pytest.mark.parametrize("method", ["Newton", "Gradient"])
@pytest.mark.parametrize("loss", ["Logloss", "RMSE", "Poisson"])
def test_influence_is_that_of_the_library_where_it_counts_in_all_that_moves(loss, method):
    # Neither several steps inside a tree, nor the mean that predictions start from.
    X, y, X_new, y_new = TABLES[loss]
    y, y_new = targets(loss, y), targets(loss, y_new)
    from_zero = {} if loss == "Poisson" else {"boost_from_average": False}
    params = {"leaf_estimation_iterations": 1, "leaf_estimation_method": method, **from_zero}
    model = model_of(loss, **params).fit(X, y)
    rows, scores = model.get_object_importance(
        catboost.Pool(X_new, y_new),
        catboost.Pool(X, y),
        type="PerObject",
        update_method="AllPoints",
        thread_count=1,
    )
    expected = np.empty((len(X_new), len(X)))
    np.put_along_axis(expected, np.array(rows), -len(y) * np.array(scores), axis=1)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    assert_allclose(influence, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("CatBoostClassifier", load_breast_cancer),
        ("CatBoostClassifier", load_wine),
        ("CatBoostRegressor", load_diabetes),
    ],
)
def test_the_adapter_keeps_its_promises(kind, load):
    X, y = load(return_X_y=True)
    model = getattr(catboost, kind)(iterations=5, verbose=0, allow_writing_files=False).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
