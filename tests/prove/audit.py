"""The auditor: opens the database and the objects past the system, and compares.

What clients were told against orders, orders against the ledger, the ledger against the balance,
rows against objects, byte for byte by their hashes, and the folder of objects against the rows.
"""

import asyncio
import contextlib
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx2
from sqlmodel import Session, col, func, select, update

from models.columns import now
from models.records import (
    Account,
    Bucket,
    Image,
    LedgerEntry,
    Master,
    Order,
    Outbox,
    Replay,
    Variant,
)
from tests.prove.books import Books
from tests.prove.row import Outcome
from tests.prove.site import Site
from tests.prove.waiting import becomes_so

_SHOWN = 5


class Audit(NamedTuple):
    """What was found. Lost: told and not there. Twice: charged or made more than once."""

    accepted: int
    lost: int
    twice: int
    litter: int
    problems: tuple[str, ...]
    figures: dict[str, int | float | str]

    def outcome(self, **figures: float | str) -> Outcome:
        """As a row's outcome; litter is a problem of its own."""
        said = (*self.problems, *([f"{self.litter} stray objects"] if self.litter else []))
        return Outcome(
            tried=self.accepted,
            survived=self.accepted - self.lost,
            lost=self.lost,
            duplicates=self.twice,
            figures=self.figures | figures,
            problems=said,
        )


class Ledgers(NamedTuple):
    """Everything that the database and the folder hold, read once."""

    accounts: list[Account]
    buckets: dict[str, Bucket]
    orders: dict[str, Order]
    images: dict[str, Image]
    variants: dict[str, list[Variant]]
    masters: list[Master]
    entries: dict[str, list[LedgerEntry]]
    replays: dict[str, Replay]
    unsent: int
    objects: dict[str, tuple[int, str]]
    staged: list[str]


async def settled(site: Site, seconds: float = 300) -> float:
    """Wait until nothing is on its way any more; how long that took, in seconds.

    No order pending, nothing unsaid, no tombstone, staging as empty as it will be.
    """
    began = time.monotonic()
    with contextlib.closing(site.database()) as database:

        async def nothing() -> bool:
            return not await database.read(_on_its_way)

        if not await becomes_so(nothing, seconds):
            left = await database.read(_on_its_way)
            raise AssertionError(f"still on its way after {seconds:.0f} s: {left}")
    return time.monotonic() - began


def _on_its_way(session: Session) -> dict[str, int]:
    counts = {
        "orders": select(func.count()).where(Order.state == "pending"),
        "events": select(func.count()).where(col(Outbox.sent_at).is_(None)),
        "tombstones": select(func.count()).where(Image.state == "deleted"),
    }
    found = {name: int(session.exec(query).one()) for name, query in counts.items()}
    return {name: count for name, count in found.items() if count}


async def swept(site: Site, seconds: float = 300) -> None:
    """Have everything look two hours old, and wait for the round of the reconciler that follows.

    Which is at the start of a pipeline. What it leaves is for the auditor to find.
    """
    await settled(site)
    site.age("staging")
    site.age("variants")
    with contextlib.closing(site.database()) as database:
        await database.run(_age_reservations)
    site.role("pipeline").kill()
    await site.ready()
    await becomes_so(partial(_is_clean, site), seconds)
    await settled(site)


def _age_reservations(session: Session) -> None:
    old = now() - timedelta(hours=2)
    session.exec(update(LedgerEntry).where(LedgerEntry.kind == "reserve").values(created_at=old))


async def _is_clean(site: Site) -> bool:
    known = await asyncio.to_thread(_read, site)
    return not any((*_litter(known), *_wrong_money(known)))


