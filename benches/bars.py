"""The picture at the beginning of docs/performance.md, for compare.py --bars."""

import pathlib

FILE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance" / "bars.svg"
# What stands under the bars.
WORKLOADS = {
    "simplenn_step": "a training step of 10 rows",
    "loss/mse/large": "mean squared error of 2²⁴ elements",
    "linear_ce": "linear cross-entropy of 32,000 classes",
}
PROGRAMS = {"downhill": "tab:green", "torch": "tab:orange", "candle": "tab:blue", "burn": "tab:gray"}


def draw(times):
    """Bars of what each program takes of PyTorch's time; `times` are in ns, by workload and program."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "downhill"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(times), figsize=(10, 3), layout="constrained")
    for axes, (name, of) in zip(panels, times.items()):
        found = {program: of[program] / of["torch"] for program in PROGRAMS if of.get(program)}
        bars = axes.barh(list(found), list(found.values()), color=[PROGRAMS[program] for program in found])
        axes.bar_label(bars, [f"{share:.2g}" for share in found.values()], padding=3)
        axes.set(title=WORKLOADS[name], xlabel="time, PyTorch = 1", xlim=(0, max(found.values()) * 1.15))
        axes.invert_yaxis()
        print(name, ", ".join(f"{program} {share:.3g}" for program, share in found.items()), flush=True)
    figure.savefig(FILE, metadata={"Date": None})
