"""Small files in CIFAR's binary format."""

import numpy as np


def _records(n, n_classes, prefix):
    """Images whose every pixel tells the label (and the channel), labels in turn."""
    rows = []
    for k in range(n):
        label = k % n_classes
        pixels = np.repeat(np.arange(3) + (200 // n_classes) * label, 1024).astype(np.uint8)
        rows.append(np.concatenate([np.array([*prefix, label], np.uint8), pixels]))
    return np.array(rows, np.uint8).tobytes()


def write_cifar10(folder, n=40):
    """Five training files and a test file of n images each; returns the folder."""
    inner = folder / "cifar-10-batches-bin"
    inner.mkdir(parents=True)
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        (inner / name).write_bytes(_records(n, 10, ()))
    return folder


def write_cifar100(folder, n=200):
    """A training and a test file of n images each, every coarse label 7; returns the folder."""
    inner = folder / "cifar-100-binary"
    inner.mkdir(parents=True)
    for name in ("train.bin", "test.bin"):
        (inner / name).write_bytes(_records(n, 100, (7,)))
    return folder
