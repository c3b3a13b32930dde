"""Draw the picture of the front page: predictions on digits, and the rows that explain them.

    python docs/pictures.py

It writes docs/images/digits.png. The data ship with scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

TITLES = {"influence": "by influence (IF)", "loss_relative": "by relative influence (RelatIF)"}
N_QUERIES, N_EXAMPLES = 3, 3
WRONG, RIGHT = "#D55E00", "0.6"

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
explainer = RelatIFExplainer(model).fit(X_train, y_train)
explanations = explainer.explain(X_test, n_examples=N_EXAMPLES, criterion=list(TITLES))

# The training row that comes first for most predictions by influence, and the first of these.
first = explanations["influence"].indices[:, 0]
queries = np.flatnonzero(first == np.bincount(first).argmax())[:N_QUERIES]
predicted = explainer.predict(X_test)
known = explainer.training_rows_


def draw(axes, pixels, caption, is_right=True):
    axes.set_axis_on()
    axes.imshow(pixels.reshape(8, 8), cmap="gray_r", interpolation="bicubic")
    axes.set(xticks=[], yticks=[])
    color = RIGHT if is_right else WRONG
    axes.set_xlabel(caption, fontsize=9, color="black" if is_right else WRONG)
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=1 if is_right else 2.5)


# Columns: the prediction, a gap, the rows of one criterion, a gap, those of the other.
n_columns = 3 + 2 * N_EXAMPLES
figure, grid = plt.subplots(
    N_QUERIES, n_columns, figsize=(8, 3.9), gridspec_kw={"hspace": 0.45, "wspace": 0.12}
)
for axes in grid.flat:
    axes.set_axis_off()
grid[0, 0].set_title("prediction", loc="left", fontsize=11)
for line, query in zip(grid, queries, strict=True):
    draw(line[0], X_test[query], f"predicted {predicted[query]}", predicted[query] == y_test[query])
for column, (criterion, title) in zip((2, 3 + N_EXAMPLES), TITLES.items(), strict=True):
    grid[0, column].set_title(title, loc="left", fontsize=11)
    for line, rows in zip(grid, explanations[criterion].indices[queries], strict=True):
        for axes, row in zip(line[column:], rows, strict=False):
            caption = f"row {row}, a {known.labels[row]}"
            draw(axes, X_train[row], caption, known.predictions[row] == known.labels[row])
figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.06)
path = Path(__file__).parent / "images" / "digits.png"
figure.savefig(path, dpi=90)
# Grey and one colour need few values: a third of the bytes.
Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)

hub = first[queries[0]]
print(
    f"row {hub}, labelled {known.labels[hub]}, which the model gives a probability of "
    f"{known.probabilities[hub]:.2f}, comes first for {np.sum(first == hub)} of {len(first)} "
    "predictions by influence"
)
for criterion, explanation in explanations.items():
    print(f"{criterion}: {len(np.unique(explanation.indices[:, 0]))} rows come first")
