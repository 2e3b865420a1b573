"""The report in Chromium: no errors, nothing overflows, what can be clicked works, the explorer computes right."""

from __future__ import annotations

import numpy as np
import pytest

from selfdistill.figures.artefact import select_artefacts
from selfdistill.figures.report.explorer import explorer_data
from selfdistill.figures.report.page import render_report
from selfdistill.figures.run import run_artefacts
from selfdistill.figures.scale import Scale
from selfdistill.theory import (
    InfeasibleToleranceError,
    Spectrum,
    collapse_bounds,
    cubic_green_kernel,
    distill_to_tolerance,
    distill_with_ridge,
)
from selfdistill.theory.distillation.collapse import paper_norm_bounds, ratio_lower_bounds

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    scale = Scale("smoke")
    outcomes = run_artefacts(select_artefacts(["filters", "near_interpolation"]), scale, folder)
    (folder / "report.html").write_text(render_report(outcomes, scale), encoding="utf-8")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def open_page(browser, report):
    """Open the report; fail at the end if it wrote an error to the console or asked for another file."""
    pages, problems = {}, []

    def listen(page):
        page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda r: problems.append(r.url) if not r.url.startswith(("data:", report)) else None
        )

    def open_page(width=1440, scheme="light"):
        if (width, scheme) not in pages:
            pages[width, scheme] = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            )
            listen(pages[width, scheme])
        page = pages[width, scheme]
        page.goto("about:blank")
        page.goto(report)
        return page

    yield open_page
    assert not problems


@pytest.fixture(scope="module")
def page_of_numbers(browser, report):
    """One page for all tests that only ask it to compute."""
    page = browser.new_page()
    page.goto(report)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_nothing_overflows(open_page, width, scheme):
    page = open_page(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll("body *")].filter((e) => {
        const box = e.getBoundingClientRect();
        return box.right > innerWidth + 1 && box.width && !e.closest(".scroll, pre, svg, dialog");
    }).map((e) => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    problem = "select[name=problem]"
    page.select_option(problem, "own")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(v) for v in background[4:-1].split(",")) / 765
    assert (brightness < 0.2) if scheme == "dark" else (brightness > 0.9)


def test_tables_sort_by_number_both_ways(open_page):
    page = open_page()
    table = page.locator("table.claims").last
    button = table.locator("th button", has_text="measured")
    cells = "cells => cells.map(c => Number(c.dataset.value))"
    for direction in (1, -1):
        button.click()
        values = table.locator('td[data-label="measured"]').evaluate_all(cells)
        assert len(values) > 2
        assert values == sorted(values, reverse=direction < 0)
    assert table.locator("th[aria-sort=descending]").count() == 1


def test_figures_enlarge_and_close(open_page):
    page = open_page()
    figure = page.locator("figure button").first
    figure.click()
    dialog = page.locator("dialog")
    assert dialog.evaluate("d => d.open")
    small, large = (page.locator(s).bounding_box()["width"] for s in ("figure img >> nth=0", "dialog img"))
    assert large > small
    page.keyboard.press("Escape")
    assert not dialog.evaluate("d => d.open")


def test_a_claim_leads_to_its_figure_and_to_the_text_of_its_function(open_page):
    page = open_page()
    page.locator("#claims ~ .scroll table td a").first.click()
    assert page.evaluate(
        "document.querySelector('tr:target').closest('section').querySelector('img') !== null"
    )
    link = page.locator("td.statement a").first
    name = link.get_attribute("href")[1:]
    link.click()
    text = page.locator(f'details[id="{name}"] pre')
    text.wait_for(state="visible")
    assert f"def {name.split('.')[-1]}(" in text.inner_text()


def test_print_leaves_out_what_only_works_on_a_screen(open_page):
    page = open_page(800, "dark")
    page.emulate_media(media="print", color_scheme="dark", reduced_motion="reduce")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#explorer-app").is_visible()
    assert page.locator("figure img").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def rbf(gamma):
    return lambda x, s: np.exp(-gamma * np.subtract.outer(x, s) ** 2)


def sinusoid(kernel):
    data = explorer_data()
    x = np.array(data["x"])
    return Spectrum.from_gram(kernel(x, x), data["y"]), kernel(np.linspace(0, 1, 21), x)


def explored(page, **settings):
    """What the page computes, with predictions on 21 points if there is a kernel."""
    defaults = {"problem": "cubic", "schedule": "tolerance", "epsilon": 0.1, "ridge": 0.01, "weight": 0.0,
                "gamma": 80.0, "spectrum": ""}  # fmt: skip
    return page.evaluate(
        """(settings) => {
            const { spectrum, run } = selfdistill.explore(settings);
            const grid = Array.from({ length: 21 }, (_, i) => i / 20);
            const curves = spectrum.kernel ? run.filters.map((b) => selfdistill.predict(spectrum, b, grid)) : [];
            const kappa = Number.isFinite(run.kappa) ? run.kappa : null;
            return { ...run, kappa, predictions: curves };
        }""",
        defaults | settings,
    )


