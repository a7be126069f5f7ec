"""Figures as SVG that follow the reader's light or dark theme: text, small, the same every time.

    svg = themed_svg(lambda palette: figure(palette), "law", "Loss against parameters", "…")

A figure is drawn once in each palette. The two differ in their colours only, so one SVG whose
colours are variables stands for both: inline in a page, or as a file of its own. Its numbers are
short and its ids are counted, so that reports of the same runs are equal byte for byte and
those of changed runs can be compared line by line.

Needs matplotlib (`pip install 'unsl-tracking[report]'`).
"""

from __future__ import annotations

import io
import re
import threading
from collections import Counter
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import matplotlib as mpl

from unsl_tracking.report.palette import DARK, LIGHT, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOCK = threading.Lock()
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_CLIPPED = re.compile(r'(?:<g clip-path="url\(#\w+\)">\n<use [^>]*/>\n</g>\n){2,}')
_OFTEN = 3
"""A style that as many elements have becomes a class."""
_REFERENCE = re.compile(r'(xlink:href="|url\()#([^")]*)')
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def themed_svg(draw: Callable[[Palette], Figure], name: str, title: str, description: str) -> str:
    """The figure as one `<svg>` element that is light or dark as its reader is.

    Args:
        draw: Gives the figure in a palette, the same one but for its colours.
        name: Of letters, digits and hyphens; unique in the page that the element goes into.
        title: What it shows, for who cannot see it.
        description: What there is to be seen in it.
    """
    light, dark = (_elements(draw(palette)) for palette in (LIGHT, DARK))
    body, pairs = _themed(light, dark)
    body, classes = _classed(body)
    view = re.search(r'viewBox="([^"]*)"', body)
    assert view is not None
    inner = _numbered(body[body.index(">") + 1 : body.rindex("</svg>")], name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'id="{name}" viewBox="{view[1]}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'\n<title id="{name}-t">{escape(title)}</title>'
        f'\n<desc id="{name}-d">{escape(description)}</desc>'
        f"\n<style>{_style(name, pairs, classes)}</style>\n{inner.strip()}\n</svg>"
    )


def _elements(figure: Figure) -> str:
    """What matplotlib writes, with text as text and without what differs between two writings."""
    buffer = io.StringIO()
    with _LOCK:  # the setting is matplotlib's own and global; only SVG reads it
        before = mpl.rcParams["svg.fonttype"]
        mpl.rcParams["svg.fonttype"] = "none"
        try:
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        finally:
            mpl.rcParams["svg.fonttype"] = before
    text = buffer.getvalue()
    return _smaller(text[text.index("<svg") :])


def _smaller(text: str) -> str:
    """Short numbers, no metadata, no empty groups, few line breaks."""
    for element in ("metadata", "style"):
        text = re.sub(rf"<{element}.*?</{element}>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = _in_tags(_shorter, text)
    before = ""
    while before != text:
        before = text
        text = re.sub(r"<(g|defs)(?: [^>]*)?>\s*</\1>|<g id=\"[^\"]*\"/>", "", text)
    return _CLIPPED.sub(_gathered, re.sub(r"\n\s*", "\n", text))


def _gathered(found: re.Match[str]) -> str:
    """Markers that are clipped alike share one group."""
    marks: dict[str, list[str]] = {}
    for clip, mark in re.findall(r'<g clip-path="([^"]*)">\n(<use [^>]*/>)', found[0]):
        marks.setdefault(clip, []).append(mark)
    groups = (f'<g clip-path="{c}">\n' + "\n".join(m) + "\n</g>" for c, m in marks.items())
    return "\n".join(groups) + "\n"


def _shorter(tag: str) -> str:
    tag = re.sub(r" ?font-family: [^;\"]*;?", "", tag)
    tag = re.sub(r"(font: [^;\"]*?px) '[^;\"]*", rf"\1 {_FONT}", tag)
    tag = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", tag)
    tag = re.sub(r"-?\d+\.\d{2,}", lambda found: _rounded(float(found[0])), tag)
    return re.sub(r"\s+", " ", tag).replace(' "', '"').replace("; ", ";").replace(": ", ":")


def _rounded(value: float) -> str:
    """A tenth of a point; small numbers (shapes of markers, opacities) to a hundredth."""
    text = f"{value:.1f}" if abs(value) >= 10.0 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def _in_tags(change: Callable[[str], str], text: str) -> str:
    """Change the markup only: what stands between tags may be any text from a run."""
    return re.sub(r"<[^>]*>", lambda found: change(found[0]), text)


def _themed(light: str, dark: str) -> tuple[str, dict[tuple[str, str], int]]:
    """The light text with a variable for each colour, and the pairs of colours in order."""
    in_dark = iter(
        [colour for tag in re.findall(r"<[^>]*>", dark) for colour in _COLOUR.findall(tag)]
    )
    pairs: dict[tuple[str, str], int] = {}

    def variable(found: re.Match[str]) -> str:
        number = pairs.setdefault((found[0], next(in_dark)), len(pairs))
        return f"var(--c{number})"

    body = _in_tags(lambda tag: _COLOUR.sub(variable, tag), light)
    assert next(in_dark, None) is None, "the figure has other colours in the dark than in the light"
    return body, pairs


def _classed(text: str) -> tuple[str, dict[str, str]]:
    """The text with classes for styles that occur often, and the class of each such style."""
    counts = Counter(re.findall(r'<[^>]* style="([^"]*)"', text))
    often = (style for style, count in counts.items() if count >= _OFTEN)
    classes = {style: f"s{number}" for number, style in enumerate(often)}

    def change(tag: str) -> str:
        found = re.search(r'style="([^"]*)"', tag)
        if found is None or found[1] not in classes:
            return tag
        return tag.replace(found[0], f'class="{classes[found[1]]}"')

    return _in_tags(change, text), classes


def _style(name: str, pairs: dict[tuple[str, str], int], classes: dict[str, str]) -> str:
    def variables(which: int) -> str:
        return ";".join(f"--c{number}:{pair[which]}" for pair, number in pairs.items())

    return (
        f"#{name}{{{variables(0)};font-family:{_FONT}}}"
        f"#{name} *{{stroke-linejoin:round;stroke-linecap:butt}}"
        + "".join(f"#{name} .{short}{{{style}}}" for style, short in classes.items())
        + f"@media (prefers-color-scheme:dark){{#{name}{{{variables(1)}}}}}"
    )


def _numbered(text: str, name: str) -> str:
    """Ids that something refers to are counted under the figure's name; the others go."""
    tags = re.findall(r"<[^>]*>", text)
    wanted = dict.fromkeys(old for tag in tags for _, old in _REFERENCE.findall(tag))
    numbers = {old: f"{name}-{number}" for number, old in enumerate(wanted, start=1)}

    def own(found: re.Match[str]) -> str:
        return f' id="{numbers[found[1]]}"' if found[1] in numbers else ""

    def change(tag: str) -> str:
        tag = _REFERENCE.sub(lambda found: f"{found[1]}#{numbers[found[2]]}", tag)
        return re.sub(r' id="([^"]*)"', own, tag)

    return _in_tags(change, text)
