"""Forests and single trees: leaf values from rows, influence, and what is refused."""

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.fixes import parse_version

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.adapters._forests import drawn_counts
from sklearn_relatif.explainers._studied import study_of

DRAWS_BY_WEIGHT = parse_version(sklearn.__version__) >= parse_version("1.9.dev0")
CRITERIA = ("influence", "theta_relative", "loss_relative")
RNG = np.random.default_rng(0)
SOME = RNG.permutation(150)[:75]
X, Y = (values[SOME] for values in load_iris(return_X_y=True))
Y[::6] = RNG.integers(0, 3, len(Y[::6]))  # So that leaves are not pure.
WORDS = np.array(["a", "b", "c"])[Y]
WEIGHT = RNG.integers(0, 4, len(Y)).astype(float)
X_NUMBERS, NUMBERS = (values[::4] for values in load_diabetes(return_X_y=True))
SHALLOW = {"max_depth": 2, "random_state": 0}
FEW = {"n_estimators": 7, **SHALLOW}


# --- by brute force, from the trees of scikit-learn ------------------------------------------


def trees_of(model):
    return getattr(model, "estimators_", None) or [model]


def weights_by_hand(model, y, sample_weight):
    """What rows weigh in each tree, from the draws that the model tells."""
    n, class_weight = len(y), getattr(model, "class_weight", None)
    is_forest, bootstrap = hasattr(model, "estimators_"), getattr(model, "bootstrap", False)
    weight = sample_weight
    if class_weight == "balanced_subsample" and not bootstrap:
        class_weight = "balanced"
    if class_weight == "balanced" and is_forest and DRAWS_BY_WEIGHT:
        totals = {label: sample_weight[y == label].sum() for label in set(y.tolist())}
        share = {k: sample_weight.sum() / (len(totals) * v) for k, v in totals.items()}
        weight = weight * np.array([share[label] for label in y.tolist()])
    elif class_weight is not None and class_weight != "balanced_subsample":
        weight = weight * compute_sample_weight(class_weight, y)
    if not bootstrap:
        return weight, [weight] * len(trees_of(model))
    each = []
    for drawn in model.estimators_samples_:
        own = np.bincount(drawn, minlength=n) * (1.0 if DRAWS_BY_WEIGHT else weight)
        if class_weight == "balanced_subsample":
            own = own * compute_sample_weight("balanced", y, indices=drawn)
        each.append(own)
    return weight, each


def indicators(model, y):
    if not is_classifier(model):
        return y.reshape(len(y), -1)
    return (y[:, None] == model.classes_).astype(float)


def slow_scores(model, X, y, sample_weight, X_query, y_query):
    """Scores in each criterion, tree by tree, leaf by leaf and row by row."""
    total, each = weights_by_hand(model, y, sample_weight)
    targets, n, T = indicators(model, y), len(y), len(each)
    seen = model.predict_proba(X_query) if is_classifier(model) else model.predict(X_query)
    query = seen.reshape(len(X_query), -1) - indicators(model, y_query)
    scores, loss, theta = np.zeros((len(X_query), n)), np.zeros(n), np.zeros(n)
    for tree, weight in zip(trees_of(model), each, strict=True):
        leaves, asked = (tree.apply(own.astype(np.float32)) for own in (X, X_query))
        for i in np.flatnonzero(total):
            same = leaves == leaves[i]
            h = weight[same].sum() / total.sum()
            value = weight[same] @ targets[same] / weight[same].sum()
            gradient = weight[i] / total[i] * (value - targets[i])
            scores[asked == leaves[i], i] += query[asked == leaves[i]] @ gradient / h / T
            loss[i] += gradient @ gradient / h
            theta[i] += gradient @ gradient / h**2

    def ratio(lengths):
        return np.divide(scores, np.sqrt(lengths), out=np.zeros_like(scores), where=lengths > 0)

    return {"influence": scores, "theta_relative": ratio(theta), "loss_relative": ratio(loss)}


