"""Negotiation: what a client's headers say about the bytes it wants. Nothing here ever raises."""

import re
from typing import Final

import msgspec

from cdn_edge.dialect import AUTO, Wanted, scaled
from cdn_edge.http import Ask
from cdn_edge.wish import Reads, Wish

WIDTHS: Final = (160, 240, 320, 480, 640, 800, 960, 1200, 1440, 1920, 2560, 3840)
"""What a width hint is rounded up to: a result for every pixel would be shared by nobody."""
USUAL_WIDTH: Final = 1200
"""For who asks for `auto` and sends no hint."""
DENSITIES: Final = (1.0, 1.5, 2.0, 3.0)

_LONGEST: Final = 4096
_OWS: Final = " \t"
_QVALUE: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_NUMBER: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_PLAIN: Final = ("image/jpeg", "image/png")


def reads_of(accept: str | None) -> Reads:
    """The format class that RFC 9110 has the client prefer; ours decides between equals.

    AVIF and WebP must be named: browsers that could read neither have sent `image/*`.
    """
    weights = _weights(accept or "")
    everything = weights.get("image/*", weights.get("*/*", 0.0))
    plain = max(weights.get(name, everything) for name in _PLAIN)
    best: Reads = "plain"
    for name, weight in (("webp", weights.get("image/webp")), ("avif", weights.get("image/avif"))):
        if weight and weight >= plain:
            best, plain = name, weight  # type: ignore[assignment]  # the names are of Reads
    return best


def _weights(accept: str) -> dict[str, float]:
    """Media ranges in lower case with their weight; what is not one is not there."""
    weights: dict[str, float] = {}
    for element in accept[:_LONGEST].split(","):
        name, *parameters = (part.strip(_OWS).lower() for part in element.split(";"))
        weight = _weight(parameters)
        if name and weight is not None:
            weights[name] = max(weight, weights.get(name, 0.0))
    return weights


def _weight(parameters: list[str]) -> float | None:
    """1 without a weight, None for one that is none."""
    for parameter in parameters:
        if parameter.startswith("q="):
            text = parameter[2:]
            return float(text) if _QVALUE.fullmatch(text) else None
    return 1.0


def width_of(ask: Ask) -> int:
    """The client's width hint, rounded up to one of a few."""
    hinted = _hint(ask, "sec-ch-width", "width")
    if hinted is None:
        return USUAL_WIDTH
    return next((width for width in WIDTHS if width >= hinted), WIDTHS[-1])


def density_of(ask: Ask) -> float:
    """The client's pixel density, rounded up to one of a few."""
    hinted = _hint(ask, "sec-ch-dpr", "dpr")
    if hinted is None:
        return DENSITIES[0]
    return next((density for density in DENSITIES if density >= hinted), DENSITIES[-1])


def saves_data(ask: Ask) -> bool:
    """Whether the client asks for fewer bytes."""
    return (ask("save-data") or "").split(";")[0].strip(_OWS).lower() == "on"


def _hint(ask: Ask, *names: str) -> float | None:
    for name in names:
        text = (ask(name) or "").strip(_OWS)
        if _NUMBER.fullmatch(text) and float(text) > 0:
            return float(text)
    return None


def settled(wanted: Wanted, ask: Ask) -> Wish:
    """The wish of this client: everything it left to its headers is known."""
    negotiable = wanted.format == AUTO
    hints = _hints_of(wanted)
    vary = ("Accept",) * negotiable + hints + ("Save-Data",) * (wanted.quality == AUTO)
    return Wish(
        wanted=_sized(wanted, ask),
        reads=reads_of(ask("accept")) if negotiable else None,
        saving=wanted.quality == AUTO and saves_data(ask),
        vary=vary,
        hints=hints,
    )


def _hints_of(wanted: Wanted) -> tuple[str, ...]:
    width = ("Sec-CH-Width", "Width") if wanted.width == AUTO else ()
    return width + (("Sec-CH-DPR", "DPR") if wanted.dense else ())


def _sized(wanted: Wanted, ask: Ask) -> Wanted:
    """A width that is hinted counts the screen's pixels, so density comes first."""
    if wanted.dense:
        wanted = scaled(wanted, density_of(ask))
    if wanted.width == AUTO:
        wanted = msgspec.structs.replace(wanted, width=width_of(ask))
    return wanted
