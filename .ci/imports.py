"""Circles of imports: files of a crate that use each other, directly or by way of others, beyond those that are known.

A file imports the file that defines what it names by a path from `crate`, `super`, `self` or a module of its own, be it in a `use`
or in the code. Comments and tests do not count, and no `pub use`: a re-export gives a name and uses nothing. Nor do methods
of a type that another file adds to it: the import is where the type is named.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KNOWN = {
    "tensor": [{"autograd/node", "tensor"}, {"error", "shape"}],
    "nn": [],
    "data": [],
    "mpi": [],
}


def modules(source):
    """The text of each file by its module's path, without comments and tests."""
    found = {}
    for path in source.rglob("*.rs"):
        parts = path.relative_to(source).with_suffix("").parts
        if parts[-1] == "tests":
            continue
        text = re.sub(r"//[^\n]*", "", path.read_text())
        text = re.sub(r"#\[cfg\(test\)\]\s*[^{;]*(;|\{.*?\n\})", "", text, flags=re.DOTALL)
        found[parts[:-1] if parts[-1] in ("lib", "mod") else parts] = text
    return found


def branches(tree):
    """The paths of a tree of imports: `a::{b, c}` is `a::b` and `a::c`."""
    before, brace, inside = tree.partition("{")
    if not brace:
        return [before.split(" as ")[0]]
    parts = re.findall(r"(?:[^,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+", inside.rpartition("}")[0])
    return [before + path for part in parts for path in branches(part)]


def absolute(module, path, known):
    """The path from the crate's root, of one that begins there."""
    first, *rest = re.sub(r"\s", "", path).split("::")
    if first == "crate":
        return tuple(rest)
    if first == "self":
        return (*module, *rest)
    if first == "super":
        return absolute(module[:-1], "::".join(rest if rest[0] == "super" else ["self", *rest]), known)
    return (*module, first, *rest) if (*module, first) in known else None


def imports(texts):
    """The modules that each module imports."""
    names, paths = {}, {}
    for module, text in texts.items():
        uses = re.findall(r"\b(pub(?:\([a-z:]*\))? )?use ([^;]+);", text)
        trees = [(public, path) for public, tree in uses for path in branches(tree)]
        for public, path in trees:
            if public and (place := absolute(module, path, texts)):
                names[(*module, place[-1])] = place
        code = re.sub(r"\buse [^;]+;", "", text)
        inline = re.findall(r"(?<![\w:])\w+(?:::\w+)+", code)
        paths[module] = [path for public, path in trees if not public] + inline

    def file(place):
        """The module that defines what is at a place."""
        length = max(length for length in range(len(place) + 1) if place[:length] in texts)
        name = place[: length + 1]
        return file(names[name] + place[length + 1 :]) if len(name) > length and name in names else place[:length]

    def targets(module):
        places = (absolute(module, path, texts) for path in paths[module])
        return {file(place) for place in places if place is not None} - {module, ()}

    return {module: targets(module) for module in texts}


def reached(start, edges):
    found, waiting = set(), [start]
    while waiting:
        for module in edges[waiting.pop()] - found:
            found.add(module)
            waiting.append(module)
    return found


def circles(edges):
    reach = {module: reached(module, edges) for module in edges}
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in edges if a in reach[a]}
    return [{"/".join(module) for module in group} for group in groups]


bad = False
for crate, known in KNOWN.items():
    for circle in circles(imports(modules(ROOT / "crates" / crate / "src"))):
        if circle not in known:
            print(f"{crate}: files that import each other: {', '.join(sorted(circle))}")
            bad = True
sys.exit(bad)
