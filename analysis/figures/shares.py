"""What a whole was made of, one bar a policy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis import style

_ROW = 0.28
_LEAST_WRITTEN = 0.1


@style.styled
def draw_shares(
    title: str, parts: pd.DataFrame, colours: Mapping[str, str], label: str, note: str = ""
) -> Figure:
    """Bars of shares that add up to one.

    Parameters
    ----------
    parts : DataFrame
        One row a policy, one column a part, from 0 to 1; NaN leaves a row empty.
    colours : mapping of str to str
        The colour of each part.
    """
    figure, axes = style.new_figure(0.95 + _ROW * max(len(parts), 2), title)
    places = np.arange(len(parts))
    left = np.zeros(len(parts))
    for name, colour in colours.items():
        width = parts[name].fillna(0.0).to_numpy(float)
        axes.barh(places, width, 0.72, left, color=colour, label=name)
        for place, start, size in zip(places, left, width, strict=True):
            if size >= _LEAST_WRITTEN:
                text = {"ha": "center", "va": "center", "fontsize": 8.5, "color": "white"}
                axes.text(start + size / 2, place, f"{100 * size:.0f}%", **text)
        left += width
    axes.set_yticks(places, list(parts.index))
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.0)
    axes.grid(axis="y", visible=False)
    style.share_axis(axes.xaxis, label)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    style.finish(figure, note, handles)
    return figure
