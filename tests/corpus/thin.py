"""Chooses a part of a corpus: small files whole, of the large ones some cases of every kind."""

import hashlib
import itertools
import json
from collections import defaultdict

import torch
from safetensors import safe_open

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
# What a tensor costs beside its elements: its entry in the header.
HEADER_ENTRY = 70


def references(value):
    """The names of the tensors that a value of the JSON refers to."""
    if isinstance(value, dict):
        if "tensor" in value:
            yield value["tensor"]
        else:
            for item in value.values():
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def subject(case):
    if case["kind"] == "repr":
        return case.get("call") or case.get("object", {"type": "tensor"})["type"]
    return case.get("call") or case.get("optimizer") or case.get("scheduler") or case["name"].split("/")[1]


def cost(case, names, tensors):
    """Bytes that a case and the tensors `names` take in a file: JSON within JSON, and raw elements."""
    return len(json.dumps(json.dumps(case))) + sum(tensors[name].nbytes + HEADER_ENTRY for name in names)


def interleave(groups):
    """The first of each group, the second of each …"""
    rounds = itertools.zip_longest(*(groups[key] for key in sorted(groups)))
    return [item for items in rounds for item in items if item is not None]


def order(cases, tensors):
    """The subjects in turn; of one subject the cheap cases first, in turn its kinds (by options, errors, second derivatives),
    of one kind in the order of a hash of the name."""
    subjects = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for case in sorted(cases, key=lambda case: hashlib.sha256(case["name"].encode()).hexdigest()):
        price = cost(case, set(references(case)), tensors).bit_length()
        kind = ("error" in case, "second" in case, *sorted(case.get("kwargs", case.get("init", {}))))
        subjects[subject(case)][max(price, 13)][kind].append(case)
    return interleave({
        name: [case for price in sorted(prices) for case in interleave(prices[price])]
        for name, prices in subjects.items()
    })


def choose(cases, tensors, limit):
    """As many cases as fit into `limit` bytes, in their original order."""
    chosen, used, size = set(), set(), 0
    for case in order(cases, tensors):
        new = set(references(case)) - used
        price = cost(case, new, tensors)
        if size + price <= limit:
            chosen.add(case["name"])
            used |= new
            size += price
    return [case for case in cases if case["name"] in chosen]


def pack(cases, tensors, version):
    """A file's bytes: the same for the same cases, which the writer of the safetensors library does not promise."""
    used = sorted({name for case in cases for name in references(case)}, key=lambda n: (-tensors[n].itemsize, len(n), n))
    header = {"__metadata__": {"format": "1", "torch": version, "cases": json.dumps(cases)}}
    content = b""
    for name in used:
        tensor = tensors[name].contiguous()
        start, content = len(content), content + tensor.flatten().view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, len(content)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content


def thin(source, limit):
    """The files of the thinned corpus, by name. What a file may take grows with the root of its number of cases."""
    files = {}
    for path in sorted(source.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            notes = file.metadata()
        files[path.name] = (json.loads(notes["cases"]), tensors, notes["torch"])

    def cut(size):
        kept = {name: choose(cases, tensors, size * len(cases) ** 0.5)
                for name, (cases, tensors, _) in files.items()}
        return kept, {name: pack(kept[name], *rest) for name, (_, *rest) in files.items()}

    low, high = 0, limit
    while high - low > 1024:
        middle = (low + high) // 2
        if sum(map(len, cut(middle)[1].values())) <= limit:
            low = middle
        else:
            high = middle
    kept, packed = cut(low)
    for name, (cases, _, _) in files.items():
        lost = set(map(subject, cases)) - set(map(subject, kept[name]))
        assert not lost, f"{name}: no case left of {lost}"
        print(f"{name}: {len(kept[name])} of {len(cases)} cases, {len(packed[name])} bytes")
    return packed
