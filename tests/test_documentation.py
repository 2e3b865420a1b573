"""README and docs: every code block runs, every command can be given, every promise has its test."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from selfdistill.figures.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    """First line number and text of every fenced block of a language."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text[: found.start()].count("\n") + 2, found.group(1)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "documentation"}
    for line, code in blocks(page, "python"):
        # Blank lines in front make a traceback show the page's own line number.
        exec(compile("\n" * (line - 1) + code, page.name, "exec", dont_inherit=True), namespace)
    for name, value in namespace.items():
        if name.startswith("test_"):
            value()


def commands(page):
    for line, text in blocks(page, "bash"):
        for command in text.replace("\\\n", " ").splitlines():
            words = shlex.split(command, comments=True)
            if words:
                yield line, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_can_be_given(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line, words in commands(page):
        if words[0] == "make":
            assert words[1] in targets, f"{page.name}:{line}"
        elif words[0] == "selfdistill" and words[1] != "--install-completion":
            end = words.index(">") if ">" in words else len(words)
            group = typer.main.get_command(app)
            _, command, _ = group.resolve_command(group.make_context("selfdistill", ["list"]), words[1:])
            assert command is not None, f"{page.name}:{line}"
            command.make_context(words[1], words[2:end])


def test_every_promise_has_its_test():
    named = re.findall(
        r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    )
    assert len(named) > 10
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"
