"""The example on text messages runs on both kinds of data, and prints what is true."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_relatif import RelatIFExplainer

pd = pytest.importorskip("pandas")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MESSAGES = EXAMPLES / "data" / "messages.csv"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the example as a script in an empty folder; return its names and its output."""

    def run_example(*arguments):
        monkeypatch.setattr(sys, "argv", ["text_sms.py", *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        names = runpy.run_path(str(EXAMPLES / "text_sms.py"), run_name="__main__")
        printed, complaints = capsys.readouterr()
        assert complaints == ""
        return names, printed

    return run_example


def explained(names):
    """The same explanations, from the pieces of the example."""
    messages = pd.read_csv(MESSAGES)
    text_train, text_test, y_train, y_test = names["train_test_split"](
        messages["text"], messages["label"], stratify=messages["label"], random_state=0
    )
    model = names["make_pipeline"](
        names["TfidfVectorizer"](sublinear_tf=True), names["LinearSVC"](random_state=0)
    )
    explainer = RelatIFExplainer(model).fit(text_train, y_train)
    return explainer, text_train, text_test, y_test


def test_prints_the_explanations_and_writes_the_report(run, tmp_path):
    names, printed = run()
    assert [path.name for path in tmp_path.iterdir()] == ["text_sms.html"]
    assert max(map(len, printed.splitlines())) <= 100
    explainer, text_train, text_test, y_test = explained(names)
    accuracy = np.mean(explainer.predict(text_test) == y_test)
    assert f"60 training messages, test accuracy {accuracy:.3f}" in printed
    values = explainer.decision_function(text_test)
    surest = text_test.iloc[[values.argmax()]]
    section = printed[printed.index("=== The prediction of spam that is surest") :]
    section = section[: section.index("=== The least certain")]
    assert f"predicted spam, f = {values.max():.2f}" in section
    assert surest.iloc[0][:60] in section
    for criterion, start in (("influence", " IF:"), ("loss_relative", " RelatIF:")):
        explanation = explainer.explain(surest, n_examples=3, criterion=criterion)
        lines = section[section.index(start) :].splitlines()[1:4]
        for line, row, score in zip(
            lines, explanation.indices[0], explanation.scores[0], strict=True
        ):
            assert line.split()[0] == f"{score:.2f}"
            assert text_train.iloc[row][:40] in line


def test_counts_the_messages_that_come_first(run):
    names, printed = run()
    explainer, text_train, text_test, _ = explained(names)
    for criterion, name in names["CRITERIA"].items():
        first = explainer.explain(text_test, n_examples=1, criterion=criterion).indices[:, 0]
        rows, counts = np.unique(first, return_counts=True)
        line = f"{name}: {len(rows)} distinct messages; one of them {counts.max()} times:"
        assert line in printed
        tail = printed[printed.index(line) :].splitlines()[1].strip()
        often = set(text_train.iloc[rows[counts == counts.max()]])
        assert any(text.startswith(tail.removesuffix(" ...")) for text in often)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_takes_other_data(run, tmp_path, suffix):
    _, printed = run()
    other = pd.read_csv(MESSAGES).iloc[::-1]
    path = tmp_path / f"other{suffix}"
    other.to_csv(path, index=False)
    _, printed_of_other = run("--data", path)
    assert printed_of_other.startswith("60 training messages")
    assert printed_of_other != printed
    other.iloc[::-1].to_csv(path, index=False)
    assert run("--data", path)[1] == printed


def test_without_a_wrong_prediction_there_is_none_to_explain(run):
    names, _ = run()
    values = pd.Series([2.0, -0.5, 1.0], index=[7, 8, 9])
    chosen = names["interesting"](values, np.array([False, False, False]))
    assert list(chosen.values()) == [7, 8]
    chosen = names["interesting"](values, np.array([False, True, True]))
    assert list(chosen.values()) == [7, 8, 9]


def test_messages_that_ship_with_the_example():
    messages = pd.read_csv(MESSAGES)
    assert messages["label"].value_counts().to_dict() == {"ham": 50, "spam": 30}
    assert not messages["text"].duplicated().any()
    assert messages["text"].str.len().max() <= 160