CLASSIFIERS = {
    "forest": (RandomForestClassifier(**FEW), None),
    "weights": (RandomForestClassifier(**FEW), WEIGHT),
    "entropy": (RandomForestClassifier(**FEW, criterion="entropy"), None),
    "log loss": (RandomForestClassifier(**FEW, criterion="log_loss", max_samples=0.4), WEIGHT),
    "no bootstrap": (RandomForestClassifier(**FEW, bootstrap=False), WEIGHT),
    "balanced": (RandomForestClassifier(**FEW, class_weight="balanced"), WEIGHT),
    "each balanced": (
        RandomForestClassifier(**FEW, class_weight="balanced_subsample", max_samples=20),
        WEIGHT,
    ),
    "all balanced": (
        RandomForestClassifier(**FEW, class_weight="balanced_subsample", bootstrap=False),
        WEIGHT,
    ),
    "class weights": (RandomForestClassifier(**FEW, class_weight={"a": 3, "c": 0.5}), WEIGHT),
    "extra trees": (ExtraTreesClassifier(**FEW, min_samples_leaf=3), WEIGHT),
    "extra bootstrap": (ExtraTreesClassifier(**FEW, bootstrap=True), None),
    "many leaves": (RandomForestClassifier(5, max_leaf_nodes=4, random_state=0), None),
    "tree": (DecisionTreeClassifier(**SHALLOW), WEIGHT),
    "balanced tree": (DecisionTreeClassifier(**SHALLOW, class_weight="balanced"), WEIGHT),
    "pruned": (DecisionTreeClassifier(ccp_alpha=0.02, random_state=0), None),
    "extra tree": (ExtraTreeClassifier(max_depth=2, random_state=1), None),
}
REGRESSORS = {
    "forest": (RandomForestRegressor(**FEW), None),
    "extra trees": (ExtraTreesRegressor(**FEW), None),
    "tree": (DecisionTreeRegressor(**SHALLOW), RNG.uniform(size=len(NUMBERS))),
    "extra tree": (ExtraTreeRegressor(min_samples_leaf=5, random_state=0), None),
}


def assert_scores(model, X, y, sample_weight):
    explainer = RelatIFExplainer(model).fit(X, y, sample_weight)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    expected = slow_scores(explainer.estimator_, X, y, weight, X[:9] + 0.1, y[:9])
    scores = explainer.pairwise_influence(X[:9] + 0.1, y[:9], criterion=CRITERIA)
    for name in CRITERIA:
        scale = np.abs(expected[name]).max()
        assert scale > 0
        assert_allclose(scores[name], expected[name], atol=1e-10 * scale)
    own = slow_scores(explainer.estimator_, X, y, weight, X, y)["influence"]
    assert_allclose(explainer.self_influence_, np.diag(own), atol=1e-10 * np.abs(own).max())
    best = explainer.explain(X[:9] + 0.1, y[:9], criterion="influence", sign="absolute")
    largest = np.sort(np.abs(expected["influence"]), axis=1)[:, :-6:-1]
    assert_allclose(np.abs(np.nan_to_num(best.scores)), largest, atol=1e-10 * largest.max())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scores_of_classifiers(name):
    model, weight = CLASSIFIERS[name]
    assert_scores(model, X, WORDS, weight)


@pytest.mark.parametrize("name", REGRESSORS)
def test_scores_of_regressors(name):
    model, weight = REGRESSORS[name]
    assert_scores(model, X_NUMBERS, NUMBERS, weight)


@pytest.mark.filterwarnings("ignore:Value `.friedman_mse:FutureWarning")
def test_scores_of_a_criterion_that_is_on_its_way_out():
    assert_scores(RandomForestRegressor(**FEW, criterion="friedman_mse"), X_NUMBERS, NUMBERS, None)


# --- by finite differences of scikit-learn's own fits ----------------------------------------


def structure(model):
    return [
        (own.tree_.children_left.tolist(), own.tree_.feature.tolist(), own.tree_.threshold.tolist())
        for own in trees_of(model)
    ]


def query_losses(model, X, y):
    """What queries enter by, written down once more."""
    if is_classifier(model):
        return ((model.predict_proba(X) - indicators(model, y)) ** 2).sum(axis=1) / 2
    mean = model.predict(X)
    if model.criterion == "poisson":
        ratio = np.where(y > 0, y, 1) / mean
        return np.where(y > 0, y * np.log(ratio), 0) - y + mean
    return (mean - y) ** 2 / 2


