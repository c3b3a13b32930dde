"""The guide and the README: their code runs and prints what they say, and their links lead on."""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest
import sklearn

from sklearn_relatif.adapters import _registry
from sklearn_relatif.cli._command import main

plt = pytest.importorskip("matplotlib.pyplot")
pytest.importorskip("pandas")

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A block of code; one of text right behind it is what it prints.
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.DOTALL | re.M)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PRINTED_AS_SAID = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMAND = "python -m sklearn_relatif "


def pages_with(language, torch=False):
    """Those with code in a language, and of these the ones that ask for PyTorch, or the others."""
    texts = {page: page.read_text("utf-8") for page in PAGES}
    having = [page for page, text in texts.items() if f"```{language}\n" in text]
    return [page for page in having if ("\nimport torch\n" in texts[page]) == torch]


def blocks(page, language):
    found = BLOCK.findall(page.read_text("utf-8"))
    return [(code, printed) for kind, code, printed in found if kind == language]


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """An empty folder with the data of the examples, as if it were the top of a checkout.

    What a page registers is forgotten after it.
    """
    monkeypatch.setattr(_registry, "_adapters", dict(_registry._adapters))
    plt.switch_backend("agg")
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "examples" / "data")
    monkeypatch.chdir(tmp_path)
    with sklearn.config_context():
        yield tmp_path
    plt.close("all")


def check_code(page, capsys):
    names = {"__name__": "__main__"}
    for code, said in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)
        printed = capsys.readouterr().out
        if said and not doctest.OutputChecker().check_output(said, printed, PRINTED_AS_SAID):
            pytest.fail(f"{page.name} says:\n{said}\nprinted was:\n{printed}")


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: page.name)
def test_code_runs_and_prints_what_the_page_says(page, checkout, capsys):
    check_code(page, capsys)


@pytest.mark.parametrize("page", pages_with("bash"), ids=lambda page: page.name)
def test_commands_run(page, checkout, capsys):
    text = "".join(code for code, _ in blocks(page, "bash")).replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith(COMMAND):
            assert main(shlex.split(line.removeprefix(COMMAND), comments=True)) == 0, line


def anchors(page):
    """What headings are called in links, by the rule of repositories."""
    text = FENCED.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        path, _, anchor = link.partition("#")
        if path.startswith("https:"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"
