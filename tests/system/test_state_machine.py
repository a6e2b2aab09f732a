"""Two accounts doing anything in any order: nobody sees the other, every credit is accounted for.

`make test` draws a few histories, `make bench-long` a thousand (STATEFUL_EXAMPLES).
"""

import contextlib
import os
from typing import Any

import httpx2
import pysqlite3.dbapi2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from sqlmodel import Session

from gateway import desk
from models.database import open_sqlite
from tests.system.drawn import photo, size_of
from tests.system.world import World, eventually

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "6"))
TINY = photo(24, 16)
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), max_codepoint=0x2FFF), min_size=1, max_size=40
).filter(str.strip)
SIDES = st.sampled_from([0, 1])

Json = dict[str, Any]


class Side:
    """One account as this test believes it to be."""

    def __init__(self, system: World, name: str) -> None:
        self.account, key = opened(system, name)
        self.http = httpx2.Client(
            base_url=system.api,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )
        self.credits = 10_000
        self.images: dict[str, Json] = {}
        self.galleries: dict[str, Json] = {}

    def ask(self, method: str, path: str, status: int, **body: Any) -> Any:
        answer = self.http.request(method, f"/api/v1{path}", **body)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json()


def opened(system: World, name: str) -> tuple[str, str]:
    """A new account of a running system and a key for it, without waiting for a command."""
    secret = (system.data / "secret").read_text()
    with (
        contextlib.closing(open_sqlite(system.data / "calotype.sqlite", 1)) as database,
        Session(database.engine) as session,
    ):
        account = desk.create_account(session, name, 10_000, 10**9)["id"]
        key = desk.create_key(session, secret, name, "test", ("all",))["key"]
        session.commit()
        return str(account), str(key)


