"""The page of a public gallery: what it says, what browsers choose from, and nothing else."""

import base64
import hashlib
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.gallery_page import gallery_page, missing_page
from gateway.markup import element

ADDRESS = "https://api.example/g/1"
EDGE = "https://edge.example/b"
TAGS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "main", "nav"),
    *("h1", "p", "ul", "li", "span", "figure", "a", "picture", "source", "img", "figcaption"),
}


def variant(width: int, height: int, kind: str = "webp", size: int = 1000) -> dict[str, Any]:
    return {
        "url": f"{EDGE}/{width}x{height}.{kind}",
        "contentType": f"image/{kind}",
        "width": width,
        "height": height,
        "size": size,
    }


def image(*variants: dict[str, Any], name: str = "a.jpg", said: str | None = None) -> Any:
    asked = variants[-1]
    return {
        "id": "1",
        "originalName": name,
        "description": said,
        "width": asked["width"],
        "height": asked["height"],
        "variants": list(variants),
    }


def view(*images: Any, name: str = "Summer", page: int = 1, more: bool = False) -> Any:
    pages = {"page": page, "limit": 100, "nextPage": page + 1 if more else None}
    return {
        "gallery": {"id": "1", "name": name, "images": list(images)},
        "pagination": pages | {"previousPage": page - 1 or None},
    }


class Read(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.texts[self.tags[-1][0]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(shown: Any) -> Read:
    return Read(gallery_page(shown, ADDRESS).html)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
markup = st.sampled_from(
    ["</h1>", "<script>", '"', "'", "&lt;", "&#60;", "-->", "</style>", "<!--"]
)
words = st.lists(st.one_of(texts, markup), min_size=1).map("".join)


@given(name=words, said=words, called=words)
def test_whatever_people_write_is_read_as_they_wrote_it(name: str, said: str, called: str) -> None:
    one, two = variant(100, 80), variant(100, 80)
    page = read(view(image(one, said=said), image(two, name=called), name=name))
    assert page.texts["h1"] == [name]
    assert page.texts["title"] == [name]
    assert page.texts["figcaption"] == [said]
    assert [shown["alt"] for shown in page.all("img")] == [said, called]
    assert {tag for tag, _ in page.tags} <= TAGS
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)


@given(words, words)
def test_text_in_an_element_never_becomes_markup(inside: str, attribute: str) -> None:
    page = Read(element("p", inside, title=attribute))
    assert page.tags == [("p", {"title": attribute})]
    assert page.texts["p"] == [inside]


def test_the_policy_allows_the_style_that_is_there() -> None:
    for page in (gallery_page(view(image(variant(100, 80))), ADDRESS), missing_page()):
        (style,) = Read(page.html).texts["style"]
        digest = hashlib.sha256(style.encode()).digest()
        assert page.style_hash == f"sha256-{base64.b64encode(digest).decode()}"


def test_browsers_choose_by_format_first_and_by_width_then() -> None:
    thumbs = variant(120, 80), variant(320, 213)
    formats = [variant(1200, 800, kind) for kind in ("jpeg", "avif", "webp")]
    page = read(view(image(*thumbs, *formats)))
    avif, webp = page.all("source")
    assert (avif["type"], avif["srcset"]) == ("image/avif", f"{EDGE}/1200x800.avif 1200w")
    assert (webp["type"], webp["srcset"]) == (
        "image/webp",
        f"{EDGE}/120x80.webp 120w, {EDGE}/320x213.webp 320w, {EDGE}/1200x800.webp 1200w",
    )
    (shown,) = page.all("img")
    assert shown["src"] == f"{EDGE}/1200x800.jpeg"
    assert (shown["width"], shown["height"]) == ("1200", "800")


def test_a_thumbnail_that_shows_another_cut_is_not_offered() -> None:
    page = read(view(image(variant(320, 213), variant(500, 500))))
    assert "320x213" not in str(page.tags)


def test_a_huge_variant_is_led_to_but_does_not_fill_a_tile() -> None:
    page = read(view(image(variant(320, 240), variant(1600, 1200), variant(8000, 6000, size=9))))
    assert "8000x6000" not in str(page.all("source") + page.all("img"))
    assert page.all("a")[0]["href"] == f"{EDGE}/8000x6000.webp"
    only = read(view(image(variant(320, 240), variant(8000, 6000))))
    assert "8000x6000" in str(only.all("source"))


def test_of_variants_as_large_the_smallest_file_is_led_to() -> None:
    kinds = [variant(900, 600, "png", 5000), variant(900, 600, "avif", 300)]
    assert read(view(image(*kinds))).all("a")[0]["href"] == f"{EDGE}/900x600.avif"


def test_a_picture_in_an_old_format_only_needs_no_source() -> None:
    page = read(view(image(variant(900, 600, "png"))))
    assert page.all("source") == []
    assert page.all("img")[0]["src"] == f"{EDGE}/900x600.png"


def test_only_the_first_pictures_are_loaded_before_they_are_seen() -> None:
    page = read(view(*[image(variant(900, 600)) for _ in range(7)]))
    assert [shown.get("loading") for shown in page.all("img")] == [None] * 4 + ["lazy"] * 3


def test_pages_lead_to_each_other() -> None:
    one = image(variant(900, 600))
    assert read(view(one)).all("nav") == []
    middle = read(view(one, page=2, more=True))
    assert [link["href"] for link in middle.all("a")[1:]] == ["?page=1", "?page=3"]
    assert [link["rel"] for link in middle.all("link")] == ["canonical", "prev", "next"]
    assert "page 2" in middle.texts["title"][0]
    assert [link["href"] for link in read(view(one, page=3)).all("a")[1:]] == ["?page=2"]


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_every_shape_has_a_class_of_its_page(width: int, height: int) -> None:
    page = read(view(image(variant(width, height))))
    (item,) = page.all("li")
    assert f".{item['class']}{{--r:" in page.texts["style"][0]
