"""Fragile sets: what was found does cross the threshold, and what is proved is so."""

import pickle
from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import kstest, mannwhitneyu
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.multiclass import OneVsOneClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.explainers import study_of
from sklearn_relatif.fragility import Question, with_normal_errors
from sklearn_relatif.statistics import statistic_of


def refit(model, X, y, rows, weight=None):
    kept = np.setdiff1d(np.arange(len(y)), rows)
    return model.fit(X[kept], y[kept], None if weight is None else weight[kept])


def check_crosses(found, model, X, y, place, threshold=0.0, weight=None, rtol=1e-6):
    """The numbers are those of refits, and lie on both sides of the threshold."""
    before, after = (
        np.atleast_2d(refit(model, X, y, rows, weight).coef_)[place]
        for rows in ([], found.positions)
    )
    both = [found.value_before, found.value_after]
    np.testing.assert_allclose(both, [before, after], rtol=rtol, atol=rtol * abs(before))
    assert (before - threshold) * (after - threshold) < 0


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(alpha=0.01)], ids=["OLS", "ridge"])
def test_a_coefficient_of_a_refit_has_another_sign(model):
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    for column in (0, 6, 9):
        found = explainer.fragility(f"coef:x{column}")
        check_crosses(found, model, X, y, (0, column))
        for row in found.positions if found.size > 1 else ():
            fewer = np.setdiff1d(found.positions, row)
            value = refit(model, X, y, fewer).coef_[column]
            assert value * found.value_before > 0, "one of the rows is not needed"


def test_other_losses_weights_and_thresholds():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale(X[::4, :6]), y[::4]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    explainer = RelatIFExplainer(model).fit(X, y, sample_weight=weight)
    for threshold in (0.0, -1.0):
        found = explainer.fragility("coef:x1", threshold=threshold)
        check_crosses(found, model, X, y, (0, 1), threshold, weight)
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    check_crosses(explainer.fragility("coef:x1:1"), model, X, y, (1, 1))
    X, y = (part[:150] for part in load_diabetes(return_X_y=True))
    poisson = PoissonRegressor(alpha=1e-3, solver="newton-cholesky", tol=1e-12)
    for model, threshold in ((poisson, -0.02), (Lasso(0.1, tol=1e-12), -150.0)):
        explainer = RelatIFExplainer(model).fit(X, y)
        found = explainer.fragility("coef:x6", threshold=threshold, max_rows=20)
        check_crosses(found, model, X, y, (0, 6), threshold)


def ridge_coefficient(X, y, weight, alpha, rows):
    kept = np.setdiff1d(np.arange(len(y)), rows)
    X, y, weight = X[kept], y[kept], weight[kept]
    X, y = X - weight @ X / weight.sum(), y - weight @ y / weight.sum()
    hessian = (X.T * weight) @ X + alpha * np.eye(X.shape[1])
    return np.linalg.solve(hessian, X.T @ (weight * y))[0]


def random_problem(seed):
    """A small regression: some have outliers, some a group that hides its members."""
    rng = np.random.default_rng(seed)
    n_rows, n_features = rng.integers(10, 19), rng.integers(1, 4)
    X = rng.normal(size=(n_rows, n_features))
    y = 0.4 * X @ rng.normal(size=n_features) + rng.normal(size=n_rows)
    if seed % 3 == 0:
        X[:3] = 6 + 0.1 * X[:3]
        y[:3] += 6 * rng.normal()
    if seed % 3 == 1:
        y += rng.standard_t(1.5, size=n_rows)
    weight = rng.uniform(0.5, 2, n_rows) if seed % 4 == 0 else np.ones(n_rows)
    return X, y, weight


def test_least_squares_are_proved_to_be_as_small_as_enumeration_says():
    sizes = []
    for seed in range(24):
        X, y, weight = random_problem(seed)
        alpha, most = float(seed % 2), 3
        model = Ridge(alpha) if alpha else LinearRegression()
        before = ridge_coefficient(X, y, weight, alpha, [])
        smallest = next(
            (
                size
                for size in range(1, most + 1)
                for rows in combinations(range(len(y)), size)
                if ridge_coefficient(X, y, weight, alpha, rows) * before < 0
            ),
            most + 1,
        )
        explainer = RelatIFExplainer(model).fit(X, y, sample_weight=weight)
        found = explainer.fragility("coef:x0", max_rows=most)
        assert found.lower_bound == smallest
        assert found.is_minimal == found.found == (smallest <= most)
        sizes.append(smallest)
    assert set(sizes) == set(range(1, most + 2))