@pytest.mark.parametrize(
    ("settings", "kernel"),
    [
        ({"problem": "cubic", "epsilon": 0.045}, cubic_green_kernel),
        ({"problem": "cubic", "epsilon": 0.2}, cubic_green_kernel),
        ({"problem": "rbf", "epsilon": 0.02, "gamma": 80.0}, rbf(80.0)),
        ({"problem": "rbf", "epsilon": 0.1, "gamma": 5.0}, rbf(5.0)),
    ],
)
def test_explorer_tolerance_equals_python(page_of_numbers, settings, kernel):
    found = explored(page_of_numbers, **settings)
    spectrum, cross = sinusoid(kernel)
    run = distill_to_tolerance(spectrum, settings["epsilon"])
    bounds = collapse_bounds(spectrum, settings["epsilon"])
    assert found["collapsed"]
    np.testing.assert_allclose(found["penalties"], run.multipliers, rtol=1e-6)
    np.testing.assert_allclose(found["norms"], run.target_norms, rtol=1e-9)
    np.testing.assert_allclose(found["filters"], run.filters, atol=1e-7)
    expected = [run.predict(cross, t) for t in range(1, run.rounds + 1)]
    np.testing.assert_allclose(found["predictions"], expected, atol=1e-6)
    assert found["bounds"]["upper"] == bounds.upper
    np.testing.assert_allclose(found["bounds"]["lower"], bounds.lower, rtol=1e-12)
    np.testing.assert_allclose(found["bounds"]["paper"], bounds.paper_lower, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_explorer_ridge_equals_python(page_of_numbers, weight):
    found = explored(page_of_numbers, problem="rbf", schedule="ridge", ridge=0.2 / 11, weight=weight)
    spectrum, cross = sinusoid(rbf(80.0))
    run = distill_with_ridge(spectrum, 0.2 / 11, len(found["filters"]), weight)
    np.testing.assert_allclose(found["norms"], run.target_norms, rtol=1e-9)
    expected = [run.predict(cross, t) for t in range(1, run.rounds + 1)]
    np.testing.assert_allclose(found["predictions"], expected, atol=1e-8)
    limit = distill_with_ridge(spectrum, 0.2 / 11, 3000, weight).target_norms[-1]
    np.testing.assert_allclose(found["limit"], limit, atol=1e-6)


def test_explorer_takes_a_spectrum_of_the_readers_own(page_of_numbers, rng):
    for _ in range(5):
        d, z = rng.uniform(0.1, 9, 6), rng.uniform(1, 4, 6)
        found = explored(
            page_of_numbers,
            problem="own",
            epsilon=0.3,
            spectrum="\n".join(f"{float(a)!r}, {float(b)!r}" for a, b in zip(d, z, strict=True)),
        )
        spectrum = Spectrum.from_eigenvalues(d, z)
        run, bounds = distill_to_tolerance(spectrum, 0.3), collapse_bounds(spectrum, 0.3)
        np.testing.assert_allclose(found["penalties"], run.multipliers, rtol=1e-7)
        np.testing.assert_allclose(found["filters"], run.filters, rtol=1e-7)
        unit = np.sqrt(6 * 0.3)
        np.testing.assert_allclose(
            found["curves"]["lower"], ratio_lower_bounds(bounds.initial_ratio, run.rounds) * unit
        )
        np.testing.assert_allclose(
            found["curves"]["paper"],
            paper_norm_bounds(bounds.initial_ratio, bounds.condition_number, run.rounds) * unit,
            rtol=1e-9,
        )
        assert found["bounds"]["upper"] == bounds.upper
        np.testing.assert_allclose(found["kappa"], bounds.condition_number)


def shown(page, key):
    return page.locator(f'[data-key="{key}"]').inner_text()


def test_moving_the_controls_moves_the_numbers(open_page):
    page = open_page()
    spectrum, _ = sinusoid(cubic_green_kernel)
    for epsilon in (0.045, 0.1, 0.3):
        page.locator("input[name=epsilon]").evaluate(
            "(e, v) => { e.value = Math.log10(v); e.dispatchEvent(new Event('input', { bubbles: true })) }",
            epsilon,
        )
        run = distill_to_tolerance(spectrum, epsilon)
        assert shown(page, "exact") == str(run.rounds)
        page.locator("input[name=round]").fill(str(run.rounds))
        assert float(shown(page, "norm")) == pytest.approx(run.target_norms[-1], rel=1e-4)
        assert float(shown(page, "multiplier")) == pytest.approx(run.multipliers[-1], rel=1e-4)
    drawn = page.locator('svg[data-plot="norms"]')
    before = drawn.inner_html()
    page.locator("input[name=round]").fill("0")
    assert drawn.inner_html() != before
    page.select_option("select[name=schedule]", "ridge")
    assert not page.locator("input[name=epsilon]").is_visible()
    page.locator("input[name=weight]").fill("0.5")
    assert float(shown(page, "limit")) > 0


def test_every_control_has_a_name_and_says_what_it_stands_for(open_page):
    page = open_page()
    for control in page.locator("#explorer-app input, #explorer-app select, #explorer-app textarea").all():
        assert control.evaluate("e => e.labels.length") == 1
    epsilon = page.get_by_role("slider", name="training error ε")
    assert (
        epsilon.get_attribute("aria-valuetext") == epsilon.locator("xpath=preceding-sibling::b").inner_text()
    )


def test_what_cannot_be_computed_is_said_in_the_page(open_page):
    page = open_page()
    page.locator("input[name=epsilon]").fill("-2.5")
    spectrum, _ = sinusoid(cubic_green_kernel)
    with pytest.raises(InfeasibleToleranceError) as refused:
        distill_to_tolerance(spectrum, 10**-2.5)
    least = f"{refused.value.least_feasible_epsilon:.4g}"
    message = page.locator(".message")
    assert least in message.inner_text()
    page.select_option("select[name=problem]", "own")
    for text, part in [("1 x", "1 x"), ("-1 2", "-1 2"), ("", "between 1 and 500"), ("1 0", "coefficient")]:
        page.locator("textarea").fill(text)
        assert part in message.inner_text()
    page.locator("textarea").fill("1 1\n2 1")
    assert message.inner_text() == ""
