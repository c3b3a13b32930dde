"""What an audit finds: each finding planted and told, and nothing told of clean data."""

from hashlib import blake2b

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit.findings._predictors import hashes

CLEAN = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
#: Of these, others have tests of their own.
OWN = {"duplicates", "near_duplicates", "conflicting_duplicates", "duplicates_across_split",
       "no_skill", "leakage", "identifiers", "conclusion_held",
       "hubs", "extreme_values"}  # fmt: skip


def scaled(model=None):
    model = LogisticRegression(tol=1e-8, max_iter=1000) if model is None else model
    return make_pipeline(StandardScaler(), model)


def audited(X, y, model=None, tested=True, **parts):
    """The findings about a table, by their kinds."""
    rows = train_test_split(np.arange(len(y)), test_size=0.3, random_state=0)
    train, test = map(np.sort, rows) if tested else (np.arange(len(y)), None)
    model = scaled() if model is None else model
    explainer = RelatIFExplainer(model).fit(of(X, train), y[train])
    tests = (of(X, test), y[test]) if tested else ()
    report = explainer.audit(*tests, X_train=of(X, train), queries=(), **parts)
    return {finding.kind: finding for finding in report.findings}, report


def of(X, rows):
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def clean(name):
    """A real table, of which the largest is made smaller."""
    X, y = CLEAN[name](return_X_y=True, as_frame=True)
    if name != "digits":
        return X, y
    some = np.flatnonzero(y < 4)[:500]
    return X.iloc[some], y.iloc[some]


def cancer():
    return load_breast_cancer(return_X_y=True, as_frame=True)


# --- nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("tested", [True, False], ids=["split", "all"])
def test_nothing_is_found_in_clean_data(name, tested):
    X, y = clean(name)
    model = Ridge() if name == "diabetes" else None
    found, report = audited(X, y.to_numpy(), scaled(model), tested)
    assert not OWN & set(found), [finding.sentence for finding in found.values()]
    assert "nothing found" in report.checked.values()


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_found_in_the_features_of_a_model(name):
    """Where the rows are not given, those that reach the model are looked at."""
    X, y = map(np.asarray, clean(name))
    model = scaled(Ridge() if name == "diabetes" else None)
    report = RelatIFExplainer(model).fit(X, y).audit(queries=())
    assert not OWN & {finding.kind for finding in report.findings}


# --- duplicates -----------------------------------------------------------------------------


def with_copies(X, y, n_copies):
    rows = np.append(np.arange(len(y)), np.arange(n_copies))
    return of(X, rows), np.asarray(y)[rows]


@pytest.mark.parametrize("n_copies", [1, 30])
def test_copies_are_counted(n_copies):
    X, y = cancer()
    n_rows = len(y)
    X, y = with_copies(X, y, n_copies)
    found, _ = audited(X.reset_index(drop=True), y, tested=False)
    assert found["duplicates"].value == n_copies
    np.testing.assert_array_equal(np.sort(found["duplicates"].rows), n_rows + np.arange(n_copies))
    assert "conflicting_duplicates" not in found


def test_copies_with_other_labels_are_named():
    X, y = cancer()
    X, y = with_copies(X, y, 20)
    y[-5:] = 1 - y[-5:]
    found, _ = audited(X, y, tested=False)
    conflicts = found["conflicting_duplicates"]
    expected = [*range(15, 20), *range(len(y) - 5, len(y))]
    assert sorted(conflicts.rows) == expected
    assert "at least 5 of them" in conflicts.sentence
    assert found["duplicates"].value == 20


def test_test_rows_that_were_trained_on_are_counted():
    X, y = load_digits(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(tol=1e-6, max_iter=5000)).fit(X[:600], y[:600])
    X_test, y_test = np.vstack([X[600:650], X[:10]]), np.append(y[600:650], y[:10])
    report = explainer.audit(X_test, y_test, queries=())
    (found,) = [it for it in report.findings if it.kind == "duplicates_across_split"]
    np.testing.assert_array_equal(found.test_rows, 50 + np.arange(10))
    np.testing.assert_array_equal(np.sort(found.rows), np.arange(10))
    assert "10 of 60 test rows" in found.sentence


