"""PyTorch's side of the benchmark: the workloads of benches/workloads, and the same line of JSON.

python torch_workloads.py NAME [--threads N]; needs numpy and torch.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import threading
import time

LARGE = 1 << 24


def counter(seed, n):
    """64 random bits for each index, as benches/workloads/numbers.rs makes them; in parts, so that the peak stays low."""
    part = 1 << 20
    for start in range(0, n, part):
        with numpy.errstate(over="ignore"):
            z = numpy.arange(start, min(n, start + part), dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
            z += numpy.uint64((seed * 0xD1B54A32D192ED03 + 0x2545F4914F6CDD1D) % 2**64)
            z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
            yield start, z ^ (z >> numpy.uint64(31))


def made(seed, shape, value, dtype="float32"):
    n = math.prod(shape)
    out = numpy.empty(n, dtype)
    for start, bits in counter(seed, n):
        out[start : start + len(bits)] = value(bits)
    return torch.from_numpy(out).reshape(shape)


def normals(seed, shape, scale=1.0):
    def value(h):
        total = sum(((h >> numpy.uint64(s)) & numpy.uint64(0xFFFF)).astype("float64") for s in (0, 16, 32, 48))
        return ((total - 131070) * (math.sqrt(3) / 65536)).astype("float32").astype("float64") * scale

    return made(seed, shape, value)


def probabilities(seed, shape):
    return made(seed, shape, lambda h: 0.01 + 0.98 * ((h >> numpy.uint64(40)).astype("float64") / 2**24))


def classes(seed, n, count):
    return made(seed, (n,), lambda h: (h >> numpy.uint64(33)) % numpy.uint64(count), "int64")


def bits(seed, shape):
    return made(seed, shape, lambda h: h >> numpy.uint64(63))


def magnitude(x):
    return x.abs().double().sum().item()


class Work:
    """`step` is one iteration; the checksum is that of the `iteration`-th."""

    def __init__(self, step, checksum=lambda value: value.item(), leaves=(), iteration=1, operations=1, note=""):
        self.step, self.checksum, self.leaves = step, checksum, leaves
        self.iteration, self.operations, self.note = iteration, operations, note

    def checksums(self):
        for _ in range(self.iteration):
            value = self.step()
        return self.checksum(value), sum(magnitude(leaf.grad) for leaf in self.leaves)


def backward(leaves, f, gradient=None, **options):
    for leaf in leaves:
        leaf.requires_grad_()

    def step():
        for leaf in leaves:
            leaf.grad = None
        value = f(*leaves)
        value.backward(gradient)
        return value

    if gradient is not None:
        options["checksum"] = lambda value: 0.0
    return Work(step, leaves=leaves, **options)


def training(model, criterion, x, y, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, **options)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Work(step, iteration=3, note="checksum: loss of the third step")


def linear(seed, inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(normals(seed, (outputs, inputs), inputs**-0.5))
        layer.bias.zero_()
    return layer


def mlp(sizes, batch):
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layers += [linear(10 + i, inputs, outputs), nn.ReLU()]
    x, t = normals(1, (batch, sizes[0])), classes(2, batch, sizes[-1])
    return training(nn.Sequential(*layers[:-1]), F.cross_entropy, x, t, momentum=0.9)


def logits(rows, width):
    t = classes(2, rows, width)
    return backward([normals(1, (rows, width))], lambda x: F.cross_entropy(x, t))


def loss(name, size):
    n = {"large": LARGE, "small": 64}.get(size) or int(size)
    rows, width = {"large": (16384, 1024), "small": (64, 10)}.get(size, (n // 100, 100))
    if name == "cross_entropy":
        return logits(rows, width)
    if name == "nll":
        t = classes(2, rows, width)
        return backward([normals(1, (rows, width)).log_softmax(1)], lambda x: F.nll_loss(x, t))
    if name == "bce":
        t = probabilities(2, (n,))
        return backward([probabilities(1, (n,))], lambda x: F.binary_cross_entropy(x, t))
    f, t = {"mse": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}[name], normals(2, (n,))
    return backward([normals(1, (n,))], lambda x: f(x, t))


def linear_cross_entropy(way, rows=2048, width=32000):
    """PyTorch's ways: the logits as a whole, or chunks of rows."""
    x, w, t = normals(1, (rows, 512)), normals(2, (width, 512), 512**-0.5), classes(3, rows, width)
    if way == "plain":
        return backward([x, w], lambda x, w: F.cross_entropy(F.linear(x, w), t))
    options = nn.LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=1024)
    note = "F.linear_cross_entropy in chunks of 1024 rows"
    return backward([x, w], lambda x, w: F.linear_cross_entropy(x, w, t, options=options), note=note)


