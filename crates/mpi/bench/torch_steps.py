"""PyTorch's side of compare.py: a training step with DistributedDataParallel over gloo, and the line of JSON that examples/steps.rs prints.

mpirun -n 2 python torch_steps.py WORKLOAD [SECONDS]; needs numpy and torch. The ranks are those that mpirun gives.
"""

import json
import os
import pathlib
import sys
import time

import numpy
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "benches"))
import torch_workloads as inputs  # noqa: E402

# What its functions find among their globals when it is run by itself.
inputs.torch, inputs.nn, inputs.F, inputs.numpy = torch, nn, F, numpy


class LinearCrossEntropy(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(inputs.normals(2, (32000, 512), 512**-0.5))
        self.options = nn.LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=1024)

    def forward(self, x, y):
        return F.linear_cross_entropy(x, self.weight, y, options=self.options)


class Mlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = []
        for i, (before, after) in enumerate(zip(sizes, sizes[1:])):
            layers += [inputs.linear(10 + i, before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x, y):
        return F.cross_entropy(self.layers(x), y)


def find(name):
    if name == "linear_ce":
        return LinearCrossEntropy(), inputs.normals(1, (2048, 512)), inputs.classes(3, 2048, 32000)
    sizes, rows = {"mlp_step": ([784, 256, 128, 10], 128), "mlp_wide_step": ([1024, 4096, 4096, 1000], 256)}[name]
    return Mlp(sizes), inputs.normals(1, (rows, sizes[0])), inputs.classes(2, rows, sizes[-1])


def main():
    name, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    rank, size = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29519")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=size)
    model, x, y = find(name)
    rows = len(y) // size
    x, y = (part[rank * rows : (rank + 1) * rows].clone() for part in (x, y))
    if name == "linear_ce":
        x.requires_grad_()
    model = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        x.grad = None
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        return loss

    def timed():
        start = time.perf_counter_ns()
        step()
        return time.perf_counter_ns() - start

    step()
    step()
    loss = step().detach().double()
    dist.all_reduce(loss)
    start = time.perf_counter()
    step()
    count = torch.tensor([int(min(max(seconds / (time.perf_counter() - start), 5), 1e5))])
    dist.broadcast(count, 0)
    count = count.item()
    dist.barrier()
    with_others, alone = [], []
    for _ in range(count):
        with_others.append(timed())
        # The same without exchanging gradients.
        with model.no_sync():
            alone.append(timed())
    with_others, alone = (sorted(times)[count // 2] for times in (with_others, alone))
    if rank == 0:
        share = 1 - alone / with_others
        print(json.dumps({
            "peer": "torch", "workload": name, "processes": size, "median_ns": with_others, "share": round(share, 4),
            "loss": loss.item() / size, "steps": count,
        }))  # fmt: skip
    dist.barrier()
    dist.destroy_process_group()


main()
