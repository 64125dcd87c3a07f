#!/usr/bin/env python3
"""rivals.py -- attacks of other libraries on a ConvNet trained here; see scripts/bench attacks.

    python3 rivals.py CELLS.json MODEL.safetensors IMAGES.idx LABELS.idx OUT.json
                      [--n 1000] [--batch 250] [--seed 1] [--only WORD,...] [--ours FOLDER]

Writes what each cell and rival left robust, sample by sample, and the norms of minimum-norm
attacks. OUT.json grows batch by batch: the same command goes on where it was stopped. Whatever a
library says of its success is not used: every result is judged here by a fresh forward pass and
its norm; so are ours, which ours.lua left in FOLDER, and nothing is attacked then. Needs torch,
foolbox, torchattacks and pyautoattack, the authors' AutoAttack on PyPI.
"""

import argparse
import copy
import functools
import gzip
import importlib.metadata
import json
import operator
import os
import struct
import sys
import time
import warnings

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "golden")]
import reference  # noqa: E402
import torch_peer  # noqa: E402

warnings.simplefilter("ignore")
PACKAGES = ("torch", "foolbox", "torchattacks", "pyautoattack")
SIZES = {
    "linf": lambda d: d.abs().amax(1),
    "l2": lambda d: d.double().norm(dim=1),
    "l1": lambda d: d.double().abs().sum(1),
}
CAPITAL = {"linf": "Linf", "l2": "L2", "l1": "L1"}


# --- model and data ----------------------------------------------------------------------------

def read_idx(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    dims = data[3]
    sizes = struct.unpack(f">{dims}I", data[4:4 + 4 * dims])
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * dims)
    return torch.from_numpy(pixels.reshape(sizes).copy())


def read_model(path, dtype=torch.float32):
    net = reference.ConvNet(1, 28)
    names = net.state_dict().keys()
    net.load_state_dict({k: v for k, v in torch_peer.load(path).items() if k in names})
    return net.to(dtype).eval().requires_grad_(False)


def read_samples(images, labels, n, dtype=torch.float32):
    x = read_idx(images)[:n, None].to(dtype) / 255
    return x, read_idx(labels)[:n].long()


# --- rivals: (net, x, y, cell, seed) -> x_adv --------------------------------------------------

def kind(cell):
    return f"{cell['attack']} {cell.get('norm', '')}".rstrip()


def foolbox(net, x, y, cell, _):
    import foolbox as fb
    attacks, steps = fb.attacks, cell.get("steps")
    iterated = {"abs_stepsize": cell.get("alpha"), "steps": steps, "random_start": False}
    attack = {
        "fgsm linf": lambda: attacks.LinfFastGradientAttack(),
        "pgd linf": lambda: attacks.LinfPGD(**iterated),
        "pgd l2": lambda: attacks.L2PGD(**iterated),
        "deepfool l2": lambda: attacks.L2DeepFoolAttack(steps=steps, candidates=10),
        "deepfool linf": lambda: attacks.LinfDeepFoolAttack(steps=steps, candidates=10),
        "cw2": lambda: attacks.L2CarliniWagnerAttack(steps=steps),
    }[kind(cell)]()
    model = fb.PyTorchModel(net, bounds=(0, 1), device="cpu")
    raw, _, _ = attack(model, x, y, epsilons=cell.get("eps"))
    return raw


def foolbox64(net, x, y, cell, seed):
    """The same in float64: float32 has no 1 - p_y below 6e-8, and loses the label's share of the
    gradient of samples the network is that sure of."""
    return foolbox(copy.deepcopy(net).double(), x.double(), y, cell, seed).to(x.dtype)


def torchattacks(net, x, y, cell, _):
    import torchattacks as ta
    eps, steps = cell.get("eps"), cell.get("steps")
    iterated = {"eps": eps, "alpha": cell.get("alpha"), "steps": steps, "random_start": False}
    attack = {
        "fgsm linf": lambda: ta.FGSM(net, eps=eps),
        "pgd linf": lambda: ta.PGD(net, **iterated),
        "pgd l2": lambda: ta.PGDL2(net, **iterated),
        "deepfool l2": lambda: ta.DeepFool(net, steps=steps, overshoot=0.02),
        "cw2": lambda: ta.CW(net, steps=steps),
    }[kind(cell)]()
    return attack(x, y)


def nearest_of_targets(fab, x, y):
    """FAB-T's loop over targets ends a sample inside eps; here each target has its run."""
    best = torch.full((len(x),), float("inf"), dtype=torch.float64)
    x_adv = x.clone()
    for fab.target_class in range(2, 11):
        found = fab.attack_single_run(x, y, is_targeted=True)
        size = SIZES[fab.norm.lower()]((found - x).flatten(1)).double()
        better = (size > 0) & (size < best)
        x_adv[better], best[better] = found[better], size[better]
    return x_adv


