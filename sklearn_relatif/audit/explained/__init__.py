"""Predictions beside the rows that explain them, and what each column adds to them."""

from ._beside import NAMED_AGAIN, PROBABILITY, Ranges, as_content, sides
from ._contributions import column_shares
from ._prediction import ExplainedPrediction, contributions_of_rows, explained_predictions

__all__ = [
    "NAMED_AGAIN",
    "PROBABILITY",
    "ExplainedPrediction",
    "Ranges",
    "as_content",
    "column_shares",
    "contributions_of_rows",
    "explained_predictions",
    "sides",
]
