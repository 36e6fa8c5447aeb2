"""Measures how far PyTorch's float32 losses and gradients are from the float64 ones: python tests/accuracy/measure.py [TEXT]

Writes pytorch.json beside this file. README.md says what the numbers mean. Every input is a recipe, a list of steps that
tests/accuracy/main.rs repeats bit for bit: draws of PyTorch's generator and float32 operations that round once.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

DRAWS = 16
SMALLEST = 2.0**-126  # the normal range of float32 begins here


# Recipes ------------------------------------------------------------------------------------------------------------------

def run(recipe, generator, before):
    """The float32 (or int64) array of a recipe; `before` are the inputs that came before."""
    x = None
    for name, *args in recipe:
        if name in ("randn", "rand"):
            x = getattr(torch, name)(args, generator=generator).numpy()
        elif name == "randint":
            low, high, *shape = args
            x = torch.randint(low, high, shape, generator=generator).numpy()
        elif name == "input":
            x = before[args[0]]
        elif name == "float":
            x = x.astype(np.float32)
        elif name == "add":
            x = x + np.float32(args[0])
        elif name == "mul":
            x = x * np.float32(args[0])
        elif name == "add_input":
            x = x + before[args[0]]
        elif name == "clamp":
            x = np.minimum(np.maximum(x, np.float32(args[0])), np.float32(args[1]))
        elif name == "abs":
            x = np.abs(x)
        elif name == "floor":
            x = np.floor(x)
        elif name == "times_power_of_2":  # 2^k for a k drawn from low..high
            low, high = args
            k = torch.randint(low, high, x.shape, generator=generator).numpy()
            x = x * ((k + 127) << 23).astype(np.int32).view(np.float32)
        elif name == "split":  # the first 12 bits (Dekker)
            c = x * np.float32(4097.0)
            x = c - (c - x)
        elif name in ("softmax", "log_softmax"):  # over the last dimension, in float64, rounded once
            x = getattr(torch, name)(torch.from_numpy(x).double(), -1).float().numpy()
        else:
            raise ValueError(name)
        assert x.dtype in (np.float32, np.int64), (name, x.dtype)
    return np.ascontiguousarray(x)


def bits(x):
    """A sum over the bits, to tell inputs that differ from errors that do."""
    x = x.view(np.int32) if x.dtype == np.float32 else x
    return int(x.sum(dtype=np.int64))


# Losses -------------------------------------------------------------------------------------------------------------------

def adaptive(inputs, options):
    x, target, head, *tail = inputs
    with torch.device("meta"):
        module = torch.nn.AdaptiveLogSoftmaxWithLoss(x.shape[1], **options)
    parameters = {"head.weight": head}
    parameters |= {f"tail.{i // 2}.{i % 2}.weight": w for i, w in enumerate(tail)}
    return torch.func.functional_call(module, parameters, (x, target)).loss


def ctc(inputs, options):
    x, targets = inputs
    steps, batch, _ = x.shape
    lengths = [steps - n for n in range(batch)], [targets.shape[1] - n % 3 for n in range(batch)]
    return torch.nn.CTCLoss(**options)(x, targets, *map(torch.tensor, lengths))


def linear_cross_entropy(inputs, options):
    x, weight, target = inputs
    return F.linear_cross_entropy(x, weight, target, **options)


FUNCTIONS = {"AdaptiveLogSoftmaxWithLoss": adaptive, "CTCLoss": ctc, "LinearCrossEntropyLoss": linear_cross_entropy}
# Their weight is an argument of the function only.
WEIGHTED = {"MSELoss": F.mse_loss, "L1Loss": F.l1_loss, "HuberLoss": F.huber_loss}


def loss_of(case, arrays, dtype):
    """The loss and its gradients as float64 arrays."""
    tensors = [torch.from_numpy(a) for a in arrays]
    tensors = [t.to(dtype) if t.is_floating_point() else t for t in tensors]
    for i in case["grads"]:
        tensors[i].requires_grad_()
    options = {k: tensors[v["input"]] if isinstance(v, dict) else v for k, v in case["options"].items()}
    args, name = tensors[: case["args"]], case["loss"]
    if name in FUNCTIONS:
        loss = FUNCTIONS[name](args, options)
    elif name in WEIGHTED and "weight" in options:
        loss = WEIGHTED[name](*args, **options)
    else:
        loss = getattr(torch.nn, name)(**options)(*args)
    loss.sum().backward()
    grads = [tensors[i].grad.double().numpy().ravel() for i in case["grads"]]
    return np.atleast_1d(loss.detach().double().numpy()).ravel(), grads


# Errors -------------------------------------------------------------------------------------------------------------------

def difference(got, exact):
    """|got - exact|; 0 between equal infinities and between NaNs, infinite where only one is such."""
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        d = np.where(same, 0.0, np.abs(got - exact))
    return np.where(np.isnan(d), np.inf, d)


def largest(x):
    """The largest finite magnitude."""
    x = np.abs(x[np.isfinite(x)])
    return max(float(x.max(initial=0.0)), SMALLEST)


def errors(got, exact):
    """Of the largest magnitude, and of each element that is in float32's normal range: at most 1, where no digit is right."""
    d = difference(got, exact)
    normal = ~(np.abs(exact) < SMALLEST)
    scale = np.where(np.isfinite(exact), np.abs(exact), 1.0)[normal]
    return float(d.max(initial=0.0) / largest(exact)), min(float((d[normal] / scale).max(initial=0.0)), 1.0)


