"""Numbers as Grafana says them."""

import math

from deploy.grafana.panels import Unit

_THOUSAND = 1000
_TIMES = ((1e-6, "ns", 1e-9), (1e-3, "µs", 1e-6), (1.0, "ms", 1e-3), (60.0, "s", 1.0))
_SIZES = ("B", "kB", "MB", "GB", "TB")
_RATES = ("B/s", "kB/s", "MB/s", "GB/s")
_ENDS = {"reqps": " req/s", "ops": " ops/s", "cpm": " /min", "short": ""}


def said(value: float, unit: Unit, digits: int | None = None) -> str:
    """A value with its unit, with about three digits or as many behind the point as are asked."""
    if not math.isfinite(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{_rounded(100 * value, digits)} %"
        case "s":
            return _time(value, digits)
        case "decbytes":
            return _sized(value, _SIZES, digits)
        case "Bps":
            return _sized(value, _RATES, digits)
    return f"{_rounded(value, digits)}{_ENDS[unit]}"


def _rounded(value: float, digits: int | None) -> str:
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:.3g}" if abs(value) < _THOUSAND else f"{value:,.0f}"


def _time(value: float, digits: int | None) -> str:
    if value == 0:
        return "0 s"
    for below, name, size in _TIMES:
        if value < below:
            return f"{_rounded(value / size, digits)} {name}"
    return f"{_rounded(value / 60, digits)} min"


def _sized(value: float, names: tuple[str, ...], digits: int | None) -> str:
    power = 0
    while value >= _THOUSAND and power < len(names) - 1:
        value, power = value / _THOUSAND, power + 1
    return f"{_rounded(value, digits)} {names[power]}"
