"""The demonstration: what it prints is what the explainer finds, in a form that fits a terminal."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_relatif.cli import _demo as demonstration
from sklearn_relatif.cli._command import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def study():
    return demonstration.train_and_explain()


@pytest.fixture(scope="module")
def influences(study):
    """The full matrices, which the demonstration never forms."""
    return {
        name: study.explainer.pairwise_influence(study.X_test, criterion=name)
        for name in demonstration.CRITERIA
    }


def test_prints_the_report_and_returns_zero(study, capsys):
    assert main([]) == 0
    printed, complaints = capsys.readouterr()
    assert printed.splitlines() == demonstration.report(study)
    assert complaints == ""


def test_report_fits_every_terminal(study):
    lines = demonstration.report(study)
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() and line.isascii() for line in lines)


def test_help_is_offered_and_other_arguments_are_refused(capsys):
    with pytest.raises(SystemExit) as help_exit:
        main(["--help"])
    assert help_exit.value.code == 0
    assert "usage: python -m sklearn_relatif" in capsys.readouterr().out
    with pytest.raises(SystemExit) as error_exit:
        main(["--no-such-option"])
    assert error_exit.value.code == 2


WITHOUT_OPTIONAL_DEPENDENCIES = """
import runpy
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "matplotlib"}:
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Missing())
runpy.run_module("sklearn_relatif", run_name="__main__")
"""


def test_runs_without_the_optional_dependencies():
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_OPTIONAL_DEPENDENCIES],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert "What to look at" in finished.stdout
    assert finished.stderr == ""


def test_describes_the_model(study):
    text = "\n".join(demonstration.describe_model(study))
    accuracy = np.mean(study.explainer.predict(study.X_test) == study.y_test)
    assert f"test accuracy {accuracy:.3f}" in text
    distance = study.explainer.distance_to_optimum_
    assert f"Fit           {distance:.2g} standard errors from its optimum" in text
    assert distance < 0.3


def test_queries_are_chosen_by_probability(study):
    confident, uncertain, mistake = demonstration.choose_queries(study).values()
    certainty = study.explainer.predict_proba(study.X_test).max(axis=1)
    right = study.explainer.predict(study.X_test) == study.y_test
    assert right[confident] and right[uncertain] and not right[mistake]
    assert certainty[confident] == certainty[right].max()
    assert certainty[uncertain] == certainty[right].min()
    assert certainty[mistake] == certainty[~right].max()


@pytest.mark.parametrize("criterion", demonstration.COMPARED)
def test_tables_hold_the_highest_influences(study, influences, criterion):
    probabilities = study.explainer.predict_proba(study.X_train)
    labels = study.explanations[criterion].training_rows.labels
    for query in demonstration.choose_queries(study).values():
        scores = influences[criterion][query]
        header, *lines = demonstration.ranking(study.explanations[criterion][query])
        assert header.split() == ["rank", "row", "label", "p(label)", "score"]
        for rank, (line, row) in enumerate(zip(lines, np.argsort(-scores)[:5], strict=True), 1):
            cells = line.split()
            assert cells[:3] == [str(rank), str(row), str(labels[row])]
            # Printed to three decimals, and to three significant digits.
            assert float(cells[3]) == pytest.approx(probabilities[row, labels[row]], abs=5.1e-4)
            assert float(cells[4]) == pytest.approx(scores[row], rel=5.1e-3)


def test_query_stands_beside_its_tables_and_pictures(study):
    title, query = next(iter(demonstration.choose_queries(study).items()))
    lines = demonstration.explain_query(study, title, query)
    assert title in lines[0]
    assert lines[1].split()[:3] == ["test", "row", str(query)]
    for line, tables in zip(
        lines[2:8],
        zip(
            *(demonstration.ranking(study.explanations[c][query]) for c in demonstration.COMPARED),
            strict=True,
        ),
        strict=True,
    ):
        assert all(table.strip() in line for table in tables)
    for line, pixels in zip(lines[-8:], demonstration.picture(study.X_test[query]), strict=True):
        assert line.startswith(pixels.rstrip())


def test_summary_counts_the_first_rows(study, influences):
    lines = demonstration.summarise(study)
    distinct, probability, wrong, most = (line.split()[-3:] for line in lines[2:])
    known = study.explanations["influence"].training_rows
    for column, name in enumerate(demonstration.CRITERIA):
        rows, times = np.unique(influences[name].argmax(axis=1), return_counts=True)
        assert int(distinct[column]) == len(rows)
        assert float(probability[column]) == pytest.approx(
            known.probabilities[rows].mean(), abs=5.1e-4
        )
        assert int(wrong[column]) == np.sum(known.labels[rows] != known.predictions[rows])
        assert int(most[column]) == times.max()


def test_summary_shows_what_the_closing_words_claim(study):
    lines = demonstration.summarise(study)
    distinct, probability = ([float(cell) for cell in line.split()[-3:]] for line in lines[2:4])
    assert min(distinct[1:]) >= 2 * distinct[0]
    assert min(probability[1:]) > probability[0]


def test_hubs_come_first_most_often(study, influences):
    lines = demonstration.show_hubs(study)
    first = {name: influences[name].argmax(axis=1) for name in demonstration.COMPARED}
    times = np.bincount(first["influence"])
    hubs = [int(cell) for cell in lines[1].split()[2:]]
    assert sorted(times[hubs]) == sorted(np.sort(times)[-len(hubs) :])
    by_if, by_relatif = (list(map(int, line.split()[-len(hubs) :])) for line in lines[5:7])
    assert by_if == [times[hub] for hub in hubs]
    assert by_relatif == [np.sum(first["loss_relative"] == hub) for hub in hubs]


def test_first_rows_are_counted_only_where_there_is_one(study):
    explanation = study.explanations["influence"][:3]
    explanation.indices[1] = -1
    times = demonstration.times_first(explanation)
    assert times.sum() == 2
    assert len(times) == len(study.X_train)


def test_picture_uses_the_whole_range_of_ink():
    lines = demonstration.picture(np.repeat([0, 16], 32))
    assert lines == [" " * 16] * 4 + ["@" * 16] * 4


def test_blocks_of_different_height_stay_aligned():
    assert demonstration.beside(["a", "bcd"], ["x", "y", "z"], gap=1) == ["a   x", "bcd y", "    z"]
    assert demonstration.beside(["a"], ["b"], widths=(3, 3), gap=2) == ["a    b"]


def test_table_aligns_columns():
    columns = {"name": ["ann", "bo"], "age": ["5", "12"]}
    assert demonstration.table(columns, widths=(-6, 4)) == [
        "name   age",
        "ann      5",
        "bo      12",
    ]
