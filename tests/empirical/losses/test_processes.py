"""Several processes on one network end where one process ends: memory, moving average, generations."""

import copy
import os

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from selfdistill.empirical.losses.modules import BetaSmoothingLoss, BornAgainLoss, ProgressiveLoss
from selfdistill.empirical.losses.processes import rows_of_all

N, BATCH, EPOCHS = 24, 8, 3


def problem():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(N, 5, generator=g), torch.randint(3, (N,), generator=g)
    torch.manual_seed(1)
    return x, y, nn.Linear(5, 3)


def batches(epoch, rank, world):
    """This process's part of each batch, of another order each epoch, as a sampler deals it out."""
    order = torch.randperm(N, generator=torch.Generator().manual_seed(epoch))
    return [batch[rank::world] for batch in order.split(BATCH)]


def train(network, wrapped, x, y, rank, world):
    """Progressive targets with a moving average beside them, then a second generation."""
    memory, born = ProgressiveLoss(N, 3, EPOCHS), BornAgainLoss(2.0, 0.7)
    average = BetaSmoothingLoss(wrapped, decay=0.9)
    first = None
    for generation in range(2):
        optimiser = torch.optim.SGD(wrapped.parameters(), 0.5)
        for epoch in range(EPOCHS):
            for index in batches(epoch, rank, world):
                logits = wrapped(x[index])
                loss = (
                    born(logits, y[index], x[index]) if generation else memory(logits, y[index], index, epoch)
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                if not generation:
                    average.update(wrapped)
        if not generation:
            first = copy.deepcopy(network.state_dict())
            born.next_generation(wrapped)
    return {
        "past": memory.past, "seen": memory.seen, "average": average.average.module.weight, "born": born.teacher.weight,
        **{f"first_{k}": v for k, v in first.items()}, **network.state_dict(),
    }  # fmt: skip


def one_rank(rank, world, port, queue):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    x, y, network = problem()
    results = train(network, DistributedDataParallel(network), x, y, rank, world)
    uneven = rows_of_all(torch.full((rank + 1, 2), rank))
    queue.put(({name: value.numpy().copy() for name, value in results.items()}, uneven[:, 0].tolist()))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def forkserver():
    """Processes that start with torch imported once for all of them."""
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.distributed", "selfdistill.empirical.losses.modules"])
    return context


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("world", [2, 4])
def test_many_processes_end_where_one_does(forkserver, world):
    x, y, network = problem()
    alone = train(network, network, x, y, 0, 1)
    assert alone["seen"].all()
    queue, port = forkserver.Queue(), free_port()
    ranks = [forkserver.Process(target=one_rank, args=(r, world, port, queue)) for r in range(world)]
    for rank in ranks:
        rank.start()
    results = [queue.get(timeout=60) for _ in ranks]
    for rank in ranks:
        rank.join(timeout=60)
        assert rank.exitcode == 0
    for result, uneven in results:
        assert uneven == [rank for rank in range(world) for _ in range(rank + 1)]
        for name, value in alone.items():
            torch.testing.assert_close(torch.from_numpy(result[name]), value.detach(), rtol=1e-4, atol=1e-5)
