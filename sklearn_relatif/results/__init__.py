"""What the package answers with: data, and how it shows itself."""

from ._captions import NEUTRAL_COLOR, OPPOSING_COLOR, SUPPORTING_COLOR
from ._display import InfluenceDisplay
from ._explanation import MAX_QUERIES_HTML, MAX_QUERIES_TEXT, MAX_ROWS, Explanation
from ._flip_set import FlipSet
from ._fragile_set import FragileSet, NormalErrors
from ._procedure_parts import ProcedureParts
from ._removal_statistics import RemovalStatistics, ratio_or_zero
from ._removed_rows import RemovedRows
from ._resampler import NoResamples, Resampler
from ._solver_choice import SolverChoice
from ._training_rows import TrainingRows

__all__ = [
    "MAX_QUERIES_HTML",
    "MAX_QUERIES_TEXT",
    "MAX_ROWS",
    "NEUTRAL_COLOR",
    "OPPOSING_COLOR",
    "SUPPORTING_COLOR",
    "Explanation",
    "FlipSet",
    "FragileSet",
    "InfluenceDisplay",
    "NoResamples",
    "NormalErrors",
    "ProcedureParts",
    "RemovalStatistics",
    "RemovedRows",
    "Resampler",
    "SolverChoice",
    "TrainingRows",
    "ratio_or_zero",
]