COUNTS = RNG.poisson(np.exp(X_NUMBERS[:, 2] * 10)).astype(float)
REFITTED = {
    "tree": (DecisionTreeClassifier(**SHALLOW, class_weight={0: 2.0}), X, Y),
    "extra trees": (ExtraTreesClassifier(**FEW), X, Y),
    "forest": (RandomForestRegressor(**FEW, bootstrap=False), X_NUMBERS, NUMBERS),
    "Poisson": (DecisionTreeRegressor(**SHALLOW, criterion="poisson"), X_NUMBERS, COUNTS),
    "Poisson forest": (
        RandomForestRegressor(**FEW, bootstrap=False, criterion="poisson"),
        X_NUMBERS,
        COUNTS,
    ),
}


@pytest.mark.parametrize("name", REFITTED)
def test_influence_is_the_slope_of_refits(name):
    model, X, y = REFITTED[name]
    weight, step = np.random.default_rng(1).uniform(0.5, 2, len(y)), 1e-5
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    score = explainer.pairwise_influence(X[:8], y[:8], criterion="influence")
    effective = study_of(explainer).objective.sample_weight
    for i in (0, 7, 20, 33):
        losses = []
        for sign in (1, -1):
            changed = weight.copy()
            changed[i] *= 1 + sign * step
            refit = clone(model).fit(X, y, changed)
            assert structure(refit) == structure(explainer.estimator_)
            losses.append(query_losses(refit, X[:8], y[:8]))
        slope = (losses[0] - losses[1]) / (2 * step)
        expected = -score[:, i] * effective[i] / effective.sum()
        assert_allclose(slope, expected, atol=1e-8 * max(1, np.abs(score).max()))


def test_relative_scores_of_counts_are_those_of_their_likelihood():
    model = DecisionTreeRegressor(**SHALLOW, criterion="poisson")
    explainer = RelatIFExplainer(model).fit(X_NUMBERS, COUNTS)
    leaves, mean = explainer.estimator_.apply(X_NUMBERS), explainer.predict(X_NUMBERS)
    n_own = (leaves[:, None] == leaves).sum(axis=1)
    gradient, hessian = 1 - COUNTS / mean, n_own / mean / len(mean)
    assert_allclose(explainer.scale_, np.abs(gradient) / np.sqrt(hessian))
    explainer = RelatIFExplainer(model, criterion="theta_relative").fit(X_NUMBERS, COUNTS)
    assert_allclose(explainer.scale_, np.abs(gradient) / hessian)
    # Without a target a query asks for the prediction, and a larger target raises it.
    same = leaves == leaves[0]
    score = explainer.pairwise_influence(X_NUMBERS[:1], criterion="influence")[0]
    assert_allclose(score[same], ((COUNTS - mean) * len(mean) / n_own)[same])
    assert not score[~same].any()


def test_leaves_of_counts_that_are_all_zero():
    X, y = np.arange(12.0)[:, None], np.repeat([0.0, 1.0, 3.0, 2.0], 3)
    y[-1] = 5
    model = RandomForestRegressor(8, criterion="poisson", min_samples_leaf=2, random_state=0)
    explainer = RelatIFExplainer(model).fit(X, y)
    assert np.isfinite(explainer.pairwise_influence(X, criterion="loss_relative")).all()
    with pytest.raises(ValueError, match="y contains -1"):
        explainer.explain(X[:1], [-1])


def test_classes_that_share_a_leaf_equally():
    """The first of them is what scikit-learn predicts, whichever row is the last."""
    X = np.repeat([0.0, 1.0], 3)[:, None]
    for own in ([0, 1, 2], [2, 1, 0], [0, 2, 1]):
        y = np.array([*own, 1, 1, 1])
        explainer = RelatIFExplainer(DecisionTreeClassifier(max_depth=1)).fit(X, y)
        assert explainer.explain(X[:1]).targets[0] == explainer.predict(X[:1])[0] == 0


# --- several targets and labels --------------------------------------------------------------


def test_several_targets():
    y = np.column_stack([NUMBERS, X_NUMBERS[:, 0] * 500])
    explainer = RelatIFExplainer(RandomForestRegressor(**FEW)).fit(X_NUMBERS, y)
    assert_scores(RandomForestRegressor(**FEW), X_NUMBERS, y, None)
    score = explainer.pairwise_influence(X_NUMBERS[:3], criterion="influence")
    asked = explainer.predict(X_NUMBERS[:3]) + 1  # Residuals of -1, as those of predictions.
    given = explainer.pairwise_influence(X_NUMBERS[:3], asked, criterion="influence")
    assert_allclose(score, given, atol=1e-9 * np.abs(score).max())


