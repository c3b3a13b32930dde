"""The command line on targets that are numbers."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from sklearn_relatif.cli._command import main
from sklearn_relatif.cli._training import MODELS
from sklearn_relatif.cli.tables._table import is_quantity
from tests.test_command import assumed, in_empty_folder, refusal  # noqa: F401 (a fixture)

OF_NUMBERS = [name for name, model in MODELS.items() if model.predicts == "numbers"]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    size, colour = rng.normal(size=120).round(3), rng.choice(["red", "green", "blue"], 120)
    mean = np.exp(1 + 0.8 * size + 0.5 * (colour == "red"))
    return pd.DataFrame(
        {
            "size": size,
            "colour": colour,
            "price": (mean * rng.gamma(5, 0.2, 120)).round(4),
            "visits": rng.poisson(mean),
        }
    )


def audit(frame, *options, target="price"):
    frame.to_csv("data.csv", index=False)
    return main(["audit", "data.csv", "--target", target, *options])


def test_a_target_of_many_numbers_is_predicted_by_ridge_regression(frame, capsys, tmp_path):
    frame.loc[7, "price"] = 500.0
    options = ["--output", "r.html", "--json", "r.json", "--groups", "colour", "--test-size", "0"]
    assert audit(frame, "--drop", "visits", *options) == 0
    printed, complaints = capsys.readouterr()
    assert "warning" not in complaints
    assert "Targets to look at first:\n  1. row 9: Its target 500 is " in printed
    assert "'price' has 120 different numbers, and is predicted as a number, by ridge" in printed
    content = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert content["model"]["model"] == "Ridge"
    first = {name: values[7] for name, values in content["rows"].items()}
    assert first["row"] == 9
    assert first["target"] == 500 and first["residual"] == 500 - first["prediction"]
    assert set(content["groups"]["group"]) == {"red", "green", "blue"}
    X = np.column_stack([(frame["size"] - frame["size"].mean()) / frame["size"].std(ddof=0)])
    X = np.hstack([X, *[(frame[["colour"]] == colour) for colour in ("blue", "green", "red")]])
    refit = Ridge().fit(np.delete(X, 7, axis=0), frame["price"].drop(7))
    assert first["loo_prediction"] == pytest.approx(refit.predict(X[[7]])[0])
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("model", OF_NUMBERS)
def test_every_model_of_numbers(frame, capsys, model):
    target = "visits" if model == "poisson" else "price"
    assert audit(frame, "--model", model, target=target) == 0
    printed, complaints = capsys.readouterr()
    assert "24 test rows" in printed and "warning" not in complaints
    assert "different numbers" not in assumed_in(printed)
    assert main(["explain", "data.csv", "--target", target, "--model", model, "--rows", "3"]) == 0
    printed = capsys.readouterr().out
    assert "Row 3: the model predicts " in printed and "; its target is " in printed
    assert "Rows that raise the prediction:" in printed and "Rows that lower" in printed


def assumed_in(printed):
    return printed[printed.index("Assumed:") :]


def test_test_rows_from_a_file_of_their_own(frame, capsys):
    frame[80:].assign(price=frame["price"].astype(object).where(frame.index != 90, "?"))[
        list(frame)
    ].to_csv("test.csv", index=False)
    assert audit(frame[:80], "--test", "test.csv") == 0
    printed = capsys.readouterr().out
    assert "39 test rows" in printed and "Left out: 1 test row without a number." in printed


def test_numbers_are_read_as_those_of_the_file(frame, capsys):
    # Of thousands, by the decimal commas of another column.
    frame["price"] = [f"{v}.{v % 7}00" for v in range(1, 121)]
    frame["size"] = frame["size"].map("{:.2f}".format).str.replace(".", ",")
    frame.loc[3, "price"] = "unknown"
    frame.to_csv("data.csv", index=False, sep=";")
    assert main(["audit", "data.csv", "--target", "price", "--json", "r.json"]) == 0
    said = assumed(capsys)
    assert "Numbers with separators of thousands: price (119 values, " in said
    assert "Left out: 1 row without a number in 'price'." in said
    with open("r.json") as file:
        assert min(json.load(file)["rows"]["target"]) >= 1000


def test_whole_numbers_that_are_all_different_are_no_names_where_they_are_the_target(frame, capsys):
    frame["user_id"] = np.arange(120) * 3 + 7
    assert audit(frame, target="user_id") == 0
    assert "'user_id' has 120 different numbers" in assumed(capsys)


def test_few_numbers_are_classes_unless_the_model_says_otherwise(frame, capsys):
    frame["visits"] = np.minimum(frame["visits"], 14)
    assert audit(frame, "--drop", "price", target="visits") == 0
    assert "different numbers of 'visits' were taken as classes (--model ridge" in assumed(capsys)
    assert audit(frame, "--drop", "price", "--model", "linear", target="visits") == 0
    assert "The root mean square error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({"price": "much"}, ["--model", "ridge"], "does not hold numbers"),
        ({"price": 3.5}, ["--model", "ridge"], "it holds one value only"),
        ({"price": [True, False] * 60}, ["--model", "ridge"], "does not hold numbers"),
        ({"price": np.arange(120) / 7}, ["--model", "logistic"], "--model ridge predicts numbers"),
        ({"price": np.arange(120) / 7 - 1}, ["--model", "poisson"], "numbers below 0, which"),
        ({"price": np.arange(120) / 7}, ["--model", "gamma"], "1 numbers of 0 or less, which"),
        ({"price": [1.5] + [np.nan] * 119}, ["--model", "ridge"], "fewer than two numbers"),
    ],
)
def test_targets_that_a_model_does_not_take(frame, capsys, change, options, reason):
    assert audit(frame.assign(**change), *options) == 1
    assert reason in refusal(capsys)


def test_what_looks_like_a_quantity():
    assert is_quantity(pd.Series(np.arange(60)))
    assert is_quantity(pd.Series([f"{v},5 €" for v in range(60)]))
    assert not is_quantity(pd.Series(list(range(40)) * 3))
    assert not is_quantity(pd.Series([f"{v:05}" for v in range(60)]))  # Postal codes.
    assert not is_quantity(pd.Series(["yes", "no"] * 40))
    assert not is_quantity(pd.Series([None] * 60, dtype=object))
