"""
Clean the labels of texts
=========================

Somebody labelled messages as spam or not, and some of the labels are wrong. Which ones? Here four
wrong labels are planted among 80 made-up messages, so that it can be told whether they are found.

Needs pandas and matplotlib.
"""

# %%
# Texts with a few wrong labels
# -----------------------------

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.metrics import plant_label_errors

messages = pd.read_csv(Path(sys.argv[0]).parent.parent / "data" / "messages.csv")
texts = messages["text"]
labels, is_wrong = plant_label_errors(messages["label"], 0.05, np.random.RandomState(0))
labels = pd.Series(labels, index=texts.index)
labels[is_wrong]

# %%
# The suspects
# ------------
# The pipeline takes raw texts, and so does the explainer. Each label is judged by a model that was
# trained without the message: its own label cannot vouch for itself.

model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=30, tol=1e-8))
explainer = RelatIFExplainer(model).fit(texts, labels)
report = explainer.audit(X_train=texts)
suspects = report.first_rows(8)
pd.DataFrame(
    {"text": texts[suspects], "label": labels[suspects], "planted": is_wrong[suspects]},
)

# %%
# Each comes with a reason.

for row in suspects[:3]:
    print(f"{texts[row]}\n    {report.why(row)}\n")

# %%
# Why does the model contradict a label?
# --------------------------------------
# Because of these messages: they support the label that it would give.

first = suspects[0]
other = explainer.classes_[explainer.classes_ != labels[first]][:1]
explanation = explainer.explain(texts[[first]], other, n_examples=4)
rows = explanation.frame()["row"]
pd.DataFrame({"text": texts[rows], "label": labels[rows]})

# %%
# The labels put right
# --------------------
# A person looks at the suspects and mends what is wrong; here the truth is known.

mended = labels.copy()
mended[suspects] = messages["label"][suspects]
print(
    f"{(labels != messages['label']).sum()} labels were wrong, "
    f"{(mended != messages['label']).sum()} are after a look at {len(suspects)} messages"
)
