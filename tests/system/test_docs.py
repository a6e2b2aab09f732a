"""The documentation as it is served: whole, at home offline, and its commands work."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.openapi.document import paths
from tests.system.drawn import photo
from tests.system.world import CALOTYPE, World

TOPICS = (
    "images",
    "convert",
    "generate",
    "orders",
    "galleries",
    "keys",
    "buckets",
    "urls",
    "presets",
    "photos",
    "purge",
    "options",
    "errors",
)

# The shell fails when a request does, whatever the sample pipes its answer into.
SHELL = """set -e
curl() { command curl -sS --fail-with-body --noproxy '*' --max-time 30 "$@"; }
"""


class Parts(HTMLParser):
    """What a page consists of and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action", "data", "poster", "background"):
                self.addresses.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


def stranger(system: World, path: str, **headers: str) -> httpx2.Response:
    """A request without a key."""
    return httpx2.get(f"{system.api}{path}", headers=headers, trust_env=False, timeout=30)


def test_the_reference_is_one_page_that_needs_nothing_else(system: World) -> None:
    page = stranger(system, "/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    parts = Parts(page.text)
    assert not parts.tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    assert not parts.handlers
    outside = [one for one in parts.addresses if not re.match(r"#|/docs|/api/docs|data:,$", one)]
    assert outside == []
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    assert style
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_within_the_reference_leads_somewhere(system: World) -> None:
    parts = Parts(stranger(system, "/docs").text)
    assert len(parts.ids) == len(set(parts.ids))
    inside = {one.removeprefix("#") for one in parts.addresses if one.startswith("#")}
    assert inside <= set(parts.ids)
    for one in {one for one in parts.addresses if one.startswith("/")}:
        assert stranger(system, one).status_code == 200


def test_the_reference_shows_every_operation_and_every_schema(system: World) -> None:
    document = stranger(system, "/docs/openapi.json").json()
    assert document["servers"] == [{"url": system.api}]
    ids = Parts(stranger(system, "/docs").text).ids
    for methods in paths().values():
        for operation in methods.values():
            assert operation.name in ids
    for name in document["components"]["schemas"]:
        assert f"schema-{name}" in ids
    for code in document["components"]["examples"]:
        assert f"error-{code}" in ids


def test_the_reference_allows_its_own_style_and_nothing_else(system: World) -> None:
    policy = stranger(system, "/docs").headers["content-security-policy"]
    said = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert said["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", said["style-src"])
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json", "/api/docs", "/api/docs/images"])
def test_documentation_is_not_sent_twice_to_who_keeps_it(system: World, path: str) -> None:
    first = stranger(system, path)
    assert "max-age" in first.headers["cache-control"]
    again = stranger(system, path, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert stranger(system, path, **{"If-None-Match": "*"}).status_code == 304
    other = stranger(system, path, **{"If-None-Match": '"other"'})
    assert other.content == first.content


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed")
def test_a_browser_shows_the_reference_and_asks_nobody_else(system: World, tmp_path: Path) -> None:
    """Every name but the gateway's leads nowhere, and the browser's log says what it asked for."""
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={tmp_path}/profile", f"--log-net-log={log}",
            "--enable-logging=stderr", "--disable-background-networking",
            "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"{system.api}/docs",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "Upload an image" in done.stdout
    assert "Content Security Policy" not in done.stderr
    assert started_by(system.api, log) == set()
    assert f"{system.api}/docs" in log.read_text()


def started_by(origin: str, log: Path) -> set[str]:
    """What a page of this origin made the browser ask for, from the browser's own network log."""
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return {
        event["url"]
        for event in events
        if event.get("initiator", "").startswith(origin) and "url" in event
    }


@pytest.mark.parametrize("topic", TOPICS)
def test_the_guide_has_a_page_for_every_subject(system: World, topic: str) -> None:
    page = stranger(system, f"/api/docs/{topic}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.startswith("# ")
    assert len(page.text) > 500
    data = stranger(system, f"/api/docs/{topic}", Accept="application/json").json()
    assert (data["topic"], data["text"]) == (topic, page.text)


def test_the_guide_lists_its_pages_in_markdown_and_json(system: World) -> None:
    text = stranger(system, "/api/docs", Accept="text/markdown").text
    listed = stranger(system, "/api/docs", Accept="application/json").json()["pages"]
    assert [page["topic"] for page in listed] == list(TOPICS)
    for page in listed:
        assert f"({page['url']})" in text
        assert httpx2.get(page["url"], trust_env=False).status_code == 200


def test_a_page_that_the_guide_does_not_have_is_an_error_like_all_others(system: World) -> None:
    answer = stranger(system, "/api/docs/nothing")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not-found"
    assert "images" in answer.json()["error"]


# The commands.

SAMPLES = [
    (operation.name, label, source)
    for methods in paths().values()
    for method, operation in methods.items()
    for label, source in operation.samples
    if method != "put"  # the same commands as patch
]
# It needs a storage somewhere else; tests of buckets bring one.
ELSEWHERE = {"createBucket"}
LAST = ("deleteImage", "deleteGallery", "revokeKey", "logOut")


class Shell:
    """A shell with what the guide tells people to set."""

    def __init__(self, system: World, folder: Path) -> None:
        self.system = system
        self.folder = folder
        self.names = {"API": system.api, "API_KEY": system.key}

    def run(self, source: str) -> bytes:
        done = subprocess.run(
            ["bash", "-c", SHELL + source],
            cwd=self.folder,
            env={**os.environ, **self.names},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (source, done.stdout[:1000], done.stderr)
        return done.stdout

    def named(self, name: str, label: str) -> Any:
        (source,) = [one[2] for one in SAMPLES if one[:2] == (name, label)]
        return json.loads(self.run(source))


def let_in(system: World) -> None:
    """The user that the documentation speaks of; it is there already when another test made it."""
    command = [CALOTYPE, "users", "create", "matt", "--data", system.data]
    subprocess.run(command, input=b"correct horse", capture_output=True, check=False)


@pytest.fixture
def shell(system: World, tmp_path: Path) -> Shell:
    """With an image, a gallery, an order and a key, all made by commands of the guide."""
    (tmp_path / "harbour.jpg").write_bytes(photo(1400, 900))
    made = Shell(system, tmp_path)
    uploaded = made.named("uploadImage", "A file")
    made.names["IMAGE_ID"] = uploaded["data"][0]["id"]
    objects = [one["objectKey"] for one in uploaded["data"][0]["metadata"]]
    made.names["OBJECT_KEY"] = next(key for key in objects if key)
    made.names["SOURCE"] = uploaded["simpleData"][0]["variants"]["webp"]
    made.names["GALLERY_ID"] = made.named("createGallery", "Of one image")["gallery"]["id"]
    made.names["PHOTO_ID"] = made.named("uploadPhoto", "A file")["data"]["id"]
    let_in(system)
    made.names["TOKEN"] = made.named("logIn", "Matt")["data"]["access_token"]
    made.names["KEY_ID"] = made.named("createKey", "A key to upload")["key"]["id"]
    made.names["ORDER_ID"] = made.named("getOrder", "Do not wait")["id"]
    return made


def test_every_command_of_the_documentation_works(shell: Shell) -> None:
    ordered = sorted(SAMPLES, key=lambda one: one[0] in LAST)
    for name, _, source in ordered:
        if name not in ELSEWHERE:
            shell.run(source)
    assert (shell.folder / "harbour.avif").read_bytes()[4:12] == b"ftypavif"


def test_an_upload_as_documented_makes_what_it_says(shell: Shell) -> None:
    made = shell.named("uploadImage", "A file")
    sizes = [image["info"]["width"] for image in made["simpleData"]]
    assert sizes == [1200, 720]
    assert made["accountStatistics"]["creditsUsed"] == 4
