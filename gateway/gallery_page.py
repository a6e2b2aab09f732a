"""A public gallery as a web page: one view in, HTML out. No script, no other address than images'.

Tiles fill rows of about equal height. How wide each one wants to be is its picture's ratio, said by
a class, because the page's content security policy allows its one style sheet and nothing inline.
"""

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gateway.markup import Html, element, joined

Json = dict[str, Any]

# What browsers choose from, best first; the rest is what every browser can show.
_MODERN = ("image/avif", "image/webp")
_WIDEST_TILE = 2048  # pixels: enough for any tile, however dense the screen
_ROW = 240  # pixels high, about
_EAGER = 4  # tiles likely to be seen at once are not loaded lazily
_SMALL = 320  # pixels: what is narrower is not blown up to fill its tile

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1f;--soft:#5b5b66;--tile:#eeeef1;--line:#06c}
@media(prefers-color-scheme:dark){:root{--paper:#131316;--ink:#ececf0;--soft:#a9a9b4;--tile:#232328;
--line:#8ab8ff}}
*{box-sizing:border-box}
body{margin:0;padding:clamp(1rem,3vw,2.5rem);background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{margin:0 0 1.25rem;font-size:clamp(1.5rem,4vw,2.25rem);line-height:1.2;overflow-wrap:anywhere}
ul{display:flex;flex-wrap:wrap;gap:.75rem;margin:0;padding:0;list-style:none}
ul::after{content:"";flex:1000 1 0}
li{flex:var(--r) 1 calc(var(--r)*15rem);min-width:min(100%,8rem);max-width:100%}
figure{margin:0}
a{color:var(--line)}
li a{display:block;border-radius:.375rem;overflow:hidden;background:var(--tile)}
a:focus-visible{outline:3px solid var(--line);outline-offset:3px}
img{display:block;width:100%;height:auto;aspect-ratio:var(--r);object-fit:cover}
img.small{object-fit:scale-down}
figcaption{margin:.375rem 0 .25rem;color:var(--soft);font-size:.875rem;line-height:1.35;
overflow:hidden;overflow-wrap:anywhere;display:-webkit-box;-webkit-box-orient:vertical;
-webkit-line-clamp:2}
nav{display:flex;gap:1.5rem;align-items:baseline;justify-content:center;margin-top:2rem}
nav a{padding:.5rem}
p{color:var(--soft)}
"""


class Page(NamedTuple):
    """A whole document, and what its Content-Security-Policy must allow as style."""

    html: str
    style_hash: str


def gallery_page(view: Json, address: str) -> Page:
    """The page of a gallery that lives at `address`."""
    gallery, pages = view["gallery"], view["pagination"]
    images = gallery["images"]
    tiles = [_tile(image, place) for place, image in enumerate(images)]
    empty = element("p", "There are no pictures in this gallery yet.")
    main = element("main", element("ul", *tiles, role="list") if tiles else empty)
    heading = element("header", element("h1", gallery["name"], dir="auto"))
    title = gallery["name"] if pages["page"] == 1 else f"{gallery['name']} - page {pages['page']}"
    links = [*_links(pages, address), *_preview(gallery, address)]
    ratios = sorted({_ratio(image) for image in images})
    style = _STYLE + "".join(f".r{ratio}{{--r:{ratio / 100}}}\n" for ratio in ratios)
    return _document(title, joined(heading, main, _navigation(pages)), style, links)


def missing_page() -> Page:
    """What stands where no public gallery is."""
    text = "Perhaps the address is mistyped, or its owner does not show it any more."
    heading = element("h1", "There is no gallery here")
    return _document("Not found", element("main", heading, element("p", text)), _STYLE, [])


def _document(title: str, body: Html, style: str, links: Sequence[Html]) -> Page:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", title),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        *links,
        element("style", Html(style)),
    )
    html = element("html", head, element("body", body), lang="en")
    return Page(f"<!doctype html>\n{html}\n", f"sha256-{digest}")


def _tile(image: Json, place: int) -> Html:
    """A picture that leads to its largest variant."""
    said = image["description"] or image["originalName"]
    caption = image["description"] and element(
        "figcaption",
        image["description"],
        dir="auto",
        aria_hidden="true",  # the link is called the same already: who listens hears it once
    )
    picture = element("picture", *_sources(image), _fallback(image, said, place))
    link = element("a", picture, href=_largest(image)["url"])
    return element("li", element("figure", link, caption or ""), class_=f"r{_ratio(image)}")


def _sources(image: Json) -> Iterator[Html]:
    for kind in _MODERN:
        if candidates := [one for one in _for_tiles(image) if one["contentType"] == kind]:
            yield element("source", type=kind, srcset=_srcset(candidates), sizes=_sizes(image))


def _fallback(image: Json, said: str, place: int) -> Html:
    """What a browser shows that knows none of the sources, and the size it keeps free for all."""
    usable = _for_tiles(image)
    plain = [one for one in usable if one["contentType"] not in _MODERN] or usable
    kind = plain[-1]["contentType"]
    candidates = [one for one in plain if one["contentType"] == kind]
    return element(
        "img",
        src=candidates[-1]["url"],
        srcset=_srcset(candidates) if len(candidates) > 1 else None,
        sizes=_sizes(image) if len(candidates) > 1 else None,
        width=image["width"],
        height=image["height"],
        alt=said,
        class_="small" if image["width"] < _SMALL else None,
        loading="lazy" if place >= _EAGER else None,
        fetchpriority=None if place else "high",
    )


def _for_tiles(image: Json) -> list[Json]:
    """The variants that may fill a tile, narrow ones first: those that show the same cut."""
    ratio = image["width"] / image["height"]
    same = [
        one
        for one in image["variants"]
        if math.isclose(one["width"] / one["height"], ratio, rel_tol=0.03)
    ]
    usable = [one for one in same if one["width"] <= _WIDEST_TILE]
    # Thumbnails alone would be blurred on most screens.
    if not any(one["width"] > _SMALL for one in usable):
        usable = same
    return sorted(usable, key=lambda one: one["width"])


def _srcset(candidates: Sequence[Json]) -> str:
    return ", ".join(f"{one['url']} {one['width']}w" for one in candidates)


def _sizes(image: Json) -> str:
    """How wide the tile will be: its share of a row, which stretches by a quarter at most."""
    width = math.ceil(_ratio(image) / 100 * _ROW * 1.25)
    return f"(max-width: {width}px) 100vw, {width}px"


def _ratio(image: Json) -> int:
    """Width to height in hundredths, rounded so that few classes do for many pictures."""
    hundredths: int = 5 * round(20 * image["width"] / image["height"])
    return min(300, max(50, hundredths))


def _largest(image: Json) -> Json:
    """The variant to look at closely; of several as large the smallest file."""
    found: Json = max(
        image["variants"], key=lambda one: (one["width"] * one["height"], -one["size"])
    )
    return found


def _links(pages: Json, address: str) -> Iterator[Html]:
    yield element("link", rel="canonical", href=_page_address(address, pages["page"]))
    for rel, key in (("prev", "previousPage"), ("next", "nextPage")):
        if pages[key]:
            yield element("link", rel=rel, href=_page_address(address, pages[key]))


def _preview(gallery: Json, address: str) -> Iterator[Html]:
    """What messengers show of a link to this page."""
    yield element("meta", property="og:title", content=gallery["name"])
    yield element("meta", property="og:type", content="website")
    yield element("meta", property="og:url", content=address)
    for image in gallery["images"][:1]:
        yield element("meta", property="og:image", content=_for_tiles(image)[-1]["url"])


def _page_address(address: str, page: int) -> str:
    return address if page == 1 else f"{address}?page={page}"


def _navigation(pages: Json) -> Html:
    """Ways to the pages before and after; nothing when there is one page only."""
    before, after = pages["previousPage"], pages["nextPage"]
    if not before and not after:
        return Html("")
    parts = [element("span", f"Page {pages['page']}", aria_current="page")]
    if before:
        parts.insert(0, element("a", "Previous", href=f"?page={before}", rel="prev"))
    if after:
        parts.append(element("a", "Next", href=f"?page={after}", rel="next"))
    return element("nav", *parts, aria_label="Pages")
