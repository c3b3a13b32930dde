"""What to do instead, for estimators of which rows cannot be explained by influence."""

from __future__ import annotations

from typing import Any

_LEAVES = (
    "What explains a prediction of its trees is the rows that share most leaves with it: "
    "NearestNeighborsExplainer(metric='hamming').fit(leaves, y), where {leaves}."
)
_WEIGHTED = (
    "Each model in it weighs rows by the mistakes of those before, which jump. GradientBoosting, "
    "HistGradientBoosting and random forests of the same rows can be explained."
)
_NEIGHBORS = (
    "Its neighbours are the explanation: model.kneighbors(X), or "
    "NearestNeighborsExplainer(metric=model.effective_metric_).fit(X, y)."
)
_MODULE = (
    "Say by which loss it was trained: sklearn_relatif.networks.TorchClassifier(module, loss=...), "
    "or TorchRegressor, can be explained."
)
_NET = (
    "NeuralNetClassifier, NeuralNetBinaryClassifier and NeuralNetRegressor can be explained, and "
    "so can a trained module_ in sklearn_relatif.networks.TorchClassifier or TorchRegressor."
)
_CHAINED = (
    "Each model in it takes what those before it predict, so that rows reach a prediction on many "
    "ways. One of them by itself can be explained: with k its place in the chain and cv=None, "
    "RelatIFExplainer.from_fitted(model.estimators_[k], np.hstack([X, y[:, model.order_[:k]]]), "
    "y[:, model.order_[k]]). MultiOutputClassifier and MultiOutputRegressor can be as a whole."
)
_STACKED = (
    "Each model in it that was fitted on all rows can be explained on its own: "
    "RelatIFExplainer.from_fitted(model.estimators_[0], X, y)."
)
_ONLINE = (
    "Its fit ends after some passes over the rows, at no optimum of an objective. "
    "SGDClassifier(loss='hinge') and SGDRegressor(loss='epsilon_insensitive'), or LinearSVC and "
    "LinearSVR, are the same kind of model with one."
)
_LATENT = (
    "Its directions are eigenvectors, not the optimum of a sum over rows. Put PCA in front of a "
    "supported model: make_pipeline(PCA(n), Ridge()), whose directions are held fixed."
)
_SEMI_SUPERVISED = (
    "It labels rows by itself. Explain a supported model of the rows with the labels that it ended "
    "with: model.transduction_."
)
_SELECTED = (
    "Explain the model in it on the columns that it chose: "
    "RelatIFExplainer.from_fitted(model.estimator_, model.transform(X), y)."
)
_NO_TARGET = (
    "It predicts no target that rows could support. NearestNeighborsExplainer finds the rows "
    "nearest to another; a supported classifier of its labels tells which rows make them differ."
)
_OUTLIERS = (
    "It is no optimum of a sum over rows. OneClassSVM tells outliers, too, and can be explained."
)

_CONSTANT = "It predicts without a look at the row, so that there is nothing to explain."
_NO_MODEL = "It predicts nothing; let a model be the last step."

#: By the name of a class or of one that it is derived from, after that of its package.
WAYS_OUT = {
    "sklearn.BaseWeightBoosting": _WEIGHTED,
    "sklearn.IsolationForest": _OUTLIERS,
    # Rankers, mostly: classifiers and regressors have adapters.
    "xgboost.XGBModel": _LEAVES.format(leaves="leaves = model.apply(X).reshape(len(X), -1)"),
    "lightgbm.LGBMModel": _LEAVES.format(leaves="leaves = model.predict(X, pred_leaf=True)"),
    "catboost.CatBoost": _LEAVES.format(leaves="leaves = model.calc_leaf_indexes(X)"),
    "xgboost.Booster": "XGBClassifier or XGBRegressor, fitted to the same rows, can be.",
    "lightgbm.Booster": "LGBMClassifier or LGBMRegressor, fitted to the same rows, can be.",
    "sklearn.NeighborsBase": _NEIGHBORS,
    "torch.Module": _MODULE,
    "skorch.NeuralNet": _NET,
    "sklearn._BaseChain": _CHAINED,
    "sklearn._BaseStacking": _STACKED,
    "sklearn.PassiveAggressiveClassifier": _ONLINE,
    "sklearn.PassiveAggressiveRegressor": _ONLINE,
    "sklearn.Perceptron": _ONLINE,
    "sklearn._PLS": _LATENT,
    "sklearn.BaseLabelPropagation": _SEMI_SUPERVISED,
    "sklearn.SelfTrainingClassifier": _SEMI_SUPERVISED,
    "sklearn.RFE": _SELECTED,
    "sklearn.SelectFromModel": _SELECTED,
    "sklearn.ClusterMixin": _NO_TARGET,
    "sklearn.BaseMixture": _NO_TARGET,
    "sklearn.EllipticEnvelope": _OUTLIERS,
    "sklearn.SGDOneClassSVM": (
        "It ends near an optimum only, whose penalty counts rows. OneClassSVM(kernel='linear') is "
        "the same kind of model at its optimum, and can be explained."
    ),
    "sklearn.LocalOutlierFactor": _OUTLIERS,
    "sklearn.DummyClassifier": _CONSTANT,
    "sklearn.DummyRegressor": _CONSTANT,
    "sklearn.IsotonicRegression": (
        "A prediction is the mean target of the rows of one step, or lies between two of them: the "
        "training rows for which the model predicts the same explain it."
    ),
    "sklearn.OutputCodeClassifier": (
        "Its codes are drawn at random. OneVsRestClassifier and OneVsOneClassifier around the same "
        "model can be explained."
    ),
    "sklearn.QuantileRegressor": (
        "Its optimum passes through as many rows as it has active parameters, and does not move "
        "with the weight of a row until it jumps to others: influence is 0 or infinite. "
        "HuberRegressor is robust as well, and can be explained; LinearSVR(epsilon=0) fits medians."
    ),
    "sklearn.RANSACRegressor": (
        "Explain the model in it on the rows that it took for inliers: RelatIFExplainer."
        "from_fitted(model.estimator_, X[model.inlier_mask_], y[model.inlier_mask_])."
    ),
    "sklearn.TheilSenRegressor": (
        "It is a median of many fits. HuberRegressor is robust as well, and can be explained."
    ),
    "sklearn.TransformerMixin": _NO_MODEL,
}


def way_out(estimator: Any) -> str:
    """A sentence on what to do in place of explaining an estimator; empty if there is none."""
    for kind in type(estimator).__mro__:
        name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        if name in WAYS_OUT:
            return f" {WAYS_OUT[name]}"
    return "" if hasattr(estimator, "predict") else f" {_NO_MODEL}"