def test_cells_that_coincide_by_chance_are_no_copies():
    """Of 2,000 rows of three columns with few values most are equal to others."""
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.randint(0, 6, (2000, 4)), columns=list("abcd"))
    y = (X["a"] + rng.normal(0, 0.5, 2000) > 2.5).to_numpy().astype(int)
    found, _ = audited(X, y, tested=False)
    assert X.duplicated().sum() > 500
    assert "duplicates" not in found
    # But these columns cannot tell all labels apart.
    assert found["conflicting_duplicates"].weight < 0.5


def test_targets_of_copies_are_compared_by_the_typical_error():
    X, y = load_diabetes(return_X_y=True)
    X, y = with_copies(X, y, 20)
    y[-1] += 400
    y[-2] += 10
    found, _ = audited(X, y, scaled(Ridge()), tested=False)
    assert sorted(found["conflicting_duplicates"].rows) == [19, len(y) - 1]


def test_columns_beside_those_of_the_model_are_not_taken_for_its_own():
    X, y = load_breast_cancer(return_X_y=True)
    wide = pd.DataFrame(X[:300]).assign(name=[f"c{i}" for i in range(300)])[["name", *range(30)]]
    explainer = RelatIFExplainer(scaled()).fit(X[:300], y[:300])
    for table in (wide, wide.rename(columns=str), wide.drop(columns="name").assign(a=1, b=2)):
        report = explainer.audit(X[295:320], y[295:320], X_train=table, queries=())
        found = {finding.kind: finding for finding in report.findings}
        assert found["duplicates_across_split"].test_rows.tolist() == [0, 1, 2, 3, 4]
        assert "identifiers" not in found


def test_texts_are_compared_without_case_and_white_space():
    rng = np.random.RandomState(0)
    words = [f"word{k}" for k in range(200)]
    texts = [" ".join(rng.choice(words, 8)) for _ in range(120)]
    y = np.array([text.count("1") > 3 for text in texts]).astype(int)
    texts += [texts[0].upper(), f"  {texts[1].replace(' ', '   ')} ", texts[2]]
    y = np.append(y, [y[0], 1 - y[1], y[2]])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(tol=1e-8))
    explainer = RelatIFExplainer(model).fit(texts, y)
    found = {it.kind: it for it in explainer.audit(X_train=texts, queries=()).findings}
    assert found["duplicates"].value == 3
    assert sorted(found["conflicting_duplicates"].rows) == [1, 121]


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_copies_of_sparse_rows_are_those_of_dense_ones(is_sparse):
    X = sparse.random(80, 300, 0.05, format="csr", random_state=0)
    X = sparse.vstack([X, X[:4]]).tocsr()
    y = np.arange(84) % 2
    model = LogisticRegression(tol=1e-10)
    rows = X if is_sparse else X.toarray()
    report = RelatIFExplainer(model).fit(rows, y).audit(queries=())
    (found,) = [it for it in report.findings if it.kind == "duplicates"]
    np.testing.assert_array_equal(np.sort(found.rows), [80, 81, 82, 83])


def test_columns_that_do_not_reach_the_model_tell_no_rows_apart():
    X, y = cancer()
    X, y = with_copies(X, y, 30)
    X = X.reset_index(drop=True).assign(id=np.arange(len(y)))
    used = list(X.columns[:-1])
    scale = ColumnTransformer([("scale", StandardScaler(), used)])
    found, _ = audited(X, y, make_pipeline(scale, LogisticRegression()), tested=False)
    assert found["duplicates"].value == 30
    assert "identifiers" not in found


# --- skill ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tested", [True, False], ids=["split", "left out"])
def test_a_model_of_noise_has_no_skill(tested):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(1000, 5)), (rng.uniform(size=1000) < 0.2).astype(int)
    found, _ = audited(X, y, tested=tested)
    assert "do not tell the labels apart" in found["no_skill"].sentence
    assert "no better than always '0'" in found["no_skill"].sentence


