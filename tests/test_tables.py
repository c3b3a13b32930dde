"""Columns are read for what they hold, and further rows as the first ones were."""

import gzip

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from sklearn_relatif.cli.tables._files import TableError, read_frame  # noqa: E402
from sklearn_relatif.cli.tables._readings import parse_number  # noqa: E402
from sklearn_relatif.cli.tables._table import (  # noqa: E402
    features_of,
    groups_in_column,
    make_table,
    more_rows,
)


def table_of(values, labels=None):
    notes = []
    frame = pd.DataFrame({"column": values, "other": np.arange(len(values)) % 3})
    frame["label"] = np.arange(len(frame)) % 2 if labels is None else labels
    return make_table(frame, "label", notes)


@pytest.mark.parametrize(
    ("texts", "numbers", "said"),
    [
        (["1,234.50", "-12", "7.25"], [1234.5, -12, 7.25], "separators of thousands"),
        (["1.234,50", "-12", "7,25"], [1234.5, -12, 7.25], "'1.234,50' is 1234.5"),
        (["0,5", "0,125", "3"], [0.5, 0.125, 3], "comma: column (8 values, '0,125' is 0.125)"),
        (["1 234 567", "1\u202f000", "5"], [1234567, 1000, 5], "separators of thousands"),
        (["1\xa0234,5", "1\u2009234", "5"], [1234.5, 1234, 5], "with a decimal comma"),
        (["1'234.5", "1’234", "5"], [1234.5, 1234, 5], "separators of thousands"),
        (["12,34,567", "1,00,000.5", "99"], [1234567, 100000.5, 99], "'1,00,000.5' is 100000.5"),
        (["$1,234", "$5", "2.5"], [1234, 5, 2.5], "unit: column (8 values, '$1,234' is 1234)"),
        (["-$5", "$-5", "($5)"], [-5, -5, -5], None),
        (["$(5.25)", "$ (5)", "$7"], [-5.25, -5, 7], "'$(5.25)' is -5.25"),
        (["1,234.50-", "500 -", "7.5"], [-1234.5, -500, 7.5], "minus at the end, taken as neg"),
        (["1.234,50- EUR", "500- EUR", "7,5"], [-1234.5, -500, 7.5], "'1.234,50- EUR' is -1234.5"),
        (["12.5%", "3 %", "100%"], [12.5, 3, 100], "unit: column (12 values, '12.5%' is 12.5)"),
        (["7 €", "1.000,5 €", "EUR 2"], [7, 1000.5, np.nan], "'EUR 2' 4 times"),
        (["1e3", "2.5E-1", "1,000"], [1000, 0.25, 1000], "'1,000' is 1000"),
        (["(1,234.50)", "12", "−7.5"], [-1234.5, 12, -7.5], "'(1,234.50)' is -1234.5"),
        (["1.5", "+2", " 3 "], [1.5, 2, 3], ""),
        ([".5", "5.", "007"], [0.5, 5, 7], ""),
        (["1.5", "inf", "1e200"], [1.5, np.nan, np.nan], "no finite numbers, taken as missing"),
    ],
)
def test_numbers_as_text(texts, numbers, said):
    if said is None:
        return expect_left_out(texts)
    table = table_of(texts * 4)
    np.testing.assert_allclose(table.X["column"], numbers * 4)
    assert said in "\n".join(table.notes)
    assert bool(said) == bool(table.notes)


@pytest.mark.parametrize("text", ["-(5)", "(-5)", "-5-", "(5", "5)", "$5 €", "$($5)", "5--", "--5"])
def test_what_is_no_number(text):
    assert np.isnan(parse_number(text)[:2]).all()


def expect_left_out(texts):
    notes = table_of(texts * 4).assumed()
    assert notes == ["Left out, since it holds one value only: column."]


def column_of(tmp_path, lines, target="label"):
    """The first column of a file, and what is said."""
    path, notes = tmp_path / "data.csv", []
    path.write_text("\n".join(lines) + "\n", "utf-8")
    table = make_table(read_frame(path, notes), target, notes)
    return table.X.iloc[:, 0].tolist(), "\n".join(table.assumed())


LABELS = ["yes", "no"] * 50


def lines_of(header, *columns, separator=";"):
    return [header, *(separator.join(cells) for cells in zip(*columns, LABELS, strict=True))]


