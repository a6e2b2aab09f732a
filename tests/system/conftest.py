"""One system for all tests that leave it as they found it, and the model that it asks."""

from collections.abc import Iterator

import pytest

from tests.gemini import Gemini, gemini_server
from tests.pictures import png
from tests.system.world import World, world


@pytest.fixture(scope="session")
def gemini() -> Iterator[Gemini]:
    with gemini_server(png(1408, 736)) as server:
        yield server


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, gemini: Gemini) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("system") / "data"
    with world(folder, **gemini.environment) as made:
        yield made
