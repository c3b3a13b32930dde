"""Removal of rows from support vector machines, against refits and against the KKT conditions."""

from itertools import cycle

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif.removal.active_set import ActiveSetSVM, _gram_rows, _kkt_system, _path, _svm
from sklearn_relatif.removal.active_set._solution import Solution

TIGHT = 1e-10


def dual_coefficients(model, n_rows):
    alpha = np.zeros(n_rows)
    alpha[model.support_] = np.abs(model.dual_coef_[0])
    return alpha


def kkt_violation(K, y, upper, beta, intercept):
    """How far a machine is from optimal; ``intercept=None`` for a machine without one."""
    alpha = y * beta
    excess = y * (K @ beta + (intercept or 0.0)) - 1
    slack = 1e-9 * upper
    violation = np.where(alpha < upper - slack, np.maximum(-excess, 0), 0)
    violation = np.maximum(violation, np.where(alpha > slack, np.maximum(excess, 0), 0))
    balance = 0.0 if intercept is None else abs(beta.sum())
    outside = np.maximum(-alpha, alpha - upper).max(initial=0)
    return max(violation[upper > 0].max(initial=0), outside, balance)


def machines(svm, y, change):
    """Coefficients and intercepts after each removal."""
    return y * svm.alpha + change.coefficients.toarray(), svm.intercept + change.intercepts


