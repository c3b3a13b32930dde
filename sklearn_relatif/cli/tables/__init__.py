"""Tables as people keep them: read from files of many forms, and made into features and targets."""

from ._columns import as_quantity, count_of
from ._files import STANDARD_INPUT, read_frame
from ._readings import AsDate, texts_of
from ._refusals import TableError, import_pandas
from ._table import (
    Table,
    describe_features,
    features_of,
    groups_in_column,
    make_table,
    more_rows,
    require_columns,
)

__all__ = [
    "STANDARD_INPUT",
    "AsDate",
    "Table",
    "TableError",
    "as_quantity",
    "count_of",
    "describe_features",
    "features_of",
    "groups_in_column",
    "import_pandas",
    "make_table",
    "more_rows",
    "read_frame",
    "require_columns",
    "texts_of",
]