def summary(x):
    """What the float64 results are compared by: the sum of magnitudes, and a sum in which each place counts differently."""
    x = np.where(np.isfinite(x), x, 0.0)
    return [float(np.abs(x).sum()), float((x * (1 + np.arange(x.size) % 7)).sum())]


def measure(case):
    worst, checksum, exacts = np.zeros(3), 0, []
    for draw in range(case["draws"]):
        generator = torch.Generator().manual_seed(case["seed"] + draw)
        arrays = []
        for recipe in case["inputs"]:
            arrays.append(run(recipe, generator, arrays))
        checksum += sum(map(bits, arrays))
        value, grads = loss_of(case, arrays, torch.float32)
        exact, exact_grads = loss_of(case, arrays, torch.float64)
        of_value = errors(value, exact)[0]
        of_grads = [errors(g, e) for g, e in zip(grads, exact_grads)]
        worst = np.maximum(worst, [of_value, *np.max(of_grads, axis=0)])
        exacts.append([summary(x) for x in [exact, *exact_grads]])
    clean = [x if math.isfinite(x) else 1e300 for x in worst.tolist()]
    # The float64 results of the first draw.
    return case | {"bits": checksum, "exact": exacts[0], "pytorch": dict(zip(["value", "gradient", "elements"], clean))}


# Families -----------------------------------------------------------------------------------------------------------------

CASES = []


def add(loss, family, inputs, grads=(0,), args=None, large=False, **options):
    args = len(inputs) if args is None else args
    CASES.append({
        "loss": loss, "family": family, "options": options, "inputs": inputs, "args": args, "grads": list(grads),
        "draws": 1 if large else DRAWS, "seed": 1000 * len(CASES), "large": large,
    })


def randn(*shape): return [["randn", *shape]]
def rand(*shape): return [["rand", *shape]]
def randint(low, high, *shape): return [["randint", low, high, *shape]]
def signs(*shape): return [*randint(0, 2, *shape), ["float"], ["mul", 2.0], ["add", -1.0]]
# Two libraries' float64 results now and then round to two float32 numbers, which have the same first bits; and of a logarithm near 0
# float64 has no digit, but a multiple of 2^-24.
SOFTMAX = [["softmax"], ["split"]]
LOG_SOFTMAX = [["log_softmax"], ["add", 1.0], ["add", -1.0], ["split"]]


