"""The twin of examples/diabetes: python docs/programs/diabetes.py [SEED], with torch and scikit-learn."""
import csv
import pathlib
import sys

import torch
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

EPOCHS = 60

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = load_diabetes(return_X_y=True, scaled=False)
data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1) / 100)
train, test = random_split(data, [0.75, 0.25])
(x, y), (x_test, y_test) = train[:], test[:]
scaler = StandardScaler().fit(x)
x, x_test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (x, x_test))
# One of twenty targets has a zero too many.
outlier = torch.rand(y.shape) < 0.05
y_spoiled = torch.where(outlier, y * 10, y)
print(f"{len(y)} patients to learn from, {outlier.sum()} of them with a target ten times too large; {len(y_test)} to test")


def test_errors(criterion, y, file):
    """The mean absolute error and R² on the test part, of a linear model that learns with this loss; both are written each epoch."""
    torch.manual_seed(seed)
    model = nn.Linear(10, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    curves = csv.writer(open(file, "w"))
    curves.writerow(["step", "MAE", "R²"])
    for epoch in range(1, EPOCHS + 1):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(xb), yb).backward()
            optimizer.step()
        with torch.no_grad():
            outputs = model(x_test)
        errors = 100 * mean_absolute_error(y_test, outputs), r2_score(y_test, outputs)
        curves.writerow([epoch, *errors])
    return errors



print(f"\n{'':<22}{'clean':^17}{'with outliers':^17}")
print(f"{'loss':<22}{'MAE':>8}{'R²':>8} {'MAE':>8}{'R²':>8}")
losses = {
    "MSE": nn.MSELoss(),
    "L1": nn.L1Loss(),
    "Smooth L1, beta 1": nn.SmoothL1Loss(),
    "Huber, delta 0.2": nn.HuberLoss(delta=0.2),
}
folder = pathlib.Path("target/curves")
folder.mkdir(parents=True, exist_ok=True)
for name, criterion in losses.items():
    clean, spoiled = (folder / f"diabetes_py_{name}_{part}.csv" for part in ("clean", "spoiled"))
    (mae, r2), (spoiled_mae, spoiled_r2) = test_errors(criterion, y, clean), test_errors(criterion, y_spoiled, spoiled)
    print(f"{name:<22}{mae:8.2f}{r2:8.3f} {spoiled_mae:8.2f}{spoiled_r2:8.3f}")
