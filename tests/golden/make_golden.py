#!/usr/bin/env python3
"""make_golden.py -- reference values from PyTorch for the networks, layers and optimisers.

    python3 tests/golden/make_golden.py [models|layers|optim ...]
    python3 tests/golden/make_golden.py models "TITLE OF A CASE" ...

Writes models.json, layers.json and optim.json beside itself. Weights and inputs are in no file:
both sides compute them from their names by the rule of `numbers` below (its twin is
tests/lua/support/golden.lua), which uses whole numbers only, so both get the same bytes.

Models run in float64 on weights rounded to float32: that is the truth the float32 networks of this
project are held against. Kept are logits, loss, and for the gradient of the input and of every
parameter its norm, largest entry, eight entries and two projections on fixed signs.

Where a ReLU or a pooling window is nearly undecided, rounding may choose the other side and the
gradient jumps. Against that, every batch-norm bias is moved by a few steps of 1/256 to where no
input of the ReLU behind it is near zero (`shifts`: one letter per channel, A for no step), and of
several inputs the one is taken whose nearest call stands farthest off (`margin`: the distance to the
nearest kink in units of PyTorch's own largest float32 error at that layer).
"""

import json
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import reference as ref

warnings.simplefilter("ignore")
torch.use_deterministic_algorithms(True)
HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 8


# --- the closed rule ---------------------------------------------------------------------------

def name_hash(name):
    h = 0
    for byte in name.encode():
        h = (h * 131 + byte) % 1000003
    return h


def numbers(name, shape):
    """float64 numbers in (-1, 1), never 0, given by the name and the element's position."""
    count = int(np.prod(shape))
    i = np.arange(count, dtype=np.int64) + name_hash(name)
    a, b = i % 46337, i % 46349
    s = (a * a * a + 7 * b * b * b) % 65521
    return torch.from_numpy((s + 0.25) / 32760.5 - 1.0).reshape(shape)


def projection(name, g):
    """s^T G t with fixed signs s and t, where G is the tensor as a matrix [first size, rest]."""
    g = g.reshape(g.shape[0], -1) if g.ndim > 0 else g.reshape(1, 1)
    s, t = (torch.sign(numbers(f"{name}/{side}", (n,))) for side, n in zip("st", g.shape))
    return s @ g @ t


def positions(name, count):
    u = numbers(name, (SAMPLES,)).numpy()
    return [int(np.floor((v + 1) / 2 * count)) for v in u]