def coins(*shape): return [*randint(0, 2, *shape), ["float"]]
def extreme(*shape): return [*randn(*shape), ["mul", 4000.0], ["clamp", -1e4, 1e4]]
def tiny(*shape): return [*rand(*shape), ["times_power_of_2", -100, 1]]  # down to 1e-30
def signed_tiny(*shape): return [*randn(*shape), ["times_power_of_2", -100, 1]]
def nearly_one(*shape): return [*rand(*shape), ["times_power_of_2", -24, 0], ["mul", -1.0], ["add", 1.0]]


N, MANY = 1003, 10_000_000


def classes():
    weight = lambda c: [*rand(c), ["add", 0.5]]
    families = [
        ("random", randn, 64, 10),
        ("logits to 1e4", extreme, 64, 10),
        ("offset of 1e4", lambda *s: [*randn(*s), ["add", 1e4]], 64, 10),
        ("tiny differences", lambda *s: [*randn(*s), ["mul", 1e-4]], 64, 10),
        ("confident", lambda *s: [*randn(*s), ["mul", 10.0]], 64, 10),
        ("logits to 1e-30", signed_tiny, 64, 10),
        ("1e5 classes", randn, 4, 100_000),
        ("1e5 classes, confident", lambda *s: [*randn(*s), ["mul", 10.0]], 4, 100_000),
        ("1e5 classes, logits to 1e4", extreme, 4, 100_000),
        ("1e7 elements", randn, 100_000, 100),
        ("1e7 elements, confident", lambda *s: [*randn(*s), ["mul", 10.0]], 1_000_000, 10),
    ]
    for family, x, n, c in families:
        big = n * c == MANY
        target = randint(0, c, n)
        options = [{}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"reduction": "none"}]
        for option in options[:3] if big else options:
            add("CrossEntropyLoss", family, [x(n, c), target], large=big, **option)
        both = {"weight": {"input": 2}, "label_smoothing": 0.1}
        for option in [{"weight": {"input": 2}}, both]:
            add("CrossEntropyLoss", family, [x(n, c), target, weight(c)], args=2, large=big, **option)
        dense = [*randn(n, c), *SOFTMAX]
        for option in [{}, {"label_smoothing": 0.1}]:
            add("CrossEntropyLoss", family + ", dense", [x(n, c), dense], (0, 1), large=big, **option)
        if c == 10 or big:
            logs = [*x(n, c), ["abs"], ["mul", -1.0]]
            add("NLLLoss", family, [logs, target], large=big)
            add("NLLLoss", family, [logs, target, weight(c)], args=2, large=big, weight={"input": 2})
        if not big:
            add("MultiMarginLoss", family, [x(n, c), target])
            add("MultiMarginLoss", family, [x(n, c), target, weight(c)], args=2, weight={"input": 2}, p=2, margin=0.5)
            add("MultiLabelSoftMarginLoss", family, [x(n, c), coins(n, c)])
            add("MultiLabelSoftMarginLoss", family, [x(n, c), coins(n, c), weight(c)], args=2, weight={"input": 2})
            if c == 10:
                add("MultiLabelMarginLoss", family, [x(n, c), randint(-1, c, n, c)])
    add("CrossEntropyLoss", "images", [randn(4, 10, 20), randint(0, 10, 4, 20)])
    add("CrossEntropyLoss", "images", [extreme(4, 10, 20), randint(0, 10, 4, 20)], label_smoothing=0.1)


def reductions(loss, family, inputs, grads=(0,), large=False, **options):
    for reduction in ["mean", "sum"] if large else ["mean", "sum", "none"]:
        add(loss, family, inputs, grads, large=large, reduction=reduction, **options)