def test_a_few_decimal_commas_beside_whole_numbers(tmp_path):
    rooms = ["3,5", "4,5", "2,5", "12,75", *["1", "2", "3", "4"] * 24]
    read, said = column_of(tmp_path, lines_of("rooms;label", rooms))
    assert read == [3.5, 4.5, 2.5, 12.75, *[1, 2, 3, 4] * 24]
    assert "Numbers with a decimal comma: rooms (4 values, '12,75' is 12.75)." in said
    # A comma before other than three digits separates no thousands in any file.
    points = [f"{i / 8:.2f}" for i in range(100)]
    read, said = column_of(tmp_path, lines_of("rooms;x;label", rooms, points))
    assert read[:4] == [3.5, 4.5, 2.5, 12.75]


def test_cells_without_anything_are_missing_and_not_empty_texts():
    frame = pd.DataFrame({"v": ["1", "", "3"] * 9, "word": ["", "a", "b"] * 9, "n": range(27)})
    frame["label"] = [*"aab"] * 9
    cells = make_table(frame, "label", []).cells
    assert cells["v"].isna().tolist() == [False, True, False] * 9
    assert cells["word"].isna().tolist() == [True, False, False] * 9
    assert cells["n"].dtype == frame["n"].dtype and list(cells) == ["v", "word", "n"]


def test_what_does_not_fit_is_missing_and_never_another_number(tmp_path):
    values = ["12,7", "11,9", "13,1", *(f"{v / 10}" for v in range(100, 197))]
    read, said = column_of(tmp_path, lines_of("v;label", values))
    np.testing.assert_array_equal(read, [np.nan] * 3 + [v / 10 for v in range(100, 197)])
    assert "taken as missing: v (3 values: '12,7', '11,9', '13,1')." in said
    mixed = ["12,7", "12.9"] * 20 + ["13.1"] * 60
    read, said = column_of(tmp_path, lines_of("v;label", mixed))
    assert np.isnan(read).sum() == 20 and np.nanmin(read) == 12.9
    assert "'12,7' 20 times" in said


def test_points_separate_thousands_where_other_columns_have_decimal_commas(tmp_path):
    people = ["1.234", "79.513", "999", *(f"{v}.000" for v in range(1, 98))]
    numbers = [1234, 79513, 999, *range(1000, 98000, 1000)]
    commas = [f"{i / 8:.2f}".replace(".", ",") for i in range(100)]
    points = [f"{i / 8:.2f}" for i in range(100)]
    read, said = column_of(tmp_path, lines_of("people;x;label", people, commas))
    assert read == numbers
    assert "thousands: people (99 values, '79.513' is 79513)" in said and "could" not in said
    read, said = column_of(tmp_path, lines_of("people;x;label", people, points))
    assert read[:3] == [1.234, 79.513, 999]
    assert "others: people (99 values, '79.513' is 79.513 here, and could be 79513)" in said


def test_one_ambiguous_column_is_judged_by_its_whole_numbers(tmp_path):
    for text in ("1.234", "1,234"):
        read, said = column_of(tmp_path, lines_of("v;label", [text, "999"] * 50))
        assert read == [1234, 999] * 50
        assert "could be 1.234" in said
        read, said = column_of(tmp_path, lines_of("v;label", [text, "9999"] * 50))
        assert read == [1.234, 9999] * 50
        assert "could be 1234" in said
    thirds = [f"{i / 7:.3f}".rstrip("0") for i in range(1, 101)]
    read, said = column_of(tmp_path, lines_of("v;label", thirds))
    assert read == [round(i / 7, 3) for i in range(1, 101)] and "could" not in said


@pytest.mark.parametrize("word", ["?", "NA", "None", "null", "-", "#N/A"])
def test_words_for_missing_values_among_numbers(tmp_path, word):
    values = [word] * 20 + ["1", "2"] * 40
    read, said = column_of(tmp_path, lines_of("v;label", values))
    np.testing.assert_array_equal(read, [np.nan] * 20 + [1, 2] * 40)
    assert f"v ({word!r} 20 times)" in said


