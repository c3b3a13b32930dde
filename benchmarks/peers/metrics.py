"""The metrics that effects of removals are compared on, and the groups of their rows."""

SMOOTH = (
    "mean_prediction",
    "log_loss",
    "soft_demographic_parity",
    "soft_equal_opportunity",
    "soft_predictive_equality",
    "cohens_d",
)
COUNTS = ("worst_group", "roc_auc")
#: By what is compared. Those of "first" have a gradient that both packages follow.
METRICS = {
    "first": SMOOTH,
    "counts": COUNTS,
    "retrain": ("roc_auc",),
    "retrain all": SMOOTH + COUNTS,
}
OF_GROUPS = ("soft_", "cohens_d", "worst_group")


def groups_of(X):
    """Return the group of each row, by the sign of its first feature."""
    return (X[:, 0] > 0).astype(int)
