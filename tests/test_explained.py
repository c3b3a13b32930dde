"""Predictions that an audit shows beside the rows that explain them."""

import base64
import html
import re
import struct
import zlib

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit.explained import _contributions as _columns
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


def test_columns_that_are_passed_through_are_traced_too(table):
    frame, y = table
    columns = make_column_transformer(
        (OneHotEncoder(), ["color"]), ("drop", ["size", "note"]), remainder="passthrough"
    )
    explainer = RelatIFExplainer(make_pipeline(columns, LogisticRegression(tol=1e-6)))
    shares = _columns.column_shares(study_of(explainer.fit(frame, y)))
    n_colors = frame["color"].nunique()
    traced = [shares.names[place] for place in shares.column]
    assert traced == ["color"] * n_colors + ["color_blue", "unused"]


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


# --- how they are shown -------------------------------------------------------------------------


def section_of(report, tmp_path, *args, **options):
    """The section of the page, with the tags that it opens and closes."""
    report.to_html(tmp_path / "report.html", *args, **options)
    text = (tmp_path / "report.html").read_text("utf-8")
    return re.search(r'<section id="explained">.*?</section>', text, re.DOTALL)[0]


def lines_of(section):
    """The cells of each line of its tables, as text."""
    lines = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in lines)
    return [[html.unescape(re.sub("<[^>]+>", "", cell)) for cell in line] for line in cells]


@pytest.fixture(scope="module")
def audited_table(table):
    frame, y = table
    columns = make_column_transformer(
        (StandardScaler(), ["color_blue", "unused"]), (OneHotEncoder(), ["color"])
    )
    explainer = RelatIFExplainer(make_pipeline(columns, LogisticRegression(tol=1e-8)))
    return explainer.fit(frame[:200], y[:200]).audit(frame[200:], y[200:])


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_cells_stand_beside_each_other(kind, table, audited_table, tmp_path):
    (frame, y), report = table, audited_table
    shown = frame.assign(note=frame["note"] + " & <b>more</b>", number=range(300))
    if kind != "pandas":
        module = pytest.importorskip(kind)
        columns = {name: list(shown[name]) for name in shown}
        shown = module.DataFrame(columns) if kind == "polars" else module.table(columns)
    train, test = shown[:200], shown[200:]
    section = section_of(report, tmp_path, train, test)
    assert "<b>more</b>" not in section
    lines = lines_of(section)
    one = report.explained[0]
    names = one.supporting.columns()["row"]
    assert lines[0][1:] == ["this row", *(f"row {name}" for name in names)]
    by_name = {line[0]: line[1:] for line in lines[: len(lines) // len(report.explained) // 2]}
    assert by_name["number"] == [str(one.name), *map(str, names)]
    assert by_name["color"] == list(frame["color"][[one.name, *names]])
    assert by_name["note"][0] == f"{frame['note'][one.name]} & <b>more</b>"
    assert by_name["label"] == list(map(str, y[[one.name, *names]]))
    # What adds most to the prediction comes first, then what does not reach the model.
    order = [name for name in by_name if name in one.contributions]
    assert order == list(one.contributions)


def test_numbers_that_are_further_off_are_darker(tmp_path):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    explainer = RelatIFExplainer(Ridge(alpha=1e-3)).fit(X[::2], y[::2])
    report = explainer.audit(X[1::2], y[1::2], X_train=X[::2])
    section = section_of(report, tmp_path)
    shades = list(map(float, re.findall(r'style="--far:([\d.]+)"', section)))
    assert min(shades) == 0.15 and max(shades) == 1.0 and len(set(shades)) > 20
    assert "Rows that raise the prediction" in section and "residual" in section
    own = report.explained[0]
    line = next(line for line in lines_of(section) if line[0] == "target")
    assert line[1] == f"{own.label:g}"


def test_without_the_training_rows_the_section_asks_for_them(cancer, tmp_path):
    explainer, X, y = cancer
    section = section_of(explainer.audit(X[1::2], y[1::2]), tmp_path)
    assert "cells of the training rows were not given" in section
    lines = lines_of(section)
    assert any(line[0] == "label" for line in lines)


def test_texts_are_shown_as_words(tmp_path):
    words = ["alpha", "beta", "gamma", "delta", "rare"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words[:4], 6)) + f" <i>{place % 40}</i>" for place in range(200)]
    y = np.array([text.count("alpha") > text.count("beta") for text in texts]).astype(int)
    explainer = RelatIFExplainer(make_pipeline(TfidfVectorizer(), LogisticRegression(tol=1e-8)))
    report = explainer.fit(texts[:150], y[:150]).audit(texts[150:], y[150:], X_train=texts[:150])
    section = section_of(report, tmp_path)
    assert "<table" not in section and "<i>" not in section.replace('<i class="share', "")
    assert html.escape(texts[150 + report.explained[0].position]) in section
    # What most texts have is not marked.
    shared = set(re.findall(r'<mark class="shared">(\w+)</mark>', section))
    assert shared and not shared & set(words)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    train, test = X[:150], X[150:200]
    explainer = RelatIFExplainer(LogisticRegression(max_iter=3000, C=0.01)).fit(train, y[:150])
    return explainer.audit(test, y[150:200]), train, test


