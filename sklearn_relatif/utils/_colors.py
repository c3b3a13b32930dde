"""The colours of all that is shown: pages, boxes of notebooks, and pictures."""

from __future__ import annotations

#: Blue and a vermilion of Okabe and Ito's, darkened until it can be read on white: told apart with
#: every form of colour vision.
SUPPORTING, OPPOSING, NEUTRAL = "#0072B2", "#C44E00", "#808080"
#: The same against black.
SUPPORTING_ON_DARK, OPPOSING_ON_DARK = "#56B4E9", "#FF9A4D"
