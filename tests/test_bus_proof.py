"""A NATS server that acknowledges before it is on disk is refused by name."""

import tempfile
from pathlib import Path

import pytest

from gateway.nats_server import embedded_nats
from models.settings import SettingsError
from pipeline.bus_proof import refuse_unsynced
from tests.servers import Nats, free_ports


async def test_a_server_that_syncs_is_let_in(nats: Nats) -> None:
    await refuse_unsynced(nats.proof)
    await refuse_unsynced(f"{nats.proof}/ , {nats.proof}")


@pytest.mark.parametrize(("sync", "told"), [('"10s"', "10s"), ('"2m"', "120s")])
async def test_a_server_that_syncs_later_is_refused_by_name(
    nats: Nats, sync: str, told: str
) -> None:
    nats.kill()
    nats.sync = sync
    nats.start()
    with pytest.raises(SettingsError, match=rf"sync_interval = {told}.*sync_interval: always"):
        await refuse_unsynced(nats.proof)


async def test_a_server_that_cannot_be_asked_is_refused_unless_somebody_answers_for_it() -> None:
    with pytest.raises(SettingsError, match="CALOTYPE_NATS_PROOF"):
        await refuse_unsynced("")
    await refuse_unsynced("promised")


async def test_our_own_server_syncs_as_its_system_account_says() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_nats(Path(folder)) as address:
            await refuse_unsynced(address.proof)
            with pytest.raises(SettingsError):
                await refuse_unsynced(address.url)  # who only uses it is told nothing


async def test_a_proof_that_leads_nowhere_is_named_without_its_password(nats: Nats) -> None:
    (nobody,) = free_ports(1)
    for proof in (
        f"http://127.0.0.1:{nobody}",
        f"http://127.0.0.1:{nats.port}",
        f"nats://system:a-password@127.0.0.1:{nobody}",
        f"nats://system:a-password@127.0.0.1:{nats.port}",
    ):
        with pytest.raises(SettingsError, match=r"CALOTYPE_NATS_PROOF.*127\.0\.0\.1") as raised:
            await refuse_unsynced(proof)
        assert "a-password" not in str(raised.value)