def test_other_words_among_many_numbers_are_missing_and_among_few_a_category(tmp_path):
    many = ["unknown"] * 40 + [f"{i / 7:.2f}" for i in range(60)]
    read, said = column_of(tmp_path, lines_of("v;label", many))
    assert np.isnan(read).sum() == 40 and "'unknown' 40 times" in said
    few = ["unknown"] * 40 + ["1", "2"] * 30
    read, said = column_of(tmp_path, lines_of("v;label", few))
    assert set(read) == {"unknown", "1", "2"}
    read, said = column_of(tmp_path, lines_of("alley;label", ["NA", "paved"] * 50))
    assert set(read) == {"NA", "paved"}
    assert "taken as a category: alley ('NA' 50 times)" in said


def test_percent_signs_of_some_values_only(tmp_path):
    read, said = column_of(tmp_path, lines_of("v;label", ["12%"] + ["15"] * 49 + ["0.12"] * 50))
    assert np.isnan(read[0]) and read[1] == 15 and "'12%'" in said
    read, said = column_of(tmp_path, lines_of("v;label", ["0.12"] + ["12%"] * 49 + ["15%"] * 50))
    assert np.isnan(read[0]) and read[1] == 12 and "'0.12'" in said


def test_digits_with_leading_zeros_are_names(tmp_path):
    """As numbers, 02116 would be 2116, and 012 the same as 12."""
    for codes in (["02116", "10001", "94105", "00501"], ["012", "12", "0012", "7"]):
        read, said = column_of(tmp_path, lines_of("code;label", codes * 25))
        assert read == codes * 25
        assert f"leading zeros, taken as names, not as numbers: code ({codes[0]!r} 25" in said
    read, said = column_of(tmp_path, lines_of("v;label", ["0", "10", "7", "05"] + ["3"] * 96))
    assert read[:4] == [0, 10, 7, 5]
    groups = groups_in_column(pd.Series([f"{i:05}" for i in range(100)] * 2, name="g"), notes := [])
    assert len(set(groups) - {None}) == 50 and "50 largest groups of 'g'" in notes[0]


@pytest.mark.parametrize(
    "texts", [["5 kg", "10 kg"], ["10-19", "20-29"], ["<5", "5"], ["1.5k", "2k"]]
)
def test_what_only_looks_like_numbers_is_said_to_be_none(texts, tmp_path):
    read, said = column_of(tmp_path, lines_of("v;label", texts * 50))
    assert read == texts * 50
    assert f"digits and are no numbers, taken as categories: v ({texts[0]!r} 50 times" in said


def test_names_of_rows_as_r_writes_them(tmp_path):
    lines = [f'"{i}",{i % 7}.5,"{label}"' for i, label in enumerate(LABELS)]
    read, said = column_of(tmp_path, ['"x","label"', *lines])
    assert read == [i % 7 + 0.5 for i in range(100)]
    assert "one name fewer than columns" in said
    read, said = column_of(tmp_path, ['"x" "label"', *(line.replace(",", " ") for line in lines)])
    assert read == [i % 7 + 0.5 for i in range(100)] and "separated by spaces" in said
    # Separators at the ends of lines are no column, and unquoted decimal commas no names.
    read, said = column_of(tmp_path, ["x,label", *(f"{i % 7},{v}," for i, v in enumerate(LABELS))])
    assert read == [i % 7 for i in range(100)] and said == ""
    for lines in (
        ["x,label", *(f"{i % 7},5,{v}" for i, v in enumerate(LABELS))],
        ["x,label", *(f"{i},5,6,{v}" for i, v in enumerate(LABELS))],
    ):
        with pytest.raises(TableError, match="its header has names"):
            column_of(tmp_path, lines)


def test_what_separates_is_what_separates_the_values_too(tmp_path):
    lines = lines_of('"height, weight";"a, b, c";label', ["1,5", "2,5"] * 50, ["3", "4"] * 50)
    read, said = column_of(tmp_path, lines)
    assert read == [1.5, 2.5] * 50 and "separated by semicolons" in said
    read, said = column_of(tmp_path, lines_of("a, in m;label", ["1.5", "2.5"] * 50))
    assert read == [1.5, 2.5] * 50
    for lines in (["", "sep=;", "", "x;label"], ["", "", "x;label"]):
        read, said = column_of(tmp_path, [*lines, *lines_of("", ["1,5", "2,5"] * 50)[1:]])
        assert read == [1.5, 2.5] * 50


def test_lines_with_too_few_values_are_counted(tmp_path):
    lines = ["x,z,label", *(f"{i % 7},{i % 3},{v}" for i, v in enumerate(LABELS))]
    read, said = column_of(tmp_path, lines)
    assert said == ""
    read, said = column_of(tmp_path, ["sep=,", *lines, "5,", "", "6,7", "8"])
    assert "fewer values than names, of which the last were taken as missing: 3." in said
    assert "Left out: 3 rows without a value of 'label'." in said and len(read) == 100