def planted(n_planted, is_classifier):
    """Rows in one place that hide one another, and the coefficient without them."""
    rng = np.random.default_rng(n_planted)
    X = rng.normal(size=(120, 3))
    y = X @ [1.0, 0.5, -0.5] + rng.normal(size=120)
    X[:n_planted] = np.array([8.0, 0, 0]) + 0.1 * X[:n_planted]
    y[:n_planted] = -8 + 0.1 * rng.normal(size=n_planted)
    return X, (y > 0).astype(int) if is_classifier else y


@pytest.mark.parametrize("n_planted", [4, 9, 14])
@pytest.mark.parametrize(
    "model", [LinearRegression(), LogisticRegression(C=100, tol=1e-10)], ids=["OLS", "logistic"]
)
def test_outliers_that_hide_one_another_are_found(model, n_planted):
    X, y = planted(n_planted, isinstance(model, LogisticRegression))
    with_them, clean = (
        np.ravel(refit(model, X, y, rows).coef_)[0] for rows in ([], np.arange(n_planted))
    )
    threshold = 0.05 * with_them + 0.95 * clean
    explainer = RelatIFExplainer(model).fit(X, y)
    found = explainer.fragility("coef:x0", threshold=threshold)
    np.testing.assert_array_equal(np.sort(found.positions), np.arange(n_planted))
    # One by one they do not, and the first order would not know of all of them.
    assert (found.value_predicted - threshold) * (found.value_before - threshold) > 0
    if isinstance(model, LinearRegression):
        assert found.is_minimal


def test_says_that_none_was_found_and_how_many_it_would_take():
    X, y = load_diabetes(return_X_y=True)
    found = RelatIFExplainer(LinearRegression()).fit(X, y).fragility("coef:x2", max_rows=5)
    assert not found.found and found.value_after is None and found.share == 0
    assert found.lower_bound == 6
    assert str(found).startswith("No set of at most 5 training rows was found without which")
    assert "at least 6 training rows" in str(found)


