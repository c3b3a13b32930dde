"""The page of an audit in a real browser: headless Chromium, where one is installed."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.audit import MAX_NAME
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

#: Runs beside the page, which is shown as wide as a phone, and writes down what it finds.
EXAMINE = """
function examine(page) {
  const all = (what, where = page) => [...where.querySelectorAll(what)];
  const outside = all("body *").filter(
    e => !e.closest(".scroll, nav") && e.getBoundingClientRect().right > frame.clientWidth + 1);
  const values = (table, column) =>
    [...table.tBodies].map(record => record.rows[0].cells[column].dataset.value);
  const tables = all(".table table").map(table => ({
    columns: all("thead th", table).map((heading, column) => {
      const isText = heading.classList.contains("text");
      const clicks = [0, 1].map(() => {
        heading.querySelector("span").click();
        return {order: heading.getAttribute("aria-sort"), values: values(table, column)};
      });
      return {isText, clicks};
    }),
  }));
  const style = getComputedStyle(page.body);
  return {
    errors: frame.contentWindow.errors,
    requests: frame.contentWindow.performance.getEntriesByType("resource").map(r => r.name),
    attacked: window.attacked === true,
    width: page.documentElement.scrollWidth,
    outside: outside.map(e => e.outerHTML.slice(0, 80)),
    images: page.images.length,
    scripts: page.scripts.length,
    charts: all("figure svg").map(e => [e.getBoundingClientRect().width, all("text", e).length]),
    meaningless: all(".table tbody tr:first-child td, .facts div").filter(e => !e.title).length,
    deadLinks: all("nav a").filter(a => !page.querySelector(a.getAttribute("href"))).length,
    besides: all("table.beside").map(e => e.tBodies[0].rows[0].cells.length),
    colors: [style.color, style.backgroundColor],
    text: page.body.innerText,
    tables,
  };
}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a model whose labels, names, groups and cells are code."""
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
    report = explainer.audit(X[1::2], y[1::2], groups=groups, X_train=X[::2])
    path = tmp_path_factory.mktemp("audit") / "report.html"
    report.to_html(path, X[::2])
    return path.read_text("utf-8")


@pytest.fixture(scope="module", params=["light", "dark"])
def found(request, page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    inner = page.replace("<head>", "<head>" + COLLECT_ERRORS, 1)
    (folder / "phone.html").write_text(
        f'<iframe id="frame" width="390" height="844" srcdoc="{html.escape(inner)}"></iframe>'
        f'<pre id="found"></pre><script>{EXAMINE}\n'
        "frame.onload = () => setTimeout(() => {"
        "  found.textContent = JSON.stringify(examine(frame.contentDocument)); }, 100);</script>",
        "utf-8",
    )
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000",
        f"--blink-settings=preferredColorScheme={int(request.param == 'light')}",
        "--dump-dom", (folder / "phone.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    results = re.search(r'<pre id="found">(.+)</pre>', shown.stdout, re.DOTALL)
    assert results, shown.stderr
    return json.loads(html.unescape(results[1])) | {"scheme": request.param}


def test_nothing_is_loaded_and_nothing_fails(found):
    assert found["errors"] == []
    assert found["requests"] == []
    assert found["deadLinks"] == 0


def test_text_of_the_user_stays_text(found):
    assert not found["attacked"]
    assert found["images"] == 0
    assert found["scripts"] == 3  # the data, the program, and the one that collects errors
    for width in (len(SCRIPT), MAX_NAME):  # cells, and names of labels and groups
        assert clip(SCRIPT, width) in found["text"]


def test_fits_a_phone(found):
    # As wide as a frame of 390 pixels, less its scroll bar where it takes place.
    assert found["width"] <= 390
    assert found["outside"] == []


def test_charts_are_drawn(found):
    assert len(found["charts"]) == 4
    for width, n_texts in found["charts"]:
        assert width > 300 and n_texts >= 7


def test_every_number_says_what_it_means(found):
    assert found["meaningless"] == 0


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_round(found):
    assert len(found["tables"]) == 8
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
