"""The engine: every kind of file in, every format out, and what hostile files get instead."""

import contextlib
import http.server
import io
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips
from PIL import Image, ImageChops, ImageStat

from models.colour import Colour
from models.errors import (
    BadRequest,
    DamagedImage,
    EmptyFile,
    ImageTooLarge,
    NotAnImage,
    ServiceError,
    Unprocessable,
)
from models.recipe import (
    Avif,
    Gif,
    Ico,
    Jpeg,
    Output,
    Padding,
    Png,
    Recipe,
    Resize,
    Webp,
    thumbnails,
)
from pipeline import engine, engine_develop
from pipeline.prints import Picture, Print
from tests import heics, pictures

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
RED, WHITE, GREEN = (
    Colour(red=255.0),
    Colour(red=255.0, green=255.0, blue=255.0),
    Colour(green=255.0),
)
QUICK = Avif(effort=0)


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    engine.prepare()


class Files:
    """Puts bytes where the engine can read them, under a name that tells nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def __call__(self, data: bytes) -> Path:
        self.count += 1
        path = self.folder / f"upload-{self.count}[n=1].bin"  # brackets are not options
        path.write_bytes(data)
        return path


@pytest.fixture
def put(tmp_path: Path) -> Files:
    return Files(tmp_path)


def render(path: Path, *recipes: Recipe) -> list[Print]:
    return list(engine.render(path, recipes))


def one(
    path: Path,
    resize: Resize | None = None,
    output: Output | None = None,
    ratio: float | None = None,
) -> Print:
    recipe = Recipe(resize=resize or Resize(), output=output or Png(), ratio=ratio)
    return render(path, recipe)[0]


def seen(made: Print) -> Image.Image:
    """The print as Pillow sees it: another decoder than the one under test."""
    picture = Image.open(io.BytesIO(made.data))
    picture.load()
    return picture


def colour_at(made: Print, x: int, y: int) -> tuple[int, ...]:
    pixel = seen(made).convert("RGBA").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(int(level) for level in pixel)


def near(left: tuple[int, ...], right: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(left, right, strict=True))


def ultra_hdr() -> bytes:
    """A JPEG with a gain map: three times as bright on a screen that can."""
    scene = pyvips.Image.new_from_buffer(pictures.png(640, 400), "").colourspace("scrgb")
    return bytes((scene * [3.0, 3.0, 3.0]).copy(interpretation="scrgb").uhdrsave_buffer(Q=90))


INPUTS = {
    "ultra hdr jpeg": (ultra_hdr(), "jpeg", False),
    "jpeg": (pictures.jpeg(), "jpeg", False),
    "progressive jpeg": (pictures.jpeg(progressive=True), "jpeg", False),
    "grey jpeg": (pictures.jpeg(mode="L"), "jpeg", False),
    "cmyk jpeg": (pictures.jpeg(mode="CMYK"), "jpeg", False),
    "png": (pictures.png(), "png", False),
    "png with alpha": (pictures.png(mode="RGBA"), "png", True),
    "grey png with alpha": (pictures.png(mode="LA"), "png", True),
    "palette png": (pictures.png(mode="P"), "png", False),
    "1-bit png": (pictures.png(mode="1"), "png", False),
    "16-bit grey png": (pictures.png16(WIDE := 64, 48, channels=1), "png", False),
    "16-bit grey png with alpha": (pictures.png16(WIDE, 48, channels=2), "png", True),
    "16-bit png": (pictures.png16(WIDE, 48, channels=3), "png", False),
    "16-bit png with alpha": (pictures.png16(WIDE, 48, channels=4), "png", True),
    "animated png": (pictures.apng(), "png", False),
    "webp": (pictures.webp(), "webp", False),
    "webp with alpha": (pictures.webp(mode="RGBA"), "webp", True),
    "animated webp": (pictures.animated_webp(), "webp", True),
    "gif": (pictures.gif(), "gif", False),
    "animated gif": (pictures.animated_gif(), "gif", True),
    "avif": (pictures.avif(), "avif", False),
    "avif with alpha": (pictures.avif(mode="RGBA"), "avif", True),
    "tiff": (pictures.tiff(), "tiff", False),
    "cmyk tiff": (pictures.tiff(mode="CMYK"), "tiff", False),
    "tiff with alpha": (pictures.tiff(mode="RGBA"), "tiff", True),
    "heic": (heics.PLAIN, "heic", False),
    "10-bit heic": (heics.DEEP, "heic", False),
    "turned heic": (heics.TURNED, "heic", False),
    "display p3 heic": (heics.DISPLAY_P3, "heic", False),
    "odd heic": (heics.ODD, "heic", False),
    "grey heic": (heics.GREY, "heic", False),
    "heic with alpha": (heics.CLEAR, "heic", True),
    "svg": (pictures.svg(), "svg", True),
}
OUTPUTS: list[Output] = [Jpeg(), Png(), Webp(), QUICK, Gif(), Ico()]
PILLOW_NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "avif": "AVIF",
    "gif": "GIF",
    "ico": "ICO",
}


@pytest.mark.parametrize("name", INPUTS)
def test_every_kind_of_picture_becomes_every_format(name: str, put: Files) -> None:
    data, kind, alpha = INPUTS[name]
    path = put(data)
    found = engine.probe(path)
    assert (found.format, found.alpha) == (kind, alpha)
    prints = render(path, *(Recipe(resize=Resize(width=40), output=output) for output in OUTPUTS))
    for made in prints[:5]:
        assert seen(made).format == PILLOW_NAMES[made.format]
        assert seen(made).size == (made.width, made.height)
        assert made.width == 40
        assert abs(made.height - 40 * found.height / found.width) <= 1
    assert seen(prints[5]).format == "ICO"


def test_a_probe_says_what_the_header_says(put: Files) -> None:
    deep = engine.probe(put(pictures.png16(64, 48, channels=4)))
    assert (deep.width, deep.height, deep.bits, deep.bands, deep.alpha) == (64, 48, 16, 4, True)
    assert deep.content_type == "image/png"
    animated = engine.probe(put(pictures.animated_gif(5)))
    assert (animated.frames, animated.width, animated.height) == (5, 80, 60)
    assert engine.probe(put(pictures.apng())).frames == 1
    assert engine.probe(put(pictures.jpeg(progressive=True))).interlaced
    assert not engine.probe(put(pictures.jpeg())).interlaced
    assert engine.probe(put(pictures.jpeg())).extension == "jpg"
    assert engine.probe(put(heics.TURNED)).width == 48
    assert engine.probe(put(heics.DEEP)).bits == 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_picture_is_always_upright(orientation: int, kind: str, put: Files) -> None:
    draw = {"jpeg": pictures.jpeg, "png": pictures.png, "webp": pictures.webp}[kind]
    path = put(draw(480, 320, orientation=orientation))
    turned = orientation >= 5
    found = engine.probe(path)
    assert (found.width, found.height) == ((320, 480) if turned else (480, 320))
    made = one(path, Resize(width=60))
    assert (made.width, made.height) == (60, 90 if turned else 40)
    # The red corner of the scene is at the top left before it is turned.
    corners = {
        1: (1, 1), 2: (58, 1), 3: (58, 38), 4: (1, 38),
        5: (1, 1), 6: (58, 1), 7: (58, 88), 8: (1, 88),
    }  # fmt: skip
    assert near(colour_at(made, *corners[orientation]), (220, 20, 20, 255), by=30)
    assert one(path, Resize(width=60, height=50, fit="cover")).height == 50


def test_metadata_and_profiles_are_left_behind(put: Files) -> None:
    path = put(pictures.jpeg(orientation=6, icc=srgb_profile()))
    for made in render(path, *(Recipe(output=output) for output in OUTPUTS[:4])):
        picture = seen(made)
        assert not picture.getexif()
        assert "icc_profile" not in picture.info


def srgb_profile() -> bytes:
    return bytes(pyvips.Image.profile_load("srgb"))


def p3_profile() -> bytes:
    return bytes(pyvips.Image.profile_load("p3"))


def test_a_profile_is_honoured_and_a_broken_one_ignored(put: Files) -> None:
    plain = colour_at(one(put(pictures.png())), 20, 10)
    assert plain == (220, 20, 20, 255)
    wide = colour_at(one(put(pictures.png(icc=p3_profile()))), 20, 10)
    assert wide[0] > 230  # the same numbers in Display P3 are a stronger red in sRGB
    assert colour_at(one(put(pictures.png(icc=b"nonsense" * 40))), 20, 10) == plain


def test_a_display_p3_heic_keeps_its_colours(put: Files) -> None:
    plain = seen(one(put(heics.PLAIN))).convert("RGB")
    for data in (heics.DISPLAY_P3, heics.SIGNALLED_P3):  # the same scene in other numbers
        made = seen(one(put(data))).convert("RGB")
        assert apart(made, plain) < 7  # 4.7; without the profile 11.8


def test_a_heic_of_odd_sides_is_not_skewed(put: Files) -> None:
    for data, mode in ((heics.ODD, "RGB"), (heics.GREY, "L")):
        made = seen(one(put(data))).convert("RGB")
        drawn = pictures.scene(61, 43, mode).convert("RGB")
        skewed = ImageChops.offset(drawn, 5, 0)
        assert made.size == (61, 43)
        assert apart(made, drawn) < 12 < apart(made, skewed)


def apart(left: Image.Image, right: Image.Image) -> float:
    """How many levels two pictures differ by, seen from afar, on average."""
    difference = ImageChops.difference(left.resize((15, 10)), right.resize((15, 10)))
    return sum(ImageStat.Stat(difference).mean) / 3


def test_a_deep_heic_is_brought_to_8_bits(put: Files) -> None:
    # The scene of `png16` runs from black to full red across and full green down.
    left, right = (colour_at(one(put(heics.DEEP)), x, 24)[0] for x in (2, 61))
    assert left < 60
    assert right > 190


def test_a_turned_heic_is_turned_once(put: Files) -> None:
    made = one(put(heics.TURNED))
    assert (made.width, made.height) == (48, 64)
    assert near(colour_at(made, 44, 4), (220, 20, 20, 255), by=25)


def test_cmyk_becomes_rgb_that_looks_alike(put: Files) -> None:
    made = one(put(pictures.jpeg(mode="CMYK")))
    red, green, blue, _ = colour_at(made, 20, 10)
    assert red > 150
    assert max(green, blue) < 110


def test_transparency_is_kept_where_it_can_be_and_white_where_not(put: Files) -> None:
    path = put(pictures.png(mode="RGBA"))  # its alpha fades to nothing at the bottom
    jpeg, png, webp, gif = render(
        path, *(Recipe(output=output) for output in (Jpeg(quality=95), Png(), Webp(), Gif()))
    )
    assert near(colour_at(jpeg, 120, 158), (255, 255, 255, 255), by=12)
    for made in (png, webp, gif):
        assert colour_at(made, 120, 158)[3] < 20


@pytest.mark.parametrize(
    "output", [Jpeg(quality=95), Png(), Webp(lossless=True), Gif(), Avif(effort=0, quality=95)]
)
def test_a_background_fills_what_is_transparent(output: Output, put: Files) -> None:
    filled = type(output)(**{**_given(output), "background": GREEN})
    made = one(put(pictures.png(mode="RGBA")), Resize(width=120), filled)
    assert near(colour_at(made, 60, 79), (0, 255, 0, 255), by=14)
    assert seen(made).convert("RGBA").getextrema()[3] == (255, 255)


def _given(output: Output) -> dict[str, object]:
    return {name: getattr(output, name) for name in output.__struct_fields__}


@pytest.mark.parametrize("width", [21, 150])
def test_the_colour_of_clear_pixels_does_not_bleed(width: int, put: Files) -> None:
    half = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    half.paste((255, 0, 0, 255), (0, 0, 31, 64))
    buffer = io.BytesIO()
    half.save(buffer, "PNG")
    made = seen(one(put(buffer.getvalue()), Resize(width=width))).convert("RGBA")
    edges = [pixel for _, pixel in made.getcolors() or [] if isinstance(pixel, tuple)]
    assert len(edges) > 2
    assert all(pixel[1] < 10 for pixel in edges if pixel[3] > 10)


def test_a_translucent_letterbox_is_flattened_too(put: Files) -> None:
    clear = Colour(alpha=0)
    resize = Resize(width=60, height=60, fit="contain", background=clear)
    made = one(put(pictures.png()), resize, Jpeg(quality=95, background=GREEN))
    assert near(colour_at(made, 30, 2), (0, 255, 0, 255), by=8)
    assert colour_at(one(put(pictures.png()), resize), 30, 2)[3] == 0


def test_padding_is_added_outside_and_filled(put: Files) -> None:
    resize = Resize(width=60, padding=Padding(px=5, py=7), background=RED)
    made = one(put(pictures.png()), resize)
    assert (made.width, made.height) == (70, 54)
    for x, y in ((0, 0), (4, 20), (65, 20), (30, 6), (30, 47), (69, 53)):
        assert colour_at(made, x, y) == (255, 0, 0, 255)
    assert colour_at(made, 30, 27) != (255, 0, 0, 255)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "svg"])
def test_a_ratio_with_a_width_fixes_the_height(kind: str, put: Files) -> None:
    draw = {"jpeg": pictures.jpeg, "png": pictures.png, "webp": pictures.webp, "svg": pictures.svg}
    path = put(draw[kind](1003, 667))
    for width, height in ((720, 405), (320, 180), (120, 68), (1440, 810)):
        made = one(path, Resize(width=width), ratio=16 / 9)
        assert (made.width, made.height) == (width, height)
    assert (made := one(path, ratio=1.0)).width == made.height == 667


def test_a_ratio_keeps_the_side_that_is_asked_for(put: Files) -> None:
    path = put(pictures.png(240, 240))
    top = one(path, Resize(width=60, position="top"), ratio=2.0)
    assert near(colour_at(top, 3, 3), (220, 20, 20, 255), by=8)
    bottom = one(path, Resize(width=60, position="bottom"), ratio=2.0)
    assert not near(colour_at(bottom, 3, 3), (220, 20, 20, 255), by=60)


def test_a_ratio_of_a_turned_picture_is_meant_upright(put: Files) -> None:
    made = one(put(pictures.jpeg(480, 320, orientation=6)), Resize(width=100), ratio=2.0)
    assert (made.width, made.height) == (100, 50)


def test_a_ratio_is_a_plain_cover_when_only_a_width_is_given(put: Files) -> None:
    path = put(pictures.jpeg(1003, 667))
    assert (
        one(path, Resize(width=320), ratio=16 / 9).data
        == one(path, Resize(width=320, height=180)).data
    )


def test_thumbnails_are_120_and_320_wide(put: Files) -> None:
    small, big = render(put(pictures.jpeg(640, 400)), *thumbnails(1.9))
    assert [(made.width, made.height, made.format) for made in (small, big)] == [
        (120, 63, "webp"),
        (320, 168, "webp"),
    ]


def test_a_strategy_finds_what_is_worth_seeing(put: Files) -> None:
    ground = Image.new("RGB", (400, 100), (90, 110, 130))
    ground.paste(pictures.scene(60, 60), (300, 20))
    buffer = io.BytesIO()
    ground.save(buffer, "PNG")
    path = put(buffer.getvalue())
    centre = seen(one(path, Resize(width=80, height=100))).getcolors()
    assert centre == [(8000, (90, 110, 130))]
    for position in ("attention", "entropy"):
        found = one(path, Resize(width=80, height=100, position=position))
        assert len(set(seen(found).convert("RGB").tobytes())) > 50


def test_contain_without_reduction_shows_the_whole_picture(put: Files) -> None:
    resize = Resize(width=60, height=300, fit="contain", without_reduction=True)
    made = one(put(pictures.png(240, 160)), resize)
    assert (made.width, made.height) == (240, 300)
    assert colour_at(made, 5, 75) == (220, 20, 20, 255)


# Animation


def strip(made: Print) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(made.data, "", n=-1)


@pytest.mark.parametrize("data", [pictures.animated_webp(), pictures.animated_gif()])
@pytest.mark.parametrize("output", [Webp(), Gif()])
@pytest.mark.parametrize(
    ("resize", "size"),
    [
        (Resize(), (80, 60)),
        (Resize(width=40), (40, 30)),
        (Resize(width=30, height=30), (30, 30)),
        (Resize(width=30, height=30, position="attention"), (30, 30)),
        (Resize(width=50, height=50, fit="contain"), (50, 50)),
        (Resize(width=33, padding=Padding(px=1, py=2)), (35, 29)),
    ],
)  # fmt: skip
def test_an_animation_stays_one(
    data: bytes, output: Output, resize: Resize, size: tuple[int, int], put: Files
) -> None:
    made = one(put(data), resize, output)
    animation = strip(made)
    assert animation.get("n-pages") == 4
    assert (animation.width, animation.get("page-height")) == size == (made.width, made.height)
    assert animation.get("delay") == [100, 200, 300, 400]
    assert animation.get("loop") == strip_of(data).get("loop")


def strip_of(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "", n=-1)


def test_every_frame_is_cut_to_the_ratio(put: Files) -> None:
    made = one(put(pictures.animated_gif()), Resize(width=40), Webp(), ratio=1.0)
    assert (made.width, made.height, strip(made).get("n-pages")) == (40, 40, 4)


def test_delay_and_loop_can_be_named(put: Files) -> None:
    path = put(pictures.animated_webp())
    animation = strip(one(path, output=Gif(delay=(50,), loop=7)))
    assert animation.get("delay") == [50] * 4
    assert animation.get("loop") == 7
    each = strip(one(path, output=Webp(delay=(50, 60, 70, 80))))
    assert each.get("delay") == [50, 60, 70, 80]


@pytest.mark.parametrize("output", [Jpeg(), Png(), QUICK, Ico()])
def test_an_animation_gives_its_first_frame_elsewhere(output: Output, put: Files) -> None:
    first, _ = render(
        put(pictures.animated_gif()), Recipe(resize=Resize(width=40), output=output), Recipe()
    )
    assert getattr(seen(first), "n_frames", 1) == 1
    if not isinstance(output, Ico):
        assert (first.width, first.height) == (40, 30)


def test_an_animation_with_an_orientation_is_turned_frame_by_frame(put: Files) -> None:
    frames = pictures.frames()
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], exif=exif)
    made = one(put(buffer.getvalue()), Resize(width=30), Webp())
    assert (made.width, made.height, strip(made).get("n-pages")) == (30, 40, 4)


# SVG


@pytest.mark.parametrize("width", [30, 120, 960])
def test_a_drawing_is_drawn_at_the_size_asked_for(width: int, put: Files) -> None:
    made = one(put(pictures.svg()), Resize(width=width))
    assert (made.width, made.height) == (width, width * 2 // 3)
    row = seen(made).crop((0, made.height // 2, width, made.height // 2 + 1)).convert("RGB")
    blurred = [
        count for count, pixel in row.getcolors() or [] if pixel not in {(255, 0, 0), (0, 0, 255)}
    ]
    assert sum(blurred) <= 2  # edges are as sharp at every size: it was not enlarged from pixels


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A web server that remembers what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pictures.png(10, 10))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_a_drawing_reaches_no_other_file_and_no_network(
    put: Files, listener: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = listener
    green = tmp_path / "green.png"
    Image.new("RGB", (120, 80), (0, 255, 0)).save(green)
    (tmp_path / "green.css").write_text("rect{fill:#00ff00}")
    (tmp_path / "green.svg").write_bytes(
        pictures.svg(inside='<rect id="g" width="120" height="80" fill="#0f0"/>')
    )
    whole = 'width="120" height="80"'
    for inside in (
        f'<image {whole} href="{address}/a.png"/>',
        f'<image {whole} xlink:href="{address}/b.png"/>',
        f'<image {whole} href="{green.as_uri()}"/>',
        f'<image {whole} href="{green}"/>',
        f'<image {whole} href="green.png"/>',
        f'<image {whole} href="./green.png"/>',
        '<use href="green.svg#g"/>',
        f'<use href="{(tmp_path / "green.svg").as_uri()}#g"/>',
        f'<use href="{address}/c.svg#g"/>',
        f'<style>@import url("{address}/d.css");</style>',
        f'<style>@import url("{(tmp_path / "green.css").as_uri()}");</style>',
        f'<rect {whole} fill="url({address}/e.svg#g)"/>',
        f'<filter id="f"><feImage href="{green}"/></filter><rect {whole} filter="url(#f)"/>',
        f'<foreignObject {whole}><img src="{address}/f.png"/></foreignObject>',
        f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{green.as_uri()}"/>',
    ):  # fmt: skip
        made = one(put(pictures.svg(inside=inside)), Resize(width=120))
        levels = {colour_at(made, x, y) for x in range(0, 120, 10) for y in range(0, 80, 10)}
        assert (0, 255, 0, 255) not in levels, inside
    assert asked == []


def test_a_drawings_entities_reach_no_file(put: Files, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text('<rect width="120" height="80" fill="#00ff00"/>')
    body = pictures.svg(inside="&leak;").decode()
    for declared in (
        f'<!DOCTYPE svg [<!ENTITY leak SYSTEM "{secret.as_uri()}">]>',
        f'<!DOCTYPE svg [<!ENTITY % all SYSTEM "{secret.as_uri()}"> %all;]>',
    ):
        path = put(f'<?xml version="1.0"?>{declared}{body}'.encode())
        try:
            made = one(path, Resize(width=120))
        except ServiceError:
            continue
        assert colour_at(made, 3, 3) == (0, 0, 255, 255)


def test_a_drawings_entities_do_not_multiply(put: Files) -> None:
    lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "lol">{lol}]>'
    path = put(text.encode() + pictures.svg(inside="<text>&l9;</text>"))
    with pytest.raises(DamagedImage):
        one(path, Resize(width=20))


@pytest.mark.parametrize(
    ("drawing", "error"),
    [
        (pictures.svg(10_000_000, 10_000_000), ImageTooLarge),
        (pictures.svg(40_000, 10), ImageTooLarge),
        (pictures.svg(20_000, 20_000), ImageTooLarge),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect", DamagedImage),
    ],
)
def test_a_drawing_without_sensible_bounds_is_refused(
    drawing: bytes, error: type[ServiceError], put: Files
) -> None:
    with pytest.raises(error):
        one(put(drawing))


def test_a_drawing_may_begin_with_comments_and_a_doctype(put: Files) -> None:
    before = (
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn by hand -->\n'
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        b'"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    )
    assert engine.probe(put(before + pictures.svg())).format == "svg"


# What is not a picture


@pytest.mark.parametrize(
    "data",
    [
        b"x", b"hello, world", b"\0" * 4096, b"%PDF-1.7\n", b"BM" + b"\0" * 60, b"\xff\xd8",
        b"<html><svg></svg></html>", b"<?xml version='1.0'?><feed/>", b"GIF88a" + b"\0" * 60,
        b"P6 1 1 255\n\0\0\0", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 60, b"8BPS" + b"\0" * 60,
        b"RIFF\0\0\0\0WAVEfmt ", b"\0\0\0\x18ftypmp42" + b"\0" * 60, b"\0\0\1\0\1\0" + b"\0" * 60,
        b"\x1f\x8b\x08\0" + b"\0" * 60, b"1,2,3\n4,5,6\n", b"#define x_width 1\n", b"\xff\x0a" * 40,
    ],
)  # fmt: skip
def test_what_is_no_picture_is_told_so(data: bytes, put: Files) -> None:
    path = put(data)
    with pytest.raises(NotAnImage):
        engine.probe(path)
    with pytest.raises(NotAnImage):
        render(path, Recipe())


def test_an_empty_file_is_told_so(put: Files) -> None:
    with pytest.raises(EmptyFile):
        engine.probe(put(b""))


@pytest.mark.parametrize("name", sorted(set(INPUTS) - {"svg", "animated png"}))
@pytest.mark.parametrize("left", [0.25, 0.6, 0.9])
def test_a_truncated_picture_is_damaged(name: str, left: float, put: Files) -> None:
    data = INPUTS[name][0]
    path = put(data[: int(len(data) * left)])
    with pytest.raises((DamagedImage, NotAnImage)):
        one(path, Resize(width=30), Webp())


@pytest.mark.parametrize("name", sorted(set(INPUTS) - {"svg"}))
def test_a_damaged_picture_ends_in_pixels_or_a_name(name: str, put: Files) -> None:
    data = bytearray(INPUTS[name][0])
    for start in range(16, 200, 24):
        data[start * len(data) // 220 % len(data)] ^= 0xA5
        path = put(bytes(data))
        with contextlib.suppress(BadRequest, Unprocessable):
            assert one(path, Resize(width=30), Webp()).data


def test_too_many_pixels_are_refused_from_the_header(put: Files) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = pictures.png_file(("IHDR", header), ("IDAT", b""), ("IEND", b""))
    with pytest.raises(ImageTooLarge):
        engine.probe(put(bomb))


@pytest.mark.parametrize(
    ("output", "side"),
    [(Webp(), 16_384), (Avif(effort=0), 16_385), (Jpeg(), 65_536), (Gif(), 65_536)],
)
def test_a_format_too_small_for_the_picture_is_refused(
    output: Output, side: int, put: Files
) -> None:
    path = put(pictures.png(40, 1))
    with pytest.raises(ImageTooLarge) as refused:
        one(path, Resize(width=side, height=1, fit="fill"), output)
    assert str(side - 1) in refused.value.sentence


def test_an_enlargement_beyond_all_memory_is_refused(put: Files) -> None:
    for resize in (
        Resize(width=100_000_000, height=100_000_000, fit="fill"),
        Resize(width=30_000),
        Resize(padding=Padding(px=1_000_000, py=1_000_000)),
        Resize(width=30_000, height=30_000, position="attention"),
    ):
        with pytest.raises(Unprocessable):
            one(put(pictures.jpeg(orientation=6)), resize)


# Icons


def test_an_icon_holds_squares_of_the_usual_sides(put: Files) -> None:
    made = one(put(pictures.png()), output=Ico())
    icon = seen(made)
    assert icon.info["sizes"] == {(16, 16), (32, 32), (48, 48), (240, 240)}
    assert (made.width, made.height) == (240, 240)
    assert made.content_type == "image/x-icon"
    named = seen(one(put(pictures.png()), output=Ico(sizes=(16, 256))))
    assert named.info["sizes"] == {(16, 16), (256, 256)}


def test_an_icon_pads_with_nothing_and_keeps_the_picture_whole(put: Files) -> None:
    made = one(put(pictures.png()), output=Ico(sizes=(120,)))
    assert colour_at(made, 60, 2)[3] == 0
    assert near(colour_at(made, 8, 25), (220, 20, 20, 255), by=8)


# Sharing


def test_recipes_share_decodes_and_pictures(put: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"decode": 0, "place": 0}
    for name in counts:
        real = getattr(engine_develop, name)

        def counted(
            *args: object, _name: str = name, _real: object = real, **more: object
        ) -> object:
            counts[_name] += 1
            return _real(*args, **more)  # type: ignore[operator]

        monkeypatch.setattr(engine, name, counted)
    sizes = [Resize(width=width) for width in (1000, 900, 800)]
    recipes = [
        Recipe(resize=resize, output=output) for resize in sizes for output in (Webp(), Jpeg())
    ]
    assert len(render(put(pictures.jpeg(1200, 800)), *recipes)) == 6
    assert counts == {"decode": 1, "place": 3}


def test_prints_come_in_the_order_of_the_recipes(put: Files) -> None:
    path = put(pictures.png(mode="RGBA"))
    recipes = [
        Recipe(resize=Resize(width=width), output=output)
        for output in (Jpeg(), Png(), QUICK)
        for width in (30, 20, 10)
    ]
    made = render(path, *recipes)
    assert [(one.format, one.width) for one in made] == [
        (name, width) for name in ("jpeg", "png", "avif") for width in (30, 20, 10)
    ]


def test_a_shared_render_gives_the_bytes_of_single_ones(put: Files) -> None:
    path = put(pictures.webp(mode="RGBA"))
    recipes = [
        Recipe(resize=Resize(width=width, padding=Padding(px=1)), output=output, ratio=ratio)
        for width in (100, 90)
        for output in (Jpeg(), Png(), Webp(), QUICK, Gif(), Ico(sizes=(16,)))
        for ratio in (None, 1.0)
    ]
    together = [made.data for made in render(path, *recipes)]
    alone = [render(path, recipe)[0].data for recipe in recipes]
    assert together == alone


@pytest.mark.parametrize(
    "data", [pictures.jpeg(), pictures.animated_gif(), pictures.png16(channels=2)]
)
def test_a_picture_can_travel_as_raw_bytes(data: bytes, put: Files, tmp_path: Path) -> None:
    path = put(data)
    for output in (Webp(), Gif(), Png(), Jpeg(), QUICK):
        picture = engine.develop(path, Recipe(resize=Resize(width=40), output=output))
        (tmp_path / "raw").write_bytes(picture.pixels)
        moved = Picture(picture.canvas, (tmp_path / "raw").read_bytes())
        assert engine.encode(moved, output).data == engine.encode(picture, output).data
        assert len(moved.pixels) == (
            picture.canvas.width * picture.canvas.height * picture.canvas.bands
        )


def test_named_options_reach_the_encoder(put: Files) -> None:
    path = put(pictures.png())
    small, large = (len(one(path, output=Jpeg(quality=quality)).data) for quality in (20, 95))
    assert small * 3 < large
    assert seen(one(path, output=Png(colours=4))).mode == "P"
    assert seen(one(path, output=Jpeg(progressive=True))).info["progressive"]
    assert "progressive" not in seen(one(path, output=Jpeg(progressive=False))).info
    lossless = seen(one(path, output=Webp(lossless=True, exact=True)))
    assert lossless.convert("RGB").tobytes() == pictures.scene().tobytes()
    exact = seen(one(path, output=Avif(lossless=True, effort=0)))
    assert exact.convert("RGB").tobytes() == pictures.scene().tobytes()


@pytest.mark.skipif(not PHOTOS.exists(), reason="the photos are not here")
def test_real_heic_photos_are_upright() -> None:
    for name, size in (("52-img_1034.heic", (64, 48)), ("53-img_2927.heic", (64, 85))):
        made = one(PHOTOS / name, Resize(width=64), Jpeg())
        assert (made.width, made.height) == size
