"""Looks for the slow spots: times operations over shapes beside PyTorch, in turns, and lists where ours takes longer.

python benches/sweep.py [NAME...] [--threads N] [--rounds N] [--python PATH] [--above RATIO] [--all]

NAMEs are names of operations, or beginnings that end in `*`. --python is an interpreter that has torch. A point is an operation, a dimension,
a shape, a dtype, a layout and a pass; its ratio is ours ÷ PyTorch's, of the least times of a round, and the middle ratio of
the rounds. Points above RATIO in the first round are measured again in each further round; --all prints the others, too.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time

import compare

# Which dimension is long: shapes of 1 to 4 dimensions, of up to a million elements.
SHAPES = {
    1: ["10", "1000", "1000000"],
    2: ["1x10", "10x1", "10x10", "1x1000", "1000x1", "10x1000", "1000x10", "1000x1000", "10x100000", "100000x10", "1x1000000", "1000000x1"],
    3: ["10x10x10", "10x10x1000", "10x1000x10", "1000x10x10", "1000x1x1000", "1x1000x1000", "1000x1000x1"],
    4: ["10x10x10x10", "10x10x10x1000", "10x1000x10x10", "1000x10x10x10"],
}  # fmt: skip
EVERY = [shape for shapes in SHAPES.values() for shape in shapes]
MATRICES = SHAPES[2] + ["64x131072", "100000x64", "4096x1024"]

ELEMENTS = """abs neg sign square sqrt rsqrt exp expm1 log log2 log1p sin cos tan tanh sigmoid log_sigmoid erf floor round reciprocal
relu gelu silu elu softplus leaky_relu pow_3 pow_half clamp tril isnan to_f64 to_i64 add_number mul_number gt_number""".split()
PAIRS = "add sub mul div maximum lt pow remainder lerp add_row mul_column where masked_fill masked_select".split()
ALONG = "sum mean amax amin argmax prod var norm logsumexp softmax log_softmax cumsum cumprod any sort topk".split()
WHOLE = "sum_all mean_all max_all var_all norm_all".split()
MOVES = "cat stack flip roll repeat gather scatter_add index_select".split()
LOSSES = """mse l1 smooth_l1 huber bce bce_with_logits kl_div poisson_nll hinge_embedding soft_margin gaussian_nll margin_ranking""".split()
ROWS = """cross_entropy cross_entropy_smooth cross_entropy_dense nll multi_margin multilabel_margin multilabel_soft_margin
cosine_embedding triplet_margin""".split()
LAYERS = "layer_norm batch_norm dropout".split()
OPTIMIZERS = "sgd sgd_momentum adam adamw rmsprop adagrad".split()
NO_GRADIENT = set("sign floor round isnan to_i64 gt_number lt remainder argmax any masked_select".split() + OPTIMIZERS)


def cases():
    """All points: (op, dim, shape, dtype, layout, pass)."""

    def both(op, dim, shape, dtype="f32", layout="contiguous"):
        yield op, dim, shape, dtype, layout, "forward"
        if op not in NO_GRADIENT:
            yield op, dim, shape, dtype, layout, "backward"

    for op in ELEMENTS + PAIRS + WHOLE:
        for shape in (SHAPES[1] if op != "tril" else []) + ["1000x1000"]:
            yield from both(op, "-", shape)
        yield from both(op, "-", "1000000" if op != "tril" else "10x100000", "f64")
        yield from both(op, "-", "1000x1000", layout="transposed")
        yield from both(op, "-", "1000x1000", layout="expanded")
    for op in ALONG + MOVES:
        for shape in EVERY:
            for dim in range(shape.count("x") + 1):
                yield from both(op, dim, shape)
        for layout, dim in itertools.product(["transposed", "expanded"], range(2)):
            yield from both(op, dim, "1000x1000", layout=layout)
        for dim in range(2):
            yield from both(op, dim, "1000x1000", "f64")
    for op in ["sum", "mean", "amax"]:
        for shape, dim in itertools.product(["64x131072", "128x50257", "100000x64", "4096x1024"], range(2)):
            yield from both(op, dim, shape)
    for shape, layout in itertools.product(["10x10", "1000x1000", "10x100000", "100000x10"], ["transposed", "expanded"]):
        yield from both("contiguous", "-", shape, layout=layout)
    for op, shape in itertools.product(["mm", "mm_t", "t_mm", "mv"], MATRICES[:8] + ["64x64", "256x256", "1x512", "4x512", "16x512", "128x784", "512x512"]):
        if op == "mv" or max(map(int, shape.split("x"))) <= 1000:
            yield from both(op, "-", shape)
    yield from (case for n in SHAPES[1] for case in both("dot", "-", n))
    yield from (case for shape in ["64x32x32", "1000x10x10", "10x100x100"] for case in both("bmm", "-", shape))
    for op in ["mm", "mm_t"]:
        yield from both(op, "-", "256x256", "f64")
    for op, shape in itertools.product(LOSSES, SHAPES[1] + ["1000x1000"]):
        yield from both(op, "-", shape)
    for op, shape in itertools.product(ROWS, ["10x10", "1000x10", "100000x10", "10x1000", "1000x1000", "10x100000"]):
        yield from both(op, "-", shape)
    for op in LOSSES + ROWS:
        yield from both(op, "-", "1000x100", "f64")
    for op, shape in itertools.product(LAYERS, ["10x10", "1000x10", "100000x10", "10x1000", "1000x1000", "4096x512"]):
        yield from both(op, "-", shape)
    for shape in ["1x512", "2x512", "4x512", "8x512", "16x512", "64x512", "10x10", "1000x10", "1000x1000", "100000x10"]:
        yield from both("linear", "-", shape)
    yield from ((op, "-", shape, "f32", "contiguous", "forward") for op in OPTIMIZERS for shape in ["10", "1000", "1000000", "100x10", "100x1000"])
    yield from (("embedding", "-", shape, "f32", "contiguous", "forward") for shape in ["10x10", "1000x10", "10000x64"])
    yield from ((op, "-", n, "f32", "contiguous", "forward") for op in ["randn", "rand", "randperm"] for n in SHAPES[1])


def worker(threads):
    """PyTorch's side: as benches/sweep/main.rs."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    dtypes = {"f32": torch.float32, "f64": torch.float64}
    positive = set("log log2 log1p sqrt rsqrt pow_half reciprocal bce prod cumprod".split())
    plain = {
        "abs": torch.abs, "neg": torch.neg, "sign": torch.sign, "square": torch.square, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
        "exp": torch.exp, "expm1": torch.expm1, "log": torch.log, "log2": torch.log2, "log1p": torch.log1p, "sin": torch.sin,
        "cos": torch.cos, "tan": torch.tan, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "log_sigmoid": F.logsigmoid,
        "erf": torch.erf, "floor": torch.floor, "round": torch.round, "reciprocal": torch.reciprocal, "relu": torch.relu,
        "gelu": F.gelu, "silu": F.silu, "elu": F.elu, "softplus": F.softplus, "leaky_relu": F.leaky_relu,
        "pow_3": lambda x: x.pow(3.0), "pow_half": lambda x: x.pow(0.5), "clamp": lambda x: x.clamp(-1.0, 1.0),
        "isnan": torch.isnan, "to_f64": lambda x: x.double(), "to_i64": lambda x: x.long(), "add_number": lambda x: x + 2.0,
        "mul_number": lambda x: x * 2.0, "gt_number": lambda x: x > 0.0, "sum_all": torch.sum, "mean_all": torch.mean,
        "max_all": torch.max, "var_all": torch.var, "norm_all": torch.linalg.vector_norm, "contiguous": lambda x: x.contiguous(),
        "tril": torch.tril,
    }  # fmt: skip
    along = {
        "sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin, "argmax": torch.argmax, "prod": torch.prod,
        "var": torch.var, "norm": lambda x, d: torch.linalg.vector_norm(x, dim=d), "logsumexp": torch.logsumexp,
        "softmax": torch.softmax, "log_softmax": torch.log_softmax, "cumsum": torch.cumsum, "cumprod": torch.cumprod,
        "any": torch.any, "sort": lambda x, d: x.sort(d).values, "topk": lambda x, d: x.topk(min(3, x.shape[d]), d).values,
        "flip": lambda x, d: x.flip(d), "roll": lambda x, d: x.roll(1, d),
    }  # fmt: skip
    with_other = {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "lt": torch.lt,
        "lerp": lambda x, y: torch.lerp(x, y, 0.3), "dot": torch.dot, "mse": F.mse_loss, "l1": F.l1_loss,
        "smooth_l1": F.smooth_l1_loss, "huber": F.huber_loss,
    }  # fmt: skip
    with_between = {
        "pow": lambda x, y: y.pow(x), "remainder": torch.remainder, "bce": F.binary_cross_entropy,
        "bce_with_logits": F.binary_cross_entropy_with_logits, "kl_div": F.kl_div, "poisson_nll": F.poisson_nll_loss,
    }  # fmt: skip
    with_signs = {"hinge_embedding": F.hinge_embedding_loss, "soft_margin": F.soft_margin_loss}
    with_mask = {
        "masked_fill": lambda x, m: x.masked_fill(m, 0.0), "masked_select": torch.masked_select,
    }  # fmt: skip
    with_classes = {
        "cross_entropy": F.cross_entropy, "nll": F.nll_loss, "multi_margin": F.multi_margin_loss,
        "cross_entropy_smooth": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
    }  # fmt: skip
    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, 1e-3), "sgd_momentum": lambda p: torch.optim.SGD(p, 1e-3, 0.9),
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad,
    }  # fmt: skip

    def prepare(op, dim, shape, dtype):
        first, last = shape[0], shape[-1]
        normal = lambda *s: torch.randn(s or shape, dtype=dtype)
        between = lambda: torch.rand(shape, dtype=dtype) * 0.9 + 0.05
        if op in plain:
            return plain[op]
        if op in along:
            return lambda x: along[op](x, dim)
        for table, make in [
            (with_other, normal), (with_between, between), (with_signs, lambda: normal().sign()), (with_mask, lambda: normal() > 0),
            (with_classes, lambda: torch.randint(0, last, (first,))),
        ]:  # fmt: skip
            if op in table:
                y = make()
                return lambda x: table[op](x, y)
        if op in optimizers:
            shapes = [shape[1:]] * first if len(shape) > 1 else [shape]
            parameters = [nn.Parameter(normal(*s)) for s in shapes]
            for p in parameters:
                p.grad = torch.randn_like(p)
            optimizer = optimizers[op](parameters)
            return lambda x: optimizer.step()
        if op == "add_row":
            y = normal(last)
            return lambda x: x + y
        if op == "mul_column":
            y = normal(*shape[:-1], 1)
            return lambda x: x * y
        if op == "where":
            mask, y = normal() > 0, normal()
            return lambda x: torch.where(mask, x, y)
        if op in ("cat", "stack"):
            y = normal()
            return lambda x: getattr(torch, op)([x, y], dim)
        if op == "repeat":
            repeats = [2 if d == dim else 1 for d in range(len(shape))]
            return lambda x: x.repeat(repeats)
        if op == "gather":
            index = torch.randint(0, shape[dim], shape)
            return lambda x: x.gather(dim, index)
        if op == "scatter_add":
            index, source = torch.randint(0, shape[dim], shape), normal()
            return lambda x: x.scatter_add(dim, index, source)
        if op == "index_select":
            index = torch.randint(0, shape[dim], (shape[dim],))
            return lambda x: x.index_select(dim, index)
        if op == "mm":
            y = normal(last, first)
            return lambda x: x.mm(y)
        if op == "mm_t":
            y = normal(first, last)
            return lambda x: x.mm(y.t())
        if op == "t_mm":
            y = normal(first, last)
            return lambda x: x.t().mm(y)
        if op == "mv":
            y = normal(last)
            return lambda x: x.mv(y)
        if op == "bmm":
            y = normal(first, last, shape[1])
            return lambda x: x.bmm(y)
        if op == "gaussian_nll":
            y, var = normal(), between()
            return lambda x: F.gaussian_nll_loss(x, y, var)
        if op == "margin_ranking":
            y, sign = normal(), normal().sign()
            return lambda x: F.margin_ranking_loss(x, y, sign)
        if op == "cross_entropy_dense":
            y = normal().softmax(1)
            return lambda x: F.cross_entropy(x, y)
        if op == "multilabel_margin":
            y = torch.randint(-1, last, shape)
            return lambda x: F.multilabel_margin_loss(x, y)
        if op == "multilabel_soft_margin":
            y = (normal() > 0).to(dtype)
            return lambda x: F.multilabel_soft_margin_loss(x, y)
        if op == "cosine_embedding":
            y, sign = normal(), torch.randn(first, dtype=dtype).sign()
            return lambda x: F.cosine_embedding_loss(x, y, sign)
        if op == "triplet_margin":
            y, negative = normal(), normal()
            return lambda x: F.triplet_margin_loss(x, y, negative)
        if op in ("linear", "layer_norm", "batch_norm", "dropout"):
            make = {"linear": lambda: nn.Linear(last, last), "layer_norm": lambda: nn.LayerNorm([last]), "batch_norm": lambda: nn.BatchNorm1d(last), "dropout": lambda: nn.Dropout(0.5)}
            return make[op]()
        if op == "embedding":
            layer, index = nn.Embedding(first, last), torch.randint(0, first, (first,))
            return lambda x: layer(index).sum().backward()
        if op == "randperm":
            return lambda x: torch.randperm(first)
        return lambda x: getattr(torch, op)(shape)

    def laid_out(op, shape, dtype, layout):
        make = lambda s: torch.rand(s, dtype=dtype) * 0.9 + 0.05 if op in positive else torch.randn(s, dtype=dtype)
        if layout == "transposed":
            return make(shape[::-1]).permute(*reversed(range(len(shape))))
        if layout == "expanded":
            return make([1, *shape[1:]]).expand(shape)
        return make(shape)

    def least(step):
        start, warm = time.perf_counter(), 0
        while warm < 2 or time.perf_counter() - start < 0.02 / 3 and warm < 1000:
            step()
            warm += 1
        inner = max(1, int(20e-6 * warm / (time.perf_counter() - start)) + 1)
        start, best, samples = time.perf_counter(), float("inf"), 0
        while samples < 3 or time.perf_counter() - start < 0.02:
            sample = time.perf_counter()
            for _ in range(inner):
                step()
            best = min(best, (time.perf_counter() - sample) / inner)
            samples += 1
        return best * 1e9

    def run(op, dim, shape, dtype, layout, what):
        shape, dim = list(map(int, shape.split("x"))), 0 if dim == "-" else int(dim)
        step, x = prepare(op, dim, shape, dtypes[dtype]), laid_out(op, shape, dtypes[dtype], layout)
        if what == "backward":
            x = x.detach().requires_grad_()

            def both():
                x.grad = None
                step(x).sum().backward()

            return least(both)
        if op in OPTIMIZERS or op == "embedding":
            return least(lambda: step(x))
        with torch.no_grad():
            return least(lambda: step(x))

    for line in sys.stdin:
        try:
            print(run(*line.split()), flush=True)
        except Exception as error:
            print("error:", str(error).split("\n")[0], flush=True)


