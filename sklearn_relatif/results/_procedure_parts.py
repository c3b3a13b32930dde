"""What part of an effect comes from where, if all that a fit does is done again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils._boxes import box, folded, line, paragraph, table
from ..utils._frames import frame_of
from ..utils._text import text_of

#: Removals that a notebook shows.
MAX_REMOVALS = 20
#: Changes of a parameter that are written out.
MAX_MOVES = 4


@dataclass(frozen=True)
class ProcedureParts:
    """The parts of the effect of removals through everything that ``fit`` does.

    They add up to it.

    Attributes
    ----------
    model : ndarray of shape (n_queries, n_removals) or (n_removals,)
        From training the model again, all else held: what ``procedure="model"`` gives.
    preprocessing : ndarray of the same shape
        What is added by computing everything else again that ``fit`` computes from the rows:
        scalers, imputers and other steps, class weights, ``gamma``; at the parameters that were
        chosen for all rows.
    penalty : ndarray of the same shape
        What is added by choosing the parameters again: the strength of the penalty, and whatever
        else is searched for. Exactly 0 where the choice is the same.
    chosen : dict of str to object
        The parameters chosen for all rows. Empty if the fit has nothing to choose.
    chosen_without : list of dict, one a removal
        Those chosen without the rows.
    removed : ndarray of shape (n_removals,)
        The user's labels of the rows, or of the groups.
    of_groups : bool
        Whether they are labels of groups.
    """

    model: np.ndarray
    preprocessing: np.ndarray
    penalty: np.ndarray
    chosen: dict[str, Any]
    chosen_without: list[dict[str, Any]]
    removed: np.ndarray
    of_groups: bool = False

    @property
    def changed(self) -> np.ndarray:
        """Which removals change a chosen parameter, bool of shape (n_removals,)."""
        differs = [self._differences(found) != [] for found in self.chosen_without]
        return np.array(differs, bool)

    @property
    def n_removals(self) -> int:
        """Number of removals."""
        return len(self.removed)

    def frame(self, library: str | None = None) -> Any:
        """A row a removal, by its label: mean size of each part, and the parameters chosen.

        Parameters
        ----------
        library : str, default=None
            Of the data frame: "pandas", "polars", "pyarrow", ... None: pandas.

        Returns
        -------
        data frame
            With the columns ``model``, ``preprocessing``, ``penalty`` (the root mean square over
            the queries), ``changed``, and one by the name of each parameter.
        """
        columns: dict[str, Any] = {name: _size(part) for name, part in self._parts().items()}
        columns["changed"] = self.changed
        for name in self.chosen:
            columns[name] = [found.get(name) for found in self.chosen_without]
        removed = "group" if self.of_groups else "row"
        return frame_of(columns, library, "ProcedureParts.frame", self.removed, removed)

    def _parts(self) -> dict[str, np.ndarray]:
        return {
            "model": self.model,
            "preprocessing": self.preprocessing,
            "penalty": self.penalty,
        }

    def _differences(self, found: dict[str, Any]) -> list[str]:
        """The names of the parameters that are not those of all rows."""
        names = sorted({*self.chosen, *found})
        return [n for n in names if repr(self.chosen.get(n)) != repr(found.get(n))]

    def __str__(self) -> str:
        shares = ", ".join(
            f"{share:.0%} {name}" for name, share in zip(self._parts(), self._shares(), strict=True)
        )
        return f"{self._choice()} Of the size of the effects: {shares}."

    def _shares(self) -> np.ndarray:
        """The summed absolute parts, over the sum of all."""
        sizes = np.array([np.abs(part).sum() for part in self._parts().values()])
        return sizes / sizes.sum() if sizes.any() else sizes

    def _choice(self) -> str:
        """A sentence on what was chosen, and how often otherwise."""
        if not self.chosen:
            return "The fit has no parameters to choose."
        moves = Counter(
            (name, _text(self.chosen.get(name)), _text(found.get(name)))
            for found in self.chosen_without
            for name in self._differences(found)
        )
        names = sorted({name for name, *_ in moves})
        if not moves:
            held = ", ".join(f"{_short(n)}={_text(v)}" for n, v in self.chosen.items())
            return f"None of {self.n_removals} removals changed what is chosen ({held})."
        details = [
            f"{_short(name)} from {old} to {new}: {count}"
            for (name, old, new), count in moves.most_common(MAX_MOVES)
        ]
        details += ["..."] if len(moves) > MAX_MOVES else []
        return (
            f"{int(self.changed.sum())} of {self.n_removals} removals changed "
            f"{' and '.join(map(_short, names))} ({', '.join(details)})."
        )

    def _repr_html_(self) -> str:
        """A box for notebooks: the sentences, and a line for each of the first removals."""
        sizes = [_size(part) for part in self._parts().values()]
        lines = []
        for place in range(min(self.n_removals, MAX_REMOVALS)):
            found = self.chosen_without[place]
            choice = [_text(found.get(name)) for name in self.chosen]
            numbers = [f"{size[place]:.3g}" for size in sizes]
            lines.append(line([text_of(self.removed[place]), *numbers, *choice], words=[0]))
        headings = ["removed", *self._parts(), *map(_short, self.chosen)]
        n_more = self.n_removals - len(lines)
        rest = paragraph(f"... and {n_more} more") if n_more > 0 else ""
        rest += paragraph("Parts are root mean squares over the queries.", "soft")
        removals = folded("The removals", table(headings, lines, [0]) + rest)
        content = paragraph(str(self)) + removals
        return box("ProcedureParts", f"{self.n_removals} removals", content)


def _size(part: np.ndarray) -> np.ndarray:
    """Root mean square over the queries, shape (n_removals,)."""
    size: np.ndarray = np.sqrt(np.mean(np.atleast_2d(part) ** 2, axis=0))
    return size


def _text(value: Any) -> str:
    """A parameter, of a number as many digits as tell it from others of a grid."""
    return f"{value:.4g}" if isinstance(value, float) else text_of(value)


def _short(name: str) -> str:
    """A parameter without its path in a pipeline."""
    return name.rpartition("__")[2]
