"""Words and colours of explanations, in text and in pictures."""

from __future__ import annotations

from typing import Any

from ..utils._colors import NEUTRAL, OPPOSING, SUPPORTING
from ..utils._text import clip, short_text, text_of

SUPPORTING_COLOR, OPPOSING_COLOR, NEUTRAL_COLOR = SUPPORTING, OPPOSING, NEUTRAL
_COLORS = {"supports": SUPPORTING_COLOR, "opposes": OPPOSING_COLOR, "neither": NEUTRAL_COLOR}
NO_ROWS = "no training row of this sign"


def score_color(score: float, sign: str | None) -> str:
    """Colour of a row that supports, opposes, or does neither."""
    return _COLORS[score_meaning(score, sign)]


def score_meaning(score: float, sign: str | None) -> str:
    """What a row does: "supports", "opposes", or "neither"."""
    if sign is None or score == 0:
        return "neither"
    return "supports" if score > 0 else "opposes"


def score_text(score: float, sign: str | None, digits: int = 4) -> str:
    """A score, with its sign where that means something."""
    return format(score, f"{'' if sign is None else '+'}#.{digits}g").removesuffix(".")


def query_title(query: Any, separator: str = ", ") -> str:
    """Name and explained label of the query of an explanation of one query."""
    parts = [f"query {clip(text_of(query.query_index[0]), 25)}"]
    if query.targets is not None:
        parts.append(f"target {clip(short_text(query.targets[0]), 25)}")
    return separator.join(parts)
