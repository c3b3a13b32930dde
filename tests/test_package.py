"""What is said of the package in several places is the same in all of them."""

import re
import sys
from pathlib import Path

import pytest

import sklearn_relatif

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


def found(pattern, text):
    """Each match of a pattern in a text, of which there must be one."""
    matches = re.findall(pattern, text, re.MULTILINE)
    assert matches, f"nothing matches {pattern}"
    return matches


def test_the_version_is_that_of_one_file():
    version = sklearn_relatif.__version__
    assert found(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8")) == [version]
    assert found(r'^path = "(\S+_version\.py)"$', PYPROJECT) == ["sklearn_relatif/_version.py"]
    conf = (ROOT / "docs" / "conf.py").read_text("utf-8")
    assert found(r"^release = version = (.+)$", conf) == ["sklearn_relatif.__version__"]
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert found(r"^## \[(.+?)\]", changes)[0] in ("Unreleased", version)


def test_every_python_that_is_promised_is_tested():
    promised = found(r'"Programming Language :: Python :: (3\.\d+)"', PYPROJECT)
    tests = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    assert set(promised) == set(re.findall(r'"(3\.\d+)"', tests))
    assert found(r'^requires-python = ">=(.+)"$', PYPROJECT) == promised[:1]


def test_the_oldest_releases_are_those_that_are_promised():
    """For the oldest Python: newer ones have no wheels of some of them."""
    needed = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', PYPROJECT.partition("test = [")[0]))
    pins = (ROOT / ".ci" / "oldest.txt").read_text("utf-8")
    # Their tests run where they are installed.
    for name in ("catboost", "faiss-cpu", "lightgbm", "skglm", "torch", "skorch", "xgboost"):
        del needed[name]
    for name, version in needed.items():
        oldest = re.search(rf"^{name}==([\d.]+)", pins, re.MULTILINE)
        assert oldest and f"{oldest[1]}.".startswith(f"{version}."), name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_is_pinned_and_what_there_is(workflow):
    text = workflow.read_text("utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    outside = [action for action in actions if not action.startswith("./")]
    assert outside
    for action in outside:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
    for action in set(actions) - set(outside):
        assert (ROOT / action).is_file()
    tasks = found(r"^tasks='(.+)'$", (ROOT / ".ci" / "run").read_text("utf-8"))[0].split()
    for named in found(r"\.ci/run (.+)$", text):
        assert set(named.split()) <= set(tasks)


def test_all_tasks_are_in_the_guide_and_in_a_workflow():
    tasks = set(found(r"^tasks='(.+)'$", (ROOT / ".ci" / "run").read_text("utf-8"))[0].split())
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert set(found(r"^\| `\.ci/run (\w+)`", guide)) == tasks
    run = " ".join(path.read_text("utf-8") for path in WORKFLOWS)
    assert {task for line in found(r"\.ci/run (.+)$", run) for task in line.split()} == tasks


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 reads TOML")
def test_links_in_the_description_lead_to_the_repository():
    import tomllib

    hook = tomllib.loads(PYPROJECT)["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    description = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"\]\((?!https?:)", description)
    for rule in hook["substitutions"]:
        description = re.sub(rule["pattern"], rule["replacement"], description)
    assert re.findall(r"\]\((?!https?:)[^)]*\)", description) == []
    addresses = found(r'"https://github\.com/([\w-]+/[\w-]+)', PYPROJECT)
    assert set(re.findall(r"\]\(https://[^/]*github[^/]*/([\w-]+/[\w-]+)/", description)) <= set(
        addresses
    )
