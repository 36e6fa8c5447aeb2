"""Counts the instructions of three fixed programs and compares them with instructions.txt.

python benches/instructions.py [--write]; needs valgrind. Counts do not depend on how busy the machine is, so a change that
makes the engine do more shows here first. valgrind's processor has AVX2 and no AVX-512 whatever the machine's has, and
there is one thread, so that every machine with AVX2 counts the same but for the compiler's version.
"""

import os
import pathlib
import re
import subprocess
import sys

from compare import executable

FILE = pathlib.Path(__file__).resolve().parent / "instructions.txt"
# What an update of the compiler may cost before somebody looks.
TOLERANCE = 0.10


def count(program, name, times):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name]
    command += ["--threads", "1", "--times", times]
    run = subprocess.run(command, env=os.environ | {"RAYON_NUM_THREADS": "1"}, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        sys.exit(f"{name}: valgrind failed\n{run.stderr}")
    return int(found[1])


def main():
    program, rows, bad = executable(), [], False
    for line in FILE.read_text().splitlines():
        name, times, before = line.split()
        now = count(program, name, times)
        change = now / int(before) - 1
        print(f"{name} x {times}: {now} instructions, {change:+.1%}", flush=True)
        bad |= change > TOLERANCE
        rows.append(f"{name} {times} {now}\n")
    if "--write" in sys.argv:
        FILE.write_text("".join(rows))
    elif bad:
        sys.exit("more instructions than benches/instructions.txt allows; --write takes the new counts")


if __name__ == "__main__":
    main()
