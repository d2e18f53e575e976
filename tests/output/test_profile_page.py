"""The HTML report in a real browser: charts, colours, narrow screens, and no mouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import Browser, chromium
from handmade_profiles import profile, sources, timeline
from test_profile_html import hostile

from graphlint.output import profile_html
from graphlint.profiles import Profile

pytestmark = pytest.mark.browser
PHONE = 375


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return written(folder / "page.html", profile())


def written(path: Path, shown: Profile) -> Path:
    path.write_text(profile_html.render(shown, sources), encoding="utf-8")
    return path


def widest(browser: Browser) -> int:
    width = browser.ask("document.documentElement.scrollWidth")
    assert isinstance(width, int)
    return width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, 1100])
def test_charts_are_drawn_without_a_complaint(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.complaints() == []
    assert widest(browser) <= width
    heights = browser.ask("[...document.querySelectorAll('.area')].map(a => a.getBBox().height)")
    assert len(heights) == 2
    assert min(heights) > 20
    sizes = browser.ask("[...document.querySelectorAll('.tile')].map(t => t.offsetWidth)")
    assert len(sizes) == 4
    assert min(sizes) > 20


def test_tiles_are_as_large_as_their_bytes(browser: Browser, page: Path) -> None:
    browser.open(page)
    areas = browser.ask(
        "Object.fromEntries([...document.querySelectorAll('.group')]"
        ".map(g => [g.textContent, g.offsetWidth * g.offsetHeight]))"
    )
    large, small = areas["encoder.layers.0 4.0 MiB"], areas["encoder.layers.1 2.0 MiB"]
    assert large / small == pytest.approx(2, rel=0.1)


def test_colours_follow_the_reader(browser: Browser, page: Path) -> None:
    brightness = {}
    for dark in (False, True):
        browser.open(page, dark=dark)
        colours = browser.ask(
            "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])"
        )
        brightness[dark] = [sum(map(int, c[c.index("(") + 1 : -1].split(","))) for c in colours]
    (ink, paper), (dark_ink, dark_paper) = brightness[False], brightness[True]
    assert ink < 200 < 600 < paper
    assert dark_paper < 200 < 600 < dark_ink


def test_everything_is_reached_by_tab(browser: Browser, page: Path) -> None:
    browser.open(page)
    seen: list[str] = []
    for _ in range(60):
        browser.press("TAB")
        name = browser.ask(
            "(e => e === document.body ? '' : `${e.tagName} ${e.getAttribute('aria-label') || "
            "e.getAttribute('href') || e.textContent.trim()}`)(document.activeElement)"
        )
        if not name:
            break
        seen.append(name)
        outline = browser.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", name
    order = [
        "A #calls",
        "SUMMARY An example, mended",
        "INPUT Time",
        "SUMMARY As a table",
        "A #call-0",
        "DIV Table of what keeps graphs alive",
    ]
    places = [seen.index(name) for name in order]
    assert places == sorted(places)
    assert sum(name.startswith("BUTTON") for name in seen) == 1  # arrow keys lead to the others
    assert sum(name.startswith("SELECT") for name in seen) == 2


def test_the_slider_reads_the_chart(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('input[type=range]').focus()")
    browser.press("HOME")
    browser.press("ARROW_RIGHT")
    text = browser.ask("document.querySelector('#time .readout').textContent")
    assert text == "500 ms: 1.0 MiB · train.py:4 1.0 MiB"
    spoken = browser.ask(
        "document.querySelector('input[type=range]').getAttribute('aria-valuetext')"
    )
    assert spoken == text
    browser.press("ARROW_RIGHT")
    text = browser.ask("document.querySelector('#time .readout').textContent")
    assert text == "1.00 s: 9.0 MiB · train.py:4 7.0 MiB · train.py:10 2.0 MiB"


def test_arrows_go_from_tile_to_tile(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('.tile[tabindex=\"0\"]').focus()")
    first = browser.ask("document.querySelector('#holders .readout').textContent")
    assert first == "Addmm.mat1 4.0 MiB, 44% of what is shown, in encoder.layers.0"
    browser.press("END")
    last = browser.ask("document.querySelector('#holders .readout').textContent")
    assert last == "Pow.self 1.0 MiB, 11% of what is shown, in no module"
    assert browser.ask("document.querySelectorAll('.tile[tabindex=\"0\"]').length") == 1


def test_another_grouping(browser: Browser, page: Path) -> None:
    browser.open(page)
    options = browser.ask(
        "[...document.querySelectorAll('.choices select')[1].options].map(o => o.text)"
    )
    assert options == ["module", "operation", "source", "device"]
    browser.ask("document.querySelectorAll('.choices select')[1].focus()")
    browser.press("source")
    groups = browser.ask("[...document.querySelectorAll('.group')].map(g => g.textContent)")
    assert groups == ["train.py:2 6.0 MiB", "train.py:9 2.0 MiB", "train.py:3 1.0 MiB"]


def test_charts_follow_the_width(browser: Browser, page: Path) -> None:
    browser.open(page)
    size = {"width": PHONE, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    drawn = browser.driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() =>"
        "done(document.querySelector('.chart svg').viewBox.baseVal.width)))"
    )
    assert drawn < PHONE
    assert widest(browser) <= PHONE


def test_hostile_text_does_nothing(browser: Browser, folder: Path) -> None:
    browser.open(written(folder / "hostile.html", hostile()), width=PHONE)
    assert browser.complaints() == []
    assert widest(browser) <= PHONE
    assert browser.ask("document.querySelectorAll('img').length") == 0
    assert browser.ask("document.querySelectorAll('.tile').length") == 2


def test_ranks_have_a_chart_each(browser: Browser, folder: Path) -> None:
    shown = profile(world_size=2, timelines=(timeline(0), timeline(1)))
    browser.open(written(folder / "ranks.html", shown))
    assert browser.complaints() == []
    names = browser.ask(
        "[...document.querySelectorAll('#time figcaption')].map(f => f.textContent)"
    )
    assert names == ["Rank 0", "Rank 1"]


def test_an_empty_profile(browser: Browser, folder: Path) -> None:
    browser.open(written(folder / "empty.html", Profile()))
    assert browser.complaints() == []
