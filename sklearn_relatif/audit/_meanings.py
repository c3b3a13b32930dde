"""What each number of an audit is called, and what it means."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """A heading, a sentence or two for those who do not know it, and which model it is of.

    The basis is "in sample" where the model has seen the row, "leave-one-out" where it has seen
    all others, "out of bag" where it is those trees of a forest that have not seen the row, and
    "out of sample" where the model has seen none of the rows; empty where it matters not.
    """

    heading: str
    text: str
    basis: str = ""


#: Which model a number is of; the page says it below headings.
IN_SAMPLE, LEAVE_ONE_OUT, OUT_OF_SAMPLE = "in sample", "leave-one-out", "out of sample"
OUT_OF_BAG = "out of bag"

#: One training row.
ROW = {
    "row": Meaning("row", "The row's name in the training data: its index, or the name given."),
    "label": Meaning("label", "The label that the row has in the training data."),
    "prediction": Meaning("prediction", "What the fitted model predicts for the row.", IN_SAMPLE),
    "probability": Meaning(
        "p(label)",
        "The model's probability of the row's own label. The model has seen the row.",
        IN_SAMPLE,
    ),
    "loo_prediction": Meaning(
        "prediction without",
        "What the model predicts when it is trained without the row.",
        LEAVE_ONE_OUT,
    ),
    "loo_loss": Meaning(
        "loss without",
        "The row's loss when the model is trained without it, by one Newton step.",
        LEAVE_ONE_OUT,
    ),
    "loo_probability": Meaning(
        "p without",
        "The probability of the row's label by the model trained without it, by one Newton step: "
        "what the other rows make of it.",
        LEAVE_ONE_OUT,
    ),
    "oob_prediction": Meaning(
        "prediction of the rest",
        "What the rest of the forest predicts: the trees whose samples did not hold the row.",
        OUT_OF_BAG,
    ),
    "oob_loss": Meaning(
        "loss by the rest",
        "How badly the rest of the forest predicts the row: the trees whose samples did not hold "
        "it.",
        OUT_OF_BAG,
    ),
    "oob_probability": Meaning(
        "p by the rest",
        "The probability of the row's label by the rest of the forest: the trees whose samples did "
        "not hold the row.",
        OUT_OF_BAG,
    ),
    "loss": Meaning(
        "loss", "How badly the model fits the row: its training loss, unweighted.", IN_SAMPLE
    ),
    "leverage": Meaning(
        "leverage",
        "The share of its own fit that the row alone determines. Large for unusual features. "
        "Leverages sum to the effective number of parameters.",
    ),
    "self_influence": Meaning(
        "self-influence",
        "How hard the row pulls the model towards itself: the influence of the row on its own "
        "loss, g' H^-1 g; of trees, with their structure held fixed.",
    ),
    "parameter_shift": Meaning(
        "parameter shift",
        "How hard the row pulls at the coefficients, or at the values of the leaves of trees: the "
        "norm of H^-1 g. Times the row's share of the training weight, it estimates how far they "
        "move when the row is removed.",
    ),
    "hub_if": Meaning(
        "first by IF",
        "The number of test rows in whose explanation by influence (IF) the row comes first.",
    ),
    "hub_relatif": Meaning(
        "first by RelatIF",
        "The number of test rows in whose explanation by relative influence (RelatIF) the row "
        "comes first.",
    ),
    "test_influence": Meaning(
        "test loss change",
        "The change of the mean test loss when the row is removed, as influence estimates it. "
        "Positive: the row helps. Negative: it harms.",
        OUT_OF_SAMPLE,
    ),
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the row whose label is most likely to be wrong: the one with the largest training "
        "loss. Of the rankings that were compared on planted errors it found the most, or nearly.",
        IN_SAMPLE,
    ),
    "loo_rank": Meaning(
        "rank without",
        "1 for the row with the largest loss under the model without it, to compare with.",
        LEAVE_ONE_OUT,
    ),
}

#: One training row of a forest with rows that its trees have not seen.
OUT_OF_BAG_ROW = {
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the row whose label is most likely to be wrong: the one that the rest of the forest "
        "predicts worst. By a forest that has seen it, nearly every row is predicted well.",
        OUT_OF_BAG,
    )
}

#: One test row.
PREDICTION = {
    "query": Meaning("test row", "The test row's name: its index."),
    "prediction": Meaning("prediction", "What the model predicts for the test row.", OUT_OF_SAMPLE),
    "probability": Meaning(
        "p(prediction)", "The model's probability of what it predicts.", OUT_OF_SAMPLE
    ),
    "label": Meaning("label", "The test row's own label."),
    "support": Meaning(
        "support",
        "How near the best explaining training row comes to the test row, as the model sees it: "
        "for linear models a cosine, 1 for a row that bears on the model just as the test row "
        "would; for kernel machines and trees the score of that row.",
    ),
    "best_row": Meaning(
        "best row", "The training row that comes first in the explanation by relative influence."
    ),
    "label_probability": Meaning(
        "p(label)",
        "The model's probability of the test row's own label, which it has not seen.",
        OUT_OF_SAMPLE,
    ),
    "loss": Meaning(
        "loss", "How badly the model fits the test row, which it has not seen.", OUT_OF_SAMPLE
    ),
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the test row whose label is most likely to be wrong: the one with the largest loss.",
        OUT_OF_SAMPLE,
    ),
}

#: One group of training rows.
GROUP = {
    "group": Meaning("group", "The label that the rows of the group share."),
    "rows": Meaning("rows", "The number of training rows in the group."),
    "accuracy": Meaning(
        "accuracy",
        "How often the model predicts the label of a row of the group, with its 95% interval.",
        IN_SAMPLE,
    ),
    "loo_accuracy": Meaning(
        "accuracy",
        "How often the model trained without a row of the group predicts its label, with its 95% "
        "interval.",
        LEAVE_ONE_OUT,
    ),
    "oob_accuracy": Meaning(
        "accuracy",
        "How often the rest of the forest, the trees whose samples did not hold a row of the "
        "group, predicts its label, with its 95% interval.",
        OUT_OF_BAG,
    ),
    "mean_loss": Meaning("mean loss", "The mean training loss of the group's rows.", IN_SAMPLE),
    "suspects": Meaning("suspects", "Rows of the group among the most suspicious 5% of all rows."),
    "loss_change": Meaning(
        "test loss change",
        "The change of the mean test loss when the whole group is removed and the model retrained, "
        "with its 95% interval over test rows. Positive: the group is needed. Negative: it harms.",
        OUT_OF_SAMPLE,
    ),
    "loss_change_estimate": Meaning(
        "estimated",
        "The same change as influence estimates it, without retraining: the sum over the group's "
        "rows, to first order. Far from the other one where the group is large.",
        OUT_OF_SAMPLE,
    ),
    "accuracy_change": Meaning(
        "accuracy change",
        "The change of test accuracy when the group is removed and the model retrained, with its "
        "95% interval over test rows. Negative: the group is needed.",
        OUT_OF_SAMPLE,
    ),
    "predictions_changed": Meaning(
        "predictions changed",
        "The share of test rows predicted otherwise by the model retrained without the group.",
        OUT_OF_SAMPLE,
    ),
}

#: The model and its curvature.
FACTS = {
    "model": Meaning("model", "The model at the end of the pipeline."),
    "settings": Meaning("settings", "Its parameters that are not at scikit-learn's defaults."),
    "classes": Meaning("classes", "The labels that the model knows."),
    "n_rows": Meaning("training rows", "The rows that the model was trained on."),
    "n_features": Meaning("features", "The columns that reach the model, after preprocessing."),
    "n_parameters": Meaning(
        "free parameters",
        "The number of coefficients and intercepts that can differ: none that an L1 penalty holds "
        "at 0, of softmax regression one set fewer than there are labels, and with more features "
        "than rows the directions in which the rows lie.",
    ),
    "n_trees": Meaning("trees", "The number of trees."),
    "n_leaves": Meaning(
        "leaves", "The number of leaves of all trees, whose values follow from the rows in them."
    ),
    "structure": Meaning(
        "structure",
        "Which rows share which leaves. Rows are explained by what they do to the values of these "
        "leaves. What a removal would do to the structure only growing the trees again tells.",
    ),
    "effective_parameters": Meaning(
        "effective parameters", "The sum of the leverages: what regularisation leaves free."
    ),
    "distance_to_optimum": Meaning(
        "distance to the optimum",
        "How far the fitted parameters are from those that minimise the training objective, in "
        "standard errors of the parameters: at 1, they are off by as much as they would change "
        "with another sample of rows. Above 0.3 the numbers of this report mislead, unless the "
        "model is one whose training may stop anywhere.",
    ),
    "explained_by": Meaning(
        "explained by",
        "A network is explained as the model that is linear in the changes of its parameters, at "
        "those where its training stopped, which need be no optimum. Influence then tells what a "
        "row does to a model that is held near these; what training without the row would lead to "
        "is another question, which only training answers.",
    ),
    "accuracy": Meaning(
        "training accuracy", "The share of the training rows that the model predicts as labelled."
    ),
    "loo_accuracy": Meaning(
        "leave-one-out accuracy",
        "The share of the training rows that the model trained without each predicts as labelled, "
        "by one Newton step.",
    ),
    "oob_accuracy": Meaning(
        "out-of-bag accuracy",
        "The share of the training rows that the rest of the forest predicts as labelled: the "
        "trees whose samples did not hold the row.",
    ),
    "largest_class": Meaning(
        "baseline, training",
        "The training accuracy of always predicting the most frequent label.",
    ),
    "n_test": Meaning("test rows", "The rows whose predictions were explained."),
    "test_accuracy": Meaning(
        "test accuracy", "The share of the test rows that the model predicts as labelled."
    ),
    "test_largest_class": Meaning(
        "baseline, test",
        "The test accuracy of always predicting the most frequent label of the training rows.",
    ),
    "curvature": Meaning("curvature", "The matrix H of the influence g' H^-1 g."),
    "damping": Meaning("damping", "What was added to the diagonal of the curvature."),
    "solver": Meaning("solver", "How the curvature was inverted."),
    "solver_reason": Meaning("because", "Why that solver was chosen."),
    "smallest_eigenvalue": Meaning(
        "smallest eigenvalue",
        "Of the curvature with its damping: how flat the training objective "
        "is in its flattest direction. A damping far below it changes nothing.",
    ),
    "largest_eigenvalue": Meaning(
        "largest eigenvalue", "Of the curvature: how steep the training objective can bend."
    ),
    "condition_number": Meaning(
        "condition number",
        "Their ratio. Rounding loses about as many digits as it has zeros, of 16 digits (7 in "
        "single precision).",
    ),
}

# --- where targets are numbers ------------------------------------------------------------------

_TARGET = Meaning("target", "The target of the row, as it is in the data.")
_RESIDUAL = Meaning(
    "residual",
    "The target minus the prediction, in units of the target. Positive: the model predicts too "
    "little.",
)
_ERROR = "The root of the mean squared residual"
_MEAN = "Always predicting the mean target of the training rows"

NUMBER_ROW = ROW | {
    "target": _TARGET,
    "residual": _RESIDUAL._replace(basis=IN_SAMPLE),
    "loo_prediction": Meaning(
        "prediction without",
        "What the model predicts when it is trained without the row, by one Newton step: what the "
        "other rows make of it. For squared error, that is the prediction of a refit.",
        LEAVE_ONE_OUT,
    ),
    "loo_residual": Meaning(
        "residual without",
        "The target minus what the model trained without the row predicts.",
        LEAVE_ONE_OUT,
    ),
    "hub_if": Meaning(
        "first by IF", "The number of test rows whose prediction the row moves most, by influence."
    ),
    "hub_relatif": Meaning(
        "first by RelatIF",
        "The number of test rows whose prediction the row moves most, by relative influence.",
    ),
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the row whose target the model contradicts most: its loss is largest.",
        IN_SAMPLE,
    ),
    "oob_residual": Meaning(
        "residual of the rest",
        "The target minus what the rest of the forest predicts: the trees whose samples did not "
        "hold the row.",
        OUT_OF_BAG,
    ),
}
OUT_OF_BAG_NUMBER = {
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the row whose target the rest of the forest contradicts most: its loss is largest.",
        OUT_OF_BAG,
    )
}
NUMBER_PREDICTION = PREDICTION | {
    "target": _TARGET,
    "residual": _RESIDUAL._replace(basis=OUT_OF_SAMPLE),
    "support": Meaning(
        "support",
        "How near the training row that moves the prediction most comes to the test row, as the "
        "model sees it: for linear models a cosine, 1 for a row that bears on the model just as "
        "the test row would, up or down; for kernel machines and trees the score of that row.",
    ),
    "best_row": Meaning(
        "best row", "The training row that moves the prediction most, by relative influence."
    ),
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the test row whose target the model contradicts most: its loss is largest.",
        OUT_OF_SAMPLE,
    ),
}
NUMBER_GROUP = GROUP | {
    "group": Meaning("group", "What the rows of the group have in common."),
    "mean_residual": Meaning(
        "mean residual",
        "The mean of target minus prediction. Positive: the model predicts too little for them.",
        IN_SAMPLE,
    ),
    "error": Meaning("error", f"{_ERROR} of the group's rows, in units of the target.", IN_SAMPLE),
    "prediction_change": Meaning(
        "change",
        "The mean size of the change of test predictions without the group.",
        OUT_OF_SAMPLE,
    ),
    "error_change": Meaning(
        "error change",
        "The change of the root mean squared error on the test rows when the group is removed and "
        "the model retrained. Positive: the group is needed.",
        OUT_OF_SAMPLE,
    ),
}
NUMBER_FACTS = FACTS | {
    "n_parameters": Meaning(
        "free parameters",
        "The number of coefficients and intercepts that can differ: none that an L1 penalty holds "
        "at 0, and with more features than rows the directions in which the rows lie.",
    ),
    "error": Meaning("training error", f"{_ERROR} of the training rows, in units of the target."),
    "loo_error": Meaning(
        "leave-one-out error", "The same by the model trained without each row, by one Newton step."
    ),
    "oob_error": Meaning(
        "out-of-bag error",
        "The same by the rest of the forest: the trees whose samples did not hold the row.",
    ),
    "spread": Meaning("baseline, training", f"{_MEAN} has this error on them."),
    "test_error": Meaning("test error", f"{_ERROR} of the test rows, in units of the target."),
    "test_spread": Meaning("baseline, test", f"{_MEAN} has this error on the test rows."),
}
