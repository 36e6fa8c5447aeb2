"""Makes conformance corpora, in the format of README.md, from an installed PyTorch.

    generate.py FOLDER [--seed N] [--rounds N]        random cases of every kind, computed here
    generate.py FOLDER --thin SOURCE [--bytes N]      a part of the corpus SOURCE
"""

import argparse
import itertools
import math
import random
import warnings
from pathlib import Path

import torch

from samples import CALLS, LR, NETS, OPTIMIZERS, Sample
from thin import pack, thin

# Those besides the floats, by subject.
DTYPES = {
    **dict.fromkeys(("ops.compare", "ops.reduce", "ops.shape", "ops.index"), (torch.int64, torch.bool)),
    **dict.fromkeys(("ops.elementwise", "ops.matmul"), (torch.int64,)),
}
TOLERANCE = {torch.float64: (1e-7, 1e-9), torch.float32: (1.3e-6, 1e-5)}


class File:
    """The cases of one subject and their tensors."""

    def __init__(self):
        self.tensors, self.cases, self.names = {}, [], {}

    def json(self, value):
        if isinstance(value, torch.Tensor) and not value.is_contiguous():
            sizes = [1 if step == 0 else n for n, step in zip(value.shape, value.stride())]
            base = value.detach().as_strided(sizes, value.stride())
            if base.is_contiguous():
                return self.json(base) | {"expanded": list(value.shape)}
            for a, b in itertools.combinations(range(value.ndim), 2):
                if value.transpose(a, b).is_contiguous():
                    return self.json(value.transpose(a, b)) | {"transposed": [a, b]}
        if isinstance(value, torch.Tensor):
            value = torch.empty(value.shape, dtype=value.dtype).copy_(value.detach())
            key = (value.dtype, tuple(value.shape), value.flatten().view(torch.uint8).numpy().tobytes())
            name = self.names.setdefault(key, f"t{len(self.names)}")
            self.tensors[name] = value
            return {"tensor": name}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(value)}
        if isinstance(value, (list, tuple)):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        return value

    def add(self, kind, name, dtype=None, **fields):
        rtol, atol = TOLERANCE.get(dtype, (0.0, 0.0))
        case = {"name": f"{name}/{len(self.cases)}", "kind": kind, "rtol": rtol, "atol": atol}
        self.cases.append(case | {key: self.json(value) for key, value in fields.items()})

    def write(self, path):
        path.write_bytes(pack(self.cases, self.tensors, torch.__version__))


def resolve(call):
    """The function of a name such as `matmul`, `Tensor.view`, `nn.functional.elu`."""
    found = torch
    for part in call.split("."):
        found = getattr(found, part)
    return found


