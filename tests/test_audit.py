"""The audit: its numbers against retraining and the full matrices, and its page."""

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import Finding, about_conditioning, number, why

MODELS = {
    "logistic": LogisticRegression(tol=1e-8, max_iter=1000),
    "squared hinge": LinearSVC(tol=1e-8, max_iter=100_000),
    "hinge": LinearSVC(loss="hinge", tol=1e-8, max_iter=1_000_000, random_state=0),
    "kernel": SVC(tol=1e-6),
}


@pytest.fixture(scope="module")
def data():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)[:, :10]
    return X[:200], y[:200], X[200:260], y[200:260]


@pytest.fixture(scope="module")
def audited(data):
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(MODELS["logistic"]).fit(X, y)
    groups = np.where(np.arange(len(y)) % 3 == 0, "a<b>", "c")
    return explainer, explainer.audit(X_test, y_test, groups=groups), groups


def test_columns_are_those_of_the_explainer(audited, data):
    explainer, report, _ = audited
    X, y, X_test, y_test = data
    columns, n = report.columns, len(y)
    np.testing.assert_allclose(columns["loo_probability"], explainer.loo_proba()[np.arange(n), y])
    np.testing.assert_allclose(
        columns["loss"], -np.log(explainer.predict_proba(X)[np.arange(n), y])
    )
    solved = explainer.transform(X, y)
    np.testing.assert_allclose(columns["self_influence"], (solved**2).sum(axis=1))
    theta = explainer.pairwise_influence(X_test, criterion="theta_relative")
    scores = explainer.pairwise_influence(X_test, criterion="influence")
    np.testing.assert_allclose(theta * columns["parameter_shift"], scores, atol=1e-10)
    firsts = np.bincount(scores.argmax(axis=1), minlength=n)
    np.testing.assert_array_equal(columns["hub_if"], firsts)
    influence = explainer.pairwise_influence(X_test, y_test, criterion="influence")
    np.testing.assert_allclose(columns["test_influence"], influence.mean(axis=0) / n, atol=1e-12)


def test_rows_are_ranked_by_their_losses(audited):
    columns = audited[1].columns
    order = audited[1].first_positions(200)
    assert (np.diff(columns["loss"][order]) <= 0).all()
    alone = np.argsort(columns["loo_rank"])
    assert (np.diff(columns["loo_probability"][alone]) >= 0).all()


def test_groups_are_retrained_without(audited, data):
    _, report, groups = audited
    X, y, X_test, y_test = data
    full = clone(MODELS["logistic"]).fit(X, y)
    for place, group in enumerate(report.groups["group"]):
        kept = groups != group
        model = clone(MODELS["logistic"]).fit(X[kept], y[kept])
        own = [m.predict_proba(X_test)[np.arange(60), y_test] for m in (full, model)]
        right = [m.predict(X_test) == y_test for m in (full, model)]
        assert report.groups["predictions_changed"][place] == np.mean(right[0] != right[1])
        for name, before, after in (
            ("loss_change", *(-np.log(p) for p in own)),
            ("accuracy_change", *np.array(right, float)),
        ):
            change, found = after - before, report.groups
            reach = 1.96 * change.std(ddof=1) / np.sqrt(60)
            assert found[name][place] == pytest.approx(change.mean(), abs=1e-5)
            assert found[f"{name}_low"][place] == pytest.approx(change.mean() - reach, abs=1e-4)
            assert found[f"{name}_high"][place] == pytest.approx(change.mean() + reach, abs=1e-4)
        some = ~kept
        influence = report.columns["test_influence"][some].sum()
        assert report.groups["loss_change_estimate"][place] == pytest.approx(influence)
        right = report.columns["loo_prediction"][some] == y[some]
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        ends = [report.groups[f"loo_accuracy{end}"][place] for end in ("_low", "_high")]
        np.testing.assert_allclose(ends, interval)


