"""Two APIs, told apart by host and path: each has its places, and nothing is in both."""

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.voices import PHOTO_PATHS, Api, Heard, has_photo_path, listen

TAILS = st.lists(st.sampled_from(["x", "upload", "v1", "images", "photos", ""]), max_size=3)
PATHS = st.builds(
    lambda start, tail: "/".join([start, *tail]),
    st.sampled_from([*PHOTO_PATHS, "/api/v1", "/api", "/docs", "", "/api/photosx", "/g"]),
    TAILS,
).map(lambda path: f"/{path.lstrip('/')}")
HOSTS = st.sampled_from(["", "images.example", "photos.example"])
PREFIXES = st.sampled_from(["", "/images", "/photos", "/images/old"])


def apis(photos: tuple[str, str] = ("", ""), images: tuple[str, str] = ("", "")) -> tuple[Api, Api]:
    return Api(True, *photos), Api(False, *images)


@given(PATHS)
def test_on_one_port_the_path_alone_decides(path: str) -> None:
    assert listen(apis(), "anything", path) == Heard(has_photo_path(path), path)


@given(PATHS)
def test_a_host_of_its_own_is_never_answered_in_the_other_voice(path: str) -> None:
    both = apis(("photos.example", ""), ("images.example", ""))
    assert listen(both, "photos.example", path).photos
    assert not listen(both, "images.example", path).photos


@given(PATHS)
def test_a_path_of_its_own_is_never_answered_in_the_other_voice(path: str) -> None:
    both = apis(("", "/photos"), ("", "/images"))
    assert listen(both, "any", f"/photos{path}").photos
    assert not listen(both, "any", f"/images{path}").photos
    assume(not path.startswith(("/photos", "/images")))
    assert listen(both, "any", path) == Heard(photos=False, path="/there-is-nothing-here")


@given(st.tuples(HOSTS, PREFIXES), st.tuples(HOSTS, PREFIXES), HOSTS, PREFIXES, PATHS)
def test_a_route_is_only_ever_reached_by_its_own_api(
    photos: tuple[str, str], images: tuple[str, str], host: str, prefix: str, path: str
) -> None:
    heard = listen(apis(photos, images), host, f"{prefix}{path}")
    if heard.path != "/there-is-nothing-here":
        assert has_photo_path(heard.path) is heard.photos


def test_the_health_check_needs_no_name() -> None:
    both = apis(("photos.example", ""), ("images.example", ""))
    assert listen(both, "10.0.0.7", "/healthz") == Heard(photos=False, path="/healthz")
