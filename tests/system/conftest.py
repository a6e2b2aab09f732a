"""One system for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.system.world import World, world


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("system") / "data") as made:
        yield made
