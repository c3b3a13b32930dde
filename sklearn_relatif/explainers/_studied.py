"""The study of an explainer, which is asked whatever the explainer is asked."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._study import Study


def study_of(explainer: Any) -> Study:
    """What an explainer knows of the model that it was fitted to.

    For those who ask of it more than its methods tell: an index, a report, a plot.

    Parameters
    ----------
    explainer : RelatIFExplainer
        Fitted.

    Returns
    -------
    Study
        As of the last ``fit``, with ``n_jobs`` and ``verbose`` as they are set now. What is found
        out by asking it, the explainer knows too.
    """
    try:
        study = explainer._study.under(explainer.n_jobs, explainer.verbose)
    except AttributeError:  # As of NotFittedError, which says what to do.
        check_is_fitted(explainer)
        raise
    explainer._study = study
    return study