def copy(value):
    """The same arguments, leaves of their own."""
    if isinstance(value, torch.Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return [copy(item) for item in value]
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    return value


def leaves(path, value):
    """The tensors that require a gradient, by their paths."""
    if isinstance(value, torch.Tensor) and value.requires_grad:
        return {path: value}
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    return {name: leaf for key, item in items for name, leaf in leaves(f"{path}.{key}", item).items()}


def second_derivatives(grads, found):
    """Fields of a case; none where PyTorch cannot differentiate a gradient."""
    directions = {name: torch.randn_like(leaf) for name, leaf in found.items()}
    roots = [(g, directions[name]) for name, g in grads.items() if g is not None and g.requires_grad]
    second = [None] * len(found)
    try:
        if roots:
            second = torch.autograd.grad([g for g, _ in roots], list(found.values()), [d for _, d in roots],
                                         allow_unused=True)
    except RuntimeError:
        return {}
    return {"directions": directions, "second": dict(zip(found, second))}


def op(file, call, sample):
    """Adds the case of one call."""
    dtype, args, kwargs = sample.dtype, copy(sample.args), copy(sample.kwargs)
    fields = {"call": call, "args": sample.args}
    fields |= {"init": sample.init} if sample.is_module else {"kwargs": sample.kwargs}
    found = leaves("args", args) | leaves("kwargs", kwargs)
    try:
        function = resolve(call)
        if sample.is_module:
            function = function(**copy(sample.init)).to(dtype)
            sample.set(function)
            # A loss keeps its weight as a buffer, which its constructor has set.
            state = {name: value.clone() for name, value in function.state_dict().items() if name not in sample.init}
            fields |= {"state": state} if state else {}
            fields["training"] = function.training
            found |= {f"state.{name}": p for name, p in function.named_parameters()}
        output = function(*args, **kwargs)
    except Exception as error:
        file.add("op", f"{call}/{dtype}", dtype, **fields, error=f"{type(error).__name__}: {error}")
        return
    outputs = list(output) if isinstance(output, (list, tuple)) else [output]
    upstream = [torch.randn_like(y) if y.requires_grad else None for y in outputs]
    one = not isinstance(output, (list, tuple))
    fields["output"] = outputs[0] if one else outputs
    if sample.is_module and "state" in fields:
        after = function.state_dict()
        changed = {name: after[name] for name, value in state.items() if not after[name].equal(value)}
        fields |= {"state_after": changed} if changed else {}
    roots = [(y, g) for y, g in zip(outputs, upstream) if g is not None]
    if found and roots:
        double = dtype == torch.float64 and sample.second
        try:
            grads = torch.autograd.grad([y for y, _ in roots], list(found.values()), [g for _, g in roots],
                                        allow_unused=True, create_graph=double)
        except RuntimeError:
            # A result without a derivative says nothing.
            return
        grads = dict(zip(found, grads))
        fields |= {"grad_of": list(found), "upstream": upstream[0] if one else upstream, "grads": dict(grads)}
        if double:
            fields |= second_derivatives(grads, found)
    floats = [y.dtype for y in (*outputs, *found.values()) if y.dtype.is_floating_point]
    file.add("op", f"{call}/{dtype}", min(floats, key=lambda d: d.itemsize, default=None), **fields)


def build(description):
    """The module of a description."""
    children = description.get("children")
    if children is None:
        return getattr(torch.nn, description["class"])(**description.get("init", {}))
    if description["class"] == "Sequential":
        return torch.nn.Sequential(*(build(child) for _, child in children))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, child in children:
                self.add_module(name, build(child))

        def forward(self, x):
            for child in self.children():
                x = child(x)
            return x

    Net.__name__ = description["class"]
    return Net()


def optim(file, name, options, rng):
    for dtype in (torch.float64, torch.float32):
        params = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ([3], [2, 2])]
        fields = {"optimizer": name, "options": options}
        try:
            optimizer = getattr(torch.optim, name)(params, **options)
        except Exception as error:
            file.add("optim", f"{name}/{dtype}", dtype, **fields, error=f"{type(error).__name__}: {error}")
            continue
        fields |= {"params": [p.detach().clone() for p in params], "grads": [], "after": []}
        for _ in range(5):
            grads = [torch.randn_like(p) if rng.random() < 0.8 else None for p in params]
            for p, g in zip(params, grads):
                p.grad = None if g is None else g.clone()
            optimizer.step()
            fields["grads"].append(grads)
            fields["after"].append([p.detach().clone() for p in params])
        file.add("optim", f"{name}/{dtype}", dtype, **fields)


def lr(file, name, options, rng):
    start, momentum = rng.choice([1.0, 0.3, 0.05]), rng.choice([0.9, 0.0])
    fields = {"scheduler": name, "options": options, "lr": start, "momentum": momentum}
    try:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=start, momentum=momentum)
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
        lrs, momenta = [], []
        metrics = [rng.choice([1.0, 0.9, 0.5, 1.1]) for _ in range(20)] if name == "ReduceLROnPlateau" else None
        for i in range(20):
            lrs.append(float(optimizer.param_groups[0]["lr"]))
            momenta.append(float(optimizer.param_groups[0]["momentum"]))
            if i < 19:
                optimizer.step()
                scheduler.step(*([metrics[i]] if metrics else []))
        fields |= {"lrs": torch.tensor(lrs, dtype=torch.float64)}
        fields |= {"momenta": torch.tensor(momenta, dtype=torch.float64)} if name == "OneCycleLR" else {}
        fields |= {"metrics": metrics[:19]} if metrics else {}
    except Exception as error:
        fields["error"] = f"{type(error).__name__}: {error}"
    file.add("lr", name, torch.float64, **fields)


def train(file, sample, net, loss, target, optimizer, options):
    dtype = sample.dtype
    module, loss_module = build(net).to(dtype), build(loss).to(dtype)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    x = torch.randn(12, 3, dtype=dtype)
    t = target(sample, 12)
    stepper = getattr(torch.optim, optimizer)(module.parameters(), **options)
    losses = []
    for _ in range(25):
        stepper.zero_grad()
        value = loss_module(module(x), t)
        value.backward()
        stepper.step()
        losses.append(value.detach())
    file.add("train", f"{loss['class']}/{optimizer}/{dtype}", dtype, net=net, state=state, input=x, target=t, loss=loss,
             optimizer=optimizer, options=options, steps=25, losses=torch.stack(losses), after=module.state_dict())


