"""Tables in the forms of other programs: Excel's workbooks, Parquet, Feather."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path

import numpy as np

from ._csv_files import column_names
from ._refusals import TableError, import_pandas, some

SAVE_AS_CSV = "in Excel or LibreOffice, save it as CSV, and give that file"


def refuse_other_zips(path):
    """Raise a TableError if a zip archive is no workbook of Excel."""
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if any(name.startswith("xl/") for name in names):
        return
    if "content.xml" in names:
        raise TableError(f"it is an OpenDocument spreadsheet; {SAVE_AS_CSV}")
    raise TableError("it is a zip archive; unpack it first")


def read_workbook(path, called, notes):
    """The data frame in the sheet of a workbook that has the largest table.

    Its header is the first row with two names. Rows are named by their rows in the sheet.

    Parameters
    ----------
    path : str or path-like
    called : str
        What its user calls it.
    notes : list of str
        What was assumed is added to it.
    """
    pandas = import_pandas()
    with _needing("openpyxl", "an Excel workbook"):
        try:
            sheets = pandas.read_excel(
                path, sheet_name=None, header=None, dtype=object, engine="openpyxl", na_filter=False
            )
        except (KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"a part of the workbook is missing: {error}") from error
    tables = {sheet: _table_in(cells) for sheet, cells in sheets.items()}
    sheet = max(tables, key=lambda sheet: tables[sheet].size)
    if tables[sheet].empty:
        raise TableError("no sheet of the workbook holds a table")
    frame = tables[sheet].iloc[1:].set_axis(column_names(tables[sheet].iloc[0], notes), axis=1)
    if len(sheets) > 1:
        notes.append(f"Of the sheets of {called} ({some(sheets)}), {some([sheet])} was read.")
    return frame.rename_axis(f"rows of the sheet {sheet!r} in {Path(called).name}")


def _table_in(cells):
    """The table in the cells of a sheet, with its header, and with the numbers of its rows."""
    cells = cells.apply(lambda column: column.map(_as_text))
    filled = cells != ""
    headers = np.flatnonzero(filled.sum(axis=1) > 1)
    if not len(headers):
        return cells.iloc[:0]
    from_header = cells.index >= headers[0]
    used = filled[from_header].any()
    return cells.loc[from_header & filled.any(axis=1), used].rename(lambda row: row + 1)


def _as_text(value):
    """A cell of a sheet as it stands there, or nearly so."""
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    if isinstance(value, float):
        return "" if np.isnan(value) else str(int(value) if value.is_integer() else value)
    return str(value)


def read_arrow(path, called, form):
    """The data frame in a file of Apache Arrow.

    Rows are named by the index that pandas wrote, where it names each, and else by position.

    Parameters
    ----------
    path : str or path-like
    called : str
        What its user calls it.
    form : {"Parquet", "Feather"}
    """
    pandas = import_pandas()
    with _needing("pyarrow", form):
        frame = (pandas.read_parquet if form == "Parquet" else pandas.read_feather)(path)
    name = Path(called).name
    if isinstance(frame.index, pandas.RangeIndex) or not frame.index.is_unique:
        return frame.reset_index(drop=True).rename_axis(f"positions in {name}, counted from 0")
    if frame.index.nlevels > 1:
        frame.index = frame.index.to_flat_index()
    return frame.rename_axis(f"index labels of {name}")


@contextmanager
def _needing(package, form):
    """Say what to install where pandas lacks a package for a form of files."""
    try:
        yield
    except ImportError as error:
        raise TableError(
            f"reading {form} needs {package}; run: python -m pip install {package}"
        ) from error
