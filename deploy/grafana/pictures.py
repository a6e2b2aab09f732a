"""Pictures of dashboards where there is no Grafana: the same tables, drawn by matplotlib."""

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from deploy.grafana.panels import COLUMNS, GREEN, LABEL, OTHERS, Dashboard, Panel, colours
from deploy.grafana.units import said

PAGE, PLATE, EDGE, TEXT, DIM = "#111217", "#181B1F", "#2A2D33", "#DCDEE4", "#8A8F98"

_WIDE, _UNIT, _GAP = 1600, 30, 8
_HEAD = 44
_DPI = 100
_LINES = 8
_LETTER = 6.2

Points = list[tuple[float, float]]


class Series(NamedTuple):
    """A line: its labels, and pairs of Unix seconds and value."""

    labels: dict[str, str]
    points: Points


class Line(NamedTuple):
    """What is drawn: a name, a colour, and where it goes."""

    name: str
    colour: str
    times: list[float]
    values: list[float]


class Box(NamedTuple):
    """Pixels from the left and the top."""

    left: float
    top: float
    width: float
    height: float


Ask = Callable[[str], list[Series]]


def draw(dashboard: Dashboard, ask: Ask, file: Path) -> None:
    """Ask for every panel's series and write all of it as a PNG."""
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "text.color": TEXT})
    high = _HEAD + sum(_UNIT * (row.height + 1) for row in dashboard.rows) + _GAP
    figure = Figure(figsize=(_WIDE / _DPI, high / _DPI), dpi=_DPI, facecolor=PAGE)
    _write(figure, Box(_GAP * 2, _HEAD / 2, 0, 0), f"Calotype · {dashboard.title}", 14, TEXT)
    for panel, box in _places(figure, dashboard):
        lines = list(_lines(panel, ask))
        axes = _plate(figure, panel, box)
        _DRAWN[panel.kind](figure, axes, panel, box, lines)
    _save(figure, file)


def _places(figure: Figure, dashboard: Dashboard) -> Iterator[tuple[Panel, Box]]:
    top = float(_HEAD)
    column = (_WIDE - 2 * _GAP) / COLUMNS
    for row in dashboard.rows:
        _write(figure, Box(_GAP * 2, top + _UNIT / 2, 0, 0), row.title, 10, TEXT)
        top, left = top + _UNIT, 0
        for panel in row.panels:
            yield (
                panel,
                Box(
                    _GAP + left * column + _GAP / 2,
                    top,
                    panel.width * column - _GAP,
                    row.height * _UNIT - _GAP,
                ),
            )
            left += panel.width
        top += row.height * _UNIT


def _lines(panel: Panel, ask: Ask) -> Iterator[Line]:
    known, others = colours(panel), iter(OTHERS * 9)
    for query in panel.queries:
        for series in sorted(ask(query.expression), key=lambda one: sorted(one.labels.items())):
            name = LABEL.sub(lambda found: series.labels.get(found[1], ""), query.legend).strip()  # noqa: B023 called at once
            times = [when for when, _ in series.points]
            values = [value for _, value in series.points]
            yield Line(name, known.get(name) or next(others), times, values)


def _plate(figure: Figure, panel: Panel, box: Box) -> Axes:
    """The panel's ground and title; axes that fill the rest of it."""
    size = figure.get_size_inches() * _DPI
    x, y = box.left / size[0], 1 - (box.top + box.height) / size[1]
    place = (x, y, box.width / size[0], box.height / size[1])
    ground = Rectangle(place[:2], *place[2:], facecolor=PLATE, edgecolor=EDGE, zorder=-1)
    ground.set_transform(figure.transFigure)
    figure.add_artist(ground)
    _write(figure, Box(box.left + 10, box.top + 14, 0, 0), panel.title, 9, TEXT, weight="bold")
    return figure.add_axes(place, frame_on=False)


def _inset(axes: Axes, figure: Figure, box: Box, margins: tuple[int, int, int, int]) -> None:
    """Within a panel, so many pixels from its left, top, right and bottom."""
    left, top, right, bottom = margins
    size = figure.get_size_inches() * _DPI
    axes.set_position(
        (
            (box.left + left) / size[0],
            1 - (box.top + box.height - bottom) / size[1],
            (box.width - left - right) / size[0],
            (box.height - top - bottom) / size[1],
        )
    )


def _curves(figure: Figure, axes: Axes, panel: Panel, box: Box, lines: list[Line]) -> None:
    _inset(axes, figure, box, (70, 30, 14, 42))
    shown = sorted(lines, key=_weight, reverse=True)[:_LINES]
    shown = [line for line in lines if line in shown]
    if panel.kind == "stack":
        _stack(axes, shown)
    else:
        for line in shown:
            axes.plot(line.times, line.values, color=line.colour, linewidth=1.4)
            if not panel.powers:
                axes.fill_between(line.times, line.values, color=line.colour, alpha=0.07, lw=0)
    _scale(axes, panel, shown)
    for bound, colour in panel.steps[1:]:
        if bound < axes.get_ylim()[1]:
            axes.axhline(bound, color=colour, linewidth=0.9, linestyle=(0, (5, 4)))
    _legend(figure, box, shown)


