"""What the command promises when things go wrong: kills, damage, full disks, two runs, hostile files."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import textwrap
import time

import numpy as np
import pytest
import xarray as xr

from selfdistill.figures.artefact import find_artefacts, select_artefacts
from selfdistill.figures.scale import Scale

ARTEFACTS = ["ground_truth", "risk"]  # quick ones

# Processes are forked off one that has imported everything already: imports would take most of the time.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["selfdistill.figures.cli.app", *(a.module.__name__ for a in find_artefacts())]
)

SCRIPT = """
import os, sys
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.dup2(log, 1)
os.dup2(log, 2)
{before}
from selfdistill.figures.cli.entry import main
sys.argv = ["selfdistill", *{arguments!r}]
main()
"""


class Command:
    """The `selfdistill` command in a process of its own."""

    def __init__(self, folder, *arguments, before=""):
        self.log = folder / f"log-{time.monotonic_ns()}"
        code = SCRIPT.format(log=str(self.log), before=textwrap.dedent(before), arguments=list(arguments))
        self.process = CONTEXT.Process(target=exec, args=(code, {}))
        self.process.start()

    def wait(self):
        self.process.join(120)
        return self.process.exitcode

    @property
    def said(self):
        return " ".join(self.log.read_text().split())


def reproduce(folder, *options, before="", artefacts=ARTEFACTS):
    out = str(folder / "out")
    return Command(folder, "reproduce", *artefacts, "--scale", "smoke", "--out", out, *options, before=before)


def claims(folder):
    return json.loads((folder / "out" / "claims.json").read_text())


def temporary_files(folder):
    return [p for p in (folder / "out").rglob(".*") if p.is_file() and p.name != ".gitignore"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Claims of a run that nothing disturbs, and how long it took."""
    folder = tmp_path_factory.mktemp("clean")
    Command(folder, "list").wait()  # starts the fork server
    start = time.monotonic()
    command = reproduce(folder)
    assert command.wait() == 0, command.said
    assert not temporary_files(folder)
    return claims(folder), time.monotonic() - start


def test_killed_at_random_moments_it_ends_in_the_same_claims(tmp_path, clean, rng):
    expected, seconds = clean
    killed = 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        command = reproduce(tmp_path)
        while not command.log.exists():
            time.sleep(0.01)
        command.process.join(rng.uniform(0.05, 0.9) * seconds)
        if command.process.is_alive():
            os.kill(command.process.pid, number)
            code = command.wait()
            killed += code != 0
            assert code in (0, -number if number == signal.SIGKILL else 130), command.said
            assert "Traceback" not in command.said
    assert killed
    assert reproduce(tmp_path).wait() == 0
    assert claims(tmp_path) == expected


def test_two_runs_in_one_folder_do_not_disturb_each_other(tmp_path, clean):
    commands = [reproduce(tmp_path) for _ in range(2)]
    assert [command.wait() for command in commands] == [0, 0], [command.said for command in commands]
    assert claims(tmp_path) == clean[0]
    assert not temporary_files(tmp_path)


CLOCK = """
import random, time
clock = time.time
time.time = lambda: clock() + random.uniform(-3e8, 3e8)
time.time_ns = lambda: int(1e9 * time.time())
"""


def test_a_clock_that_jumps_changes_nothing(tmp_path, clean, rng):
    """In a run every look at the clock finds it up to ten years off; then all files are from the past or the future."""
    first = reproduce(tmp_path, "--jobs", "2", before=CLOCK)
    assert first.wait() == 0, first.said
    assert claims(tmp_path) == clean[0]
    kept = {path: path.stat().st_ino for path in (tmp_path / "out" / ".cache").rglob("*.nc")}
    assert kept
    for path in (tmp_path / "out").rglob("*"):
        date = time.time() + rng.uniform(-20, 20) * 3e7
        os.utime(path, (date, date))
    assert reproduce(tmp_path, "--jobs", "2").wait() == 0
    assert claims(tmp_path) == clean[0]
    assert {path: path.stat().st_ino for path in kept} == kept  # recalled, and not measured again


def garble(path):
    path.write_bytes(b"\x00garbage" * 40)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    damaged = bytearray(path.read_bytes())
    damaged[-3] ^= 1
    path.write_bytes(bytes(damaged))


def empty(path):
    path.write_bytes(b"")


def kept_files(cache):
    return [p for p in cache.rglob("*") if p.is_file()]


@pytest.mark.parametrize("damage", [garble, truncate, flip_a_bit, empty])
def test_damaged_kept_results_are_computed_again(tmp_path, damage):
    (artefact,) = select_artefacts(["filters"])
    scale = Scale("smoke", cache=tmp_path)
    expected = artefact.measure(scale)
    damaged = kept_files(tmp_path)
    assert {path.suffix for path in damaged} == {".nc"}
    for path in damaged:
        damage(path)
    xr.testing.assert_identical(artefact.measure(scale), expected)
    for path in damaged:  # it was written anew, under the name of its content
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


