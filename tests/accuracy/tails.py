"""Writes tails.json: losses of sure and of wrong logits with their first and second derivatives, to 50 digits.

    pip install mpmath && python tails.py

A case a line: the loss with its options (those of losses.rs), the logits, the target; the value, the gradient to the logits, and for
each direction the derivative of the gradient's product with it. The formulas are those of the losses' documentation, derived by
mpmath's differences with 250 digits, so that what cancels still has 50.
"""

import json
from pathlib import Path

from mpmath import diff, exp, log, mp, mpf, nstr

mp.dps = 250
SIZES = [10, 12, 16, 18, 20, 25, 30, 40, 60, 80, 100]
LOGITS = [sign * size for size in SIZES for sign in (1, -1)]


def text(x):
    return nstr(x, 50, min_fixed=0, max_fixed=0) if x != 0 else "0"


def softplus(z):
    return log(1 + exp(z))


def sigmoid(z):
    return 1 / (1 + exp(-z))


def cross_entropy(x, q):
    total = log(sum(exp(z) for z in x))
    return sum(q * (total - z) for q, z in zip(q, x) if q != 0)


def focal(x, c, gamma):
    p = exp(x[c]) / sum(exp(z) for z in x)
    others = sum(exp(z) for i, z in enumerate(x) if i != c) / sum(exp(z) for z in x)
    return -(others**gamma) * log(p)


def entropy(x, t, p=1):
    return (1 - t) * x + (1 + (p - 1) * t) * softplus(-x)


def binary_focal(x, t, gamma):
    q = sigmoid(x) * (1 - t) + sigmoid(-x) * t
    return q**gamma * entropy(x, t)


CASES = []


def elements(loss, options, t, f, logits=LOGITS, column=False):
    """A loss of elements, each of whose targets is t; in a column they are rows of one class."""
    xs = [mpf(x) for x in logits]
    CASES.append(
        {
            "loss": loss,
            "options": {**options, "reduction": "none"},
            "x": [[x] for x in logits] if column else list(logits),
            "t": t,
            "value": [text(f(x, mpf(t))) for x in xs],
            "grad": [text(diff(lambda x: f(x, mpf(t)), x)) for x in xs],
            "directions": [[1] * len(xs)],
            "second": [[text(diff(lambda x: f(x, mpf(t)), x, 2)) for x in xs]],
        }
    )


def rows(loss, options, t, f):
    """A loss of one row of three logits, of which the first is sure, or wrong."""
    for x in LOGITS:
        row = [mpf(x), mpf(0), mpf(-3)]
        order = lambda *at: tuple(at.count(i) for i in range(3))
        partial = lambda *at: diff(lambda *x: f(x), tuple(row), order(*at))
        CASES.append(
            {
                "loss": loss,
                "options": options,
                "x": [[x, 0, -3]],
                "t": t,
                "value": [text(f(row))],
                "grad": [text(partial(i)) for i in range(3)],
                "directions": [[int(i == j) for i in range(3)] for j in range(3)],
                "second": [[text(partial(i, j)) for i in range(3)] for j in range(3)],
            }
        )


for t in (0, 1, 0.25):
    elements("BCEWithLogitsLoss", {}, t, entropy)
    for factor in (3, 0.5):
        elements("BCEWithLogitsLoss", {"pos_weight": factor}, t, lambda x, t: entropy(x, t, mpf(factor)))
    elements("BCEWithLogitsLoss", {"weight": 2}, t, lambda x, t: 2 * entropy(x, t))
    elements("MultiLabelSoftMarginLoss", {}, t, entropy, column=True)
for t in (0, 1):
    for gamma in (0, 0.5, 1, 2, 3):
        elements("BinaryFocalLoss", {"gamma": gamma}, t, lambda x, t: binary_focal(x, t, mpf(gamma)))
for t in (1, -1):
    elements("SoftMarginLoss", {}, t, lambda x, t: softplus(-t * x), [x for x in LOGITS if abs(x) <= 80])
elements("log_sigmoid", {}, 0, lambda x, t: -softplus(-x))
elements("Softplus", {}, 0, lambda x, t: softplus(x), [x for x in LOGITS if x <= 20])
elements("PoissonNLLLoss", {}, 2, lambda x, t: exp(x) - t * x, [x for x in LOGITS if x <= 80])
elements("MSELoss", {}, 1, lambda x, t: (x - t) ** 2)
elements("HuberLoss", {}, 1, lambda x, t: abs(x - t) - mpf(1) / 2)
elements("SmoothL1Loss", {}, 1, lambda x, t: abs(x - t) - mpf(1) / 2)
elements("L1Loss", {}, 1, lambda x, t: abs(x - t))
elements("HingeEmbeddingLoss", {}, -1, lambda x, t: 1 - x if x < 1 else mpf(0))

for c in (0, 1):
    one_hot = [int(i == c) for i in range(3)]
    rows("CrossEntropyLoss", {}, [c], lambda x: cross_entropy(x, one_hot))
    rows("CrossEntropyLoss", {"weight": 2, "reduction": "sum"}, [c], lambda x: 2 * cross_entropy(x, one_hot))
    rows("CrossEntropyLoss", {}, [one_hot], lambda x: cross_entropy(x, one_hot))
    rows("NLLLoss", {}, [c], lambda x: cross_entropy(x, one_hot))
    rows("KLDivLoss", {}, [one_hot], lambda x: cross_entropy(x, one_hot))
    smooth = [mpf(1) / 16 + mpf(13) / 16 * q for q in one_hot]
    rows("CrossEntropyLoss", {"label_smoothing": 0.1875}, [c], lambda x: cross_entropy(x, smooth))
    for gamma in (0, 2):
        rows("FocalLoss", {"gamma": gamma}, [c], lambda x: focal(x, c, mpf(gamma)))

lines = ",\n".join(json.dumps(case) for case in CASES)
Path(__file__).with_name("tails.json").write_text(f"[\n{lines}\n]\n")