def test_rows_are_named_by_the_lines_that_they_begin_in(tmp_path):
    path = tmp_path / "data.csv"
    text = 'sep=,\n\nx,label\n1,"a\nb\r\nc"\n  \n2,d\n\n"3\n",e\n'
    path.write_bytes(text.encode())
    frame = read_frame(path, [])
    assert frame.index.tolist() == [4, 8, 10] and frame.index.name == "lines of data.csv"
    path.write_bytes(b"sep=;\r\rx;label\r1;a\r2;b\r")
    frame = read_frame(path, [])
    assert list(frame) == ["x", "label"] and frame.index.tolist() == [4, 5]
    path.write_bytes(gzip.compress(text.encode("utf-16")))
    assert read_frame(path, []).index.tolist() == [4, 8, 10]
    path.write_text("x,label\n1,a\n2," + "b" * 200_000)
    frame = read_frame(path, [])
    assert frame.index.tolist() == [0, 1]
    assert frame.index.name == "positions in data.csv, counted from 0 below the header"
    path.write_text('"x","label"\n"Mazda RX4",1,"a"\n"Fiat 128",2,"b"\n')
    assert read_frame(path, []).index.tolist() == ["Mazda RX4", "Fiat 128"]
    path.write_text('{"x": {"y": 1, "z": "a"}}\n\n{"x": {"y": null}, "w": [1, 2]}\n')
    frame = read_frame(path, [])
    assert frame.index.tolist() == [1, 3] and list(frame) == ["x.y", "x.z", "w"]


def test_encodings_and_ends_of_lines(tmp_path):
    path = tmp_path / "data.csv"
    text = "\n".join(["é,é,label", *(f"{i % 7},{i % 3}é,{v}" for i, v in enumerate(LABELS))])
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"):
        for end in ("\n", "\r\n", "\r"):
            path.write_bytes(text.replace("\n", end).encode(encoding))
            table = make_table(read_frame(path, notes := []), "label", notes)
            assert table.X.columns.tolist() == ["é", "é.1"]
            assert table.X["é.1"].tolist() == [f"{i % 3}é" for i in range(100)]
            is_latin = any("not UTF-8 and was read as Latin-1" in note for note in notes)
            assert is_latin == (encoding == "latin-1")
            assert len([note for note in notes if "share a name" in note]) == 1
    prices = "\n".join(["p,label", *(f"€{i % 7},{v}" for i, v in enumerate(LABELS))])
    path.write_bytes(prices.encode("cp1252"))
    table = make_table(read_frame(path, notes := []), "label", notes)
    assert table.X["p"].tolist() == [i % 7 for i in range(100)] and "'€0' is 0" in notes[-1]


def test_labels_alone_are_no_table(tmp_path):
    with pytest.raises(TableError, match="no column is left to predict from"):
        column_of(tmp_path, ["label", *LABELS])


@pytest.mark.parametrize("name", ["None", "NA", "null", "nan", "N/A"])
def test_a_class_may_be_called_like_a_missing_value(tmp_path, name):
    lines = [f"{i % 9},{label}" for i, label in enumerate([name, "apnea", "insomnia", ""] * 25)]
    path, notes = tmp_path / "data.csv", []
    path.write_text("\n".join(["x,label", *lines]))
    table = make_table(read_frame(path, notes), "label", notes)
    assert np.unique(table.y).tolist() == sorted([name, "apnea", "insomnia"])
    assert len(table.y) == 75 and table.rows_left_out == {"without a value of 'label'": 25}
    assert f"taken as classes: {name!r} 25 times." in "\n".join(notes)
    rows = more_rows(table, pd.DataFrame({"x": ["1"], "label": [name]}), "label")
    assert rows.y.tolist() == [name]


@pytest.mark.parametrize(
    ("labels", "classes", "kind"),
    [(["1", "0", "NA"], [0, 1], "numbers"), (["TRUE", "false", "None"], [False, True], "true")],
)
def test_words_among_numeric_labels_are_missing(labels, classes, kind):
    table = table_of(list(range(6)) * 2, labels * 4)
    assert np.unique(table.y).tolist() == classes and len(table.y) == 8
    assert f"as the others are {kind}" in table.notes[0]
    assert table.rows_left_out == {"without a value of 'label'": 4}