class TwoAccounts(RuleBasedStateMachine):
    system: World
    number = 0

    images = Bundle("images")
    galleries = Bundle("galleries")

    def __init__(self) -> None:
        super().__init__()
        TwoAccounts.number += 1
        self.sides = [Side(self.system, f"side-{TwoAccounts.number}-{n}") for n in (0, 1)]

    def teardown(self) -> None:
        for side in self.sides:
            side.http.close()

    @rule(target=images, n=SIDES, name=NAMES, formats=st.sets(st.sampled_from(["webp", "png"])))
    def upload(self, n: int, name: str, formats: set[str]) -> tuple[int, str]:
        side = self.sides[n]
        asked = [{"format": one} for one in sorted(formats)]
        form = {"name": (None, name), "formatOptions": (None, str(asked).replace("'", '"'))}
        body = side.ask("POST", "/images", 200, files=form | {"image": TINY})
        side.credits -= max(1, len(formats))
        image = body["data"][0]
        assert image["originalName"] == name
        side.images[image["id"]] = image
        assert body["accountStatistics"]["remainingCredits"] == side.credits
        return n, image["id"]

    @rule(image=images, name=NAMES)
    def rename(self, image: tuple[int, str], name: str) -> None:
        n, image_id = image
        there = image_id in self.sides[n].images
        path = f"/images/{image_id}"
        form = {"name": (None, name)}
        body = self.sides[n].ask("PATCH", path, 200 if there else 404, files=form)
        if there:
            assert body["data"]["originalName"] == name
            self.sides[n].images[image_id] = body["data"]
        self.sides[1 - n].ask("PATCH", path, 404, files=form)

    @rule(image=images, unique=st.booleans())
    def replace(self, image: tuple[int, str], unique: bool) -> None:
        n, image_id = image
        side = self.sides[n]
        old = side.images.get(image_id)
        naming = {"storageKeyHandling": (None, "unique" if unique else "replace")}
        form = naming | {"image": photo(16, 24), "resizeOptions": (None, '{"width": 8}')}
        body = side.ask("PATCH", f"/images/{image_id}", 200 if old else 404, files=form)
        if not old:
            return
        side.credits -= 1
        side.images[image_id] = body["data"]
        gone = {one["objectKey"] for one in old["metadata"]} - {
            one["objectKey"] for one in body["data"]["metadata"]
        }
        for key in gone:
            eventually(lambda: self.served(f"{old['urlBase']}/{key}").status_code == 404)  # noqa: B023

    @rule(image=consumes(images))
    def delete(self, image: tuple[int, str]) -> None:
        n, image_id = image
        self.sides[1 - n].ask("DELETE", f"/images/{image_id}", 404)
        known = self.sides[n].images.pop(image_id, None)
        self.sides[n].ask("DELETE", f"/images/{image_id}", 200 if known else 404)
        for gallery in self.sides[n].galleries.values():
            gallery["images"].discard(image_id)

    @rule(target=galleries, n=SIDES, name=NAMES, public=st.booleans())
    def make_gallery(self, n: int, name: str, public: bool) -> tuple[int, str]:
        body = {"name": name, "isPublic": public, "imageIds": list(self.sides[n].images)}
        made = self.sides[n].ask("POST", "/galleries", 200, json=body)["gallery"]
        known = {"name": name, "public": public, "images": set(self.sides[n].images)}
        self.sides[n].galleries[made["id"]] = known
        return n, made["id"]

    @rule(n=SIDES, name=NAMES)
    def take_somebody_elses_images(self, n: int, name: str) -> None:
        theirs = list(self.sides[1 - n].images)
        if theirs:
            body = {"name": name, "imageIds": theirs}
            self.sides[n].ask("POST", "/galleries", 400, json=body)

    @rule(gallery=galleries)
    def look_into_a_gallery(self, gallery: tuple[int, str]) -> None:
        n, gallery_id = gallery
        known = self.sides[n].galleries.get(gallery_id)
        body = self.sides[n].ask("GET", f"/galleries/{gallery_id}", 200 if known else 404)
        self.sides[1 - n].ask("GET", f"/galleries/{gallery_id}", 404)
        if known:
            assert {one["imageId"] for one in body["gallery"]["images"]} == known["images"]
        page = httpx2.get(f"{self.system.api}/g/{gallery_id}", trust_env=False)
        assert page.status_code == (200 if known and known["public"] else 404)

    @rule(gallery=consumes(galleries), with_images=st.booleans())
    def delete_gallery(self, gallery: tuple[int, str], with_images: bool) -> None:
        n, gallery_id = gallery
        path = f"/galleries/{gallery_id}" + "?deleteImages=true" * with_images
        self.sides[1 - n].ask("DELETE", path, 404)
        side = self.sides[n]
        known = side.galleries.pop(gallery_id, None)
        side.ask("DELETE", path, 200 if known else 404)
        if known and with_images:
            for image_id in known["images"]:
                side.images.pop(image_id, None)
            for other in side.galleries.values():
                other["images"] -= known["images"]

    @rule(n=SIDES)
    def convert(self, n: int) -> None:
        answer = self.sides[n].http.post("/api/v1/convert", files={"image": TINY})
        assert answer.status_code == 200, answer.text
        assert size_of(answer.content) == ("WEBP", 24, 16)
        self.sides[n].credits -= 1

    @rule(n=SIDES, junk=st.binary(max_size=200))
    def upload_junk(self, n: int, junk: bytes) -> None:
        answer = self.sides[n].http.post("/api/v1/images", files={"image": ("a.jpg", junk)})
        assert 400 <= answer.status_code < 500, answer.text

    @rule(n=SIDES)
    def list_everything(self, n: int) -> None:
        body = self.sides[n].ask("GET", "/images?limit=200", 200)
        assert {one["id"] for one in body["data"]} == set(self.sides[n].images)
        assert body["pagination"]["total"] == len(self.sides[n].images)
        body = self.sides[n].ask("GET", "/galleries/ungrouped", 200)
        grouped = set().union(*(one["images"] for one in self.sides[n].galleries.values()))
        ungrouped = {one["imageId"] for one in body["gallery"]["images"]}
        assert ungrouped == set(self.sides[n].images) - grouped

    @rule(image=images)
    def look_at_the_edge(self, image: tuple[int, str]) -> None:
        known = self.sides[image[0]].images.get(image[1])
        for one in known["metadata"] if known else ():
            if one["objectKey"]:
                served = self.served(f"{known['urlBase']}/{one['objectKey']}")
                assert (served.status_code, len(served.content)) == (200, one["size"])

    def served(self, url: str) -> httpx2.Response:
        return httpx2.get(url, trust_env=False)

    @invariant()
    def every_credit_is_accounted_for(self) -> None:
        file = f"file:{self.system.data}/calotype.sqlite?mode=ro"
        with contextlib.closing(pysqlite3.dbapi2.connect(file, uri=True)) as database:
            for side in self.sides:
                account = (side.account,)
                balance, storage = database.execute(
                    "SELECT credits_free + credits_paid, storage_used FROM account WHERE id = ?",
                    account,
                ).fetchone()
                (ledger,) = database.execute(
                    "SELECT sum(free + paid) FROM ledger WHERE account_id = ?", account
                ).fetchone()
                assert balance == ledger == side.credits
                assert storage == sum(image["size"] for image in side.images.values())


@pytest.mark.timeout(0)
def test_two_accounts_in_any_order(system: World) -> None:
    TwoAccounts.system = system
    case = TwoAccounts.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
