"""No reader gets another one's picture, whatever their headers say."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.nginx import NGINX, ask, nginx_before
from tests.system.mixups import judge, paths_of
from tests.system.world import World


def test_every_body_is_the_one_that_belongs_to_its_address_and_its_client(system: World) -> None:
    paths = paths_of(system, 3, 6)
    verdict = judge(urlsplit(system.edge).port or 80, paths, 2000, seed=6)
    assert not verdict.wrong
    assert verdict.right == verdict.asked == 2000
    assert verdict.pairs == len(paths) * 4


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_a_cache_in_front_keeps_what_was_negotiated_apart(system: World, tmp_path: Path) -> None:
    (path,) = paths_of(system, 1, 1)
    accepts = {"avif": "image/avif,image/webp,*/*", "webp": "image/webp,*/*", "jpeg": "*/*"}
    with nginx_before(urlsplit(system.edge).port or 80, tmp_path) as port:
        for said in ("MISS", "HIT"):
            for form, accept in accepts.items():
                status, headers, _ = ask(port, path, Accept=accept)
                assert (status, headers["x-cache"]) == (200, said)
                assert headers["content-type"] == f"image/{form}"
                assert headers["vary"] == "Accept"
        whole = ask(port, path, Accept=accepts["avif"])
        part = ask(port, path, Accept=accepts["avif"], Range="bytes=0-9")
        assert (part[0], part[2]) == (206, whole[2][:10])
        same = ask(port, path, Accept=accepts["webp"], If_None_Match=whole[1]["etag"])
        assert same[0] == 200, "the AVIF's tag is not the WebP's"
        assert ask(port, path, Accept=accepts["avif"], If_None_Match=whole[1]["etag"])[0] == 304
