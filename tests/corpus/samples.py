"""What `generate.py` calls, and with what: one row per function, whose arguments are drawn anew for every case."""

import torch


class Sample:
    """Draws arguments of one dtype; holds those of one call."""

    def __init__(self, rng, dtype):
        self.rng, self.dtype = rng, dtype
        self.args, self.kwargs, self.init, self.is_module = [], {}, {}, False
        self.second, self.eval = True, False

    # Values

    def shape(self, low=0, high=3):
        return [self.rng.choice([1, 2, 3, 4, 5, 0 if self.rng.random() < 0.1 else 2]) for _ in range(self.rng.randint(low, high))]

    def narrower(self, shape):
        """A shape that broadcasts to this one."""
        shape = [1 if self.rng.random() < 0.3 else n for n in shape]
        return shape[self.rng.randint(0, len(shape)):] if self.rng.random() < 0.3 else shape

    def x(self, shape=None, scale=1.0):
        """Normal numbers that require a gradient; now and then with ties and zeros, with special values, as a view."""
        shape = self.shape() if shape is None else shape
        if not self.dtype.is_floating_point:
            return self.ints(-3, 4, shape).to(self.dtype)
        kind = self.rng.random()
        if kind < 0.1 and len(shape) > 1:
            a, b = self.rng.sample(range(len(shape)), 2)
            swapped = [shape[b if i == a else a if i == b else i] for i in range(len(shape))]
            return torch.randn(swapped, dtype=self.dtype).transpose(a, b).requires_grad_()
        if kind < 0.15:
            return torch.randn(self.narrower(shape), dtype=self.dtype).expand(shape).requires_grad_()
        x = torch.randn(shape, dtype=self.dtype) * scale
        if kind < 0.3:
            x = x.round()
        elif kind < 0.4 and x.numel():
            # What PyTorch makes of these once more is an accident of its formulas.
            self.second = False
            for _ in range(3):
                special = self.rng.choice([float("nan"), float("inf"), float("-inf"), 0.0, -0.0])
                x.view(-1)[self.rng.randrange(x.numel())] = special
        return x.requires_grad_()

    def leaf(self, x):
        return x.requires_grad_(x.dtype.is_floating_point)

    def c(self, shape=None, scale=1.0):
        return self.x(shape, scale).detach()

    def pos(self, shape=None):
        return self.leaf(torch.exp(self.c(shape)).to(self.dtype))

    def unit(self, shape=None):
        shape = self.shape() if shape is None else shape
        return (torch.rand(shape, dtype=self.dtype) * 0.98 + 0.01).requires_grad_()

    def ints(self, low, high, shape):
        return torch.randint(low, high, shape)

    def flags(self, shape):
        return torch.rand(shape) < 0.5

    def signs(self, shape):
        return self.ints(0, 2, shape).to(self.dtype) * 2 - 1

    def dim(self, shape):
        return self.rng.randrange(-len(shape), len(shape)) if shape else self.rng.choice([0, -1])

    def some(self, **options):
        """Each option or not; a function is called for its value."""
        chosen = {name: value for name, value in options.items() if self.rng.random() < 0.5}
        return {name: value() if callable(value) else value for name, value in chosen.items()}

    def reduction(self, *more):
        return self.some(reduction=self.rng.choice(["mean", "sum", "none", *more]))

    # Calls

    def call(self, *args, **kwargs):
        self.args, self.kwargs = list(args), kwargs
        return self

    def module(self, *args, **init):
        self.args, self.init, self.is_module = list(args), init, True
        return self

    def set(self, module):
        """Random parameters and buffers, and sometimes eval mode, for a module just built."""
        module.train(self.rng.random() < 0.7)
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.dtype.is_floating_point and name not in self.init:
                    value.copy_(torch.rand_like(value) + 0.5 if name.endswith("var") else torch.randn_like(value))

    def loss(self):
        """A loss for nets with one or three outputs, and its targets."""
        return self.rng.choice([
            ({"class": "MSELoss"}, lambda s, n: s.c([n, 3])),
            ({"class": "SmoothL1Loss"}, lambda s, n: s.c([n, 3])),
            ({"class": "HuberLoss", "init": {"delta": 0.5}}, lambda s, n: s.c([n, 3])),
            ({"class": "CrossEntropyLoss"}, lambda s, n: s.ints(0, 3, [n])),
            ({"class": "CrossEntropyLoss", "init": {"label_smoothing": 0.1}}, lambda s, n: s.ints(0, 3, [n])),
            ({"class": "BCEWithLogitsLoss"}, lambda s, n: s.ints(0, 2, [n, 3]).to(s.dtype)),
            ({"class": "MultiMarginLoss"}, lambda s, n: s.ints(0, 3, [n])),
        ])


