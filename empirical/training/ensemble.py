"""Many networks of one architecture held as one: stacked parameters, run together under `torch.func.vmap`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ...theory.base.validation import InputError, check_count
from ..networks.stacked import (
    has_plain_gradients,
    is_perceptron,
    perceptron_gradients,
    perceptron_outputs,
)
from .devices import own_device
from .objectives import gradient_of

Parameters = dict[str, Tensor]
Loss = Callable[[Tensor, Any], Tensor]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """M networks of one architecture, each with its own parameters.

    Attributes
    ----------
    skeleton : torch.nn.Module
        The architecture, without storage.
    parameters, buffers : dict of Tensor (M, ...)
        Stacked over members.
    seeds : tuple of int
        One a member: it decides the initialisation, and the order of minibatches in training. A member's
        numbers do not depend on its company.
    at_once : int or None
        How many members run together; None for all of them.
    """

    skeleton: nn.Module
    parameters: Parameters
    buffers: Parameters
    seeds: tuple[int, ...]
    at_once: int | None = None

    @classmethod
    def initialise(
        cls,
        build: Callable[[], nn.Module],
        seeds: Sequence[int],
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
        at_once: int | None = None,
    ) -> Ensemble:
        """Build one member a seed.

        Parameters
        ----------
        build : callable
            Returns a freshly initialised network, such as ``lambda: mlp(64, 10)``.
        seeds : sequence of int
        device : str or torch.device
            "cuda" is this worker's own GPU, see `devices.own_device`.
        dtype : torch.dtype, optional
            Type of parameters and buffers; float32 unless the network says otherwise.
        at_once : int, optional
            Run at most so many members together. All is best for small networks; one by one for those
            that fill the machine alone.

        Raises
        ------
        InputError
            If there is no seed, `at_once` is not a positive whole number, there is no such device, or the
            network has no parameters or normalises over batches.

        Examples
        --------
        >>> import torch
        >>> from selfdistill.empirical.training.ensemble import Ensemble
        >>> from selfdistill.empirical.networks.perceptrons import mlp
        >>> members = Ensemble.initialise(lambda: mlp(2, 3, (8,)), seeds=range(4))
        >>> members.predict(torch.zeros(5, 2)).shape
        torch.Size([4, 5, 3])
        """
        seeds = tuple(check_count(seed, "each seed", least=0) for seed in seeds)
        if not seeds:
            raise InputError("an ensemble needs at least one seed.")
        if at_once is not None:
            check_count(at_once, "at_once")
        place = own_device(device) if isinstance(device, str) else device
        members = []
        with torch.random.fork_rng(devices=[]):
            for seed in seeds:
                torch.manual_seed(seed)
                members.append(build().to(device=place, dtype=dtype))
        _check_stackable(members[0])
        parameters, buffers = stack_module_state(members)
        return cls(
            members[0].to("meta"),
            {name: p.detach() for name, p in parameters.items()},
            dict(buffers),
            seeds,
            at_once,
        )

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(iter(self.parameters.values())).device

    @property
    def parameters_per_member(self) -> int:
        """Number of parameters of one network."""
        return sum(p[0].numel() for p in self.parameters.values())

    @property
    def _batched(self) -> bool:
        """Whether one batched product a layer serves all members, in place of `vmap`."""
        return self.at_once is None and is_perceptron(self.skeleton)

    def with_parameters(self, parameters: Parameters) -> Ensemble:
        """Return the same members with other parameters."""
        return replace(self, parameters=parameters)

    def select(self, members: Sequence[int] | slice) -> Ensemble:
        """Some of the members, by position."""
        if members == range(len(self)):
            return self  # no copy
        positions = range(len(self))[members] if isinstance(members, slice) else members
        index = torch.tensor(list(positions), device=self.device)
        return replace(
            self,
            parameters={name: p[index] for name, p in self.parameters.items()},
            buffers={name: b[index] for name, b in self.buffers.items()},
            seeds=tuple(self.seeds[int(i)] for i in positions),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Ensemble]) -> Ensemble:
        """Join ensembles of one architecture, in order."""
        first = parts[0]
        return replace(
            first,
            parameters={name: torch.cat([e.parameters[name] for e in parts]) for name in first.parameters},
            buffers={name: torch.cat([e.buffers[name] for e in parts]) for name in first.buffers},
            seeds=tuple(seed for e in parts for seed in e.seeds),
        )

    def forward(self, inputs: Tensor, parameters: Parameters | None = None) -> Tensor:
        """Outputs (M, n, k) of every member on its own inputs (M, n, ...), differentiable.

        Parameters
        ----------
        inputs : Tensor (M, n, ...)
            `share` gives all members the same inputs at no cost.
        parameters : dict, optional
            Parameters to use in place of the ensemble's own, so that one can differentiate in them.
        """
        given = self.parameters if parameters is None else parameters
        if self._batched:
            return perceptron_outputs(self.skeleton, given, inputs)

        def one(p: Parameters, b: Parameters, x: Tensor) -> Any:
            return functional_call(self.skeleton, (p, b), (x,))

        return self._together(one, given, self.buffers, inputs)

    def losses(
        self, loss: Loss, inputs: Tensor, targets: Any, *, computed_in: torch.dtype | None = None
    ) -> Tensor:
        """``loss(outputs, targets)`` of every member on its own batch, differentiable: (M,) if it is a scalar.

        Parameters
        ----------
        loss : callable
            Function of one member's outputs (n, k) and targets.
        inputs : Tensor (M, n, ...)
        targets : nested Tensor (M, n, ...)
        computed_in : torch.dtype, optional
            Type of a computation in less precision, to which parameters and inputs are cast; the loss is
            computed in float32, and gradients arrive in the parameters' own type. `torch.autocast` has no
            effect under `torch.func.vmap` on CPUs.
        """
        state = self.parameters, self.buffers, inputs
        if computed_in is not None:
            state = tree_map(lambda v: v.to(computed_in) if v.is_floating_point() else v, state)

        def of_outputs(outputs: Tensor, t: Any) -> Any:
            return loss(outputs if computed_in is None else outputs.float(), t)

        if self._batched:
            parameters, _, x = state
            return self._together(of_outputs, perceptron_outputs(self.skeleton, parameters, x), targets)

        def one(p: Parameters, b: Parameters, x: Tensor, t: Any) -> Any:
            return of_outputs(functional_call(self.skeleton, (p, b), (x,)), t)

        return self._together(one, *state, targets)

    def gradients(
        self, loss: Loss, inputs: Tensor, targets: Any, *, computed_in: torch.dtype | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """`losses`, and the gradient of their sum in every parameter, in the order of `parameters`."""
        if self._batched and computed_in is None and has_plain_gradients(self.skeleton):
            return perceptron_gradients(
                self.skeleton,
                self.parameters,
                inputs,
                lambda outputs: self._gradients_in_outputs(loss, outputs, targets),
            )
        for p in self.parameters.values():
            p.requires_grad_(True)
        values = self.losses(loss, inputs, targets, computed_in=computed_in)
        return values, list(torch.autograd.grad(values.sum(), list(self.parameters.values())))

    def _gradients_in_outputs(self, loss: Loss, outputs: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
        by_hand = gradient_of(loss, targets)
        if by_hand is not None:
            return by_hand(outputs, targets)
        with torch.enable_grad():
            values = self._together(loss, outputs.requires_grad_(True), targets)
            return values, torch.autograd.grad(values.sum(), outputs)[0]

    def _together(self, function: Callable[..., Any], *arguments: Any) -> Tensor:
        leaves, structure = tree_flatten(arguments)

        def of_leaves(*leaves: Tensor) -> Any:  # vmap itself takes nested arguments apart more slowly
            return function(*tree_unflatten(leaves, structure))

        mapped = torch.func.vmap(of_leaves, randomness="different", chunk_size=self.at_once)
        result: Tensor = mapped(*leaves)
        return result

    @torch.no_grad()
    def evaluate(self, inputs: Tensor) -> Tensor:
        """Outputs (M, n, k) as `forward`, without gradients and with dropout off."""
        training = self.skeleton.training
        self.skeleton.eval()
        try:
            return self.forward(inputs)
        finally:
            self.skeleton.train(training)

    def predict(self, inputs: Any, batch_size: int = 1024) -> Tensor:
        """Outputs (M, n, k) of every member on the same inputs (n, ...), without gradients, in batches."""
        check_count(batch_size, "batch_size")
        x = as_inputs(inputs, self)
        return torch.cat([self.evaluate(self.share(part)) for part in torch.split(x, batch_size)], dim=1)

    def share(self, tensors: Any) -> Any:
        """Give every member the same tensor (or nested tensors): (n, ...) to (M, n, ...), without a copy."""
        return tree_map(lambda t: t.unsqueeze(0).expand(len(self), *t.shape), tensors)

    def modules(self) -> Iterator[nn.Module]:
        """Yield each member as an ordinary module of its own (copies)."""
        for i in range(len(self)):
            module = copy.deepcopy(self.skeleton).to_empty(device=self.device)
            state = {n: p[i] for n, p in self.parameters.items()} | {n: b[i] for n, b in self.buffers.items()}
            module.load_state_dict(state)
            yield module


def _check_stackable(network: nn.Module) -> None:
    if next(network.parameters(), None) is None:
        raise InputError("the network has no parameters: there is nothing to train.")
    for name, module in network.named_modules():
        if getattr(module, "track_running_stats", False):
            raise InputError(
                f"{name} ({type(module).__name__}) normalises over batches and keeps running statistics, which "
                "members that run together cannot update. Use nn.GroupNorm, as networks.group_norm does."
            )


def as_inputs(inputs: Any, ensemble: Ensemble) -> Tensor:
    """Inputs (n, ...) as a tensor of the ensemble's device and type."""
    like = next(iter(ensemble.parameters.values()))
    return torch.as_tensor(inputs).to(device=like.device, dtype=like.dtype)
