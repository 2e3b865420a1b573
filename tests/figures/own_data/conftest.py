"""The browser on a page that the command wrote for a table."""

import pytest


@pytest.fixture
def opened(browser, command, tmp_path):
    """Write the page of a table and open it; fail at the end if it wrote to the console or asked for a file."""
    problems = []

    def call(name, frame, *options, width=1440, scheme="light"):
        frame.to_csv(tmp_path / "own.csv", index=False)
        code, _, err = command(name, tmp_path / "own.csv", *options, "--html", tmp_path / "own.html")
        assert (code, err) == (0, "")
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda m: problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        own = (tmp_path / "own.html").as_uri()
        page.on("request", lambda r: problems.append(r.url) if not r.url.startswith(("data:", own)) else None)
        page.goto(own)
        return page

    yield call
    assert not problems