def test_counts_of_several_targets():
    y = np.column_stack([COUNTS, COUNTS[::-1]])
    model = RandomForestRegressor(**FEW, criterion="poisson")
    explainer = RelatIFExplainer(model).fit(X_NUMBERS, y)
    each = explainer.pairwise_influence(X_NUMBERS[:3], y[:3], criterion="influence")
    assert np.abs(each).max() > 0


@pytest.mark.parametrize("class_weight", [None, "balanced", [{"a": 2.0, "c": 0.5}, {"long": 3.0}]])
def test_several_labels(class_weight):
    y = np.column_stack([WORDS, np.where(X[:, 0] > 5.8, "long", "short")])
    model = ExtraTreesClassifier(**FEW, class_weight=class_weight)
    explainer = RelatIFExplainer(model).fit(X, y)
    score = explainer.pairwise_influence(X[:5], y[:5], criterion="influence")
    total = np.zeros_like(score)
    weight = np.ones(len(y)) if class_weight is None else compute_sample_weight(class_weight, y)
    for label in range(2):
        # The structure is that of both labels, and each has its own values in it.
        classes = explainer.estimator_.classes_[label]
        targets = (y[:, label][:, None] == classes).astype(float)
        p = explainer.estimator_.predict_proba(X[:5])[label] - targets[:5]
        for tree in explainer.estimator_.estimators_:
            leaves = tree.apply(X.astype(np.float32))
            for i in range(len(y)):
                same, asked = leaves == leaves[i], leaves[:5] == leaves[i]
                value = np.average(targets[same], axis=0, weights=weight[same])
                pull = p[asked] @ (value - targets[i]) / weight[same].sum()
                total[asked, i] += pull * weight.sum() / 7
    assert_allclose(score, total, atol=1e-10 * np.abs(total).max())
    assert explainer.explain(X[:2]).targets.shape == (2, 2)


def test_each_tree_balances_several_labels():
    y = np.column_stack([Y, X[:, 0] > 5.8])
    model = RandomForestClassifier(**FEW, class_weight="balanced_subsample")
    explainer = RelatIFExplainer(model).fit(X, y)
    forest = study_of(explainer).objective.forest
    for tree, drawn in enumerate(explainer.estimator_.estimators_samples_):
        counts = np.bincount(drawn, minlength=len(y))
        expected = counts * compute_sample_weight("balanced", y, indices=drawn)
        assert_allclose(forest.weights.of(tree), expected)


# --- rows of all kinds -----------------------------------------------------------------------


def test_missing_values():
    rows = X.copy()
    rows[::5, 2] = np.nan
    explainer = RelatIFExplainer(RandomForestClassifier(**FEW)).fit(rows, Y)
    assert np.abs(explainer.pairwise_influence(rows[:10], Y[:10])).max() > 0


def test_sparse_rows_and_frames():
    pandas = pytest.importorskip("pandas")
    dense = RelatIFExplainer(ExtraTreesClassifier(**FEW)).fit(X, Y)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    named = RelatIFExplainer(ExtraTreesClassifier(**FEW)).fit(frame, Y)
    assert_array_equal(named.pairwise_influence(frame[:5]), dense.pairwise_influence(X[:5]))
    rows = sparse.csr_matrix(np.maximum(X - 2, 0))
    scanty = RelatIFExplainer(ExtraTreesClassifier(**FEW)).fit(rows, Y)
    alike = RelatIFExplainer(ExtraTreesClassifier(**FEW)).fit(rows.toarray(), Y)
    assert_allclose(scanty.pairwise_influence(rows[:5]), alike.pairwise_influence(rows[:5]))


def test_pipelines_searches_and_files():
    model = make_pipeline(StandardScaler(), RandomForestClassifier(**FEW))
    search = GridSearchCV(model, {"randomforestclassifier__min_samples_leaf": [1, 4]}, cv=3)
    explainer = RelatIFExplainer(search).fit(X, Y)
    again = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(again.pairwise_influence(X[:5]), explainer.pairwise_influence(X[:5]))


