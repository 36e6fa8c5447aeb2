#!/usr/bin/env python3
"""Whether the licences of all dependencies, those of tests included, are among those that deny.toml allows.

For machines without `cargo deny`, which takes minutes to build; it also knows advisories.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = set(re.findall(r'"([^"]+)"', re.search(r"allow = \[(.*?)\]", (ROOT / "deny.toml").read_text(), re.S)[1]))


def allowed(expression):
    """An SPDX expression, where OR leaves a choice and AND does not; an old `/` is an OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    code = " ".join(w.lower() if w in ("AND", "OR") else w if w in "()" else str(w in ALLOWED) for w in words)
    return eval(code, {"__builtins__": {}})


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked"]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


packages = metadata()["packages"]
bad = [f"{p['name']} {p['version']}: {p['license']}" for p in packages if not allowed(p["license"] or "none")]
if bad:
    sys.exit("licences that deny.toml does not allow:\n" + "\n".join(bad))
print(f"{len(packages)} packages have licences that deny.toml allows")