def matmul(n):
    a, b = normals(1, (n, n)), normals(2, (n, n))
    return Work(lambda: a @ b, magnitude, note="checksum: sum of magnitudes")


def chain(operations):
    def f(y):
        for _ in range(operations // 2):
            y = y * 1.0001
            y = y + 0.0001
        return y

    return backward([torch.ones(1)], f, operations=operations)


def softmax(f):
    return backward([normals(1, (16384, 1024))], lambda x: f(x, 1), normals(2, (16384, 1024)))


def find(name):
    match name.split("/"):
        case ["loss", of, size]:
            return loss(of, size)
        case ["ce", "vocab"]:
            return logits(4096, 32000)
        case ["linear_ce"]:
            return linear_cross_entropy("chunked")
        case ["linear_ce", "plain"]:
            return linear_cross_entropy("plain")
        case ["linear_ce", size]:
            return linear_cross_entropy("chunked", *map(int, size.split("x")))
        case ["simplenn_step"]:
            return training(linear(5, 2, 3), F.cross_entropy, normals(1, (10, 2)), classes(2, 10, 3))
        case ["bce_step"]:
            model = nn.Sequential(linear(5, 1, 1), nn.Sigmoid())
            return training(model, F.binary_cross_entropy, normals(1, (10, 1)), bits(2, (10, 1)))
        case ["mlp_step"]:
            return mlp([784, 256, 128, 10], 128)
        case ["mlp_wide_step"]:
            return mlp([1024, 4096, 4096, 1000], 256)
        case ["mlp", size]:
            batch, width = map(int, size.split("x"))
            return mlp([width, width, width, 10], batch)
        case ["matmul", n]:
            return matmul(int(n))
        case ["matmul_bwd", n]:
            shape = (int(n), int(n))
            return backward([normals(1, shape), normals(2, shape)], torch.matmul, normals(3, shape))
        case ["chain", n]:
            return chain(int(n))
        case ["elementwise", "large"]:
            leaves = [normals(seed, (LARGE,)) for seed in (1, 2, 3)]
            return backward(leaves, lambda x, y, z: (x * y + z).sigmoid().sum())
        case ["softmax", "large"]:
            return softmax(torch.softmax)
        case ["log_softmax", "large"]:
            return softmax(torch.log_softmax)
        case ["sum", "large"]:
            x = normals(1, (LARGE,))
            return Work(lambda: x.sum())
        case ["mean_dim", "large"]:
            x = normals(1, (16384, 1024))
            return Work(lambda: x.mean(1), magnitude)
    sys.exit(f"no workload {name}")


def cold_start():
    """A process that builds a small network, prints six losses and ends."""
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.3, -0.2], [0.1, 0.4], [-0.5, 0.2]]))
        model.bias.copy_(torch.tensor([0.0, 0.1, -0.1]))
    table = lambda f, *shape: torch.tensor([f(i) for i in range(math.prod(shape))], dtype=torch.float32).reshape(shape)
    y, t = model(table(lambda i: math.sin(i * 0.37), 10, 2)), torch.arange(10) % 3
    real, hard = table(lambda i: math.cos(i * 0.11), 10, 3), table(lambda i: i % 2, 10, 3)
    print("cross_entropy", f"{F.cross_entropy(y, t).item():.6f}")
    print("nll", f"{F.nll_loss(torch.log_softmax(y, 1), t).item():.6f}")
    print("bce", f"{F.binary_cross_entropy(torch.sigmoid(y), hard).item():.6f}")
    print("mse", f"{F.mse_loss(y, real).item():.6f}")
    print("l1", f"{F.l1_loss(y, real).item():.6f}")
    print("smooth_l1", f"{F.smooth_l1_loss(y, real).item():.6f}")