def test_trees_that_were_added_to_a_forest():
    model = RandomForestClassifier(**FEW, warm_start=True).fit(X, Y)
    model.set_params(n_estimators=12).fit(X, Y)
    RelatIFExplainer.from_fitted(model, X, Y)
    model.set_params(n_estimators=15).fit(X[::-1], Y[::-1])
    with pytest.raises(ValueError, match=r"do not follow from the rows.*warm_start=True"):
        RelatIFExplainer.from_fitted(model, X, Y)


def test_blocks_change_nothing():
    explainer = RelatIFExplainer(RandomForestClassifier(**FEW)).fit(X, Y)
    expected = explainer.pairwise_influence(X[:20]), explainer.self_influence_
    with sklearn.config_context(working_memory=1e-3):
        few = RelatIFExplainer(RandomForestClassifier(**FEW)).fit(X, Y)
        assert_allclose(few.pairwise_influence(X[:20]), expected[0], atol=1e-12)
        assert_allclose(few.self_influence_, expected[1], atol=1e-12)


def test_damping():
    plain = RelatIFExplainer(DecisionTreeRegressor(**SHALLOW)).fit(X_NUMBERS, NUMBERS)
    damped = RelatIFExplainer(DecisionTreeRegressor(**SHALLOW), damping=0.5).fit(X_NUMBERS, NUMBERS)
    leaves = plain.estimator_.apply(X_NUMBERS)
    h = (leaves[:, None] == leaves).mean(axis=0)
    scores = [own.pairwise_influence(X_NUMBERS, criterion="influence") for own in (plain, damped)]
    assert_allclose(scores[1], scores[0] * h / (h + 0.5))


# --- rows that a tree has not drawn ----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")  # scikit-learn 1.7
def test_predictions_out_of_the_bag():
    model = RandomForestClassifier(40, max_depth=2, random_state=0, oob_score=True)
    objective = study_of(RelatIFExplainer(model).fit(X, Y, WEIGHT)).objective
    assert objective.has_out_of_bag
    model.fit(X, Y, WEIGHT)
    seen = ~np.isnan(objective.out_of_bag_predictor).any(axis=1)
    assert seen.sum() > 70
    expected = model.oob_decision_function_
    assert_allclose(objective.out_of_bag_predictor[seen], expected[seen], atol=1e-14)
    model = RandomForestRegressor(40, random_state=0, oob_score=True, min_samples_leaf=5)
    explainer = RelatIFExplainer(model).fit(X_NUMBERS, NUMBERS)
    own = study_of(explainer).objective.out_of_bag_predictor
    assert_allclose(own[:, 0], explainer.estimator_.oob_prediction_)


def test_rows_that_all_trees_have_drawn():
    explainer = RelatIFExplainer(RandomForestClassifier(2, random_state=0, max_depth=2)).fit(X, Y)
    objective = study_of(explainer).objective
    drawn = [set(rows) for rows in explainer.estimator_.estimators_samples_]
    is_drawn = np.array([all(i in own for own in drawn) for i in range(len(Y))])
    assert_array_equal(np.isnan(objective.out_of_bag_predictor).all(axis=1), is_drawn)


@pytest.mark.parametrize("model", [DecisionTreeClassifier(**SHALLOW), ExtraTreesClassifier(**FEW)])
def test_models_that_draw_nothing_have_no_bag(model):
    objective = study_of(RelatIFExplainer(model).fit(X, Y)).objective
    assert not objective.has_out_of_bag
    assert_array_equal(objective.forest.is_out_of_bag(0), np.zeros(len(Y), bool))


def test_draws_are_counted_beyond_small_integers():
    counts = drawn_counts([np.zeros(300, int), np.arange(3)], 3, "forest")
    assert_array_equal(counts, [[300, 0, 0], [1, 1, 1]])
    assert counts.dtype == np.uint16


# --- pure leaves -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "X", "y"),
    [
        (RandomForestClassifier(10, random_state=0), X, Y),
        (DecisionTreeClassifier(), X, WORDS),
        (DecisionTreeRegressor(), X_NUMBERS, NUMBERS / 3),
        (RandomForestRegressor(10, random_state=0), X_NUMBERS, NUMBERS / 3),
    ],
)
def test_pure_leaves_explain_nothing_and_say_so(model, X, y):
    with pytest.warns(UserWarning, match=r"% of the training rows.*target_weights.*min_samples"):
        explainer = RelatIFExplainer(model).fit(X, y)
    for criterion in CRITERIA:
        explanation = explainer.explain(X, y, sign="absolute", criterion=criterion)
        # What is there is no rounding: only rows in leaves that are not pure have scores.
        forest = study_of(explainer).objective.forest
        if forest.sums.is_pure.all():
            assert (explanation.indices == -1).all()
            assert np.isnan(explanation.scores).all()
    pure = forest.sums.is_pure[forest.leaves.numbered()]
    counted = np.stack([forest.weights.of(t) > 0 for t in range(forest.n_trees)], axis=1)
    without = (pure | ~counted).all(axis=1)
    assert without.sum() > 0
    assert not explainer.pairwise_influence(X, y, criterion="influence")[:, without].any()


