"""What notebooks show, and what reports are written to for other programs."""

import csv
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import Finding
from sklearn_relatif.results import FlipSet, InfluenceDisplay, RemovalStatistics, SolverChoice
from sklearn_relatif.serving import ExplanationIndex

pd = pytest.importorskip("pandas")

HOSTILE = "<script>alert('x')</script>"
VOID = {"br"}


class Page(HTMLParser):
    """The texts of HTML whose tags all match, and what its tags are."""

    def __init__(self, html):
        super().__init__()
        self.open_tags, self.tags, self.text, self.ids = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open_tags

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        assert not {name for name, _ in attrs} & {"src", "href", "onload", "onclick"}
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if self.open_tags[-1] != "style":
            self.text.append(data)


def shown(thing):
    """The text of a box, which loads nothing and runs nothing."""
    html = thing._repr_html_()
    page = Page(html)
    assert "script" not in page.tags and "url(" not in html and "@import" not in html
    assert page.tags.count("style") == 1
    return " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def table():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.index = [f"flower {i}" for i in range(len(X))]
    return X, y.map({0: HOSTILE, 1: "=cmd", 2: "virginica, the\n2nd"})


@pytest.fixture(scope="module")
def explainer(table):
    X, y = table
    return RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X[::2], y[::2])


@pytest.fixture(scope="module")
def report(explainer, table):
    X, y = table
    groups = np.where(np.arange(75) % 2, "odd", "even")
    return explainer.audit(X[1::2], y[1::2], groups=groups, X_train=X[::2])


# --- boxes ----------------------------------------------------------------------------------


def test_a_report_shows_what_was_found_its_first_rows_and_how_to_get_the_rest(report):
    text = shown(report)
    assert report.verdict() in text
    for name in report.first_rows(5):
        assert f"{name} " in text and report.why(name) in text
    for finding in report.findings:
        assert finding.sentence in text
    for subject, came_of in report.checked.items():
        assert f"{subject} {came_of}" in text
    assert "petal length (cm)" in text
    assert 'report.to_html("audit.html")' in text


def test_a_report_tells_how_what_was_found_is_known(report):
    finding = Finding("kind", f"It has {HOSTILE}.", 1.0, 1.0, "By <i>looking</i>.")
    text = shown(replace(report, findings=(finding,)))
    assert finding.sentence in text and f"How that is known {finding.method}" in text


def test_a_report_without_test_rows_or_cells_is_shown(explainer):
    assert "petal length" not in shown(explainer.audit())


def test_a_report_of_a_regression_is_shown():
    X = load_iris().data
    report = RelatIFExplainer(Ridge()).fit(X[:, :3], X[:, 3]).audit(X[:9, :3], X[:9, 3])
    assert "residual" in shown(report)


def test_texts_are_clipped_however_long(table):
    X, y = table
    X = X.iloc[:100].assign(**{"<i>" * 1000: 1.0})
    X.index = [f"{i} {'<b>&' * 50_000}" for i in range(100)]
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y[:100])
    assert len(explainer.audit(X_train=X)._repr_html_()) < 100_000


def test_each_box_has_a_style_for_itself_alone(report):
    first, second = (report._repr_html_() for _ in range(2))
    names = [Page(html).ids for html in (first, second)]
    assert names[0] != names[1] and [len(ids) for ids in names] == [1, 1]
    style = re.search("<style>(.*?)</style>", first, re.DOTALL)[1]
    selectors = re.findall(
        r"[^{}]+(?={)", style.replace("@media (prefers-color-scheme: dark) {", "")
    )
    for selector in selectors:
        parts = [part for part in selector.replace("@media print", "").split(",") if part.strip()]
        assert all(f"#{names[0][0]}" in part for part in parts), selector


def test_an_explanation_shows_its_rows_and_what_they_do(explainer, table):
    X, _ = table
    explanation = explainer.explain(X.iloc[[77, 3]], sign="absolute")
    text = shown(explanation)
    for name in explanation.rows.ravel():
        assert name in text
    assert "2 queries: criterion loss_relative, sign absolute" in text
    assert HOSTILE in text


