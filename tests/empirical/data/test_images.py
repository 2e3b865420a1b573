"""CIFAR's files, its augmentation, and the networks that read it."""

import hashlib
import http.server
import tarfile
import threading
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.data import cifar
from selfdistill.empirical.data.cifar import CropAndFlip, load_cifar
from selfdistill.empirical.networks.densenet import densenet
from selfdistill.empirical.networks.perceptrons import convnet, strided_convnet
from selfdistill.empirical.networks.residual import resnet, vgg
from selfdistill.empirical.training.architectures import build_network
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import Batch, TrainingConfig, train
from selfdistill.empirical.training.memory import member_groups, train_within
from selfdistill.theory import InputError

from ...made_cifar import write_cifar10


def test_binary_files_are_read_with_labels_channels_and_sizes(tmp_path, rng):
    data = load_cifar("cifar10", 150, 30, rng, folder=write_cifar10(tmp_path))
    assert data.inputs.shape == (150, 3, 32, 32)
    assert data.test_inputs.shape == (30, 3, 32, 32)
    # Standardised channel by channel, brightness still tells the label.
    np.testing.assert_allclose(data.inputs.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    brightness = data.inputs[:, 1, 3, 4]
    assert np.corrcoef(brightness, data.targets)[0, 1] == pytest.approx(1, abs=1e-5)


def test_an_archive_serves_as_well_and_the_fine_label_of_cifar100_is_taken(tmp_path, rng):
    rows = np.zeros((20, 2 + 3072), np.uint8)
    rows[:, 0], rows[:, 1] = 7, np.arange(20)
    rows[:, 2:] = np.arange(3072) % 251
    with tarfile.open(tmp_path / "cifar-100-binary.tar.gz", "w:gz") as tar:
        for name in ("train.bin", "test.bin"):
            (tmp_path / "part").write_bytes(rows.tobytes())
            tar.add(tmp_path / "part", arcname=f"cifar-100-binary/{name}")
    data = load_cifar("cifar100", 20, 20, rng, folder=tmp_path)
    assert data.targets.tolist() == list(range(20))
    assert data.n_classes == 100


def test_missing_files_and_networks_are_named(tmp_path, rng, monkeypatch):
    with pytest.raises(InputError, match="holds neither"):
        load_cifar("cifar10", 10, 10, rng, folder=tmp_path)
    with pytest.raises(InputError, match="name must be one of"):
        load_cifar("cifar11", 10, 10, rng, folder=tmp_path)
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(b"too short")
    with pytest.raises(InputError, match="no multiple of 3074"):
        load_cifar("cifar100", 10, 10, rng, folder=tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SELFDISTILL_CIFAR", raising=False)
    monkeypatch.setattr(cifar, "_ROOT", "http://localhost:9/")
    with pytest.raises(InputError, match=r"could not be downloaded.*SELFDISTILL_CIFAR"):
        load_cifar("cifar10", 10, 10, rng)


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A server of a folder, in place of CIFAR's home; counts what is asked of it."""
    served = tmp_path / "served"
    served.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=served))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(cifar, "_ROOT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SELFDISTILL_CIFAR", raising=False)
    yield served, asked
    server.shutdown()
    server.server_close()


def pack_cifar10(folder, archive):
    """The made set as an archive; returns its MD5."""
    write_cifar10(folder)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "cifar-10-batches-bin", arcname="cifar-10-batches-bin")
    return hashlib.md5(archive.read_bytes()).hexdigest()


def test_a_download_is_checked_kept_and_read(web, tmp_path, rng, monkeypatch):
    served, asked = web
    digest = pack_cifar10(tmp_path, served / "cifar-10-binary.tar.gz")
    archive, _, *rest = cifar._SETS["cifar10"]
    monkeypatch.setitem(cifar._SETS, "cifar10", (archive, f"md5:{digest}", *rest))
    assert load_cifar("cifar10", 150, 30, rng).inputs.shape == (150, 3, 32, 32)
    assert load_cifar("cifar10", 10, 10, rng).n_classes == 10
    assert asked == ["/cifar-10-binary.tar.gz"]  # once


