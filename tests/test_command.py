"""The command line: every file ends in a report, or in one line and a status that is not zero."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_relatif import _command
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


def assumed(capsys):
    printed = capsys.readouterr().out
    return printed[printed.index("Assumed:") :]


def test_audit_of_a_table_with_columns_of_every_kind(frame, capsys, tmp_path):
    assert audit(frame, "--output", "r.html", "--json", "r.json", "--groups", "colour") == 0
    printed, complaints = capsys.readouterr()
    assert "Labels to look at first" in printed
    assert "separators of thousands: price (" in printed
    assert "Dates, counted in days: day (120 values, year first" in printed
    assert "Texts, taken apart by words: review." in printed
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["audit", "--top", "0"],
        ["audit", "--top", "some"],
        ["audit", "--damping=-1"],
        ["audit", "--damping", "strong"],
        ["audit", "--damping", "nan"],
        ["audit", "--test-size", "1"],
        ["audit", "--test-size", "half"],
        ["audit", "--test", "other.csv"],
        ["audit", "data.csv", "--target", "label", "--test", "a.csv", "--test-size", "0.5"],
        ["audit", "data.csv"],
        ["audit", "data.csv", "--target", "label", "--output", "no/where.html"],
        ["audit", "data.csv", "--target", "label", "--output", "."],
        ["audit", "data.csv", "--target", "label", "--output", ""],
        ["audit", "data.csv", "--target", "label", "--json", "data.csv"],
        ["explain", "data.csv", "--rows", "1"],
        ["explain", "data.csv", "--target", "label", "--rows", "one"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_with_status_2(frame, capsys, arguments):
    frame.to_csv("data.csv", index=False)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    printed, complaints = capsys.readouterr()
    assert printed == "" and ": error: " in complaints.splitlines()[-1]
    assert "_share" not in complaints and "_damping" not in complaints
    assert pd.read_csv("data.csv").shape == frame.shape


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
        ("label,x\n" + "".join(f"{i},{i}\n" for i in range(100)), "looks like a quantity"),
        ("label,x\n" + "".join(f"c{i},1\n" for i in range(101)) * 2, "at most 100"),
        ("label,x\na,1,2,3\nb,2\n" * 2 + "a,1,2,3,4,5\n", "cannot be read as a table"),
    ],
    ids=[
        "empty", "header", "one row", "one class", "no target", "NaN", "constant", "torn", "real",
        "whole", "many classes", "ragged",
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(tmp_path, capsys, content, reason):
    (tmp_path / "data.csv").write_text(content)
    assert main(["audit", "data.csv", "--target", "label"]) == 1
    assert reason in refusal(capsys)


def test_files_that_cannot_be_read(tmp_path, capsys, frame):
    command = ["audit", "data.csv", "--target", "label"]
    assert main(command) == 1
    assert "data.csv: no such file" in refusal(capsys)
    compressed = gzip.compress(frame.to_csv(index=False).encode())
    for content, reason in (
        (np.random.default_rng(0).bytes(4000), "neither text nor Parquet"),
        (b"PK\x03\x04rubbish", "it is a zip archive; unpack it first"),
        (compressed[: len(compressed) // 2], "the compressed file is cut off"),
        (b"PAR1rubbish", "cannot be read as a table"),
    ):
        (tmp_path / "data.csv").write_bytes(content)
        assert main(command) == 1
        assert reason in refusal(capsys)
    (tmp_path / "data.csv").unlink()
    (tmp_path / "data.csv").mkdir()
    assert main(command) == 1
    assert "is a directory" in refusal(capsys)
    assert main(["audit", "a\0b", "--target", "label"]) == 1
    assert "null" in refusal(capsys)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_file_without_permission(tmp_path, capsys, frame):
    frame.to_csv("data.csv", index=False)
    (tmp_path / "data.csv").chmod(0)
    assert main(["audit", "data.csv", "--target", "label"]) == 1
    assert "data.csv: Permission denied" in refusal(capsys)


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (MemoryError(), "not enough memory", 1),
        (PermissionError(13, "Permission denied", "out.html"), "out.html: Permission denied", 1),
        (OSError(28, "No space left on device"), "audit: No space left on device", 1),
        (ValueError("\nInput X\n contains"), "audit: Input X", 1),
    ],
    ids=["interrupt", "memory", "permission", "disk", "value"],
)
def test_what_goes_wrong_on_the_way_is_one_line(monkeypatch, capsys, error, reason, status):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(_command, "_explainer", fail)
    assert main(["audit"]) == status
    assert reason in refusal(capsys)


@pytest.mark.skipif(os.name != "posix", reason="pipes of a Unix shell")
def test_a_reader_who_leaves_gets_no_traceback():
    root = Path(_command.__file__).parents[1]
    program = "import os, sys; from sklearn_relatif._command import main; sys.exit(main(['audit']))"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        finished = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": str(root)},
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == "looking at the training rows ..."
    assert Path("audit.html").exists()


def test_odd_tables_are_audited(tmp_path, capsys, frame):
    assert audit(frame.rename(columns={"price": "size"}), "--output", "twice.html") == 0
    assert "share a name" in capsys.readouterr().out
    (tmp_path / "data.csv").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    assert main(["audit", "data.csv", "--target", "label"]) == 0
    frame.to_csv("data.csv", index=False, encoding="utf-16")
    assert main(["audit", "data.csv", "--target", "label"]) == 0
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
    assert "Over 100 categories, of which rare ones were put together: code." in assumed(capsys)
    few_a_column = {f"c{i}": [f"v{v}" for v in rng.integers(300, size=40)] for i in range(9)}
    assert audit(pd.DataFrame(few_a_column).assign(label=np.arange(40) % 2)) == 0
    assert "one-hot, at most" in assumed(capsys)


@pytest.mark.parametrize(
    ("separator", "decimal", "name"),
    [(";", ",", "semicolons"), ("\t", ".", "tabs"), ("|", ".", "vertical bars")],
)
def test_other_separators_than_commas(frame, capsys, separator, decimal, name):
    frame.to_csv("data.csv", index=False, sep=separator, decimal=decimal)
    assert main(["audit", "data.csv", "--target", "label"]) == 0
    assert f"data.csv was read as separated by {name}" in assumed(capsys)


def test_leaves_out_what_it_is_told_to_and_names_of_rows(frame, capsys):
    rng = np.random.default_rng(0)
    frame["number"] = np.arange(len(frame)) + 1000
    frame["customer_id"] = rng.permutation(10**6)[: len(frame)]
    frame["key"] = [f"k{i}" for i in range(len(frame))]
    frame["salary"] = rng.permutation(10**6)[: len(frame)]
    assert audit(frame, "--drop", "review", "day", "--drop", "price", "--groups", "price") == 0
    said = assumed(capsys)
    assert "a different whole number in each row, as names have: number, customer_id." in said
    assert "Left out, since it names the rows: key." in said
    assert "from: numbers (3;" in said and "categories (1;" in said and "text" not in said
    assert audit(frame, "--drop", "nothing") == 1
    assert "no column 'nothing'" in refusal(capsys)


def test_values_that_cannot_be_used_are_missing(frame, capsys):
    frame.loc[::10, "size"] = np.inf
    frame["none"] = np.inf
    frame["vast"] = 1e200
    assert audit(frame) == 0
    said = assumed(capsys)
    assert "no finite numbers, taken as missing: size ('inf' 12 times)" in said
    assert "Left out, since it holds no value that can be used: none, vast." in said


def test_texts_without_words_are_taken_apart_by_letters(frame, capsys):
    frame["signs"] = ["! " * i + "? ? ." for i in range(len(frame))]
    assert audit(frame) == 0
    assert "Texts, taken apart by letters: signs." in assumed(capsys)


def test_share_of_test_rows(frame, capsys):
    assert audit(frame, "--test-size", "0.999") == 0
    assert "No rows were put aside for testing: some classes" in assumed(capsys)
    assert audit(frame, "--test-size", "0") == 0
    assert "No rows were put aside" in assumed(capsys)
    assert audit(frame, "--test-size", "0.5") == 0
    assert "60 of 120 rows, drawn at random" in assumed(capsys)


def test_test_rows_are_read_as_the_training_rows_are(frame, capsys):
    def audit_with(rows):
        rows.to_csv("test.csv", index=False)
        return audit(frame, "--test", "test.csv")

    assert audit_with(frame.head(1)) == 0  # One class, and one value in each column.
    assert "1 test rows" in capsys.readouterr().out
    assert audit_with(frame.assign(size="large", colour=1.5, day="never")) == 0
    said = assumed(capsys)
    assert "missing: size ('large' 120 times), day ('never' 120 times)." in said
    other = frame.assign(label=frame["label"].where(frame.index > 4, "unknown"))
    assert audit_with(other) == 0
    assert "5 test rows without a label of the training data" in assumed(capsys)
    for rows, reason in (
        (frame.drop(columns="size"), "test.csv: no column 'size'"),
        (frame.drop(columns="label"), "test.csv: no column 'label'"),
        (frame.assign(label="unknown"), "test.csv: none of its values"),
    ):
        assert audit_with(rows) == 1
        assert reason in refusal(capsys)
