"""Queries that are pictures, and the training pictures that explain them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..metrics import at_explainer
from ..results import Explanation, TrainingRows
from ..utils._pictures import SHAPES, as_pictures, is_picture
from ..utils._style import name_of, new_axes, note_size, palette_of, plain
from ..utils._text import clip, short_text, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

_HEADINGS = {
    "influence": "IF",
    "theta_relative": "θ-RelatIF",
    "loss_relative": "ℓ-RelatIF",
    "nearest_neighbors": "nearest neighbours",
}

#: Width of a picture in inches, and what lies between two and between two strips, in pictures.
PICTURE_INCHES, GAP, STRIP_GAP = 0.62, 0.08, 0.45
#: Height of the caption over a picture, in pictures.
CAPTION = 0.3
#: Characters of a caption: what fits the width of a picture.
CAPTION_LENGTH = 11
#: Size of captions: in points; at most as a share of the width of a picture; and the width that a
#: caption of one size and character has.
CAPTION_POINTS, CAPTION_SHARE, CHARACTER = 8.0, 0.26, 0.57


class GalleryDisplay:
    """Queries and the training rows that explain them, as pictures.

    A line for each query: the query, and a strip of its best rows by each explanation. Over each
    picture stands its label; "4→9" is a 4 that the model takes for a 9. Create it with
    :meth:`from_explanations` or :meth:`from_estimator`, which also draw it.

    Parameters
    ----------
    explanations : dict of str to Explanation
        Of the same queries, under the headings of the strips.
    training_pictures : ndarray of shape (n_rows, height, width) or (n_rows, height, width, 3)
    query_pictures : ndarray of shape (n_queries, height, width) or (n_queries, height, width, 3)
        A picture for each entry of the explanations.
    labels : array-like of shape (n_queries,), optional
        The queries' own labels, where they are known.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    pictures_ : list of matplotlib.image.AxesImage
        Line by line.
    captions_ : list of matplotlib.text.Text
        Of the pictures.

    Raises
    ------
    ValueError
        If there is no explanation, or not one picture for each entry.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.plotting import GalleryDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> explainer = RelatIFExplainer(model).fit(X[:500] / 16, y[:500])
    >>> display = GalleryDisplay.from_estimator(explainer, X[500:503] / 16, X_train=X[:500] / 16)
    >>> len(display.pictures_)
    18
    """

    def __init__(
        self,
        explanations: Mapping[str, Explanation],
        training_pictures: NDArray[Any],
        query_pictures: NDArray[Any],
        labels: ArrayLike | None = None,
    ) -> None:
        self.explanations = dict(explanations)
        self.training_pictures = np.asarray(training_pictures)
        self.query_pictures = np.asarray(query_pictures)
        self.labels = None if labels is None else np.asarray(labels)
        if not self.explanations:
            raise ValueError("explanations must hold at least one Explanation; it is empty.")
        n_queries = len(self.query_pictures)
        for heading, one in self.explanations.items():
            if len(one) != n_queries:
                raise ValueError(
                    f"explanation {heading!r} has {len(one)} entries, and there are {n_queries} "
                    "pictures of queries."
                )

    def plot(self, ax: Axes | None = None, *, cmap: str = "gray_r") -> GalleryDisplay:
        """Draw the pictures.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure, large enough for all pictures.
        cmap : str, default="gray_r"
            Colours of pictures without colours: "gray_r" for ink on paper, "gray" for
            photographs.

        Returns
        -------
        display : GalleryDisplay
            Itself, with `ax_`, `figure_`, `pictures_` and `captions_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        lefts, width = self._strips()
        height_one = self.query_pictures.shape[1] / self.query_pictures.shape[2]
        step = height_one + CAPTION + GAP
        n_queries = len(self.query_pictures)
        if ax is None:
            inches = PICTURE_INCHES * np.array([width, step * n_queries]) + (1.0, 0.5)
            ax = new_axes(*inches)
        self.ax_, self.figure_ = ax, ax.figure
        ax.set(xlim=(0, width), ylim=(step * n_queries, 0), aspect="equal")
        low, high = self._range()
        style: dict[str, Any] = {"cmap": cmap, "vmin": low, "vmax": high}
        marked = palette_of(ax).opposes
        self.pictures_: list[AxesImage] = []
        self.captions_: list[Text] = []

        def draw(picture: np.ndarray, caption: tuple[str, bool], left: float, top: float) -> None:
            text, is_marked = caption
            extent = (left, left + 1, top + height_one, top)
            if picture.ndim == 3:
                picture = _colours(picture, low, high)
            self.pictures_.append(ax.imshow(picture, extent=extent, **style))
            written = ax.text(left + 0.5, top - GAP / 2, plain(text), ha="center", va="bottom")
            if is_marked:
                written.set_color(marked)
            self.captions_.append(written)

        for query, picture in enumerate(self.query_pictures):
            top = step * query + CAPTION
            draw(picture, self._query_caption(query), 0, top)
            for left, one in zip(lefts, self.explanations.values(), strict=True):
                rows = one.indices[query]
                for place, row in enumerate(rows[rows >= 0]):
                    caption = _row_caption(one.training_rows, row)
                    draw(self.training_pictures[row], caption, left + place * (1 + GAP), top)
        points = self._caption_size(width, step * n_queries)
        for text in self.captions_:
            text.set_fontsize(points)
        self._name_lines_and_strips(lefts, step, height_one)
        return self

    def _strips(self) -> tuple[list[float], float]:
        """Left ends of the strips, and the width of all."""
        lefts: list[float] = []
        left = 1 + STRIP_GAP
        for one in self.explanations.values():
            lefts.append(left)
            left += one.indices.shape[1] * (1 + GAP) - GAP + STRIP_GAP
        return lefts, left - STRIP_GAP

    def _range(self) -> tuple[float, float]:
        """One scale of brightness for all pictures."""
        both = (self.query_pictures, self.training_pictures)
        return min(some.min() for some in both), max(some.max() for some in both)

    def _caption_size(self, width: float, height: float) -> float:
        """Font size at which captions stay over their pictures, in given axes too."""
        extent = self.ax_.get_window_extent()
        pixels = min(extent.width / width, extent.height / height)
        longest = max(len(caption.get_text()) for caption in self.captions_)
        share = min(CAPTION_SHARE, 1 / (CHARACTER * max(1, longest)))
        return float(min(CAPTION_POINTS, share * pixels * 72 / self.figure_.dpi))

    def _query_caption(self, query: int) -> tuple[str, bool]:
        one = next(iter(self.explanations.values()))
        target = None if one.targets is None else one.targets[query]
        label = target if self.labels is None else self.labels[query]
        return _caption(label, label if target is None else target)

    def _name_lines_and_strips(self, lefts: list[float], step: float, height_one: float) -> None:
        """The queries' names at the left, the headings of the strips at the top."""
        ax, n_queries = self.ax_, len(self.query_pictures)
        names = next(iter(self.explanations.values())).query_index
        middles = step * np.arange(n_queries) + CAPTION + height_one / 2
        ax.set_yticks(middles, [name_of(name, 15) for name in names])
        strips = zip(lefts, self.explanations.values(), strict=True)
        centers = [left + (one.indices.shape[1] * (1 + GAP) - GAP) / 2 for left, one in strips]
        ax.set_xticks([0.5, *centers], ["query", *map(plain, self.explanations)])
        ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
        ax.tick_params(labelsize=note_size(ax))
        for spine in ax.spines.values():
            spine.set_visible(False)

    @classmethod
    def from_explanations(
        cls,
        explanations: Explanation | Mapping[str, Explanation],
        X_train: Any,
        X: Any,
        *,
        labels: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        cmap: str = "gray_r",
    ) -> GalleryDisplay:
        """Draw explanations of queries whose features are the pixels of pictures.

        Parameters
        ----------
        explanations : Explanation or dict of str to Explanation
            All of the same queries. The keys of a dict become the headings, those that are
            criteria by the names of their methods.
        X_train : {array-like, data frame} of shape (n_rows, n_pixels) or (n_rows, ...)
            The training rows as pixels.
        X : {array-like, data frame} of shape (n_queries, n_pixels) or (n_queries, ...)
            The queries as pixels, one for each entry of the explanations.
        labels : array-like of shape (n_queries,), optional
            The queries' own labels: those that the model predicts otherwise stand out.
        image_shape : tuple of int, optional
            (height, width), or for colours (height, width, 3) or (3, height, width). None: that of
            the rows, or of flat ones, square.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        cmap : str, default="gray_r"
            See :meth:`plot`.

        Returns
        -------
        display : GalleryDisplay

        Raises
        ------
        ValueError
            If the shapes do not agree.
        ImportError
            If matplotlib is not installed.
        """
        if isinstance(explanations, Explanation):
            explanations = {explanations.criterion: explanations}
        named = {_HEADINGS.get(name, name): one for name, one in explanations.items()}
        training, queries = (_pictures(some, image_shape) for some in (X_train, X))
        return cls(named, training, queries, labels).plot(ax, cmap=cmap)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        X_train: Any,
        criterion: str | Sequence[str] | None = None,
        n_examples: int = 5,
        labels: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        cmap: str = "gray_r",
    ) -> GalleryDisplay:
        """Explain queries whose features are the pixels of pictures, and draw them.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        X : {array-like, data frame} of shape (n_queries, n_pixels) or (n_queries, ...)
            The queries.
        y : array-like of shape (n_queries,), optional
            The labels to explain. None: the predicted ones.
        X_train : {array-like, data frame} of shape (n_rows, n_pixels) or (n_rows, ...)
            The training rows: an explainer does not keep their pixels.
        criterion : str or sequence of str, optional
            See :meth:`RelatIFExplainer.explain`; a strip for each.
        n_examples : int, default=5
            Length of a strip.
        labels : array-like of shape (n_queries,), optional
            The queries' own labels: those that the model predicts otherwise stand out.
        image_shape : tuple of int, optional
            (height, width), or for colours (height, width, 3) or (3, height, width). None: that of
            the rows, or of flat ones, square.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        cmap : str, default="gray_r"
            See :meth:`plot`.

        Returns
        -------
        display : GalleryDisplay

        Raises
        ------
        ValueError
            If the shapes do not agree.
        ImportError
            If matplotlib is not installed.
        """
        explainer, features = at_explainer(estimator, X)
        explanations = explainer.explain(features, y, n_examples=n_examples, criterion=criterion)
        return cls.from_explanations(
            explanations, X_train, X, labels=labels, image_shape=image_shape, ax=ax, cmap=cmap
        )


def _caption(label: Any, prediction: Any) -> tuple[str, bool]:
    """What stands over a picture, and whether the model takes it for something else."""
    if label is None:
        return "", False
    name, is_marked = text_of(label), prediction is not None and bool(np.any(label != prediction))
    both = f"{name}→{short_text(prediction)}"
    # Of two long names the label stays, whose colour says that the model takes it for another.
    is_short = is_marked and len(both) <= CAPTION_LENGTH
    return both if is_short else clip(name, CAPTION_LENGTH), is_marked


def _row_caption(training_rows: TrainingRows, row: int) -> tuple[str, bool]:
    label, prediction = (
        None if values is None else values[row]
        for values in (training_rows.labels, training_rows.predictions)
    )
    return _caption(label, prediction)


def _colours(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """A picture as matplotlib takes colours, by the range of all pictures."""
    if picture.dtype == np.uint8 or (low >= 0 and high <= 1):
        return picture
    return np.asarray((picture - low) / ((high - low) or 1.0), np.float64)


def _pictures(X: Any, image_shape: Sequence[int] | None) -> np.ndarray:
    """Rows of pixels as pictures."""
    X = np.asarray(X)
    n_pixels = math.prod(X.shape[1:])
    if image_shape is None:
        side = math.isqrt(n_pixels)
        image_shape = X.shape[1:] if X.ndim > 2 else (side, side)
    if not is_picture(image_shape) or math.prod(image_shape) != n_pixels:
        row = f"of {n_pixels} values" if X.ndim <= 2 else f"of shape {X.shape[1:]}"
        raise ValueError(
            f"A row {row} is no picture of shape {tuple(image_shape)}; set image_shape={SHAPES}."
        )
    return as_pictures(X, image_shape)
