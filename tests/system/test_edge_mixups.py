"""No reader gets another one's picture, whatever their headers say."""

from urllib.parse import urlsplit

from tests.pictures import png
from tests.system.mixups import judge
from tests.system.world import World


def paths_of(system: World, pictures: int, widths: int) -> list[str]:
    """Addresses whose format is negotiated: so many pictures in so many widths."""
    found = []
    for number in range(pictures):
        form = {"formatOptions": '{"format": "png"}'}
        files = {"image": ("a.png", png(200 + number, 100), "image/png")}
        answer = system.http.post("/api/v1/images", data=form, files=files)
        (address,) = answer.json()["simpleData"][0]["variants"].values()
        found += [f"{urlsplit(address).path}?w={8 + width}&fm=auto" for width in range(widths)]
    return found


def test_every_body_is_the_one_that_belongs_to_its_address_and_its_client(system: World) -> None:
    paths = paths_of(system, 3, 6)
    verdict = judge(urlsplit(system.edge).port or 80, paths, 2000, seed=6)
    assert not verdict.wrong
    assert verdict.right == verdict.asked == 2000
    assert verdict.pairs == len(paths) * 4
