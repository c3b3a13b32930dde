"""The command line with forests and boosted models, of labels and of numbers."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from sklearn_relatif.cli._command import main
from sklearn_relatif.cli._training import MODELS as OF_COMMAND
from tests.test_command import in_empty_folder  # noqa: F401 (a fixture)

MODELS = {
    ("forest", "label"): "RandomForestClassifier",
    ("forest", "price"): "RandomForestRegressor",
    ("boosting", "label"): "HistGradientBoostingClassifier",
    ("boosting", "price"): "HistGradientBoostingRegressor",
}


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    size, kind = rng.normal(size=160).round(3), rng.choice([f"k{i}" for i in range(40)], 160)
    signal = size + 0.5 * (kind < "k2")
    frame = pd.DataFrame(
        {
            "size": size,
            "kind": kind,
            "price": (np.exp(signal) * rng.gamma(5, 0.2, 160)).round(4),
            "label": np.where(signal + 0.5 * rng.normal(size=160) > 0, "good", "bad"),
        }
    )
    frame.loc[::13, "size"] = np.nan
    return frame


def run(frame, command, *options, target="label", model="forest"):
    frame.to_csv("data.csv", index=False)
    other = "price" if target == "label" else "label"
    options = ["--target", target, "--drop", other, "--model", model, *options]
    return main([command, "data.csv", *options])


@pytest.mark.parametrize(("model", "target"), MODELS)
def test_audit(frame, capsys, tmp_path, model, target):
    options = ["--groups", "kind"] if (model, target) == ("boosting", "price") else []
    options += ["--json", "r.json", "--output", "r.html"]
    assert run(frame, "audit", *options, target=target, model=model) == 0
    printed, complaints = capsys.readouterr()
    assert "warning" not in complaints
    name, what = MODELS[model, target], "classes" if target == "label" else "numbers"
    assert f"{name}, trained on 128 rows" in printed
    assert f"different values of '{target}' were taken as {what}." in printed
    assert ("rest of the forest" in printed) == (model == "forest")
    content = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert content["model"]["model"] == name
    assert content["model"]["structure"] == "held as it was grown"
    assert ("oob_loss" in content["rows"]) == (model == "forest")
    assert "leverage" not in content["rows"]
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "--model " + model in page and "Held fixed" in page
    if options[0] == "--groups":
        assert np.isfinite(content["groups"]["loss_change"]).any()


@pytest.mark.parametrize(("model", "target"), MODELS)
def test_explain(frame, capsys, tmp_path, model, target):
    options = ["--rows", "3", "--output", "r.html"]
    assert run(frame, "explain", *options, target=target, model=model) == 0
    printed, complaints = capsys.readouterr()
    assert "warning" not in complaints
    assert "Row 3: the model predicts " in printed
    assert ("Rows that raise the prediction:" if target == "price" else "Rows for ") in printed
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_forest_is_that_of_scikit_learn(frame, tmp_path):
    frame = frame.drop(columns="kind")
    assert run(frame, "audit", "--test-size", "0", "--json", "r.json") == 0
    rows = json.loads((tmp_path / "r.json").read_text("utf-8"))["rows"]
    size = frame["size"].fillna(frame["size"].median())
    X = np.column_stack([(size - size.mean()) / size.std(ddof=0), frame["size"].isna()])
    forest = RandomForestClassifier(200, min_samples_leaf=5, oob_score=True, random_state=0)
    shares = forest.fit(X, frame["label"]).oob_decision_function_
    place = (frame["label"] == "good").astype(int)
    np.testing.assert_allclose(rows["oob_probability"], shares[np.arange(160), place])


@pytest.mark.parametrize("has_classes", [True, False])
def test_boosting_holds_no_rows_out(has_classes):
    # By default it would from 10,000 rows on, to stop early by.
    assert OF_COMMAND["boosting"].build(20_000, has_classes).early_stopping is False


def test_what_a_model_cannot_take_is_refused(frame, capsys):
    with pytest.raises(SystemExit) as ended:
        run(frame, "audit", "--damping", "0.1", model="boosting")
    assert ended.value.code == 2
    assert "--model boosting has no curvature to damp: leave --damping out" in (
        capsys.readouterr().err
    )
    assert run(frame, "audit", "--damping", "0.1", "--json", "r.json", model="forest") == 0
    with open("r.json", encoding="utf-8") as file:
        assert "The curvature of the leaves is damped by 0.1." in json.load(file)["notes"]