def test_labels_of_further_rows_may_be_written_otherwise():
    table = table_of(list(range(6)) * 2, ["0", "1"] * 6)
    frame = pd.DataFrame({"column": 1, "other": 1, "label": ["1.0", "0", "NA", "2"]})
    assert more_rows(table, frame, "label").y.tolist() == [1, 0]
    names = table_of(list(range(6)) * 2, ["007", "008"] * 6)
    assert np.unique(names.y).tolist() == ["007", "008"]


def test_headers_are_read_without_spaces_and_after_a_line_on_separators(tmp_path):
    read, said = column_of(tmp_path, ["x , label ", "1 ,yes", "2, no ", "3,yes ", "4,no"])
    assert read == [1, 2, 3, 4]
    lines = ["sep=;", "x;label", *(f"{i % 7},5;{v}" for i, v in enumerate(LABELS))]
    read, said = column_of(tmp_path, lines)
    assert read == [i % 7 + 0.5 for i in range(100)]
    read, said = column_of(tmp_path, ["sep=:", *(line.replace(";", ":") for line in lines[1:])])
    assert read == [i % 7 + 0.5 for i in range(100)] and "separated by :" in said
    read, said = column_of(tmp_path, ["x,x ,,label", "1,2,3,a", "2,3,4,b", "4,5,5,a", "4,5,6,b"])
    assert "share a name were numbered: x." in said


@pytest.mark.parametrize(
    ("texts", "days", "said"),
    [
        (["1970-01-02", "1970-01-31", "1969-12-31"], [1, 30, -1], "year first"),
        (["1970-01-02 12:00", "1970-01-03T06:00:00", "1970-01-04"], [1.5, 2.25, 3], "year first"),
        (["1970-01-02T12:00:00Z", "1970-01-03T02:00+02:00", "1970-01-04"], [1.5, 2, 3], "year"),
        (["1970/01/02", "1970/1/31", "1969/12/31"], [1, 30, -1], "year first"),
        (["19700102", "19700131", "19691231"], [1, 30, -1], "eight digits"),
        (["1/2/1970", "1/31/1970", "12/31/1969"], [1, 30, -1], "month first"),
        (["1/2/1970 1:30 PM", "1/31/1970", "12/31/1969"], [1.5625, 30, -1], "month first"),
        (["2/1/1970", "31/1/1970", "31/12/1969"], [1, 30, -1], "day first, '31/12/1969' is 1969"),
        (["02.01.1970", "03.01.1970", "04.01.1970"], [1, 2, 3], "nothing tells the day"),
        (["02.01.70", "03.01.70", "31.01.70"], [1, 2, 30], "'02.01.70' is 1970-01-02"),
        (["2 Jan 1970", "31-Jan-70", "31 December 1969"], [1, 30, -1], "name of the month"),
        (["Jan 2, 1970", "January 31 1970", "Dec 31, 1969"], [1, 30, -1], "name of the month"),
        (["0001-01-01", "9999-12-31", "1970-01-01"], [-719162, 2932896, 0], "is 0001-01-01"),
    ],
)
def test_dates(texts, days, said):
    table = table_of(texts * 4)
    np.testing.assert_allclose(table.X["column"], days * 4)
    assert len(table.notes) == 1 and said in table.notes[0]


def test_dates_that_differ_in_all_rows_are_no_names(tmp_path):
    days = pd.date_range("2020-01-01", periods=100)
    numbers = (days - pd.Timestamp(0)).days.tolist()
    for form in ("%Y-%m-%d", "%d.%m.%y", "%Y%m%d", "%b %d, %Y", "%m/%d/%Y"):
        read, said = column_of(tmp_path, lines_of("day;label", days.strftime(form)))
        assert read == numbers and "Dates, counted in days: day (100 values" in said


def test_dates_in_another_order_are_missing(tmp_path):
    dates = ["13/02/2020"] * 97 + ["02/13/2020", "2/30/2020", "30/2/2020"]
    read, said = column_of(tmp_path, lines_of("day;label", dates))
    assert np.isnan(read).tolist() == [False] * 97 + [True] * 3
    assert "no dates, taken as missing: day (3 values: '02/13/2020', '2/30/2020'" in said
    commas = [f"{i % 8},5" for i in range(100)]
    read, said = column_of(tmp_path, lines_of("day;x;label", ["02/03/1970"] * 99 + [""], commas))
    assert read[0] == 60 and "nothing tells the day from the month" in said


