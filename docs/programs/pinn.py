"""The twin of examples/pinn.rs: python docs/programs/pinn.py [SEED], with torch."""
import csv
import pathlib
import sys
from math import pi

import torch
from torch import nn
from torch.autograd import grad

ALPHA = 0.1
STEPS = 1000

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
print(model)
u = lambda x, t: model(torch.cat([x, t], 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

curves = pathlib.Path("target/curves/pinn_py.csv")
curves.parent.mkdir(parents=True, exist_ok=True)
curves = csv.writer(curves.open("w"))
curves.writerow(["step", "loss"])
for step in range(1, STEPS + 1):
    optimizer.zero_grad()
    # Inside: the residual of the equation, from first and second derivatives of the network.
    x, t = torch.rand(64, 1).requires_grad_(), torch.rand(64, 1).requires_grad_()
    u_x, u_t = grad(u(x, t).sum(), [x, t], create_graph=True)
    (u_xx,) = grad(u_x.sum(), [x], create_graph=True)
    inside = criterion(u_t, ALPHA * u_xx)
    # At the start, and at both ends.
    x, t = torch.rand(32, 1), torch.rand(32, 1)
    zero = torch.zeros(32, 1)
    start = criterion(u(x, zero), (x * pi).sin())
    left = criterion(u(zero, t), zero)
    right = criterion(u(torch.ones(32, 1), t), zero)
    loss = inside + start + left + right
    loss.backward()
    optimizer.step()
    curves.writerow([step, loss.item()])
    if step == 1 or step % 200 == 0:
        print(f"step {step:4}: loss {loss.item():.6f}")

print(f"\n{'t':>5}{'u(½, t)':>12}{'network':>12}")
solution = lambda x, t: (t * (-ALPHA * pi * pi)).exp() * (x * pi).sin()
x, t = torch.full([5, 1], 0.5), torch.linspace(0, 1, 5).unsqueeze(1)
with torch.no_grad():
    rows = torch.cat([t, solution(x, t), u(x, t)], 1).tolist()
for time, exact, found in rows:
    print(f"{time:5.2f}{exact:12.4f}{found:12.4f}")
x, t = torch.rand(1000, 1), torch.rand(1000, 1)
with torch.no_grad():
    error = (u(x, t) - solution(x, t)).square().mean().sqrt().item()
print(f"root mean squared error at 1000 places: {error:.4f}")