def test_support_is_the_largest_cosine(audited, data):
    explainer, report, _ = audited
    queries, rows = explainer.transform(data[2]), explainer.transform(data[0], data[1])
    lengths = [np.linalg.norm(a, axis=1) for a in (queries, rows)]
    cosine = queries @ rows.T / np.outer(*lengths)
    np.testing.assert_allclose(report.predictions["support"], cosine.max(axis=1))
    np.testing.assert_array_equal(report.predictions["best_row"], cosine.argmax(axis=1))


def test_condition_number_is_that_of_the_hessian(audited):
    explainer, report, _ = audited
    values = np.linalg.eigvalsh(explainer._study.objective.hessian()[0])
    assert report.curvature["condition_number"] == pytest.approx(values[-1] / values[0], rel=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_gives_a_report(name, data, tmp_path):
    X, y, X_test, y_test = data
    report = RelatIFExplainer(MODELS[name]).fit(X, y).audit(X_test, y_test)
    assert report.summary().count("\n") >= 6
    report.to_html(tmp_path / "report.html")
    assert ("loo_probability" in report.columns) == (name == "logistic")


def test_wide_sparse_rows_give_what_dense_ones_do():
    rng = np.random.default_rng(0)
    X = sparse.random(60, 1500, 0.02, format="csr", random_state=0)
    y = rng.integers(0, 2, 60)
    model = LogisticRegression(tol=1e-10, max_iter=1000)
    reports = [
        RelatIFExplainer(model, solver=solver).fit(X[:40], y[:40]).audit(X[40:], y[40:])
        for solver in ("auto", "cholesky")
    ]
    assert reports[0].curvature["solver"] == "woodbury"
    for name in ("loo_probability", "leverage", "self_influence", "hub_if", "test_influence"):
        np.testing.assert_allclose(*(r.columns[name] for r in reports), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(*(r.predictions["support"] for r in reports), rtol=1e-6)


def test_groups_are_compared_with_the_model_at_its_optimum(data):
    """At default tolerance, what the fit lacks is more than what small groups change."""
    X, y, X_test, y_test = data
    loose = LogisticRegression(C=100.0, max_iter=1000)
    tight = LogisticRegression(C=100.0, solver="newton-cholesky", tol=1e-12)
    groups = np.arange(len(y)) // 4
    table = RelatIFExplainer(loose).fit(X, y).audit(X_test, y_test, groups=groups).groups
    losses = [
        log_loss(y_test, clone(tight).fit(X[kept], y[kept]).predict_proba(X_test))
        for kept in (groups != group for group in [-1, *table["group"]])
    ]
    expected = np.array(losses[1:]) - losses[0]
    np.testing.assert_allclose(table["loss_change"], expected, rtol=0, atol=1e-9)


def test_groups_that_hold_a_class_stay():
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    report = explainer.audit(X[::10], y[::10], groups=y)
    assert "accuracy_change" not in report.groups
    assert "they stay: 0, 1, 2" in report.notes[-1]


def test_without_test_rows_it_says_what_is_missing(data):
    report = RelatIFExplainer(LogisticRegression()).fit(*data[:2]).audit()
    assert "hub_if" not in report.columns and "No test rows" in report.notes[-1]


def test_bad_arguments_are_refused(data):
    explainer = RelatIFExplainer(LogisticRegression()).fit(*data[:2])
    with pytest.raises(ValueError, match="without X_test"):
        explainer.audit(y_test=data[3])
    with pytest.raises(ValueError, match=r"y_test contains labels .* not trained on: \[7\]"):
        explainer.audit(data[2], np.full(60, 7))
    with pytest.raises(ValueError, match="inconsistent"):
        explainer.audit(sample_names=["one"])
    with pytest.raises(ValueError, match="60 rows"):
        explainer.audit().to_html("never-written.html", data[2])


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("loss", 0.0, "0"),
        ("loss", 0.5, "0.500"),
        ("loss", 1.38e-4, "1.38e-04"),
        ("loss", np.nan, "–"),
        ("self_influence", 897.2, "897"),
        ("self_influence", 6210.4, "6,210"),
        ("self_influence", 2.5e7, "2.50e+07"),
        ("test_influence", 2.5e-4, "+2.50e-04"),
        ("hub_if", 1234, "1,234"),
        ("probability", 0.0, "0%"),
        ("probability", 1e-9, "<0.1%"),
        ("probability", 0.853, "85.3%"),
        ("probability", 1 - 1e-9, ">99.9%"),
        ("probability", 1.0, "100%"),
        ("accuracy_change", -0.0005, "-0.05%"),
    ],
)
def test_numbers_are_short_and_never_0_or_1_by_rounding(name, value, text):
    assert number(name, value) == text