def test_a_rare_class_may_be_ranked_though_it_is_never_predicted():
    X, y = make_classification(
        3000, 6, weights=[0.96], flip_y=0, class_sep=0.5, n_informative=3, random_state=1
    )
    found, _ = audited(X, y, tested=False)
    assert found["no_skill"].sentence.count("probabilities do tell rows apart") == 1
    balanced, _ = audited(X, y, scaled(LogisticRegression(class_weight="balanced")), tested=False)
    assert "no_skill" not in balanced


def test_few_test_rows_do_not_tell_that_a_model_has_no_skill():
    X, y = cancer()
    rare = np.sort(np.append(np.flatnonzero(y == 1)[:150], np.flatnonzero(y == 0)[:20]))
    X, y = X.iloc[rare], y.to_numpy()[rare]
    train = np.setdiff1d(np.arange(len(y)), [0, 50, 100])
    explainer = RelatIFExplainer(scaled()).fit(X.iloc[train], y[train])
    report = explainer.audit(X.iloc[[0, 50, 100]], y[[0, 50, 100]], queries=())
    assert "no_skill" not in {it.kind for it in report.findings}


def test_a_regression_of_noise_is_no_better_than_the_mean():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(400, 4)), rng.normal(size=400)
    found, _ = audited(X, y, scaled(Ridge()))
    assert "no better than always the mean" in found["no_skill"].sentence
    targets = np.column_stack([y, X[:, 0] + 0.1 * y])
    found, _ = audited(X, targets, scaled(Ridge()), tested=False)
    assert found["no_skill"].sentence.startswith("The model of target_0 ")


def test_machines_have_skill_without_probabilities():
    X, y = cancer()
    found, report = audited(X, y.to_numpy(), scaled(LinearSVC(loss="hinge", max_iter=1_000_000)))
    assert "no_skill" not in found
    _, report = audited(
        X, y.to_numpy(), scaled(LinearSVC(loss="hinge", max_iter=1_000_000)), tested=False
    )
    assert report.checked["a model that is no better than none"].startswith("not checked")


# --- leakage --------------------------------------------------------------------------------


def test_every_column_that_holds_the_target_is_named():
    X, y = cancer()
    rng = np.random.RandomState(0)
    flipped = np.where(rng.uniform(size=len(y)) < 0.02, 1 - y, y)
    X = X.assign(
        again=np.where(y == 1, "yes", "no"), nearly=flipped, code=7 * y + 0.01 * rng.rand()
    )
    encode = ColumnTransformer([("again", OneHotEncoder(), ["again"])], remainder=StandardScaler())
    found, _ = audited(X, y.to_numpy(), make_pipeline(encode, LogisticRegression()))
    assert set(found["leakage"].columns) == {"again", "nearly", "code"}


def test_a_measurement_that_makes_all_others_redundant_is_named():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X.assign(outcome=3 * y + np.random.RandomState(0).normal(0, 5, len(y)))
    found, _ = audited(X, y.to_numpy(), scaled(Ridge()))
    assert found["leakage"].columns == ("outcome",)
    # Not if the model makes no use of it.
    X["outcome"] *= 1e-9
    found, _ = audited(X, y.to_numpy(), Lasso(alpha=0.1))
    assert "leakage" not in found


def test_columns_of_arrays_and_sparse_rows_are_named_by_their_places():
    X, y = load_digits(return_X_y=True)
    rows = np.flatnonzero(y < 2)[:200]
    X, y = X[rows], y[rows]
    wide = np.hstack([X, np.random.RandomState(0).normal(size=(len(y), 120)), y[:, None]])
    for table in (wide, sparse.csr_array(wide)):
        report = RelatIFExplainer(LogisticRegression()).fit(table, y).audit(queries=())
        (found,) = [it for it in report.findings if it.kind == "leakage"]
        assert "x184" in found.columns