def linear(i, o, **more):
    return {"class": "Linear", "init": {"in_features": i, "out_features": o, **more}}


def sequential(*children):
    return {"class": "Sequential", "children": [[str(i), child] for i, child in enumerate(children)]}


# From 3 features to 3.
NETS = [
    {"class": "SimpleNN", "children": [["fc", linear(3, 3)]]},
    sequential(linear(3, 8), {"class": "ReLU"}, linear(8, 3)),
    sequential(linear(3, 5, bias=False), {"class": "Tanh"}, linear(5, 3)),
    sequential(linear(3, 4), {"class": "GELU"}, {"class": "LayerNorm", "init": {"normalized_shape": 4}}, linear(4, 3)),
    sequential(linear(3, 4), {"class": "BatchNorm1d", "init": {"num_features": 4}}, {"class": "SiLU"}, linear(4, 3)),
    {"class": "Net", "children": [["body", sequential(linear(3, 4), {"class": "Sigmoid"})], ["head", linear(4, 3)]]},
]

OPTIMIZERS = {
    "SGD": lambda r: {"lr": r.choice([0.1, 0.01])} | r.choice([
        {}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "dampening": 0.1, "weight_decay": 0.1},
        {"maximize": True}, {"nesterov": True}, {"momentum": -1.0}]),
    "Adam": lambda r: r.choice([{}, {"lr": 0.1}, {"betas": [0.5, 0.9]}, {"weight_decay": 0.1}, {"amsgrad": True}, {"maximize": True},
                                {"betas": [1.0, 0.9]}]),
    "AdamW": lambda r: r.choice([{}, {"lr": 0.1}, {"weight_decay": 0.5}, {"amsgrad": True}, {"eps": 1e-3}, {"eps": -1.0}]),
    "RMSprop": lambda r: r.choice([{}, {"alpha": 0.5}, {"momentum": 0.9}, {"centered": True, "weight_decay": 0.1}, {"lr": -1.0}]),
    "Adagrad": lambda r: r.choice([{}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.5}, {"weight_decay": 0.1}, {"lr": -1.0}]),
}

LR = {
    "StepLR": lambda r: {"step_size": r.randint(1, 6), "gamma": r.choice([0.1, 0.5])},
    "MultiStepLR": lambda r: {"milestones": sorted(r.choices(range(1, 15), k=3)), "gamma": 0.3},
    "ExponentialLR": lambda r: {"gamma": r.choice([0.9, 0.5, 1.1])},
    "CosineAnnealingLR": lambda r: {"T_max": r.randint(1, 30), "eta_min": r.choice([0.0, 0.01])},
    "LinearLR": lambda r: r.choice([{}, {"start_factor": 0.5, "total_iters": 7}, {"start_factor": 1.5}, {"end_factor": 0.1}]),
    "OneCycleLR": lambda r: {"max_lr": 0.5} | r.choice([
        {"total_steps": 25}, {"epochs": 5, "steps_per_epoch": 5}, {"total_steps": 20, "three_phase": True},
        {"total_steps": 21, "anneal_strategy": "linear", "pct_start": 0.4}, {"total_steps": 25, "div_factor": 5.0}, {}]),
    "ReduceLROnPlateau": lambda r: r.choice([{}, {"patience": 1}, {"patience": 0, "cooldown": 2, "factor": 0.5},
                                             {"mode": "max", "patience": 2}, {"patience": 1, "min_lr": 0.02}, {"mode": "avg"}]),
}


def pair(s):
    """Two operands that broadcast, either one a number now and then."""
    shape = s.shape()
    other = s.rng.choice([lambda: s.x(s.narrower(shape)), lambda: s.rng.choice([2, -1, 0.5, 3.0]), lambda: s.ints(-3, 4, shape),
                          lambda: s.x(shape)])()
    return s.x(shape), other


def unary(draw=Sample.x):
    return lambda s: s.call(draw(s))


def reduced(s, one=False, **more):
    shape = s.shape()
    dim = s.dim(shape) if one or not shape else sorted(s.rng.sample(range(len(shape)), s.rng.randint(1, len(shape))))
    options = s.some(dim=dim, **more)
    if "dim" in options:
        options |= s.some(keepdim=True)
    return s.call(s.x(shape), **options)


