"""The grammar of the edge's URLs: every parameter, how its text is read, and how it is written."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from cdn_edge.dialect import AUTO, LARGEST_PAD, LARGEST_SIDE, NOTHING, Wanted, scaled
from models.colour import Colour, read_colour
from models.errors import BadRequest, InvalidFields, Problem
from models.options import ALIASES, FORMATS, read_position
from models.readers import Malformed, Number, OneNumberOf, Whole, shown
from models.recipe import Orientation, Padding
from pipeline.geometry import oriented

Pairs = Mapping[str, str]
"""Parameters by name, in lower case; values decoded and as they were written."""

LONGEST_QUERY: Final = 2048
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}")
_ENCODED: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_BARE_HEX: Final = re.compile(r"(?:[0-9a-f]{3}){1,2}|[0-9a-f]{4}|[0-9a-f]{8}", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_KEY_ID: Final = re.compile(r"[a-z0-9]{4,32}")
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MOMENT: Final = re.compile(r"[0-9]{1,11}")
PRESET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LONGEST_FILE: Final = 128

FITS: Final = {
    "cover": "cover",
    "crop": "cover",
    "contain": "contain",
    "pad": "contain",
    "fill": "fill",
    "scale": "fill",
    "squeeze": "fill",
    "inside": "inside",
    "clip": "inside",
    "max": "inside",
    "scale-down": "inside",
    "outside": "outside",
    "min": "outside",
}
"""The names that other servers use, to sharp's."""
_SIDE: Final = Whole(1, LARGEST_SIDE)
_PAD: Final = Whole(0, LARGEST_PAD)
_PART: Final = Number(0.01, 10_000)
_RATIO: Final = Number(0.01, 100)
_DPR: Final = Number(0.1, 5)
_BLUR: Final = Number(0.3, 100)
_SHARPEN: Final = Number(0.1, 10)
_FLIPS: Final[Mapping[str, Orientation]] = {"h": 2, "v": 4, "hv": 3, "vh": 3}
_TURNS: Final[Mapping[int, Orientation]] = {0: 1, 90: 6, 180: 3, 270: 8}


def _number(text: str) -> object:
    """A number as it is written by hand; anything else stays text, which every reader refuses."""
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    return int(number) if number.is_integer() else number


def _one_of(words: Mapping[str, Any], shown_words: str = "") -> Callable[[str], Any]:
    def read(text: str) -> object:
        if text.lower() in words:
            return words[text.lower()]
        raise Malformed(f"must be one of: {shown_words or ', '.join(words)}, not {shown(text)}")

    return read


def _or_auto(read: Callable[[object], Any]) -> Callable[[str], Any]:
    def read_either(text: str) -> object:
        return AUTO if text.lower() == AUTO else read(_number(text))

    return read_either


def _or_none(read: Number) -> Callable[[str], float]:
    def read_either(text: str) -> float:
        value = _number(text)
        return 0.0 if value == 0 else read(value)

    return read_either


def _position(text: str) -> object:
    if text.isascii() and text.isdigit():
        return read_position(int(text))
    words = sorted(re.split(r"[ _-]+", text.lower()), key=("top", "bottom").__contains__)
    return "attention" if words == ["smart"] else read_position(" ".join(words))


def _ratio(text: str) -> float:
    across, colon, down = text.partition(":")
    ratio = _PART(_number(across)) / (_PART(_number(down)) if colon else 1.0)
    return _RATIO(ratio)


def _background(text: str) -> Colour:
    """Whole channels: what is written is 8 bit."""
    colour = read_colour(f"#{text}" if _BARE_HEX.fullmatch(text) else text)
    red, green, blue = (float(int(part + 0.5)) for part in (colour.red, colour.green, colour.blue))
    return Colour(red=red, green=green, blue=blue, alpha=colour.alpha)


def _padding(text: str) -> Padding:
    across, comma, down = text.partition(",")
    px = _PAD(_number(across))
    return Padding(px=px, py=_PAD(_number(down)) if comma else px)


