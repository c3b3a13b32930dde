"""The search for the training rows that score best, without holding all scores."""

from ._passes import SIGNS, best_rows, contract, products, score_matrices
from ._screening import screened_best
from ._selection import BestRows, merge_signs
from ._target_weights import out_of_bag_target_weights, target_weights

__all__ = [
    "SIGNS",
    "BestRows",
    "best_rows",
    "contract",
    "merge_signs",
    "out_of_bag_target_weights",
    "products",
    "score_matrices",
    "screened_best",
    "target_weights",
]
