"""What a file of ours holds, told from its bytes: whether one can see through it, whether it moves.

Only for what our own encoders wrote; for anything else the answer is a guess, and never an error.
"""

from typing import Final, NamedTuple

_ALPHA_FLAG, _MOVING_FLAG = 0x10, 0x02
_VP8L_ALPHA: Final = 0x10
_CLEAR_PNG: Final = (4, 6)
_FLAGS_AT, _COLOUR_AT = 20, 25
_FRAME: Final = b"\x21\xf9\x04"
_CLEAR_GIF: Final = 0x01


class Look(NamedTuple):
    """What is in a picture."""

    alpha: bool = False
    animated: bool = False


def look_at(data: bytes) -> Look:
    """What these bytes hold."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:4] == b"\x89PNG" and len(data) > _COLOUR_AT:
        return Look(alpha=data[_COLOUR_AT] in _CLEAR_PNG or b"tRNS" in data[:4096])
    if data[:4] == b"GIF8":
        return _gif(data)
    if data[4:8] == b"ftyp":
        return Look(alpha=b"auxid:1" in data[:4096] or b"auxiliary:alpha" in data[:4096])
    return Look()


def _webp(data: bytes) -> Look:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) > _FLAGS_AT:
        flags = data[_FLAGS_AT]
        return Look(alpha=bool(flags & _ALPHA_FLAG), animated=bool(flags & _MOVING_FLAG))
    if kind == b"VP8L" and len(data) > _FLAGS_AT + 4:
        return Look(alpha=bool(data[_FLAGS_AT + 4] & _VP8L_ALPHA))
    return Look()


def _gif(data: bytes) -> Look:
    """Every frame of ours begins with its control block, which knows of transparency."""
    first = data.find(_FRAME)
    moving = first >= 0 and data.find(_FRAME, first + 1) >= 0
    clear = (
        first >= 0
        and bool(data[first + 3 : first + 4][:1] > b"\0")
        and bool(data[first + 3] & _CLEAR_GIF)
    )
    return Look(alpha=clear, animated=moving)
