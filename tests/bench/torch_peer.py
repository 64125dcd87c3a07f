"""PyTorch's side of `scripts/bench torch`: the same networks, the same shapes, one figure per mode.

usage: torch_peer.py MODEL BATCH THREADS REPEATS       prints one JSON object: images per second
Eager mode, NCHW, as most people run it. A step of PGD is the paper's: 4 iterations, alpha 0.025.
"""

import json
import math
import os
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))
import reference  # noqa: E402

MAKERS = {
    "convnet": lambda: reference.ConvNet(1, 28),
    "ygcnn": lambda: reference.Ygcnn(1, 28),
    "resnet": lambda: reference.resnet(1, 3),
    "resnet18": lambda: reference.resnet18(1),
}


LEAST = 0.1  # seconds of a repeat; shorter work is run several times


def seconds_of(times, f):
    start = time.perf_counter()
    for _ in range(times):
        f()
    return (time.perf_counter() - start) / times


def rate(images, repeats, f):
    f()
    runs = max(1, math.ceil(LEAST / seconds_of(1, f)))
    times = [seconds_of(runs, f) for _ in range(repeats)]
    return images / sorted(times)[(repeats - 1) // 2]


def pgd(net, x, y):
    x0, x = x, x.clone()
    for _ in range(4):
        x.requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(net(x), y, reduction="sum")
        (g,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            x = (x0 + (x + 0.025 * g.sign() - x0).clamp(-0.1, 0.1)).clamp(0, 1)
    with torch.no_grad():
        net(x)


def main():
    name, batch, threads, repeats = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = MAKERS[name]()
    x, y = torch.rand(batch, 1, 28, 28), torch.zeros(batch, dtype=torch.long)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def predict():
        with torch.no_grad():
            net(x).argmax(1)

    def train():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    net.eval()
    for p in net.parameters():
        p.requires_grad_(False)
    result = {"predict": rate(batch, repeats, predict)}
    result["attack"] = rate(batch, repeats, lambda: pgd(net, x, y))
    for p in net.parameters():
        p.requires_grad_(True)
    net.train()
    result["train"] = rate(batch, repeats, train)
    result["peer"] = "PyTorch " + torch.__version__
    print(json.dumps(result))


main()
