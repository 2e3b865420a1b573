"""What a tangent kernel is made of: inputs and output gradients of linear layers, Jacobians of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from ...theory.base.validation import InputError
from ..networks.perceptrons import NTKLinear

Linear = nn.Linear | NTKLinear


@dataclass(frozen=True, eq=False)
class LinearFeatures:
    """What one linear layer adds to the tangent kernel: ``∂f_p/∂W = δ_p aᵀ`` and ``∂f_p/∂b = bias_scale · δ_p``.

    Attributes
    ----------
    name : str
        The layer's name in its network.
    inputs : Tensor (n, fan_in)
        The vectors a that the weights are multiplied with.
    deltas : Tensor (n, k, fan_out)
        The vectors δ: gradient of each output p with respect to the layer's pre-activation.
    bias_scale : float
        Factor of the bias in the pre-activation; 0 for a layer without one.
    """

    name: str
    inputs: Tensor
    deltas: Tensor
    bias_scale: float


@dataclass(frozen=True, eq=False)
class TangentFeatures:
    """All that the tangent kernel of n points needs.

    Attributes
    ----------
    layers : list of LinearFeatures
    jacobian : Tensor (n, k, p) or None
        Gradients in all parameters that are not a linear layer's.
    outputs : Tensor (n, k)
        Outputs of the network at the points.
    """

    layers: list[LinearFeatures]
    jacobian: Tensor | None
    outputs: Tensor

    @property
    def n_samples(self) -> int:
        """Number of points n."""
        return len(self.outputs)

    @property
    def n_outputs(self) -> int:
        """Number of outputs k."""
        return self.outputs.shape[1]

    def pull(self, dual: Tensor) -> dict[str, Tensor]:
        """``Jᵀ dual`` for a network of linear layers with one output; dual (n,)."""
        result = {}
        for layer in self.layers:
            weighted = layer.deltas[:, 0] * dual[:, None]
            result[f"{layer.name}.weight"] = weighted.T @ layer.inputs
            if layer.bias_scale:
                result[f"{layer.name}.bias"] = layer.bias_scale * weighted.sum(dim=0)
        return result

    def push(self, direction: dict[str, Tensor]) -> Tensor:
        """``J direction`` for a network of linear layers with one output, (n,)."""
        total = torch.zeros_like(self.outputs[:, 0])
        for layer in self.layers:
            moved = layer.inputs @ direction[f"{layer.name}.weight"].T
            if layer.bias_scale:
                moved += layer.bias_scale * direction[f"{layer.name}.bias"]
            total += (layer.deltas[:, 0] * moved).sum(dim=1)
        return total


def tangent_features(
    network: nn.Module, inputs: Tensor, known: dict[str, Linear] | None = None
) -> TangentFeatures:
    """Compute the features of a batch of points (n, ...).

    Whoever asks often for the same network passes its `linear_layers` as `known`: they need a forward pass to be found.
    """
    linear = linear_layers(network, inputs[:1]) if known is None else known
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(name: str) -> Any:
        def hook(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = (args[0], output)

        return hook

    handles = [module.register_forward_hook(remember(name)) for name, module in linear.items()]
    try:
        with torch.enable_grad():
            # Pre-activations are differentiated, not parameters: a graph must lead through the inputs.
            outputs = network(inputs.detach().requires_grad_(True))
    finally:
        for handle in handles:
            handle.remove()
    if outputs.ndim != 2:
        raise InputError(f"the network must return (n, outputs); got {tuple(outputs.shape)}.")
    layers = []
    if linear:
        pre = [seen[name][1] for name in linear]
        columns = [
            torch.autograd.grad(outputs[:, p].sum(), pre, retain_graph=True) for p in range(outputs.shape[1])
        ]
        for i, (name, module) in enumerate(linear.items()):
            deltas = torch.stack([c[i] for c in columns], dim=1)
            layers.append(LinearFeatures(name, _scaled(module, seen[name][0]), deltas, _bias_scale(module)))
    return TangentFeatures(layers, _jacobian(network, inputs, linear), outputs.detach())


def bytes_per_sample(network: nn.Module, inputs: Tensor) -> tuple[int, int]:
    """Bytes that the features of one point take while they are computed, and the number of outputs."""
    linear = linear_layers(network, inputs[:1])
    with torch.no_grad():
        n_outputs = int(network(inputs[:1]).shape[1])
    numbers = 0
    for module in linear.values():
        fan_out, fan_in = module.weight.shape
        # Deltas live twice while the columns are stacked; inputs and pre-activations stay in the graph.
        numbers += 2 * int(fan_in) + 2 * int(fan_out) * (n_outputs + 1)
    numbers += 2 * n_outputs * sum(p.numel() for p in _other_parameters(network, linear).values())
    return numbers * inputs.element_size(), n_outputs


def linear_layers(network: nn.Module, sample: Tensor) -> dict[str, Linear]:
    """Return the linear layers that run exactly once, on rows, with parameters of their own."""
    calls: dict[str, int] = {}
    rows: dict[str, bool] = {}

    def count(name: str) -> Any:
        def hook(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            calls[name] = calls.get(name, 0) + 1
            rows[name] = args[0].ndim == 2

        return hook

    candidates = {n: m for n, m in network.named_modules() if isinstance(m, Linear)}
    handles = [m.register_forward_pre_hook(count(n)) for n, m in candidates.items()]
    try:
        with torch.no_grad():
            network(sample)
    finally:
        for handle in handles:
            handle.remove()
    owners: dict[int, int] = {}
    for module in network.modules():
        for p in module.parameters(recurse=False):
            owners[id(p)] = owners.get(id(p), 0) + 1
    return {
        n: m
        for n, m in candidates.items()
        if calls.get(n) == 1 and rows[n] and all(owners[id(p)] == 1 for p in m.parameters())
    }


def _scaled(module: Linear, inputs: Tensor) -> Tensor:
    inputs = inputs.detach()
    return inputs * module.weight_scale if isinstance(module, NTKLinear) else inputs


def _bias_scale(module: Linear) -> float:
    # A bias may be absent, whatever the stubs say.
    if getattr(module, "bias", None) is None:
        return 0.0
    return module.bias_std if isinstance(module, NTKLinear) else 1.0


def _other_parameters(network: nn.Module, linear: dict[str, Linear]) -> dict[str, Tensor]:
    covered = {id(p) for module in linear.values() for p in module.parameters()}
    return {n: p.detach() for n, p in network.named_parameters() if id(p) not in covered}


def _jacobian(network: nn.Module, inputs: Tensor, linear: dict[str, Linear]) -> Tensor | None:
    others = _other_parameters(network, linear)
    if not others:
        return None

    def one(parameters: dict[str, Tensor], x: Tensor) -> Any:
        return functional_call(network, parameters, (x.unsqueeze(0),))[0]

    gradients = vmap(jacrev(one), in_dims=(None, 0))(others, inputs)
    return torch.cat([g.flatten(start_dim=2) for g in gradients.values()], dim=2).detach()