def along(s):
    """A shape and one of its dims."""
    shape = s.shape(1)
    return shape, s.dim(shape)


def extreme(s):
    shape = s.shape()
    if s.rng.random() < 0.3:
        return s.call(s.x(shape))
    options = s.some(keepdim=True)
    return s.call(s.x(shape), s.dim(shape), **options) if s.rng.random() < 0.6 else s.call(s.x(shape), s.x(s.narrower(shape)))


def matrices(s):
    n, k, m = (s.rng.randint(1, 5) for _ in range(3))
    left, right = s.rng.choice([([n, k], [k, m]), ([k], [k, m]), ([n, k], [k]), ([k], [k]), ([2, n, k], [k, m]), ([2, n, k], [2, k, m]),
                                ([3, 1, n, k], [2, k, m]), ([n, k], [k + 1, m])])
    return s.call(s.x(left), s.x(right))


def scattered(s, number=False):
    shape, dim = along(s)
    index = s.ints(0, max(1, shape[dim]), shape)
    # Places that several elements are written to have no certain value.
    index = index.argsort(dim) if number is not None else index
    source = s.rng.choice([0.5, 2.0]) if number and s.rng.random() < 0.3 else s.x(shape)
    return s.call(s.x(shape), dim, index, source)


def joined(s, stack=False):
    shape, dim = along(s)
    if stack:
        return s.call([s.x(shape) for _ in range(s.rng.randint(1, 3))], **s.some(dim=dim))
    options = s.some(dim=dim)
    at, parts = options.get("dim", 0), []
    for _ in range(s.rng.randint(1, 3)):
        part = list(shape)
        part[at] = s.rng.randint(0, 3)
        parts.append(s.x(part))
    return s.call(parts, **options)


def one_dim(s, **more):
    shape = s.shape()
    return s.call(s.x(shape), s.dim(shape), **s.some(**more))


def view(s, to):
    shape = s.shape(1)
    return s.call(s.x(shape), to(s, shape))


def regrouped(s, shape):
    n = max(1, torch.Size(shape).numel())
    return s.rng.choice([[-1], [n], [n, 1], [1, n], [-1, shape[-1]], [2, -1]])


def expanded(s):
    shape = s.shape()
    return s.call(s.x(s.narrower(shape)), shape)


