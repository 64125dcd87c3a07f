"""reference.py -- the networks of conjugate.models written for PyTorch, with the same names.

make_golden.py and tests/bench/torch_peer.py use this file. Layers and counts are those of
lua/conjugate/models; every class has the parameter names of its Lua twin.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm


class ConvNet(nn.Module):
    def __init__(self, channels, size, classes=10):
        super().__init__()
        side = ((size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x))).flatten(1)
        return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x)))))


class Ygcnn(nn.Module):
    def __init__(self, channels, size, classes=10, dropout=False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv4 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * (size // 4) ** 2, 256)
        self.fc2 = nn.Linear(256, classes)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        # the golden run has none, the benchmark has what the Lua twin has
        self.drop, self.drop_more = (nn.Dropout(p if dropout else 0) for p in (0.25, 0.5))

    def forward(self, x):
        x = self.drop(self.pool(self.relu(self.conv2(self.relu(self.conv1(x))))))
        x = self.drop(self.pool(self.relu(self.conv4(self.relu(self.conv3(x))))))
        return self.fc2(self.drop_more(self.relu(self.fc1(x.flatten(1)))))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, projection):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.stride, self.more = stride, outputs - inputs
        self.downsample = None
        if projection and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = self.shortcut(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + shortcut)

    def shortcut(self, x):
        if self.downsample is not None:
            return self.downsample(x)
        if self.stride == 1 and self.more == 0:
            return x
        half = self.more // 2
        x = x[:, :, ::self.stride, ::self.stride]
        return F.pad(x, (0, 0, 0, 0, half, self.more - half))


class ResNet(nn.Module):
    def __init__(self, channels, widths, blocks, projection, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.stages = len(widths)
        inputs = widths[0]
        for s, width in enumerate(widths):
            layers = []
            for b in range(blocks):
                stride = 2 if s > 0 and b == 0 else 1
                layers.append(BasicBlock(inputs, width, stride, projection))
                inputs = width
            setattr(self, f"layer{s + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


def resnet(channels, n):
    return ResNet(channels, (16, 32, 64), n, False)


def resnet18(channels):
    return ResNet(channels, (64, 128, 256, 512), 2, True)


def unit(inputs, outputs, kernel):
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs),
            nn.ReLU()]


class Inception(nn.Module):
    def __init__(self, inputs, n1, r3, n3, r5, n5, pool):
        super().__init__()
        self.b1 = nn.Sequential(*unit(inputs, n1, 1))
        self.b2 = nn.Sequential(*unit(inputs, r3, 1), *unit(r3, n3, 3))
        self.b3 = nn.Sequential(*unit(inputs, r5, 1), *unit(r5, n5, 3), *unit(n5, n5, 3))
        self.b4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), *unit(inputs, pool, 1))

    def forward(self, x):
        return torch.cat([self.b1(x), self.b2(x), self.b3(x), self.b4(x)], 1)


FULL = (192, [[("a3", 64, 96, 128, 16, 32, 32), ("b3", 128, 128, 192, 32, 96, 64)],
              [("a4", 192, 96, 208, 16, 48, 64), ("b4", 160, 112, 224, 24, 64, 64),
               ("c4", 128, 128, 256, 24, 64, 64), ("d4", 112, 144, 288, 32, 64, 64),
               ("e4", 256, 160, 320, 32, 128, 128)],
              [("a5", 256, 160, 320, 32, 128, 128), ("b5", 384, 192, 384, 48, 128, 128)]])
SCALED = (32, [[("a3", 16, 16, 24, 8, 8, 8)], [("a4", 32, 24, 48, 8, 16, 16)],
               [("a5", 48, 32, 64, 8, 16, 16)]])


class GoogleNet(nn.Module):
    def __init__(self, channels, table, classes=10):
        super().__init__()
        stem, stages = table
        self.conv1 = nn.Conv2d(channels, stem, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.names = [[row[0] for row in stage] for stage in stages]
        inputs = stem
        for stage in stages:
            for name, *row in stage:
                setattr(self, name, Inception(inputs, *row))
                inputs = row[0] + row[2] + row[4] + row[5]
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        for s, stage in enumerate(self.names):
            if s > 0:
                x = self.pool(x)
            for name in stage:
                x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Generator(nn.Module):
    def __init__(self, channels, size, width):
        super().__init__()
        self.size, self.padded = size, -(-size // 16) * 16
        self.pool = nn.MaxPool2d(2)
        inputs = channels
        for d in range(5):
            setattr(self, f"enc{d + 1}", DoubleConv(inputs, width << d))
            inputs = width << d
        for d in range(4, 0, -1):
            setattr(self, f"up{d}", nn.ConvTranspose2d(width << d, width << (d - 1), 2, 2))
            setattr(self, f"dec{d}", DoubleConv(width << d, width << (d - 1)))
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        more = self.padded - self.size
        low, high = more // 2, more - more // 2
        x = F.pad(x, (low, high, low, high))
        skips = []
        for d in range(1, 6):
            x = getattr(self, f"enc{d}")(x if d == 1 else self.pool(x))
            skips.append(x)
        for d in range(4, 0, -1):
            x = torch.cat([skips[d - 1], getattr(self, f"up{d}")(x)], 1)
            x = getattr(self, f"dec{d}")(x)
        y = torch.tanh(self.out(x))
        return y[:, :, low:low + self.size, low:low + self.size]


class Discriminator(nn.Module):
    def __init__(self, channels, width=32):
        super().__init__()
        inputs = 2 * channels
        for d in range(3):
            setattr(self, f"conv{d + 1}", spectral_norm(nn.Conv2d(inputs, width << d, 4, 2, 1)))
            setattr(self, f"bn{d + 1}", nn.BatchNorm2d(width << d))
            inputs = width << d
        self.out = nn.Conv2d(inputs, 1, 3, padding=1)
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, x):
        for d in (1, 2, 3):
            x = self.relu(getattr(self, f"bn{d}")(getattr(self, f"conv{d}")(x)))
        return self.out(x)
