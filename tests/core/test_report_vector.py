"""Figures as SVG: one element for light and dark, the same each time, names shown as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.waiting import at_once
from unsl_tracking.report import DARK, LIGHT, Palette
from unsl_tracking.report.canvas import drawable, new_figure, style
from unsl_tracking.report.vector import themed_svg

NASTY = '</title><script>alert(1)</script> #3b5bdb id="x" url(#x) 0.123456 & "'


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


def drawn(name: str = "one", label: str = "label", points: int = 40) -> str:
    def figure(palette: Palette) -> object:
        made = new_figure(4, 3, palette)
        axes = made.add_axes((0.1, 0.1, 0.8, 0.8))
        style(axes, palette)
        x = np.linspace(0, 1, points)
        axes.scatter(x, x**2, color=palette.answer, edgecolors=palette.background)
        axes.set_title(drawable(label, 200), color=palette.ink, parse_math=False)
        return made

    return themed_svg(figure, name, label, "what is to be seen")  # type: ignore[arg-type]


def colours_of(svg: str) -> tuple[set[str], set[str]]:
    """Values of the variables in the light and in the dark."""
    light, dark = svg.split("@media (prefers-color-scheme:dark)", 1)
    pattern = r"--c\d+:(#[0-9a-f]{6})"
    return set(re.findall(pattern, light)), set(re.findall(pattern, dark))


def test_a_figure_is_well_formed_and_says_what_it_shows() -> None:
    root = ElementTree.fromstring(drawn())
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{space}title") == "label"
    assert root.findtext(f"{space}desc") == "what is to be seen"
    assert root.get("aria-labelledby") == "one-t one-d"


def test_every_colour_is_the_palettes_own_in_light_and_dark() -> None:
    svg = drawn()
    light, dark = colours_of(svg)
    assert {LIGHT.background, LIGHT.ink, LIGHT.answer} <= light
    assert {DARK.background, DARK.ink, DARK.answer} <= dark
    assert not re.search(r"(?:fill|stroke):#[0-9a-f]{6}", svg.split("</style>")[1])


def test_the_same_figure_gives_the_same_text_from_any_thread() -> None:
    found: list[str] = []
    at_once(*[lambda: found.append(drawn())] * 3)
    assert len(found) == 3
    assert set(found) == {drawn()}


def test_ids_of_two_figures_in_a_page_differ() -> None:
    first, second = (set(re.findall(r' id="([^"]*)"', drawn(name))) for name in ("one", "two"))
    assert first
    assert not first & second


def test_every_reference_has_its_element() -> None:
    svg = drawn()
    ids = re.findall(r' id="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', svg)) <= set(ids)


def test_a_name_from_a_run_stays_text() -> None:
    svg = drawn(label=NASTY)
    root = ElementTree.fromstring(svg)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert NASTY in texts
    assert "<script" not in svg


def test_a_point_costs_less_than_a_hundred_bytes() -> None:
    assert (len(drawn(points=1040)) - len(drawn(points=40))) / 1000 < 100
