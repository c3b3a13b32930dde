"""The page of an audit in a real browser: headless Chromium, where one is installed."""

import csv
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import MAX_NAME, DataSource, Finding
from sklearn_relatif.utils._text import clip

pd = pytest.importorskip("pandas")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")

SCRIPT = "<script>parent.attacked = true</script><img src=x onerror='parent.attacked = true'>"

#: Runs first in the page.
COLLECT_ERRORS = "<script>window.errors = []; onerror = e => { errors.push(String(e)); }</script>"

#: Packages that hold axe-core, the newest first.
HOLD_AXE = "axe_playwright_python", "axe_core_python"

#: Runs beside the page, which is shown as wide as a phone, and writes down what it finds.
EXAMINE = """
async function examine(page) {
  const inside = frame.contentWindow;
  const all = (what, where = page) => [...where.querySelectorAll(what)];
  const shown = () => all(".table table").map(
    table => all("tbody", table).filter(r => !r.hidden).length);
  const button = (text, where = page) => all("button", where).find(b => b.textContent.match(text));
  const outside = all("body *").filter(
    e => !e.closest(".scroll, nav") && e.getBoundingClientRect().right > frame.clientWidth + 1);
  const style = getComputedStyle(page.body);
  const found = {
    requests: inside.performance.getEntriesByType("resource").map(r => r.name),
    width: page.documentElement.scrollWidth,
    outside: outside.map(e => e.outerHTML.slice(0, 80)),
    images: page.images.length,
    scripts: page.scripts.length,
    charts: all("figure svg").map(e => [e.getBoundingClientRect().width, all("text", e).length]),
    meaningless: all(".table tbody tr:first-child td, .facts div").filter(e => !e.title).length,
    deadLinks: all("a[href^='#']").filter(a => !page.querySelector(a.getAttribute("href"))).length,
    colors: [style.color, style.backgroundColor],
    text: page.body.textContent,
    sections: all("section").map(e => e.id),
    besides: all("table.beside").map(e => e.tBodies[0].rows[0].cells.length),
  };

  found.violations = inside.axe === undefined ? null : (await inside.axe.run(page)).violations
    .map(({id, impact, nodes}) => ({id, impact, html: nodes.map(n => n.html.slice(0, 200))}));

  found.rows = all(".table table").map(table => table.tBodies.length);
  found.atFirst = shown();
  all("button").filter(b => /^Show all/.test(b.textContent)).forEach(b => b.click());
  found.atLast = shown();

  const files = [];
  inside.URL.createObjectURL = blob => (files.push(blob), "about:blank");
  inside.HTMLAnchorElement.prototype.click = function () { files.name = this.download; };
  const saved = async (button, isThere = () => files.length) => {
    files.length = 0;
    button.click();
    for (let n = 0; n < 100 && !isThere(); n++) await new Promise(done => setTimeout(done, 20));
    const [first] = new Uint8Array(await files[0].arrayBuffer());
    return {name: files.name, isMarked: first === 0xef, text: await files[0].text()};
  };
  found.table = await saved(button(/CSV/, page.querySelector("#rows")));
  found.all = await saved(button(/numbers/));

  const input = page.querySelector("input[type=search]");
  const search = text => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
    return {left: shown(), said: page.querySelector("output").textContent};
  };
  const name = page.querySelector("#rows tbody td").textContent;
  found.search = {
    name, two: search(`${name.slice(0, 32).toUpperCase()}  alcohol`), none: search("no such row"),
    again: search(""),
  };

  const seen = () => all("details > *:not(summary)").filter(e => e.checkVisibility()).length;
  const before = seen();
  all("details").forEach(details => { details.open = true; });
  found.details = {before, after: seen()};
  found.widthOpened = page.documentElement.scrollWidth;

  const values = (table, column) =>
    [...table.tBodies].map(record => record.rows[0].cells[column].dataset.value);
  found.tables = all(".table table").map(table => ({
    columns: all("thead th", table).map((heading, column) => {
      const isText = heading.classList.contains("text");
      const clicks = [0, 1].map(() => {
        heading.querySelector("span").click();
        return {order: heading.getAttribute("aria-sort"), values: values(table, column)};
      });
      return {isText, clicks};
    }),
  }));
  return {...found, errors: inside.errors, attacked: window.attacked === true};
}
"""


