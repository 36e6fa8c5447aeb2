"""Prints the numbers that the tests of this folder expect of PyTorch (2.15, any processor with AVX2)."""

import zlib

import torch
from torch import bool as boolean, empty, float32, float64, full, int64, manual_seed


def show(name, draw, seed=0):
    manual_seed(seed)
    x = draw()
    if x.is_floating_point():
        digits = x.element_size() * 2
        bits = x.view(torch.int32 if digits == 8 else int64).tolist()
        print(name, *(f"{b % 16**digits:0{digits}x}" for b in bits))
    else:
        print(name, x.tolist())


def checksum(name, draw):
    manual_seed(3)
    print(name, zlib.crc32(draw().numpy().tobytes()))


for dtype, seed, n in [(float32, 0, 5), (float32, 42, 5), (float32, -1, 3), (float64, 0, 3)]:
    show(f"rand {dtype} seed {seed}", lambda: torch.rand(n, dtype=dtype), seed)
for dtype, n, low, high in [(float32, 4, -0.5, 0.5), (float32, 4, 0.1, 0.7), (float64, 3, -0.5, 0.25)]:
    show(f"uniform_ {dtype} {low} {high}", lambda: empty(n, dtype=dtype).uniform_(low, high))
show("rand(2) float64 after 623 words", lambda: (torch.rand(623), torch.rand(2, dtype=float64))[1])
for dtype in float32, float64:
    for n, mean, std in [(5, 0, 1), (3, 2.5, 0.3), (16, 0, 1), (16, 2.5, 0.3), (17, 2.5, 0.3), (20, 0, 1)]:
        show(f"normal_ {dtype} {n} {mean} {std}", lambda: empty(n, dtype=dtype).normal_(mean, std))
for dtype in int64, float32, float64:
    for low, high in [
        (0, 10),
        (0, 2**28 - 1),
        (0, 2**28),
        (-(2**31), 2**31),
        (0, 2**40),
        (-(2**63), 2**63 - 1),
        (-(2**24) - 9, -(2**24) - 3),
        (2**53 - 3, 2**53 + 9),
    ]:
        show(f"random_ {dtype} {low} {high}", lambda: empty(10, dtype=dtype).random_(low, high))
    show(f"random_ {dtype}", lambda: empty(4, dtype=dtype).random_())
show("random_ bool", lambda: empty(8, dtype=boolean).random_())
show("randperm", lambda: torch.randperm(10))
for p in 0.3, 0.5:
    show(f"bernoulli_ {p}", lambda: empty(10, dtype=int64).bernoulli_(p))
for dtype in float32, float64:
    show(f"bernoulli {dtype}", lambda: torch.bernoulli(full((10,), 0.3, dtype=dtype)).long())

for dtype in float32, float64:
    long = empty(100_003, dtype=dtype)
    checksum(f"uniform_ {dtype}", lambda: (torch.rand(1, dtype=dtype), long.uniform_(-0.7, 1.3))[1])
    checksum(f"normal_ {dtype}", lambda: long.normal_(-0.3, 1.7))
checksum("randperm", lambda: torch.randperm(1000))
checksum("randint wide", lambda: torch.randint(-7, 2**35, (1000,)))
checksum("randint", lambda: torch.randint(-7, 200, (1000,)))
generator = torch.Generator().manual_seed(7)
torch.randn(1, generator=generator)
print("state", zlib.crc32(generator.get_state().numpy().tobytes()))
