"""Measures the library beside PyTorch, in turns, and writes the table of docs/performance.md.

python benches/compare.py [NAME...] [--threads N] [--rounds N] [--python PATH] [--peers] [--write]
python benches/compare.py --scale [--threads N] [--python PATH]
python benches/compare.py --bars [--rounds N] [--python PATH]

NAMEs are exact names or beginnings. --python is an interpreter that has numpy and torch (for --scale and
--bars, this one needs matplotlib). Besides PyTorch as installed, PyTorch "tuned" is the better of two ways to keep it from giving memory back
to the system. --peers builds and measures candle and burn (benches/peers), too, in the first round alone: they are slow.
Exits with 1 where checksums differ.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TUNED = {
    "tuned by malloc": {"GLIBC_TUNABLES": f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={2**40}"},
    "tuned by huge pages": {"THP_MEM_ALLOC_ENABLE": "1"},
}
PEERS = ("candle", "burn")
# Whose machines have tables.
VENDORS = ("AMD", "Intel")

# Ours ÷ PyTorch and ours ÷ tuned, at most: what fused kernels without autograd around them reached, and some room. The
# second only where memory decides.
TARGETS = {
    "loss/mse/large": (0.12, 0.40), "loss/l1/large": (0.06, 0.22), "loss/smooth_l1/large": (0.13, 0.50),
    "loss/bce/large": (0.04, 0.07), "loss/cross_entropy/large": (0.12, 0.50), "loss/nll/large": (0.20, 1.0),
    "ce/vocab": (0.09, 0.42), "linear_ce": (0.78, 0.78), "softmax/large": (0.18, 0.65),
    "log_softmax/large": (0.18, 0.65), "elementwise/large": (0.16, 0.65), "sum/large": (0.9, 1.1),
    "mean_dim/large": (0.9, 1.1), "loss/mse/small": (0.03, None), "loss/l1/small": (0.03, None),
    "loss/smooth_l1/small": (0.03, None), "loss/bce/small": (0.03, None), "loss/cross_entropy/small": (0.03, None),
    "loss/nll/small": (0.03, None), "simplenn_step": (0.025, None), "bce_step": (0.025, None),
    "chain/10000": (0.027, None), "chain/1000000": (0.027, None), "mlp_step": (0.75, None),
    "mlp_wide_step": (0.80, None), "matmul/64": (0.7, None), "matmul/256": (1.0, None), "matmul/1024": (0.95, None),
    "matmul/2048": (0.95, None), "matmul_bwd/1024": (0.90, None),
    "serve/1": (1.0, None), "serve/8": (1.0, None), "serve/64": (1.0, None), "coldstart": (None, None),
}  # fmt: skip
# Ours in ns, at most, beside whatever PyTorch takes.
COLDSTART = 2.5e6
# On one thread, where PyTorch's products lose nothing to its threads.
ONE_THREAD = ("mlp", "matmul", "linear_ce")

VECTOR = 4 * 2**24
# Bytes that must be read or written once, and FLOP.
NEEDED = {
    "loss/mse/large": (3 * VECTOR, 0), "loss/l1/large": (3 * VECTOR, 0), "loss/smooth_l1/large": (3 * VECTOR, 0),
    "loss/bce/large": (3 * VECTOR, 0), "loss/cross_entropy/large": (2 * VECTOR, 0), "loss/nll/large": (VECTOR, 0),
    "ce/vocab": (8 * 4096 * 32000, 0), "softmax/large": (5 * VECTOR, 0), "log_softmax/large": (5 * VECTOR, 0),
    "elementwise/large": (6 * VECTOR, 0), "sum/large": (VECTOR, 0), "mean_dim/large": (VECTOR, 0),
    "linear_ce": (0, 6 * 2048 * 512 * 32000), "matmul/64": (0, 2 * 64**3), "matmul/256": (0, 2 * 256**3),
    "matmul/1024": (0, 2 * 1024**3), "matmul/2048": (0, 2 * 2048**3), "matmul_bwd/1024": (0, 6 * 1024**3),
    "mlp_step": (0, 128 * (4 * 784 * 256 + 6 * (256 * 128 + 128 * 10))),
    "mlp_wide_step": (0, 256 * (4 * 1024 * 4096 + 6 * (4096 * 4096 + 4096 * 1000))),
}  # fmt: skip


def build(*arguments):
    """The paths of the programs that cargo builds, if need be, by their names."""
    command = ["cargo", *arguments, "--message-format", "json"]
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


def executable():
    """The path of the benchmark's program."""
    return build("bench", "--bench", "workloads", "--no-run")["workloads"]


