"""Labels and targets that look wrong: how many, which, and none where there are none."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import _suspects
from sklearn_relatif.audit._errors import Errors, some_rows
from sklearn_relatif.audit._label_noise import estimate_label_errors
from sklearn_relatif.audit._target_noise import estimate_target_errors
from sklearn_relatif.metrics import plant_label_errors

LOADERS = {
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}
LABELS, TARGETS, ONE_LABEL = (
    "labels that look wrong",
    "targets that look wrong",
    "suspicious rows of one label",
)


def audited(X, y, model=None, n_test=0):
    """The report on a split, and the positions of its training and test rows in the data."""
    model = make_pipeline(StandardScaler(), model or LogisticRegression(max_iter=1000))
    rows = np.random.RandomState(42).permutation(len(y))
    test, train = rows[:n_test], rows[n_test:]
    explainer = RelatIFExplainer(model).fit(X[train], y[train])
    report = explainer.audit(X[test], y[test]) if n_test else explainer.audit()
    return report, train, test


def finding_of(report, kind):
    found = [finding for finding in report.findings if finding.kind == kind]
    return found[0] if found else None


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "noise"), [("digits", 0.02), ("digits", 0.1), ("iris", 0.05)])
def test_the_number_of_planted_errors_is_near(name, noise):
    X, y = LOADERS[name](return_X_y=True)
    labels, wrong = plant_label_errors(y, noise, np.random.RandomState(0))
    report, train, _ = audited(X, labels)
    finding = finding_of(report, "label_errors")
    assert finding.value == pytest.approx(wrong.sum(), rel=0.3)
    named = train[finding.rows]
    assert wrong[named].mean() >= 0.75
    assert wrong[named].sum() >= 0.75 * wrong.sum()
    assert report.checked[LABELS] == "found"
    assert f"About {finding.value:.0f} of {len(y):,} labels" in finding.sentence


def test_errors_among_test_rows_are_found_out_of_sample():
    X, y = load_breast_cancer(return_X_y=True)
    labels, wrong = plant_label_errors(y, 0.05, np.random.RandomState(0))
    report, train, test = audited(X, labels, n_test=200)
    finding = finding_of(report, "label_errors")
    assert finding.value == pytest.approx(wrong.sum(), rel=0.3)
    assert wrong[train[finding.rows]].mean() > 0.75
    assert wrong[test[finding.test_rows]].mean() > 0.75
    assert "of the 369 training rows, each judged by the model without it" in finding.sentence
    assert "of the 200 test rows, which the model has not seen" in finding.sentence


def test_errors_of_one_label_are_counted_too():
    X, y = load_breast_cancer(return_X_y=True)
    benign = np.random.RandomState(0).permutation(np.flatnonzero(y == 1))[:28]
    labels = y.copy()
    labels[benign] = 0
    report, train, _ = audited(X, labels)
    finding = finding_of(report, "label_errors")
    assert finding.value == pytest.approx(28, rel=0.3)
    assert np.isin(train[finding.rows], benign).mean() > 0.8
    # They all have the same label, but are errors.
    assert finding_of(report, "one_class_suspects") is None


@pytest.mark.parametrize("name", LOADERS)
def test_nothing_is_claimed_of_clean_labels(name):
    X, y = LOADERS[name](return_X_y=True)
    report, *_ = audited(X, y)
    assert report.checked[LABELS] == "nothing found"
    assert report.checked[ONE_LABEL] == "nothing found"


def test_ambiguity_is_no_error():
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(1000, 5))
    y = (random_state.uniform(size=1000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    report, *_ = audited(X, y)
    assert np.mean(report.columns["loo_prediction"] != y) > 0.2
    assert finding_of(report, "label_errors") is None
    assert "nearly certain of the labels of only" in report.checked[LABELS]


def test_a_pattern_that_the_model_misses_is_no_error():
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(1000, 2))
    X[:60] = random_state.normal([4, 0], 0.3, size=(60, 2))  # All on the wrong side.
    y = (X[:, 0] > 0).astype(int)
    y[:60] = 0
    report, *_ = audited(X, y)
    assert finding_of(report, "label_errors") is None
    assert "misses a pattern" in report.checked[LABELS]


def test_so_many_contradictions_are_a_pattern_and_no_errors():
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(2000, 6))
    y = (X[:, 0] > 0).astype(int)
    is_dealt = (random_state.uniform(size=2000) < 0.45) | (abs(X[:, 0]) < 0.5)
    y[is_dealt] = random_state.randint(2, size=is_dealt.sum())
    report, *_ = audited(X, y)
    assert finding_of(report, "label_errors") is None
    assert "of the labels would have to be wrong" in report.checked[LABELS]
    # As many are told where the model contradicts no others.
    X, y = load_digits(return_X_y=True)
    labels, wrong = plant_label_errors(y, 0.2, np.random.RandomState(0))
    finding = finding_of(audited(X, labels)[0], "label_errors")
    assert finding.value == pytest.approx(wrong.sum(), rel=0.3)


def test_a_number_of_which_hardly_a_row_can_be_named_is_not_claimed(monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    probability = np.full(len(y), 0.05)
    probability[[3, 8]] = 0.9
    errors = Errors(probability, 3.0, 0.0, len(y))
    monkeypatch.setattr(_suspects, "estimate_label_errors", lambda *_: errors)
    report, *_ = audited(X, y)
    assert finding_of(report, "label_errors") is None
    assert "as if 30 labels were wrong, but not one in ten" in report.checked[LABELS]


def test_suspects_of_a_label_that_the_model_hardly_knows_are_no_errors():
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(1000, 3))
    y = (random_state.uniform(size=1000) < 0.05 + 0.05 * (X[:, 0] > 0)).astype(int)
    report, train, _ = audited(X, y)
    finding = finding_of(report, "one_class_suspects")
    assert finding.sentence.startswith("All 20 suspicious training rows have the label '1', as 8")
    assert (y[train[finding.rows]] == 1).all()
    assert finding_of(report, "label_errors") is None


@pytest.mark.parametrize(("seed", "why"), [(0, "hardly knows these"), (1, "hardly tells the la")])
def test_a_model_that_never_predicts_a_label_cannot_tell_its_errors(seed, why):
    random_state = np.random.RandomState(seed)
    X = random_state.normal(size=(3000, 3))
    rare = 0.02 + 0.3 / (1 + np.exp(8 - 4 * X[:, 0]))
    report, *_ = audited(X, (random_state.uniform(size=3000) < rare).astype(int))
    assert finding_of(report, "label_errors") is None
    assert why in report.checked[LABELS]
    assert (
        "is right about 0% of the rows with that"
        in finding_of(report, "one_class_suspects").sentence
    )


def test_machines_without_probabilities_are_judged_by_their_losses():
    X, y = load_breast_cancer(return_X_y=True)
    labels, wrong = plant_label_errors(y, 0.05, np.random.RandomState(0))
    model = LinearSVC(C=0.1, max_iter=100_000, tol=1e-6)
    report, train, _ = audited(X, labels, model)
    finding = finding_of(report, "label_errors")
    assert finding.value == pytest.approx(wrong.sum(), rel=0.3)
    assert wrong[train[finding.rows]].mean() > 0.8


def test_without_leave_one_out_numbers_only_test_rows_are_judged():
    X, y = load_digits(return_X_y=True)
    labels, wrong = plant_label_errors(y, 0.05, np.random.RandomState(0))
    report, _, test = audited(X[:900], labels[:900], SVC(), n_test=600)
    finding = finding_of(report, "label_errors")
    assert finding.value == pytest.approx(wrong[test].sum(), rel=0.3)
    assert len(finding.rows) == 0
    assert wrong[test[finding.test_rows]].mean() > 0.75
    assert "training rows" not in finding.sentence
    report, *_ = audited(X[:300], labels[:300], SVC())
    assert report.checked[LABELS].startswith("not checked: there are no leave-one-out numbers")


def test_too_few_rows_are_not_judged():
    X, y = load_iris(return_X_y=True)
    report, *_ = audited(X[::8], y[::8])
    assert report.checked[LABELS] == "not checked: 19 rows are too few"


def test_the_same_errors_are_found_by_any_scores_that_tell_the_same():
    random_state = np.random.RandomState(0)
    score = random_state.normal(scale=5, size=(2000, 1)) * [0.5, -0.5]
    y = (random_state.uniform(size=2000) > 1 / (1 + np.exp(score[:, 1] - score[:, 0]))).astype(int)
    wrong = random_state.uniform(size=2000) < 0.05
    labels = np.where(wrong, 1 - y, y)
    errors, others = (
        estimate_label_errors(scores, labels) for scores in (score, 3 * score + 7 * score[:, :1])
    )
    assert errors.count == pytest.approx(wrong.sum(), rel=0.2)
    low, high = errors.interval
    assert low < wrong.sum() < high
    # Three times the differences plus what both classes have in common.
    assert_allclose(others.probability, errors.probability, atol=0.02)


def test_rows_are_drawn_once():
    rows = some_rows(np.random.RandomState(0), 100, 10)
    assert_array_equal(rows, np.unique(rows))
    assert_array_equal(some_rows(np.random.RandomState(0), 10, 100), np.arange(10))


# --- test rows --------------------------------------------------------------------------------


def test_test_rows_have_numbers_of_their_own():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X.index = [f"patient {row}" for row in X.index]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    explainer = RelatIFExplainer(model).fit(X[::2], y[::2])
    report = explainer.audit(X[1::2], y[1::2])
    probabilities = explainer.predict_proba(X[1::2])
    own = probabilities[np.arange(len(probabilities)), y[1::2]]
    assert_allclose(report.predictions["label_probability"], own)
    assert_allclose(report.predictions["loss"], -np.log(own), atol=1e-12)
    assert_array_equal(np.sort(report.predictions["suspicion_rank"]), np.arange(1, len(own) + 1))
    assert_array_equal(report.first_test_positions(5), np.argsort(own)[:5])
    assert_array_equal(report.first_test_rows(5), X.index[1::2][np.argsort(own)[:5]])
    meanings = report.view.prediction
    assert set(report.predictions) <= set(meanings)


def test_test_rows_without_labels_have_none():
    X, y = load_breast_cancer(return_X_y=True)
    explainer = RelatIFExplainer(make_pipeline(StandardScaler(), LogisticRegression())).fit(
        X[::2], y[::2]
    )
    report = explainer.audit(X[1::2])
    assert "loss" not in report.predictions
    with pytest.raises(ValueError, match="no test rows whose labels or targets are known"):
        report.first_test_rows()


# --- targets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers():
    """A line with errors of heavy tails, which grow with the prediction."""
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(1500, 3))
    mean = 20 + X @ [5.0, 3.0, 0.0]
    return X, mean + 0.02 * np.abs(mean) * random_state.standard_t(6, size=len(X))


def test_wrong_targets_are_counted_and_named(numbers):
    X, y = numbers
    random_state = np.random.RandomState(1)
    wrong = random_state.choice(len(y), 75, replace=False)
    targets = y.copy()
    targets[wrong] = random_state.permutation(y)[wrong]
    report, train, test = audited(X, targets, Ridge(), n_test=300)
    finding = finding_of(report, "wrong_targets")
    assert finding.value == pytest.approx(75, rel=0.3)
    named = np.concatenate([train[finding.rows], test[finding.test_rows]])
    assert np.isin(named, wrong).mean() > 0.8
    assert "targets look wrong" in finding.sentence
    assert "label" not in finding.sentence + finding.method
    assert LABELS not in report.checked
    assert ONE_LABEL not in report.checked
    assert "loss" in report.predictions
    assert "label_probability" not in report.predictions


def test_a_slip_of_the_decimal_point_is_found(numbers):
    X, y = numbers
    targets = y.copy()
    targets[[10, 400, 800]] *= 10
    report, train, _ = audited(X, targets, LinearRegression())
    named = train[finding_of(report, "wrong_targets").rows]
    assert_array_equal(np.sort(named[:3]), [10, 400, 800])


def test_heavy_tails_are_no_errors(numbers):
    report, *_ = audited(*numbers, LinearRegression())
    assert report.checked[TARGETS] == "nothing found"


def test_targets_that_the_features_hardly_tell_are_not_judged():
    report, *_ = audited(*load_diabetes(return_X_y=True), Ridge())
    assert "as large as if targets were dealt at random" in report.checked[TARGETS]


def test_several_targets_are_judged_together(numbers):
    X, y = numbers
    targets = np.column_stack([y, 2 * y + X[:, 2]])
    targets[7, 0] *= 10
    targets[70, 1] *= -10
    report, train, _ = audited(X, targets, LinearRegression())
    named = train[finding_of(report, "wrong_targets").rows]
    assert_array_equal(np.sort(named[:2]), [7, 70])


def test_counts_are_judged_by_their_deviance():
    random_state = np.random.RandomState(0)
    X = random_state.normal(size=(1000, 3))
    y = random_state.poisson(np.exp(3 + X @ [0.5, 0.3, 0.0])).astype(float)
    report, *_ = audited(X, y, PoissonRegressor(alpha=0, tol=1e-8, max_iter=1000))
    assert report.checked[TARGETS] == "nothing found"
    y[:4] = 2000
    report, train, _ = audited(X, y, PoissonRegressor(alpha=0, tol=1e-8, max_iter=1000))
    assert set(range(4)) <= set(train[finding_of(report, "wrong_targets").rows])


def test_targets_that_are_told_exactly_have_no_errors():
    errors = estimate_target_errors(np.zeros(100), np.arange(100.0))
    assert errors.count == 0
    assert not errors.are_there


def test_names_are_labels_of_the_index(numbers):
    X, y = numbers
    targets = y.copy()
    targets[3] *= 10
    table = pd.DataFrame(X, index=[f"row {k}" for k in range(len(y))])
    explainer = RelatIFExplainer(LinearRegression()).fit(table, targets)
    report = explainer.audit()
    assert report.index[finding_of(report, "wrong_targets").rows[0]] == "row 3"


def test_targets_that_are_predicted_exactly_tell_nothing_of_other_errors():
    """Where a column says that the target is 0."""
    rng = np.random.RandomState(0)
    is_there = rng.uniform(size=600) > 0.6
    X = np.column_stack([is_there, rng.normal(size=(600, 3)) * is_there[:, None]])
    y = is_there * (5 + 3 * X[:, 1] - 2 * X[:, 2] + rng.normal(size=600))
    report = RelatIFExplainer(LinearRegression()).fit(X, y).audit(queries=())
    assert report.checked["targets that look wrong"] == "nothing found"


def test_not_most_labels_are_wrong():
    """Rows that the model has learnt by heart, and does not predict without them."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(200, 4)), rng.randint(0, 40, 200)
    model = LogisticRegression(C=10, max_iter=2000)
    report = RelatIFExplainer(model).fit(X, y).audit(X, y, queries=())
    assert "label_errors" not in {found.kind for found in report.findings}
