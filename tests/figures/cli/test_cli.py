"""The command line as a person meets it: what it leaves, what it says, and how it exits."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from selfdistill.figures.scale import Scale
from selfdistill.theory import InputError

COMMAND = [sys.executable, "-m", "selfdistill.figures"]


def selfdistill(*arguments, cwd=None):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, timeout=240)


def test_reproduce_leaves_picture_data_claims_and_report(tmp_path):
    done = selfdistill("reproduce", "sinusoid", "filters", "--scale", "smoke", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    names = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    assert names == {
        "claims.json",
        "report.html",
        *(f"mobahi2020.{n}.{e}" for n in ("sinusoid", "filters") for e in ("png", "nc")),
    }
    claims = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert {"M1", "M2", "M3", "M4", "M10", "M14", "M16"} == {c["id"] for c in claims}
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 2
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_verify_prints_the_table_and_exits_with_zero():
    done = selfdistill("verify", "near_interpolation")
    assert done.returncode == 0, done.stderr
    assert "M11" in done.stdout


def test_verify_exits_with_one_if_a_theorem_fails(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        "from selfdistill.figures.cli import app as cli\n"
        "from selfdistill.figures.mobahi2020 import near_interpolation\n"
        "near_interpolation.PUBLISHED_LIMITS = (1.2, 1.0513, 1.0101)\n"
        "sys.argv = ['selfdistill', 'verify', 'near_interpolation']\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "M11" in done.stderr
    assert "Traceback" not in done.stderr


def test_list_has_a_line_an_artefact():
    done = selfdistill("list")
    assert done.returncode == 0
    assert "mobahi2020.sinusoid" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "nonsense"], "no artefact is called 'nonsense'"),
        (["reproduce", "--scale", "huge"], "--scale must be one of"),
        (["verify", "sinusiod"], "Did you mean mobahi2020.sinusoid?"),
        (["list", "mobahi"], "Did you mean mobahi2020?"),
        (["reproduce", "--device", "abacus"], "device must be 'cpu', 'cuda' or 'cuda:N'"),
        (["verify", "--device", "mps"], "device must be 'cpu', 'cuda' or 'cuda:N'"),
        (
            ["reproduce", "calibration", "--scale", "smoke", "--seed", "5000000000"],
            "seed must be at most 1000000",
        ),
        (["reproduce", "sinusoid", "--out", "taken/out"], "cannot write to the output folder"),
        (["reproduce", "sinusoid", "--seed", str(2**40)], "seed must be at most 1000000"),
        (["reproduce", "--jobs", "0"], "jobs"),
    ],
)
def test_mistakes_get_one_message_and_no_traceback(tmp_path, arguments, message):
    (tmp_path / "taken").write_text("a file where a folder should be")
    done = selfdistill(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_the_version_is_that_of_the_package():
    done = selfdistill("--version")
    assert (done.returncode, done.stdout) == (0, f"selfdistill {version('selfdistill')}\n")


def test_a_scale_takes_seeds_that_every_random_stream_can():
    assert Scale("smoke", seed=1_000_000).seed == 1_000_000
    for seed in (-1, 1_000_001, 1.5):
        with pytest.raises(InputError, match="seed must be"):
            Scale("smoke", seed=seed)


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(tmp_path):
    out = tmp_path / "out"
    arguments = ["reproduce", "mobahi2020", "--scale", "smoke", "--out", str(out)]
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 120
    while not list(out.glob("mobahi2020*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "run the same command again" in " ".join(errors.split())
    finished = {p.stem for p in out.glob("mobahi2020*.png")}
    assert finished
    assert {c["artefact"] for c in json.loads((out / "claims.json").read_text())} <= finished
    assert not [p for p in Path(out).iterdir() if p.suffix == ".png" and p.name.startswith(".")]


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_what_only_shows_names_starts_at_once(arguments):
    """Processor time, the interpreter's own start included: under 0.7 s, where importing everything takes 3 s."""
    code = (
        "import sys, time\n"
        f"sys.argv = ['selfdistill', *{arguments!r}]\n"
        "from selfdistill.figures.cli.entry import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print(time.process_time(), sorted(sys.modules), file=sys.stderr)\n"
    )
    fastest = []
    for _ in range(2):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
        seconds, modules = said.split(" ", 1)
        fastest.append(float(seconds))
        assert not {"numpy", "torch", "xarray", "matplotlib", "pandas"} & set(
            json.loads(modules.replace("'", '"'))
        )
    assert min(fastest) < 0.7


def test_an_output_that_is_not_utf_8_is_written_all_the_same(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for arguments in (["list"], ["verify", "near_interpolation"], ["verify", "near_interpolation", "--json"]):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        said = done.stdout.decode("ascii")
    assert [a["artefact"] for a in json.loads(said)["artefacts"]] == ["mobahi2020.near_interpolation"]


def test_a_folder_may_have_any_name(tmp_path):
    done = selfdistill("reproduce", "near_interpolation", "--scale", "smoke", "--out", "a[/b]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a[/b]/report.html" in "".join(done.stdout.split())
    assert (tmp_path / "a[" / "b]" / "report.html").exists()


def test_no_more_processes_are_started_than_the_machine_has_room_for():
    done = selfdistill("verify", "near_interpolation", "--jobs", "6400")
    assert done.returncode == 0, done.stderr
    assert "--jobs 6400: this machine has cores and free memory for" in " ".join(done.stderr.split())


def test_an_interruption_while_python_imports_is_quiet(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "selfdistill.figures.cli.app":
                raise KeyboardInterrupt

    from selfdistill.figures.cli import entry

    monkeypatch.delitem(sys.modules, "selfdistill.figures.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")
