"""The command line: every file ends in a report, or in one line and a status that is not zero."""

import gzip
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sklearn_relatif._version import __version__
from sklearn_relatif.audit import AuditReport
from sklearn_relatif.cli import _audit, _command
from sklearn_relatif.cli._command import main
from sklearn_relatif.utils._whole_files import write_whole

pd = pytest.importorskip("pandas")
HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
HAS_OPENPYXL = importlib.util.find_spec("openpyxl") is not None


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
    assert len(content["rows"]["row"]) == len(content["rows"]["loss"]) == 96
    assert content["source"]["name"] == "data.csv"
    assert set(content["groups"]["group"]) == {"green", "red"}


def test_audit_without_a_file(capsys, tmp_path):
    assert main(["audit", "--top", "3"]) == 0
    assert "No file was given: scikit-learn's breast cancer data." in capsys.readouterr().out
    assert (tmp_path / "audit.html").exists()


@pytest.mark.parametrize("model", ["logistic", "linear_svm", "svm"])
def test_models_and_damping(frame, model):
    assert audit(frame, "--model", model, "--damping", "1e-3", "--test-size", "0.3") == 0


def test_test_rows_from_a_file_of_their_own(frame, capsys):
    frame[80:].to_csv("test.csv", index=False)
    assert audit(frame[:80], "--test", "test.csv") == 0
    assert "40 test rows" in capsys.readouterr().out


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
        ["explain", "data.csv", "--target", "label", "--rows", "1", "--output", "a.xlsx"],
        ["explain", "data.csv", "--target", "label", "--rows", "1", "--output", "no/a.csv"],
        ["audit", "-", "--target", "label", "--test", "-"],
        ["audit", "data.csv", "--target", "label", "--id", "label"],
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
        ("label,x\n" + "".join(f"c{i},1\n" for i in range(101)) * 2, "at most 100"),
        ("label,x\na,1,2,3\nb,2\n" * 2 + "a,1,2,3,4,5\n", "cannot be read as a table"),
    ],
    ids=[
        "empty", "header", "one row", "one class", "no target", "NaN", "constant", "torn",
        "many classes", "ragged",
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
        (np.random.default_rng(0).bytes(4000), "neither text nor a table of another form"),
        (b"PK\x03\x04rubbish", "it is a zip archive; unpack it first"),
        (compressed[: len(compressed) // 2], "the compressed file is cut off"),
        (b"PAR1rubbish", "cannot be read as a table" if HAS_PYARROW else "install pyarrow"),
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
        (ImportError("pyarrow is missing"), "audit: pyarrow is missing", 1),
        (KeyError("x"), "audit: KeyError: 'x'", 1),
    ],
    ids=["interrupt", "memory", "permission", "disk", "value", "import", "key"],
)
def test_what_goes_wrong_on_the_way_is_one_line(monkeypatch, capsys, error, reason, status):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(_audit, "train", fail)
    assert main(["audit"]) == status
    assert reason in refusal(capsys)


@pytest.mark.skipif(os.name != "posix", reason="pipes of a Unix shell")
def test_a_reader_who_leaves_gets_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        finished = run("audit", stdout=pipe)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == "looking at the training rows ..."
    assert Path("audit.html").exists()


def run(*arguments, program="", **settings):
    """The command in a process of its own."""
    program += "\nimport sys; from sklearn_relatif.cli._command import main; sys.exit(main())"
    root = Path(_command.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)} | settings.pop("env", {})
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    return subprocess.run([sys.executable, "-c", program, *arguments], env=environment, **settings)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names of files")
def test_what_terminals_obey_is_printed_as_python_writes_it(frame, capsys):
    frame["label"] = frame["label"].map({"good": "go\x1b[2Jod", "bad": "b\x9b31mad"})
    frame = frame.rename(columns={"review": "re\x1b]0;title\x07view", "colour": "co\u202elour"})
    name = "da\x1b[31mta.csv"
    frame.to_csv(name, index=False)
    command = ["audit", name, "--target", "label", "--output", "o\x1b[1m.html"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "'go\\x1b[2Jod'" in printed.out and "re\\x1b]0;title\\x07view" in printed.out
    assert "Report: o\\x1b[1m.html" in printed.out and "da\\x1b[31mta.csv" in printed.err
    assert main(["explain", name, "--target", "label", "--rows", "2"]) == 0
    assert main(["audit", name, "--target", "\x1b[0m"]) == 1
    assert main(["audit", "\x1b[2J.csv", "--target", "label"]) == 1
    with pytest.raises(SystemExit):
        main(["audit", "--\x1b[2J"])
    more = capsys.readouterr()
    shown = "".join([*printed, *more])
    assert "co\\u202elour" in more.err
    assert [letter for letter in shown if not letter.isprintable() and letter != "\n"] == []


def test_output_in_an_encoding_that_lacks_letters(frame):
    frame["label"] = frame["label"].map({"good": "größer", "bad": "≤ 5"})
    frame.to_csv("data.csv", index=False)
    arguments = ["audit", "data.csv", "--target", "label"]
    finished = run(*arguments, env={"PYTHONIOENCODING": "ascii"})
    assert finished.returncode == 0 and "'gr\\xf6\\xdfer'" in finished.stdout
    assert "größer" in Path("audit.html").read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="links of Unix")
