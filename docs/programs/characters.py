"""The twin of examples/characters: python docs/programs/characters.py [SEED], with torch."""
import csv
import pathlib
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

FILE = pathlib.Path(__file__).parent / "../../examples/characters/romeo_and_juliet.txt"
CONTEXT = 8  # How many characters the model sees.
EPOCHS = 4

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
text = FILE.read_text()
characters = sorted(set(text))
codes = torch.tensor([characters.index(c) for c in text])
n = len(codes) - CONTEXT
data = TensorDataset(codes.unfold(0, CONTEXT, 1)[:n], codes[CONTEXT:])
train, valid = random_split(data, [0.9, 0.1])
x_valid, y_valid = valid[:]
print(f"{len(text)} characters of {len(characters)} kinds")

features = nn.Sequential(
    nn.Embedding(len(characters), 12), nn.Flatten(), nn.Linear(12 * CONTEXT, 64), nn.Tanh()
)
criterion = nn.LinearCrossEntropyLoss(64, len(characters))
optimizer = torch.optim.AdamW([*features.parameters(), *criterion.parameters()], lr=0.005)

loader = DataLoader(train, batch_size=64, shuffle=True)
curves = pathlib.Path("target/curves/characters_py.csv")
curves.parent.mkdir(parents=True, exist_ok=True)
curves = csv.writer(curves.open("w"))
curves.writerow(["step", "loss", "validation"])
for epoch in range(1, EPOCHS + 1):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(features(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        loss = criterion(features(x_valid), y_valid).item()
    total /= len(loader)
    print(f"epoch {epoch}: loss {total:.4f}, validation {loss:.4f}")
    curves.writerow([epoch, total, loss])

codes = codes[:CONTEXT].tolist()
with torch.no_grad():
    for _ in range(300):
        logits = criterion.linear(features(torch.tensor([codes[-CONTEXT:]])))
        codes.append(torch.multinomial((logits / 0.7).softmax(1), 1).item())
print("".join(characters[c] for c in codes))
