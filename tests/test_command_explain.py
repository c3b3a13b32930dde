"""The command line explains rows: beside the rows that explain them, as text and in files."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_relatif.cli._command import main
from tests.test_command import in_empty_folder, refusal  # noqa: F401 (a fixture)

pd = pytest.importorskip("pandas")


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    x, n_rows = rng.normal(size=80).round(3), 80
    return pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(n_rows)],
            "age": rng.integers(20, 80, n_rows),
            "size": x,
            "day": pd.date_range("2024-01-01", periods=n_rows).strftime("%Y-%m-%d"),
            "note": [f"{v} is a long note on a row, which fits no narrow column" for v in x],
            "class": np.where(x + 0.5 * rng.normal(size=n_rows) > 0, "good", "bad"),
        }
    )


def explain(frame, *rows, options=()):
    frame.to_csv("data.csv", index=False)
    return main(["explain", "data.csv", "--target", "class", *options, "--rows", *rows])


def widest_table(printed):
    """Letters of the longest line of a table."""
    lines = printed.split("Assumed")[0].splitlines()
    return max(len(line) for line in lines if line.startswith("  ") and "... and" not in line)


def test_a_row_stands_beside_those_that_explain_it(frame, capsys):
    assert explain(frame, "5", options=["--top", "2", "--drop", "note", "key", "day"]) == 0
    printed = capsys.readouterr().out
    own = frame.loc[3]  # Below the header, the first row is line 2.
    X, y = frame[["age", "size"]].astype(float), frame["class"]
    others = X.drop(3)
    scaled = (X - others.mean()) / others.std(ddof=0)
    model = LogisticRegression(max_iter=10_000, tol=1e-6).fit(scaled.drop(3), y.drop(3))
    prediction, chance = model.predict(scaled.loc[[3]])[0], model.predict_proba(scaled.loc[[3]])
    said = f"Row 5: the model predicts {prediction} with a probability of {chance.max():.1%}"
    assert f"{said}; its label is {own['class']}." in printed
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()}
    assert lines["row"][0] == "5" and len(lines["row"]) == 3
    assert lines["size"][0] == str(own["size"]) and lines["age"][0] == str(own["age"])
    for line, size in zip(lines["row"], lines["size"], strict=True):
        assert str(frame["size"][int(line) - 2]) == size
    assert "note" in lines and own["note"][:20] in printed
    assert widest_table(printed) <= 100


def test_many_columns_and_rows_are_cut_and_that_is_said(frame, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    wide = frame.assign(**{f"c{i}": np.arange(80) % (i + 2) for i in range(40)})
    assert explain(wide, "2", options=["--top", "9"]) == 0
    printed = capsys.readouterr().out
    assert "more rows, 15 more columns: --output FILE.html, .csv or .json has them" in printed
    assert widest_table(printed) <= 60


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("class == 'bad' and age > 60", lambda frame: (frame["class"] == "bad") & (frame.age > 60)),
        ("day >= '2024-03-19'", lambda frame: frame["day"] >= "2024-03-19"),
        ("key in ['k3', 'k70']", lambda frame: frame["key"].isin(["k3", "k70"])),
        ('`class` != "good" and size<-1.2', lambda f: (f["class"] == "bad") & (f["size"] < -1.2)),
    ],
)
def test_rows_are_chosen_by_a_condition(frame, condition, chosen):
    assert explain(frame, condition, options=["--id", "key", "--output", "r.json"]) == 0
    with open("r.json") as file:
        explained = [row["row"] for row in json.load(file)["rows"]]
    wanted = frame["key"][chosen(frame)].tolist()
    assert len(wanted) > 1 and explained == wanted[:10]


def test_what_is_asked_for_is_explained_once_in_its_order_and_no_more_than_ten(frame, capsys):
    assert explain(frame, "k9", "age > 0", "k2", options=["--id", "key", "--output", "r.csv"]) == 0
    with open("r.csv") as file:
        lines = list(csv.DictReader(file))
    explained = list(dict.fromkeys(line["query"] for line in lines))
    assert explained == ["k9", *(f"k{i}" for i in range(9))]
    assert "80 rows fit 'age > 0', of which the first 10 are explained" in capsys.readouterr().out
    assert not {line["row"] for line in lines if line["rank"] != "0"} & set(explained)


def test_files_hold_all_columns_and_the_page_is_a_page(frame):
    options = ["--top", "3", "--id", "key"]
    for name in ("r.csv", "r.json", "R.HTML"):
        assert explain(frame, "k1", options=[*options, "--output", name]) == 0
    with open("r.csv") as file:
        lines = list(csv.DictReader(file))
    with open("r.json") as file:
        (row,) = json.load(file)["rows"]
    assert [line["side"] for line in lines] == ["", *["supporting"] * 3, *["opposing"] * 3]
    own = lines[0]
    assert own["note"] == frame["note"][1] == row["cells"]["note"]
    assert own["row"] == row["row"] == "k1" and own["label"] == row["label"] == frame["class"][1]
    for line, other in zip(lines[1:], row["supporting"] + row["opposing"], strict=True):
        assert line["row"] == other["row"] and float(line["score"]) == other["score"]
        cells = frame.set_index("key").loc[line["row"]]
        assert line["note"] == cells["note"] and line["label"] == cells["class"]
    page = Path("R.HTML").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>") and "k1" in page and "data.csv" in page


def test_columns_that_are_called_like_what_is_told_of_rows_stand_beside_it(
    frame, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    table = frame.assign(score=range(500, 580), prediction="p", rank=7)
    assert explain(table, "k1", options=["--id", "key", "--output", "r.csv"]) == 0
    printed = capsys.readouterr().out
    with open("r.csv") as file:
        lines = list(csv.DictReader(file))
    told = re.findall(r"^  score  +(.*)", printed, re.M)
    scores = [float(score) for line in told for score in line.split()]
    for line in lines[1:]:
        assert table["key"][int(line["score (2)"]) - 500] == line["row"]
        # The last of the three digits that are told may be rounded either way.
        assert any(score == pytest.approx(float(line["score"]), rel=6e-3) for score in scores)
        assert line["prediction"] in ("good", "bad") and line["prediction (2)"] == "p"
        assert line["rank"] in "12345" and line["rank (2)"] == "7"
    assert "\n  score (2)" in printed and "\n  prediction (2)" in printed


def test_rows_that_share_a_value_of_the_column_that_names_them_are_all_meant(frame, capsys):
    frame.loc[7, "key"] = "k8"
    assert explain(frame, "k8", options=["--id", "key"]) == 0
    printed = capsys.readouterr().out
    assert "Row k8 (9): " in printed and "Row k8 (10): " in printed


def test_of_many_rows_that_share_such_a_value_the_first_are_explained(frame, capsys):
    frame.loc[20:39, "key"] = "k8"
    assert explain(frame, "k8", options=["--id", "key"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\nRow k8") + printed.startswith("Row k8") == 10
    assert "21 rows fit 'k8', of which the first 10 are explained" in printed


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("999", "no row 999 that has a label (rows are named by lines of data.csv)"),
        ("1", "no row 1 that has"),
        ("one", "no row one that has"),
        ("age > 1000", "no row fits 'age > 1000'"),
        ("agee > 10", "--rows 'agee > 10' cannot be understood: name 'agee' is not defined"),
        ("age > @np.e", "'np' is not defined"),
        ("age.abs()", "it is not true or false of each row"),
        ("age > ", "--rows 'age > ' cannot be understood: "),
        ("age >= 0 or size < 0 and note == 'x", "cannot be understood"),
        ("age + size > note", "cannot be understood"),
    ],
)
def test_rows_that_there_are_not(frame, capsys, row, reason):
    assert explain(frame, row) == 1
    assert reason in refusal(capsys)


def test_rows_to_train_on_are_left(frame, capsys):
    assert explain(frame[:8], "age > 0") == 1
    assert "too few rows are left to train on" in refusal(capsys)