def test_values_of_pure_leaves_are_targets_to_the_bit():
    y = np.repeat([0.1, 0.7], [3, 5])
    model = DecisionTreeRegressor(max_depth=1)
    with pytest.warns(UserWarning, match=r"100.0% of the training rows"):
        explainer = RelatIFExplainer(model).fit(np.arange(8.0)[:, None], y, np.full(8, 0.3))
    forest = study_of(explainer).objective.forest
    assert_array_equal(forest.values[:, 0], [0.1, 0.7])


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*pure leaves")
@pytest.mark.parametrize("kind", [RandomForestRegressor, DecisionTreeRegressor])
def test_medians_are_refused(kind):
    with pytest.raises(ValueError, match=r"criterion='absolute_error'.*medians.*squared_error"):
        RelatIFExplainer(kind(criterion="absolute_error", max_depth=2)).fit(X_NUMBERS, NUMBERS)


def test_values_that_were_clipped_are_refused():
    rng = np.random.default_rng(0)
    rows = rng.uniform(size=(200, 2))
    y = 2 * rows[:, 0] - np.cos(4 * rows[:, 1]) * rows[:, 0] + rng.normal(size=200)
    free = DecisionTreeRegressor(max_depth=4, monotonic_cst=[0, 0]).fit(rows, y)
    RelatIFExplainer.from_fitted(free, rows, y)
    bound = clone(free).set_params(monotonic_cst=[1, 0]).fit(rows, y)
    with pytest.raises(ValueError, match=r"do not follow.*differ by.*monotonic_cst clips"):
        RelatIFExplainer.from_fitted(bound, rows, y)


def test_other_rows_are_refused():
    model = RandomForestClassifier(**FEW).fit(X, Y)
    with pytest.raises(ValueError, match="X has 50 rows, and this RandomForestClassifier drew"):
        RelatIFExplainer.from_fitted(model, X[:50], Y[:50])
    with pytest.raises(ValueError, match="they differ by"):
        RelatIFExplainer.from_fitted(model, X, np.roll(Y, 1))
    tree = DecisionTreeClassifier(**SHALLOW).fit(X, Y)
    with pytest.raises(ValueError, match="of them have no rows"):
        RelatIFExplainer.from_fitted(tree, X, Y, np.where(X[:, 2] < 2.5, 1e-300, 0) + (Y == 9))


def test_other_curvatures_and_attributes_are_refused():
    model = DecisionTreeClassifier(**SHALLOW)
    with pytest.raises(ValueError, match="curvature='fisher' does not exist for models of trees"):
        RelatIFExplainer(model, curvature="fisher").fit(X, Y)
    with pytest.raises(ValueError, match="solver='cg' is not for models of trees"):
        RelatIFExplainer(model, solver="cg").fit(X, Y)
    explainer = RelatIFExplainer(model).fit(X, Y)
    for attribute in ("leverage_", "distance_to_optimum_"):
        with pytest.raises(AttributeError, match=f"DecisionTreeClassifier has no {attribute}"):
            getattr(explainer, attribute)
    assert not hasattr(explainer, "transform")


@pytest.mark.parametrize(
    ("model", "draws", "changes"),
    [
        (RandomForestClassifier(), True, False),
        (RandomForestClassifier(class_weight="balanced_subsample"), True, True),
        (ExtraTreesClassifier(class_weight="balanced"), False, True),
        (RandomForestRegressor(), True, False),
        (DecisionTreeClassifier(class_weight={0: 2}), False, False),
    ],
)
def test_what_removals_hold(model, draws, changes):
    adapter = adapter_of(model)
    assert adapter.draws_rows(model) == draws
    assert adapter.removal_changes_objective(model) == changes
