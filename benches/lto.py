"""Counts the instructions of large losses in a program without link-time optimisation, and compares them with the usual build's.

python benches/lto.py; needs valgrind. rustc inlines across a crate's code generation units only where a function says `#[inline]`
or a later pass (thin local LTO, on unless `lto = "off"`) does it. Inner loops must not depend on that pass: without the attributes
a mean squared error took 22 times as long.
"""

import os
import sys

from compare import executable
from instructions import count

WORKLOADS = ["loss/mse/large", "loss/l1/large", "loss/bce/large", "loss/cross_entropy/large", "elementwise/large", "sum/large"]
# What the iterators of the standard library cost that are not inlined, once a row or a tile.
MOST = 2.0


def main():
    usual = executable()
    os.environ |= {"CARGO_PROFILE_BENCH_LTO": "off", "CARGO_TARGET_DIR": "target/lto-off"}
    without, bad = executable(), False
    for name in WORKLOADS:
        ratio = count(without, name, "1") / count(usual, name, "1")
        print(f"{name}: {ratio:.2f} times the instructions", flush=True)
        bad |= ratio > MOST
    if bad:
        sys.exit(f"without link-time optimisation a loop takes more than {MOST} times the instructions")


if __name__ == "__main__":
    main()
