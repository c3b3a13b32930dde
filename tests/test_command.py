"""The command line: every file ends in a report, or in one line and a status that is not zero."""

import json

import numpy as np
import pytest

from sklearn_relatif._command import main

pd = pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    n_rows = 120
    x = rng.normal(size=n_rows)
    return pd.DataFrame(
        {
            "size": x.round(3),
            "price": [f"{v:,.0f}" for v in 1e4 * rng.random(n_rows)],
            "colour": rng.choice(["red", "green", None], n_rows),
            "is_new": rng.choice([True, False], n_rows),
            "day": pd.date_range("2024-01-01", periods=n_rows).strftime("%Y-%m-%d"),
            "review": [
                " ".join(f"{v}xy" for v in rng.choice(list("abcdefgh"), 5)) for _ in range(n_rows)
            ],
            "label": np.where(x + 0.5 * rng.normal(size=n_rows) > 0, "good", "bad"),
        }
    )


def audit(frame, *options, target="label"):
    frame.to_csv("data.csv", index=False)
    return main(["audit", "data.csv", "--target", target, *options])


def refusal(capsys):
    """The single line of complaint."""
    printed, complaints = capsys.readouterr()
    assert printed == ""
    lines = [line for line in complaints.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    assert lines[0].startswith("python -m sklearn_relatif ")
    return lines[0]


def test_audit_of_a_table_with_columns_of_every_kind(frame, capsys, tmp_path):
    assert audit(frame, "--output", "r.html", "--json", "r.json", "--groups", "colour") == 0
    printed, complaints = capsys.readouterr()
    assert "Labels to look at first" in printed
    assert "'price' holds numbers as text" in printed
    assert "'day' holds dates" in printed
    assert "'review' is text, taken apart by words" in printed
    assert "warning" not in complaints
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    content = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert content["model"]["n_rows"] == 96
    assert len(content["rows"]) == 20
    assert set(content["groups"]["group"]) == {"green", "red"}


def test_audit_without_a_file(capsys, tmp_path):
    assert main(["audit", "--top", "3"]) == 0
    assert "breast cancer data of scikit-learn" in capsys.readouterr().out
    assert (tmp_path / "audit.html").exists()


@pytest.mark.parametrize("model", ["logistic", "linear_svm", "svm"])
def test_models_and_damping(frame, model):
    assert audit(frame, "--model", model, "--damping", "1e-3", "--test-size", "0.3") == 0


def test_test_rows_from_a_file_of_their_own(frame, capsys):
    frame[80:].to_csv("test.csv", index=False)
    assert audit(frame[:80], "--test", "test.csv") == 0
    assert "40 test rows" in capsys.readouterr().out


def test_explains_rows_by_the_others(frame, capsys):
    frame.to_csv("data.csv", index=False)
    command = ["explain", "data.csv", "--target", "label", "--top", "2", "--rows"]
    assert main([*command, "3", "7"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len([line for line in table[1:] if line and line.split()[0].isdigit()]) == 4
    assert main([*command, "999"]) == 1
    assert "no row 999" in refusal(capsys)


def test_wrong_arguments_end_with_status_2(capsys):
    for arguments in (["audit", "--top", "0"], ["nothing"], ["audit", "--damping", "-1"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("label,x\n", "0 classes"),
        ("label,x\na,1\n", "0 classes"),
        ("label,x\n" + "a,1\na,2\n" * 20, "1 classes"),
        ("other,x\na,1\nb,2\n", "no column 'label'; there are: other, x"),
        ("label,x\n,1\n,2\n", "0 classes"),
        ("label,x\n" + "a,1\nb,1\n" * 20, "no column is left"),
        ('label,x\n"a,1\nb', "cannot be read as a table"),
        ("label,x\n" + "".join(f"{i / 7},{i}\n" for i in range(100)), "looks like a quantity"),
    ],
    ids=["empty", "header", "one row", "one class", "no target", "NaN", "constant", "torn", "real"],
)
def test_tables_that_cannot_be_used(tmp_path, capsys, content, reason):
    (tmp_path / "data.csv").write_text(content)
    assert main(["audit", "data.csv", "--target", "label"]) == 1
    assert reason in refusal(capsys)


def test_files_that_cannot_be_read(tmp_path, capsys, frame):
    assert main(["audit", "nothing.csv", "--target", "label"]) == 1
    assert "no such file" in refusal(capsys)
    frame.to_csv("data.csv", index=False)
    assert main(["audit", "data.csv"]) == 1
    assert "--target" in refusal(capsys)
    assert main(["audit", "data.csv", "--target", "label", "--output", "no/where.html"]) == 1
    assert main(["audit", "data.csv", "--target", "label", "--groups", "no"]) == 1


def test_odd_tables_are_audited(tmp_path, capsys, frame):
    assert audit(frame.rename(columns={"price": "size"}), "--output", "twice.html") == 0
    assert "share a name" in capsys.readouterr().out
    frame["colour"] = "größe"
    frame.loc[::2, "colour"] = "klein"
    frame.to_csv("data.csv", index=False, encoding="latin-1")
    assert main(["audit", "data.csv", "--target", "label"]) == 0
    assert "read as Latin-1" in capsys.readouterr().out
    frame.loc[:9, "label"] = None
    assert audit(frame) == 0
    assert "10 rows without a value of 'label'" in capsys.readouterr().out


def test_columns_named_like_code_stay_text(tmp_path, frame):
    name = "<script>alert(1)</script>"
    assert audit(frame.rename(columns={"colour": name}), "--groups", name) == 0
    assert name not in (tmp_path / "audit.html").read_text("utf-8")


def test_many_columns_and_many_categories(capsys):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(60, 200))).assign(label=rng.integers(2, size=60))
    assert audit(wide) == 0
    codes = rng.integers(10_000, size=30_000)
    many = pd.DataFrame({"code": [f"c{v}" for v in codes], "label": codes % 2})
    assert audit(many) == 0
    assert "categories, of which the rare ones were put together" in capsys.readouterr().out
