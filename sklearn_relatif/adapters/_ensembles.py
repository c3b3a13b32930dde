"""Votes and bags of models, and several targets by a model each."""

from __future__ import annotations

import numpy as np
import sklearn
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.utils import Bunch
from sklearn.utils.fixes import parse_version
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from ..losses import MeanPredictionLoss, MeanProbabilityLoss, TargetsLoss, VoteLoss
from ._base import Adapter
from ._composed import ComposedAdapter, Part
from ._registry import register
from ._targets import ClassTargets, ColumnTargets, RealTargets, Targets

#: Since this release, the weights of rows are how probably bags draw them, and nothing else.
DRAWS_BY_WEIGHT = parse_version(sklearn.__version__) >= parse_version("1.7")


class MultiOutputAdapter(ComposedAdapter):
    """MultiOutputClassifier and MultiOutputRegressor: a query asks for the sum of the losses."""

    has_several_targets = True

    def targets(self, model):
        targets: Targets = RealTargets(len(model.estimators_))
        if is_classifier(model):
            targets = ColumnTargets([ClassTargets(own.classes_) for own in model.estimators_])
        targets.are_columns = True
        return targets

    def parts(self, model, X, y, sample_weight):
        columns = y.reshape(len(y), -1).T
        for estimator, column in zip(model.estimators_, columns, strict=True):
            labels = estimator.classes_[column] if is_classifier(model) else column
            yield Part(estimator, labels, sample_weight)

    def loss(self, model, members):
        return TargetsLoss([member.objective.loss for member in members])


class VotingAdapter(ComposedAdapter):
    """VotingClassifier and VotingRegressor."""

    def templates(self, model):
        return [estimator for _, estimator in model.estimators if not _is_dropped(estimator)]

    def parts(self, model, X, y, sample_weight):
        for estimator in model.estimators_:
            yield Part(estimator, y, sample_weight)

    def weights(self, model):
        """What each of the models that take part counts."""
        if model.weights is None:
            return np.ones(len(model.estimators_))
        both = zip(model.weights, model.estimators, strict=True)
        kept = [weight for weight, (_, estimator) in both if not _is_dropped(estimator)]
        return np.array(kept, np.float64)

    def loss(self, model, members):
        weights = self.weights(model)
        if not is_classifier(model):
            return mean_prediction(model, members, weights)
        if model.voting == "hard":
            losses = [member.objective.loss for member in members]
            return VoteLoss(losses, weights, len(model.classes_))
        return mean_probability(model, members, weights)

    def with_estimators(self, model, estimators):
        changed = super().with_estimators(model, estimators)
        left = iter(estimators)
        changed.named_estimators_ = Bunch(
            **{name: own if _is_dropped(own) else next(left) for name, own in model.estimators}
        )
        return changed


class BaggingAdapter(ComposedAdapter):
    """BaggingClassifier and BaggingRegressor, on the rows and columns that each model drew."""

    def parts(self, model, X, y, sample_weight):
        drawn, n_rows = model.estimators_samples_, X.shape[0]
        if len(drawn) != len(model.estimators_):
            raise ValueError(
                f"{type(model).__name__} with warm_start=True cannot be explained after more "
                "models were added: it does not tell which rows the first of them drew. Fit it "
                "with all of its models at once."
            )
        if max(rows.max() for rows in drawn) >= n_rows:
            raise ValueError(
                f"X has {n_rows} rows, and {type(model).__name__} drew others. Pass the rows that "
                "it was fitted on."
            )
        both = zip(model.estimators_, drawn, model.estimators_features_, strict=True)
        for estimator, rows, columns in both:
            if not _takes_weights(model):
                yield Part(estimator, y[rows], np.ones(len(rows)), rows, columns)
                continue
            counts = np.bincount(rows, minlength=n_rows).astype(np.float64)
            weight = counts if DRAWS_BY_WEIGHT else counts * sample_weight
            yield Part(estimator, y, weight, None, columns)

    def reduce(self, model, X, y, sample_weight):
        if is_classifier(model):
            for part in self.parts(model, X, y, sample_weight):
                drawn = np.bincount(part.labels, part.sample_weight, len(model.classes_)) > 0
                if not drawn.all():
                    raise ValueError(
                        f"One of the models in {type(model).__name__} drew no row of the classes "
                        f"{model.classes_[~drawn].tolist()}, so that it gives them no probability "
                        "that rows could change. Raise max_samples, or leave rare classes out."
                    )
        return super().reduce(model, X, y, sample_weight)

    #: Weights are an argument of their own, however metadata are routed.
    weight_of_fit = Adapter.weight_of_fit
    takes_weights = Adapter.takes_weights

    def loss(self, model, members):
        weights = np.ones(len(members))
        if not is_classifier(model):
            return mean_prediction(model, members, weights)
        if hasattr(model.estimators_[0], "predict_proba"):
            return mean_probability(model, members, weights)
        losses = [member.objective.loss for member in members]
        return VoteLoss(losses, weights, len(model.classes_))

    def removal_changes_objective(self, model):
        """Fewer rows would be drawn anew, and removals hold what was drawn."""
        return True

    def draws_rows(self, model):
        return True


def mean_probability(model, members, weights):
    """The loss of averaged probabilities, if those of all members are known."""
    for member in members:
        loss = member.objective.loss
        if not loss.has_probabilities:
            name = type(member.inputs.model).__name__
            raise TypeError(
                f"{type(model).__name__} averages probabilities, and those of {name} are none of "
                "its objective, so that it is not known how rows change them. Explain it by "
                "itself: RelatIFExplainer.from_fitted(model.estimators_[0], X, y), with labels as "
                "positions in classes_."
            )
    return MeanProbabilityLoss([member.objective.loss for member in members], weights)


def mean_prediction(model, members, weights):
    """The loss of averaged predictions of real numbers."""
    return MeanPredictionLoss([member.objective.loss for member in members], weights)


def _is_dropped(estimator):
    return isinstance(estimator, str)


def _takes_weights(model):
    """Whether rows were drawn by what they count, and not by taking them out."""
    estimator = model.estimator_
    if get_config()["enable_metadata_routing"]:
        return get_routing_for_object(estimator).consumes("fit", ("sample_weight",))
    return has_fit_parameter(estimator, "sample_weight")


register(
    ["sklearn.multioutput.MultiOutputClassifier", "sklearn.multioutput.MultiOutputRegressor"],
    MultiOutputAdapter(),
)
register(["sklearn.ensemble.VotingClassifier", "sklearn.ensemble.VotingRegressor"], VotingAdapter())
register(
    ["sklearn.ensemble.BaggingClassifier", "sklearn.ensemble.BaggingRegressor"], BaggingAdapter()
)
