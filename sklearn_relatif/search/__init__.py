"""The search for the training rows that score best, without holding all scores."""

from ._passes import SIGNS, best_rows, contract, products, score_matrices
from ._screening import screened_best
from ._selection import BestRows, merge_signs

__all__ = [
    "SIGNS",
    "BestRows",
    "best_rows",
    "contract",
    "merge_signs",
    "products",
    "score_matrices",
    "screened_best",
]
