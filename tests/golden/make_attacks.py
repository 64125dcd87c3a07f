#!/usr/bin/env python3
"""make_attacks.py -- what deterministic attacks give on a tiny network, in numpy and float64.

    python3 tests/golden/make_attacks.py

Writes attacks.json beside itself. Each attack is written here once more from its paper, one sample
at a time, with a closed Jacobian instead of automatic differentiation, and plainly: pairs of JSMA
by brute force, projections by bisection. tests/lua/attacks/golden_spec.lua holds ours against them.

The network is z = V tanh(W x + b) + c on images [1, 3, 4] with 5 classes: smooth, so that nothing
jumps by rounding but signs. Weights and images follow from their names by `numbers` of
make_golden.py. Labels are the network's own answers.
"""

import json
import os

import numpy as np

from make_golden import numbers

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE, HIDDEN, CLASSES, SAMPLES = (1, 3, 4), 8, 5, 4
D = int(np.prod(SHAPE))


class Network:
    def __init__(self):
        def part(name, *shape):
            return numbers("attacks/" + name, shape).numpy()
        self.w, self.b = part("w", HIDDEN, D), part("b", HIDDEN)
        self.v, self.c = part("v", CLASSES, HIDDEN), part("c", CLASSES)

    def logits(self, x):
        return self.v @ np.tanh(self.w @ x + self.b) + self.c

    def jacobian(self, x):
        """[K, D]"""
        h = np.tanh(self.w @ x + self.b)
        return self.v @ ((1 - h * h)[:, None] * self.w)

    def pred(self, x):
        return int(np.argmax(self.logits(x)))


NET = Network()


# --- losses to climb: value and slopes by logit ------------------------------------------------

def cross_entropy(z, y):
    e = np.exp(z - z.max())
    p = e / e.sum()
    return -np.log(p[y]), p - np.eye(CLASSES)[y]


def rival(z, y):
    return int(np.argmax(np.where(np.arange(CLASSES) == y, -np.inf, z)))


def margin(z, y):
    k = rival(z, y)
    return z[k] - z[y], np.eye(CLASSES)[k] - np.eye(CLASSES)[y]


def dlr(z, y):
    top, one = np.argsort(-z), np.eye(CLASSES)
    value, slopes = margin(z, y)
    spread = z[top[0]] - z[top[2]] + 1e-12
    return value / spread, (slopes - value / spread * (one[top[0]] - one[top[2]])) / spread


LOSSES = {"ce": cross_entropy, "margin": margin, "dlr": dlr}


def climb(x, y, target, loss):
    """Loss and its gradient; toward a target it is CE(t), downward."""
    z = NET.logits(x)
    value, slopes = LOSSES[loss](z, y if target is None else target)
    sign = 1 if target is None else -1
    return sign * value, sign * slopes @ NET.jacobian(x)


def reached(x, y, target):
    return NET.pred(x) != y if target is None else NET.pred(x) == target


# --- norms, steps and projections --------------------------------------------------------------

ORDER = {"linf": np.inf, "l2": 2, "l1": 1}
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


def size(d, norm):
    return np.linalg.norm(d, ORDER[norm])


def steepest(g, norm):
    """The unit step of largest gain."""
    if norm == "linf":
        return np.sign(g)
    if norm == "l2":
        return g / max(np.linalg.norm(g), 1e-12)
    d = np.zeros(D)
    d[np.argmax(np.abs(g))] = np.sign(g[np.argmax(np.abs(g))])
    return d


def root(f, high):
    """Where a falling function crosses zero in [0, high]."""
    low = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) > 0 else (low, middle)
    return (low + high) / 2


def project(v, x, eps, norm):
    """x + v brought into the ball and the box [0, 1]."""
    if norm == "linf":
        v = np.clip(v, -eps, eps)
    elif norm == "l2":
        v = v * min(1, eps / max(np.linalg.norm(v), 1e-300))
    else:
        room = np.where(v > 0, 1 - x, x)
        kept = np.minimum(np.abs(v), room)
        if kept.sum() > eps:
            cut = root(lambda t: np.clip(np.abs(v) - t, 0, room).sum() - eps, np.abs(v).max())
            kept = np.clip(np.abs(v) - cut, 0, room)
        v = np.sign(v) * kept
    return np.clip(x + v, 0, 1)


