"""Numbers and names as they stand in sentences."""

from __future__ import annotations

import numpy as np

from ...utils._text import clip, text_of


def name_of(label):
    """A label as it appears in a sentence."""
    return f"'{clip(text_of(label), 40)}'"


def amount(value) -> str:
    """A number of a sentence: three digits, or all before the decimal point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"


def ordinal(place):
    """What stands before "largest": nothing, "2nd ", "3rd " and so on."""
    if place == 1:
        return ""
    ending = (
        "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    )
    return f"{place:,}{ending} "


def percent(share):
    """A share, in tables and in sentences: one digit, and never 0% or 100% of what is not."""
    if np.isnan(share):
        return "an unknown share"
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"
