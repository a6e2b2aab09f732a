"""The auditor sees every damage that the proof is about."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlmodel import Session, delete, select, update

from models import ledger
from models.accounts import primary_bucket
from models.columns import now
from models.made import Made
from models.orders import accept_order, finish_order, images_of
from models.records import Account, LedgerEntry, Order, Outbox, new_id
from models.replays import Use, claim
from tests.prove.audit import audit
from tests.prove.books import Books
from tests.prove.kills import in_database
from tests.prove.site import Site, prepare
from tests.samples import SEEN, draft, made


class Shop:
    """A site with one order that was carried out, and its client's books."""

    def __init__(self, folder: Path) -> None:
        self.site = Site("sqlite", folder, "", "a-key", None)
        self.books = Books()
        prepare(self.site)
        in_database(self.site, self._order)

    def _order(self, session: Session) -> None:
        account = session.exec(select(Account)).one()
        bucket = primary_bucket(session, account.id)
        wanted = draft(account.id, bucket.id, cost=1)
        claim(session, Use(account_id=account.id, route="POST", key="a-request"))
        accept_order(session, wanted)
        (image,) = images_of(session, session.get_one(Order, wanted.order_id))
        prints = [self._stored(one) for one in made(image.id)]
        finish_order(session, wanted.order_id, SEEN, [prints])
        session.exec(update(Outbox).values(sent_at=now()))
        told = [{"objectKey": one.object_key, "size": one.size} for one in prints]
        self.image = {"id": image.id, "metadata": told}
        self.books.uploads["a-request"] = [self.image]
        self.books.images[image.id] = self.image

    def _stored(self, print_: Made) -> Made:
        data = new_id().encode()
        file = self.site.objects / print_.storage_key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return msgspec.structs.replace(print_, size=len(data), sha256=digest)


@pytest.fixture
def shop(memory: Path) -> Shop:
    return Shop(memory)


def found(shop: Shop) -> tuple[int, int, int, int]:
    """Lost, twice, stray objects, other problems."""
    seen = audit(shop.site, shop.books)
    others = [one for one in seen.problems if one.startswith("wrong")]
    return seen.lost, seen.twice, seen.litter, len(others)


def objects(shop: Shop) -> list[Path]:
    return [path for path in (shop.site.objects / "variants").rglob("*") if path.is_file()]


def test_a_shop_in_order_is_found_so(shop: Shop) -> None:
    assert found(shop) == (0, 0, 0, 0)
    assert audit(shop.site, shop.books).outcome().holds


def test_an_object_that_is_gone_or_changed_is_lost(shop: Shop) -> None:
    gone, changed, _ = objects(shop)
    gone.unlink()
    changed.write_bytes(b"something else")
    assert found(shop) == (2, 0, 0, 0)


def test_an_accepted_upload_without_an_order_is_lost(shop: Shop) -> None:
    shop.books.uploads["another"] = []
    assert found(shop)[0] == 1


def test_an_image_with_other_variants_than_were_told_is_lost(shop: Shop) -> None:
    shop.image["metadata"].pop()
    assert found(shop)[0] == 1


@pytest.mark.parametrize("place", ["staging/left", "variants/b/i/o/x.webp", "variants/b/x.webp#1"])
def test_an_object_without_a_row_is_stray(shop: Shop, place: str) -> None:
    file = shop.site.objects / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"stray")
    assert found(shop) == (0, 0, 1, 0)


def _charge_again(session: Session) -> None:
    ledger.reserve(session, session.exec(select(Account.id)).one(), "again", 1)
    amount = ledger.Amount(1, 0)
    ledger.capture(session, session.exec(select(Account.id)).one(), "again", amount)


def _never_capture(session: Session) -> None:
    session.exec(delete(LedgerEntry).where(LedgerEntry.kind == "capture"))


def _second_order(session: Session) -> None:
    account = session.exec(select(Account)).one()
    accept_order(session, draft(account.id, primary_bucket(session, account.id).id, cost=1))


@pytest.mark.parametrize("damage", [_charge_again, _never_capture, _second_order])
def test_a_charge_too_many_or_an_order_nobody_asked_for_is_seen(
    shop: Shop, damage: Callable[[Session], None]
) -> None:
    in_database(shop.site, damage)
    assert found(shop)[1] > 0


@pytest.mark.parametrize("column", ["credits_free", "storage_used"])
def test_a_balance_that_is_not_its_sum_is_seen(shop: Shop, column: str) -> None:
    def change(session: Session) -> None:
        session.exec(update(Account).values({column: getattr(Account, column) + 1}))

    in_database(shop.site, change)
    assert found(shop) == (0, 0, 0, 1)


def test_the_loss_of_everything_is_seen(shop: Shop) -> None:
    shutil.rmtree(shop.site.objects)
    assert found(shop)[0] == 3