def hostile_problem(seed, sizes=(2, 40)):
    """A random small machine: ties, duplicates, bad scaling, weights, few rows, many bounds."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(*sizes), rng.integers(1, 6)
    X = rng.normal(size=(n, d))
    kind = rng.choice(["plain", "grid", "duplicates", "corners", "scales"])
    if kind == "grid":
        X = rng.integers(-2, 3, size=(n, d)).astype(float)
    elif kind == "duplicates":
        X = X[rng.integers(0, n, size=n)]
    elif kind == "corners":
        X = np.sign(X)
    elif kind == "scales":
        X = X * 10 ** rng.uniform(-3, 3, size=d)
    noise = rng.choice([0, 0.5, 2]) * rng.normal(size=n)
    y = np.where(X @ rng.normal(size=d) + noise > 0, 1.0, -1.0)
    if abs(y.sum()) == n:
        y[0] = -y[0]
    metric, parameters = [
        ("linear", {}),
        ("rbf", {"gamma": 10 ** rng.uniform(-3, 1)}),
        ("poly", {"degree": 2, "gamma": 0.5, "coef0": 1}),
    ][rng.integers(3)]
    K = pairwise_kernels(X, metric=metric, **parameters)
    upper = (
        10 ** rng.uniform(-3, 3)
        * [np.ones(n), rng.uniform(0.1, 3, n), rng.integers(0, 3, n)][rng.integers(3)]
    )
    start = [np.zeros(n), upper.copy(), rng.uniform(size=n) * upper][rng.integers(3)]
    return rng, K, y, upper, start, bool(rng.integers(2))


def removal_violations(svm, K, y, upper, has_intercept, removals):
    """KKT violation after each removal, of the problem without the removed rows."""
    for rows, beta, b in zip(removals, *machines(svm, y, svm.removal_path(removals)), strict=True):
        kept = np.setdiff1d(np.arange(len(y)), rows)
        assert not beta[rows].any()
        block = K[np.ix_(kept, kept)]
        yield kkt_violation(block, y[kept], upper[kept], beta[kept], b if has_intercept else None)


@pytest.mark.filterwarnings("ignore:The support vector machine is ill-conditioned")
@pytest.mark.parametrize("seed", range(120))
def test_removals_from_hostile_machines_satisfy_the_kkt_conditions(seed):
    rng, K, y, upper, start, has_intercept = hostile_problem(seed)
    svm = ActiveSetSVM(lambda rows: K[rows], y, start, upper, fit_intercept=has_intercept)
    tolerance = max(1e-9, 1e-12 * svm.alpha.sum() * np.abs(K).max())
    intercept = svm.intercept if has_intercept else None
    assert kkt_violation(K, y, upper, y * svm.alpha, intercept) <= tolerance
    assert has_intercept or svm.intercept == 0

    groups = [rng.integers(0, len(y), rng.integers(1, 6)) for _ in range(4)]
    removals = [*range(len(y)), *groups]
    assert max(removal_violations(svm, K, y, upper, has_intercept, removals)) <= tolerance


CASES = [
    # kernel, parameters, Pearson correlation of one step: bounded, free
    ("linear", {"C": 1.0}, 0.62, 0.62),
    ("linear", {"C": 0.05}, 0.805, 0.915),
    ("rbf", {"C": 1.0, "gamma": "scale"}, 0.935, 0.945),
    ("rbf", {"C": 10.0, "gamma": 0.01}, 0.875, 0.955),
]


class BreastCancer:
    """A machine on the first 450 rows, and its leave-one-out refits on the others."""

    def __init__(self, kernel, parameters):
        X, labels = load_breast_cancer(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        self.X, self.y, self.queries = X[:450], 2.0 * labels[:450] - 1, X[450:]
        if parameters.get("gamma") == "scale":
            parameters = {**parameters, "gamma": 1 / (X.shape[1] * self.X.var())}
        self.model = SVC(kernel=kernel, tol=TIGHT, **parameters).fit(self.X, self.y)
        self.kernel = kernel
        self.kernel_parameters = {k: v for k, v in parameters.items() if k != "C"}
        self.rows = self.model.support_
        self.alpha = dual_coefficients(self.model, 450)
        self.upper = np.full(450, self.model.C)
        self.bounded = self.alpha[self.rows] == self.model.C

    def gram(self, A, B):
        return pairwise_kernels(A, B, metric=self.kernel, **self.kernel_parameters)

    def machine(self, alpha):
        return ActiveSetSVM(
            lambda rows: self.gram(self.X[rows], self.X),
            self.y,
            alpha,
            self.upper,
            fit_intercept=True,
        )

    def change(self, removal):
        K = self.gram(self.X, self.queries)
        return removal.coefficients @ K + removal.intercepts[:, None]

    def change_by_refits(self):
        now = self.model.decision_function(self.queries)
        for row in self.rows:
            kept = np.arange(450) != row
            other = SVC(**self.model.get_params()).fit(self.X[kept], self.y[kept])
            yield other.decision_function(self.queries) - now


@pytest.mark.parametrize("kernel, parameters, r_bounded, r_free", CASES)
def test_removals_agree_with_refits(kernel, parameters, r_bounded, r_free):
    data = BreastCancer(kernel, parameters)
    svm = data.machine(data.alpha)
    truth = np.array(list(data.change_by_refits()))

    path = data.change(svm.removal_path(data.rows))
    # The refits themselves are good to 1e-5: libsvm rounds kernels to single precision.
    np.testing.assert_allclose(path, truth, atol=3e-5)
    K = data.gram(data.X, data.X)
    assert max(removal_violations(svm, K, data.y, data.upper, True, data.rows)) < 1e-10

    step = data.change(svm.removal_step(data.rows))
    for part, expected in ((data.bounded, r_bounded), (~data.bounded, r_free)):
        assert np.corrcoef(step[part].ravel(), truth[part].ravel())[0, 1] > expected


def test_the_solution_does_not_depend_on_the_start():
    data = BreastCancer(*CASES[2][:2])
    loose = SVC(C=1.0, gamma=data.kernel_parameters["gamma"]).fit(data.X, data.y)
    starts = [np.zeros(450), data.upper / 2, dual_coefficients(loose, 450), data.alpha]
    solutions = [data.machine(start) for start in starts]
    for other in solutions[:-1]:
        np.testing.assert_allclose(other.alpha, solutions[-1].alpha, atol=1e-9)
        np.testing.assert_allclose(other.decision_values, solutions[-1].decision_values, atol=1e-10)
        np.testing.assert_array_equal(other.free, solutions[-1].free)
    np.testing.assert_allclose(
        solutions[-1].decision_values, data.model.decision_function(data.X), atol=1e-6
    )
    strictly_inside = (solutions[-1].alpha > 0) & (solutions[-1].alpha < data.upper)
    np.testing.assert_array_equal(solutions[-1].free, np.flatnonzero(strictly_inside))


def test_one_step_solves_the_kkt_system_of_the_free_rows():
    data = BreastCancer(*CASES[3][:2])
    svm = data.machine(data.alpha)
    K, beta = data.gram(data.X, data.X), data.y * svm.alpha
    change = svm.removal_step(data.rows)
    changes = change.coefficients.toarray()
    for row, d_beta, d_intercept in zip(data.rows, changes, change.intercepts, strict=True):
        others = np.setdiff1d(svm.free, row)
        system = np.block(
            [
                [np.zeros((1, 1)), np.ones((1, len(others)))],
                [np.ones((len(others), 1)), K[np.ix_(others, others)]],
            ]
        )
        expected = np.linalg.solve(system, beta[row] * np.append(1.0, K[others, row]))
        np.testing.assert_allclose(d_intercept, expected[0], atol=1e-8)
        np.testing.assert_allclose(d_beta[others], expected[1:], atol=1e-8)
        assert d_beta[row] == -beta[row]
        assert set(np.flatnonzero(d_beta)) <= {row, *others}


def test_one_step_is_exact_where_no_row_changes_its_set():
    data = BreastCancer(*CASES[2][:2])
    svm = data.machine(data.alpha)
    K = data.gram(data.X, data.X)
    step, path = svm.removal_step(data.rows), svm.removal_path(data.rows)
    n_exact = 0
    for index, row in enumerate(data.rows):
        kept = np.arange(450) != row
        beta = (data.y * svm.alpha + step.coefficients.toarray()[index])[kept]
        b = svm.intercept + step.intercepts[index]
        block = K[np.ix_(kept, kept)]
        if kkt_violation(block, data.y[kept], data.upper[kept], beta, b) < 1e-9:
            n_exact += 1
            np.testing.assert_allclose(
                step.coefficients.toarray()[index], path.coefficients.toarray()[index], atol=1e-8
            )
            np.testing.assert_allclose(step.intercepts[index], path.intercepts[index], atol=1e-8)
    assert n_exact >= 5


def test_a_row_that_is_no_support_vector_changes_nothing():
    data = BreastCancer(*CASES[1][:2])
    svm = data.machine(data.alpha)
    others = np.flatnonzero(svm.alpha == 0)
    for change in (svm.removal_step(others), svm.removal_path([*others[:5], others])):
        assert change.coefficients.nnz == 0
        assert not change.intercepts.any()


def test_results_are_sparse_and_cover_all_removals():
    data = BreastCancer(*CASES[1][:2])
    svm = data.machine(data.alpha)
    change = svm.removal_path([0, 1, data.rows[0], data.rows[:3], [-1], []])
    assert change.coefficients.shape == (6, 450)
    assert change.coefficients.nnz < 6 * 40
    assert change.intercepts.shape == (6,)
    nothing = svm.removal_step([])
    assert nothing.coefficients.shape == (0, 450)
    assert nothing.intercepts.shape == (0,)
    with pytest.raises(IndexError):
        svm.removal_path([450])


def test_more_removals_than_are_prepared_at_once_give_the_same(monkeypatch):
    data = BreastCancer(*CASES[1][:2])
    at_once = data.machine(data.alpha).removal_path(data.rows)
    monkeypatch.setattr(_svm, "BATCH", 7)
    monkeypatch.setattr(_gram_rows, "BATCH", 7)
    monkeypatch.setattr(_kkt_system, "MAX_TERMS", 2)
    one_by_one = data.machine(data.alpha).removal_path(data.rows)
    np.testing.assert_allclose(
        at_once.coefficients.toarray(), one_by_one.coefficients.toarray(), atol=1e-11
    )
    np.testing.assert_allclose(at_once.intercepts, one_by_one.intercepts, atol=1e-11)


def test_rounds_that_are_broken_off_are_continued(monkeypatch):
    """As they are when rows go in circles; the next round shifts the margins by more."""
    data = BreastCancer(*CASES[0][:2])
    svm = data.machine(data.alpha)
    at_once = svm.removal_path(data.rows)
    monkeypatch.setattr(_path, "MAX_EVENTS_PER_ROW", 3 / 450)
    monkeypatch.setattr(_path, "MAX_JITTER", 1e-6)
    in_pieces = svm.removal_path(data.rows)
    np.testing.assert_allclose(
        in_pieces.coefficients.toarray(), at_once.coefficients.toarray(), atol=1e-9
    )
    np.testing.assert_allclose(in_pieces.intercepts, at_once.intercepts, atol=1e-9)


def test_only_rows_that_matter_are_asked_for_their_kernels():
    data = BreastCancer(*CASES[0][:2])
    asked = set()

    def gram_rows(rows):
        asked.update(rows)
        return data.gram(data.X[rows], data.X)

    svm = ActiveSetSVM(gram_rows, data.y, data.alpha, data.upper, fit_intercept=True)
    assert asked == set(data.rows)
    svm.removal_path(data.rows)
    assert len(asked) < 100


def test_arguments_are_left_as_they_are():
    data = BreastCancer(*CASES[1][:2])
    alpha, y, upper = data.alpha.copy(), data.y.copy(), data.upper.copy()
    for array in (alpha, y, upper):
        array.setflags(write=False)
    svm = ActiveSetSVM(
        lambda rows: data.gram(data.X[rows], data.X), y, alpha, upper, fit_intercept=True
    )
    before = svm.alpha.copy(), svm.decision_values.copy()
    svm.removal_path(data.rows[:5])
    svm.removal_step(data.rows[:5])
    np.testing.assert_array_equal(svm.alpha, before[0])
    np.testing.assert_array_equal(svm.decision_values, before[1])


def noisy_data(n, d, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.where(X[:, 0] + rng.normal(size=n) > 0, 1.0, -1.0)
    return rng, X, y


def test_sample_weights_agree_with_weighted_refits():
    rng, X, y = noisy_data(60, 3, seed=0)
    weight = rng.uniform(0.2, 3, size=60)
    weight[rng.integers(0, 60, 5)] = 0.0
    model = SVC(kernel="rbf", gamma=0.3, C=2.0, tol=TIGHT).fit(X, y, sample_weight=weight)
    svm = ActiveSetSVM(
        lambda rows: pairwise_kernels(X[rows], X, metric="rbf", gamma=0.3),
        y,
        dual_coefficients(model, 60),
        2.0 * weight,
        fit_intercept=True,
    )
    values = svm.decision_values
    np.testing.assert_allclose(values, model.decision_function(X), atol=1e-6)
    change = svm.removal_path(model.support_)
    K = pairwise_kernels(X, metric="rbf", gamma=0.3)
    for index, row in enumerate(model.support_):
        without = weight.copy()
        without[row] = 0.0
        refit = SVC(kernel="rbf", gamma=0.3, C=2.0, tol=TIGHT).fit(X, y, sample_weight=without)
        moved = values + (change.coefficients @ K)[index] + change.intercepts[index]
        np.testing.assert_allclose(moved, refit.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("penalised_intercept", [False, True])
def test_no_intercept_agrees_with_linear_svc(penalised_intercept):
    rng, X, y = noisy_data(40, 3, seed=1)
    features = np.column_stack([X, np.full(40, 2.0)]) if penalised_intercept else X
    model = LinearSVC(
        loss="hinge",
        C=0.5,
        fit_intercept=penalised_intercept,
        intercept_scaling=2.0,
        tol=1e-8,
        max_iter=10**6,
        random_state=0,
    )
    svm = ActiveSetSVM(
        lambda rows: features[rows] @ features.T,
        y,
        np.zeros(40),
        np.full(40, 0.5),
        fit_intercept=False,
    )
    np.testing.assert_allclose(svm.decision_values, model.fit(X, y).decision_function(X), atol=1e-6)
    change = svm.removal_path(range(40)).coefficients @ features @ features.T
    for row in rng.choice(40, 12, replace=False):
        kept = np.arange(40) != row
        refit = model.fit(X[kept], y[kept])
        np.testing.assert_allclose(
            svm.decision_values + change[row], refit.decision_function(X), atol=1e-6
        )


def test_no_free_row_leaves_the_intercept_in_the_middle():
    _, X, y = noisy_data(30, 2, seed=2)
    y[:] = np.repeat([-1.0, 1.0], 15)
    C = 1e-3
    model = SVC(kernel="linear", C=C, tol=TIGHT).fit(X, y)
    svm = ActiveSetSVM(
        lambda rows: X[rows] @ X.T,
        y,
        dual_coefficients(model, 30),
        np.full(30, C),
        fit_intercept=True,
    )
    assert len(svm.free) == 0
    np.testing.assert_allclose(svm.intercept, model.intercept_[0], atol=1e-6)

    removals = [[0, 29], 3, 20]
    path = svm.removal_path(removals)
    for index, rows in enumerate(removals):
        kept = np.setdiff1d(np.arange(30), rows)
        refit = SVC(kernel="linear", C=C, tol=TIGHT).fit(X[kept], y[kept])
        moved = svm.decision_values + (path.coefficients @ X @ X.T)[index] + path.intercepts[index]
        np.testing.assert_allclose(moved, refit.decision_function(X), atol=1e-6)

    # The solver's own intercept is kept where it is as good as any.
    lower, upper = svm.intercept_interval
    margins = y * (svm.decision_values - svm.intercept)
    np.testing.assert_allclose(lower, np.max(-1 + margins[y < 0]))
    np.testing.assert_allclose(upper, np.min(1 - margins[y > 0]))
    for wanted, kept in ((0.8 * lower + 0.2 * upper,) * 2, (upper + 9.0, upper)):
        other = ActiveSetSVM(
            lambda rows: X[rows] @ X.T,
            y,
            svm.alpha,
            np.full(30, C),
            fit_intercept=True,
            intercept=wanted,
        )
        np.testing.assert_allclose(other.intercept, kept, rtol=1e-12)
        moved = other.removal_path(removals)
        np.testing.assert_allclose(
            other.intercept + moved.intercepts, svm.intercept + path.intercepts
        )
        alpha = other.alpha - np.abs(moved.coefficients.toarray())
        has_free_row = ((alpha > 1e-9 * C) & (alpha < (1 - 1e-9) * C)).any(axis=1)
        np.testing.assert_array_equal(np.ptp(moved.intervals, axis=1) > 1e-9, ~has_free_row)
        assert set(has_free_row) == {False, True}

    # One step: the first row that can balance the coefficients becomes free and does it.
    step = svm.removal_step([3])
    np.testing.assert_allclose(step.coefficients.toarray().sum(), 0, atol=1e-15)
    assert step.coefficients.nnz == 2


def test_duplicate_rows_share_one_decision_function():
    _, X, y = noisy_data(25, 2, seed=3)
    X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    K = pairwise_kernels(X, metric="rbf", gamma=0.5)
    model = SVC(kernel="rbf", gamma=0.5, C=3.0, tol=TIGHT).fit(X, y)
    svm = ActiveSetSVM(
        lambda rows: K[rows], y, dual_coefficients(model, 75), np.full(75, 3.0), fit_intercept=True
    )
    np.testing.assert_allclose(svm.decision_values, model.decision_function(X), atol=1e-6)
    change = svm.removal_path(range(75))
    moved = change.coefficients @ K + change.intercepts[:, None]
    # Whichever of three equal rows goes, what is left is the same.
    np.testing.assert_allclose(moved[::3], moved[1::3], atol=1e-8)
    np.testing.assert_allclose(moved[::3], moved[2::3], atol=1e-8)


def test_removing_a_class_leaves_no_coefficients():
    x, y = np.array([-1.0, 1.0, 2.0]), np.array([-1.0, 1.0, 1.0])
    svm = ActiveSetSVM(
        lambda rows: np.outer(x[rows], x), y, np.zeros(3), np.full(3, 5.0), fit_intercept=True
    )
    change = svm.removal_path([0, [1, 2]])
    beta, intercept = machines(svm, y, change)
    np.testing.assert_allclose(beta, 0, atol=1e-12)
    assert intercept[0] >= 1 - 1e-9
    assert intercept[1] <= -1 + 1e-9


def test_indefinite_kernel_is_refused():
    _, X, y = noisy_data(60, 3, seed=4)
    with pytest.raises(ValueError, match="not positive semi-definite"):
        ActiveSetSVM(
            lambda rows: pairwise_kernels(X[rows], X, metric="sigmoid", gamma=1.0),
            y,
            np.zeros(60),
            np.full(60, 10.0),
            fit_intercept=True,
        )


def test_errors_above_the_tolerance_are_never_passed_over(monkeypatch):
    """1e-12 of the terms that are added up; here of errors that computing f anew makes."""
    data = BreastCancer(*CASES[1][:2])
    svm = data.machine(data.alpha)
    terms = svm.alpha.sum() * np.abs(data.gram(data.X[data.rows], data.X)).max(axis=0)
    refresh, signs = Solution.refresh, cycle([1, -1])

    def wrong(self, start):
        refresh(self, start)
        self.values[self.free] += next(signs) * error * terms[self.free]

    monkeypatch.setattr(Solution, "refresh", wrong)
    error = 1e-13
    svm.removal_path([svm.free[0]])
    error = 1e-11
    with pytest.raises(RuntimeError, match="a violation of its margins"):
        svm.removal_path([svm.free[0]])


def test_rows_that_are_nearly_alike_are_told_apart():
    """Two rows of one class at a squared distance of 1e-11 share their weight."""
    near = 1 - 5e-12
    K = np.array([[1.0, near], [near, 1.0]])
    for start in ([0.0, 0.0], [0.9, 0.1]):
        svm = ActiveSetSVM(
            lambda rows: K[rows], np.ones(2), np.array(start), np.full(2, 9.0), fit_intercept=False
        )
        np.testing.assert_array_equal(svm.free, [0, 1])
        np.testing.assert_allclose(svm.alpha, 0.5, atol=1e-3)


def test_few_digits_are_said_to_be_few():
    """Rows at 1e5: of their products, ten digits are those of the offset."""
    _, X, y = noisy_data(30, 2, seed=5)
    K = (X + 1e5) @ (X + 1e5).T
    with pytest.warns(ConvergenceWarning, match=r"ill-conditioned.*good to .* only"):
        svm = ActiveSetSVM(
            lambda rows: K[rows], y, np.zeros(30), np.full(30, 0.1), fit_intercept=True
        )
        svm.removal_path(range(30))


def test_failure_to_meet_the_kkt_conditions_is_reported(monkeypatch):
    monkeypatch.setattr(_path, "MAX_ROUNDS", 0)
    with pytest.raises(RuntimeError, match=r"violation of its margins of 1\..*scale the features"):
        ActiveSetSVM(
            lambda rows: np.eye(2)[rows],
            np.array([1.0, -1.0]),
            np.zeros(2),
            np.ones(2),
            fit_intercept=True,
        )


def test_kkt_system_grows_and_shrinks_like_its_inverse(monkeypatch):
    monkeypatch.setattr(_kkt_system, "MAX_TERMS", 5)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 40))
    everything = X @ X.T
    present = list(range(12))
    system = _kkt_system.KKTSystem.of(everything[:12, :12])
    for _ in range(60):
        absent = [row for row in range(30) if row not in present]
        if absent and (len(present) < 2 or rng.integers(2)):
            row = absent[rng.integers(len(absent))]
            border = everything[row, present]
            response = -system.solve(border)
            distance = everything[row, row] + border @ response
            system = system.bordered(border, everything[row, row], response, distance)
            present.append(row)
        else:
            index = rng.integers(len(present))
            system = system.without(index)
            del present[index]
        matrix, vector = everything[np.ix_(present, present)], rng.normal(size=len(present))
        np.testing.assert_allclose(system.multiply(vector), matrix @ vector, atol=1e-10)
        np.testing.assert_allclose(system.solve(matrix @ vector), vector, atol=1e-8)
        np.testing.assert_allclose(system.renewed().inverse @ matrix @ vector, vector, atol=1e-8)