def test_a_flip_set_shows_its_rows_by_names_and_positions(explainer, table):
    X, _ = table
    found = explainer.flip_set(X.iloc[[77]])
    text = shown(found)
    assert str(found) in text
    for name, position in zip(found.rows, found.positions, strict=True):
        assert f"{name} {position}" in text.split("position in the training data")[1]
    none = FlipSet(np.array([]), np.array([], int), 5, HOSTILE)
    assert str(none) in shown(none) and "position" not in shown(none)


def test_statistics_of_removals_are_numbered_as_they_were_asked_for(explainer, table):
    X, _ = table
    found = explainer.removal_statistics([0, [3, 5]], X[:4])
    text = shown(found)
    assert "2 removals, 4 queries" in text
    assert f"1 {found.parameter_change[1]:.3g} {found.training_change[1]:.3g}" in text
    many = RemovalStatistics(np.zeros((0, 25)), np.ones(25), np.ones(25))
    assert "... and 5 more" in shown(many)


def test_a_solver_shows_why_it_was_chosen(explainer):
    assert explainer.solver_.reason in shown(explainer.solver_)
    assert "approximation" in shown(SolverChoice("cg", "<b>memory</b>"))


def test_a_prediction_shows_the_rows_for_it_and_against_it(report):
    assert report.explained
    for one in report.explained:
        text = shown(one)
        assert one.sentence() in text and one.flip_sentence() in text
        before, after = text.split("Rows against ")
        assert all(f"{name} " in before for name in one.supporting.columns()["row"])
        assert all(f"{name} " in after for name in one.opposing.columns()["row"])
        assert one.sentence() in shown(report)


@pytest.mark.parametrize("made_from", [RelatIFExplainer.compact, ExplanationIndex])
def test_what_serves_explanations_shows_what_it_holds(explainer, made_from):
    other = made_from(explainer)
    caption = repr(other).split(" of ", 1)[1]
    assert "LogisticRegression, 75 " in caption and "loss_relative" in caption
    assert f"{type(other).__name__} {caption}" in shown(other)


def test_explainers_are_shown_as_estimators(explainer):
    assert "sk-estimator" in explainer._repr_html_()


# --- files ----------------------------------------------------------------------------------


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return {name: [line[name] for line in lines] for name in lines[0]}