# --- identifiers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Unnamed: 0", np.arange(569)),
        ("number", np.random.RandomState(0).permutation(569) + 1000),
        ("patient_id", np.random.RandomState(0).randint(10**6, 10**9, 569)),
        ("customerID", [f"{k:04d}-{k * 7919 % 10007:05X}" for k in range(569)]),
    ],
)
def test_columns_that_name_the_rows_are_named(name, values):
    X, y = cancer()
    X = X.assign(**{name: values})
    encode = OneHotEncoder(handle_unknown="ignore") if name == "customerID" else StandardScaler()
    model = make_pipeline(
        ColumnTransformer([("id", encode, [name])], remainder=StandardScaler()),
        LogisticRegression(),
    )
    found, _ = audited(X, y.to_numpy(), model)
    assert found["identifiers"].columns == (name,)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(569) * 86_400 + 1_600_000_000,  # Seconds since 1970.
        np.linspace(0, 1, 569),
        np.random.RandomState(0).normal(50_000, 20_000, 569).round(),
        np.random.RandomState(0).randint(0, 5000, 569),
    ],
    ids=["times", "fractions", "incomes", "counts"],
)
def test_measurements_do_not_name_rows(values):
    X, y = cancer()
    found, _ = audited(X.assign(more=values), y.to_numpy())
    assert "identifiers" not in found


def test_polars_frames_are_looked_at_too():
    polars = pytest.importorskip("polars")
    X, y = cancer()
    X, y = with_copies(X, y, 12)
    X = X.assign(row=np.arange(len(y)) % 569)
    explainer = RelatIFExplainer(scaled()).fit(polars.from_pandas(X), y)
    report = explainer.audit(X_train=polars.from_pandas(X), queries=())
    found = {it.kind: it for it in report.findings}
    assert found["duplicates"].value == 12
    assert found["identifiers"].columns == ("row",)


# --- nearly equal rows ----------------------------------------------------------------------


def test_copies_with_other_last_digits_are_near():
    X, y = cancer()
    rounded = X.iloc[:10] * (1 + 1e-5)
    labels = np.append(y, y[:10])
    labels[-1] = 1 - labels[-1]
    found, _ = audited(pd.concat([X, rounded], ignore_index=True), labels, tested=False)
    expected = [*range(10), *range(569, 579)]
    assert sorted(found["near_duplicates"].rows) == expected
    assert "20 of 579" in found["near_duplicates"].sentence
    assert "2 of them to a row with another label" in found["near_duplicates"].sentence
    # Rows that differ in anything else are no copies.
    X["kind"], rounded["kind"] = 0, 1
    found, _ = audited(pd.concat([X, rounded], ignore_index=True), labels, tested=False)
    assert "near_duplicates" not in found


@pytest.mark.parametrize("n_columns", [2, 3, 6])
@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "lognormal"])
def test_rows_that_are_near_by_chance_are_no_copies(n_columns, draw):
    X = getattr(np.random.RandomState(0), draw)(size=(1500, n_columns))
    target = np.sign(X[:, 0] - np.median(X[:, 0]))
    found, _ = audited(np.arctan(X), target.astype(int), tested=False)
    assert "near_duplicates" not in found


# --- rows and groups that the model hangs on ------------------------------------------------


def noisy_table(n_rows=2500):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.normal(size=(n_rows, 4)), columns=["width", "depth", "height", "weight"])
    y = (X["width"] + 0.3 * X["depth"] + rng.normal(size=n_rows) > 0).to_numpy().astype(int)
    return X.round(1), y


def test_a_row_with_an_impossible_number_is_named_with_it():
    X, y = noisy_table()
    X.loc[700, "depth"] = -900.0
    X.index = [f"case {k}" for k in range(len(X))]
    y[700] = 1
    model = LogisticRegression(tol=1e-10, C=1e4)
    explainer = RelatIFExplainer(model).fit(X[:1500], y[:1500])
    report = explainer.audit(X[1500:], y[1500:], X_train=X[:1500], queries=())
    (held,) = [it for it in report.findings if it.kind == "conclusion_held"]
    np.testing.assert_array_equal(held.rows, [700])
    assert "Without row case 700 (depth is -900; 98% of the rows have" in held.sentence
    others = np.delete(np.arange(1500), 700)
    without = LogisticRegression(tol=1e-10, C=1e4).fit(X.iloc[others], y[others])
    changed = np.mean(without.predict(X[1500:]) != explainer.predict(X[1500:]))
    assert held.value == pytest.approx(changed, abs=0.002)


