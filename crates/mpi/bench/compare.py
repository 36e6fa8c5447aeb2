"""Measures a training step on several processes beside PyTorch's DistributedDataParallel over gloo, in turns.

python crates/mpi/bench/compare.py [NAME...] [--processes N] [--rounds N] [--seconds S] [--python PATH]

NAMEs are mlp_step, mlp_wide_step and linear_ce. Every process has one thread and its rows of one global batch. --python is an interpreter that has numpy
and torch. Prints a table of medians over the rounds; exits with 1 where losses differ.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("mlp_step", "mlp_wide_step", "linear_ce")


def build():
    command = ["cargo", "build", "--release", "--example", "steps", "--message-format", "json"]
    text = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in text.splitlines())
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "steps")


def measure(command, options):
    """The line that rank 0 prints."""
    start = ["mpirun", "--oversubscribe", "-n", str(options.processes)]
    start += ["--mca", "btl_tcp_if_include", "lo", "--mca", "oob_tcp_if_include", "lo"]
    if os.geteuid() == 0:
        start.append("--allow-run-as-root")
    variables = os.environ | {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([*start, *command], env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    ours, size = build(), str(options.processes)
    print("| workload | way | a step | communication | ours ÷ PyTorch |\n| --- | --- | --- | --- | --- |")
    agree = True
    for name in options.names:
        peers = {
            "PyTorch, gloo": [options.python, str(HERE / "torch_steps.py"), name, str(options.seconds)],
            "`average_gradients`": [ours, name, "all_reduce", str(options.seconds)],
            f"`backward`, {size} pieces": [ours, name, size, str(options.seconds)],
            "`backward`, 8 pieces": [ours, name, "8", str(options.seconds)],
        }
        lines = {peer: [] for peer in peers}
        for _ in range(options.rounds):
            for peer, command in peers.items():
                lines[peer].append(measure(command, options))
        median = {peer: statistics.median(line["median_ns"] for line in of) for peer, of in lines.items()}
        share = {peer: statistics.median(line["share"] for line in of) for peer, of in lines.items()}
        theirs, loss = median["PyTorch, gloo"], lines["PyTorch, gloo"][0]["loss"]
        for peer, ns in median.items():
            ratio = "" if peer == "PyTorch, gloo" else f"{ns / theirs:.2f}"
            print(f"| `{name}` | {peer} | {ns / 1e6:.2f} ms | {share[peer]:.0%} | {ratio} |")
        agree &= all(abs(line["loss"] - loss) <= 1e-5 * abs(loss) for of in lines.values() for line in of)
    if not agree:
        sys.exit("the losses of the third step differ")


main()
