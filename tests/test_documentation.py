"""README and docs: every code block runs, every command can be given, every promise has its test."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from selfdistill.figures.cli.app import app
from selfdistill.figures.results.pages import (
    claims_page,
    gallery_page,
    glossary_page,
    results_page,
    with_table,
)
from selfdistill.figures.results.thorough import thorough_run
from selfdistill.figures.statements import papers, statements

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


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("claims", lambda: claims_page(thorough_run())),
        ("results", lambda: results_page(thorough_run())),
        ("gallery", lambda: gallery_page(thorough_run())),
        ("glossary", glossary_page),
    ],
)
def test_pages_that_are_made_are_as_what_they_are_made_from(name, made):
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == made(), "run: make docs"


def test_the_readme_has_the_verdicts_of_the_thorough_run():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_table(text, thorough_run()) == text, "run: make docs"


IDS = r"[A-Z]\d{1,2}[a-z]?\b"
CITED = re.compile(rf"\bclaims? ({IDS}(?:(?:, | and |-|–| to ){IDS})*)")
SOURCES = [path for floor in ("theory", "empirical", "figures") for path in (ROOT / floor).rglob("*.py")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_claim_that_code_names_is_in_the_catalogue(path):
    """Ids in docstrings and comments, and those that figures claim."""
    text = path.read_text(encoding="utf-8")
    named = {id for found in CITED.findall(text) for id in re.findall(IDS, found)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CLAIMING and node.args:
            named |= {c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant)}
    assert named <= set(statements())


CLAIMING = ("Claim.theorem", "Claim.from_samples", "Claim.from_proportion")


def test_the_catalogue_is_whole():
    assert len(statements()) > 70
    for id, statement in statements().items():
        assert re.fullmatch(IDS, id)
        assert statement.paper in papers()
        assert statement.kind in ("theorem", "measured")
        assert statement.text.endswith(".")
        assert statement.formula


def test_the_layout_that_the_readme_shows_is_true():
    """Each line names a floor and its rooms."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (layout,) = re.findall(r"## Layout\n.*?```\n(.*?)```", text, re.DOTALL)
    for line in layout.splitlines():
        floor, rooms = re.fullmatch(r"(\w+)/ +.*?: ([\w ,]+)", line).groups()
        there = {p.parent.name for p in (ROOT / floor).glob("*/__init__.py")}
        assert set(re.split(r"[ ,]+", rooms)) == there


@pytest.mark.parametrize(("page", "least"), [("promises", 40), ("inputs", 60)])
def test_every_promise_has_its_test(page, least):
    named = re.findall(
        r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    )
    assert len(named) > least
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"