def test_of_many_classes_the_most_frequent_are_shown_and_the_rest_counted(digits):
    report, _, _ = digits
    typical = [one for one in report.explained if one.reason.startswith("typical")]
    assert len(typical) == 3
    assert any("labels, a typical" in note and "queries=" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["array", "sparse", "frame"])
def test_images_are_shown_as_pictures(kind, digits, tmp_path):
    report, train, test = digits
    if kind == "sparse":
        train, test = sparse.csr_array(train), sparse.coo_array(test)
    elif kind == "frame":
        pd = pytest.importorskip("pandas")
        train, test = pd.DataFrame(train), pd.DataFrame(test)
    section = section_of(report, tmp_path, train, test, image_shape=(8, 8))
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)"', section)
    assert len(sources) == sum(
        1 + len(one.supporting.columns()["row"]) + len(one.opposing.columns()["row"])
        for one in report.explained
    )
    pixels = read_png(base64.b64decode(sources[0]))
    expected = digits[2][report.explained[0].position].reshape(8, 8) / 16 * 255
    np.testing.assert_allclose(pixels, expected, atol=0.51)


def read_png(data):
    """The bytes of a grey picture, by its specification."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colors = struct.unpack(">IIBB", data[16:26])
    assert (depth, colors) == (8, 0)
    size = struct.unpack(">I", data[33:37])[0]
    assert data[37:41] == b"IDAT"
    assert zlib.crc32(data[37 : 41 + size]) == struct.unpack(">I", data[41 + size : 45 + size])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8)
    return lines.reshape(height, width + 1)[:, 1:]


def test_pictures_may_have_colors(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 12)), np.arange(60) % 2
    report = RelatIFExplainer(LogisticRegression()).fit(X, y).audit(X_train=X)
    assert "<img" in section_of(report, tmp_path, image_shape=(2, 2, 3))
    for shape, message in [
        ((3, 3), r"image_shape=\(3, 3\) has 9 values; a row has 12 columns"),
        ((12,), r"image_shape must be \(height, width\)"),
        (12, r"image_shape must be \(height, width\)"),
        ((2, 3, 2), r"colours \(height, width, 3\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            report.to_html(tmp_path / "report.html", image_shape=shape)
    with pytest.raises(ValueError, match="image_shape is for rows of numbers"):
        report.to_html(tmp_path / "report.html", np.full(X.shape, "a"), image_shape=(3, 4))


def test_other_test_rows_are_refused(cancer, tmp_path):
    explainer, X, y = cancer
    report = explainer.audit(X[1::2], y[1::2])
    with pytest.raises(ValueError, match="X_test has 3 rows; the audit was given 284"):
        report.to_html(tmp_path / "report.html", X[::2], X[:3])
    with pytest.raises(ValueError, match="X_test has 3 rows; the audit was given none"):
        explainer.audit().to_html(tmp_path / "report.html", X[::2], X[:3])


def test_sparse_rows_show_the_cells_that_are_not_zero(tmp_path):
    rng = np.random.default_rng(0)
    full = np.where(rng.random((80, 500)) < 0.02, rng.random((80, 500)), 0)
    X = sparse.csr_array(full)
    y = (full[:, :250].sum(axis=1) > full[:, 250:].sum(axis=1)).astype(int)
    report = RelatIFExplainer(LogisticRegression(tol=1e-8)).fit(X[:60], y[:60]).audit(
        X[60:], y[60:], X_train=X[:60]
    )  # fmt: skip
    lines = lines_of(section_of(report, tmp_path))
    own = X[[60 + report.explained[0].position]].tocoo()
    shown = {line[0]: line[1] for line in lines[: len(lines) // len(report.explained) // 2]}
    for name, value in zip(own.col, own.data, strict=True):
        assert shown[str(name)] == str(value)


def test_it_prints_and_shows_itself_in_notebooks(cancer):
    explainer, X, y = cancer
    one = explainer.audit(X[1::2], y[1::2], X_train=X[::2]).explained[0]
    text = str(one)
    assert text.startswith(f"Most confident mistake: For test row {one.name} the model predicts")
    first = next(iter(one.contributions))
    line = next(line.split() for line in text.splitlines() if line.split()[:1] == [first])
    rows = one.supporting.indices[0]
    expected = [X[1::2][one.position], *X[::2][rows]]
    assert [float(cell) for cell in line[1:]] == [row[int(first)] for row in expected]
    assert "... and 18 more columns" in text and one.no_flip_set in text
    box = one._repr_html_()
    assert "18 more columns" in box and "http" not in box
    alone = explainer.audit(X[1::2], y[1::2]).explained[0]
    assert "probability of label" in str(alone)


def test_hostile_names_and_cells_stay_text(tmp_path):
    pd = pytest.importorskip("pandas")
    script = "<script>alert(1)</script>\x1b[2J"
    notes = [f"{script} {place % 3}" for place in range(40)]
    X = pd.DataFrame({script: np.linspace(-1, 1, 40), "note": notes})
    X.index = [f"{script}{n}" for n in range(40)]
    y = np.array([script, f"other {script}"])[(np.arange(40) > 20).astype(int)]
    columns = make_column_transformer((StandardScaler(), [script]), (OneHotEncoder(), ["note"]))
    explainer = RelatIFExplainer(make_pipeline(columns, LogisticRegression())).fit(X, y)
    report = explainer.audit(X[::2], y[::2], X_train=X)
    section = section_of(report, tmp_path)
    boxes = "".join(one._repr_html_() for one in report.explained)
    for shown in (section, boxes):
        assert "<script" not in shown and "\x1b" not in shown
    assert all(str(one).replace("\n", "").isprintable() for one in report.explained)


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        OneVsRestClassifier(LogisticRegression()),
        LogisticRegression(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_training_rows_of_a_data_frame_are_explained_without_a_word(estimator):
    """Names of columns are lost on the way to some models, and not on that to others."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    labels = y[::4] if type(estimator) is OneVsRestClassifier else y[::4] == 1
    report = RelatIFExplainer(estimator).fit(X[::4], labels.to_numpy()).audit()
    assert report.explained


def test_arrays_of_data_frames_are_explained():
    pandas = pytest.importorskip("pandas")
    texts = pandas.array(["good day", "bad day", "good night", "bad night"] * 8, dtype="string")
    y = np.array([1, 0, 1, 0] * 8)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    report = RelatIFExplainer(model).fit(texts, y).audit(texts[:4], y[:4], X_train=texts)
    assert "good" in dict(report.explained[-1].own_cells.row(0))["value"]


def test_of_several_targets_columns_have_no_one_contribution():
    X, y = load_diabetes(return_X_y=True)
    report = RelatIFExplainer(Ridge()).fit(X, np.column_stack([y, -1000 * y])).audit()
    assert all(not one.contributions for one in report.explained)
