"""Compares kernels that could stand behind matmul, on the shapes of the engine, beside PyTorch's (MKL's on Intel), in turns, on one thread.

python benches/products.py [--rounds N] [--seconds S] [--python PATH]

--python is an interpreter that has torch. Prints a table of GFLOP/s, each the best of all rounds. Layouts: `nn` both operands row by row, `nt` the
second transposed, as in a linear layer, `tn` the first, as in the gradient of a weight.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = [(n, n, n, layout) for n in (64, 128, 256, 512, 1024, 2048) for layout in ("nn", "nt", "tn")]
# A step of networks, and what a service does for a few requests.
SHAPES += [(128, 784, 256, "nt"), (784, 128, 256, "tn"), (256, 512, 512, "nt"), (512, 4096, 512, "tn"), (128, 512, 256, "nt")]
SHAPES += [(rows, 512, 512, "nt") for rows in (1, 2, 4, 8, 16)]
KERNELS = ("downhill", "gemm-f32", "matrixmultiply", "private-gemm-x86")
TORCH = """
import sys, time, torch
torch.set_num_threads(1)
m, k, n = map(int, sys.argv[1:4])
layout, budget = sys.argv[4], float(sys.argv[5])
matrix = lambda rows, columns, turned: torch.randn(columns, rows).t() if turned else torch.randn(rows, columns)
a, b, least, end = matrix(m, k, layout[0] == "t"), matrix(k, n, layout[1] == "t"), float("inf"), time.monotonic() + budget
while time.monotonic() < end:
    start = time.perf_counter()
    torch.mm(a, b)
    least = min(least, time.perf_counter() - start)
print(2 * m * k * n / least / 1e9)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    folder = HERE / "products"
    subprocess.run(["cargo", "build", "--release"], cwd=folder, check=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    run = lambda command, *shape: subprocess.run(
        [*command, *map(str, shape)], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    print("| m × k × n | PyTorch | " + " | ".join(KERNELS) + " |\n|" + " --- |" * (len(KERNELS) + 2))
    for shape in SHAPES:
        torch, found = 0.0, dict.fromkeys(KERNELS, 0.0)
        for _ in range(options.rounds):
            torch = max(torch, float(run([options.python, "-c", TORCH], *shape, options.seconds / 4)))
            for kernel, speed in json.loads(run([folder / "target/release/products"], *shape, options.seconds)).items():
                found[kernel] = max(found[kernel], speed)
        m, k, n, layout = shape
        print(f"| {m} × {k} × {n} {layout} | {torch:.0f} | " + " | ".join(f"{found[kernel]:.0f}" for kernel in KERNELS) + " |", flush=True)


main()
