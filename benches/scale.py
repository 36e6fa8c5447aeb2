"""How time and memory grow with the size of the work: the plots of docs/performance, for compare.py --scale."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance"
SIZES = [10**power for power in range(2, 9)]
BATCHES = [1, 4, 16, 64, 256, 1024]
WIDTHS = [16, 64, 256, 1024, 4096]
CLASSES = [1000, 4000, 16000, 64000, 256000]

# The file, what the axis says, the workloads by where they stand on it, what is drawn and its unit.
nanoseconds = lambda line, x: line["median_ns"] / x
milliseconds = lambda line, x: line["median_ns"] / 1e6
memory = lambda line, x: line["peak_rss_mib"] - line["base_rss_mib"]
PLOTS = [
    ("mse", "elements", {n: f"loss/mse/{n}" for n in SIZES}, nanoseconds, "ns an element, forward and backward"),
    ("cross_entropy", "elements", {n: f"loss/cross_entropy/{n}" for n in SIZES}, nanoseconds,
     "ns an element, forward and backward"),
    ("mlp_batch", "rows, width 512", {n: f"mlp/{n}x512" for n in BATCHES}, milliseconds, "ms a step"),
    ("mlp_width", "width, 64 rows", {n: f"mlp/64x{n}" for n in WIDTHS}, milliseconds, "ms a step"),
    ("mlp_batch_memory", "rows, width 512", {n: f"mlp/{n}x512" for n in BATCHES}, memory, "MiB above the start"),
    ("mlp_width_memory", "width, 64 rows", {n: f"mlp/64x{n}" for n in WIDTHS}, memory, "MiB above the start"),
    ("linear_ce", "classes, 512 rows", {n: f"linear_ce/512x{n}" for n in CLASSES}, milliseconds,
     "ms, forward and backward"),
    ("linear_ce_memory", "classes, 512 rows", {n: f"linear_ce/512x{n}" for n in CLASSES}, memory,
     "MiB above the start"),
]  # fmt: skip


def main(ours, options, measure):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "downhill"
    from matplotlib import pyplot

    FOLDER.mkdir(exist_ok=True)
    sides = {"downhill": [ours], "torch": [options.python, FOLDER.parent.parent / "benches" / "torch_workloads.py"]}
    measured = {}
    for file, axis, names, value, unit in PLOTS:
        figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
        for side, command in sides.items():
            points = []
            for x, name in names.items():
                if (side, name) not in measured:
                    measured[side, name] = measure(command, name, options.threads, {})
                if line := measured[side, name]:
                    points.append((x, value(line, x)))
            axes.loglog(*zip(*points), "o-", label=side, markersize=3)
            print(file, side, ", ".join(f"{x}: {y:.3g}" for x, y in points), flush=True)
        axes.set(xlabel=axis, ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        figure.savefig(FOLDER / f"{file}.svg", metadata={"Date": None})
        pyplot.close(figure)