def _stack(axes: Axes, lines: list[Line]) -> None:
    """One on the other; a series that began later was 0 before."""
    times = sorted({when for line in lines for when in line.times})
    below = [0.0] * len(times)
    for line in lines:
        known = dict(zip(line.times, line.values, strict=True))
        above = [
            floor + _real(known.get(when, 0.0)) for floor, when in zip(below, times, strict=True)
        ]
        axes.fill_between(times, below, above, color=line.colour, alpha=0.5, linewidth=0)
        axes.plot(times, above, color=line.colour, linewidth=1.0)
        below = above


def _scale(axes: Axes, panel: Panel, lines: list[Line]) -> None:
    if panel.powers:
        axes.set_yscale("log")
    else:
        flat = 0.01 if panel.unit == "percentunit" else 1.0
        top = panel.highest or (axes.get_ylim()[1] if any(map(_weight, lines)) else flat)
        axes.set_ylim(0, top * (1 if panel.highest else 1.08))
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    times = [when for line in lines for when in line.times]
    if times:
        axes.set_xlim(min(times), max(times))
    axes.grid(axis="both", color=EDGE, linewidth=0.7)
    axes.set_axisbelow(b=True)
    axes.tick_params(length=0, colors=DIM, labelsize=8)
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: said(value, panel.unit, panel.digits))
    axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(60))
    axes.xaxis.set_major_formatter(lambda when, _: f"{datetime.fromtimestamp(when, UTC):%H:%M}")


def _legend(figure: Figure, box: Box, lines: list[Line]) -> None:
    left, baseline = box.left + 14, box.top + box.height - 12
    for line in lines:
        if left + 13 + _LETTER * len(line.name) > box.left + box.width:
            return
        _write(figure, Box(left, baseline, 0, 0), "▬", 8, line.colour)
        _write(figure, Box(left + 13, baseline, 0, 0), line.name, 8, DIM)
        left += 30 + _LETTER * len(line.name)


def _stat(figure: Figure, axes: Axes, panel: Panel, box: Box, lines: list[Line]) -> None:
    """The newest value in the colour of its step, its history under it."""
    value = next((one for one in reversed(_known(lines)) if math.isfinite(one)), math.nan)
    colour = _step(panel, value)
    middle = Box(box.left + box.width / 2, box.top + box.height * 0.52, 0, 0)
    _write(figure, middle, said(value, panel.unit, panel.digits), 22, colour, ha="center")
    _inset(axes, figure, box, (1, int(box.height * 0.72), 1, 1))
    for line in lines[:1]:
        axes.fill_between(line.times, line.values, color=colour, alpha=0.18, linewidth=0)
        axes.plot(line.times, line.values, color=colour, linewidth=1)
        axes.set_ylim(0, max([1e-9, *filter(math.isfinite, line.values)]) * 1.1)
        axes.set_xlim(min(line.times), max(line.times))
    axes.set_axis_off()


def _bars(figure: Figure, axes: Axes, panel: Panel, box: Box, lines: list[Line]) -> None:
    """A bar for the newest value of each series."""
    _inset(axes, figure, box, (90, 34, 70, 14))
    values = [_real(line.values[-1]) for line in lines]
    most = panel.highest or max([*values, 1])
    for place, (line, value) in enumerate(zip(lines, values, strict=True)):
        axes.barh(place, most, color="#22252B", height=0.5)
        axes.barh(place, value, color=_step(panel, value), height=0.5)
        axes.text(-0.02 * most, place, line.name, ha="right", va="center", color=DIM)
        text = said(value, panel.unit, panel.digits)
        axes.text(1.02 * most, place, text, va="center", color=_step(panel, value))
    axes.set_xlim(0, most)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_axis_off()


_DRAWN = {"lines": _curves, "stack": _curves, "stat": _stat, "bars": _bars}


def _step(panel: Panel, value: float) -> str:
    reached = [colour for bound, colour in panel.steps if value >= bound]
    return reached[-1] if reached else GREEN


def _known(lines: Iterable[Line]) -> list[float]:
    return next((line.values for line in lines), [])


def _weight(line: Line) -> float:
    return max(map(_real, line.values), default=0)


def _real(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _write(figure: Figure, at: Box, text: str, size: float, colour: str, **how: str) -> None:
    """Words, centred on a line of pixels."""
    wide, high = figure.get_size_inches() * _DPI
    place = (at.left / wide, 1 - at.top / high)
    figure.text(*place, text, size=size, color=colour, va="center", **how)


def _save(figure: Figure, file: Path) -> None:
    """As a PNG of few colours: a third of the bytes, and nobody sees it."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", facecolor=PAGE)
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(192, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
