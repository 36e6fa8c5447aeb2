"""Writes the files that ../it/files.rs reads, and reads ours.safetensors and checkpoint.safetensors, which that test writes.

torch.safetensors has a tensor of each dtype; NAME.expected is what PyTorch converts NAME to. net.safetensors is a model's state
and what it computes. `python files.py check` reads those two with PyTorch.
"""

import pathlib
import sys

import numpy
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import safe_open

HERE = pathlib.Path(__file__).parent


def floats(dtype):
    info = torch.finfo(dtype)
    values = [0.0, -0.0, 1.0, -1.5, info.max, info.min, info.tiny, info.smallest_normal / 2, 3.14159, -0.1]
    return torch.tensor([*values, float("inf"), float("-inf"), float("nan")], dtype=torch.float64).to(dtype)


def write():
    tensors = {}
    for name in ["float64", "float32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"]:
        tensors[name] = floats(getattr(torch, name))
        tensors[f"{name}.expected"] = tensors[name].to(torch.float64 if name == "float64" else torch.float32, copy=True)
    for name in ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint32"]:
        info = torch.iinfo(getattr(torch, name))
        tensors[name] = torch.tensor([[info.min, 0, 1], [2, 100, info.max]], dtype=getattr(torch, name))
        tensors[f"{name}.expected"] = tensors[name].to(torch.int64, copy=True)
    tensors["uint64"] = torch.tensor([0, 2**62], dtype=torch.uint64)
    tensors["uint64.expected"] = tensors["uint64"].to(torch.int64)
    tensors["bool"] = torch.tensor([[True], [False]])
    tensors["bool.expected"] = tensors["bool"].clone()
    tensors["scalar"] = torch.tensor(2.5, dtype=torch.float64)
    tensors["empty"] = torch.zeros(0, 3)
    tensors['odd "name" \\ ß\n'] = torch.arange(3)
    safetensors.torch.save_file(tensors, HERE / "torch.safetensors", metadata={"format": "pt", "note": 'a "b" ü'})

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    x = torch.randn(4, 2)
    net(x)
    net.eval()
    state = {f"net.{name}": value for name, value in net.state_dict().items()}
    safetensors.torch.save_file(state | {"x": x, "y": net(x).detach()}, HERE / "net.safetensors")

    arrays = {"w": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "n": numpy.array([7], dtype=numpy.int32)}
    safetensors.numpy.save_file(arrays, HERE / "numpy.safetensors")


def check():
    path = HERE / "ours.safetensors"
    found = safetensors.torch.load_file(path)
    expected = {
        "w": torch.tensor([[1.0, -0.0, float("inf")], [1e-40, 3.0, float("nan")]]),
        "flag": torch.tensor([True, False, True]),
        "b": torch.tensor(0.1, dtype=torch.float64),
        "n": torch.tensor([-(2**63), 2**63 - 1]),
        "empty": torch.zeros(0, 3),
        'odd "name" \\ ß\n': torch.tensor([[1], [2]]),
    }
    assert found.keys() == expected.keys(), found.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape, name
        assert found[name].contiguous().view(-1).numpy().tobytes() == value.view(-1).numpy().tobytes(), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"made by": "downhill", "ü": '"'}, file.metadata()
    saved = safetensors.torch.load_file(HERE / "checkpoint.safetensors")
    assert (saved["epoch"].item(), saved["step"].item()) == (3, 70)
    assert torch.equal(saved["model.weight"], torch.tensor([[0.5, 1.0]]))
    generator = torch.Generator()
    generator.set_state(saved["generator"].view(torch.uint8))
    assert torch.equal(torch.randn(20, generator=generator), saved["extra.next"])
    print("our files read as they were written")


check() if sys.argv[1:] == ["check"] else write()