def test_csv_holds_the_numbers_of_every_row(report, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    report.to_csv(tmp_path / "report.csv")
    held = read_csv(tmp_path / "report.csv")
    assert held.pop("row") == report.index.tolist()
    assert list(held) == list(report.columns)
    for name, values in report.columns.items():
        # Texts are as they are in the data, and numbers have all their digits.
        written = held[name] if name in report.view.words else list(map(float, held[name]))
        assert written == values.tolist()


def test_what_is_missing_is_empty_in_csv(report, tmp_path):
    names = np.array([None, *range(1, 75)], dtype=object)
    loss = np.where(np.arange(75) == 2, np.nan, report.columns["loss"])
    report = replace(report, index=names, columns=report.columns | {"loss": loss})
    report.to_csv(tmp_path / "report.csv")
    held = read_csv(tmp_path / "report.csv")
    assert held["row"] == ["", *map(str, range(1, 75))]
    assert held["loss"][2] == "" and list(map(float, held["loss"][3:])) == loss[3:].tolist()


def test_json_holds_the_whole_report(report, tmp_path):
    report.to_json(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text("utf-8")

    def refuse(constant):
        raise AssertionError(constant)

    held = json.loads(text, parse_constant=refuse)
    frame = pd.DataFrame(held["rows"]).set_index("row")
    pd.testing.assert_frame_equal(frame, report.frame(), check_exact=True, check_dtype=False)
    assert held["model"]["n_rows"] == 75 and held["model"]["classes"] == sorted(
        {HOSTILE, "=cmd", "virginica, the\n2nd"}
    )
    assert held["checked"] == report.checked
    assert held["notes"] == list(report.notes)
    assert held["groups"]["group"] == ["even", "odd"]
    assert held["predictions"]["query"] == report.predictions["query"].tolist()
    assert [found["sentence"] for found in held["findings"]] == [
        found.sentence for found in report.findings
    ]
    assert held["source"]["version"] == report.source.version
    assert held["curvature"]["damping"] == 0
    for told, (position, columns) in zip(
        held["contributions"], report.contributions.items(), strict=True
    ):
        assert (told["position"], told["row"]) == (position, report.index[position])
        assert told["columns"] == columns


def test_json_names_the_rows_of_findings_and_of_explanations(report, explainer, table, tmp_path):
    X, _ = table
    found, of_test = np.array([2]), np.array([1])
    finding = Finding("kind", "A.", np.float32(0.5), np.nan, "how", found, of_test)
    one = explainer.explain(X[1:2])
    flip_set = explainer.flip_set(X[77:78])
    explained = replace(
        report.explained[0],
        name="flower 1",
        probability=np.inf,
        supporting=one,
        opposing=one,
        flip_set=flip_set,
    )
    report = replace(report, findings=(finding,), explained=(explained,))
    report.to_json(tmp_path / "report.json")
    held = json.loads((tmp_path / "report.json").read_text("utf-8"))
    found, told = held["findings"][0], held["explained"][0]
    assert found["rows"] == ["flower 4"] and found["positions"] == [2]
    assert found["value"] == 0.5 and found["weight"] is None and found["test_rows"] == ["flower 3"]
    assert told["supporting"]["row"] == one.rows[0].tolist() and told["probability"] is None
    assert told["flip_set"]["positions"] == flip_set.positions.tolist()
    assert "cells" not in told and told["contributions"] == explained.contributions


@pytest.mark.parametrize(
    ("label", "held"),
    [
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (("a", np.int64(1)), ["a", 1]),
        (np.float32("nan"), None),
        (pd.NA, None),
        (np.bool_(True), True),
        (b"x", "b'x'"),
        ("half \ud800 of a character", "half \ud800 of a character"),
    ],
)
def test_names_of_any_kind_are_written(label, held, report, tmp_path):
    names = np.empty(75, dtype=object)
    names[0] = label
    report = replace(report, index=names)
    report.to_json(tmp_path / "report.json")
    report.to_csv(tmp_path / "report.csv")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["rows"]["row"][0] == held


@pytest.mark.parametrize("name", ["to_csv", "to_json"])
def test_a_file_that_cannot_be_written_whole_is_left_as_it_was(report, tmp_path, name, monkeypatch):
    path = tmp_path / "report"
    path.write_text("before")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(OSError, match="report"):
        getattr(report, name)(path)
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


# --- pictures -------------------------------------------------------------------------------


@pytest.fixture
def pyplot():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


def test_bars_tell_their_scores_inside_the_axes(explainer, table, pyplot):
    X, _ = table
    explanation = explainer.explain(X.iloc[[77]], sign="absolute", n_examples=8)
    ax = explanation.plot().ax_
    texts = {text.get_text(): text for text in ax.texts}
    for score in explanation.scores[0]:
        assert f"{score:+#.3g}".removesuffix(".") in texts
    ax.figure.draw_without_rendering()
    room = ax.get_window_extent()
    for text in texts.values():
        box = text.get_window_extent()
        assert room.x0 <= box.x0 and box.x1 <= room.x1


def test_bars_tell_as_many_cells_of_their_rows_as_there_is_room_for(explainer, table, pyplot):
    X, _ = table
    explanation = explainer.explain(X.iloc[[77]], n_examples=2)
    short = X[::2].set_axis(["a", "b", "c", "d"], axis=1)
    for cells, n_shown in ((X[::2], 1), (short, 4)):
        ax = explanation.plot(X_train=cells).ax_
        for label, name in zip(ax.get_yticklabels(), explanation.rows[0], strict=True):
            first, second = label.get_text().split("\n")
            assert first.startswith(f"{name} (")
            own = [f"{column} {value:g}" for column, value in cells.loc[name].items()]
            assert second == ", ".join(own[:n_shown])


def test_bars_of_no_length_are_drawn(pyplot):
    ax = InfluenceDisplay([0.0, 0.0], ["a", "b"], criterion="influence").plot().ax_
    assert [text.get_text() for text in ax.texts] == ["+0.00", "+0.00"]


def test_small_axes_have_no_room_for_scores(explainer, table, pyplot):
    X, _ = table
    axes = pyplot.subplots(2, 3, layout="constrained")[1]
    explanation = explainer.explain(X.iloc[[77]])
    assert not explanation.plot(ax=axes[0, 0]).ax_.texts