def test_places_that_cannot_be_written_to(frame, capsys):
    frame.to_csv("data.csv", index=False)
    Path("loop").symlink_to("loop")
    Path("soft.csv").symlink_to("data.csv")
    os.link("data.csv", "hard.csv")
    Path("here.html").symlink_to("elsewhere.html")
    arguments = ["audit", "data.csv", "--target", "label"]
    for options, reason in (
        (["--output", "loop"], "'loop': Too many levels of symbolic links"),
        (["--json", "soft.csv"], "'soft.csv': the data are read from there"),
        (["--output", "hard.csv"], "'hard.csv': the data are read from there"),
        (["--output", "new/"], "'new/': not a file in a directory that exists"),
        (["--output", "a.html", "--json", "./a.html"], "the report is written there"),
        (["--output", "here.html", "--json", "elsewhere.html"], "the report is written there"),
        (["--output", "a\0b"], "null"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*arguments, *options])
        assert end.value.code == 2 and reason in capsys.readouterr().err.splitlines()[-1]
    assert main([*arguments, "--output", "here.html"]) == 0
    assert Path("elsewhere.html").exists() and pd.read_csv("data.csv").shape == frame.shape


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_named(frame, capsys):
    assert audit(frame, "--output", "/dev/full") == 1
    assert "audit: /dev/full: No space left" in refusal(capsys)
    assert audit(frame, "--json", "/dev/full") == 1
    assert "audit: /dev/full: No space left" in refusal(capsys)
    with open("/dev/full", "w") as full:
        finished = run("audit", "data.csv", "--target", "label", stdout=full)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].endswith("audit: the output: No space left on device")


@pytest.mark.skipif(os.name != "posix", reason="limits of Unix")
def test_a_disk_that_fills_up_leaves_the_files_as_they_were(frame, tmp_path):
    frame.to_csv("data.csv", index=False)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    for option in ("--output", "--json"):
        places = {"--output": "/dev/null", "--json": "/dev/null"} | {option: "page"}
        Path("page").write_text("the last one")
        arguments = ["audit", "data.csv", "--target", "label", *sum(places.items(), ())]
        finished = run(*arguments, program=limit)
        assert finished.returncode == 1
        assert finished.stderr.splitlines()[-1].endswith("audit: page: File too large")
        assert Path("page").read_text() == "the last one"
        assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "page"}


def test_files_are_written_whole_or_not_at_all(tmp_path):
    page, link = tmp_path / "page", tmp_path / "link"
    page.write_text("before")
    page.chmod(0o640)
    with pytest.raises(UnicodeEncodeError):
        write_whole(page, "\ud800")
    assert page.read_text() == "before"
    if os.name == "posix":
        link.symlink_to("page")
    write_whole(link, "ä")
    assert link.read_text("utf-8") == "ä"
    if os.name == "posix":
        assert link.is_symlink() and page.read_text("utf-8") == "ä"
        assert page.stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileNotFoundError) as missing:
        write_whole(tmp_path / "no" / "page", "")
    assert missing.value.filename == tmp_path / "no" / "page"
    assert {path.name for path in tmp_path.iterdir()} <= {"page", "link"}


def test_interrupted_while_it_is_imported(tmp_path):
    Path("sklearn.py").write_text("raise KeyboardInterrupt")
    root = Path(_command.__file__).parents[2]
    command = [sys.executable, "-m", "sklearn_relatif", "audit"]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    finished = subprocess.run(command, env=paths, capture_output=True, text=True)
    assert finished.stderr == "python -m sklearn_relatif: interrupted\n"
    assert finished.returncode == 130 and finished.stdout == ""
    finished = subprocess.run(
        [sys.executable, "-c", "import sklearn_relatif"],
        env=os.environ | paths,
        capture_output=True,
    )
    assert b"KeyboardInterrupt" in finished.stderr