def pyautoattack(net, x, y, cell, seed):
    from pyautoattack import AutoAttack
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack
    norm, eps = CAPITAL[cell["norm"]], cell.get("eps")
    common = {"norm": norm, "eps": eps, "seed": seed}
    if cell["attack"] == "autoattack":
        return AutoAttack(net, **common).run_standard_evaluation(x, y, batch_size=len(x))[0]
    if cell["attack"] == "fabt":
        fab = FABAttack_PT(net, norm=norm, n_iter=cell["steps"])
        return nearest_of_targets(fab, x, y)
    if cell["attack"] == "square":
        queries = cell["queries"]
        attack = SquareAttack(net, n_queries=queries, resc_schedule=False, p_init=0.8, **common)
    else:
        make = APGDAttack if cell["attack"] == "apgd" else APGDAttack_targeted
        attack = make(net, n_iter=cell["steps"], use_largereps=norm == "L1", **common)
    with torch.no_grad():
        return attack.perturb(x, y)


RIVALS = {f.__name__: f for f in (foolbox, foolbox64, torchattacks, pyautoattack)}


# --- judging -----------------------------------------------------------------------------------

def judge(net, x, y, x_adv, cell):
    """robust: '1' where neither x nor x_adv is misclassified; norms: null without a success."""
    with torch.no_grad():
        clean, wrong = net(x).argmax(1) == y, net(x_adv).argmax(1) != y
    size = SIZES[cell.get("norm", "l2")]((x_adv - x).flatten(1))
    assert ((x_adv >= 0) & (x_adv <= 1)).all(), "outside of [0, 1]"
    wrong &= x_adv.flatten(1).abs().amax(1) > 0  # foolbox's black images of failure
    verdict = {"clean": clean, "robust": clean & ~wrong}
    if "eps" in cell:
        over = wrong & (size > cell["eps"] * (1 + 1e-5) + 1e-6)
        verdict["robust"] |= clean & over
    found = {key: "".join("01"[int(v)] for v in bits) for key, bits in verdict.items()}
    if "eps" not in cell:
        found["norms"] = [round(float(s), 6) if w and c else None
                          for s, w, c in zip(size, wrong, clean)]
    return found


def merge(one, more):
    """The results of two lots of samples, one after the other; one may be None."""
    return {key: one[key] + value for key, value in more.items()} if one else more


# --- running -----------------------------------------------------------------------------------

def save(path, results):
    with open(path + ".new", "w") as file:
        json.dump(results, file, indent=0, separators=(",", ":"))
        file.write("\n")
    os.replace(path + ".new", path)


def options():
    parser = argparse.ArgumentParser()
    for name in ("cells", "model", "images", "labels", "out"):
        parser.add_argument(name)
    for name, value in (("--n", 1000), ("--batch", 250), ("--seed", 1), ("--threads", 1)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--only", default="")
    parser.add_argument("--ours", help="folder of ours.lua: judge what is there")
    return parser.parse_args()


def run(net, x, y, cell, rival, results, o):
    """Adds the missing batches of a cell to the results."""
    key, cells = f"{cell['name']}/{rival}", results["cells"]
    for start in range(len(cells[key]["clean"]) if key in cells else 0, o.n, o.batch):
        part = slice(start, min(start + o.batch, o.n))
        torch.manual_seed(o.seed)
        began = time.process_time()
        x_adv = RIVALS[rival](net, x[part].clone(), y[part].clone(), cell, o.seed).detach()
        seconds = round(time.process_time() - began, 2)
        more = {**judge(net, x[part], y[part], x_adv, cell), "seconds": seconds}
        cells[key] = merge(cells.get(key), more)
        save(o.out, results)
        print(f"{key}: {part.stop} of {o.n}, robust {cells[key]['robust'].count('1')}, "
              f"{seconds} s", flush=True)


def judge_ours(net, x, y, cells, folder, results):
    with open(os.path.join(folder, "ours.json")) as file:
        ours = json.load(file)
    for cell in (c for c in cells if c["name"] in ours):
        about = ours[cell["name"]]
        x_adv = torch_peer.load(about.pop("file"))["x_adv"]
        results[cell["name"] + "/ours"] = {**judge(net, x, y, x_adv, cell), **about}


def main():
    o = options()
    torch.set_num_threads(o.threads)
    net = read_model(o.model)
    x, y = read_samples(o.images, o.labels, o.n)
    results = {"versions": {p: importlib.metadata.version(p) for p in PACKAGES}, "n": o.n,
               "batch": o.batch, "seed": o.seed, "threads": o.threads, "cells": {}}
    if os.path.exists(o.out):
        with open(o.out) as file:
            results = json.load(file)
    with open(o.cells) as file:
        cells = json.load(file)
    if o.ours:
        judge_ours(net, x, y, cells, o.ours, results["cells"])
        return save(o.out, results)
    for cell in cells:
        for rival in cell["rivals"]:
            if any(word in f"{cell['name']}/{rival}" for word in o.only.split(",")):
                run(net, x, y, cell, rival, results, o)


if __name__ == "__main__":
    main()
