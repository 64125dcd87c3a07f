#!/usr/bin/env python3
"""clever_oracle.py -- CLEVER scores of ours against the definition in float64, at the same points.

    python3 clever_oracle.py MODEL.safetensors IMAGES.idx LABELS.idx OUT.json
                             [--n 100] [--batches 10] [--samples 256] [--seed 1]
                             [--norm l2] [--radius 5] [--unbounded max]

clever.lua gives our scores and the points they were sampled at. Here the gradients at these points
come from autograd in float64; the reverse Weibull distribution's end is found by scipy: Brent's
method for the shape (at least 1), a grid and bounded minimisation for the location, whose distance
from the largest of the maxima is 1e-6 to 1e3 times their range. Where the likelihood rises up to
the end of that grid there is no end to be found: then it is the largest maximum, or, with
--unbounded location, the end of the grid.
"""

import argparse
import json
import math
import os
import subprocess
import time

import numpy as np
import scipy
import torch
from scipy import optimize, stats

import rivals

HERE = os.path.dirname(os.path.abspath(__file__))
DUAL = {"l2": 2, "linf": 1, "l1": float("inf")}


def shape_of(t):
    """The likeliest shape, at least 1, of t > 0."""
    logs = np.log(t / t.max())

    def slope(c):
        power = np.exp(c * logs)
        return power @ logs / power.sum() - 1 / c - logs.mean()

    if slope(1) >= 0:
        return 1
    high = 2
    while slope(high) < 0:
        high *= 2
    return optimize.brentq(slope, 1, high, xtol=1e-12, rtol=1e-14)


def end_of(maxima, unbounded):
    """The end of the distribution; the largest maximum when it cannot be found."""
    most, spread = maxima.max(), np.ptp(maxima)
    if spread < 1e-12 * most:
        return most, True
    depth = (most - maxima) / spread

    def fit(u):
        t = depth + math.exp(u)
        c = shape_of(t)
        return c, t.max() * np.mean((t / t.max()) ** c) ** (1 / c), t

    def cost(u):
        c, b, t = fit(u)
        return -stats.weibull_min.logpdf(t, c, scale=b).sum()

    grid = np.linspace(math.log(1e-6), math.log(1e3), 400)
    costs = [cost(u) for u in grid]
    i = int(np.argmin(costs))
    around = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(cost, bounds=around, method="bounded",
                                     options={"xatol": 1e-10})
    u = min((costs[i], grid[i]), (found.fun, found.x))[1]
    c, b, t = fit(u)
    if stats.kstest(t, stats.weibull_min(c, scale=b).cdf).pvalue < 0.001:
        return most, True
    if unbounded == "max" and math.exp(u) > 0.999e3:
        return most, True
    return most + spread * math.exp(u), False


def gradient_sizes(net, points, label, norm):
    """[points, classes]: dual norms of the gradients of z_label - z_k."""
    x = points.double().requires_grad_(True)
    z = net(x)
    sizes = torch.zeros_like(z)
    for k in range(z.shape[1]):
        if k != label:
            g, = torch.autograd.grad((z[:, label] - z[:, k]).sum(), x, retain_graph=True)
            sizes[:, k] = torch.linalg.vector_norm(g.flatten(1), DUAL[norm], dim=1)
    return sizes.detach()


def score(net, x0, points, label, o):
    """For each rival: margin over the end of the distribution, at most the radius."""
    maxima = np.stack([gradient_sizes(net, p, label, o.norm).amax(0).numpy() for p in points])
    z = net(x0[None].double())[0]
    found = {}
    for k in (k for k in range(len(z)) if k != label):
        end, flagged = end_of(maxima[:, k], o.unbounded)
        margin = (z[label] - z[k]).item()
        found[k] = min(margin / end, o.radius), flagged, margin / maxima[:, k].max()
    return found


def options():
    parser = argparse.ArgumentParser()
    for name in ("model", "images", "labels", "out"):
        parser.add_argument(name)
    for name, value in (("--n", 100), ("--batches", 10), ("--samples", 256), ("--seed", 1)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--norm", default="l2", choices=list(DUAL))
    parser.add_argument("--radius", type=float, default=5)
    parser.add_argument("--unbounded", default="max", choices=["max", "location"])
    return parser.parse_args()


def main():
    o = options()
    torch.set_num_threads(1)
    net = rivals.read_model(o.model, torch.float64)
    x, _ = rivals.read_samples(o.images, o.labels, o.n)
    numbers = [str(v) for v in (o.n, o.batches, o.samples, o.seed, o.norm, o.radius,
                                  o.unbounded)]
    command = ["luajit", os.path.join(HERE, "clever.lua"), o.model, *numbers]
    worst, scores, off, alike, began = 0, [], [], 0, time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ours:
        about = json.loads(ours.stdout.readline())
        for i, image in enumerate(about["images"]):
            data = ours.stdout.read(4 * o.batches * o.samples * x[i].numel())
            if not image["correct"]:
                continue
            points = np.frombuffer(data, np.float32).reshape(o.batches, o.samples, *x[i].shape)
            theirs = score(net, x[i], torch.from_numpy(points.copy()), image["label"], o)
            for entry in image["classes"]:
                off.append(float(abs(entry["score"] / theirs[entry["class"]][0] - 1)))
            best = min(s for s, _, _ in theirs.values())
            worst = max(worst, float(abs(image["score"] / best - 1)))
            scores.append([round(image["score"], 6), round(best, 6)])
            alike += min(s[2] for s in theirs.values()) / best > 1.01
    result = {
        "n": o.n, "used": len(scores), "batches": o.batches, "samples": o.samples,
        "seed": o.seed, "norm": o.norm, "radius": o.radius, "unbounded": o.unbounded,
        "scores_ours_theirs": scores,
        "mean_ours": float(np.mean([s[0] for s in scores])),
        "mean_theirs": float(np.mean([s[1] for s in scores])),
        "largest_difference": worst, "largest_difference_of_a_class": max(off),
        "beyond_largest_maximum": int(alike), "seconds_ours": about["seconds"],
        "seconds_both": round(time.perf_counter() - began, 1),
        "versions": {"torch": torch.__version__, "scipy": scipy.__version__},
    }
    rivals.save(o.out, result)
    print({k: v for k, v in result.items() if k != "scores_ours_theirs"})


if __name__ == "__main__":
    main()
