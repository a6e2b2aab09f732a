"""Being let in by NATS: by nkey, by JWT, by certificate; and what is refused, by name."""

import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Unavailable
from models.settings import Settings, SettingsError
from pipeline.bus import Bus, join
from pipeline.bus_line import Where
from pipeline.bus_papers import papers_of
from pipeline.bus_proof import refuse_unsynced
from tests.faults import FaultProxy
from tests.guarded import Certificates, Nkey, Operated, guarded, operated
from tests.servers import Nats

SUBJECT = "calotype.orders.one"


@contextlib.asynccontextmanager
async def let_in(settings: Settings, within: float = 10) -> AsyncIterator[Bus]:
    where = Where(settings.nats_url, settings.nats_token, 1.0, papers_of(settings))
    async with contextlib.aclosing(await join(where, within=within)) as bus:
        yield bus


async def works(settings: Settings) -> bool:
    async with let_in(settings) as bus:
        await bus.prepare()
        await bus.publish(SUBJECT, b"data", "one")
        return bus.connected


async def is_refused(settings: Settings) -> str:
    with pytest.raises(Unavailable, match="CALOTYPE_NATS_URL") as refused:
        async with let_in(settings, within=2):
            pass
    return str(refused.value)


def written(folder: Path, name: str, content: str) -> str:
    file = folder / name
    file.write_text(content)
    return str(file)


# Keys


@pytest.fixture(scope="module")
def company() -> Iterator[Operated]:
    with operated() as made:
        yield made


async def test_an_nkey_is_let_in_and_a_strangers_is_not(tmp_path: Path) -> None:
    user, stranger = Nkey("user"), Nkey("user")
    with guarded(f"authorization {{ users: [ {{ nkey: {user.public} }} ] }}") as server:
        ours = written(tmp_path, "user.nk", f"{user.seed}\n")
        settings = Settings(nats_url=server.url, nats_nkey=ours)
        assert await works(settings)
        theirs = written(tmp_path, "stranger.nk", stranger.seed)
        told = await is_refused(msgspec.structs.replace(settings, nats_nkey=theirs))
        assert stranger.seed not in told


async def test_credentials_are_let_in_and_those_of_another_account_are_not(
    company: Operated, tmp_path: Path
) -> None:
    ours = written(tmp_path, "user.creds", company.credentials)
    settings = Settings(nats_url=company.server.url, nats_credentials=ours)
    assert await works(settings)
    theirs = written(tmp_path, "stranger.creds", company.stranger)
    await is_refused(msgspec.structs.replace(settings, nats_credentials=theirs))


async def test_credentials_that_were_renewed_are_used_for_the_next_connection(
    company: Operated, tmp_path: Path
) -> None:
    file = written(tmp_path, "user.creds", company.credentials)
    url = company.server.url
    async with FaultProxy("127.0.0.1", company.server.port) as line:
        settings = Settings(
            nats_url=url.replace(str(company.server.port), str(line.port)),
            nats_credentials=file,
        )
        async with let_in(settings) as bus:
            await bus.prepare()
            written(tmp_path, "user.creds", company.stranger)
            line.reset()
            with pytest.raises((Unavailable, TimeoutError)):
                await bus.ask("INFO")
            written(tmp_path, "user.creds", company.credentials)
            await bus.publish(SUBJECT, b"data", "renewed")


async def test_no_secret_is_said_when_nobody_lets_us_in(
    company: Operated,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    file = written(tmp_path, "stranger.creds", company.stranger)
    settings = Settings(
        nats_url=company.server.url, nats_credentials=file, nats_token="a-secret-token"
    )
    told = await is_refused(settings)
    where = Where(settings.nats_url, settings.nats_token, papers=papers_of(settings))
    said = caplog.text + "".join(capfd.readouterr()) + told + repr(where)
    for secret in (
        "a-secret-token",
        *(line for line in company.stranger.split() if len(line) > 40),
    ):
        assert secret not in said


@given(st.text(max_size=80))
def test_what_is_no_key_is_named_and_nothing_of_it_said(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder), "key", f"x-{content}")
        for field in ("nats_nkey", "nats_credentials"):
            with pytest.raises(SettingsError, match=f"^CALOTYPE_{field.upper()}: ") as refused:
                papers_of(Settings(**{field: file}))  # type: ignore[arg-type]
            assert str(refused.value).endswith("(it holds no such thing).")


def test_a_damaged_seed_is_refused(tmp_path: Path) -> None:
    seed = Nkey("user").seed
    other = "A" if seed[20] != "A" else "B"
    file = written(tmp_path, "user.nk", seed[:20] + other + seed[21:])
    with pytest.raises(SettingsError, match="CALOTYPE_NATS_NKEY"):
        papers_of(Settings(nats_nkey=file))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (("nats_credentials",), "CALOTYPE_NATS_CREDENTIALS"),
        (("nats_nkey",), "CALOTYPE_NATS_NKEY"),
        (("nats_ca",), "CALOTYPE_NATS_CA"),
        (("nats_certificate",), "CALOTYPE_NATS_CERTIFICATE_KEY"),
        (("nats_certificate_key",), "CALOTYPE_NATS_CERTIFICATE"),
        (("nats_certificate", "nats_certificate_key"), "CALOTYPE_NATS_CERTIFICATE"),
        (("nats_credentials", "nats_nkey"), "set one of them"),
    ],
)
def test_a_file_that_is_not_there_is_named(fields: tuple[str, ...], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        papers_of(Settings(**dict.fromkeys(fields, "/no/such/file")))  # type: ignore[arg-type]


# Certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def sealed(authority: Certificates) -> Iterator[Nats]:
    """A server that speaks TLS, and wants to see the certificate of who comes."""
    certificate, key = authority.issue("server")
    tls = f'cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.ca}", verify: true'
    with guarded(f'tls {{ {tls} }}\nauthorization {{ token: "a-token-for-tests" }}') as server:
        yield server


async def test_a_server_with_tls_is_spoken_to_by_who_has_a_certificate(
    sealed: Nats, authority: Certificates
) -> None:
    own, key = authority.issue("client")
    settings = Settings(
        nats_url=sealed.url,
        nats_token=sealed.token,
        nats_ca=authority.ca,
        nats_certificate=own,
        nats_certificate_key=key,
    )
    assert await works(settings)
    await is_refused(
        msgspec.structs.replace(settings, nats_certificate="", nats_certificate_key="")
    )


async def test_a_server_of_another_authority_is_not_believed(
    sealed: Nats, authority: Certificates, tmp_path: Path
) -> None:
    own, key = authority.issue("client")
    settings = Settings(
        nats_url=sealed.url,
        nats_token=sealed.token,
        nats_ca=Certificates(tmp_path).ca,
        nats_certificate=own,
        nats_certificate_key=key,
    )
    await is_refused(settings)


async def test_a_server_without_tls_is_told_nothing_when_tls_is_asked_for(
    nats: Nats, authority: Certificates
) -> None:
    async with FaultProxy("127.0.0.1", nats.port) as line:
        url = f"nats://127.0.0.1:{line.port}"
        await is_refused(Settings(nats_url=url, nats_token=nats.token, nats_ca=authority.ca))
        await is_refused(Settings(nats_url=url.replace("nats:", "tls:"), nats_token=nats.token))
        tls = papers_of(Settings(nats_ca=authority.ca)).tls
        with pytest.raises(SettingsError, match="CALOTYPE_NATS_PROOF"):
            await refuse_unsynced(url.replace("//", "//system:a-password@"), tls)
        assert line.carried["up"] == 0
