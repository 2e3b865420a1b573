"""The network's own kernel against plain differentiation, and against the infinite-width closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from selfdistill.empirical.networks.perceptrons import convnet, mlp
from selfdistill.empirical.tangent.kernel import tangent_blocks, tangent_kernel
from selfdistill.theory import InputError, relu_tangent_kernel


class Tied(nn.Module):
    """A layer used twice, a layer on sequences and a free parameter: nothing factorises but the head."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.inner(torch.relu(self.inner(x)))) * self.scale)


def by_autograd(network, x):
    """All gradients of all outputs, one at a time: (n, k, P)."""
    rows = []
    for point in x:
        output = network(point[None])[0]
        parameters = list(network.parameters())
        rows.append(
            [
                torch.cat([g.flatten() for g in torch.autograd.grad(v, parameters, retain_graph=True)])
                for v in output
            ]
        )
    return torch.stack([torch.stack(r) for r in rows])


NETWORKS = {
    "standard": (lambda: mlp(4, 2, (7, 6)), (4,)),
    "ntk": (lambda: mlp(4, 2, (7, 6), parametrisation="ntk", bias_std=0.3), (4,)),
    "no bias": (lambda: mlp(4, 2, (7,), parametrisation="ntk", bias_std=0.0), (4,)),
    "convolutional": (lambda: convnet(1, 2, width=8), (1, 4, 4)),
    "tied": (Tied, (4,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_kernel_is_the_gram_of_gradients(name):
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    network = build().double()
    x = torch.randn(9, *shape, dtype=torch.float64)
    gradients = by_autograd(network, x)
    full = torch.einsum("ikp,jlp->ijkl", gradients, gradients).numpy()
    np.testing.assert_allclose(tangent_kernel(network, x, outputs="full"), full, rtol=1e-9, atol=1e-12)
    mean = np.einsum("ijkk->ij", full) / 2
    np.testing.assert_allclose(tangent_kernel(network, x), mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(tangent_kernel(network, x[:4], x), mean[:4], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("outputs", ["mean", "full"])
def test_a_tight_memory_bound_changes_no_number(outputs):
    torch.manual_seed(0)
    network = mlp(4, 3, (50,)).double()
    x = torch.randn(40, 4, dtype=torch.float64)
    whole = tangent_kernel(network, x, outputs=outputs)
    blocks = list(tangent_blocks(network, x, outputs=outputs, memory=100_000))
    assert len(blocks) > 3
    out = np.empty_like(whole)
    np.testing.assert_allclose(
        tangent_kernel(network, x, outputs=outputs, memory=100_000, out=out), whole, rtol=1e-12
    )


def test_too_little_memory_is_refused_before_any_work():
    network = mlp(4, 3, (50,))
    with pytest.raises(InputError, match=r"needs 3\.35 GiB.*numpy\.memmap"):
        tangent_kernel(network, np.zeros((30_000, 4)), memory=2**32)
    with pytest.raises(InputError, match="one pair of points needs"):
        next(tangent_blocks(network, np.zeros((3, 4)), memory=100))


def kernels(x, width, seeds):
    """Tangent kernels of freshly initialised networks, (seeds, n, n)."""
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        network = mlp(5, 1, (width, width), parametrisation="ntk", bias_std=0.3).double()
        found.append(tangent_kernel(network, x))
    return np.array(found)


def test_wide_networks_meet_the_closed_form(rng):
    x = rng.normal(size=(12, 5))
    limit = relu_tangent_kernel(x, hidden_layers=2, weight_std=2**0.5, bias_std=0.3)
    narrow, wide = kernels(x, 64, 12), kernels(x, 1024, 12)
    distance = [np.linalg.norm(k - limit, axis=(1, 2)).mean() for k in (narrow, wide)]
    assert distance[0] / distance[1] == pytest.approx(4, rel=0.35)  # √(1024/64)
    # Their mean differs from the limit by no more than sampling explains.
    sampling = np.sqrt(np.sum(wide.var(axis=0, ddof=1)) / len(wide))
    assert np.linalg.norm(wide.mean(axis=0) - limit) < 2.5 * sampling