OPS = {
    "ops.elementwise": {
        **{name: lambda s: s.call(*pair(s), **s.some(alpha=s.rng.choice([2, 0.5]))) for name in ("add", "sub")},
        "mul": lambda s: s.call(*pair(s)),
        "div": lambda s: s.call(*pair(s), **s.some(rounding_mode=s.rng.choice(["floor", "trunc"]))),
        "pow": lambda s: s.rng.choice([
            lambda: s.call(s.pos([2, 3]), s.x([3])), lambda: s.call(s.x(), s.rng.choice([2, 3, 0, 1])),
            lambda: s.call(s.pos(), s.rng.choice([0.5, -1.5, -1])), lambda: s.call(s.rng.choice([2, 0.5]), s.x())])(),
        **{name: lambda s: s.call(s.x([2, 3]), s.x(s.narrower([2, 3]))) for name in ("maximum", "minimum")},
        **{name: unary() for name in "abs neg exp expm1 square sin cos tanh sigmoid erf sign floor ceil".split()},
        **{name: unary(Sample.pos) for name in "log log1p log2 sqrt rsqrt".split()},
        "round": lambda s: s.call(s.x(scale=100.0), **s.some(decimals=s.rng.choice([-1, 1, 2]))),
        "clamp": lambda s: s.call(s.x([2, 3]), **s.rng.choice([
            s.some(min=s.rng.choice([-0.5, 0]), max=s.rng.choice([0.5, 1])), s.some(min=lambda: s.x([3]), max=lambda: s.x([2, 1]))])),
        "where": lambda s: s.call(s.flags([2, 3]), s.x(s.narrower([2, 3])), s.rng.choice([s.x(s.narrower([2, 3])), 0.5])),
        "masked_fill": lambda s: s.call(s.x([2, 3]), s.flags(s.narrower([2, 3])), s.rng.choice([1, -2.5, float("-inf")])),
    },
    "ops.compare": {
        **{name: lambda s: s.call(*pair(s)) for name in "eq ne lt le gt ge".split()},
        **{name: unary() for name in "isnan isinf logical_not".split()},
    },
    "ops.reduce": {
        **{name: lambda s: reduced(s, dtype=s.rng.choice([torch.float64, torch.float32])) for name in ("sum", "mean")},
        "prod": lambda s: reduced(s, one=True),
        **{name: reduced for name in ("amax", "amin")},
        **{name: lambda s: reduced(s, correction=s.rng.choice([0, 1, 2])) for name in ("var", "std")},
        "logsumexp": lambda s: s.call(s.x([3, 2]), [s.rng.choice([0, 1, -1])], **s.some(keepdim=True)),
        "norm": lambda s: reduced(s, p=s.rng.choice([1, 2, 3, 0, 1.5, float("inf"), float("-inf")])),
        **{name: lambda s: reduced(s, one=True) for name in ("argmax", "argmin")},
        **{name: extreme for name in ("max", "min")},
        "median": lambda s: one_dim(s, keepdim=True) if s.rng.random() < 0.6 else s.call(s.x()),
        "cumsum": one_dim,
    },
    "ops.softmax": {name: lambda s: one_dim(s, dtype=torch.float64) for name in ("softmax", "log_softmax")},
    "ops.matmul": {
        "matmul": matrices,
        "mm": lambda s: s.call(s.x([2, 3]), s.x([3, s.rng.randint(0, 4)])),
        "bmm": lambda s: s.call(s.x([2, 3, 2]), s.x([2, 2, s.rng.randint(1, 4)])),
        "mv": lambda s: s.call(s.x([2, 3]), s.x([3])),
        "dot": lambda s: s.call(s.x([4]), s.x([4])),
        "addmm": lambda s: s.call(s.x(s.narrower([2, 4])), s.x([2, 3]), s.x([3, 4]), **s.some(alpha=s.rng.choice([0.5, 3] if s.dtype.is_floating_point else [3]), beta=s.rng.choice([2, 0]))),
        **{name: lambda s: s.call(s.x(s.shape(2, 3)), **s.some(diagonal=s.rng.choice([-1, 1, 2]))) for name in ("tril", "triu")},
    },
    "ops.shape": {
        "transpose": lambda s: s.call(s.x([2, 3, 4]), s.rng.randrange(-3, 3), s.rng.randrange(-3, 4)),
        "permute": lambda s: s.call(s.x([2, 3, 4]), s.rng.sample([0, 1, 2], 3)),
        **{name: lambda s: view(s, regrouped) for name in ("reshape", "Tensor.view")},
        "squeeze": lambda s: s.call(s.x([1, 3, 1, 2]), **s.some(dim=s.rng.choice([0, -2, 1, [0, 2], []]))),
        "unsqueeze": one_dim,
        "flatten": lambda s: s.call(s.x(s.shape(1, 4)), **s.some(start_dim=s.rng.choice([0, 1]), end_dim=-1)),
        **{name: expanded for name in ("Tensor.expand", "broadcast_to")},
        "cat": joined,
        "stack": lambda s: joined(s, stack=True),
        "split": lambda s: s.call(s.x([5, 4]), s.rng.choice([1, 2, 3, [1, 4], [5], [2, 2]]), **s.some(dim=s.rng.choice([0, 1]))),
        "chunk": lambda s: s.call(s.x([5, 4]), s.rng.randint(1, 6), **s.some(dim=s.rng.choice([0, 1, -1]))),
        "narrow": lambda s: s.call(s.x([5, 4]), s.rng.choice([0, 1]), s.rng.randint(-2, 4), s.rng.randint(0, 3)),
        "select": lambda s: s.call(s.x([5, 4]), s.rng.choice([0, 1, -1]), s.rng.randint(-5, 5)),
        "Tensor.to": lambda s: s.call(s.x(), s.rng.choice([torch.float32, torch.float64, torch.int64, torch.bool])),
    },
    "ops.index": {
        "index_select": lambda s: s.call(s.x([3, 4]), s.rng.choice([0, 1]), s.ints(0, s.rng.choice([3, 5]), [s.rng.randint(0, 4)])),
        "gather": lambda s: s.call(s.x([3, 4]), s.rng.choice([0, 1]), s.ints(0, 3, [2, s.rng.randint(1, 4)])),
        "scatter": lambda s: scattered(s, number=True),
        "scatter_add": lambda s: scattered(s, number=None),
        "masked_select": lambda s: s.call(s.x([3, 4]), s.flags(s.narrower([3, 4]))),
        **{name: lambda s: s.call(s.x(s.shape()), **s.some(stable=True, descending=True)) for name in ("sort",)},
        "topk": lambda s: s.call(s.leaf(torch.randperm(12).reshape(3, 4).to(s.dtype)), s.rng.randint(0, 4),
                                 **s.some(largest=False)),
        "nn.functional.one_hot": lambda s: s.call(s.ints(0, 4, s.shape()), **s.some(num_classes=s.rng.choice([4, 6, 2]))),
    },
}


