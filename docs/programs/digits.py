"""The twin of examples/digits: python docs/programs/digits.py [SEED], then predict, with torch and scikit-learn."""
import csv
import pathlib
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

BEST = "target/digits.pt"
EPOCHS = 20


def build():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def digits():
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train, valid, test = random_split(TensorDataset(*digits()), [0.6, 0.2, 0.2])
    (x_valid, y_valid), (x_test, y_test) = valid[:], test[:]
    print(f"{len(train)} digits to learn from, {len(test)} that the network never sees")

    model = build()
    print(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    best = float("inf")
    curves = pathlib.Path("target/curves/digits_py.csv")
    curves.parent.mkdir(parents=True, exist_ok=True)
    curves = csv.writer(curves.open("w"))
    curves.writerow(["step", "loss", "validation", "accuracy"])
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            outputs = model(x_valid)
        total, loss = total / len(loader), criterion(outputs, y_valid).item()
        accuracy = accuracy_score(y_valid, outputs.argmax(1))
        print(f"epoch {epoch:2}: loss {total:.4f}, validation {loss:.4f}, accuracy {accuracy:.3f}")
        curves.writerow([epoch, total, loss, accuracy])
        if loss < best:
            best = loss
            checkpoint = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(checkpoint, BEST)

    checkpoint = torch.load(BEST)
    model.load_state_dict(checkpoint["model"])
    with torch.no_grad():
        outputs = model(x_test)
    accuracy = accuracy_score(y_test, outputs.argmax(1))
    print(f"epoch {checkpoint['epoch']} was the best; accuracy on digits it has not seen: {accuracy:.3f}")
    print("rows: the digit; columns: what the network says")
    print(torch.tensor(confusion_matrix(y_test, outputs.argmax(1), labels=range(10))))
    predict()


def predict():
    """Reads the last three digits of the data with the network that has been kept."""
    model = build()
    model.load_state_dict(torch.load(BEST)["model"])
    x = digits()[0][-3:]
    with torch.no_grad():
        chances, read = model(x).softmax(1).max(1)
    for row in x.reshape(3, 8, 8).transpose(0, 1).reshape(8, 24):
        print("".join(" ·+#"[int(x * 3.99)] for x in row))
    for chance, digit in zip(chances, read):
        print(f"{digit} ({chance:.2f})", end=" ")
    print()


predict() if sys.argv[1:] == ["predict"] else main()
