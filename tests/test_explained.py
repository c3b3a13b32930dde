"""Predictions that an audit shows beside the rows that explain them."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import _columns
from sklearn_relatif.explainers._studied import study_of


def scaled(model):
    return make_pipeline(StandardScaler(), model)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    explainer = RelatIFExplainer(scaled(LogisticRegression(tol=1e-8))).fit(X[::2], y[::2])
    return explainer, X, y


def test_rows_that_tell_most_are_chosen_from_the_test_rows(cancer):
    explainer, X, y = cancer
    X_test, y_test = X[1::2], y[1::2]
    explained = {one.reason: one for one in explainer.audit(X_test, y_test).explained}
    assert set(explained) == {
        "most confident mistake", "least certain", "typical '0'", "typical '1'",
    }  # fmt: skip
    proba, predicted = explainer.predict_proba(X_test), explainer.predict(X_test)
    certainty = proba.max(axis=1)
    wrong = np.flatnonzero(predicted != y_test)
    mistake = explained["most confident mistake"]
    assert mistake.position == wrong[certainty[wrong].argmax()]
    assert mistake.label != mistake.prediction
    assert explained["least certain"].position == certainty.argmin()
    typical = explained["typical '1'"]
    right = np.flatnonzero((predicted == 1) & (y_test == 1))
    assert np.isclose(certainty[typical.position], np.median(certainty[right]), atol=0.01)
    for one in explained.values():
        assert one.is_test and np.isclose(one.probability, certainty[one.position])
        assert one.label == y_test[one.position] and one.prediction == predicted[one.position]
        for sign, own in ("positive", one.supporting), ("negative", one.opposing):
            found = explainer.explain(X_test[[one.position]], sign=sign)
            assert own.rows.tolist() == found.rows.tolist()
            np.testing.assert_allclose(own.scores, found.scores, rtol=1e-6)


def test_without_labels_there_are_no_mistakes(cancer):
    explainer, X, _ = cancer
    explained = explainer.audit(X[1::2]).explained
    assert [one.reason for one in explained] == ["least certain", "typical '1'", "typical '0'"]
    assert all(one.label is None for one in explained)


def test_a_training_row_does_not_explain_itself(cancer):
    explainer, X, y = cancer
    names = [f"row {place}" for place in range(len(y[::2]))]
    report = explainer.audit(sample_names=names, queries=["row 7", "row 3"])
    assert [one.name for one in report.explained] == ["row 7", "row 3"]
    for one in report.explained:
        assert one.reason == "asked for" and not one.is_test
        assert one.position == names.index(one.name) and one.label == y[::2][one.position]
        expected = explainer.explain(X[::2][[one.position]], n_examples=6).indices[0].tolist()
        assert one.position in expected
        expected.remove(one.position)
        assert one.supporting.indices[0].tolist() == expected
        assert one.supporting.rows[0].tolist() == [names[place] for place in expected]
        assert one.supporting.query_index.tolist() == [one.name]


def test_rows_are_asked_for_by_their_names(cancer):
    pd = pytest.importorskip("pandas")
    _, X, y = cancer
    frame = pd.DataFrame(X[1::2], index=[f"q{place}" for place in range(len(X[1::2]))])
    model = RelatIFExplainer(scaled(LogisticRegression())).fit(X[::2], y[::2])
    (one,) = model.audit(frame.to_numpy(), queries=[5]).explained
    assert (one.name, one.position, one.is_test) == (5, 5, True)
    frame.columns = [f"column {place}" for place in range(frame.shape[1])]
    train = frame.set_axis(range(len(frame)))
    model.fit(train, y[1::2])
    (one,) = model.audit(frame, queries=["q11"]).explained
    assert (one.name, one.position) == ("q11", 11)
    with pytest.raises(KeyError, match="No test row is called q999"):
        model.audit(frame, queries=["q999"])


def test_regressors_show_errors_and_extremes():
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(Ridge(alpha=1e-3)).fit(X[::2], y[::2])
    explained = {one.reason: one for one in explainer.audit(X[1::2], y[1::2]).explained}
    predicted = explainer.predict(X[1::2])
    assert explained["largest error"].position == np.abs(predicted - y[1::2]).argmax()
    assert explained["highest prediction"].position == predicted.argmax()
    assert explained["lowest prediction"].position == predicted.argmin()
    assert explained["typical prediction"].prediction == np.sort(predicted)[(len(y) // 2 - 1) // 2]
    for one in explained.values():
        assert one.probability is None and one.flip_set is None
        assert one.label == y[1::2][one.position]
        assert (one.supporting.scores > 0).all() and (one.opposing.scores < 0).all()
        parts = np.array(list(one.contributions.values()))
        mean = explainer.predict(X[::2]).mean()
        np.testing.assert_allclose(parts.sum() + mean, one.prediction, rtol=1e-6)


def test_several_targets_and_labels_of_hinges():
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(Ridge()).fit(X[::2], np.stack([y, -2 * y], axis=1)[::2])
    (one,) = explainer.audit(X[1::2], np.stack([y, -2 * y], axis=1)[1::2]).explained
    assert one.reason == "largest error" and one.label.shape == one.prediction.shape == (2,)
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(scaled(LinearSVC(tol=1e-8, max_iter=100_000)))
    report = explainer.fit(X[50::2], y[50::2]).audit(X[51::2], y[51::2])
    assert all(one.probability is None for one in report.explained)
    assert all("takes long" in one.no_flip_set for one in report.explained)


def test_flip_sets_flip_and_are_named_as_the_rows_of_the_audit(cancer):
    explainer, X, y = cancer
    names = np.array([f"row {place}" for place in range(len(y[::2]))])
    report = explainer.audit(X[1::2], y[1::2], sample_names=names)
    one = next(one for one in report.explained if one.reason == "least certain")
    assert one.flip_set.found
    assert one.flip_set.rows.tolist() == names[one.flip_set.positions].tolist()
    (without,) = explainer.retrain_without([one.flip_set.positions])
    assert without.predict(X[1::2][[one.position]]) != one.prediction
    typical = next(one for one in report.explained if one.reason == "typical '0'")
    assert typical.flip_set is None and "no 10 training rows hold" in typical.no_flip_set
    # Indeed there is none, as far as flip_set finds any.
    assert not explainer.flip_set(X[1::2][[typical.position]], max_size=10).found


def test_flip_sets_of_training_rows_need_the_rows(cancer):
    explainer, X, y = cancer
    (least,) = [o for o in explainer.audit().explained if o.reason == "least certain"]
    assert least.flip_set is None and "X_train" in least.no_flip_set
    (least,) = [o for o in explainer.audit(X_train=X[::2]).explained if o.reason == "least certain"]
    assert least.flip_set is not None
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[::2]).add_prefix("column ")
    explainer = RelatIFExplainer(scaled(LogisticRegression())).fit(frame, y[::2])
    report = explainer.audit(X_train=frame.assign(note="more than the model takes"))
    assert "not given as the model takes them" in report.explained[0].no_flip_set


def test_of_many_classes_the_most_frequent_are_shown_and_the_rest_counted():
    X, y = load_digits(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=2000)).fit(X[:600] / 16, y[:600])
    report = explainer.audit(X[600:900] / 16, y[600:900])
    typical = [one for one in report.explained if one.reason.startswith("typical")]
    assert len(typical) == 3
    assert any("Of 10 labels" in note and "queries=" in note for note in report.notes)


def test_contributions_add_up_to_the_score(cancer):
    explainer, X, y = cancer
    report = explainer.audit(X[1::2], y[1::2])
    scores = explainer.decision_function(X[1::2])
    mean = explainer.decision_function(X[::2]).mean()
    for one in report.explained:
        sign = 1 if one.prediction == 1 else -1
        total = sum(one.contributions.values())
        np.testing.assert_allclose(sign * total + mean, scores[one.position], rtol=1e-6)
        sizes = np.abs(list(one.contributions.values()))
        assert (np.diff(sizes) <= 0).all()
    first = report.first_positions(200)
    assert list(report.contributions) == first.tolist()
    scores = explainer.decision_function(X[::2])
    label = explainer.predict(X[::2])
    for row in first[:5]:
        total = sum(report.contributions[row].values())
        np.testing.assert_allclose((1 if label[row] else -1) * total + mean, scores[row], rtol=1e-6)


@pytest.fixture(scope="module")
def table():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(300) < 0.1, np.nan, rng.normal(size=300)),
            "color": rng.choice(["red", "blue", "blue_1", "rare a", "rare b"], 300, p=[
                0.4, 0.3, 0.28, 0.01, 0.01]),
            "color_blue": rng.normal(size=300),
            "note": rng.choice(["good and fine", "bad but fine", "neither good"], 300),
            "unused": rng.normal(size=300),
        }
    )  # fmt: skip
    y = (frame["size"].fillna(0) + (frame["color"] == "red") + rng.normal(size=300) > 0.3) * 1
    y += 2 * (frame["note"] == "neither good") * (rng.random(300) < 0.3)
    return frame, np.minimum(y.to_numpy(), 2)


def test_features_are_traced_to_the_columns_that_they_come_from(table):
    frame, y = table
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["size", "color_blue"]),
        (OneHotEncoder(max_categories=4, drop="first"), ["color"]),
        (TfidfVectorizer(), "note"),
    )
    model = make_pipeline(columns, LogisticRegression(tol=1e-8, max_iter=1000))
    explainer = RelatIFExplainer(model).fit(frame, y)
    shares = _columns.column_shares(study_of(explainer))
    assert shares.names == list(frame)
    made = explainer.estimator_[0].get_feature_names_out()
    parts = {"pipeline": ["size", "color_blue"], "onehotencoder": ["color"]}
    for place, name in zip(shares.column, made, strict=True):
        part, name = name.split("__")
        own = [own for own in parts.get(part, ["note"]) if name.endswith(own) or part[0] != "p"]
        assert frame.columns[place] == own[-1]
    (one,) = explainer.audit(frame, queries=[17]).explained
    assert set(one.contributions) == set(frame) and one.contributions["unused"] == 0
    scores = explainer.decision_function(frame)
    lead = scores - (scores.sum(axis=1, keepdims=True) - scores) / 2
    expected = lead[17, one.prediction] - lead[:, one.prediction].mean()
    np.testing.assert_allclose(sum(one.contributions.values()), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "model", [make_pipeline(PCA(3), LogisticRegression()), SVC(tol=1e-6), GaussianNB()]
)
def test_models_that_do_not_tell_columns_apart_say_nothing_of_them(model):
    X, y = load_iris(return_X_y=True)
    report = RelatIFExplainer(model).fit(X, y).audit(X[::3])
    assert report.contributions == {}
    assert all(one.contributions == {} for one in report.explained)


def test_texts_are_explained(tmp_path):
    texts = [f"{word} {place}" for place in range(20) for word in ("free money", "at noon")]
    y = np.tile(["spam", "ham"], 20)
    explainer = RelatIFExplainer(make_pipeline(TfidfVectorizer(), LogisticRegression(tol=1e-8)))
    report = explainer.fit(texts, y).audit(texts[:6], y[:6], X_train=texts)
    assert {one.reason for one in report.explained} >= {"typical 'spam'", "typical 'ham'"}
    assert report.contributions == {}