def elementwise_loss(target, input=Sample.x, **options):
    """Input and target of one shape, sometimes broadcast."""
    def sample(s):
        shape = s.shape()
        more = {name: value(s, shape) for name, value in options.items()}
        return (input(s, shape), target(s, shape)), s.reduction() | s.some(**more)
    return sample


def class_loss(**options):
    """Logits and class indices; (C), (N, C) or (N, C, d…)."""
    def sample(s):
        c = s.rng.randint(2, 4)
        shape = s.rng.choice([[c], [3, c], [2, c, 3], [2, c, 2, 2]])
        places = shape[:-1] if len(shape) < 3 else shape[:1] + shape[2:]
        more = {name: value(s, c) for name, value in options.items()}
        return (s.x(shape), s.ints(0, c, places)), s.reduction() | s.some(**more)
    return sample


def cross_entropy(s):
    args, options = class_loss(weight=lambda s, c: weight(s, [c]), label_smoothing=lambda s, c: 0.2,
                               ignore_index=lambda s, c: s.rng.choice([0, 1, -100]))(s)
    if s.rng.random() < 0.3:
        options.pop("ignore_index", None)
        x = args[0]
        args = (x, torch.softmax(s.c(x.shape), 1 if x.ndim > 1 else 0).requires_grad_())
    return args, options


def flat_class_loss(**options):
    def sample(s):
        n, c = s.rng.choice([(1, 3), (3, 4), (2, 2)])
        more = {name: value(s, c) for name, value in options.items()}
        return (s.x([n, c]), s.ints(0, c, [n])), s.reduction() | s.some(**more)
    return sample


def multilabel_margin(s):
    n, c = s.rng.choice([(1, 3), (3, 4)])
    rows = [torch.randperm(c).where(torch.arange(c) < s.rng.randint(0, c), -1) for _ in range(n)]
    return (s.x([n, c]), torch.stack(rows)), s.reduction()


def triplet(s):
    shape = s.rng.choice([[3, 4], [4], [2, 3, 4]])
    return (s.x(shape), s.x(shape), s.x(shape)), s.reduction() | s.some(margin=0.5, swap=True)


def ctc(s):
    t, n, c, l = 6, 2, 4, 3
    s.second = False
    x = s.c([t, n, c]).log_softmax(2).requires_grad_()
    lengths = [s.rng.randint(3, t) for _ in range(n)], [s.rng.randint(0, l) for _ in range(n)]
    return (x, s.ints(1, c, [n, l]), *map(torch.tensor, lengths)), s.reduction() | s.some(zero_infinity=True)


def weight(s, shape):
    return s.unit(shape).detach() * 2


