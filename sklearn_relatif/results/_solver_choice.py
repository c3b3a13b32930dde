"""The solver that was chosen, and why."""

from __future__ import annotations

from typing import NamedTuple

from ..utils._boxes import box, paragraph

#: Of these and of those that other modules name, those without approximation.
EXACT = ("cholesky", "woodbury", "diagonal", "active_set", "triangle")


class SolverChoice(NamedTuple):
    """The solver that a curvature was prepared for, and why it was chosen.

    Attributes
    ----------
    name : str
        Of a model that is made of several, those of all of them, with commas.
    reason : str
    is_proved : bool
        Whether the residuals of a few solves were as small as they should be. False where rounding
        spoils an exact solver, which comes with a warning.
    """

    name: str
    reason: str
    is_proved: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether scores are those of the exact inverse, but for rounding."""
        return set(self.name.split(", ")) <= set(EXACT) and self.is_proved

    def _repr_html_(self) -> str:
        """A box for notebooks."""
        kind = "exact but for rounding" if self.is_exact else "an approximation, or not proved"
        return box("SolverChoice", f"{self.name}: {kind}", paragraph(f"Because: {self.reason}."))