def audit(site: Site, books: Books) -> Audit:
    """Compare. The system may run, but nothing may be on its way."""
    known = _read(site)
    lost = [*_lost(known, books)]
    twice = [*_twice(known, books)]
    wrong = [*books.problems, *_wrong_money(known), *_wrong_storage(known), *_left_open(known)]
    litter = [*_litter(known)]
    lists = {"lost": lost, "twice": twice, "wrong": wrong, "litter": litter}
    said = [f"{name}: {one}" for name, found in lists.items() for one in found[:_SHOWN]]
    said += [f"{name}: {len(found)} in all" for name, found in lists.items() if len(found) > _SHOWN]
    counts = {
        "uploads": len(books.uploads),
        "updates": len(books.updates),
        "conversions": len(books.conversions),
        "deleted": len(books.deleted),
        "refused": len(books.refused),
        "never answered": len(books.unknown),
        "objects hashed": len(known.objects),
    }
    figures: dict[str, int | float | str] = {name: n for name, n in counts.items() if n}
    return Audit(books.accepted, len(lost), len(twice), len(litter), tuple(said), figures)


def _read(site: Site) -> Ledgers:
    with contextlib.closing(site.database()) as database, Session(database.engine) as session:
        variants, entries = defaultdict(list), defaultdict(list)
        for variant in session.exec(select(Variant)):
            variants[variant.image_id].append(variant)
        for entry in session.exec(select(LedgerEntry)):
            entries[entry.operation_id].append(entry)
        unsent = select(func.count()).where(col(Outbox.sent_at).is_(None))
        return Ledgers(
            accounts=list(session.exec(select(Account))),
            buckets={one.id: one for one in session.exec(select(Bucket))},
            orders={one.id: one for one in session.exec(select(Order))},
            images={one.id: one for one in session.exec(select(Image))},
            variants=dict(variants),
            masters=list(session.exec(select(Master))),
            entries=dict(entries),
            replays={one.key: one for one in session.exec(select(Replay))},
            unsent=int(session.exec(unsent).one()),
            objects=_hashed(site.objects, "variants"),
            staged=_files(site.objects, "staging"),
        )


def _hashed(root: Path, folder: str) -> dict[str, tuple[int, str]]:
    """Every object's size and SHA-256, by its key, as the disk has it."""
    found = {}
    for key in _files(root, folder):
        with contextlib.suppress(FileNotFoundError):  # the reconciler is sweeping
            data = (root / key).read_bytes()
            found[key] = (len(data), hashlib.sha256(data).hexdigest())
    return found


def _files(root: Path, folder: str) -> list[str]:
    return [str(path.relative_to(root)) for path in (root / folder).rglob("*") if path.is_file()]


def _lost(known: Ledgers, books: Books) -> Iterator[str]:
    """Everything that a client was told and that is not so."""
    for key in (*books.uploads, *books.updates):
        order = _order_of(known, key)
        if order is None or order.state != "done":
            yield f"order of {key} is {order and order.state}"
    for image_id, told in books.images.items():
        image = known.images.get(image_id)
        if image is None or image.state != "ready":
            yield f"image {image_id} is {image and image.state}"
        elif _told(told) != {(v.object_key, v.size) for v in known.variants.get(image_id, ())}:
            yield f"image {image_id} has other variants than its client was told"
    for row in _made(known):
        if known.objects.get(row.storage_key) != (row.size, row.sha256):
            yield f"object {row.storage_key} is not what its row says"


def _made(known: Ledgers) -> list[Variant | Master]:
    """Every row that has to have an object."""
    return [*(row for rows in known.variants.values() for row in rows), *known.masters]


def _told(image: dict[str, list[dict[str, object]]]) -> set[tuple[object, object]]:
    return {(one["objectKey"], one["size"]) for one in image["metadata"] if one["objectKey"]}


def _order_of(known: Ledgers, key: str) -> Order | None:
    replay = known.replays.get(key)
    return known.orders.get(replay.order_id or "") if replay else None


def _twice(known: Ledgers, books: Books) -> Iterator[str]:
    """Every effect that no client asked for, or that came more than once."""
    orders = Counter(replay.order_id for replay in known.replays.values() if replay.order_id)
    for order_id in known.orders:
        if orders[order_id] != 1:
            yield f"order {order_id} belongs to {orders[order_id]} keys"
    for order in known.orders.values():
        counts = Counter(entry.kind for entry in known.entries.get(order.id, ()))
        end = {"done": "capture", "failed": "refund"}.get(order.state, "nothing")
        if counts != Counter({"reserve": 1, end: 1}):
            yield f"order {order.id}, {order.state}: {dict(counts)}"
    for image_id, rows in known.variants.items():
        kinds = Counter((row.id_suffix, row.format) for row in rows)
        if max(kinds.values()) > 1 or len({row.object_key for row in rows}) != len(rows):
            yield f"image {image_id} has a variant twice"
    yield from _wrong_charge(known, books)


