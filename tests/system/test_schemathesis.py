"""Schemathesis against the running system: what it answers is what the reference says it answers.

`make test` draws a few requests for every operation, always the same ones. For a long, random run:
SCHEMATHESIS_EXAMPLES=300 .venv/bin/pytest tests/system/test_schemathesis.py
"""

import copy
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from gateway.openapi.document import paths
from tests.gemini import Gemini
from tests.system.world import World, world

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))
SHORT = 14

# What a schema cannot say makes these two wrong here: which texts are colours or ids, that null is
# the same as not given, and that a request id of another spelling is ignored.
CANNOT_HOLD = ("positive_data_acceptance", "negative_data_rejection")

# They need a storage elsewhere or a user, or take what they work on away: other tests do that.
NEVER_GOOD = {"createBucket", "deleteBucket", "logIn", "logOut"}

OPERATIONS = [
    (path, method.upper(), operation.name)
    for path, methods in paths().items()
    for method, operation in methods.items()
]

Json = dict[str, Any]


class Stage:
    """One of everything, made anew for every operation."""

    def __init__(self, system: World) -> None:
        self.system = system
        self.key = system.key
        self.http = system.http

    def set_up(self) -> None:
        file = {"image": ("small.png", picture(), "image/png")}
        made = self.http.post("/api/v1/images", files=file)
        later = self.http.post("/api/v1/images", files=file, headers={"Prefer": "respond-async"})
        gallery = {"name": "Drawn", "isPublic": True}
        shown = self.http.post("/api/v1/galleries", json=gallery).json()
        key = self.http.post("/api/v1/keys", json={"name": "spare"}).json()
        photo = self.http.post("/api/photos/upload", files={"file": file["image"]})
        self.http.put("/api/v1/presets/card", json={"parameters": {"w": 64}})
        self.image = http_image(made)
        self.known = {
            "image_id": self.image["id"],
            "order_id": later.json()["id"],
            "gallery_id": shown["gallery"]["id"],
            "key_id": key["key"]["id"],
            "url_key_id": self.url_key(),
            "name": "card",
            "photo_id": photo.json()["data"]["id"],
            "key": "snapix_default_bucket",
            "topic": "images",
        }

    def url_key(self) -> str:
        """There may be few: those of earlier operations make room."""
        for old in self.http.get("/api/v1/url-keys").json()["urlKeys"]:
            self.http.delete(f"/api/v1/url-keys/{old['id']}")
        self.http.post("/api/v1/url-keys", json={"name": "spare"})
        return str(self.http.get("/api/v1/url-keys").json()["urlKeys"][-1]["id"])


def http_image(answer: httpx2.Response) -> Json:
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()["data"][0]
    return found


def picture() -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (24, 16), (200, 80, 10)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, gemini: Gemini) -> Iterator[World]:
    """A system of its own: its key changes things at random, and many wrong keys come along."""
    data = tmp_path_factory.mktemp("drawn") / "data"
    with world(data, CALOTYPE_RATE_LIMIT_STRANGERS="", **gemini.environment) as made:
        yield made


@pytest.fixture
def stage(drawn: World) -> Stage:
    made = Stage(drawn)
    made.set_up()
    return made


@pytest.fixture(scope="module")
def schema(drawn: World) -> schemathesis.BaseSchema:
    """The served document, with the JSON in form fields laid open and sizes that are quick."""
    document = httpx2.get(f"{drawn.api}/docs/openapi.json", trust_env=False).json()
    return schemathesis.openapi.from_dict(opened(document))


def opened(document: Json) -> Json:
    document = copy.deepcopy(document)
    shapes = document["components"]["schemas"]
    for name, most in (("width", 200), ("height", 200)):
        shapes["ResizeOptions"]["properties"][name]["maximum"] = most
    for name in ("px", "py"):
        shapes["ResizeOptions"]["properties"]["padding"]["properties"][name]["maximum"] = 20
    for name in ("ResizeOptionsField", "FormatOptionsField"):
        shapes[name]["anyOf"][1]["maxItems"] = 2
    for fields in forms(document):
        for name, field in fields.items():
            fields[name] = field.get("contentSchema", field)
    return document


def forms(document: Json) -> Iterator[Json]:
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            if "multipart/form-data" in content:
                yield content["multipart/form-data"]["schema"]["properties"]


def checks() -> list[Any]:
    load_all_checks()
    names = [name for name in CHECKS.get_all_names() if name not in CANNOT_HOLD]
    return list(CHECKS.get_by_names(names))


def cases(operation: Any) -> st.SearchStrategy[Any]:
    good, bad = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    return st.sampled_from([good, good, bad]).flatmap(
        lambda mode: operation.as_strategy(generation_mode=mode)
    )


OFTEN = st.integers(0, 3).map(lambda drawn: drawn != 3)
NEARLY_ALWAYS = st.integers(0, 9).map(lambda drawn: drawn != 9)


def likely(case: Any, stage: Stage, luck: st.DataObject) -> None:
    """Most requests know what there is; the rest are as drawn."""
    for name in case.path_parameters or {}:
        if luck.draw(OFTEN):
            case.path_parameters[name] = stage.known[name]
    if isinstance(case.body, dict) and case.media_type == "multipart/form-data":
        part = "file" if "/photos/" in case.path else "image"
        case.body = form_of(case.body, with_picture=luck.draw(OFTEN), part=part)
    elif case.media_type == "application/json" and luck.draw(st.booleans()):
        case.body = documented_body(case)
        if "imageId" in case.body:
            case.body["imageId"] = stage.image["id"]
        if "imageIds" in case.body:
            case.body["imageIds"] = [stage.known["image_id"]]


def documented_body(case: Any) -> Any:
    """The body that the reference shows."""
    content = case.operation.definition.raw["requestBody"]["content"]["application/json"]
    return copy.deepcopy(content["examples"]["usual"]["value"])


def form_of(body: Json, *, with_picture: bool, part: str) -> Json:
    """The fields as a client sends them: texts, some of them JSON, and a file."""
    fields = {
        name: value if isinstance(value, str | bytes) else json.dumps(value)
        for name, value in body.items()
    }
    if with_picture:
        fields.pop("file", None)
        fields[part] = picture()
    return fields


@pytest.mark.parametrize(
    ("path", "method", "name"), OPERATIONS, ids=[name for _, _, name in OPERATIONS]
)
def test_every_answer_is_one_that_the_reference_describes(
    schema: Any, stage: Stage, path: str, method: str, name: str
) -> None:
    operation = schema[path][method]
    seen: Counter[int] = Counter()
    session = requests.Session()
    session.trust_env = False

    @settings(
        max_examples=EXAMPLES or SHORT,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation), luck=st.data())
    def run(case: Any, luck: st.DataObject) -> None:
        likely(case, stage, luck)
        key = {"Authorization": f"Bearer {stage.key}"} if luck.draw(NEARLY_ALWAYS) else None
        answer = case.call(base_url=stage.system.api, session=session, headers=key, timeout=60)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=checks(), headers=key)

    with session:
        run()
    assert name in NEVER_GOOD or seen[200] + seen[201] + seen[202], seen