def start():
    text = subprocess.run([sys.executable, __file__, "--cold-start"], check=True, capture_output=True, text=True).stdout
    return torch.tensor(sum(map(float, text.split()[1::2])), dtype=torch.float64)


def measure(step):
    """As measure.rs; ten seconds are enough for what takes seconds."""
    clock, seconds = time.perf_counter, float(os.environ.get("BENCH_SECS", "1"))
    begin, warm = clock(), 0
    while warm == 0 or clock() - begin < 0.2:
        step()
        warm += 1
    inner = max(1, math.ceil(20e-6 * warm / (clock() - begin)))
    samples, begin = [], clock()
    while (len(samples) < 5 and clock() - begin < 10) or clock() - begin < seconds:
        sample = time.perf_counter_ns()
        for _ in range(inner):
            step()
        samples.append((time.perf_counter_ns() - sample) / inner)
    samples.sort()
    return samples[len(samples) // 2], samples[0], len(samples) * inner


def serve(rows):
    """As serve.rs: the time of a request without gradients, from several threads at once, and how many there are in a second."""
    layers = []
    for i, (inputs, outputs) in enumerate([(784, 256), (256, 128), (128, 10)]):
        layers += [linear(10 + i, inputs, outputs), nn.ReLU()]
    model, x = nn.Sequential(*layers[:-1]), normals(1, (rows, 784))
    clock, seconds, serving = time.perf_counter, float(os.environ.get("BENCH_SECS", "1")), []
    for users in (1, 2, 8):
        barrier, done = threading.Barrier(users), []

        def user():
            with torch.no_grad():
                barrier.wait()
                begin = clock()
                while clock() - begin < seconds / 5:
                    model(x)
                latencies, begin = [], clock()
                while not latencies or clock() - begin < seconds:
                    request = time.perf_counter_ns()
                    model(x)
                    latencies.append(time.perf_counter_ns() - request)
                done.append((latencies, clock() - begin))

        threads = [threading.Thread(target=user) for _ in range(users)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        all = sorted(ns for latencies, _ in done for ns in latencies)
        at = lambda part: all[int((len(all) - 1) * part)]
        rate = sum(len(latencies) / took for latencies, took in done)
        serving.append({"users": users, "median_ns": at(0.5), "p99_ns": at(0.99), "per_s": round(rate, 1)})
        if users == 1:
            times = at(0.5), at(0), len(all)
    with torch.no_grad():
        return times, magnitude(model(x)), serving


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = peak_memory()
    more = {}
    if options.name.startswith("serve/"):
        work, gradient = Work(None), 0.0
        (median, least, iterations), checksum, more["serving"] = serve(int(options.name.split("/")[1]))
    else:
        work = Work(start) if options.name == "coldstart" else find(options.name)
        checksum, gradient = work.checksums()
        median, least, iterations = measure(work.step)
    print(json.dumps({
        "peer": "torch", "version": torch.__version__.split("+")[0], "workload": options.name,
        "threads": options.threads, "median_ns": round(median, 1), "min_ns": round(least, 1), "iters": iterations,
        "ns_per_op": round(median / work.operations, 2), "checksum": checksum, "checksum_grad_l1": gradient,
        "peak_rss_mib": round(peak_memory(), 1), "base_rss_mib": round(base, 1), "note": work.note,
    } | more))  # fmt: skip


if __name__ == "__main__":
    import torch
    import torch.nn.functional as F
    from torch import nn

    if sys.argv[1:] == ["--cold-start"]:
        cold_start()
    else:
        import numpy

        main()
