"""The twin of examples/breast_cancer: python docs/programs/breast_cancer.py [SEED], with torch and scikit-learn."""
import copy
import csv
import pathlib
import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import classification_report, roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

CLASSES = ["benign", "malignant"]
PATIENCE = 10

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = load_breast_cancer(return_X_y=True)
data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(1 - y, dtype=torch.float32).unsqueeze(1))
train, valid, test = random_split(data, [0.6, 0.2, 0.2])
(x, y), (x_valid, y_valid), (x_test, y_test) = train[:], valid[:], test[:]
scaler = StandardScaler().fit(x)
x, x_valid, x_test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (x, x_valid, x_test))

# As if there were as many malignant tumours as benign ones.
malignant = y.sum().item()
pos_weight = (len(y) - malignant) / malignant
print(f"{len(y)} tumours to learn from, {malignant:.0f} of them malignant: weight {pos_weight:.2f}")
model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
print(model)
criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([pos_weight]))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
best, best_epoch, best_state, epoch = float("inf"), 0, copy.deepcopy(model.state_dict()), 0
curves = pathlib.Path("target/curves/breast_cancer_py.csv")
curves.parent.mkdir(parents=True, exist_ok=True)
curves = csv.writer(curves.open("w"))
curves.writerow(["step", "loss", "validation", "AUC"])
while epoch - best_epoch < PATIENCE:
    epoch += 1
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        outputs = model(x_valid)
    loss = criterion(outputs, y_valid).item()
    auc = roc_auc_score(y_valid, outputs)
    total /= len(loader)
    print(f"epoch {epoch:2}: loss {total:.4f}, validation {loss:.4f}, AUC {auc:.4f}")
    curves.writerow([epoch, total, loss, auc])
    if loss < best:
        best, best_epoch, best_state = loss, epoch, copy.deepcopy(model.state_dict())
model.load_state_dict(best_state)

with torch.no_grad():
    outputs = model(x_test)
auc = roc_auc_score(y_test, outputs)
print(f"epoch {best_epoch} was the best; AUC on {len(y_test)} tumours it has not seen: {auc:.4f}")
print(classification_report(y_test.flatten(), (outputs > 0).flatten(), target_names=CLASSES))