def draws(file, rng):
    seed = rng.randrange(-2**63, 2**64)
    torch.manual_seed(seed)
    calls = []
    for _ in range(rng.randint(2, 10)):
        n, dtype = rng.choice([0, 1, 2, 5, 15, 16, 17, 31, 32, 100]), rng.choice([torch.float32, torch.float64])
        near = {"exact": False, "rtol": 3e-7, "atol": 3e-6} if dtype == torch.float32 else {"exact": False, "rtol": 1e-14, "atol": 3e-14}
        exact = {"exact": True}
        low, high = rng.randint(-50, 50), rng.choice([60, 2**20, 2**40])
        p = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=dtype)
        shaped = {"shape": [n], "dtype": str(dtype).removeprefix("torch.")}
        calls.append(rng.choice([
            lambda: {"fn": "rand", "args": [[n]], "kwargs": {"dtype": dtype}, "out": torch.rand(n, dtype=dtype)} | exact,
            lambda: {"fn": "randn", "args": [[n]], "kwargs": {"dtype": dtype}, "out": torch.randn(n, dtype=dtype)} | near,
            lambda: {"fn": "randint", "args": [low, high, [n]], "out": torch.randint(low, high, [n])} | exact,
            lambda: {"fn": "randperm", "args": [n], "out": torch.randperm(n)} | exact,
            lambda: {"fn": "bernoulli", "args": [p], "out": torch.bernoulli(p)} | exact,
            lambda: {"fn": "Tensor.normal_", "args": [1.0, 2.0], "out": torch.empty(n, dtype=dtype).normal_(1.0, 2.0)} | shaped | near,
            lambda: {"fn": "Tensor.uniform_", "args": [-1.0, 2.0], "out": torch.empty(n, dtype=dtype).uniform_(-1.0, 2.0)} | shaped | near,
            lambda: {"fn": "Tensor.random_", "args": [high], "out": torch.empty(n, dtype=torch.int64).random_(high)}
            | shaped | {"dtype": "int64"} | exact,
            lambda: {"fn": "module", "module": {"class": "Linear", "init": {"in_features": n + 1, "out_features": 2}},
                     "out": dict(torch.nn.Linear(n + 1, 2).named_parameters()), "exact": False, "rtol": 2.4e-7, "atol": 1e-7},
        ])())
    file.add("random", "mix", None, seed=seed, calls=calls)


def texts(file, sample):
    value = sample.c() * sample.rng.choice([1.0, 1e-5, 1e4, 1e9])
    needs = sample.rng.random() < 0.5
    value.requires_grad_(needs)
    file.add("repr", "tensor", None, value=value, text=str(value), **({"requires_grad": True} if needs else {}))
    whole = sample.ints(-10**sample.rng.randint(1, 12), 10**6, sample.shape())
    file.add("repr", "ints", None, value=whole, text=str(whole))
    net = sample.rng.choice(NETS)
    module = build(net)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    file.add("repr", "module", None, object={"type": "module", "module": net}, text=str(module))
    file.add("repr", "state", None, object={"type": "state_dict", "module": net}, state=state, text=str(module.state_dict()))
    file.add("repr", "parameters", None, object={"type": "parameters", "module": net}, state=state,
             text=str(list(module.parameters())))


def make(seed, rounds):
    """Files by name."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    files = {}
    for subject, calls in CALLS.items():
        for call, arguments in calls.items():
            file = files.setdefault(subject or call, File())
            for _ in range(rounds):
                for dtype in DTYPES.get(subject, ()) + (torch.float64, torch.float32):
                    op(file, call, arguments(Sample(rng, dtype)))
    for _ in range(rounds):
        for name, options in OPTIMIZERS.items():
            optim(files.setdefault("optim", File()), name, options(rng), rng)
        for name, options in LR.items():
            lr(files.setdefault("lr", File()), name, options(rng), rng)
        texts(files.setdefault("repr", File()), Sample(rng, rng.choice([torch.float64, torch.float32])))
        draws(files.setdefault("random", File()), rng)
        sample = Sample(rng, rng.choice([torch.float64, torch.float32]))
        name = rng.choice(sorted(OPTIMIZERS))
        train(files.setdefault("train", File()), sample, rng.choice(NETS), *sample.loss(), name, {"lr": 0.05})
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--thin", type=Path, metavar="SOURCE")
    parser.add_argument("--bytes", type=int, default=2_950_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.thin:
        for name, content in thin(arguments.thin, arguments.bytes).items():
            (arguments.folder / name).write_bytes(content)
    else:
        for name, file in make(arguments.seed, arguments.rounds).items():
            file.write(arguments.folder / f"{name}.safetensors")


if __name__ == "__main__":
    main()