FULL_DISK = """
import errno, xarray
whole, calls = xarray.Dataset.to_netcdf, []
def to_netcdf(self, path, *args, **kwargs):
    calls.append(path)
    if len(calls) > 1:
        open(path, "wb").write(b"the part that fitted")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    return whole(self, path, *args, **kwargs)
xarray.Dataset.to_netcdf = to_netcdf
"""


def test_a_full_disk_is_named_and_what_was_finished_goes_on(tmp_path, clean):
    full = reproduce(tmp_path, before=FULL_DISK)
    assert full.wait() == 2
    assert "The disk is full: free some space and run again." in full.said
    assert "Traceback" not in full.said
    assert not temporary_files(tmp_path)
    assert reproduce(tmp_path).wait() == 0
    assert claims(tmp_path) == clean[0]


@pytest.mark.parametrize("taken", ["out/.cache", "out/mobahi2020.risk.png/"])
def test_names_that_are_taken_end_in_one_message(tmp_path, taken):
    path = tmp_path / taken
    path.parent.mkdir(exist_ok=True)
    if taken.endswith("/"):
        path.mkdir()
    else:
        path.write_text("a file where a folder should be")
    command = reproduce(tmp_path, artefacts=["risk"])
    assert command.wait() == 2, command.said
    assert "error:" in command.said
    assert "Traceback" not in command.said


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    """Root may write anywhere, so the refusal is put in at the system call."""
    readonly = """
    import errno, pathlib
    def write_bytes(self, data):
        raise OSError(errno.EROFS, "Read-only file system", str(self))
    pathlib.Path.write_bytes = write_bytes
    """
    command = reproduce(tmp_path, before=readonly)
    assert command.wait() == 2
    assert "cannot write to the output folder" in command.said
    assert "Read-only file system" in command.said
    assert not list((tmp_path / "out").iterdir())


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_no_pickle_is_loaded_from_the_output_folder(tmp_path):
    (artefact,) = select_artefacts(["filters"])
    scale, mark = Scale("smoke", cache=tmp_path / "cache"), tmp_path / "mark"
    expected = artefact.measure(scale)
    bomb = pickle.dumps(Bomb(mark))
    for path in kept_files(tmp_path / "cache"):
        path.with_name("output.pkl").write_bytes(bomb)  # where joblib's own store would look
        path.write_bytes(bomb)
        path.with_name(f"{hashlib.sha256(bomb).hexdigest()}.nc").write_bytes(bomb)
    xr.testing.assert_identical(artefact.measure(scale), expected)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["data.npz", "data.csv", "data.parquet"])
def test_no_pickle_is_loaded_from_a_data_file(tmp_path, name):
    mark, path = tmp_path / "mark", tmp_path / name
    if name == "data.npz":
        np.savez(path, X=np.ones((3, 1)), y=np.array([Bomb(mark)] * 3, dtype=object))
    else:
        path.write_bytes(pickle.dumps(Bomb(mark)))
    command = Command(tmp_path, "rounds", str(path), "--target", "y", "--epsilon", "0.1")
    assert command.wait() == 2, command.said
    assert "error:" in command.said
    assert not mark.exists()


def test_a_bomb_goes_off_if_it_is_unpickled(tmp_path):
    """So the tests above could fail."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_an_interruption_while_a_worker_starts_prints_no_traceback(tmp_path):
    """Started, and not yet known to the pool: a worker that finds its run gone would print one of its own."""
    slow = """
        import time
        from joblib.externals.loky.backend.popen_loky_posix import Popen
        launch = Popen._launch
        def launched(self, process):
            launch(self, process)
            print("a worker starts", flush=True)
            time.sleep(60)
        Popen._launch = launched
        """
    command = reproduce(tmp_path, "--jobs", "2", artefacts=["mobahi2020.real_data"], before=slow)
    while command.process.is_alive() and not (command.log.exists() and "worker starts" in command.said):
        time.sleep(0.01)
    os.kill(command.process.pid, signal.SIGTERM)
    assert command.wait() == 130
    time.sleep(1)  # for the worker to say something
    assert "interrupted after 0 of 1 artefacts" in command.said
    assert "Traceback" not in command.said


def test_an_interruption_while_python_ends_prints_no_traceback(tmp_path):
    slow = """
        import atexit, threading, time
        def last():
            print("Python ends", flush=True)
            time.sleep(60)
        threading._register_atexit(last)
        """
    command = reproduce(tmp_path, artefacts=["ground_truth"], before=slow)
    while command.process.is_alive() and not (command.log.exists() and "Python ends" in command.said):
        time.sleep(0.01)
    os.kill(command.process.pid, signal.SIGTERM)
    assert command.wait() == 130
    assert "Traceback" not in command.said
    assert claims(tmp_path)
