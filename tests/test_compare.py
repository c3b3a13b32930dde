"""Comparing two revisions: what is told of rounds, and which files stand for a revision."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks._idle import IdleProcess
from benchmarks.compare import command, jobs, ratios, revisions, worker


def test_interval_is_that_of_the_sign_test():
    # Of 12 ratios, the second smallest and the second largest: 1 or none of 12 fair coins falls
    # on one side in 0.6 % of all cases, 2 or fewer in 3.9 %.
    found = ratios.ratio_of([(2.0, 2.0 * ratio) for ratio in np.arange(12, 0, -1)])
    assert (found.median, found.low, found.high) == (6.5, 2.0, 11.0)
    assert 2 * binom.cdf(1, 12, 0.5) < 1 - ratios.CONFIDENCE < 2 * binom.cdf(2, 12, 0.5)


def test_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    # Skewed, as times are; the median of the quotients is 1.
    times = rng.lognormal(sigma=0.3, size=(400, 12, 2)) + 0.5
    intervals = [ratios.ratio_of(rounds) for rounds in times]
    wrong = np.mean([not found.low <= 1 <= found.high for found in intervals])
    assert wrong <= 1 - ratios.CONFIDENCE + 3 * np.sqrt(0.01 * 0.99 / 400)


def test_fewest_rounds_can_tell_a_difference_and_fewer_cannot():
    rounds = [(1.0, 1.1 + 0.01 * i) for i in range(ratios.LEAST_ROUNDS)]
    assert ratios.ratio_of(rounds).verdict == "slower"
    assert np.isnan(ratios.ratio_of(rounds[1:]).low)


@pytest.mark.parametrize(
    "interval, verdict",
    [
        ((1.01, 1.2), "slower"),
        ((0.8, 0.99), "faster"),
        ((0.99, 1.01), "not told apart"),
        ((1.0, 1.1), "not told apart"),
    ],
)
def test_verdict_follows_from_the_interval(interval, verdict):
    assert ratios.Ratio(1.0, *interval).verdict == verdict


def test_memory_next_to_nothing_is_not_compared():
    assert ratios.memory_ratio(10.0, 15.0) == 1.5
    assert ratios.memory_ratio(0.0, 15.0) is None


class Answering:
    """In the place of a process: answers how long it took, and notes when it was asked."""

    def __init__(self, name, asked, ready, seconds=1.0):
        self.name, self.asked, self.ready, self.seconds = name, asked, ready, seconds

    def ask(self):
        self.asked.append(self.name)
        return {"seconds": self.seconds}


def test_revisions_take_turns_in_an_order_that_is_reversed():
    asked = []
    processes = [
        Answering("old", asked, {"memory": 3.0}, seconds=1.0),
        Answering("new", asked, {"memory": 6.0}, seconds=2.0),
    ]
    measured = command.in_turns(processes, 4)
    assert asked == ["old", "new", "new", "old"] * 2
    assert measured.rounds == [(1.0, 2.0)] * 4
    assert measured.memory == (3.0, 6.0)


def test_report_names_each_job_once():
    measured = {
        "binary": command.Measured([(1.0, 2.0)] * 8, (10.0, 20.0)),
        "svm": command.Measured([(1.0, 1.0)] * 8, (0.0, 20.0)),
        "text": command.Measured([(2.0, 1.0)] * 8, (10.0, 5.0)),
    }
    lines = command.table(measured, ("main", "."))
    assert lines[2] == "| binary | 1.000 | 2.000 | 2.000 | 2.000 to 2.000 | 2.00 | slower |"
    assert lines[3] == "| svm | 1.000 | 1.000 | 1.000 | 1.000 to 1.000 |  | not told apart |"
    assert {line.count("|") for line in lines} == {8}
    assert command.verdicts(measured, ("main", ".")) == [
        ". is slower at binary: intervals above 1.",
        ". is faster at text: intervals below 1.",
        ". is not told apart at svm: intervals with 1 in them.",
    ]


def test_job_that_a_revision_cannot_do_is_named():
    processes = [
        Answering("old", [], {"refusal": "ImportError: no audit"}),
        Answering("new", [], {"memory": 1.0}),
    ]
    assert command.refusals("audit", ("v0.1", "HEAD"), processes) == [
        "Left out: audit, which v0.1 cannot do (ImportError: no audit)."
    ]


@pytest.fixture
def checkout(tmp_path):
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for arguments in (["init"], ["config", "user.name", "a"], ["config", "user.email", "a@b"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "code.py").write_text("old")
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "First"], cwd=folder, check=True)
    return folder


def test_working_tree_is_what_git_does_not_ignore(checkout):
    first = revisions.tree_of("HEAD", checkout)
    assert revisions.tree_of(".", checkout) == first
    (checkout / "ignored").write_text("whatever")
    assert revisions.tree_of(".", checkout) == first
    (checkout / "code.py").write_text("new")
    (checkout / "more.py").write_text("more")
    changed = revisions.tree_of(".", checkout)
    assert revisions.git(checkout, "ls-tree", "--name-only", changed).split() == [
        ".gitignore",
        "code.py",
        "more.py",
    ]
    assert revisions.git(checkout, "show", f"{changed}:code.py") == "new"
    # Nothing was staged.
    assert revisions.git(checkout, "diff", "--cached", "--name-only") == ""
    assert revisions.tree_of("HEAD", checkout) == first


@pytest.mark.parametrize("revision", ["nowhere", "--all", "HEAD~7"])
def test_unknown_revision_is_told_with_a_way_out(checkout, revision):
    with pytest.raises(SystemExit, match=f"'{revision}' names no revision .* git log"):
        revisions.tree_of(revision, checkout)


@pytest.mark.parametrize("revision", ["HEAD", "."])
def test_folder_that_is_no_repository_is_told_in_the_words_of_git(tmp_path, revision, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SystemExit, match="not a git repository"):
        revisions.tree_of(revision, tmp_path)


def test_without_git_the_message_says_so(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="git, which is not installed"):
        revisions.tree_of("HEAD", checkout)


def test_requirements_are_those_of_all_packages_without_extras(tmp_path):
    for name, needed in {"a": ["numpy>=1.24", "pandas; extra == 'x'"], "b": ["scipy"]}.items():
        metadata = tmp_path / name / "package-1.0.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", "Name: package", "Version: 1.0"]
        metadata.write_text("\n".join(lines + [f"Requires-Dist: {one}" for one in needed]))
    assert revisions.requirements([tmp_path / "a", tmp_path / "b"]) == ["numpy>=1.24", "scipy"]


def test_process_answers_when_asked_and_is_told_from_what_it_prints(tmp_path):
    # The package of the checkout stands for one that was built.
    process = IdleProcess(
        sys.executable, "benchmarks.compare.worker", revisions.CHECKOUT, "newton", n_threads=1
    )
    assert process.ready["memory"] >= 0
    assert [process.ask()["seconds"] > 0 for _ in range(2)] == [True, True]
    process.close()


def test_package_from_elsewhere_is_not_measured(tmp_path):
    with pytest.raises(RuntimeError, match="was measured, and not"):
        worker.check_origin(tmp_path)


SMALL = {"n_rows": 60, "n_columns": 8, "n_queries": 4}


@pytest.mark.parametrize("name", jobs.JOBS)
def test_each_job_runs(name):
    problem, task = jobs.JOBS[name]
    if name == "text":
        fitted = jobs.words(n_rows=30, n_columns=100, n_queries=4)
    elif name in ("audit", "import"):
        fitted = problem()
    else:
        model = problem.args[0]
        fitted = jobs.made(model, **SMALL)
    task(fitted)()