def regression():
    near = [["input", 0]]
    pairs = [
        ("random", lambda n: [randn(n), randn(n)]),
        ("to 1e4", lambda n: [extreme(n), extreme(n)]),
        ("to 1e-15", lambda n: [[*randn(n), ["times_power_of_2", -50, 1]], [*randn(n), ["times_power_of_2", -50, 1]]]),
        ("tiny differences", lambda n: [randn(n), [*randn(n), ["mul", 1e-4], ["add_input", 0]]]),
        ("offset of 1e4", lambda n: [[*randn(n), ["add", 1e4]], [*randn(n), ["add", 1e4]]]),
    ]
    losses = [("MSELoss", {}), ("L1Loss", {}), ("SmoothL1Loss", {}), ("SmoothL1Loss", {"beta": 0.3}), ("HuberLoss", {}),
              ("HuberLoss", {"delta": 0.3})]
    for loss, options in losses:
        for family, pair in pairs:
            reductions(loss, family, pair(N), **options)
        reductions(loss, "1e7 elements", pairs[0][1](MANY), large=True, **options)
    reductions("MSELoss", "1e7 elements, offset of 1e4", pairs[4][1](MANY), large=True)
    for loss in WEIGHTED:
        add(loss, "weights", [randn(N), randn(N), [*rand(N), ["add", 0.5]]], args=2, weight={"input": 2})


def binary():
    probabilities = [
        ("random", rand), ("probabilities to 1e-30", tiny), ("probabilities to 1-eps", nearly_one),
    ]
    targets = [("", rand), (", coins", coins), (", close", lambda n: [*rand(n), ["mul", 1e-4], ["add_input", 0], ["clamp", 0.0, 1.0]])]
    for family, x in probabilities:
        for suffix, t in targets:
            for_t = (0, 1) if suffix == "" else (0,)
            reductions("BCELoss", family + suffix, [x(N), t(N)], for_t)
        reductions("BCELoss", "1e7 elements, " + family, [x(MANY), rand(MANY)], large=True)
        add("BCELoss", family + ", weights", [x(N), rand(N), [*rand(N), ["add", 0.5]]], args=2, weight={"input": 2})
    logits = [
        ("random", randn), ("logits to 1e4", extreme), ("logits to 50", lambda n: [*randn(n), ["mul", 16.0]]),
        ("logits to 1e-30", signed_tiny),
    ]
    for family, x in logits:
        for suffix, t in targets[:2]:
            reductions("BCEWithLogitsLoss", family + suffix, [x(N), t(N)])
        factor = [*rand(N), ["add", 0.5]]
        add("BCEWithLogitsLoss", family + ", weights", [x(N), rand(N), factor, factor], args=2, weight={"input": 2},
            pos_weight={"input": 3})
        if family != "logits to 1e4":
            reductions("SoftMarginLoss", family, [x(N), signs(N)])
    for family, x in [logits[0], logits[2]]:
        reductions("BCEWithLogitsLoss", "1e7 elements, " + family, [x(MANY), coins(MANY)], large=True)
        reductions("SoftMarginLoss", "1e7 elements, " + family, [x(MANY), signs(MANY)], large=True)


