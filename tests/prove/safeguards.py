"""The safeguards: where each stands, what is there when it is off, the check that sees it."""

from typing import NamedTuple

from tests.prove.builds import Change


class Safeguard(NamedTuple):
    """One thing that keeps us safe, and a test that must fail without it."""

    name: str
    check: str
    changes: tuple[Change, ...]


def _one(name: str, check: str, file: str, words: str, others: str) -> Safeguard:
    return Safeguard(name, f"tests/{check}", (Change(file, words, others),))


SAFEGUARDS: tuple[Safeguard, ...] = (
    _one(
        "fsync of objects",
        "test_storage.py::test_an_object_is_on_disk_with_its_folders_before_the_call_returns",
        "pipeline/storage.py",
        "        os.fsync(descriptor)\n",
        "        pass\n",
    ),
    _one(
        "fsync of commits",
        "test_database.py::test_sqlite_is_opened_so_that_a_power_cut_loses_nothing",
        "models/database.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=NORMAL",
    ),
    _one(
        "fsync of messages",
        "test_bus_proof.py::test_our_own_server_syncs_as_its_system_account_says",
        "gateway/nats_server.py",
        "  sync_interval: always\n",
        "",
    ),
    _one(
        "work before its acknowledgement",
        "test_worker.py::test_while_storage_cannot_be_written_the_order_waits_and_then_succeeds",
        "pipeline/worker.py",
        '        failpoint("W1.fetched")\n',
        "        await delivery.done()\n",
    ),
    _one(
        "message ids",
        "test_outbox.py::test_two_relays_may_say_it_twice_but_it_is_heard_once_by_the_pipeline",
        "pipeline/bus.py",
        'headers = {"Nats-Msg-Id": message_id}',
        'headers = {"X-Id": message_id}',
    ),
    _one(
        "the condition on spending",
        "test_ledger.py::test_every_sequence_of_movements_adds_up",
        "models/ledger.py",
        "    if changed.rowcount != 1:\n",
        "    if changed.rowcount > 1:\n",
    ),
    _one(
        "the condition on an order's end",
        "test_orders.py::test_finishing_twice_changes_nothing",
        "models/orders.py",
        '        .where(col(Order.id) == order_id, col(Order.state) == "pending")\n',
        "        .where(col(Order.id) == order_id)\n",
    ),
    _one(
        "the key in the effect's transaction",
        "test_replays.py::test_of_many_with_one_key_one_is_accepted",
        "gateway/idempotency.py",
        "                claim(session, self._attempt.use)\n",
        "",
    ),
    _one(
        "addresses that are global in name only",
        "test_egress.py::test_an_ipv4_address_that_is_not_public_is_refused_bare_and_in_every_wrapping",
        "pipeline/egress.py",
        "return address.is_global and not _within(address, NEVER)",
        "return address.is_global",
    ),
    _one(
        "the address check at every connection",
        "test_egress.py::test_a_name_that_rebinds_between_two_hops_is_caught_at_the_second",
        "pipeline/egress.py",
        "    if len(checked) != len(addresses):\n",
        "    checked = [one for one in addresses if one is not None]\n    if not checked:\n",
    ),
    _one(
        "a child's memory limit",
        "test_studio.py::test_a_child_is_bounded_by_the_system",
        "pipeline/confine.py",
        "    _limit(resource.RLIMIT_AS, _address_space() + _RESERVES",
        "    _limit(resource.RLIMIT_AS, (1 << 50) + _address_space() + _RESERVES",
    ),
    _one(
        "a child's seal",
        "test_studio.py::test_the_children_of_a_studio_are_sealed",
        "pipeline/child.py",
        "    seal()\n",
        "",
    ),
    _one(
        "single flight",
        "test_edge_app.py::test_many_readers_of_one_cold_key_cost_one_look_up_and_one_fetch",
        "cdn_edge/flights.py",
        "        flight = self._flying.get(key)\n",
        "        flight = None\n",
    ),
    _one(
        "the deadline of a body",
        "test_form.py::test_dripping_does_not_outlast_the_deadline",
        "gateway/form.py",
        "min(limits.read_seconds, deadline - asyncio.get_running_loop().time())",
        "limits.read_seconds",
    ),
    _one(
        "the hash of what the disk cache reads",
        "test_edge_cache.py::test_a_damaged_file_is_never_served_and_leaves_nothing_behind",
        "cdn_edge/disk.py",
        "if hashlib.sha256(body).hexdigest() == entry.etag else None",
        "if body is not None else None",
    ),
    _one(
        "purges of work under way",
        "test_edge_app.py::test_a_fetch_that_began_before_a_purge_leaves_nothing_behind",
        "cdn_edge/flights.py",
        "            flight.stale = True\n",
        "            pass\n",
    ),
    _one(
        "whose image it is",
        "test_library.py::test_an_image_of_somebody_else_is_not_found_and_cannot_be_deleted",
        "models/library.py",
        "Image.account_id == account_id, Image.state",
        "Image.state",
    ),
    _one(
        "signatures of URLs",
        "test_edge_signing.py",
        "cdn_edge/signing.py",
        "if not hmac.compare_digest(_hmac(path, named, secret).encode(), given.encode()) or not",
        "if not",
    ),
)