@pytest.mark.parametrize("damping", [0.0, 0.01])
def test_damping_is_told_as_a_share_of_the_flattest_curvature(data, damping):
    explainer = RelatIFExplainer(MODELS["logistic"], damping=damping).fit(*data[:2])
    facts = explainer.audit().curvature
    values = np.linalg.eigvalsh(explainer._study.objective.hessian()[0]) + damping
    text = about_conditioning(facts)
    assert f"about {np.log10(values[-1] / values[0]):.0f} digits" in text
    share = damping / values[0]
    assert "no damping" in text if damping == 0 else f"{share:.1%} is damping" in text


def test_conditioning_of_machines_without_a_curvature(data):
    report = RelatIFExplainer(MODELS["kernel"]).fit(*data[:2]).audit()
    assert about_conditioning(report.curvature).startswith("There is no damping;")


def test_why_counts_the_rows_that_pull_harder(data):
    report = RelatIFExplainer(MODELS["logistic"]).fit(*data[:2]).audit()
    first, second, third = np.argsort(-report.columns["self_influence"])[:3]
    assert "itself harder than any other row" not in report.why(second)
    for row, rows in ((first, "any other row"), (second, "all other rows but one")):
        assert f"it pulls the model towards itself harder than {rows}." in report.why(row)
    assert "harder than" not in report.why(third)  # beyond one per cent of the 200 rows


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("as_table", [list, np.array, "frame"])
def test_missing_test_labels_are_named(missing, as_table, data):
    X, y, X_test, y_test = data
    names = np.array(["good", "bad"], object)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, names[y])
    labels = list(names[y_test])
    labels[3] = labels[17] = missing
    if as_table == "frame":
        labels = pytest.importorskip("pandas").Series(labels)
    elif as_table is np.array:
        labels = np.array(labels, object)
    with pytest.raises(ValueError, match=r"y_test has no label .* 2 of its 60 rows.* position 3\."):
        explainer.audit(X_test, labels)


@pytest.fixture(scope="module")
def named():
    """A frame whose index is in another order than its rows, its explainer and its report."""
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.index = pd.Index(np.random.default_rng(0).permutation(len(X)) + 1000)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    return X, explainer, explainer.audit(X[:10], y[:10])


def test_rows_go_by_their_index_labels(named):
    X, _, report = named
    rows, positions = report.first_rows(5), report.first_positions(5)
    assert X.loc[rows].equals(X.iloc[positions])
    assert (report.columns["suspicion_rank"][positions] == [1, 2, 3, 4, 5]).all()
    assert list(report.frame().index[positions]) == list(rows)
    for rank, row in enumerate(rows, 1):
        assert f"  {rank}. row {row}: {report.why(row)}" in report.summary()


def test_the_summary_opens_with_what_was_found(audited):
    _, report, _ = audited
    findings = tuple(Finding("kind", f"Thing {n}.", n, 0.5, "a method") for n in range(7))
    checked = {"copies": "not checked: no cells", "names": "nothing found"}
    found = replace(report, findings=findings, checked=checked).summary().splitlines()
    assert found[:7] == [
        "What was found:", *(f"  - Thing {n}." for n in range(5)), "  and 2 more",
    ]  # fmt: skip
    assert found[7:9] == ["Not checked: copies.", report.view.quality(report.model)]
    lines = replace(report, findings=(), checked={}).summary().splitlines()
    assert lines[:2] == ["Nothing was found that needs a look.", found[8]]
    assert lines[-1] == report.verdict()