def measure(command, name, threads, environment):
    """The line that a program prints for a workload; None where it has none for it."""
    variables = os.environ | {"RAYON_NUM_THREADS": str(threads)} | environment
    run = subprocess.run([*command, name, "--threads", str(threads)], env=variables, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1]) if run.returncode == 0 and run.stdout.strip() else None


def programs(options, ours):
    torch = [options.python, HERE / "torch_workloads.py"]
    found = {"torch": (torch, {})} | {name: (torch, variables) for name, variables in TUNED.items()}
    if options.peers:
        built = build("build", "--release", "--locked", "--manifest-path", "benches/peers/Cargo.toml")
        found |= {peer: ([built[peer]], {}) for peer in PEERS}
    found["downhill"] = ([ours], {})
    return found


def rounds(name, options, found):
    """Each program's lines, the programs taking turns."""
    lines = {program: [] for program in found}
    # PyTorch needs a minute for one round of it.
    count = 1 if name == "chain/1000000" else options.rounds
    for turn in range(count):
        for program, (command, environment) in found.items():
            if (program in TUNED and TARGETS[name][1] is None) or (program in PEERS and turn > 0):
                continue
            line = measure(command, name, options.threads, environment)
            if line:
                lines[program].append(line)
            elif program in ("torch", "downhill"):
                sys.exit(f"{program} failed on {name}")
    return lines


def agree(lines):
    """Whether all checksums are the same to five significant digits, candle's values to three."""
    first = lines["torch"][0]
    # candle adds 2²⁴ f32 in a few running sums, which round more the larger they get.
    digits = lambda program, key: 1e-3 if (program, key) == ("candle", "checksum") else 1e-5
    return all(
        abs(line[key] - first[key]) <= digits(program, key) * max(abs(line[key]), abs(first[key]))
        for program, of in lines.items() for line in of for key in ("checksum", "checksum_grad_l1")
    )  # fmt: skip


def median(lines):
    return statistics.median(line["median_ns"] for line in lines) if lines else None


def spell(ns):
    if ns is None:
        return "–"
    unit, size = next((u, s) for u, s in (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)) if ns >= s or s == 1)
    return f"{ns / size:.3g} {unit}"


def ratio(a, b):
    return f"{a / b:.3g}" if a and b else "–"


def targets(name, threads):
    of_torch, of_tuned = TARGETS[name]
    return (0.9, of_tuned and 0.9) if threads == 1 and name.startswith(ONE_THREAD) else (of_torch, of_tuned)


def row(name, options, lines, limits):
    times = {program: median(of) for program, of in lines.items()}
    ours, torch = times["downhill"], times["torch"]
    tuned = min(filter(None, (times[program] for program in TUNED)), default=None)
    traffic, flop = NEEDED.get(name, (0, 0))
    bound = max(traffic / limits["bytes"], flop / limits["flop"]) or None
    of_torch, of_tuned = targets(name, options.threads)
    met = lambda found, target, say=str: f"≤ {say(target)}" + ("" if found <= target else " **missed**")
    cells = [
        f"`{name}`", spell(torch), spell(tuned), *(spell(times[peer]) for peer in PEERS if peer in times), spell(ours),
        ratio(ours, torch), met(ours / torch, of_torch) if of_torch else met(ours, COLDSTART, spell),
        ratio(ours, tuned), met(ours / tuned, of_tuned) if tuned else "–", spell(bound), ratio(ours, bound),
        f"{lines['downhill'][0]['peak_rss_mib']:.0f}", f"{lines['torch'][0]['peak_rss_mib']:.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def limits(ours, options, results):
    """Bytes and FLOP a ns, at best: of the passes over memory, and of the largest products of any library."""
    passes = (("bounds/read", VECTOR), ("bounds/copy", 2 * VECTOR), ("sum/large", VECTOR))
    best = [size / measure([ours], name, options.threads, {})["min_ns"] for name, size in passes for _ in range(3)]
    products = [name for name in results if name.startswith("matmul/")]
    flop = [NEEDED[name][1] / line["min_ns"] for name in products for of in results[name].values() for line in of]
    return {"bytes": max(best), "flop": max(flop, default=float("inf"))}


def processor():
    return next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")


def machine(options, results, limit):
    cpu = processor()
    flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "")
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
    lines = next(iter(results.values()))
    versions = ", ".join(f"{program} {of[0]['version']}" for program, of in lines.items() if of and program not in TUNED)
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores ({cpu}, {vectors}), {options.threads} threads, "
        f"{options.rounds} rounds; {versions}; rustc {rustc}. Memory: {limit['bytes']:.1f} GB/s; "
        f"products: {limit['flop']:.0f} GFLOP/s."
    )


