"""A finite network's own tangent kernel ``J Jᵀ``, in blocks of rows under a memory bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...theory.base.validation import Array, InputError, check_count, check_positive
from .features import TangentFeatures, bytes_per_sample, tangent_features

Outputs = Literal["mean", "full"]


@dataclass(frozen=True, eq=False)
class TangentBlock:
    """One block of a tangent kernel: its rows, its columns and its values."""

    rows: slice
    columns: slice
    values: Tensor


def tangent_kernel(
    network: nn.Module,
    inputs: Any,
    others: Any | None = None,
    *,
    outputs: Outputs = "mean",
    memory: float = 2**31,
    out: Array | None = None,
) -> Array:
    """Tangent kernel ``⟨∂f(x)/∂θ, ∂f(z)/∂θ⟩`` of a network at its current parameters.

    Weights of linear layers are never differentiated one by one: their part of the kernel is
    ``⟨a(x), a(z)⟩ · ⟨δ(x), δ(z)⟩`` with a the layer's input and δ the gradient of the outputs in its
    pre-activation. Other parameters go through their Jacobian.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (n, ...) to (n, k); samples must not influence each other (no batch normalisation).
    inputs : array or Tensor (n, ...)
    others : array or Tensor (m, ...), optional
        `inputs` themselves by default.
    outputs : {"mean", "full"}
        Kernel averaged over the k outputs, (n, m): what the theory's one gram stands for; or all of it,
        (n, m, k, k).
    memory : float
        Bytes the computation may use, the result included unless it is given as `out`.
    out : ndarray, optional
        Where to write, such as a `numpy.memmap` for a kernel larger than memory.

    Returns
    -------
    ndarray (n, m) or (n, m, k, k)
        The kernel, in the network's floating-point type.

    Raises
    ------
    InputError
        If the bound is too small, before any work, with the bytes that are needed.

    See Also
    --------
    tangent_blocks : the same, block by block, keeping nothing.

    Examples
    --------
    >>> import torch
    >>> from selfdistill.empirical.networks.perceptrons import mlp
    >>> from selfdistill.empirical.tangent.kernel import tangent_kernel
    >>> _ = torch.manual_seed(0)
    >>> tangent_kernel(mlp(3, 2, (8,)), torch.ones(4, 3)).shape
    (4, 4)
    """
    x, z = _points(network, inputs), None if others is None else _points(network, others)
    shape = _result_shape(network, x, x if z is None else z, outputs)
    dtype = torch.empty(0, dtype=x.dtype).numpy().dtype
    if out is None:
        needed = int(np.prod(shape)) * dtype.itemsize
        if needed > memory / 2:
            raise InputError(
                f"the kernel itself needs {needed / 2**30:.2f} GiB, more than half of memory="
                f"{memory / 2**30:.2f} GiB. Raise memory, pass out=numpy.memmap(...) of shape {shape}, or "
                "use tangent_blocks."
            )
        memory -= needed
        out = np.empty(shape, dtype)
    elif out.shape != shape:
        raise InputError(f"out must have shape {shape}; got {out.shape}.")
    for block in tangent_blocks(network, x, z, outputs=outputs, memory=memory):
        values = block.values.cpu().numpy()
        out[block.rows, block.columns] = values
        if z is None and block.rows != block.columns:
            out[block.columns, block.rows] = values.T if outputs == "mean" else values.transpose(1, 0, 3, 2)
    return out


def tangent_blocks(
    network: nn.Module,
    inputs: Any,
    others: Any | None = None,
    *,
    outputs: Outputs = "mean",
    memory: float = 2**31,
) -> Iterator[TangentBlock]:
    """Yield the tangent kernel block by block; without `others`, only blocks on and above the diagonal.

    Parameters and errors are those of `tangent_kernel`; `memory` bounds what lives at once.
    """
    check_positive(memory, "memory", "It is a number of bytes.")
    if outputs not in ("mean", "full"):
        raise InputError(f"outputs must be 'mean' or 'full'; got {outputs!r}.")
    x = _points(network, inputs)
    z = x if others is None else _points(network, others)
    rows = _block_rows(network, x, z, outputs, memory)
    x_blocks, z_blocks = (_slices(len(points), rows) for points in (x, z))
    for i, r in enumerate(x_blocks):
        left = tangent_features(network, x[r])
        for j, c in enumerate(z_blocks):
            if others is None and j < i:
                continue
            right = left if others is None and i == j else tangent_features(network, z[c])
            yield TangentBlock(r, c, combine(left, right, outputs))


def combine(left: TangentFeatures, right: TangentFeatures, outputs: Outputs) -> Tensor:
    """Kernel between two sets of points from their features."""
    n, k = left.n_samples, left.n_outputs
    total: Tensor | None = None
    for a, b in zip(left.layers, right.layers, strict=True):
        inner = a.inputs @ b.inputs.T + a.bias_scale * b.bias_scale
        part = _inner(a.deltas, b.deltas, outputs)
        part *= inner if outputs == "mean" else inner[:, :, None, None]
        total = part if total is None else total.add_(part)
    if left.jacobian is not None and right.jacobian is not None:
        part = _inner(left.jacobian, right.jacobian, outputs)
        total = part if total is None else total.add_(part)
    if total is None:
        shape = (n, right.n_samples) + (() if outputs == "mean" else (k, k))
        total = torch.zeros(shape)
    return total


def _inner(a: Tensor, b: Tensor, outputs: Outputs) -> Tensor:
    """Inner products over the last axis of (n, k, p) and (m, k, p): mean over k, or for every pair."""
    (n, k, p), m = a.shape, len(b)
    if outputs == "mean":
        return a.reshape(n, k * p) @ b.reshape(m, k * p).T / k
    return (a.reshape(n * k, p) @ b.reshape(m * k, p).T).reshape(n, k, m, k).transpose(1, 2).contiguous()


def _points(network: nn.Module, inputs: Any) -> Tensor:
    like = next(network.parameters())
    points = torch.as_tensor(inputs).to(device=like.device, dtype=like.dtype)
    if points.ndim < 2 or len(points) == 0:
        raise InputError(f"inputs must have shape (n, …), one row a point; got {tuple(points.shape)}.")
    return points


def _result_shape(network: nn.Module, x: Tensor, z: Tensor, outputs: Outputs) -> tuple[int, ...]:
    if outputs == "mean":
        return (len(x), len(z))
    with torch.no_grad():
        k = int(network(x[:1]).shape[1])
    return (len(x), len(z), k, k)


def _block_rows(network: nn.Module, x: Tensor, z: Tensor, outputs: Outputs, memory: float) -> int:
    """Largest number of rows b whose two feature blocks and three b×b blocks fit the bound."""
    features, n_outputs = bytes_per_sample(network, x)
    pair = 3 * x.element_size() * (1 if outputs == "mean" else n_outputs**2)
    # 2·features·b + pair·b² = memory
    rows = int((np.sqrt(features**2 + pair * memory) - features) / pair)
    if rows < 1:
        raise InputError(
            f"memory={memory / 2**20:.1f} MiB is too little: one pair of points needs "
            f"{(2 * features + pair) / 2**20:.1f} MiB."
        )
    return check_count(min(rows, max(len(x), len(z))), "rows")


def _slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