def test_best_rows_go_by_their_index_labels(named):
    X, explainer, report = named
    expected = explainer.explain(X[:10], n_examples=1, criterion="loss_relative").rows[:, 0]
    np.testing.assert_array_equal(report.predictions["best_row"], expected)
    assert set(expected) <= set(X.index)


def test_why_wants_the_name_of_one_row(named, data):
    _, explainer, report = named
    with pytest.raises(KeyError, match="No training row is called 3"):
        report.why(3)
    with pytest.raises(TypeError, match="by its name"):
        report.why(report.first_rows(2))
    twice = explainer.audit(sample_names=["a", "b"] * 75)
    with pytest.raises(ValueError, match=r"75 .* rows are called b, .*\[1, 3, 5,.*sample_names"):
        twice.why("b")
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2020-01-01", periods=150)
    dated = explainer.audit(sample_names=days)
    assert dated.why(days[7]) == dated.why(np.datetime64("2020-01-08"))


@pytest.mark.parametrize(
    "make",
    [
        lambda pd, n: pd.Index([f"r{i}" for i in range(n)][::-1]),
        lambda pd, n: pd.Index(-np.arange(n) - 1),
        lambda pd, n: pd.date_range("2020-01-01", periods=n, tz="Europe/Berlin")[::-1],
        lambda pd, n: pd.MultiIndex.from_product([list("abcde"), range(n // 5)])[::-1],
        lambda pd, n: pd.Index([None, *(f"r{i}" for i in range(n - 1))], dtype=object),
        lambda pd, n: pd.Index([np.nan, *range(n - 1)]),
    ],
    ids=["texts", "negative", "dates", "several", "none", "nan"],
)
def test_rows_go_by_labels_of_any_index(make):
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.index = make(pd, len(X))
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y.to_numpy())
    report = explainer.audit(X.iloc[:10], y[:10])
    listed = X.iloc[report.first_positions(5)]
    assert X.loc[list(report.first_rows(5))].equals(listed)
    for position, name in enumerate(X.index):
        assert report.why(name) == why(report.columns, position, 10)
        assert report.why(report.index[position]) == report.why(name)
    explanation = explainer.explain(X.iloc[60:65])
    nearest = X.iloc[explanation.indices.ravel()]
    assert X.loc[list(explanation.rows.ravel())].equals(nearest)
    assert X.loc[list(explanation.frame()["row"])].equals(nearest)
    flipped = explainer.flip_set(X.iloc[77:78])
    assert flipped.found and X.loc[list(flipped.rows)].equals(X.iloc[flipped.positions])


@pytest.mark.parametrize("name", ["logistic", "hinge"])
@pytest.mark.parametrize("kind", ["coo_array", "lil_matrix"])
def test_sparse_rows_of_any_kind_give_the_same_report(name, kind, data, tmp_path):
    X, y, X_test, y_test = data
    explainer = RelatIFExplainer(MODELS[name]).fit(sparse.csr_matrix(X), y)
    expected = explainer.audit(X_test, y_test).columns["test_influence"]
    report = explainer.audit(getattr(sparse, kind)(X_test), y_test)
    np.testing.assert_allclose(report.columns["test_influence"], expected)
    report.to_html(tmp_path / "report.html", getattr(sparse, kind)(X))


TEXTS = ["free money now", "meeting at noon"]


def test_report_of_texts_shows_them(tmp_path):
    pd = pytest.importorskip("pandas")
    texts = pd.Series([f"{text} {place}" for place in range(20) for text in TEXTS], name="message")
    spam = np.tile([1, 0], 20)
    explainer = RelatIFExplainer(make_pipeline(CountVectorizer(), LogisticRegression()))
    for X in (texts, list(texts)):
        report = explainer.fit(X, spam).audit(X[:4], spam[:4])
        report.to_html(tmp_path / "report.html", X)
        page = (tmp_path / "report.html").read_text("utf-8")
        name = "message" if X is texts else "value"
        assert f"<dt>{name}</dt><dd>{texts[report.first_positions(1)[0]]}</dd>" in page


def test_nothing_that_a_terminal_obeys_is_printed(data, tmp_path):
    X, y, X_test, y_test = data
    labels = np.array(["\x1b[2Jgood", "bad\x9b31m"])
    names = [f"row \x1b]0;title\x07 {place}" for place in range(len(y))]
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, labels[y])
    groups = np.where(y, "\x1b[1mall", "none")
    report = explainer.audit(X_test, labels[y_test], sample_names=names, groups=groups)
    explanation = explainer.explain(X_test[:2])
    for text in (report.summary(), report.why(names[3]), *report.notes, repr(explanation)):
        assert text.replace("\n", "").isprintable()
    assert r"\x1b[2Jgood" in report.summary() and "they stay" in report.notes[-1]
    report.to_html(tmp_path / "report.html", X)
    page = (tmp_path / "report.html").read_text("utf-8") + explanation._repr_html_()
    assert "\x1b" not in page and "\x9b" not in page


def test_the_page_tells_how_many_labels_the_model_contradicts(tmp_path):
    X, y = load_iris(return_X_y=True)
    for rows, count in (slice(100), "none"), (slice(50, 150), r"\d+"):
        explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X[rows], y[rows])
        report = explainer.audit()
        report.to_html(tmp_path / "report.html", n_rows=7)
        page = (tmp_path / "report.html").read_text("utf-8")
        assert re.search(f"Of these 7, the model contradicts the labels of {count}\\.", page)
        agrees = "contradicts none of the labels" in report.summary()
        assert agrees == (count == "none")
        assert ("n_parameters" in report.model) and report.model["n_parameters"] == 5


