"""Errors: each names the argument, the value, and the way out."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.losses import SquaredHinge, binary_codebook
from tests import cases

X, Y = cases.noisy_classes(3)
N_ROWS = len(Y)


@pytest.fixture(scope="module")
def explainer():
    return RelatIFExplainer(LogisticRegression()).fit(X, Y)


# --- estimators -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 2]}),
    ],
)
def test_unsupported_estimator(estimator):
    message = (
        "KNeighborsClassifier cannot be explained. Its neighbours .*NearestNeighborsExplainer.* "
        "Supported estimators: .*LogisticRegression, LogisticRegressionCV, "
        ".*OneVsRestClassifier.*last step of a Pipeline"
    )
    with pytest.raises(TypeError, match=message):
        RelatIFExplainer(estimator).fit(X, Y)
    with pytest.raises(TypeError, match=message):
        RelatIFExplainer.from_fitted(estimator.fit(X, Y), X, Y)


def test_pipeline_that_ends_in_a_transformer():
    with pytest.raises(TypeError, match=r"StandardScaler cannot be explained"):
        RelatIFExplainer(make_pipeline(StandardScaler())).fit(X, Y)


def test_clusterer_is_not_an_estimator_with_labels():
    with pytest.raises(TypeError, match=r"KMeans cannot be explained"):
        RelatIFExplainer(KMeans(3)).fit(X, Y)


def test_one_versus_rest_around_another_model():
    with pytest.raises(TypeError, match=r"DecisionTreeClassifier cannot be explained"):
        RelatIFExplainer(OneVsRestClassifier(DecisionTreeClassifier())).fit(X, Y)


def test_one_versus_rest_of_one_class():
    with (
        pytest.warns(UserWarning, match="present in all training examples"),
        pytest.raises(ValueError, match=r"on one class only, \[0\].*at least two classes"),
    ):
        RelatIFExplainer(OneVsRestClassifier(LogisticRegression())).fit(X, np.zeros(len(X), int))


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline])
def test_labels_in_a_column(wrap):
    estimator = wrap(OneVsRestClassifier(LogisticRegression()))
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = RelatIFExplainer(estimator).fit(X, Y[:, None])
    plain = RelatIFExplainer(estimator).fit(X, Y)
    assert_array_equal(column.pairwise_influence(X[:3]), plain.pairwise_influence(X[:3]))


def test_search_that_does_not_refit():
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, refit=False)
    with pytest.raises(TypeError, match=r"GridSearchCV.*cannot be explained.*refit=True"):
        RelatIFExplainer(search).fit(X, Y)


def test_model_that_is_not_fitted():
    with pytest.raises(NotFittedError, match=r"LogisticRegression instance is not fitted"):
        RelatIFExplainer.from_fitted(LogisticRegression(), X, Y)
    for method in ("explain", "pairwise_influence", "transform", "predict", "predict_proba"):
        with pytest.raises(NotFittedError, match=r"RelatIFExplainer instance is not fitted"):
            getattr(RelatIFExplainer(LogisticRegression()), method)(X)
    for attribute in ("scale_", "self_influence_", "leverage_"):
        with pytest.raises(NotFittedError, match=r"RelatIFExplainer instance is not fitted"):
            getattr(RelatIFExplainer(LogisticRegression()), attribute)


def test_methods_that_the_model_does_not_have():
    wrapper = RelatIFExplainer(DecisionTreeClassifier())
    assert not hasattr(wrapper, "decision_function")
    assert hasattr(wrapper, "predict_proba")


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of scikit-learn, about its defaults
def test_average_over_models_of_folds():
    model = LogisticRegressionCV(Cs=2, cv=2, refit=False).fit(X, Y)
    message = "LogisticRegressionCV with refit=False cannot be explained.*average.*refit=True"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, Y)


@pytest.mark.parametrize("kind", [SGDClassifier, SGDRegressor])
def test_rows_that_are_held_out(kind):
    """Which of them never were trained on is not told by the model."""
    model = kind(early_stopping=True, validation_fraction=0.2, random_state=0)
    message = rf"{kind.__name__} with early_stopping=True .*share of 0\.2.*early_stopping=False"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(model).fit(X, Y)


@pytest.mark.parametrize("solver", ["auto", "cg", "woodbury"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_no_parameter_is_active(container, solver):
    how = {"penalty": "l1"} if cases.HAS_MULTI_CLASS else {"l1_ratio": 1.0}
    model = LogisticRegression(C=1e-3, solver="saga", fit_intercept=False, **how)
    hinge = LinearSVC(penalty="l1", dual=False, C=1e-6)
    for estimator in (model, hinge):
        with pytest.raises(ValueError, match=r"L1 penalty.* holds every parameter .*larger C"):
            RelatIFExplainer(estimator, solver=solver).fit(container(X), Y)


# --- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"damping": -0.1}, ValueError, "damping must be finite and at least 0; got -0.1"),
        ({"damping": np.nan}, ValueError, "damping must be finite and at least 0; got nan"),
        ({"damping": np.inf}, ValueError, "damping must be finite and at least 0; got inf"),
        ({"damping": "small"}, TypeError, "damping must be a number; got 'small'"),
        ({"damping": True}, TypeError, "damping must be a number; got True"),
        ({"criterion": "loss"}, ValueError, "criterion must be one of 'influence', .*got 'loss'"),
        ({"criterion": None}, ValueError, "criterion must be one of .*got None"),
        ({"curvature": "H"}, ValueError, "curvature must be one of 'hessian', .*got 'H'"),
        ({"solver": "lu"}, ValueError, "solver must be one of 'auto', 'cholesky'.*got 'lu'"),
    ],
)
def test_parameters_of_the_constructor(params, kind, message):
    with pytest.raises(kind, match=message):
        RelatIFExplainer(LogisticRegression(), **params).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"n_examples": 0}, ValueError, "n_examples must be at least 1; got 0"),
        ({"n_examples": 2.0}, TypeError, "n_examples must be a whole number; got 2.0"),
        ({"n_examples": True}, TypeError, "n_examples must be a whole number; got True"),
        ({"sign": "+"}, ValueError, "sign must be one of 'positive', .*got '+"),
        ({"criterion": "relatif"}, ValueError, "criterion must be one of .*got 'relatif'"),
        ({"criterion": ["influence", 3]}, ValueError, "criterion must be one of .*got 3"),
        ({"criterion": []}, ValueError, "criterion must name at least one"),
        ({"criterion": 3}, ValueError, "criterion must be one of .*got 3"),
        ({"criterion": ""}, ValueError, "criterion must be one of .*got ''"),
    ],
)
def test_arguments_of_explain(explainer, params, kind, message):
    with pytest.raises(kind, match=message):
        explainer.explain(X, **params)


def test_criterion_of_pairwise_influence(explainer):
    with pytest.raises(ValueError, match=r"criterion must be one of .*got 'relatif'"):
        explainer.pairwise_influence(X, criterion="relatif")
    with pytest.raises(ValueError, match="criterion must name at least one criterion; got none"):
        explainer.pairwise_influence(X, criterion=[])


# --- labels ---------------------------------------------------------------------------------


def test_label_never_seen(explainer):
    y = Y[:4].copy()
    y[2] = 9
    message = r"y contains labels .*not trained on: \[9\]. Its classes are \[0, 1, 2\]"
    for method in (explainer.explain, explainer.pairwise_influence, explainer.transform):
        with pytest.raises(ValueError, match=message):
            method(X[:4], y)


def test_labels_of_another_kind(explainer):
    with pytest.raises(ValueError, match=r"y contains labels .*not trained on: \['a'\]"):
        explainer.explain(X[:2], ["a", "a"])
    with pytest.raises(ValueError, match=r"y contains labels .*not trained on"):
        explainer.explain(X[:2], [0.0, np.nan])


MISSING = pytest.mark.parametrize("missing", [None, np.nan, float("nan"), 1])


@MISSING
@pytest.mark.parametrize("container", [list, lambda labels: np.array(labels, dtype=object)])
def test_labels_that_are_missing_among_texts(missing, container):
    """Not even if a class has the name that NumPy writes for them."""
    texts = np.array(["nan", "None", "1"])
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, texts[Y])
    labels = container(["nan", missing, "1"])
    message = rf"y contains labels that the model was not trained on: \[{missing}\]"
    with pytest.raises(ValueError, match=message):
        explainer.explain(X[:3], labels)
    with pytest.raises(ValueError, match=message):
        explainer.explain(X[:1], [["nan", missing]])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_training_labels_that_are_missing(missing):
    texts = ["a", "b", "c"]
    labels = [texts[k] for k in Y]
    model = LogisticRegression().fit(X, labels)
    labels[7] = missing
    message = rf"y has no label \(None or NaN\) for 1 of {N_ROWS} rows, the first at position 7"
    for explainer in (
        RelatIFExplainer(LogisticRegression()),
        RelatIFExplainer(FrozenEstimator(model)),
    ):
        for given in (labels, np.array(labels, dtype=object)):
            with pytest.raises(ValueError, match=message):
                explainer.fit(X, given)


def test_missing_labels_of_pandas():
    pd = pytest.importorskip("pandas")
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, np.array(["a", "b", "c"])[Y])
    with pytest.raises(ValueError, match=r"y contains labels .*not trained on: \[<NA>\]"):
        explainer.explain(X[:2], pd.Series(["a", pd.NA], dtype="string"))
    # Arrays of pandas hold a mask as well, in another way.
    whole = pd.array([0, None, 1], dtype="Int64")
    with pytest.raises(ValueError, match=r"not trained on: \[(nan|<NA>)\]"):
        RelatIFExplainer(LogisticRegression()).fit(X, Y).explain(X[:3], whole)


@pytest.mark.parametrize("names", [np.arange(3), np.arange(3.0), np.array(["a", "b", "c"])])
def test_labels_under_a_mask_are_missing(names):
    labels = names[Y]
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, np.ma.array(labels))
    masked = np.ma.array(labels, mask=np.arange(N_ROWS) % 9 == 4)
    with pytest.raises(ValueError, match=r"y has no label .* for 17 of 150 rows, .* position 4\."):
        RelatIFExplainer(LogisticRegression()).fit(X, masked)
    with pytest.raises(ValueError, match=r"y has no label .* position 4\."):
        RelatIFExplainer.from_fitted(explainer.estimator_, X, masked)
    with pytest.raises(ValueError, match=r"y_test has no label .* 17 of its 150 rows, .* 4\."):
        explainer.audit(X, masked)
    for ask in (explainer.explain, explainer.pairwise_influence, explainer.removal_effect):
        with pytest.raises(ValueError, match=r"y contains labels .*not trained on: \[None\]"):
            ask(X[:5], masked[:5])
    with pytest.raises(ValueError, match=r"not trained on: \[None\]"):
        explainer.explain(X[:5], np.ma.stack([masked[:5], masked[:5]], axis=1))
    expected = explainer.audit(X, labels).columns
    for name, found in explainer.audit(X, np.ma.array(labels, mask=False)).columns.items():
        np.testing.assert_array_equal(found, expected[name])


def test_targets_and_weights_under_a_mask_are_missing():
    mask = np.arange(N_ROWS) == 4
    regressor = SGDRegressor(average=True, tol=None, max_iter=1000, random_state=0)
    with pytest.raises(ValueError, match=r"y has no label .* for 1 of 150 rows"):
        RelatIFExplainer(regressor).fit(X, np.ma.array(X[:, 0], mask=mask))
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        RelatIFExplainer(LogisticRegression()).fit(X, Y, np.ma.array(np.ones(N_ROWS), mask=mask))


def test_targets_that_are_no_numbers():
    X, _ = cases.noisy_classes(2)
    regressor = SGDRegressor(average=True, tol=None, max_iter=1000, random_state=0)
    explainer = RelatIFExplainer(regressor).fit(X[:, 1:], X[:, 0])
    with pytest.raises(ValueError, match="y contains what is no number"):
        explainer.explain(X[:2, 1:], ["low", "high"])


def test_training_label_that_the_model_does_not_know():
    model = LogisticRegression().fit(X[Y < 2], Y[Y < 2])
    with pytest.raises(ValueError, match=r"y contains labels .*not trained on: \[2\]"):
        RelatIFExplainer.from_fitted(model, X, Y)


def test_training_set_that_lacks_a_class():
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=r"y has no row .*of the classes \[1\].*fitted on"):
        RelatIFExplainer.from_fitted(model, X[Y != 1], Y[Y != 1])


def test_class_whose_rows_do_not_count():
    message = r"y has no row \(of a weight above 0\) of the classes \[2\].*fitted on"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(LogisticRegression()).fit(X, Y, np.where(Y == 2, 0.0, 1.0))


def test_one_class_only():
    with pytest.raises(
        ValueError, match=r"needs samples of at least 2 classes|more than one class"
    ):
        RelatIFExplainer(LogisticRegression()).fit(X, np.zeros(N_ROWS))


def test_wrong_number_of_labels(explainer):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples"):
        explainer.explain(X[:5], Y[:4])
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples"):
        RelatIFExplainer.from_fitted(model, X, Y[:-1])


def test_missing_and_continuous_labels():
    with pytest.raises(ValueError, match=r"requires y to be passed, but the target y is None"):
        RelatIFExplainer(LogisticRegression()).fit(X, None)
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=r"requires y to be passed, but the target y is None"):
        RelatIFExplainer.from_fitted(model, X, None)
    with pytest.raises(ValueError, match=r"Unknown label type: continuous"):
        RelatIFExplainer(LogisticRegression()).fit(X, X[:, 0])


# --- features -------------------------------------------------------------------------------


def test_lazy_frames_are_named(explainer, tmp_path):
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame(X).lazy()
    neighbors = NearestNeighborsExplainer().fit(X, Y)
    for ask in (
        lambda: RelatIFExplainer(LogisticRegression()).fit(lazy, Y),
        lambda: RelatIFExplainer.from_fitted(explainer.estimator_, lazy, Y),
        lambda: explainer.explain(lazy),
        lambda: explainer.removal_effect(lazy, Y),
        lambda: explainer.audit(lazy, Y),
        lambda: explainer.audit().to_html(tmp_path / "page.html", lazy),
        lambda: NearestNeighborsExplainer().fit(lazy, Y),
        lambda: neighbors.explain(lazy),
    ):
        with pytest.raises(TypeError, match=r"a LazyFrame, .* pass X\.collect\(\)"):
            ask()
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(("value", "message"), [(np.nan, "contains NaN"), (np.inf, "infinity")])
def test_features_that_are_not_finite(explainer, value, message, container):
    hostile = X.copy()
    hostile[3, 1] = value
    hostile = container(hostile)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(LogisticRegression()).fit(hostile, Y)
    for method in (explainer.explain, explainer.pairwise_influence, explainer.transform):
        with pytest.raises(ValueError, match=message):
            method(hostile)


def test_wrong_number_of_columns(explainer):
    for method in (explainer.explain, explainer.pairwise_influence, explainer.transform):
        with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4 features"):
            method(X[:, :3])


def test_wrong_names_of_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    for estimator in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        named = RelatIFExplainer(estimator).fit(frame, Y)
        with pytest.raises(ValueError, match=r"feature names should match.*\n.*unseen.*\n- e"):
            named.explain(frame.rename(columns={"d": "e"}))
        with pytest.warns(UserWarning, match=r"X does not have valid feature names"):
            named.explain(X[:1])


def test_empty_input(explainer):
    with pytest.raises(ValueError, match=r"Found array with 0 sample"):
        RelatIFExplainer(LogisticRegression()).fit(X[:0], Y[:0])
    for method in (explainer.explain, explainer.pairwise_influence, explainer.transform):
        with pytest.raises(ValueError, match=r"Found array with 0 sample"):
            method(X[:0])


def test_one_query_as_a_vector(explainer):
    with pytest.raises(ValueError, match=r"Expected 2D array, got 1D array"):
        explainer.explain(X[0])


# --- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.r_[-1.5, np.ones(N_ROWS - 1)], "must not be negative; its smallest entry is -1.5"),
        (np.r_[np.nan, np.ones(N_ROWS - 1)], "contains NaN"),
        (np.r_[np.inf, np.ones(N_ROWS - 1)], "contains .*infinity"),
        (np.zeros(N_ROWS), "is zero for every row"),
        (np.ones(N_ROWS - 1), rf"has {N_ROWS - 1} entries for {N_ROWS} rows"),
        (-2.0, "must not be negative; its smallest entry is -2"),
        (0, "is zero for every row"),
        (np.nan, "contains NaN"),
        (np.ones((N_ROWS, 2)), rf"must be one number for each row.*shape \({N_ROWS}, 2\)"),
        (["heavy"] * N_ROWS, "must hold real numbers; got \\['heavy', "),
        (["heavy", 1] * (N_ROWS // 2), "must hold real numbers; got \\['heavy', "),
        ([None] * N_ROWS, "contains NaN"),
        (np.ones(N_ROWS) * 1j, "must hold real numbers; got array"),
    ],
)
def test_weights(weight, message):
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=f"sample_weight {message}"):
        RelatIFExplainer.from_fitted(model, X, Y, weight)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    for estimator in (LogisticRegression(), SVC(), LinearSVC()):
        with pytest.raises(ValueError, match=f"sample_weight {message}"):
            RelatIFExplainer(estimator).fit(X, Y, weight)
    with pytest.raises(ValueError, match=f"sample_weight {message}"):
        RelatIFExplainer(pipeline).fit(X, Y, logisticregression__sample_weight=weight)


def test_negative_weights_that_the_estimator_itself_accepts():
    weight = np.r_[-1e-3, np.ones(N_ROWS - 1)]
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        RelatIFExplainer(LogisticRegression()).fit(X, Y, weight)


def test_weight_given_twice():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    weight = np.ones(N_ROWS)
    message = "sample_weight was given twice, also as 'logisticregression__sample_weight'"
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer(pipeline).fit(X, Y, weight, logisticregression__sample_weight=weight)


def test_weight_that_one_versus_rest_does_not_take():
    """Unless metadata is routed, scikit-learn refuses it; then it is right for all problems."""
    estimator = OneVsRestClassifier(LogisticRegression(solver="newton-cholesky", tol=1e-10))
    weight = cases.weights_with_zeros(N_ROWS)
    with pytest.raises(ValueError, match=r"sample_weight"):
        RelatIFExplainer(estimator).fit(X, Y, weight)
    with config_context(enable_metadata_routing=True):
        estimator.estimator.set_fit_request(sample_weight=True)
        assert RelatIFExplainer(estimator).fit(X, Y, weight).distance_to_optimum_ < 1e-7


def test_wrong_weights_are_told_by_the_gradient():
    model = LogisticRegression().fit(X, Y)
    weight = np.where(Y == 0, 5.0, 1.0)
    with pytest.warns(ConvergenceWarning, match=r"optimum_ is 2\.\d+ standard.*sample_weight"):
        RelatIFExplainer.from_fitted(model, X, Y, weight)


# --- curvatures -----------------------------------------------------------------------------


def test_curvature_that_is_not_positive_definite():
    """Fewer rows than parameters: the empirical Fisher does not see every gradient."""
    few, labels = X[:9], np.arange(9) % 3
    with pytest.raises(
        ValueError, match=r"not positive definite.*smallest relative pivot.*damping"
    ):
        RelatIFExplainer(LogisticRegression(), curvature="empirical_fisher").fit(few, labels)
    RelatIFExplainer(LogisticRegression(), curvature="empirical_fisher", damping=1e-3).fit(
        few, labels
    )


def test_fisher_that_does_not_exist(explainer):
    objective = dataclasses.replace(
        explainer._study.objective, loss=SquaredHinge(binary_codebook())
    )
    with pytest.raises(ValueError, match=r"curvature='fisher' needs a likelihood.*SquaredHinge"):
        objective.fisher()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_number_is_missing_from_any_block(n_threads):
    """Rows are looked at by several threads, in blocks: many rows make several."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300_000, 2))
    y = (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    for row in (0, 150_000, len(X) - 1):
        broken = X.copy()
        broken[row, 1] = np.nan
        with threadpool_limits(n_threads), pytest.raises(ValueError, match="contains NaN"):
            RelatIFExplainer.from_fitted(model, broken, y)
