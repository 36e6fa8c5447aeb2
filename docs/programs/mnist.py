"""The twin of examples/mnist: python docs/programs/mnist.py [FOLDER] [SEED], with torch."""
import csv
import gzip
import pathlib
import sys

import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "mnist" / "sample"
EPOCHS = 10


def read(path):
    """The array in a file of the IDX format, plain or compressed by gzip."""
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    rank = data[3]
    shape = numpy.frombuffer(data, ">i4", rank, 4)
    return torch.tensor(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape))


def load(folder, part):
    x, y = read(folder / f"{part}-images-idx3-ubyte"), read(folder / f"{part}-labels-idx1-ubyte")
    return TensorDataset(x.flatten(1) / 255, y.long())


folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
torch.manual_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
train, test = load(folder, "train"), load(folder, "t10k")
x_test, y_test = test[:]
print(f"{len(train)} digits to learn from, {len(y_test)} to test")

model = nn.Sequential(nn.Linear(x_test.shape[1], 128), nn.ReLU(), nn.Linear(128, 10))
print(model)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())
loader = DataLoader(train, batch_size=64, shuffle=True)
curves = pathlib.Path("target/curves/mnist_py.csv")
curves.parent.mkdir(parents=True, exist_ok=True)
curves = csv.writer(curves.open("w"))
curves.writerow(["step", "loss", "accuracy"])
for epoch in range(1, EPOCHS + 1):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    total /= len(loader)
    print(f"epoch {epoch:2}: loss {total:.4f}, accuracy {accuracy:.4f}")
    curves.writerow([epoch, total, accuracy])
torch.save(model.state_dict(), "target/mnist.pt")