def _wrong_charge(known: Ledgers, books: Books) -> Iterator[str]:
    """What was spent in all is what was answered, and at most what nobody heard the end of."""
    spent = -sum(entry.free + entry.paid for entry in _spends(known))
    most = books.charged + books.price_of(books.unknown)
    if not books.charged <= spent <= most:
        yield f"{spent} credits were spent, answers say {books.charged} to {most}"
    for key in books.refused:
        order = _order_of(known, key)
        if order is not None and order.state != "failed":
            yield f"{key} was refused and its order is {order.state}"


def _spends(known: Ledgers) -> Iterator[LedgerEntry]:
    for entries in known.entries.values():
        yield from (entry for entry in entries if entry.kind != "grant")


def _wrong_money(known: Ledgers) -> Iterator[str]:
    for account in known.accounts:
        own = [e for found in known.entries.values() for e in found if e.account_id == account.id]
        sums = (sum(entry.free for entry in own), sum(entry.paid for entry in own))
        if sums != (account.credits_free, account.credits_paid):
            yield f"ledger says {sums}, balance {account.credits_free}, {account.credits_paid}"
    for operation, entries in known.entries.items():
        kinds = sorted(entry.kind for entry in entries)
        if kinds not in (["grant"], ["capture", "reserve"], ["refund", "reserve"]):
            yield f"operation {operation}: {kinds}"


def _wrong_storage(known: Ledgers) -> Iterator[str]:
    ready = [image for image in known.images.values() if image.state == "ready"]
    for image in ready:
        counted = sum(v.size for v in known.variants.get(image.id, ()) if v.counted)
        if counted != image.size:
            yield f"image {image.id} says {image.size} bytes, its variants {counted}"
    for account in known.accounts:
        used = sum(image.size for image in ready if image.account_id == account.id)
        if used != account.storage_used:
            yield f"storage used says {account.storage_used}, images {used}"
    for bucket in known.buckets.values():
        count = sum(image.bucket_id == bucket.id for image in ready)
        if count != bucket.image_count:
            yield f"bucket says {bucket.image_count} images, there are {count}"


def _left_open(known: Ledgers) -> Iterator[str]:
    pending = [order.id for order in known.orders.values() if order.state == "pending"]
    stray = [image.id for image in known.images.values() if image.state != "ready"]
    if pending or stray or known.unsent:
        yield f"pending {len(pending)}, images not ready {len(stray)}, unsent {known.unsent}"


def _litter(known: Ledgers) -> Iterator[str]:
    """Objects that no row names: in staging, beside the variants, obstore's own leftovers.

    A dead letter keeps its original: it may be retried.
    """
    named = {row.storage_key for row in _made(known)}
    parked = {order.staging_key for order in known.orders.values() if order.parked_at}
    yield from (key for key in known.staged if key not in parked)
    yield from (key for key in known.objects if key not in named)


async def served(site: Site, books: Books, most: int) -> list[str]:
    """What an edge serves wrongly: other bytes than the rows say, or what was deleted."""
    known = await asyncio.to_thread(_read, site)
    wrong = []
    async with httpx2.AsyncClient(base_url=site.edges[0], timeout=30, trust_env=False) as http:
        for image_id in list(books.images)[-most:]:
            for row in known.variants.get(image_id, ()):
                path = f"/{known.buckets[row.bucket_id].public_id}/{row.object_key}"
                answer = await http.get(path)
                digest = hashlib.sha256(answer.content).hexdigest()
                if answer.status_code != 200 or digest != row.sha256:
                    wrong.append(
                        f"the edge answers {answer.status_code} for {path}, or other bytes"
                    )
    return wrong