def test_a_row_that_explains_many_predictions_is_named_with_its_extreme_number():
    X, y = noisy_table()
    X.loc[700, "depth"] = 15.0
    y[700] = 0
    explainer = RelatIFExplainer(LogisticRegression(tol=1e-10, C=1e4)).fit(X[:1500], y[:1500])
    report = explainer.audit(X[1500:], y[1500:], X_train=X[:1500], queries=())
    (hubs,) = [it for it in report.findings if it.kind == "hubs"]
    np.testing.assert_array_equal(hubs.rows, [700])
    assert hubs.value == report.columns["hub_if"][700] / 1000
    assert "row 700 (depth is 15; 98% of the rows have" in hubs.sentence


def test_a_row_that_explains_many_predictions_is_named_with_its_extreme_target():
    X, _ = noisy_table()
    y = X["depth"].to_numpy() + np.random.RandomState(0).normal(size=len(X))
    y[700] = 500.0
    explainer = RelatIFExplainer(Ridge()).fit(X[:1500], y[:1500])
    report = explainer.audit(X[1500:], y[1500:], X_train=X[:1500], queries=())
    (hubs,) = [it for it in report.findings if it.kind == "hubs"]
    assert "row 700 (its target is 500; 98% of the rows have -" in hubs.sentence


def test_a_row_that_moves_a_regression_is_named():
    X, y = noisy_table()
    target = X["width"].to_numpy() + np.random.RandomState(1).normal(size=len(y))
    X.loc[11, "height"], target[11] = 300.0, -300.0
    explainer = RelatIFExplainer(Ridge()).fit(X[:1500], target[:1500])
    report = explainer.audit(X[1500:], target[1500:], X_train=X[:1500], queries=())
    (held,) = [it for it in report.findings if it.kind == "conclusion_held"]
    np.testing.assert_array_equal(held.rows, [11])
    others = np.delete(np.arange(1500), 11)
    without = Ridge().fit(X.iloc[others], target[others]).predict(X[1500:])
    moved = np.sqrt(np.mean((without - explainer.predict(X[1500:])) ** 2))
    assert held.value == pytest.approx(moved / report.model["loo_error"], rel=1e-6)


def test_groups_that_harm_and_groups_that_are_needed_are_named():
    X, y = noisy_table()
    groups = np.array(["many"] * 1200 + ["reversed"] * 300)
    labels = y.copy()
    labels[1200:1500] = 1 - y[1200:1500]
    explainer = RelatIFExplainer(LogisticRegression(tol=1e-8)).fit(X[:1500], labels[:1500])
    report = explainer.audit(X[1500:], y[1500:], groups=groups, queries=())
    (held,) = [it for it in report.findings if it.section == "groups"]
    assert "Without the 300 training rows of group 'reversed'" in held.sentence
    assert held.value < 0
    report = explainer.audit(X[1500:], y[1500:], groups=np.arange(1500) % 5, queries=())
    assert not [it for it in report.findings if it.section == "groups"]


@pytest.mark.parametrize("kind", ["lists", "array", "numbered frame"])
def test_columns_need_no_names(kind):
    X, y = load_iris(return_X_y=True)
    table = {"lists": X.tolist(), "array": X, "numbered frame": pd.DataFrame(X)}[kind]
    explainer = RelatIFExplainer(scaled()).fit(table, y)
    report = explainer.audit(table, y, X_train=table, queries=())
    (found,) = [it for it in report.findings if it.kind in OWN]
    assert found.kind == "duplicates_across_split"
    assert found.value == 1


def test_names_of_rows_have_no_extreme_numbers():
    X, y = cancer()
    number = np.random.RandomState(0).randint(10**6, 2 * 10**6, 569)
    number[200] = 10**9
    found, _ = audited(X.assign(patient_id=number), y.to_numpy(), tested=False)
    assert "whole numbers" in found["identifiers"].sentence
    assert "extreme_values" not in found