def fill(module):
    """Parameters and buffers by the rule, rounded to float32."""
    state = module.state_dict()
    for name, t in state.items():
        if name.endswith("num_batches_tracked"):
            t.zero_()
            continue
        u = numbers(name, t.shape)
        if t.ndim > 1:
            u = u * (6 / (t.numel() // t.shape[0])) ** 0.5 * (0.25 if name == "out.weight" else 1)
        elif name.endswith("running_var"):
            u = 1 + 0.5 * u
        elif name.endswith("running_mean") or name.endswith("bias"):
            u = 0.1 * u
        elif name.endswith(("weight_u", "weight_v")):
            u = u / u.norm()
        else:
            u = 1 + 0.25 * u
        t.copy_(u.float())


def number(v):
    return float(f"{float(v):.10g}")


def summary(name, g):
    """What is kept of a tensor."""
    flat = g.detach().double().flatten()
    return {
        "name": name,
        "shape": list(g.shape),
        "norm": number(flat.norm()),
        "max": number(flat.abs().max()),
        "entries": [number(flat[p]) for p in positions(name, flat.numel())],
        "projections": [number(projection(f"{name}/{k}", g.detach().double())) for k in (1, 2)],
    }


def values(t):
    return [number(v) for v in t.detach().double().flatten()]


def distance(a, b):
    """The error measure of the specs, between two summaries."""
    if "beside" in b:
        return a["norm"] / b["beside"]
    worst = abs(a["norm"] - b["norm"]) / b["norm"]
    for x, y in zip(a["entries"], b["entries"]):
        worst = max(worst, abs(x - y) / b["max"])
    for x, y in zip(a["projections"], b["projections"]):
        worst = max(worst, abs(x - y) / b["norm"])
    return worst


# --- models ------------------------------------------------------------------------------------

SHIFTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"


class Shifter:
    """Moves batch-norm biases while a float64 pass runs; `shifts` has what was done."""

    def __init__(self, module):
        self.shifts, self.last = {}, None
        self.hooks = []
        for name, m in module.named_modules():
            if isinstance(m, nn.BatchNorm2d):
                m.path = name
                self.hooks.append(m.register_forward_hook(self.normed))
            elif isinstance(m, (nn.ReLU, nn.LeakyReLU)):
                self.hooks.append(m.register_forward_hook(self.rectified))

    def normed(self, module, _, __):
        self.last = module

    def rectified(self, module, inputs, _):
        bn, self.last = self.last, None
        if bn is None:
            return None
        z = inputs[0].detach().transpose(0, 1).flatten(1)
        steps = []
        for k in range(len(SHIFTS)):
            steps.append((bn.bias.detach() + k / 256).float().double() - bn.bias.detach())
        steps = torch.stack(steps)  # [steps, channels]
        far = torch.stack([(z + s[:, None]).abs().amin(1) for s in steps])
        best = far.argmax(0)
        self.shifts[bn.path] = "".join(SHIFTS[int(k)] for k in best)
        return F.leaky_relu(inputs[0] + steps.gather(0, best[None])[0][:, None, None],
                            getattr(module, "negative_slope", 0.0))

    def close(self):
        for hook in self.hooks:
            hook.remove()


def shifted(state, shifts, offset):
    """The state with batch-norm biases set to the rule's value plus offset, and moved."""
    state = dict(state)
    for path, text in shifts.items():
        name = path + ".bias"
        rule = (0.1 * numbers(name, state[name].shape)).float().double()
        more = torch.tensor([SHIFTS.index(c) / 256 for c in text], dtype=torch.float64)
        state[name] = (rule + offset + more).float()
    return state


class Kinks:
    """Distances of ReLU and max-pool inputs to the place where their slope jumps."""

    def __init__(self, module):
        self.seen = []
        self.hooks = [m.register_forward_hook(self.look) for m in module.modules()
                      if isinstance(m, (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d))]

    def look(self, module, inputs, _):
        x = inputs[0].detach()
        if isinstance(module, nn.MaxPool2d):
            k, s, p = module.kernel_size, module.stride, module.padding
            windows = F.pad(x, (p, p, p, p), value=-1e30).unfold(2, k, s).unfold(3, k, s).flatten(4)
            top = windows.topk(2).values
            gap = top[..., 0] - top[..., 1]
            # Two ties are harmless: zeros, as no gradient passes the ReLU before them, and equal
            # copies of one value in overlapping windows, as both lead back to it.
            open_call = (top[..., 0] > 0) & (gap > 0)
            self.seen.append((x.double(), torch.where(open_call, gap, 1e9).min().item()))
        else:
            self.seen.append((x.double(), x.abs().min().item()))

    def close(self):
        for hook in self.hooks:
            hook.remove()


def margin(single, double):
    worst = float("inf")
    for (x, _), (y, gap) in zip(single.seen, double.seen):
        worst = min(worst, gap / max((x - y).abs().max().item(), 1e-12))
    return worst


def mark_zeros(parameters):
    """A bias before batch norm has no influence: its gradient is nothing but rounding. It is held
    against the gradient of the weight beside it (`beside`), not against itself."""
    norms = {p["name"]: p["norm"] for p in parameters}
    for p in parameters:
        stem = p["name"][:-len("bias")]
        beside = norms.get(stem + "weight", norms.get(stem + "weight_orig"))
        if p["name"].endswith("bias") and p["norm"] < 1e-9 * beside:
            p["beside"] = beside
    return parameters


def loss_of(kind, out):
    if kind == "cross_entropy":
        labels = torch.tensor([(3 * i + 1) % out.shape[1] for i in range(out.shape[0])])
        return F.cross_entropy(out, labels)
    if kind == "mse":
        return F.mse_loss(out, numbers("target", out.shape).to(out.dtype))
    return F.binary_cross_entropy_with_logits(out, torch.ones_like(out))


def picture(name, shape):
    """Noise in [0, 1]; with a name on "blocks" multiplied by one number for every 4x4 pixels, so that
    the deep layers of a large network see places that differ."""
    x = (numbers(name, shape) + 1) / 2
    if name.startswith("blocks"):
        coarse = (numbers(name + "/4", (*shape[:2], shape[2] // 4, shape[3] // 4)) + 1) / 2
        x = x * coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return x.float()


def run(module, x, kind):
    x = x.clone().requires_grad_()
    module.zero_grad()
    out = module(x)
    loss = loss_of(kind, out)
    loss.backward()
    found = {
        "loss": number(loss),
        "logits": summary("logits", out),
        "input": summary("input", x.grad),
        "parameters": mark_zeros([summary(n, p.grad) for n, p in module.named_parameters()]),
    }
    found["logits"]["first"] = values(out[0])[:12]
    return found


def worst_of(a, b):
    pairs = [(a["logits"], b["logits"]), (a["input"], b["input"])]
    pairs += list(zip(a["parameters"], b["parameters"]))
    return max([distance(p, q) for p, q in pairs] + [abs(a["loss"] - b["loss"]) / b["loss"]])


def snapshot(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def one_pass(make, rule_state, shape, kind, training, tries, stem, offset=0.0):
    """Values of the best of several inputs, and the state the pass leaves behind."""
    def prepared(dtype):
        module = make().to(dtype)
        module.load_state_dict(state)
        return module.train(training)

    untouched = {n: SHIFTS[0] * m.num_features for n, m in make().named_modules()
                 if isinstance(m, nn.BatchNorm2d)}
    best = None
    for t in range(tries):
        name = f"{stem}{t}"
        x = picture(name, shape)
        state = shifted(rule_state, untouched, offset)
        module = prepared(torch.float64)
        with torch.no_grad():
            shifter = Shifter(module)
            module(x.double())
            shifter.close()
        state = shifted(rule_state, shifter.shifts, offset)
        seen = []
        for dtype in (torch.float32, torch.float64):
            module = prepared(dtype)
            kinks = Kinks(module)
            with torch.no_grad():
                module(x.to(dtype))
            kinks.close()
            seen.append(kinks)
        far = margin(*seen)
        if best is None or far > best[0]:
            best = (far, name, x, state, shifter.shifts)
        if far > 20:
            break
    far, name, x, state, shifts = best
    module = prepared(torch.float32)
    single = run(module, x, kind)
    module = prepared(torch.float64)
    found = run(module, x.double(), kind)
    found.update(input_name=name, input_shape=list(shape), criterion=kind, margin=number(far), shifts=shifts,
                 offset=offset,
                 torch_float32_error=float(f"{worst_of(single, found):.2g}"))
    if training:
        found["buffers"] = [summary(n, b) for n, b in module.named_buffers() if b.ndim > 0]
    after = {k: v.float() if v.is_floating_point() else v for k, v in snapshot(module).items()}
    return found, after


wanted, old = [], {}  # titles to make anew (none: all), and the cases of the old file by title


def model_case(title, config, make, kind="cross_entropy", batch=2, tries=8, both=True, inputs=1,
               side=None, stem="input", offset=0.0):
    torch.manual_seed(0)
    channels, size = config["channels"], config["size"]
    if title not in wanted and wanted:
        return old[title]
    side = side or size
    shape = (batch, channels * inputs, side, side)
    module = make()
    fill(module)
    state = snapshot(module)
    case = {"title": title, "config": config,
            "count": sum(p.numel() for p in module.parameters())}
    normed = any(isinstance(m, nn.BatchNorm2d) for m in module.modules())
    if both and normed:  # training first: it gives the evaluation its running statistics
        case["train"], state = one_pass(make, state, shape, kind, True, tries, stem,
                                        offset)
    case["eval"], _ = one_pass(make, state, shape, kind, False, tries, stem)
    for mode in ("train", "eval"):
        if mode in case:
            c = case[mode]
            print(f"{title:24s} {mode:5s} loss {c['loss']:9.5f} max logit {c['logits']['max']:8.3f}"
                  f" margin {c['margin']:8.3g} torch float32 {c['torch_float32_error']:.1e}",
                  flush=True)
    return case


def models():
    def of(model, channels, size, **more):
        return dict(model=model, channels=channels, size=size, **more)

    cases = []
    for ch, size in ((1, 28), (3, 32)):
        cases += [
            model_case(f"convnet {ch}x{size}", of("convnet", ch, size, classes=10),
                       lambda: ref.ConvNet(ch, size), batch=3),
            model_case(f"ygcnn {ch}x{size}", of("ygcnn", ch, size, classes=10),
                       lambda: ref.Ygcnn(ch, size), tries=16),
        ]
    for ch, size, n in ((1, 28, 1), (3, 32, 2), (3, 32, 3)):
        cases.append(model_case(f"resnet n={n} {ch}x{size}",
                                of("resnet", ch, size, classes=10, n=n),
                                lambda: ref.resnet(ch, n), tries=24))
    cases.append(model_case("resnet18 1x28", of("resnet18", 1, 28, classes=10),
                            lambda: ref.resnet18(1), tries=24))
    for ch, size in ((1, 28), (3, 32)):
        cases.append(model_case(f"googlenet scaled {ch}x{size}",
                                of("googlenet", ch, size, classes=10, scale="small"),
                                lambda: ref.GoogleNet(ch, ref.SCALED), tries=24))
    # On 32x32 pictures one of its million pooling windows is always undecided in float32. Blocks and
    # positive inputs of the ReLUs keep rounding from growing by a quarter with each of 64 batch norms.
    cases.append(model_case("googlenet 3x32", of("googlenet", 3, 32, classes=10, scale="full"),
                            lambda: ref.GoogleNet(3, ref.FULL), tries=40, side=16, stem="blocks",
                            offset=1.0))
    for ch, size, width in ((1, 28, 16), (3, 32, 8)):
        cases.append(model_case(f"pix2pix generator {ch}x{size}",
                                of("pix2pix_generator", ch, size, width=width),
                                lambda: ref.Generator(ch, size, width), kind="mse", batch=4, tries=24))
        cases.append(model_case(f"pix2pix discriminator {ch}x{size}",
                                of("pix2pix_discriminator", ch, size),
                                lambda: ref.Discriminator(ch), kind="bce", batch=3, inputs=2,
                                tries=16))
    return cases


# --- layers and criteria -----------------------------------------------------------------------

def layer_case(layer, args, module, shape, training=True, options=None, passes=1):
    module = module.double()
    with torch.no_grad():
        fill(module)
    module.train(training)
    for _ in range(passes - 1):
        module(numbers("input", shape))
    x = numbers("input", shape).requires_grad_()
    y = module(x)
    gy = numbers("gy", y.shape)
    y.backward(gy)
    return {
        "layer": layer, "args": args, "options": options or {}, "training": training,
        "passes": passes, "shape": list(shape), "y_shape": list(y.shape),
        "y": summary("y", y), "gx": summary("gx", x.grad),
        "parameters": [summary(n, p.grad) for n, p in module.named_parameters()],
        "buffers": [summary(n, b) for n, b in module.named_buffers() if b.ndim > 0],
    }


def criterion_case(name, f, shape, target, options=None):
    x = numbers("input", shape).mul(3).requires_grad_()
    loss = f(x, target)
    loss.sum().backward()
    return {"criterion": name, "shape": list(shape), "options": options or {},
            "loss": values(loss), "gx": summary("gx", x.grad)}


def layers():
    c = layer_case
    sn = torch.nn.utils.spectral_norm
    cases = [
        c("conv2d", [3, 5, 3], nn.Conv2d(3, 5, 3), (2, 3, 7, 6)),
        c("conv2d", [4, 6, [3, 2]], nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), groups=2),
          (2, 4, 9, 7), options={"stride": [2, 1], "padding": [1, 2], "dilation": [1, 2],
                                 "groups": 2}),
        c("conv2d", [3, 6, 5], nn.Conv2d(3, 6, 5, 3, 2, groups=3, bias=False), (1, 3, 11, 8),
          options={"stride": 3, "padding": 2, "groups": 3, "bias": False}),
        c("conv_transpose2d", [5, 3, 2], nn.ConvTranspose2d(5, 3, 2, 2), (2, 5, 3, 4),
          options={"stride": 2}),
        c("conv_transpose2d", [4, 3, 3], nn.ConvTranspose2d(4, 3, 3, 2, 1, 1, bias=False),
          (2, 4, 4, 3), options={"stride": 2, "padding": 1, "output_padding": 1, "bias": False}),
        c("linear", [7, 5], nn.Linear(7, 5), (3, 7)),
        c("linear", [7, 5], nn.Linear(7, 5, bias=False), (1, 7), options={"bias": False}),
        c("batch_norm2d", [3], nn.BatchNorm2d(3), (2, 3, 5, 3), passes=3),
        c("batch_norm2d", [3], nn.BatchNorm2d(3), (2, 3, 5, 3), training=False),
        c("batch_norm2d", [3], nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), (1, 3, 5, 3),
          options={"eps": 1e-3, "momentum": 0.3}),
        c("batch_norm2d", [3], nn.BatchNorm2d(3, affine=False), (2, 3, 4, 3),
          options={"affine": False}),
        c("max_pool2d", [3], nn.MaxPool2d(3, 2, 1), (2, 3, 7, 6),
          options={"stride": 2, "padding": 1}),
        c("max_pool2d", [2], nn.MaxPool2d(2), (1, 2, 7, 5)),
        c("avg_pool2d", [3], nn.AvgPool2d(3, 2, 1), (2, 3, 7, 6),
          options={"stride": 2, "padding": 1}),
        c("avg_pool2d", [2], nn.AvgPool2d(2), (1, 2, 7, 5)),
        c("adaptive_avg_pool2d", [1], nn.AdaptiveAvgPool2d(1), (2, 3, 7, 6)),
        c("adaptive_avg_pool2d", [[3, 4]], nn.AdaptiveAvgPool2d((3, 4)), (2, 3, 7, 6)),
        c("relu", [], nn.ReLU(), (3, 5)),
        c("leaky_relu", [0.2], nn.LeakyReLU(0.2), (3, 5)),
        c("tanh", [], nn.Tanh(), (3, 5)),
        c("sigmoid", [], nn.Sigmoid(), (3, 5)),
        c("softmax", [], nn.Softmax(1), (3, 5)),
        c("log_softmax", [], nn.LogSoftmax(1), (3, 5)),
        c("flatten", [], nn.Flatten(), (3, 2, 2, 3)),
        c("upsample", [2], nn.Upsample(scale_factor=2), (2, 2, 3, 4)),
        c("pad", [[1, 2, 0, 3]], nn.ZeroPad2d((1, 2, 0, 3)), (1, 2, 3, 4)),
        c("spectral_norm conv2d", [3, 5, 3], sn(nn.Conv2d(3, 5, 3)), (2, 3, 5, 5), passes=3),
        c("spectral_norm linear", [6, 4], sn(nn.Linear(6, 4)), (2, 6), passes=20),
    ]
    criteria = []
    labels = torch.tensor([3, 0, 4])
    target = (numbers("target", (3, 5)) + 1) / 2
    for reduction in ("mean", "sum", "none"):
        o = {"reduction": reduction}
        criteria += [
            criterion_case("cross_entropy", lambda x, y: F.cross_entropy(x, y, **o), (3, 5), labels, o),
            criterion_case("bce_with_logits",
                           lambda x, y: F.binary_cross_entropy_with_logits(x, y, **o), (3, 5), target, o),
            criterion_case("mse_loss", lambda x, y: F.mse_loss(x, y, **o), (3, 5), target, o),
            criterion_case("l1_loss", lambda x, y: F.l1_loss(x, y, **o), (3, 5), target, o),
        ]
    return {"layers": cases, "criteria": criteria}


# --- optimisers and schedules ------------------------------------------------------------------

STEPS = 20


def optim_case(name, options, make):
    """20 steps; gradient = 0.1 p + numbers("g<step>/<parameter>"), so that decay has a part."""
    shapes = {"a": (3, 2), "b": (5,)}
    params = {n: numbers(n, s).clone().requires_grad_() for n, s in shapes.items()}
    optimiser = make(list(params.values()))
    track = []
    for step in range(1, STEPS + 1):
        for n, p in params.items():
            p.grad = 0.1 * p.detach() + numbers(f"g{step}/{n}", p.shape)
        optimiser.step()
        if step in (1, 2, 10, STEPS):
            track.append({"step": step, **{n: values(p) for n, p in params.items()}})
    return {"optimiser": name, "options": options, "track": track}


def schedule_case(name, options, make, measured=None):
    p = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([p], lr=0.1)
    schedule = make(optimiser)
    rates = []
    for step in range(STEPS):
        optimiser.step()
        schedule.step(*([measured[step]] if measured else []))
        rates.append(optimiser.param_groups[0]["lr"])
    return {"schedule": name, "options": options, "measured": measured or [], "rates": rates}


def optim():
    o, s = torch.optim, torch.optim.lr_scheduler
    stalls = [1.0, 0.9, 0.9, 0.91, 0.89999, 0.92, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.6, 0.61,
              0.62, 0.63, 0.64, 0.65, 0.66]
    return {
        "optimisers": [
            optim_case("sgd", {"lr": 0.1}, lambda p: o.SGD(p, lr=0.1)),
            optim_case("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
                       lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
            optim_case("sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
                       lambda p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
            optim_case("adam", {"lr": 0.01}, lambda p: o.Adam(p, lr=0.01)),
            optim_case("adam", {"lr": 0.02, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1},
                       lambda p: o.Adam(p, lr=0.02, betas=(0.5, 0.9), eps=1e-4, weight_decay=0.1)),
            optim_case("adamw", {"lr": 0.02, "weight_decay": 0.1},
                       lambda p: o.AdamW(p, lr=0.02, weight_decay=0.1)),
            optim_case("rmsprop", {"lr": 0.001, "rho": 0.9, "eps": 1e-8},
                       lambda p: o.RMSprop(p, lr=0.001, alpha=0.9, eps=1e-8)),
            optim_case("rmsprop", {"lr": 0.01, "rho": 0.95, "eps": 1e-6, "momentum": 0.8,
                                   "weight_decay": 0.05},
                       lambda p: o.RMSprop(p, lr=0.01, alpha=0.95, eps=1e-6, momentum=0.8,
                                           weight_decay=0.05)),
        ],
        "schedules": [
            schedule_case("step", {"every": 3, "factor": 0.5},
                          lambda q: s.StepLR(q, 3, 0.5)),
            schedule_case("cosine", {"steps": 20, "min_lr": 0.001},
                          lambda q: s.CosineAnnealingLR(q, 20, 0.001)),
            schedule_case("plateau", {"factor": 0.5, "patience": 2, "min_lr": 0.02},
                          lambda q: s.ReduceLROnPlateau(q, factor=0.5, patience=2, min_lr=0.02), stalls),
            schedule_case("plateau", {"mode": "max", "factor": 0.1, "patience": 1, "cooldown": 2},
                          lambda q: s.ReduceLROnPlateau(q, "max", factor=0.1, patience=1, cooldown=2),
                          [2 - v for v in stalls]),
        ],
    }


def main(names):
    makers = {"models": models, "layers": layers, "optim": optim}
    wanted.extend(n for n in names if n not in makers)
    if wanted:
        with open(os.path.join(HERE, "models.json"), encoding="utf-8") as f:
            old.update({case["title"]: case for case in json.load(f)})
    for name, make in makers.items():
        if names and name not in names:
            continue
        text = json.dumps(make(), separators=(",", ":")).replace('{"name"', '\n{"name"')
        path = os.path.join(HERE, name + ".json")
        with open(path + ".part", "w", encoding="utf-8") as f:
            f.write(text + "\n")
        os.replace(path + ".part", path)
        print(f"{path}: {len(text)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