def axe():
    """The program that checks accessibility, or nothing where no package that holds it is."""
    for name in HOLD_AXE:
        package = find_spec(name)
        if package is not None:
            return (Path(package.origin).parent / "axe.min.js").read_text("utf-8")
    return ""


@pytest.fixture(scope="module")
def report():
    """An audit of a model whose labels, names, groups and cells are code."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.iloc[:, :4].rename(columns=lambda name: f"{name} <b>of</b> a very long name")
    X["note"] = np.where(np.arange(len(X)) % 3, SCRIPT, "unbroken" * 40)
    X.index = [f"customer-of-a-very-long-name-{i:04d} {SCRIPT}" for i in range(len(X))]
    y = np.array([SCRIPT, "a label that goes on and on & on", "§ 'Ünï\" 数"])[y]
    columns = make_column_transformer(
        (StandardScaler(), list(X.columns[:-1])), (OneHotEncoder(), ["note"])
    )
    model = make_pipeline(columns, LogisticRegression(tol=1e-6, max_iter=1000))
    explainer = RelatIFExplainer(model).fit(X[::2], y[::2])
    groups = np.where(np.arange(len(y[::2])) % 3 > 0, SCRIPT, "rest")
    source = DataSource(SCRIPT, SCRIPT, rows_left_out={SCRIPT: 1}, command=f"run '{SCRIPT}'")
    report = explainer.audit(X[1::2], y[1::2], groups=groups, X_train=X[::2], source=source)
    finding = Finding(
        SCRIPT, SCRIPT, 3.0, 0.9, SCRIPT, np.arange(30), np.arange(3), (SCRIPT,), "rows"
    )
    checked = report.checked | {SCRIPT: f"not checked: {SCRIPT}"}
    return replace(report, findings=(finding,) * 7, checked=checked)


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "report.html"
    report.to_html(path)
    return path.read_text("utf-8")


class Bench(ThreadingHTTPServer):
    """Shows a browser a page, and takes what this finds; time passes as it does."""

    def __init__(self, text):
        super().__init__(("127.0.0.1", 0), Attendant)
        self.text, self.found = text.encode(), Queue()


class Attendant(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(self.server.text)

    def do_POST(self):
        self.server.found.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer(b"")

    def _answer(self, content):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module", params=["light", "dark"])
def found(request, page, tmp_path_factory):
    inner = page.replace("<head>", "<head>" + COLLECT_ERRORS, 1) + f"<script>{axe()}</script>"
    bench = Bench(
        '<!DOCTYPE html><meta charset="utf-8">'
        f'<iframe id="frame" width="390" height="844" srcdoc="{html.escape(inner)}"></iframe>'
        f"<script>{EXAMINE}\nframe.onload = async () => {{"
        "  const found = await examine(frame.contentDocument).catch(e => ({failure: e.stack}));"
        "  fetch('found', {method: 'POST', body: JSON.stringify(found)}); };</script>"
    )
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--remote-debugging-port=0",  # Without it, or else a page to print, it would not stay.
        f"--user-data-dir={tmp_path_factory.mktemp('browser') / 'profile'}",
        f"--blink-settings=preferredColorScheme={int(request.param == 'light')}",
        f"http://127.0.0.1:{bench.server_port}/",
    ]  # fmt: skip
    Thread(target=bench.serve_forever, daemon=True).start()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    browser = subprocess.Popen(command, **silent)
    try:
        found = json.loads(bench.found.get(timeout=120)) | {"scheme": request.param}
    finally:
        browser.kill()
        browser.wait()
        bench.shutdown()
        bench.server_close()
    assert "failure" not in found, found["failure"]
    return found


def test_nothing_is_loaded_and_nothing_fails(found):
    assert found["errors"] == []
    assert found["requests"] == []
    assert found["deadLinks"] == 0


def test_text_of_the_user_stays_text(found):
    assert not found["attacked"]
    assert found["images"] == 0
    # The data, the program, the one that collects errors, and axe.
    assert found["scripts"] == 4
    for width in (len(SCRIPT), MAX_NAME):  # cells, and names of labels and groups
        assert clip(SCRIPT, width) in found["text"]


def test_fits_a_phone(found):
    # As wide as a frame of 390 pixels, less its scroll bar where it takes place.
    assert found["width"] <= 390
    assert found["widthOpened"] <= 390
    assert found["outside"] == []


def test_charts_are_drawn(found):
    assert len(found["charts"]) == 4
    for width, n_texts in found["charts"]:
        assert width > 300 and n_texts >= 7


def test_every_number_says_what_it_means(found):
    assert found["meaningless"] == 0


def test_predictions_stand_beside_the_rows_that_explain_them(found):
    assert len(found["besides"]) >= 2 * 4  # for and against, of at least four predictions
    assert set(found["besides"]) == {1 + 1 + 5}  # the name of a cell, the row, its explanations


def test_what_is_behind_details_opens(found):
    assert found["details"]["before"] < found["details"]["after"]


def test_lists_are_short_until_they_are_opened(found):
    assert max(found["rows"]) == 20
    assert found["atFirst"] == [n if n <= 6 else 5 for n in found["rows"]]
    assert found["atLast"] == found["rows"]


def test_the_search_leaves_the_rows_that_hold_all_words(found):
    search, total = found["search"], sum(found["rows"])
    n_left = sum(search["two"]["left"])
    assert 0 < n_left < total / 2
    assert search["two"]["said"] == f"{n_left} of {total} listed rows left"
    assert sum(search["none"]["left"]) == 0
    assert search["again"] == {"left": found["rows"], "said": ""}


def lines_of(file):
    """The lines of a CSV file that was saved, with the mark of UTF-8."""
    assert file["isMarked"]
    return list(csv.reader(io.StringIO(file["text"])))


def test_a_table_is_saved_with_all_cells_of_its_rows(found, report):
    heading, *rows = lines_of(found["table"])
    assert found["table"]["name"] == "rows_to_look_at_first.csv"
    assert [row[0] for row in rows] == [str(name) for name in report.first_rows()]
    assert heading[:3] == ["row", "label", "prediction"]
    assert heading[-6] == "why" and set(heading[-5:]) == set(report.cells.names)
    line = dict(zip(heading, rows[0], strict=True))
    position = report.first_positions(1)[0]
    assert line["note"] == dict(report.cells.row(position))["note"]
    assert float(line["loss"]) == report.columns["loss"][position]


def test_the_numbers_of_all_rows_are_saved(found, report):
    heading, *rows = lines_of(found["all"])
    assert heading == ["row", *report.columns]
    order = report.first_positions(len(report.index))
    assert [row[0] for row in rows] == report.index[order].tolist()
    for name, values in report.columns.items():
        values = values[order]
        column = [row[heading.index(name)] for row in rows]
        if values.dtype.kind == "f":
            np.testing.assert_allclose(np.array(column, float), values, rtol=1e-5)
        else:
            assert column == [str(value) for value in values]


def test_nothing_serious_stands_in_the_way_of_anyone(found):
    if found["violations"] is None:
        pytest.skip("no package that holds axe-core")
    assert [v for v in found["violations"] if v["impact"] in ("serious", "critical")] == []


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_round(found):
    assert len(found["tables"]) == 9
    for table in found["tables"]:
        for column in table["columns"]:
            first, second = column["clicks"]
            rising, falling = (first, second) if column["isText"] else (second, first)
            assert (rising["order"], falling["order"]) == ("ascending", "descending")
            assert sorted(rising["values"]) == sorted(falling["values"])
            if not column["isText"]:
                assert is_sorted(rising["values"], sign=1)
                assert is_sorted(falling["values"], sign=-1)


def is_sorted(values, sign):
    """Whether numbers, as text, are in order, with missing ones at the end."""
    numbers = [sign * float(value) if value else np.inf for value in values]
    return numbers == sorted(numbers)


def luminance(color):
    """Relative luminance of a colour written as rgb(...), by WCAG 2."""
    channels = np.array([int(c) for c in re.findall(r"\d+", color)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_ink_and_paper_follow_the_scheme_and_contrast(found):
    ink, paper = map(luminance, found["colors"])
    assert (paper > ink) == (found["scheme"] == "light")
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
