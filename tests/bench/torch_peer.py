"""PyTorch's side of `scripts/bench`: a process that prepares and times cells on request.

A cell is one network in one mode and one form. Requests are lines on standard input, replies are
lines of JSON on standard output:

    prepare MODEL MODE FORM THREADS BATCH STEPS FILE   compiles and warms up; FILE: weights, data
    time SECONDS               repeats for at least that long; images, seconds, processor time
    check                      mean size of the first batch's outputs, and how many gradients of an
                               attack are zero: both sides must do the same work
    memory                     bytes above those before `prepare`: the highest so far

Modes: inference, pgd, ifa, train. Forms, joined by "+": default (eager, NCHW), nhwc
(channels_last), compile (torch.compile of the network), whole (torch.compile of the whole attack
step as one graph), freeze (weights are constants of the compiled graph), script
(torch.jit.optimize_for_inference). Allocators and the binding of threads are the environment's
matter: see tests/bench/forms.lua.
"""

import json
import os
import struct
import sys
import time
import warnings

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import reference  # noqa: E402

warnings.simplefilter("ignore")
EPS, ALPHA = 0.1, 0.025  # of PGD; a step of the walk is WALK
WALK = 8 / 255

MAKERS = {
    "convnet": lambda: reference.ConvNet(1, 28),
    "ygcnn": lambda: reference.Ygcnn(1, 28, dropout=True),
    "resnet": lambda: reference.resnet(1, 3),
    "resnet18": lambda: reference.resnet18(1),
    "googlenet": lambda: reference.GoogleNet(1, reference.FULL),
    "pix2pix_generator": lambda: reference.Generator(1, 28, 16),
    "pix2pix_discriminator": lambda: reference.Discriminator(1),
}

TYPES = {"F32": torch.float32, "I64": torch.int64}


def load(path):
    """Tensors of a safetensors file by name."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        part = torch.frombuffer(data[start + first:start + last], dtype=TYPES[entry["dtype"]])
        tensors[name] = part.reshape(entry["shape"]).clone()
    return tensors


def loss_of(net, x, y):
    return F.cross_entropy(net(x).flatten(1), y, reduction="sum")


def pgd_step(x, g, x0):
    return (x0 + (x + ALPHA * g.sign() - x0).clamp(-EPS, EPS)).clamp(0, 1)


def walk_step(x, g, _):
    return x - WALK * g.sign()


class Cell:
    def __init__(self, model, mode, form, threads, batch, steps, path):
        torch.set_num_threads(int(threads))
        torch._dynamo.reset() if "torch._dynamo" in sys.modules else None
        self.mode, self.forms = mode, set(form.split("+"))
        self.batch, self.steps = int(batch), int(steps)
        tensors = load(path)
        x, self.y = tensors.pop("input"), tensors.pop("label")
        net = MAKERS[model]()
        missing = net.load_state_dict(tensors, strict=False).missing_keys
        assert all(name.endswith("num_batches_tracked") for name in missing), missing
        if "nhwc" in self.forms:
            net, x = (t.to(memory_format=torch.channels_last) for t in (net, x))
        self.x, self.zeros = x, 0
        net.train(mode == "train").requires_grad_(mode == "train")
        self.net = self.compiled(net)
        self.run = {"inference": self.inference, "train": self.train}.get(mode, self.attack)
        if mode == "train":
            self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        if mode in ("pgd", "ifa"):
            self.step = self.attack_step(pgd_step if mode == "pgd" else walk_step)
        self.run()

    def compiled(self, net):
        if "script" in self.forms:
            traced = torch.jit.trace(net, self.x[:self.batch])
            return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        if "freeze" in self.forms:
            from torch._inductor import config
            config.freezing = True
        return torch.compile(net) if "compile" in self.forms else net

    def attack_step(self, move):
        if "whole" in self.forms:
            gradient = torch.func.grad(lambda x, y: loss_of(self.net, x, y))
            return torch.compile(lambda x, y, x0: move(x, gradient(x, y), x0))

        def step(x, y, x0):
            x.requires_grad_(True)
            (g,) = torch.autograd.grad(loss_of(self.net, x, y), x)
            with torch.no_grad():
                return move(x, g, x0)

        return step

    def batches(self):
        return zip(self.x.split(self.batch), self.y.split(self.batch))

    @torch.no_grad()
    def inference(self):
        for x, _ in self.batches():
            self.net(x).flatten(1).argmax(1)

    def attack(self):
        """As an attack of ours does: all steps, then the accuracy of what came out."""
        for x0, y in self.batches():
            x = x0.clone()
            for _ in range(self.steps):
                x = self.step(x, y, x0).detach()
            with torch.no_grad():
                (self.net(x).flatten(1).argmax(1) == y).sum().item()

    def train(self):
        for x, y in self.batches():
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x).flatten(1), y).backward()
            self.optimizer.step()

    def check(self):
        with torch.no_grad():
            size = self.net(self.x[:self.batch]).abs().mean().item()
        zeros = 0
        x0, y = self.x[:self.batch], self.y[:self.batch]
        x = x0.clone()
        for _ in range(self.steps if self.mode in ("pgd", "ifa") else 0):
            (g,) = torch.autograd.grad(loss_of(self.net, x.requires_grad_(True), y), x)
            zeros += (g.flatten(1).abs().amax(1) == 0).sum().item()
            x = (pgd_step if self.mode == "pgd" else walk_step)(x.detach(), g, x0)
        return {"size": size, "zeros": 100 * zeros / (self.steps * len(y))}

    def time(self, least):
        runs, start, cpu = 0, time.perf_counter(), time.process_time()
        while True:
            self.run()
            runs += 1
            seconds = time.perf_counter() - start
            if seconds >= float(least):
                return {"images": runs * len(self.x), "seconds": seconds,
                        "cpu": time.process_time() - cpu}


def resident(field):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return 1024 * int(line.split()[1])


def answer(state, word, arguments):
    if word == "prepare":
        state.pop("cell", None)
        state["before"] = resident("VmRSS")
        state["cell"] = Cell(*arguments)
        return {}
    if word == "time":
        return state["cell"].time(*arguments)
    if word == "check":
        return state["cell"].check()
    if word == "memory":
        return {"bytes": resident("VmHWM") - state["before"]}
    raise ValueError("unknown request " + word)


def main():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the replies
    state = {}
    print(json.dumps({"name": "PyTorch " + torch.__version__}), file=replies, flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        try:
            reply = answer(state, word, arguments)
        except Exception as error:  # a form that does not work here is a result too
            reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