def test_a_damaged_download_is_refused_and_not_kept(web, tmp_path):
    """The archive is whole but another one: its hash is not CIFAR's."""
    served, asked = web
    pack_cifar10(tmp_path, served / "cifar-10-binary.tar.gz")
    with pytest.raises(InputError, match="hash"):
        cifar.download("cifar10")
    assert asked
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_a_truncated_archive_in_a_folder_is_named(tmp_path, rng):
    pack_cifar10(tmp_path, tmp_path / "cifar-10-binary.tar.gz")
    folder = tmp_path / "truncated"
    folder.mkdir()
    whole = (tmp_path / "cifar-10-binary.tar.gz").read_bytes()
    (folder / "cifar-10-binary.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        load_cifar("cifar10", 10, 10, rng, folder=folder)


def test_augmentation_shifts_and_mirrors_whole_images():
    x = torch.arange(64.0).reshape(1, 1, 1, 8, 8).expand(2, 30, 1, 8, 8) + 1
    members = Ensemble.initialise(lambda: torch.nn.Linear(1, 1), (0, 1))
    batch = Batch(members, None, x.contiguous(), None, 0, 0)
    out = CropAndFlip(padding=2)(batch).inputs
    assert out.shape == x.shape
    padded = F.pad(x[0, 0, 0], (2, 2, 2, 2))
    windows = [padded[r : r + 8, c : c + 8] for r in range(5) for c in range(5)]
    candidates = torch.stack(windows + [w.flip(1) for w in windows])
    matches = (out.reshape(60, 1, 8, 8) == candidates).all(dim=(2, 3))
    assert (matches.sum(dim=1) == 1).all()
    assert matches.any(dim=0).sum() > 20  # many different draws


def test_augmentation_of_a_member_does_not_depend_on_its_company():
    x = torch.rand(3, 10, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    members = Ensemble.initialise(lambda: torch.nn.Linear(1, 1), (4, 5, 6))
    together, alone = CropAndFlip(), CropAndFlip()
    for step in range(2):
        first = together(Batch(members, None, x, None, 0, step)).inputs
        own = alone(Batch(members.select([1]), None, x[1:2], None, 0, step)).inputs
        assert torch.equal(first[1], own[0])
    assert not torch.equal(first, together(Batch(members, None, x, None, 0, 2)).inputs)


@pytest.mark.parametrize(
    "build",
    [lambda: resnet(10, 3, width=8), lambda: vgg(3, width=8), lambda: densenet(10, 3, growth=8)],
    ids=["resnet", "vgg", "densenet"],
)
def test_image_networks_learn_as_an_ensemble(build):
    x = torch.randn(24, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(24) % 3
    stripes = torch.stack([torch.arange(16) % period < period / 2 for period in (2, 4, 8)]).float()
    x = 0.3 * x + 2 * stripes[labels][:, None, None, :]
    ensemble = Ensemble.initialise(build, (0, 1))
    config = TrainingConfig(epochs=20, batch_size=8, optimiser="adam", learning_rate=1e-3)
    run = train(ensemble, x, ensemble.share(labels), F.cross_entropy, config)
    assert (run.losses[-1] < 0.8 * run.losses[0]).all()


def test_sizes_are_the_papers():
    """CIFAR's ResNet-18 and -34 have 11.17 and 21.28 million parameters, VGG-16 14.7, DenseNet-BC-100-12 0.77."""
    with torch.device("meta"):
        networks = (resnet(18, 10), resnet(34, 10), vgg(10), densenet(100, 10))
        sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert [round(s / 1e6, 2) for s in sizes] == [11.17, 21.28, 14.72, 0.77]
    with pytest.raises(InputError, match="depth"):
        resnet(51, 10)
    with pytest.raises(InputError, match=r"6k \+ 4"):
        densenet(42, 10)


def test_members_that_take_turns_give_the_same_numbers():
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 3
    config = TrainingConfig(epochs=2, batch_size=4, learning_rate=0.05)
    results = []
    for at_once in (None, 1, 2):
        ensemble = Ensemble.initialise(lambda: resnet(10, 3, width=4), (0, 1, 2), at_once=at_once)
        sizes = [len(group) for group in member_groups(ensemble, x, config)]
        assert sizes == {None: [3], 1: [1, 1, 1], 2: [2, 1]}[at_once]
        run = train_within(None, ensemble, x, ensemble.share(labels), F.cross_entropy, config)
        results.append(run.ensemble.predict(x))
    torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(results[2], results[0], rtol=1e-3, atol=1e-4)


def test_labels_that_cannot_be_are_refused(tmp_path, rng):
    folder = write_cifar10(tmp_path)
    file = folder / "cifar-10-batches-bin" / "data_batch_3.bin"
    file.write_bytes(b"\x4d" + file.read_bytes()[1:])
    with pytest.raises(InputError, match="label 77, but there are 10 classes"):
        load_cifar("cifar10", 200, 10, rng, folder=folder)


def test_without_pooling_a_network_knows_left_from_right():
    """An edge moved by a whole stride: pooled over places it is the same, at a place of its own it is not."""
    left, right = torch.zeros(2, 1, 1, 16, 32)
    left[..., 6:10, 8:12] = 1
    right[..., 6:10, 20:24] = 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pooled, placed = build_network("convnet", (1, 16, 32), 7, (4,)), strided_convnet(1, 7, (16, 32), 4)
    with torch.no_grad():
        torch.testing.assert_close(pooled(left), pooled(right))
        assert (placed(left) - placed(right)).abs().max() > 0.01
        odd = build_network("strided convnet", (1, 7, 9), 7, (4,))
        assert odd(torch.zeros(2, 1, 7, 9)).shape == (2, 7)


@pytest.mark.parametrize(
    "build",
    [
        lambda: densenet("40", 5),
        lambda: densenet(10, 0),
        lambda: densenet(10, 5, growth=0),
        lambda: resnet(18, 0),
        lambda: resnet(18, 5, width=0),
        lambda: vgg(0),
        lambda: vgg(5, channels=0),
        lambda: convnet(3, 5, 0),
        lambda: convnet(3, 0),
        lambda: strided_convnet(1, 5, (8, 0)),
    ],
)
def test_sizes_that_are_none_are_refused(build):
    with pytest.raises(InputError, match="must be a whole number of at least 1"):
        build()
