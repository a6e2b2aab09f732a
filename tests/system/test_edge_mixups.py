"""No reader gets another one's picture, whatever their headers say."""

from urllib.parse import urlsplit

from tests.system.mixups import judge, paths_of
from tests.system.world import World


def test_every_body_is_the_one_that_belongs_to_its_address_and_its_client(system: World) -> None:
    paths = paths_of(system, 3, 6)
    verdict = judge(urlsplit(system.edge).port or 80, paths, 2000, seed=6)
    assert not verdict.wrong
    assert verdict.right == verdict.asked == 2000
    assert verdict.pairs == len(paths) * 4
