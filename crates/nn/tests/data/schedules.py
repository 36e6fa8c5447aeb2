"""Writes schedules.txt: the learning rates of PyTorch's schedulers, step by step, of two groups.

A line is a case: its name, then after `:` the rates of both groups once the schedulers are made and after each step, as Python's
`repr`, which reads back to the bit. What a name stands for is written here and in ../it/schedules.rs.
"""

import math
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler as lr

warnings.simplefilter("ignore")
STEPS = 24


def sgd():
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in (1.0, 0.3)]
    return torch.optim.SGD(groups, momentum=0.9)


def sequential(milestones, *makers):
    return lambda o: [lr.SequentialLR(o, [maker(o) for maker in makers], milestones)]


def alone(name, **options):
    return lambda o: [getattr(lr, name)(o, **options)]


def maker(name, **options):
    return lambda o: getattr(lr, name)(o, **options)


constant = maker("ConstantLR", factor=0.3, total_iters=4)
linear = maker("LinearLR", start_factor=0.1, total_iters=5)
cosine = maker("CosineAnnealingLR", T_max=7, eta_min=0.013)
exponential = maker("ExponentialLR", gamma=0.87)
restarts = maker("CosineAnnealingWarmRestarts", T_0=3, T_mult=2, eta_min=0.007)
factors = [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + 0.1 * epoch)]

CASES = {
    "step": alone("StepLR", step_size=5, gamma=0.3),
    "multi_step": alone("MultiStepLR", milestones=[0, 4, 4, 9], gamma=0.7),
    "exponential": alone("ExponentialLR", gamma=0.87),
    "cosine": alone("CosineAnnealingLR", T_max=7, eta_min=0.013),
    "linear": alone("LinearLR", start_factor=0.1, end_factor=0.9, total_iters=6),
    "lambda": alone("LambdaLR", lr_lambda=factors[0]),
    "lambda_per_group": alone("LambdaLR", lr_lambda=factors),
    "constant": alone("ConstantLR", factor=0.3, total_iters=4),
    "constant_for_ever": alone("ConstantLR", factor=0.0, total_iters=100),
    "constant_of_no_epochs": alone("ConstantLR", factor=0.3, total_iters=0),
    "polynomial_1": alone("PolynomialLR", total_iters=9, power=1.0),
    "polynomial_2": alone("PolynomialLR", total_iters=30, power=2.0),
    "polynomial_0.9": alone("PolynomialLR", total_iters=13, power=0.9),
    "restarts_1": alone("CosineAnnealingWarmRestarts", T_0=5),
    "restarts_2": alone("CosineAnnealingWarmRestarts", T_0=3, T_mult=2, eta_min=0.007),
    "restarts_3": alone("CosineAnnealingWarmRestarts", T_0=1, T_mult=3, eta_min=0.01),
    "warm_up_then_cosine": sequential([5], linear, cosine),
    "cosine_then_warm_up": sequential([6], cosine, linear),
    "constant_then_exponential_then_step": sequential(
        [3, 11], constant, exponential, maker("StepLR", step_size=4, gamma=0.5)
    ),
    "polynomial_then_restarts": sequential([4], maker("PolynomialLR", total_iters=6, power=1.5), restarts),
    "restarts_then_lambda": sequential([8], restarts, maker("LambdaLR", lr_lambda=factors)),
    "lambda_then_multi_step": sequential(
        [2], maker("LambdaLR", lr_lambda=factors[1]), maker("MultiStepLR", milestones=[0, 3], gamma=0.6)
    ),
    "first_over_at_once": sequential([0, 6], linear, cosine, exponential),
    "constant_of_no_epochs_second": sequential([3], exponential, maker("ConstantLR", factor=0.3, total_iters=0)),
    "two_at_once": lambda o: [linear(o), exponential(o)],
    "cosine_made_after_a_warm_up": lambda o: [linear(o), cosine(o)],
}


def run(make, step):
    optimizer = sgd()
    schedulers = make(optimizer)
    rates = [[group["lr"] for group in optimizer.param_groups]]
    for i in range(STEPS):
        optimizer.step()
        for scheduler in schedulers:
            step(scheduler, i)
        rates.append([group["lr"] for group in optimizer.param_groups])
    return " ".join(repr(float(rate)) for pair in rates for rate in pair)


lines = [f"# torch {torch.__version__.split('+')[0]}, schedules.py"]
lines += [f"{name}: {run(make, lambda s, _: s.step())}" for name, make in CASES.items()]
for name in ["restarts_1", "restarts_2", "restarts_3"]:
    # Eighths are exact, and a step back is taken, too.
    lines.append(f"{name}_in_parts: {run(CASES[name], lambda s, i: s.step((i * 11 % 24) * 0.625))}")
assert math.isfinite(sum(float(x) for line in lines[1:] for x in line.split(": ")[1].split()))
(pathlib.Path(__file__).parent / "schedules.txt").write_text("\n".join(lines) + "\n")