def onto_plane(x, w, c, norm):
    """The shortest d with <w, d> = c and x + d in the box; its corner when there is none."""
    if c < 0:
        w, c = -w, -c
    room = np.where(w > 0, 1 - x, x) * (w != 0)
    steep = np.abs(w)
    if (steep * room).sum() <= c:
        return np.sign(w) * room
    if norm == "l1":
        d = np.zeros(D)
        for i in np.argsort(-steep, kind="stable"):
            d[i] = min(room[i], (c - steep @ d) / steep[i]) if steep[i] > 0 else 0
        return np.sign(w) * d
    gain = steep if norm == "l2" else np.ones(D)
    high = max(r / g for r, g in zip(room, gain) if g > 0)
    reach = root(lambda t: c - steep @ np.minimum(t * gain, room), high)
    return np.sign(w) * np.minimum(reach * gain, room)


# --- attacks: (x, y, target, options) -> x_adv -------------------------------------------------

def fgsm(x, y, target, eps, norm="linf", raw=False):
    g = climb(x, y, target, "ce")[1]
    return np.clip(x + eps * (g if raw else steepest(g, norm)), 0, 1)


def fgm(x, y, target, eps, norm="l2", raw=False):
    return fgsm(x, y, target, eps, norm, raw)


def ofgsm(x, y, target, eps):
    return fgsm(x, y, target, eps)


def pgd(x, y, target, eps, alpha, steps, norm="linf", loss="ce", best=True):
    """Keeps of all points, the first too, the one of highest loss among those that reached the
    goal, or among all; best=False: the last."""
    kept, point = None, x
    for n in range(steps + 1):
        value, g = climb(point, y, target, loss)
        rank = (reached(point, y, target), value)
        if kept is None or rank > kept[0] or not best:
            kept = rank, point
        point = project(point + alpha * steepest(g, norm) - x, x, eps, norm)
    return kept[1]


def bim(x, y, target, eps):
    return pgd(x, y, target, eps, 1 / 255, int(min(255 * eps + 4, 1.25 * 255 * eps) + 1e-9))


def ill(x, y, target, eps, alpha, steps):
    return pgd(x, y, int(np.argmin(NET.logits(x))), eps, alpha, steps)


def planes(x, y, rivals):
    z, j = NET.logits(x), NET.jacobian(x)
    return [(z[k] - z[y], j[k] - j[y]) for k in rivals]


def nearest_plane(x, y, rivals, norm):
    return min(planes(x, y, rivals), key=lambda p: abs(p[0]) / np.linalg.norm(p[1], DUAL[norm]))


def deepfool(x, y, target, norm="l2", steps=50, overshoot=0.02, classes=10, stab=1e-4):
    likely = np.argsort(-NET.logits(x), kind="stable")[:classes]
    rivals = [int(k) for k in likely if k != y]
    total, point = np.zeros(D), x
    for _ in range(steps):
        f, w = nearest_plane(point, y, rivals, norm)
        dual = np.linalg.norm(w, DUAL[norm])
        total = total + (abs(f) / dual + stab) * steepest(w, norm)
        point = np.clip(x + (1 + overshoot) * total, 0, 1)
        if NET.pred(point) != y:
            return point
    return x


def fab_run(x, y, rivals, norm, steps, alpha_max=0.1, eta=1.05, beta=0.9):
    """The nearest misclassified point met, or None."""
    point, best = x, None
    for _ in range(steps):
        f, w = nearest_plane(point, y, rivals, norm)
        d1 = onto_plane(point, w, -f, norm)
        d2 = onto_plane(x, w, -f + w @ (point - x), norm)
        n1, n2 = size(d1, norm), size(d2, norm)
        a = min(n1 / (n1 + n2), alpha_max)
        point = np.clip((1 - a) * (point + eta * d1) + a * (x + eta * d2), 0, 1)
        if NET.pred(point) != y:
            if best is None or size(point - x, norm) < size(best - x, norm):
                best = point
            point = x + beta * (point - x)
    return best