def table(options, results, limit):
    head = ["", "torch", "tuned", *(PEERS if options.peers else ()), "downhill", "÷ torch", "target", "÷ tuned"]
    head += ["target", "bound", "÷ bound", "MiB", "torch's MiB"]
    lines = [machine(options, results, limit), "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + [row(name, options, of, limit) for name, of in results.items()] + serving(results))


def serving(results):
    """What requests take, and how many there are in a second, by how many threads make them: the middle of the rounds."""
    named = {name: of for name, of in results.items() if name.startswith("serve/")}
    lines = [] if not named else [
        "", "| | threads that call | torch: median | 99 % | requests/s | downhill: median | 99 % | requests/s |", "|" + " --- |" * 8
    ]  # fmt: skip
    for name, of in named.items():
        for i, users in enumerate(line["users"] for line in of["downhill"][0]["serving"]):
            cells = [f"`{name}`", str(users)]
            for program in ("torch", "downhill"):
                middle = lambda key: statistics.median(line["serving"][i][key] for line in of[program])
                cells += [spell(middle("median_ns")), spell(middle("p99_ns")), f"{middle('per_s'):.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def cut(page, mark):
    """What is before the part of the page that has this mark, the part, and what is behind it."""
    before, rest = page.split(f"<!-- {mark} -->\n")
    part, after = rest.split(f"<!-- end of {mark} -->")
    return f"{before}<!-- {mark} -->\n", part, f"<!-- end of {mark} -->{after}"


def quotients(part):
    """Of a table, what ours takes of PyTorch's time and of tuned PyTorch's, by workload."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    if not rows:
        return {}
    torch, tuned = rows[0].index("÷ torch"), rows[0].index("÷ tuned")
    return {row[0]: (row[torch], row[tuned]) for row in rows[2:]}


def side_by_side(page):
    """The quotients of all tables, a column each, with the day it was measured."""
    parts = {(vendor, n): cut(page, f"table of {n} on {vendor}")[1] for vendor in VENDORS for n in (2, 1)}
    found = {of: quotients(part) for of, part in parts.items()}
    head = [f"{vendor}, {n} thread{'s' * (n > 1)} ({parts[vendor, n].split(',')[0]})" for vendor, n in parts]
    lines = ["| ÷ torch (÷ tuned) | " + " | ".join(head) + " |", "|" + " --- |" * (len(head) + 1)]
    spelled = lambda torch, tuned: torch if tuned == "–" else f"{torch} ({tuned})"
    for name in TARGETS:
        cells = [spelled(*of.get(f"`{name}`", ("–", "–"))) for of in found.values()]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(text, threads):
    file = ROOT / "docs" / "performance.md"
    vendor = next(vendor for vendor in VENDORS if vendor in processor())
    for mark, make in ((f"table of {threads} on {vendor}", lambda page: text), ("side by side", side_by_side)):
        page = file.read_text()
        before, _, after = cut(page, mark)
        file.write_text(f"{before}{make(page)}\n{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--peers", action="store_true", help="candle and burn, too")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, for this number of threads")
    parser.add_argument("--scale", action="store_true", help="the plots of docs/performance instead")
    parser.add_argument("--bars", action="store_true", help="the picture at the beginning of docs/performance.md instead")
    options = parser.parse_args()
    ours = executable()
    if options.scale:
        import scale

        return scale.main(ours, options, measure)
    if options.bars:
        import bars

        options.peers = True
        times = {name: rounds(name, options, programs(options, ours)) for name in bars.WORKLOADS}
        return bars.draw({name: {program: median(of) for program, of in lines.items()} for name, lines in times.items()})
    begun = lambda name: not options.names or name in options.names or any(
        name.startswith(other) for other in options.names if other not in TARGETS
    )
    found, results, different = programs(options, ours), {}, []
    for name in filter(begun, TARGETS):
        results[name] = rounds(name, options, found)
        times = ", ".join(f"{program} {spell(median(of))}" for program, of in results[name].items())
        print(f"{name}: {times}", file=sys.stderr, flush=True)
        if not agree(results[name]):
            different.append(name)
            print(json.dumps(results[name]), file=sys.stderr)
    text = table(options, results, limits(ours, options, results))
    print(text)
    if options.write:
        write(text, options.threads)
    if different:
        sys.exit("checksums differ: " + ", ".join(different))


if __name__ == "__main__":
    main()