def test_texts_that_are_there_twice_are_told_by_their_column():
    words = np.random.RandomState(0).choice([*"abcdefghij"], (300, 8))
    X = pd.DataFrame({"text": [" ".join(row) for row in words]})
    X.loc[:19, "text"] = X.loc[100:119, "text"].to_numpy()
    model = make_pipeline(
        ColumnTransformer([("words", TfidfVectorizer(token_pattern=r"\w"), "text")]),
        LogisticRegression(),
    )
    found, _ = audited(X, np.arange(300) % 2, model, tested=False)
    assert "repeat an earlier row in the only column 'text'." in found["duplicates"].sentence


def test_a_number_that_outweighs_its_column_is_named():
    X, y = cancer()
    X.loc[200, "mean texture"] *= 1000
    found, _ = audited(X, y.to_numpy(), tested=False)
    extreme = found["extreme_values"]
    np.testing.assert_array_equal(extreme.rows, [200])
    assert extreme.columns == ("mean texture",)
    assert "row 200 (mean texture is" in extreme.sentence


# --- tables that are hard to read -----------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [lambda X: X * 1e-14, lambda X: 1000 + X / 1000, lambda X: X[["a"]]],
    ids=["small units", "far from zero", "an only column"],
)
def test_measurements_in_any_unit_are_no_near_copies(change):
    X = pd.DataFrame(np.random.RandomState(0).normal(size=(300, 3)), columns=list("abc"))
    found, _ = audited(change(X), X["a"].to_numpy() ** 2, scaled(Ridge()), tested=False)
    assert "near_duplicates" not in found


def test_rows_at_equal_distances_are_no_near_copies():
    X = pd.DataFrame({"a": np.arange(200.0), "b": 2 * np.arange(200.0)})
    found, _ = audited(X, np.sin(X["a"].to_numpy()), scaled(Ridge()), tested=False)
    assert "near_duplicates" not in found


def test_cells_are_compared_by_their_values_whatever_holds_them():
    whole = [-1, -2, 0, "", 2.5, 2**53, 2**53 + 1, 2**62, "a", None]
    found = hashes(np.array(whole, object))
    assert len(set(found.tolist())) == len(whole)
    numbers = np.array([-2, 0, 7, 2**53 + 1, -(2**60)])
    np.testing.assert_array_equal(hashes(numbers), hashes(numbers.astype(object)))
    # The same in every process.
    expected = int.from_bytes(blake2b(b"a", digest_size=8).digest(), "little")
    assert hashes(np.array(["a"], object))[0] == expected


def test_training_rows_are_read_only_if_the_model_takes_them():
    X, y = noisy_table(200)
    explainer = RelatIFExplainer(scaled()).fit(X, y)
    own = explainer.audit(X_train=X, queries=())
    for other in (X.rename(columns={"width": "breadth"}), X[["width"]], X.to_numpy()[:, :2]):
        report = explainer.audit(X_train=other, queries=())
        assert [it.kind for it in report.findings] == [it.kind for it in own.findings]
        assert report.checked["columns that name the rows"].startswith("not checked")
    with pytest.raises(ValueError, match="position 0 is theirs at position 199"):
        explainer.audit(X_train=X[::-1].reset_index(drop=True), queries=())


def test_a_column_without_numbers_is_no_extreme_one():
    y = np.arange(60) % 2
    wide = pd.DataFrame(np.random.RandomState(0).normal(size=(60, 201))).rename(columns=str)
    fill = SimpleImputer(keep_empty_features=True)
    explainer = RelatIFExplainer(make_pipeline(fill, LogisticRegression()))
    wide["empty"] = np.nan
    report = explainer.fit(wide, y).audit(wide[:20], y[:20], X_train=wide, queries=())
    assert "extreme_values" not in {it.kind for it in report.findings}


def test_few_of_many_columns_are_named():
    rng = np.random.RandomState(0)
    y = rng.randint(0, 2, 300)
    X = pd.DataFrame({f"c{k}": y ^ (rng.uniform(size=300) < 0.02) for k in range(8)})
    found, _ = audited(X, y, LogisticRegression(), tested=False)
    assert "and 3 more each tell" in found["leakage"].sentence
    assert len(found["leakage"].columns) == 8
