"""
Which messages explain that a message is spam?
==============================================

Which messages explain that a message is spam? TF-IDF and a LinearSVC on short messages.

.. code-block:: bash

    python examples/text_sms.py
    python examples/text_sms.py --data sms_spam.csv --output spam.html

The data are a CSV file, compressed or not, with the columns `label` and `text`: the SMS Spam
Collection (5,574 messages, https://archive.ics.uci.edu/dataset/228/sms+spam+collection) brought
into this form, say. Without one, 80 made-up messages stand in, which are enough to see how it goes.

For some predictions the example prints the training messages that explain them, by influence (IF)
beside relative influence (RelatIF). A LinearSVC has no probabilities: f is its decision value,
positive for spam. It ends in a report, which lists the messages that deserve a second look.

Needs pandas. The TF-IDF matrix stays sparse throughout.
"""

import argparse
import sys
from pathlib import Path
from textwrap import shorten

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer

DATA = Path(sys.argv[0]).parent / "data" / "messages.csv"
CRITERIA = {"influence": "IF", "loss_relative": "RelatIF"}
WIDTH = 100


def main():
    parser = argparse.ArgumentParser(description="Explain a spam filter by its training messages.")
    parser.add_argument("--data", default=DATA, help="messages as CSV (default: %(default)s)")
    parser.add_argument(
        "--output", default="text_sms.html", help="the report (default: %(default)s)"
    )
    arguments = parser.parse_args()
    messages = pd.read_csv(arguments.data)
    text_train, text_test, y_train, y_test = train_test_split(
        messages["text"], messages["label"], stratify=messages["label"], random_state=0
    )

    # The pipeline takes raw texts; so do the explainer and its explanations.
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LinearSVC(random_state=0))
    explainer = RelatIFExplainer(model).fit(text_train, y_train)
    predicted = explainer.predict(text_test)
    print(
        f"{len(text_train)} training messages, test accuracy {np.mean(predicted == y_test):.3f}, "
        f"{explainer.distance_to_optimum_:.1e} standard errors from the optimum"
    )

    # One pass over the training messages explains all predictions by both criteria.
    explanations = explainer.explain(text_test, n_examples=3, criterion=list(CRITERIA))
    frames = {name: explanations[criterion].frame() for criterion, name in CRITERIA.items()}
    values = pd.Series(explainer.decision_function(text_test), index=text_test.index)
    for reason, query in interesting(values, predicted != y_test).items():
        print(f"\n=== {reason}")
        said = explainer.classes_[int(values[query] > 0)]
        print(fit_line(text_test[query]))
        print(f"Label {y_test[query]}, predicted {said}, f = {values[query]:.2f}")
        for name, frame in frames.items():
            print(f"\n    {name}: messages that support the prediction")
            print_messages(frame[frame["query"] == query], text_train)

    print(f"\n=== The message that comes first, over all {len(text_test)} test messages")
    for name, frame in frames.items():
        print_first_messages(name, frame, text_train)

    report = explainer.audit(text_test, y_test)
    print("\n=== The messages whose labels the model contradicts most")
    for row in report.first_rows(5):
        print(f"    {y_train[row]:4}  {fit_line(text_train[row], indent=10)}")
    report.to_html(arguments.output, text_train)
    print(f"\nReport: {arguments.output}")


def interesting(values, is_wrong):
    """Return {why: index} of the surest spam, the least certain prediction and the worst error."""
    chosen = {
        "The prediction of spam that is surest": values.idxmax(),
        "The least certain prediction": values.abs().idxmin(),
    }
    if is_wrong.any():
        chosen["The wrong prediction that is surest"] = values[is_wrong].abs().idxmax()
    return chosen


def print_messages(rows, text):
    for _, row in rows.iterrows():
        line = fit_line(text[row["row"]], indent=22)
        print(f"    {row['score']:10.2f}  {row['label']:4}  {line}")


def print_first_messages(name, frame, text):
    """How many messages come first for a query, and the one that does so most often."""
    first = frame.loc[frame["rank"] == 1, "row"]
    counts = first.value_counts()
    print(f"{name:>7}: {len(counts)} distinct messages; one of them {counts.iloc[0]} times:")
    print(f"         {fit_line(text[counts.index[0]], indent=9)}")


def fit_line(text, indent=0):
    return shorten(text, WIDTH - indent, placeholder=" ...")


if __name__ == "__main__":
    main()