def distributions():
    for reduction in ["batchmean", "sum", "none"]:
        for family, scale in [("random", 1.0), ("probabilities to 1e-30", 20.0)]:
            x, t = [*randn(64, 16), ["mul", scale], *LOG_SOFTMAX], [*randn(64, 16), ["mul", scale]]
            add("KLDivLoss", family, [x, [*t, *SOFTMAX]], (0,), reduction=reduction)
            add("KLDivLoss", family, [x, [*t, *LOG_SOFTMAX]], (0, 1), reduction=reduction, log_target=True)
        x = [*rand(64, 16), ["mul", -70.0]]
        add("KLDivLoss", "targets to 1e-30", [x, tiny(64, 16)], (0,), reduction=reduction)
        add("KLDivLoss", "log-targets to -70", [x, x], (0, 1), reduction=reduction, log_target=True)
    many = [*randn(100_000, 100), *LOG_SOFTMAX]
    add("KLDivLoss", "1e7 elements", [many, [*randn(100_000, 100), *SOFTMAX]], large=True, reduction="batchmean")
    add("KLDivLoss", "1e7 elements", [many, many], (0, 1), large=True, reduction="sum", log_target=True)
    add("KLDivLoss", "1e5 classes", [[*randn(4, 100_000), *LOG_SOFTMAX], [*randn(4, 100_000), *SOFTMAX]], reduction="batchmean")

    counts = lambda n: [*rand(n), ["mul", 10.0], ["floor"]]
    many_counts = lambda n: [*rand(n), ["mul", 1e4], ["floor"]]
    for full in [False, True]:
        for family, x, t in [
            ("random", randn, counts), ("log-rates to 80", lambda n: [*randn(n), ["mul", 20.0], ["clamp", -80.0, 80.0]], counts),
            ("counts to 1e4", lambda n: [*randn(n), ["add", 8.0]], many_counts),
            ("log-rates down to -1e4", lambda n: [*extreme(n), ["abs"], ["mul", -1.0]], counts),
        ]:
            reductions("PoissonNLLLoss", family, [x(N), t(N)], full=full)
        rates = lambda n: [*rand(n), ["mul", 10.0]]
        for family, x, t in [("rates", rates, counts), ("rates to 1e-30", tiny, counts),
                             ("rates to 1e4", lambda n: [*rand(n), ["mul", 1e4]], many_counts)]:
            reductions("PoissonNLLLoss", family, [x(N), t(N)], log_input=False, full=full)
        reductions("PoissonNLLLoss", "1e7 elements", [randn(MANY), counts(MANY)], large=True, full=full)
    for full in [False, True]:
        for family, scale, offset in [("random", 1.0, 0.0), ("to 1e4", 3000.0, 0.0), ("offset of 1e4", 1.0, 1e4)]:
            for suffix, var in [("", lambda n: [*rand(n), ["add", 0.1]]),
                                (", variances to 1e-9", lambda n: [*rand(n), ["times_power_of_2", -30, 1]]),
                                (", variances to 1e9", lambda n: [*rand(n), ["times_power_of_2", 0, 30]])]:
                number = lambda n: [*randn(n), ["mul", scale], ["add", offset]]
                reductions("GaussianNLLLoss", family + suffix, [number(N), number(N), var(N)], (0, 2), full=full)
    inputs = [randn(MANY), randn(MANY), [*rand(MANY), ["add", 0.1]]]
    reductions("GaussianNLLLoss", "1e7 elements", inputs, (0, 2), large=True)


def embeddings():
    numbers = [
        ("random", lambda *s: randn(*s)), ("to 1e4", extreme), ("tiny", lambda *s: [*randn(*s), ["mul", 1e-3]]),
        ("offset of 1e4", lambda *s: [*randn(*s), ["add", 1e4]]),
    ]
    for family, x in numbers:
        reductions("HingeEmbeddingLoss", family, [[*x(N), ["abs"]], signs(N)])
        reductions("MarginRankingLoss", family, [x(N), x(N), signs(N)], (0, 1), margin=0.3)
        three = [x(64, 33), x(64, 33), x(64, 33)]
        for options in [{}, {"p": 1.0}, {"swap": True}, {"p": 3.0}, {"reduction": "none"}, {"reduction": "sum"}]:
            add("TripletMarginLoss", family, three, (0, 1, 2), **options)
        for options in [{}, {"swap": True}]:
            add("TripletMarginWithDistanceLoss", family, three, (0, 1, 2), **options)
        for options in [{}, {"margin": 0.3}, {"reduction": "none"}, {"reduction": "sum"}]:
            add("CosineEmbeddingLoss", family, [x(64, 33), x(64, 33), signs(64)], (0, 1), **options)
    close = [["input", 0]]
    for loss in ["TripletMarginLoss", "TripletMarginWithDistanceLoss"]:
        near = [*randn(64, 33), ["mul", 1e-3], ["add_input", 0]]
        add(loss, "tiny differences", [randn(64, 33), near, near], (0, 1, 2))
        add(loss, "1e5 features", [randn(4, 100_000), randn(4, 100_000), randn(4, 100_000)], (0, 1, 2))
        add(loss, "1e7 elements", [randn(100_000, 100)] * 3, (0, 1, 2), large=True)
    near = [*randn(64, 33), ["mul", 1e-3], ["add_input", 0]]
    add("CosineEmbeddingLoss", "tiny differences", [randn(64, 33), near, signs(64)], (0, 1))
    add("CosineEmbeddingLoss", "1e5 features", [randn(4, 100_000), randn(4, 100_000), signs(4)], (0, 1))
    reductions("HingeEmbeddingLoss", "1e7 elements", [[*randn(MANY), ["abs"]], signs(MANY)], large=True)
    reductions("MarginRankingLoss", "1e7 elements", [randn(MANY), randn(MANY), signs(MANY)], (0, 1), large=True)