def test_the_order_of_dates_may_be_told_by_another_column(tmp_path):
    born, seen = ["02/03/1970"] * 99 + [""], ["13/04/2020", "01/05/2020"] * 50
    read, said = column_of(tmp_path, lines_of("born;seen;label", born, seen))
    assert read[0] == 60 and "nothing tells" not in said
    seen = ["4/13/2020", "1/5/2020"] * 50
    read, said = column_of(tmp_path, lines_of("born;seen;label", born, seen))
    assert read[0] == 33 and "nothing tells" not in said
    both = ["13/04/2020", "14/04/2020"] * 50
    read, said = column_of(tmp_path, lines_of("born;seen;both;label", born, seen, both))
    assert "born (99 values, month first, '02/03/1970' is 1970-02-03; nothing tells" in said


def test_truth_and_missing_values():
    table = table_of([True, False, None, True] * 3)
    np.testing.assert_array_equal(table.X["column"], [1, 0, np.nan, 1] * 3)
    frame = pd.DataFrame({"column": ["TRUE", 0], "other": 1, "label": 1})
    rows = more_rows(table, frame, "label")
    np.testing.assert_array_equal(rows.X["column"], [1, 0])
    assert rows.y.tolist() == [1, 1]


def test_values_that_are_not_text_nor_number():
    lists = table_of([[1], [2], [1]] * 4)
    assert lists.X["column"].tolist()[:2] == ["[1]", "[2]"]
    assert set(table_of(pd.Categorical(["a", "b", "c"] * 4)).X["column"]) == {"a", "b", "c"}
    whole = table_of(pd.array([1, None, 3] * 4, dtype="Int64"))
    np.testing.assert_array_equal(whole.X["column"], [1, np.nan, 3] * 4)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1.0, 2.0, None] * 4, [1, 2]),
        ([0.5, 1.5, 0.5] * 4, ["0.5", "1.5"]),
        ([1.0, np.inf, 1.0] * 4, ["1.0", "inf"]),
        (["a", "a ", "b"] * 4, ["a", "b"]),
        (["a", " ", "b"] * 4, ["a", "b"]),
        ([True, False, True] * 4, [False, True]),
        ([1, "a", 1] * 4, ["1", "a"]),
    ],
)
def test_labels(labels, classes):
    table = table_of(list(range(6)) * 2, pd.Series(labels))
    assert np.unique(table.y).tolist() == classes
    frame = pd.DataFrame({"column": range(12), "other": 1, "label": labels})
    rows = more_rows(table, frame, "label")
    np.testing.assert_array_equal(rows.y, table.y)
    assert rows.y.dtype == table.y.dtype and len(rows.X) == len(rows.y) == len(rows.cells)


def test_columns_of_further_rows_may_stand_in_another_order():
    table = table_of(["a", "b", "c"] * 4)
    frame = pd.DataFrame({"label": [0, 1], "other": [0, 1], "more": 1, "column": ["new", None]})
    X = more_rows(table, frame, "label").X
    assert X.columns.tolist() == table.X.columns.tolist()
    assert X["column"].tolist() == ["new", ""]
    assert features_of(table).fit(table.X).transform(X).shape[0] == 2


def test_groups():
    notes = []
    tens = groups_in_column(pd.Series([f"{i},5" for i in range(100)], name="g"), notes)
    assert len(set(tens)) == 10 and "tenths of 'g'" in notes.pop()
    places = groups_in_column(pd.Series(["NA", "EU", ""] * 9, name="g"), notes)
    assert set(places) == {"NA", "EU", None}
    groups = groups_in_column(pd.Series([1.0, None, 2.0], name="g"), notes)
    assert groups.tolist() == ["1", None, "2"] and notes == []
    tenths = groups_in_column(pd.Series(np.arange(100.0), name="g"), notes)
    assert len(set(tenths)) == 10 and "tenths of 'g'" in notes[0]
    many = groups_in_column(pd.Series([f"v{i % 60}" for i in range(130)], name="g"), notes)
    assert len(set(many) - {None}) == 50 and None in many
    with pytest.raises(TableError, match="no values to group by"):
        groups_in_column(pd.Series([None, None], name="g"), notes)
