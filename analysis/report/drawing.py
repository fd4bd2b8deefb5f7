"""Figures as inline SVG whose colours follow the reader's light or dark mode.

Every colour of a figure becomes a CSS variable, which the page's style sheet sets for
either mode, so that one drawing serves both, and print.
"""

from __future__ import annotations

import re
from io import StringIO

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis import style

DARK = {
    style.INK: "#e8e8e8",
    style.QUIET: "#a3a3a3",
    style.SHADE: "#3d4046",
    style.GRID: "#34373d",
    "#ffffff": "#17191d",
    "#000000": "#f4f4f4",
    "#c9c9c9": "#55585f",
    "#0072b2": "#4aa8e8",
    "#e69f00": "#f0b030",
    "#009e73": "#2fc49a",
    "#d55e00": "#f28140",
    "#cc79a7": "#dd94bb",
    "#56b4e9": "#8acdf5",
    "#7a5c00": "#c7a34a",
    "#332288": "#9b8cf0",
    "#88ccee": "#88ccee",
    "#44aa99": "#4fc0ad",
    "#999933": "#b8b84a",
    "#cc6677": "#e08090",
    "#882255": "#d0629a",
    "#117733": "#45b56b",
    "#aa4499": "#d070c0",
    "#ddcc77": "#ddcc77",
    "#f0c36d": "#8a6d2f",
    "#cc3311": "#ff6a4a",
    "#a0a0a0": "#7d8188",
    "#7db3d8": "#2b638c",
    "#eba36a": "#8f5424",
    "#f3f3f3": "#25282d",
    "#dbe8f3": "#22323f",
    "#b9d5ea": "#254358",
    "#93bfdf": "#295473",
    "#6aa6d0": "#2f6992",
}
"""What each colour of the figures is in dark mode."""

_LOOK = {"svg.fonttype": "path", "svg.hashsalt": "adl", "path.simplify_threshold": 0.2}
_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


def variables(dark: bool) -> str:
    """The colours' CSS variables, for one mode."""
    values = DARK.items() if dark else zip(DARK, DARK, strict=True)
    return " ".join(f"--{_name(light)}: {value};" for light, value in values)


def _name(colour: str) -> str:
    return f"c{colour.removeprefix('#')}"


def inline(figure: Figure, name: str, label: str) -> str:
    """A figure as an SVG element.

    Parameters
    ----------
    name : str
        Unique in the page; begins the identifiers within the drawing.
    label : str
        What a screen reader says.
    """
    with mpl.rc_context(_LOOK):
        target = StringIO()
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set(facecolor="none", edgecolor="none")
        # `savefig` would draw the figure twice, the first time to lay it out.
        FigureCanvasSVG(figure).print_svg(target, metadata=_NOTHING)
    text = target.getvalue()
    text = text[text.index("<svg") :].strip()
    width, height = (float(size) * 4.0 / 3.0 for size in _SIZE.search(text).groups())
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s*<defs>\s*<style type="text/css">.*?</style>\s*</defs>', "", body,
                  flags=re.DOTALL)  # fmt: skip
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"-?\d+\.\d{3,}", _rounded, body)
    body = re.sub(r"#[0-9a-f]{6}\b", _variable, body)
    box = re.search(r'viewBox="[^"]*"', text)
    opening = (
        f'<svg {box[0] if box else ""} width="{width:.0f}" height="{height:.0f}" '
        f'fill="var(--c000000)" role="img" aria-label="{_attribute(label)}">'
    )
    return opening + re.sub(r"\n\s*", "\n", body)


_SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')


def _rounded(found: re.Match[str]) -> str:
    """A hundredth of a point is enough, but the small factors of glyphs need digits."""
    value = float(found[0])
    return f"{value:.5g}" if abs(value) < 1.0 else f"{value:.2f}"


def _variable(found: re.Match[str]) -> str:
    colour = found[0]
    return f"var(--{_name(colour)})" if colour in DARK else colour


def _attribute(text: str) -> str:
    for raw, escaped in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;")):
        text = text.replace(raw, escaped)
    return text