def test_a_class_is_never_emptied():
    """Without the three rows of its class, there would be no model of both classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = np.zeros(40, int)
    y[:3] = 1
    X[:3] += 2
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    found = explainer.fragility("coef:x0")
    assert not np.isin(np.arange(3), found.positions).all()


def test_rows_by_their_labels_with_their_cells():
    pd = pytest.importorskip("pandas")
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X.index = [f"patient {place}" for place in range(len(X))]
    y.index = X.index
    found = RelatIFExplainer(LinearRegression()).fit(X, y).fragility("coef:s3")
    assert set(found.rows) == {"patient 169", "patient 382"}
    for frame in (found.frame(X), found.frame()):
        np.testing.assert_array_equal(frame["row"], found.rows)
        np.testing.assert_array_equal(frame["label"], y[found.rows])
        for name in X.columns:
            np.testing.assert_array_equal(frame[f"row_{name}"], X.loc[found.rows, name])
        assert isinstance(frame, pd.DataFrame)
    # What the number is about, and where both rows are far from the other patients.
    assert list(found.frame().columns[4:6]) == ["row_s3", "row_s5"]
    html = found._repr_html_()
    assert "patient 169" in html and str(X.loc["patient 169", "s3"]) in html
    assert "coef:s3 falls from 101" in str(found)


def test_cells_of_mixed_tables_stand_by_the_columns_that_features_come_from():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    town = rng.choice(["Ulm", "Bonn", "Jena"], 80)
    table = pd.DataFrame({"note": "as it is", "height": rng.normal(size=80), "town": town})
    y = table["height"] + (town == "Ulm") * 0.02 + 0.1 * rng.normal(size=80)
    prepared = make_column_transformer(
        (StandardScaler(), ["height"]), (OneHotEncoder(drop=["Bonn"]), ["town"])
    )
    explainer = RelatIFExplainer(make_pipeline(prepared, LinearRegression())).fit(table, y)
    found = explainer.fragility("coef:onehotencoder__town_Ulm")
    assert list(found.cells) == ["town", "height", "note"]
    pd.testing.assert_frame_equal(
        found.frame()[["row_town", "row_height"]].set_axis(["town", "height"], axis=1),
        table.loc[found.rows, ["town", "height"]].reset_index(drop=True),
    )
    # Of a file, the rows are no longer there; whoever has them can pass them.
    loaded = pickle.loads(pickle.dumps(explainer)).fragility("coef:onehotencoder__town_Ulm")
    assert not loaded.cells and "row_town" not in loaded.frame()
    assert "row_town" in loaded.frame(table)
    assert "Ulm" in found._repr_html_() and "Ulm" not in loaded._repr_html_().split("<table>")[1]


def test_rows_that_are_no_table_have_no_cells():
    X, y = load_diabetes(return_X_y=True)
    rows = [{"s3": float(row[6]), "s5": float(row[8])} for row in X]
    model = make_pipeline(DictVectorizer(sparse=False), LinearRegression())
    found = RelatIFExplainer(model).fit(rows, y).fragility("coef:s3", threshold=-400.0)
    assert found.found and not found.cells and len(found.frame()) == found.size


def test_cells_of_wide_tables_are_few_and_the_first_matter():
    rng = np.random.default_rng(0)
    X = np.where(rng.uniform(size=(60, 200)) < 0.3, rng.normal(size=(60, 200)), 0)
    X[:4, 150] = 9
    y = X[:, 5] + rng.normal(size=60)
    y[:4] += [4, 5, 6, 7]
    for table in (X, csr_matrix(X)):
        found = RelatIFExplainer(Ridge(10.0)).fit(table, y).fragility("coef:x150")
        assert len(found.cells) == 30
        assert next(iter(found.cells)) == "x150"
        for name, values in found.cells.items():
            np.testing.assert_array_equal(values, X[found.positions, int(name[1:])])
        if table is not X:  # Not those that are zero in all of the rows.
            assert all(np.any(values) for values in found.cells.values())


def test_what_cannot_be_asked():
    X, y = load_iris(return_X_y=True)
    X, y = X[:100], y[:100]
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    for arguments, match in [
        (("coef:x7",), "x7"),
        (("height",), "coef:NAME"),
        (("coef:x0", {"max_rows": 0}), "max_rows"),
        (("coef:x0", {"threshold": explainer.fragility("coef:x0").value_before}), "at the thresh"),
    ]:
        with pytest.raises(ValueError, match=match):
            explainer.fragility(arguments[0], **dict(*arguments[1:]))
    with pytest.raises(ValueError, match="finite"):
        explainer.fragility("coef:x0", threshold=np.nan)


@pytest.mark.parametrize(
    ("model", "way_out"),
    [
        (SVC(tol=1e-6), "flip_set"),
        (MLPClassifier((4,), max_iter=5), "LastLayer"),
        (OneVsOneClassifier(LogisticRegression()), "made of"),
        (GaussianNB(), "removal_effect_on"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_models_are_refused_with_a_way_out(model, way_out):
    X, y = load_iris(return_X_y=True)
    settings = {"curvature": "gauss_newton", "damping": 1.0} if way_out == "LastLayer" else {}
    explainer = RelatIFExplainer(model, **settings).fit(X, y)
    with pytest.raises(TypeError, match=way_out):
        explainer.fragility("coef:x0")


def p_value(model, X, y):
    study = study_of(RelatIFExplainer(model).fit(X, y))
    question = Question(study, statistic_of(study, "coef:x0"), 0.0)
    return with_normal_errors(question).p_value


def test_normal_errors_give_uniform_p_values_and_outliers_small_ones():
    rng = np.random.default_rng(0)
    normal, with_outliers = [], []
    for trial in range(100):
        X = rng.normal(size=(40, 3))
        X[:2, 0] = 2
        y = X @ [0.6, 0.2, 0] + rng.normal(size=40)
        model = Ridge(5.0) if trial % 2 else LinearRegression()
        normal.append(p_value(model, X, y))
        if trial % 5 == 0:
            y[:2] += 5  # What the effect rests on.
            with_outliers.append(p_value(model, X, y))
    assert kstest(normal, "uniform").pvalue > 0.01
    assert mannwhitneyu(with_outliers, normal, alternative="less").pvalue < 0.01


def test_normal_errors_are_told_of_least_squares_only():
    X, y = load_diabetes(return_X_y=True)
    of_all = RelatIFExplainer(LinearRegression()).fit(X, y).fragility("coef:x8", max_rows=1)
    assert "with normal errors it would take" in str(of_all.normal_errors)
    X, y = load_breast_cancer(return_X_y=True)
    logistic = LogisticRegression(tol=1e-8).fit(scale(X), y)
    explainer = RelatIFExplainer.from_fitted(logistic, scale(X), y)
    assert explainer.fragility("coef:x0", max_rows=1).normal_errors is None


def test_rows_of_a_direction_of_their_own_are_found_together():
    """The fit passes through them as long as one of them is there, so that none of them stands out.

    Their errors are rounding, so that neither their influences nor their effects one by one tell.
    """
    rng = np.random.default_rng(0)
    z = rng.normal(size=120)
    x = z + 0.1 * rng.normal(size=120)
    y = 2 * z - x + 0.05 * rng.normal(size=120)
    X = np.column_stack([x, 0.01 * z])
    X[-6:, 0], X[-6:, 1], y[-6:] = 0.1 * rng.normal(size=6), 1.0, 0.0
    found = RelatIFExplainer(LinearRegression()).fit(X, y).fragility("coef:x0")
    assert found.value_before > 0.5
    assert found.value_after < -0.5
    assert sorted(found.positions) == list(range(114, 120))


@pytest.mark.parametrize(
    ("model", "statistic"),
    [
        (LinearRegression(), "coef:x3"),
        (Ridge(alpha=0.1), "coef:x3"),
        (Ridge(alpha=0.1), "coef:x0 - coef:x2"),
    ],
    ids=["constant column", "constant column, penalised", "columns that are the same"],
)
def test_rounding_crosses_no_threshold(model, statistic):
    """The number is 0 whichever rows are there, but for its last digits."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = X @ [1.0, -0.5] + rng.normal(size=40)
    X = np.column_stack([X, X[:, 0], np.ones(40)])
    explainer = RelatIFExplainer(model).fit(X, y)
    with pytest.raises(ValueError, match="at the threshold itself"):
        explainer.fragility(statistic)


