"""The orders of PyTorch's DistributedSampler, for distributed.json: python distributed.py > distributed.json"""

import json

import torch
from torch.utils.data.distributed import DistributedSampler

SIZES = [(10, 1), (10, 2), (10, 3), (11, 4), (3, 8), (1, 2), (7, 7), (2, 5)]


def case(n, processes, shuffle, drop_last, seed):
    samplers = [
        DistributedSampler(range(n), processes, rank, shuffle=shuffle, seed=seed, drop_last=drop_last)
        for rank in range(processes)
    ]
    epochs = []
    for epoch in (0, 1, 5):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        epochs.append([epoch, [list(sampler) for sampler in samplers]])
    return {"n": n, "shuffle": shuffle, "drop_last": drop_last, "seed": seed, "epochs": epochs}


cases = [
    case(n, processes, shuffle, drop_last, seed)
    for n, processes in SIZES
    for shuffle in (False, True)
    for drop_last in (False, True)
    for seed in ((0, 17) if shuffle else (0,))
]
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
print(f'{{"torch": "{torch.__version__.split("+")[0]}", "cases": [\n{lines}\n]}}')
