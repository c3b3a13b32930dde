"""Parts of the page of an audit, as text."""

import html
import re
from dataclasses import replace

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import DataSource, Finding


@pytest.fixture(scope="module")
def report():
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X[::2], y[::2])
    return explainer.audit(X[1::2], y[1::2])


def page_of(report, tmp_path, **options):
    report.to_html(tmp_path / "report.html", **options)
    return (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "sentence, value, shown",
    [
        ("About 1,037 of 9,000 labels look wrong.", 1036.6, "1,037"),
        ("2 of 890 rows (0.2%) are there twice.", 2 / 890, "0.2%"),
        ("1 training row comes first for 7.5% of 1,971 test rows.", 148 / 1971, "7.5%"),
        ("A single number makes up >99.9% of the variance.", 0.99997, ">99.9%"),
        ("Column '2 of 3' tells the label of 96.8% of the rows.", 0.9, "96.8%"),
        ("The model's answers are no better than 'good': 94.8% are right.", 0.0, "94.8%"),
        ("The fit is 0.53 standard errors from its optimum.", 0.5312, "0.53"),
        ("It is not known how far the fit is from its optimum.", float("nan"), ""),
    ],
)
def test_a_finding_shows_the_number_of_its_sentence(report, tmp_path, sentence, value, shown):
    finding = Finding("kind", sentence, value, 0.9, "a method")
    page = html.unescape(page_of(replace(report, findings=(finding,)), tmp_path))
    assert re.findall('</svg><span class="value">([^<]*)</span><div class="words">', page) == (
        [shown] if shown else []
    )


def test_at_most_five_findings_are_open(report, tmp_path):
    findings = tuple(Finding("kind", f"Thing {n}.", n, 1 - n / 10, "a method") for n in range(7))
    page = page_of(replace(report, findings=findings), tmp_path)
    section = page[page.index('<section id="findings">') : page.index('<section id="explained">')]
    opened, behind = section.split("<summary>2 more</summary>")
    assert [opened.count(name) for name in ("finding serious", "finding warning")] == [4, 1]
    assert behind.count("finding warning") == 2
    assert "Nothing was found" not in page


def test_nothing_found_is_a_finding(report, tmp_path):
    checked = {"wrong labels": "nothing found", "copies": "not checked: there are no <b>cells</b>"}
    page = page_of(replace(report, findings=(), checked=checked), tmp_path)
    assert "Nothing was found that needs a look." in page
    assert "Looked for wrong labels." in page
    assert "Not checked: copies." in page
    assert "1 thing was looked for, 1 could not be" in page
    assert "copies: not checked: there are no &lt;b&gt;cells&lt;/b&gt;" in page


def test_the_head_tells_where_the_rows_come_from(report, tmp_path):
    source = DataSource(
        name="folder/flowers.csv",
        target="species",
        n_rows_read=160,
        n_columns_read=6,
        rows_left_out={"without a species": 10},
        columns_left_out={"id": "it names rows"},
        row_names="lines of the file",
        command="audit 'flowers.csv'",
        notes=("Something was assumed.",),
    )
    page = page_of(replace(report, source=source), tmp_path)
    assert "<h1>flowers.csv " in page and "→</span> species</h1>" in page
    for told in (
        "Logistic regression predicts species (0, 1 or 2) from 4 features.",
        "It was trained on 75 rows and tested on 75 rows that it has not seen.",
        "160 rows read, 10 left out · 6 columns read, 1 left out",
        "160 read · 75 trained on · 75 tested on · left out: 10 without a species",
        "1 left out: id (it names rows)",
        "<dd>lines of the file</dd>",
        "<code>audit &#x27;flowers.csv&#x27;</code>",
        "<li>Something was assumed.</li>",
    ):
        assert told in page


def test_numbers_that_do_not_vary_are_told_once(report, tmp_path):
    columns = report.columns | {"self_influence": report.columns["self_influence"] * 0 + 8000}
    page = page_of(replace(report, columns=columns), tmp_path)
    assert "The same for all of them: self-influence 8,000." in page
    assert "The self-influence is 8,000 for 75 rows: it is not drawn." in page
    assert 'aria-label="self-influence against loss"' not in page


def test_classes_are_never_cut_without_a_word(tmp_path):
    X = load_iris().data
    labels = [f"class {n % 20:02d}" for n in range(150)]
    page = page_of(
        RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, labels).audit(), tmp_path
    )
    assert "predicts a label (20 classes)" in page
    classes = page[page.index("<dt>classes</dt>") :].split("</div>")[0]
    assert "… and 8 more" in classes and "class 19" in classes