def test_rounding_of_a_number_that_no_row_moves_crosses_no_threshold():
    """The coefficients of a softmax add up to 0 over the classes."""
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    with pytest.raises(ValueError, match="at the threshold itself"):
        explainer.fragility(lambda table: (table.sum(), np.ones_like(table)))


# What training says of where it has stopped.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_without_an_optimum_have_no_number():
    X, y = np.arange(10.0)[:, None], np.repeat([0, 1], 5)
    apart = RelatIFExplainer(LogisticRegression(C=np.inf, max_iter=1000)).fit(X, y)
    for ask in (
        lambda: apart.fragility("coef:x0"),
        lambda: apart.flip_set([[4.4]]),
        lambda: apart.flip_set([[4.4]], edit="relabel"),
    ):
        with pytest.raises(ValueError, match="Training has no optimum"):
            ask()


def test_sets_that_leave_no_optimum_are_not_said_to_keep_a_number():
    """Without the two rows that overlap, the coefficient grows past any threshold."""
    X, y = np.arange(10.0)[:, None], np.repeat([0, 1], 5)
    y[[4, 5]] = 1, 0
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    found = RelatIFExplainer(model).fit(X, y).fragility("coef:x0", threshold=5.0)
    assert found.lower_bound <= 2


@pytest.mark.parametrize("threshold", ["0.5", None, [0.5], True])
def test_a_threshold_is_a_number(threshold):
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    with pytest.raises(TypeError, match="threshold must be a number"):
        explainer.fragility("coef:x0", threshold=threshold)