def nearest(x, found, norm):
    found = [v for v in found if v is not None]
    return min(found, key=lambda v: size(v - x, norm)) if found else x


def fab(x, y, target, norm, steps):
    return nearest(x, [fab_run(x, y, [k for k in range(CLASSES) if k != y], norm, steps)], norm)


def fabt(x, y, target, norm, steps, targets=9):
    rivals = [int(k) for k in np.argsort(-NET.logits(x), kind="stable") if k != y][:targets]
    return nearest(x, [fab_run(x, y, [k], norm, steps) for k in rivals], norm)


def jsma(x, y, target, theta=1, gamma=0.145):
    """The first success, or the point of highest loss."""
    point, free = x.copy(), [i for i in range(D) if (x[i] < 1 if theta > 0 else x[i] > 0)]
    path = [x]
    for _ in range(int(gamma * D / 2)):
        if NET.pred(point) == target or len(free) < 2:
            break
        j = NET.jacobian(point)
        up, rest = j[target], j.sum(0) - j[target]
        best = None
        for p in free:
            for q in free:
                a, b = up[p] + up[q], rest[p] + rest[q]
                fits = a > 0 > b if theta > 0 else a < 0 < b
                if p < q and fits and (best is None or -a * b > best[0]):
                    best = -a * b, p, q
        if best is None:
            break
        for i in best[1:]:
            point[i] = np.clip(point[i] + theta, 0, 1)
            free.remove(i)
        path.append(point.copy())
    return max(path, key=lambda v: (NET.pred(v) == target, climb(v, y, target, "ce")[0]))