def _matching(pattern: re.Pattern[str], must: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise Malformed(f"must be {must}, not {shown(text)}")

    return read


def _file_name(text: str) -> str:
    """What a browser may save it as: a name, no path, nothing that is not seen."""
    if len(text) > _LONGEST_FILE or not text.isprintable() or set(text) & set('/\\<>:"|?*'):
        must = f'a file name of at most {_LONGEST_FILE} characters without / \\ < > : " | ? *'
        raise Malformed(f"must be {must}, not {shown(text)}")
    if text.strip(" .") != text:
        raise Malformed("must not begin or end with a space or a dot")
    return text


class Parameter(NamedTuple):
    """One parameter: how it is read, what it may be and is by default, and what it does."""

    read: Callable[[str], Any]
    allowed: str
    default: str
    means: str
    example: str


_FORMAT_NAMES: Final = {name: name for name in (*FORMATS, AUTO)} | ALIASES
_TRUTHS: Final = {"1": True, "true": True, "0": False, "false": False}

SHAPING: Final[Mapping[str, Parameter]] = {
    "w": Parameter(
        _or_auto(_SIDE),
        f"1 to {LARGEST_SIDE}, or `auto`",
        "from `h`, or the source's",
        "Width in pixels; `auto` takes the browser's client hint, next larger of a few widths.",
        "w=640",
    ),
    "h": Parameter(
        lambda text: _SIDE(_number(text)),
        f"1 to {LARGEST_SIDE}",
        "from `w`, or the source's",
        "Height in pixels.",
        "h=480",
    ),
    "fit": Parameter(
        _one_of(FITS),
        "`cover` (`crop`), `contain` (`pad`), `fill` (`scale`, `squeeze`), "
        "`inside` (`clip`, `max`, `scale-down`), `outside` (`min`)",
        "`cover`",
        "What happens when `w` and `h` are not in the picture's ratio.",
        "fit=inside",
    ),
    "pos": Parameter(
        _position,
        "`centre`, `top`, `right`, `bottom`, `left`, two of them as `right-top`, "
        "compass names, `entropy`, `attention` (`smart`), sharp's 0 to 8, 16, 17",
        "`centre`",
        "What stays in view when something is cut off.",
        "pos=smart",
    ),
    "ar": Parameter(
        _ratio,
        "0.01 to 100, as `16:9` or `1.777`",
        "the source's",
        "Ratio that the picture is cut to first.",
        "ar=16:9",
    ),
    "enlarge": Parameter(
        _one_of(_TRUTHS, "0, 1"),
        "`0`, `1`",
        "`0`",
        "Whether a picture may become larger than it is.",
        "enlarge=1",
    ),
    "dpr": Parameter(
        _or_auto(_DPR),
        "0.1 to 5, or `auto`",
        "`1`",
        "Multiplies `w`, `h` and `pad`; `auto` takes the browser's client hint: 1, 1.5, 2, 3.",
        "dpr=2",
    ),
    "rot": Parameter(
        lambda text: _TURNS[OneNumberOf(tuple(_TURNS))(_number(text))],
        "`0`, `90`, `180`, `270`",
        "`0`",
        "Turns clockwise, before anything but `flip`.",
        "rot=90",
    ),
    "flip": Parameter(
        _one_of(_FLIPS),
        "`h`, `v`, `hv`",
        "none",
        "Mirrors left and right, top and bottom, or both, first of all.",
        "flip=h",
    ),
    "pad": Parameter(
        _padding,
        f"0 to {LARGEST_PAD}, or two as `20,10`",
        "`0`",
        "Pixels added outside: on all sides, or left and right, then top and bottom.",
        "pad=20,10",
    ),
    "bg": Parameter(
        _background,
        "hex as `fff`, `ff8800`, `ff880080`; a CSS name; `rgb()`, `hsl()`, `hwb()`",
        "black around, white under transparency",
        "Colour of what is added, and of what is transparent if it is opaque itself.",
        "bg=ff8800",
    ),
    "blur": Parameter(
        _or_none(_BLUR), "`0`, or 0.3 to 100", "`0`", "Gaussian blur, its sigma.", "blur=5"
    ),
    "sharpen": Parameter(
        _or_none(_SHARPEN), "`0`, or 0.1 to 10", "`0`", "Sharpens; the mask's sigma.", "sharpen=1"
    ),
    "q": Parameter(
        _or_auto(Whole(1, 100)),
        "1 to 100, or `auto`",
        "by format",
        "Quality of jpeg, webp and avif; `auto` is lower for who sends `Save-Data: on`.",
        "q=70",
    ),
    "fm": Parameter(
        _one_of(_FORMAT_NAMES, ", ".join((*FORMATS, AUTO))),
        "`jpeg` (`jpg`), `png`, `webp`, `avif`, `gif`, `ico`, `auto`",
        "the source's",
        "Format; `auto` is the best that the browser's Accept allows.",
        "fm=auto",
    ),
    "auto": Parameter(
        _one_of({"format": AUTO}),
        "`format`",
        "none",
        "Another spelling of `fm=auto`.",
        "auto=format",
    ),
}
"""What shapes the pixels, and may be in a preset."""

SENDING: Final[Mapping[str, Parameter]] = {
    "preset": Parameter(
        _matching(PRESET_NAME, "the name of a preset"),
        "a preset's name",
        "none",
        "The parameters of that preset; those beside it win.",
        "preset=card",
    ),
    "download": Parameter(
        _file_name,
        f"a file name, at most {_LONGEST_FILE} characters",
        "shown, not saved",
        "Has the browser save it under this name; an extension is added if it lacks one.",
        "download=cat.jpg",
    ),
    "v": Parameter(
        _matching(_TOKEN, "1 to 32 letters, digits, '.', '_' and '-'"),
        "1 to 32 letters, digits, `.`, `_`, `-`",
        "none",
        "Makes another URL of the same result, to get past a browser's cache.",
        "v=2",
    ),
}
SIGNING: Final[Mapping[str, Parameter]] = {
    "exp": Parameter(
        lambda text: int(_matching(_MOMENT, "a moment in Unix seconds")(text)),
        "Unix seconds",
        "never",
        "When a signed URL ends: from then on it answers 410.",
        "exp=1798761600",
    ),
    "k": Parameter(
        _matching(_KEY_ID, "the id of a URL key"),
        "a URL key's id",
        "none",
        "The key that signed.",
        "k=5f2c9a3be1d0",
    ),
    "s": Parameter(
        _matching(_SIGNATURE, "a signature of 43 characters"),
        "43 characters",
        "none",
        "The signature; always the last parameter.",
        "s=...",
    ),
}
PARAMETERS: Final[Mapping[str, Parameter]] = {**SHAPING, **SENDING, **SIGNING}
_SHAPES: Final = re.compile(rf"(?:^|&)(?:preset|{'|'.join(SHAPING)})=", re.IGNORECASE)


def read_pairs(query: str, known: Mapping[str, Parameter] = PARAMETERS) -> Pairs:
    """The parameters of a raw query. Raises InvalidFields naming each that cannot be."""
    if len(query) > LONGEST_QUERY:
        raise BadRequest(f"The query is longer than {LONGEST_QUERY} characters.")
    pairs: dict[str, str] = {}
    problems: list[Problem] = []
    for piece in query.split("&") if query else ():
        name, _, value = (_decoded(part) for part in piece.partition("="))
        key = name.lower()
        if problem := _problem_of(key, value, pairs, known):
            problems.append(Problem(field=name[:32], problem=problem))
        pairs[key] = value
    if problems:
        raise InvalidFields(problems)
    return pairs


def may_shape(query: str) -> bool:
    """Whether a raw query may ask for other pixels. Not read, only looked at: an early guess."""
    return _SHAPES.search(query) is not None


def _decoded(text: str) -> str:
    """Percent-encoded UTF-8, with + for a space as forms have it."""
    try:
        if _ENCODED.fullmatch(text):
            if "%" not in text and "+" not in text:
                return text
            return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        pass
    raise BadRequest("The query is not percent-encoded UTF-8.")


def _problem_of(name: str, value: str, pairs: Pairs, known: Mapping[str, Parameter]) -> str:
    if name in pairs:
        return "is given twice"
    if name not in known:
        near = difflib.get_close_matches(name[:32], known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(known)}"
        return f"is not a parameter{hint}"
    return "" if value else f"is empty; it must be {known[name].allowed.replace('`', '')}"


def read_values(pairs: Pairs) -> dict[str, Any]:
    """The clean value of every parameter. Raises InvalidFields naming each that is wrong."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in pairs.items():
        try:
            values[name] = PARAMETERS[name].read(text)
        except Malformed as malformed:
            allowed = PARAMETERS[name].allowed.replace("`", "")
            problems.append(Problem(field=name, problem=f"{malformed} (allowed: {allowed})"))
    if problems:
        raise InvalidFields(problems)
    return values


def read_wanted(pairs: Pairs) -> Wanted:
    """What these parameters ask of the pixels."""
    values = read_values({name: text for name, text in pairs.items() if name in SHAPING})
    wanted = Wanted(
        orientation=oriented(values.pop("flip", 1), values.pop("rot", 1)),
        format=_format(values.pop("fm", None), values.pop("auto", None)),
        dense=values.get("dpr") == AUTO,
        **{_FIELDS[name]: value for name, value in values.items() if name != "dpr"},
    )
    return _fixed(wanted, values.get("dpr", 1.0))


_FIELDS: Final = {
    "w": "width",
    "h": "height",
    "fit": "fit",
    "pos": "position",
    "ar": "ratio",
    "enlarge": "enlarge",
    "pad": "padding",
    "bg": "background",
    "blur": "blur",
    "sharpen": "sharpen",
    "q": "quality",
}


def _fixed(wanted: Wanted, dpr: object) -> Wanted:
    if not isinstance(dpr, float):
        return wanted
    for name, side in (("w", wanted.width), ("h", wanted.height)):
        if isinstance(side, int) and side * dpr > LARGEST_SIDE:
            problem = f"makes {name} larger than {LARGEST_SIDE}"
            raise InvalidFields([Problem(field="dpr", problem=problem)])
    return scaled(wanted, dpr)


def _format(fm: Any, auto: Any) -> Any:  # noqa: ANN401 what their readers gave
    if fm is not None and auto is not None and fm != auto:
        raise InvalidFields([Problem(field="auto", problem="contradicts fm")])
    return auto if fm is None else fm


def write_wanted(wanted: Wanted) -> str:
    """The one query that asks for this, its parameters in order. Read again, it is the same."""
    pairs = {
        "w": wanted.width,
        "h": wanted.height,
        "dpr": AUTO if wanted.dense else None,
        "ar": wanted.ratio,
        "q": wanted.quality,
        "fm": wanted.format,
        "bg": _written_colour(wanted.background),
        "blur": wanted.blur or None,
        "sharpen": wanted.sharpen or None,
        "enlarge": 1 if wanted.enlarge else None,
        "fit": wanted.fit if wanted.fit != NOTHING.fit else None,
        "pos": wanted.position.replace(" ", "-") if wanted.position != NOTHING.position else None,
        "pad": f"{wanted.padding.px},{wanted.padding.py}" if wanted.padding != Padding() else None,
        **_ORIENTED[wanted.orientation],
    }
    return write_pairs({name: str(value) for name, value in pairs.items() if value is not None})


def write_pairs(pairs: Pairs) -> str:
    """A query of these parameters, by name."""
    return "&".join(f"{name}={quote(value, safe=',:')}" for name, value in sorted(pairs.items()))


_ORIENTED: Final[Mapping[Orientation, Mapping[str, str]]] = {
    1: {},
    2: {"flip": "h"},
    3: {"rot": "180"},
    4: {"flip": "v"},
    5: {"flip": "h", "rot": "270"},
    6: {"rot": "90"},
    7: {"flip": "h", "rot": "90"},
    8: {"rot": "270"},
}


def _written_colour(colour: Colour | None) -> str | None:
    if colour is None:
        return None
    channels = (int(colour.red), int(colour.green), int(colour.blue), colour.alpha)
    return bytes(channels).hex()