def sequences():
    for family, scale, shape, labels in [
        ("random", 1.0, (40, 6, 20), 10), ("confident", 10.0, (40, 6, 20), 10), ("log-probabilities to -1e4", 3000.0, (40, 6, 20), 10),
        ("1000 steps", 1.0, (1000, 4, 30), 100), ("many classes", 1.0, (40, 2, 10_000), 10),
    ]:
        x = [*randn(*shape), ["mul", scale], ["clamp", -1e4, 1e4], *LOG_SOFTMAX]
        for reduction in ["mean", "sum", "none"]:
            add("CTCLoss", family, [x, randint(1, shape[2], shape[1], labels)], reduction=reduction)


def layers():
    def weights(features, cutoffs, size):
        uniform = lambda rows, columns: [*rand(rows, columns), ["add", -0.5], ["mul", 2.0 / math.sqrt(columns)]]
        ends = [*cutoffs, size]
        shapes = [(cutoffs[0] + len(cutoffs), features)]
        for i in range(len(cutoffs)):
            hidden = features // 4 ** (i + 1)
            shapes += [(hidden, features), (ends[i + 1] - ends[i], hidden)]
        return [uniform(*shape) for shape in shapes]
    for family, scale, size, cutoffs in [
        ("random", 1.0, 200, [20, 60]), ("confident", 30.0, 200, [20, 60]), ("logits to 1e4", 3000.0, 200, [20, 60]),
        ("1e5 classes", 1.0, 100_000, [1000, 10_000]),
    ]:
        inputs = [[*randn(64, 64), ["mul", scale]], randint(0, size, 64), *weights(64, cutoffs, size)]
        add("AdaptiveLogSoftmaxWithLoss", family, inputs, (0, 2, 4), n_classes=size, cutoffs=cutoffs)
    for family, scale, rows, features, size in [
        ("random", 1.0, 64, 32, 50), ("confident", 30.0, 64, 32, 50), ("logits to 1e4", 3000.0, 64, 32, 50), ("1e5 classes", 1.0, 16, 32, 100_000),
    ]:
        inputs = [[*randn(rows, features), ["mul", scale]], randn(size, features), randint(0, size, rows)]
        for options in [{}, {"reduction": "sum"}, {"label_smoothing": 0.1}]:
            add("LinearCrossEntropyLoss", family, inputs, (0, 1), **options)


def main():
    for families in [classes, regression, binary, distributions, embeddings, sequences, layers]:
        families()
    path = pathlib.Path(__file__).with_name("pytorch.json")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    # Those whose title has another text stay as they were measured.
    before = json.loads(path.read_text())["cases"] if wanted else CASES
    cases = []
    for case, old in zip(CASES, before, strict=True):
        cases.append(measure(case) if wanted in f'{case["loss"]} {case["family"]}' else old)
        if cases[-1] is not old:
            print(case["loss"], case["family"], case["options"], cases[-1]["pytorch"], flush=True)
    # One case a line.
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()})[1:-1]
    path.write_text(f'{{{head}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