def test_without_pandas_a_line_says_what_to_install():
    missing = "import sys; sys.modules['pandas'] = None"
    for arguments in (["audit"], ["audit", "data.csv", "--target", "label"]):
        finished = run(*arguments, program=missing)
        assert finished.returncode == 1 and finished.stdout == ""
        assert finished.stderr.splitlines()[-1].endswith("run: python -m pip install pandas")
        assert "Traceback" not in finished.stderr


def test_forms_that_are_not_read_are_named(frame, tmp_path, capsys):
    with zipfile.ZipFile("book.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "")
    with zipfile.ZipFile("sheet.ods", "w") as book:
        book.writestr("content.xml", "")
    (tmp_path / "book.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    frame.to_json("columns.json")
    (tmp_path / "torn.jsonl").write_text('{"label": 1}\n{"label": \n')
    for name, reason in (
        ("book.xlsx", "part of the workbook is missing" if HAS_OPENPYXL else "needs openpyxl; run"),
        ("sheet.ods", "an OpenDocument spreadsheet; in Excel or LibreOffice, save it as CSV"),
        ("book.xls", "an Excel workbook (.xls)"),
        ("columns.json", "it holds JSON, but neither an object a line nor a list of objects"),
        ("torn.jsonl", "nor a list of objects (line 2 is no object of its own)"),
    ):
        assert main(["audit", name, "--target", "label"]) == 1
        assert reason in refusal(capsys)


def test_each_form_is_told_by_its_content(frame, capsys, tmp_path):
    compressed = gzip.compress(frame.to_csv(index=False, sep="\t").encode())
    (tmp_path / "tabs").write_bytes(compressed)
    frame.to_json("lines", orient="records", lines=True)
    frame.to_json("list", orient="records")
    names = {"tabs": "lines of tabs", "lines": "lines of lines", "list": "positions in list, coun"}
    if HAS_PYARROW:
        frame.to_parquet("parquet")
        frame.set_axis([f"c{i}" for i in range(len(frame))]).to_feather("feather")
        names |= {"parquet": "positions in parquet, coun", "feather": "index labels of feather."}
    if HAS_OPENPYXL:
        with pd.ExcelWriter("book.xlsx") as book:
            pd.DataFrame({"from": ["me"], "of": 2024}).to_excel(book, sheet_name="notes")
            frame.to_excel(book, sheet_name="data", index=False, startrow=2, startcol=1)
        os.rename("book.xlsx", "book")
        names |= {"book": "rows of the sheet 'data' in book."}
    for name, called in names.items():
        assert main(["audit", name, "--target", "label", "--test-size", "0"]) == 0
        printed = capsys.readouterr().out
        assert f"Rows are named by {called}" in printed and "trained on 120 rows" in printed
        assert "Dates, counted in days: day (120 values, year first" in printed


@pytest.mark.parametrize(
    ("package", "name"), [("openpyxl", "book.xlsx"), ("pyarrow", "p.parquet"), ("pyarrow", "f")]
)
def test_a_missing_package_is_named_in_one_line(tmp_path, package, name):
    with zipfile.ZipFile("book.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "")
    (tmp_path / "p.parquet").write_bytes(b"PAR1" + bytes(60))
    (tmp_path / "f").write_bytes(b"ARROW1" + bytes(60))
    missing = f"import sys; sys.modules['{package}'] = None"
    finished = run("audit", name, "--target", "y", program=missing)
    assert finished.returncode == 1 and "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1].endswith(f"run: python -m pip install {package}")


def test_a_target_may_be_given_with_the_spaces_that_its_header_has(frame):
    assert audit(frame.rename(columns={"label": "label "}), target="label ") == 0


def test_standard_input_is_a_table(frame):
    frame.to_csv("data.csv", index=False)
    with open("data.csv") as file:
        finished = run("audit", "-", "--target", "label", "--output", "r.html", stdin=file)
    assert finished.returncode == 0
    assert "Rows are named by lines of standard input." in finished.stdout


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"sklearn_relatif {__version__}\n"


def test_rows_are_named_by_a_column(frame, capsys, tmp_path):
    frame["size"] += np.arange(len(frame)) / 1e6
    frame["key"] = [f"key-{i}" for i in range(len(frame))]
    frame[80:].to_csv("test.csv", index=False)
    assert audit(frame[:80], "--id", "key", "--test", "test.csv", "--json", "r.json") == 0
    said = assumed(capsys)
    assert "Rows are named by values of 'key'." in said
    assert "Left out, since it names the rows (--id): key." in said
    content = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert content["rows"]["row"] == list(frame["key"][:80])
    for key, said, names in (
        (frame["key"].where(frame.index > 1), "2 rows have none", {"(2)", "(3)", "key-2"}),
        (
            frame["key"].where(frame.index > 1, "key-7"),
            "3 rows share theirs ('key-7' 3 times)",
            {"key-7 (2)", "key-7 (3)", "key-7 (9)", "key-6"},
        ),
    ):
        options = ["--id", "key", "--test-size", "0", "--json", "r.json"]
        assert audit(frame.assign(key=key), *options) == 0
        printed = assumed(capsys)
        assert "by values of 'key', with lines of data.csv in parentheses where that is" in printed
        assert f"Values of 'key' do not tell all rows apart: {said}." in printed
        content = json.loads((tmp_path / "r.json").read_text("utf-8"))
        assert len(set(content["rows"]["row"])) == 120 and names < set(content["rows"]["row"])
    assert audit(frame, "--id", "kex") == 1
    assert "no column 'kex'; did you mean 'key'?" in refusal(capsys)


def test_the_page_is_told_where_the_rows_come_from(frame, monkeypatch):
    sources = []
    monkeypatch.setattr(AuditReport, "to_html", lambda self, *rest, **more: sources.append(self))
    frame.loc[:2, "label"] = None
    frame["none"] = 7
    os.mkdir("my data")
    frame.to_csv("my data/rows.csv", index=False)
    arguments = ["audit", "my data/rows.csv", "--target", "label", "--drop", "review"]
    assert main(arguments) == 0
    report = sources[0]
    source = report.source
    assert source.name == "my data/rows.csv" and source.target == "label"
    assert (source.n_rows_read, source.n_columns_read) == (120, 8)
    assert source.rows_left_out == {"without a value of 'label'": 3}
    assert source.columns_left_out == {
        "review": "that was asked for (--drop)",
        "none": "it holds one value only",
    }
    assert source.row_names == "lines of rows.csv"
    words = shlex.split(source.command)
    assert words == ["python", "-m", "sklearn_relatif", *arguments]
    assert any("Dates, counted in days" in note for note in source.notes)
    assert report.cells.n_rows == 94 and report.cells.names == ["size", "price", *list(frame)[2:5]]


def test_columns_that_come_close_are_proposed(frame, capsys):
    many = frame.assign(**{f"column {i}": i for i in range(25)})
    assert audit(many, target="labl") == 1
    assert "no column 'labl'; did you mean 'label'? There are: size, price" in refusal(capsys)
    assert audit(many.assign(Labels=1, my_lab=2), target="lab") == 1
    said = refusal(capsys)
    assert "did you mean 'label' or 'my_lab' or 'Labels'? There are: size," in said
    assert "'column 24'" not in said and "column 24" in said
    assert audit(many, target=" LABEL") == 1
    assert "did you mean 'label'?" in refusal(capsys)


def test_a_million_columns_are_refused_by_their_header(tmp_path, capsys):
    header = ",".join(map(str, range(10**6)))
    (tmp_path / "data.csv").write_text(f"{header}\n{header}\n")
    start = time.perf_counter()
    assert main(["audit", "data.csv", "--target", "1"]) == 1
    assert time.perf_counter() - start < 20  # All of it took two minutes.
    assert "it has 1000000 columns, and at most 100000 are possible" in refusal(capsys)


def test_cells_are_shown_as_they_were_written(frame, tmp_path):
    frame["customer_id"] = np.arange(len(frame)) * 7 + 4_081_720_000
    frame["part"] = [f"{v},50" for v in range(len(frame))]
    assert audit(frame) == 0
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert "<dt>customer_id</dt><dd>40817" in page and ",50</dd>" in page


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
    assert "Left out: 10 rows without a value of 'label'." in capsys.readouterr().out


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
    assert "Left out: 5 test rows without a label of the training data." in assumed(capsys)
    for rows, reason in (
        (frame.drop(columns="size"), "test.csv: no column 'size'"),
        (frame.drop(columns="label"), "test.csv: no column 'label'"),
        (frame.assign(label="unknown"), "test.csv: none of its values"),
    ):
        assert audit_with(rows) == 1
        assert reason in refusal(capsys)
