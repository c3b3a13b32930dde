"""Where the rows of an audit come from, which its page says first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .._version import __version__


@dataclass(frozen=True)
class DataSource:
    """Where the rows of an audit come from, and what was made of them.

    Attributes
    ----------
    name : str or None
        The file, or what else the data are called.
    target : str or None
        The column that is predicted.
    n_rows_read, n_columns_read : int or None
        Before anything was left out.
    rows_left_out : dict of str to int
        How many rows were left out, by why.
    columns_left_out : dict of str to str
        Why each column that is not predicted from was left out.
    row_names : str
        What the names of rows are: ``"index labels"``, ``"values of customer_id"``, ...
    command : str or None
        What makes the report again.
    notes : tuple of str
        What else was assumed in reading them.
    date : datetime
    version : str
        Of this package.
    """

    name: str | None = None
    target: str | None = None
    n_rows_read: int | None = None
    n_columns_read: int | None = None
    rows_left_out: dict[str, int] = field(default_factory=dict)
    columns_left_out: dict[str, str] = field(default_factory=dict)
    row_names: str = "index labels"
    command: str | None = None
    notes: tuple[str, ...] = ()
    date: datetime = field(default_factory=lambda: datetime.now().astimezone())
    version: str = __version__