# Class of nn, name in nn.functional, and what draws (arguments, options).
LOSSES = [
    ("L1Loss", "l1_loss", elementwise_loss(Sample.x)),
    ("MSELoss", "mse_loss", elementwise_loss(Sample.x)),
    ("SmoothL1Loss", "smooth_l1_loss", elementwise_loss(Sample.x, beta=lambda s, _: s.rng.choice([0.5, 2.0, 0.0]))),
    ("HuberLoss", "huber_loss", elementwise_loss(Sample.x, delta=lambda s, _: s.rng.choice([0.5, 2.0, -1.0]))),
    ("BCELoss", "binary_cross_entropy", elementwise_loss(Sample.unit, Sample.unit, weight=weight)),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits",
     elementwise_loss(Sample.unit, weight=weight, pos_weight=lambda s, shape: weight(s, shape[-1:]))),
    ("KLDivLoss", "kl_div", lambda s: ((s.x([3, 4]), s.unit([3, 4])), s.reduction("batchmean") | s.some(log_target=True))),
    ("PoissonNLLLoss", "poisson_nll_loss", elementwise_loss(Sample.pos, Sample.pos, log_input=lambda *_: False, full=lambda *_: True)),
    ("HingeEmbeddingLoss", "hinge_embedding_loss", elementwise_loss(Sample.signs, margin=lambda *_: 0.5)),
    ("SoftMarginLoss", "soft_margin_loss", elementwise_loss(Sample.signs)),
    ("GaussianNLLLoss", "gaussian_nll_loss", lambda s: ((s.x([3, 2]), s.x([3, 2]), s.pos([3, s.rng.choice([1, 2])])),
                                                       s.reduction() | s.some(full=True, eps=0.1))),
    ("MarginRankingLoss", "margin_ranking_loss", lambda s: ((s.x([4]), s.x([4]), s.signs([4])), s.reduction() | s.some(margin=0.5))),
    ("CosineEmbeddingLoss", "cosine_embedding_loss", lambda s: ((s.x([3, 4]), s.x([3, 4]), s.signs([3])),
                                                              s.reduction() | s.some(margin=0.5))),
    ("CrossEntropyLoss", "cross_entropy", cross_entropy),
    ("NLLLoss", "nll_loss", class_loss(weight=lambda s, c: weight(s, [c]), ignore_index=lambda s, c: s.rng.choice([0, 1]))),
    ("MultiMarginLoss", "multi_margin_loss", flat_class_loss(weight=lambda s, c: weight(s, [c]), p=lambda *_: 2, margin=lambda *_: 0.5)),
    ("MultiLabelMarginLoss", "multilabel_margin_loss", multilabel_margin),
    ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss",
     lambda s: ((s.x([3, 4]), s.ints(0, 2, [3, 4]).to(s.dtype)), s.reduction() | s.some(weight=lambda: weight(s, [4])))),
    ("TripletMarginLoss", "triplet_margin_loss", lambda s: (lambda args, options: (args, options | s.some(
        p=s.rng.choice([1.0, 3.0, float("inf")]))))(*triplet(s))),
    ("TripletMarginWithDistanceLoss", "triplet_margin_with_distance_loss", triplet),
    ("CTCLoss", "ctc_loss", ctc),
]


def of_function(draw):
    def sample(s):
        args, options = draw(s)
        return s.call(*args, **options)
    return sample


def of_module(draw):
    def sample(s):
        args, options = draw(s)
        return s.module(*args, **options)
    return sample


LAYERS = {
    "nn.Linear": lambda s: s.module(s.x(s.shape(0, 2) + [3]), in_features=3, out_features=2, **s.some(bias=False)),
    "nn.Embedding": lambda s: s.module(s.ints(0, 5, s.shape()), num_embeddings=5, embedding_dim=3, **s.some(padding_idx=1)),
    "nn.LayerNorm": lambda s: s.module(s.x([2, 3, 4]), normalized_shape=s.rng.choice([[4], [3, 4]]),
                                       **s.some(eps=0.1, bias=False, elementwise_affine=False)),
    "nn.BatchNorm1d": lambda s: s.module(s.x(s.rng.choice([[4, 3], [4, 3, 2]])), num_features=3,
                                         **s.some(eps=0.1, momentum=0.3, affine=False, track_running_stats=False)),
    "nn.Flatten": lambda s: s.module(s.x([2, 3, 4]), **s.some(start_dim=s.rng.choice([0, 2]))),
    **{f"nn.{name}": lambda s: s.module(s.x()) for name in "ReLU SiLU Sigmoid Tanh LogSigmoid".split()},
    "nn.ELU": lambda s: s.module(s.x(), **s.some(alpha=0.5)),
    "nn.GELU": lambda s: s.module(s.x(), **s.some(approximate="tanh")),
    "nn.LeakyReLU": lambda s: s.module(s.x(), **s.some(negative_slope=0.2)),
    "nn.Softplus": lambda s: s.module(s.x(), **s.some(beta=2.0, threshold=1.0)),
    **{f"nn.{name}": lambda s: s.module(s.x([2, 3]), dim=s.rng.choice([0, 1, -1])) for name in ("Softmax", "LogSoftmax")},
    **{f"nn.functional.{name}": unary() for name in "relu silu logsigmoid elu gelu leaky_relu softplus".split()},
    "nn.functional.linear": lambda s: s.call(s.x(s.shape(0, 2) + [3]), s.x([2, 3]), **s.some(bias=lambda: s.x([2]))),
    "nn.functional.linear_cross_entropy": lambda s: s.call(
        s.x([4, 3]), s.x([5, 3]), s.ints(0, 5, [4]), **s.reduction(), **s.some(linear_bias=lambda: s.x([5]), label_smoothing=0.1)),
}

# Calls by file; without a file's name, one file each.
CALLS = {
    **OPS,
    None: LAYERS
    | {f"nn.{name}": of_module(draw) for name, _, draw in LOSSES}
    | {f"nn.functional.{name}": of_function(draw) for _, name, draw in LOSSES},
}