class Page(HTMLParser):
    """The tags of a page, the addresses it mentions and whether all tags are closed."""

    void = {"meta", "br", "rect", "circle", "line", "polyline"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href") and not v.startswith("#")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


def test_page_is_well_formed_and_escaped(audited, data, tmp_path):
    pd = pytest.importorskip("pandas")
    explainer, _, groups = audited
    X, y, X_test, y_test = data
    names = [f"<script>alert({i})</script>" for i in range(len(y))]
    report = explainer.audit(X_test, y_test, sample_names=names, groups=groups)
    table = pd.DataFrame(X).rename(columns=str).assign(note="<script>alert('x')</script>")
    report.to_html(tmp_path / "report.html", table)
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert page.tags.count("script") == 2 and page.addresses == []  # the data, and the program
    assert "&lt;script&gt;" in text and "a&lt;b&gt;" in text
    assert list(report.frame().index) == names


def test_a_page_holds_the_numbers_of_all_rows_or_says_of_how_many(audited, tmp_path, monkeypatch):
    report = audited[1]
    said = []
    for room in (10**6, 4000):
        monkeypatch.setattr("sklearn_relatif.audit.page._data.MAX_DATA", room)
        report.to_html(tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text("utf-8")
        text = re.search('id="all-rows"[^>]*>([^<]*)<', page)[1]
        assert len(text) <= room
        columns = json.loads(zlib.decompress(base64.b64decode(text)))["columns"]
        said.append(re.search("Download the numbers</span> of ([^;]*)", page)[1])
        rows = report.first_positions(len(columns[0]["steps"]))
        assert np.cumsum(columns[0]["steps"]).tolist() == report.index[rows].tolist()
    assert said[0].startswith("all 200 training rows as CSV, the most suspicious first, to 6")
    assert said[1].startswith(f"the {len(rows)} of 200 training rows that the model fits worst")
    assert 20 < len(rows) < 200