def adam(slope, steps, lr):
    """Yields the points of Adam's path from 0, where `steps` steps lead."""
    w, m, v = np.zeros(D), np.zeros(D), np.zeros(D)
    for n in range(1, steps + 1):
        g = slope(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - lr * (m / (1 - 0.9 ** n)) / (np.sqrt(v / (1 - 0.999 ** n)) + 1e-8)
        yield w


def cw2(x, y, target, steps, csteps, lr, c0, kappa=0, abort=False):
    start = np.arctanh(0.999999 * (2 * x - 1))
    origin = (np.tanh(start) + 1) / 2
    goal = y if target is None else target
    sign = -1 if target is None else 1  # margin() is max other - goal

    def hinge(z):
        value, slopes = margin(z, goal)
        value, slopes = sign * value, sign * slopes
        return (value + kappa, slopes) if value + kappa > 0 else (0, 0 * slopes)

    def slope_for(c):
        def slope(w):
            t = np.tanh(start + w)
            point = (t + 1) / 2
            pull = hinge(NET.logits(point))[1] @ NET.jacobian(point)
            return (2 * (point - origin) + c * pull) * (1 - t * t) / 2
        return slope

    c, low, high, best = c0, 0, np.inf, None
    for _ in range(csteps):
        won = False
        for w in adam(slope_for(c), steps, lr):
            point = (np.tanh(start + w) + 1) / 2
            if sign * margin(NET.logits(point), goal)[0] + kappa < 0:
                won = True
                best = nearest(x, [best, point], "l2")
        low, high = (low, min(high, c)) if won else (max(low, c), high)
        c = (low + high) / 2 if high < 1e9 else 10 * c
    return x if best is None else best


def deepfool_free(x, y, overshoot=0.02, stab=1e-4):
    """DeepFool's way r without the overshoot, outside of the box too, and the class found."""
    r, found = np.zeros(D), y
    while found == y:
        f, w = nearest_plane(x + r, y, [k for k in range(CLASSES) if k != y], "l2")
        r = r + (abs(f) / np.linalg.norm(w) + stab) * steepest(w, "l2")
        found = NET.pred(x + (1 + overshoot) * r)
    return r, found


def over_plane(x, w, beyond):
    """From x to where <w, x - beyond> changes sign, one element at a time."""
    x, unused = x.copy(), list(range(D))
    f = w @ (x - beyond)
    side = np.sign(f)
    while np.sign(f) == side and unused:
        i = max(unused, key=lambda k: (abs(w[k]), -k))
        way = max(abs(f + 0.001 * side) / abs(w[i]), 1e-4)
        x[i] = np.clip(x[i] + way * np.sign(w[i]), 0, 1)
        unused.remove(i)
        f = w @ (x - beyond)
    return x


def sparsefool(x, y, target, **options):
    point = x
    for _ in range(20):
        r, found = deepfool_free(point, y)
        j = NET.jacobian(point + r)
        w = (j[found] - j[y]) / np.linalg.norm(j[found] - j[y])
        point = over_plane(point, w, point + options["lambda"] * r)
        for candidate in (np.clip(x + 1.02 * (point - x), 0, 1), point):
            if NET.pred(candidate) != y:
                return candidate
    return x


ATTACKS = {f.__name__: f for f in (
    fgsm, fgm, ofgsm, pgd, bim, ill, deepfool, fab, fabt, jsma, cw2, sparsefool)}

EPS = 0.15
STEPS = {"eps": EPS, "alpha": 0.03, "steps": 12}
CW2 = {"steps": 120, "lr": 0.02, "abort": False}
CASES = [
    ("fgsm", {"eps": EPS}, None),
    ("fgsm", {"eps": EPS}, "next"),
    ("fgm", {"eps": 0.3}, None),
    ("fgm", {"eps": 0.1, "raw": True}, None),
    ("ofgsm", {"eps": EPS}, "label"),
    ("pgd", STEPS, None),
    ("pgd", {**STEPS, "best": False}, None),
    ("pgd", {**STEPS, "loss": "margin"}, None),
    ("pgd", {**STEPS, "loss": "dlr"}, None),
    ("pgd", STEPS, "next"),
    ("pgd", {"eps": 0.4, "alpha": 0.1, "steps": 12, "norm": "l2"}, None),
    ("pgd", {"eps": 0.9, "alpha": 0.2, "steps": 12, "norm": "l1"}, None),
    ("bim", {"eps": 8 / 255}, None),
    ("ill", STEPS, None),
    *(("deepfool", {"norm": norm}, None) for norm in ORDER),
    *(("fab", {"norm": norm, "steps": 20}, None) for norm in ORDER),
    *(("fabt", {"norm": norm, "steps": 20}, None) for norm in ORDER),
    ("jsma", {"theta": 1, "gamma": 1}, "next"),
    ("jsma", {"theta": 0.3, "gamma": 1}, "next"),
    ("jsma", {"theta": 0.4, "gamma": 0.5}, "next"),
    ("jsma", {"theta": -0.4, "gamma": 1}, "next"),
    ("jsma", {"theta": -1, "gamma": 1}, "next"),
    ("cw2", {**CW2, "c0": 0.01, "csteps": 6}, None),
    ("cw2", {**CW2, "c0": 0.5, "csteps": 4, "kappa": 0.1}, "next"),
    ("sparsefool", {"lambda": 1}, None),
    ("sparsefool", {"lambda": 3}, None),
]


def case(attack, options, goal, images, labels):
    targets = {None: [None] * len(labels), "label": labels,
               "next": [(y + 1) % CLASSES for y in labels]}[goal]
    found = [ATTACKS[attack](x, y, t, **options) for x, y, t in zip(images, labels, targets)]
    hits = [reached(v, y, t) for v, y, t in zip(found, labels, targets)]
    print(attack, options, goal or "", f"{sum(hits)} of {len(hits)}")
    return {
        "attack": attack, "options": options, "targets": targets if goal == "next" else None,
        "status": ["SUCCESS" if hit else "FAIL" for hit in hits],
        "x_adv": [[float(f"{v:.15g}") for v in row] for row in found],
    }


def main():
    images = (numbers("attacks/x", (SAMPLES, D)).numpy() + 1) / 2
    labels = [NET.pred(x) for x in images]
    cases = [case(*spec, images, labels) for spec in CASES]
    whole = {"labels": labels, "logits": [list(NET.logits(x)) for x in images], "cases": cases}
    path = os.path.join(HERE, "attacks.json")
    text = json.dumps(whole, separators=(",", ":")).replace('{"attack"', '\n{"attack"')
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(path + ".part", path)
    print(f"{path}: {len(text)} bytes, labels {labels}")


if __name__ == "__main__":
    main()
