"""The questions to an explainer on which rows a conclusion rests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fragility import find_flip_set, find_fragile_set, find_relabel_set
from ..procedure import Procedure
from ..results import FlipSet, FragileSet
from ..utils._validation import check_choice
from ._studied import study_of

#: What finds the rows whose prediction flips, by what is done to them.
EDITS = {"remove": find_flip_set, "relabel": find_relabel_set}


class FragilityMixin:
    """Sets of rows that hold a conclusion, for :class:`RelatIFExplainer`."""

    if TYPE_CHECKING:  # Of the explainer.
        _procedure: Procedure | None

    def fragility(
        self, statistic: Any, *, threshold: float = 0.0, max_rows: int | None = None
    ) -> FragileSet:
        """Find training rows without which a number would be on the other side of a threshold.

        The effects of all rows are added up, the largest first, until they reach the threshold (to
        first order: Broderick, Giordano & Meager 2020). The model is trained without these rows,
        and the sum is taken again there, of which some come back and others go, until the set stays
        the same: so rows are found that hide one another. Where models cost little, the search
        starts from several sets, exchanges rows, and puts back every row of which there is no
        need. The numbers of the answer are those of models at their optimum, trained to the level
        of rounding; weights, penalty and preprocessing are held. The set is the smallest that was
        found. ``lower_bound`` of the answer says how many rows it takes at least, and where that is
        its size, no smaller set exists: least squares are searched through by a closed form with a
        bound, others by retraining without all sets of one, two, ... rows while these are few.

        Parameters
        ----------
        statistic : str, callable or object of :mod:`sklearn_relatif.statistics`
            ``"coef:NAME"``: a coefficient, by the name of its column after preprocessing, or by
            ``x0``, ``x1``, ...; ``"coef:intercept"``. Of models with several classes or targets,
            ``"coef:NAME:CLASS"``. ``"tstat:NAME"``: its t-statistic, with the classical standard
            error or, by ``"tstat:NAME:HC1"``, a sandwich one. ``"coef:A - coef:B"``: a difference.
            A function of the parameters. Metrics of test rows, gaps between groups of people and
            the comparison of two models are objects:
            :class:`~sklearn_relatif.statistics.MetricOn`,
            :class:`~sklearn_relatif.statistics.GroupGap`, :class:`~sklearn_relatif.Comparison`.
        threshold : float, default=0.0
        max_rows : int, default=None
            Largest set to look for. None: half of the rows.

        Returns
        -------
        FragileSet
            ``rows`` by their index labels, ``positions``, ``size``, ``share`` of the data, and the
            number before and after. Without any rows if none were found; printed, it says which.

        Raises
        ------
        TypeError
            If the model is not one linear model with a smooth loss, or has no such number.
        ValueError
            If there is no such number, or it is at the threshold but for rounding; or if the model
            has no optimum, as without a penalty where a direction tells classes apart.

        See Also
        --------
        flip_set : The same of the label that one row is given.

        References
        ----------
        .. [1] T. Broderick, R. Giordano, R. Meager (2020), "An Automatic Finite-Sample Robustness
           Metric: When Can Dropping a Little Data Make a Big Difference?", arXiv:2011.14999.
        .. [2] D. Peña, V. J. Yohai (1995), "The Detection of Influential Subsets in Linear
           Regression by Using an Influence Matrix", JRSS B 57(1).

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
        >>> print(explainer.fragility("coef:age"))
        Without 1 training row (102; 0.23 % of 442) coef:age rises from -10.0099 to 7.6718, past 0.
        """
        table = None if self._procedure is None else self._procedure.X
        return find_fragile_set(study_of(self), statistic, threshold, max_rows, table)

    def flip_set(self, X: Any, *, max_size: int = 50, edit: str = "remove") -> FlipSet:
        """Find training rows without which the model would predict another label for a row.

        Or, with ``edit="relabel"``, those that would have to bear another label.

        Rows are looked for as those of :meth:`fragility`, with the lead of the label over another
        one as the number. Machines with a hinge loss, and labels that a threshold gives, lose rows
        one by one, by the model without all rows chosen so far (machines: by removal along the path
        of their solution, exact up to 1,000 training rows, one step on the active set above; a
        NuSVC is fitted again). That the set flips the label is verified by :meth:`retrain_without`,
        and rows of which it has no need are put back.
        The set is as small as was found: no row of it can stay, but a smaller set of other rows
        may exist.

        With ``edit="relabel"`` the rows stay, and get the label of a rival of the predicted one. As
        many as should lead half of the way are taken by the effect of the other label, to first
        order, then again from the model that is trained to its optimum with these labels, until the
        prediction flips; then rows that need not change get their own labels back. A row with
        another label counts what its new class does: class weights, also those that balance the
        classes, are held.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (1, n_features)
            The row whose prediction is to flip.
        max_size : int, default=50
            Largest set to look for.
        edit : {"remove", "relabel"}, default="remove"
            Whether rows are removed, or bear another label.

        Returns
        -------
        FlipSet
            ``rows`` by their index labels, ``positions``, ``size``, ``label``, ``new_label`` and
            the probability of the label before and after, predicted and verified; with
            ``edit="relabel"``, ``labels_before`` and ``labels_after`` of the rows. Without any rows
            if none were found; printed, it says which.

        Raises
        ------
        TypeError
            If the model is no classifier, or a network; for ``edit="relabel"`` also if it is a
            machine with a hinge loss, a closed form such as naive Bayes, or made of several models.
        ValueError
            If there is not exactly one row, or the model is a NuSVC, or has no optimum.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> print(explainer.flip_set(X[[77]]))
        Without 2 training rows (133, 126) the model predicts 1 in place of 2, whose probability
        falls from 0.518 to 0.489.
        >>> print(explainer.flip_set(X[[77]], edit="relabel"))
        With other labels of 1 training row (131: 2 to 1) the model predicts 1 in place of 2, whose
        probability falls from 0.518 to 0.428.
        """
        check_choice("edit", edit, tuple(EDITS))
        return EDITS[edit](study_of(self), X, max_size)
