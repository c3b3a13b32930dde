"""The audit: its numbers against retraining and the full matrices, and its page."""

from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression, SGDRegressor
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit._html import number
from sklearn_relatif.audit._sentences import about_conditioning

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
    order = audited[1].first_rows(200)
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
        loss = [log_loss(y_test, m.predict_proba(X_test)) for m in (full, model)]
        assert report.groups["log_loss_change"][place] == pytest.approx(loss[1] - loss[0], abs=1e-5)
        accuracy = [m.score(X_test, y_test) for m in (full, model)]
        assert report.groups["accuracy_change"][place] == pytest.approx(accuracy[1] - accuracy[0])


def test_support_is_the_largest_cosine(audited, data):
    explainer, report, _ = audited
    queries, rows = explainer.transform(data[2]), explainer.transform(data[0], data[1])
    lengths = [np.linalg.norm(a, axis=1) for a in (queries, rows)]
    cosine = queries @ rows.T / np.outer(*lengths)
    np.testing.assert_allclose(report.predictions["support"], cosine.max(axis=1))
    np.testing.assert_array_equal(report.predictions["best_row"], cosine.argmax(axis=1))


def test_condition_number_is_that_of_the_hessian(audited):
    explainer, report, _ = audited
    values = np.linalg.eigvalsh(explainer._objective.hessian()[0])
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
    np.testing.assert_allclose(table["log_loss_change"], expected, rtol=0, atol=1e-9)


def test_groups_that_hold_a_class_stay():
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    report = explainer.audit(X[::10], y[::10], groups=y)
    assert np.isnan(report.groups["accuracy_change"]).all()
    assert "they stay: 0, 1, 2" in report.notes[-1]


def test_without_test_rows_it_says_what_is_missing(data):
    report = RelatIFExplainer(LogisticRegression()).fit(*data[:2]).audit()
    assert "hub_if" not in report.columns and "No test rows" in report.notes[-1]


def test_bad_arguments_are_refused(data):
    explainer = RelatIFExplainer(LogisticRegression()).fit(*data[:2])
    with pytest.raises(ValueError, match="without X_test"):
        explainer.audit(y_test=data[3])
    with pytest.raises(ValueError, match="inconsistent"):
        explainer.audit(sample_names=["one"])
    with pytest.raises(ValueError, match="60 rows"):
        explainer.audit().to_html("never-written.html", data[2])


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_regressors_are_refused(data):
    model = SGDRegressor(tol=1e-9, max_iter=10_000, average=True, random_state=0)
    explainer = RelatIFExplainer(model).fit(data[0], data[1].astype(float))
    with pytest.raises(TypeError, match="audit is for classifiers"):
        explainer.audit()


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
    values = np.linalg.eigvalsh(explainer._objective.hessian()[0]) + damping
    text = about_conditioning(facts)
    assert f"about {np.log10(values[-1] / values[0]):.0f} digits" in text
    share = damping / values[0]
    assert "no damping" in text if damping == 0 else f"{share:.0%} is damping" in text


def test_conditioning_of_machines_without_a_curvature(data):
    report = RelatIFExplainer(MODELS["kernel"]).fit(*data[:2]).audit()
    assert about_conditioning(report.curvature).startswith("There is no damping;")


def test_why_counts_the_rows_that_pull_harder(data):
    report = RelatIFExplainer(MODELS["logistic"]).fit(*data[:2]).audit()
    first, second, third = np.argsort(-report.columns["self_influence"])[:3]
    assert "itself harder than any other row" not in report.why(second)
    for row, rows in ((first, "any other row"), (second, "all rows but one")):
        assert f"it pulls the model towards itself harder than {rows}." in report.why(row)
    assert "harder than" not in report.why(third)  # beyond one per cent of the 200 rows


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
    assert page.tags.count("script") == 1 and page.addresses == []
    assert "&lt;script&gt;" in text and "a&lt;b&gt;" in text
    assert list(report.frame().index) == names
