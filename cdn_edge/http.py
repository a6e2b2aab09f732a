"""What RFC 9110 says about conditions and ranges. Texts in, verdicts out."""

import calendar
import re
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal, NamedTuple, TypeAlias

Ask: TypeAlias = Callable[[str], str | None]
"""The value of a request header by its lower-case name; several lines joined by a comma."""

_OK, _NOT_MODIFIED = HTTPStatus.OK, HTTPStatus.NOT_MODIFIED
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_CLOCK = r"(?P<h>[01][0-9]|2[0-3]):(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9]|60)"
_DATES = (
    re.compile(
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) (?P<month>{_MONTH}) "
        rf"(?P<year>[0-9]{{4}}) {_CLOCK} GMT"
    ),
    re.compile(
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-(?P<month>{_MONTH})-"
        rf"(?P<year>[0-9]{{2}}) {_CLOCK} GMT"
    ),
    re.compile(
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>{_MONTH}) (?P<day>[0-9]{{2}}| [0-9]) "
        rf"{_CLOCK} (?P<year>[0-9]{{4}})"
    ),
)
_CENTURY_TURN = 70
"""RFC 850 years have two digits: 70 and later were the 1900s."""
_LONGEST_RANGE = 200
"""A Range of many parts costs us more than the sender: longer texts are ignored unread."""
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


class Slice(NamedTuple):
    """Bytes `first` to `last`, both included, as in Content-Range."""

    first: int
    last: int


def write_date(seconds: int) -> str:
    """Unix seconds as an IMF-fixdate."""
    return formatdate(seconds, usegmt=True)


def read_date(text: str) -> int | None:
    """Unix seconds of an HTTP-date in any of its three forms; None for anything else."""
    match = next((found for form in _DATES if (found := form.fullmatch(text.strip(" \t")))), None)
    if match is None:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == len("94"):
        year += 1900 if year >= _CENTURY_TURN else 2000
    month = _MONTHS.index(match["month"]) + 1
    if not 1 <= day <= calendar.monthrange(max(year, 1), month)[1]:
        return None
    return calendar.timegm((year, month, day, int(match["h"]), int(match["m"]), int(match["s"])))


def lists_tag(text: str, etag: str, *, weakly: bool) -> bool:
    """Whether an If-Match or If-None-Match names this strong, quoted entity tag, or is `*`."""
    if text.strip(" \t") == "*":
        return True
    return any(f'"{tag}"' == etag and (weakly or not weak) for weak, tag in _TAG.findall(text))


def _later_than(modified: int, text: str | None) -> bool | None:
    """Whether `modified` is after the date; None when there is no valid date to compare with."""
    date = read_date(text) if text is not None else None
    return None if date is None else modified > date


def verdict(ask: Ask, etag: str, modified: int) -> HTTPStatus:
    """What the preconditions of a GET or HEAD decide, in the order of RFC 9110, 13.2.2."""
    if (wanted := ask("if-match")) is not None:
        if not lists_tag(wanted, etag, weakly=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif _later_than(modified, ask("if-unmodified-since")):
        return HTTPStatus.PRECONDITION_FAILED
    if (known := ask("if-none-match")) is not None:
        return _NOT_MODIFIED if lists_tag(known, etag, weakly=True) else _OK
    return _NOT_MODIFIED if _later_than(modified, ask("if-modified-since")) is False else _OK


def range_applies(if_range: str | None, etag: str, modified: int) -> bool:
    """Whether the sender's part belongs to these bytes: a strong match, or the exact date."""
    if if_range is None:
        return True
    text = if_range.strip(" \t")
    return text == etag or read_date(text) == modified


def read_range(text: str, size: int) -> Slice | Literal["unsatisfiable"] | None:
    """The one part asked for; None means send the whole: not a range, not valid, or several."""
    unit, _, ranges = text[: _LONGEST_RANGE + 1].partition("=")
    parts = [part for piece in ranges.split(",") if (part := piece.strip(" \t"))]
    if len(text) > _LONGEST_RANGE or unit.strip(" \t").lower() != "bytes" or len(parts) != 1:
        return None
    match = _RANGE.fullmatch(parts[0])
    if match is None or match[0] == "-":
        return None
    return _resolve(match[1], match[2], size)


def _resolve(first: str, last: str, size: int) -> Slice | Literal["unsatisfiable"] | None:
    if not first:
        length = min(int(last), size)
        return Slice(size - length, size - 1) if length else "unsatisfiable"
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return "unsatisfiable"
    return Slice(int(first), min(int(last), size - 1) if last else size - 1)
