"""Whether a GIF is whole. Decoders show what they have and keep quiet about the rest."""

from typing import Final

HEADER: Final = 13


def is_whole(data: bytes) -> bool:
    """True unless the file ends inside a block. A missing trailer alone is harmless and common."""
    try:
        at = HEADER + table_size(data[10])
        while at < len(data):
            match data[at]:
                case 0x2C:
                    at = after_blocks(data, at + 11 + table_size(data[at + 9]))
                case 0x21:
                    at = after_blocks(data, at + 2)
                case _:
                    return True  # the trailer, or padding that every decoder stops at
    except IndexError:
        return False
    return at == len(data)


def table_size(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def after_blocks(data: bytes, at: int) -> int:
    """Past a chain of sub-blocks, each led by its length; 0 ends the chain."""
    while length := data[at]:
        at += length + 1
    return at + 1
