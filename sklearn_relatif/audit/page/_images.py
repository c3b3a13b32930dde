"""Rows of pixels as small pictures, which stand in the page itself."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from ...utils._pictures import SHAPES, as_pictures, is_picture


class Pictures:
    """Pictures of training rows and of test rows, on one scale of brightness.

    Parameters
    ----------
    shape : tuple of int
        Height, width and, of colours, 3, before them or after. Their product is the number of
        cells of a row.
    cells, test_cells : Cells or None
        What is not given has no pictures.
    explained : sequence of ExplainedPrediction
        Those whose rows are shown.

    Raises
    ------
    ValueError
        If the rows have not as many cells as such an image has values, or hold no numbers.
    """

    def __init__(self, shape, cells, test_cells, explained):
        self.shape = _checked(shape)
        self.cells, self.test_cells = cells, test_cells
        shown = [values for one in explained for values in self._shown(one) if values is not None]
        finite = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for values in shown)])
        self.low = float(finite.min()) if len(finite) else 0.0
        self.high = float(finite.max()) if len(finite) else 1.0

    def _shown(self, one):
        """The numbers of the row of a prediction, and of those that explain it."""
        yield self._values(self.test_cells if one.is_test else self.cells, one.position)
        for some in (one.supporting, one.opposing):
            for position in some.columns()["position"]:
                yield self._values(self.cells, position)

    def of_query(self, one):
        """The address of the picture of the row of a prediction, or None."""
        return self.of_test_row(one.position) if one.is_test else self.of_row(one.position)

    def of_row(self, position):
        """The address of the picture of a training row, or None."""
        return self._picture(self.cells, position)

    def of_test_row(self, position):
        """The address of the picture of a test row, or None."""
        return self._picture(self.test_cells, position)

    def _picture(self, cells, position):
        values = self._values(cells, position)
        if values is None:
            return None
        spread = (self.high - self.low) or 1.0
        shades = np.clip(np.round(np.nan_to_num((values - self.low) / spread * 255)), 0, 255)
        return _address(as_pictures(shades.astype(np.uint8)[None], self.shape)[0])

    def _values(self, cells, position):
        """The numbers of a row, 0 where a sparse one has none."""
        if cells is None:
            return None
        size, is_sparse = int(np.prod(self.shape)), cells.names is None
        n_columns = cells.table.shape[1] if is_sparse else len(cells.names)
        if n_columns != size:
            raise ValueError(
                f"image_shape={self.shape} has {size} values; a row has {n_columns} columns."
            )
        if cells.row_shape is not None:
            return np.asarray(cells.flat[position], np.float64)
        if is_sparse:
            values = np.zeros(size)
            for place, value in cells.row(position):
                values[int(place)] = float(value)
            return values
        try:
            return np.array([cells.value(position, name) for name in cells.names], np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError("image_shape is for rows of numbers; these hold others.") from error


def pictures_of(report, cells, test_cells, shape=None):
    """The pictures that the rows of a report are, or None if they are none.

    Parameters
    ----------
    report : AuditReport
    cells, test_cells : Cells or None
    shape : tuple of int, default=None
        None: that of rows that are arrays, if they can be drawn.
    """
    shape = shape or _own_shape(cells) or _own_shape(test_cells)
    return None if shape is None else Pictures(shape, cells, test_cells, report.explained)


def _own_shape(cells):
    shape = None if cells is None else cells.row_shape
    return shape if shape is not None and is_picture(shape) else None


def _checked(shape):
    is_shape = isinstance(shape, tuple | list) and len(shape) in (2, 3)
    is_shape = is_shape and all(isinstance(n, int | np.integer) for n in shape)
    if not is_shape or not is_picture(shape):
        raise ValueError(f"image_shape must be {SHAPES}; got {shape!r}.")
    return tuple(map(int, shape))


def _address(pixels):
    """A picture as a PNG in an address, from bytes of shape (height, width) or with 3 colours."""
    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    lines = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)])
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