def ask(process, case):
    """The ns that a side takes for a case, or what is wrong with it."""
    process.stdin.write(" ".join(map(str, case)) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline().strip()
    try:
        return float(answer)
    except ValueError:
        return answer or "error: it ended"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--above", type=float, default=1.0)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.threads)
    program = compare.build("bench", "--bench", "sweep", "--no-run")["sweep"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(options.threads)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    ours = subprocess.Popen([program], **pipes)
    theirs = subprocess.Popen([options.python, __file__, "--worker", "--threads", str(options.threads)], **pipes)
    points = [c for c in cases() if not options.names or any(c[0] == n or n.endswith("*") and c[0].startswith(n[:-1]) for n in options.names)]
    ratios, failed = {}, 0
    for turn in range(options.rounds):
        for case in points:
            a, b = ask(ours, case), ask(theirs, case)
            if isinstance(a, str) or isinstance(b, str):
                failed += 1
                print("FAILS", *case, "| ours:", a, "| PyTorch:", b)
                continue
            ratios.setdefault(case, []).append((a / b, a, b))
        points = [case for case in points if case in ratios and statistics.median_low(ratios[case])[0] > options.above]
        print(f"round {turn + 1}: {len(points)} of {len(ratios)} points above {options.above}", file=sys.stderr)
    worst = sorted(((statistics.median_low(times), case) for case, times in ratios.items()), reverse=True)
    for (ratio, a, b), case in worst:
        if ratio > options.above or options.all:
            print(f"{ratio:6.2f}  {a / 1000:12.1f} µs {b / 1000:12.1f} µs  {' '.join(map(str, case))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
