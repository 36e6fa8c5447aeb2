"""The twin of examples/online: python docs/programs/online.py [serve [PORT]], with torch and scikit-learn."""
import csv
import http.client
import os
import pathlib
import signal
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn

CHECKPOINT = "target/online.pt"
FEATURES = 30
# Features that wait for their label at most.
WAITING = 100_000
CURVES = pathlib.Path("target/curves/online_py.csv")
EACH = 100


class Service:
    """What answers, and learns; as its checkpoint left it, or new."""

    def __init__(self, checkpoint):
        torch.manual_seed(0)
        self.model = nn.Linear(FEATURES, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.02)
        self.asked, self.learned, self.waiting, self.lock = 0, 0, {}, threading.Lock()
        if os.path.exists(checkpoint):
            file = torch.load(checkpoint)
            self.model.load_state_dict(file["model"])
            self.optimizer.load_state_dict(file["optimizer"])
            self.asked, self.learned = file["asked"], file["learned"]
        CURVES.parent.mkdir(parents=True, exist_ok=True)
        self.total, self.curves = 0, csv.writer(CURVES.open("a" if self.learned else "w", buffering=1))
        if not self.learned:
            self.curves.writerow(["step", "loss"])

    def save(self, checkpoint):
        file = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**file, "asked": self.asked, "learned": self.learned}, checkpoint)

    def predict(self, features):
        x = torch.tensor([float(x) for x in features.split(",")])
        with torch.no_grad():
            chance = self.model(x).sigmoid().item()
        self.asked += 1
        self.waiting[self.asked] = x
        if len(self.waiting) > WAITING:
            self.waiting.pop(next(iter(self.waiting)))
        return f"{self.asked} {chance}"

    def learn(self, number, label):
        x, y = self.waiting.pop(int(number)), torch.tensor([float(label)])
        self.optimizer.zero_grad()
        loss = nn.BCEWithLogitsLoss()(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.learned += 1
        self.total += loss.item()
        if self.learned % EACH == 0:
            self.curves.writerow([self.learned, self.total / EACH])
            self.total = 0
        return str(loss.item())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service = None

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers["Content-Length"]), 10_000)).decode()
        try:
            with self.service.lock:
                match self.path.split("/"):
                    case ["", "predict"]:
                        text, status = self.service.predict(body), 200
                    case ["", "label", number]:
                        text, status = self.service.learn(number, body), 200
                    case _:
                        text, status = "expected /predict or /label/NUMBER", 400
        except Exception as error:
            text, status = repr(error), 400
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def serve(server, checkpoint):
    """Answers until it is told to stop, then writes a checkpoint."""
    Handler.service = Service(checkpoint)
    server.serve_forever(0.05)
    Handler.service.save(checkpoint)


def ask(address, tumours):
    """Asks for each tumour and tells what it was; gives how many guesses were right."""
    client = http.client.HTTPConnection(*address)

    def post(path, body):
        client.request("POST", path, body)
        answer = client.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(body)
        return body

    right = 0
    for features, malignant in tumours:
        number, chance = post("/predict", features).split()
        right += (float(chance) > 0.5) == malignant
        post(f"/label/{number}", str(int(malignant)))
    return right


def demonstrate(clients=8):
    x, y = load_breast_cancer(return_X_y=True)
    x = torch.tensor(StandardScaler().fit_transform(x), dtype=torch.float32)
    tumours = [(",".join(map(str, row)), y == 0) for row, y in zip(x.tolist(), y)]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = os.path.join(folder, "online.pt")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        service = threading.Thread(target=serve, args=(server, checkpoint))
        service.start()
        with ThreadPoolExecutor(clients) as pool:
            right = sum(pool.map(ask, [server.server_address] * clients, [tumours] * clients))
        server.shutdown()
        service.join()
        service = Service(checkpoint)
    print(f"{clients} clients sent {2 * clients * len(tumours)} requests; {service.asked} predictions, {service.learned} steps")
    print(f"{right / service.asked:.2f} of the predictions were right before their label was known")
    print("after a restart:", service.predict(tumours[0][0]))


def main():
    if sys.argv[1:2] != ["serve"]:
        return demonstrate()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 8080), Handler)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print("http://{}:{}".format(*server.server_address), flush=True)
    serve(server, CHECKPOINT)


main()
