"""Rows that are pictures: flat rows of pixels, and rows that have a height and a width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: How many colours a picture has: one, or red, green and blue.
COLOURS = 1, 3
SHAPES = "(height, width), or for colours (height, width, 3) or as of PyTorch (3, height, width)"


def is_picture(shape: Sequence[int]) -> bool:
    """Whether a row of such a shape can be drawn.

    Parameters
    ----------
    shape : sequence of int

    Examples
    --------
    >>> from sklearn_relatif.utils._pictures import is_picture
    >>> is_picture((8, 8)), is_picture((3, 32, 32)), is_picture((64,)), is_picture((2, 8, 8))
    (True, True, False, False)
    """
    has_colours = len(shape) == 3 and (shape[-1] in COLOURS or shape[0] in COLOURS)
    return min(shape, default=0) > 0 and (len(shape) == 2 or has_colours)


def as_pictures(rows: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Rows as pictures of shape (n_rows, height, width), or (n_rows, height, width, 3).

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ...)
    shape : sequence of int
        What :func:`is_picture` of; colours first are put last.
    """
    pictures = np.asarray(rows).reshape(len(rows), *shape)
    if pictures.ndim == 4 and pictures.shape[-1] not in COLOURS:
        pictures = np.moveaxis(pictures, 1, -1)
    return pictures[..., 0] if pictures.shape[3:] == (1,) else pictures
