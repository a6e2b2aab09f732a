"""Our own object storage as the settings name it: S3, Google, Azure, or a folder."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from models.errors import Unavailable
from models.meter import Meter
from models.settings import Settings, SettingsError
from pipeline.storage import PART_BUFFER, Storage, StorageDenies, Store, open_folder

# Our own storage may be slow, but not silent for so long: whoever waits for it is told then.
_SILENCE = timedelta(seconds=6)

log = structlog.get_logger(__name__)


def open_storage(settings: Settings, meter: Meter | None = None) -> Storage:
    """What the address names, else a folder in the data folder. Raises SettingsError."""
    if not settings.objects_url:
        return open_folder(settings.data / "objects", meter)
    refuse_half_named(settings)
    scheme, bucket, prefix = _split(settings.objects_url)
    try:
        store = _OPENERS[scheme](settings, bucket, prefix or None)
        return Storage(store, PART_BUFFER, None, meter, _NAMES[scheme])
    except BaseError as error:  # its words may hold a key
        raise SettingsError(
            "CALOTYPE_OBJECTS_URL: the store cannot be opened with these credentials, "
            f"{type(error).__name__}."
        ) from None


def refuse_half_named(settings: Settings) -> None:
    """Raise SettingsError unless address and credentials of our storage belong together."""
    scheme, bucket, _ = _split(settings.objects_url)
    if scheme not in _OPENERS or not bucket:
        raise SettingsError(
            "CALOTYPE_OBJECTS_URL is s3://bucket/prefix, gs://bucket/prefix or "
            "az://container/prefix."
        )
    if bool(settings.objects_access_key) != bool(settings.objects_secret_key):
        raise SettingsError(
            "CALOTYPE_OBJECTS_ACCESS_KEY and CALOTYPE_OBJECTS_SECRET_KEY go together: set both "
            "or neither."
        )
    if scheme == "gs" and settings.objects_access_key:
        raise SettingsError(
            "CALOTYPE_OBJECTS_ACCESS_KEY is for s3:// and az://: the key of gs:// is a file, set "
            "CALOTYPE_OBJECTS_CREDENTIALS."
        )
    if scheme != "gs" and settings.objects_credentials:
        raise SettingsError("CALOTYPE_OBJECTS_CREDENTIALS is for gs:// alone.")
    if settings.objects_credentials and not Path(settings.objects_credentials).is_file():
        raise SettingsError("CALOTYPE_OBJECTS_CREDENTIALS: there is no such file.")


def _split(url: str) -> tuple[str, str, str]:
    scheme, _, place = url.partition("://")
    bucket, _, prefix = place.partition("/")
    return scheme, bucket, prefix.strip("/")


def _s3(settings: Settings, bucket: str, prefix: str | None) -> Store:
    config = {
        "region": settings.objects_region,
        "endpoint": settings.objects_endpoint,
        "access_key_id": settings.objects_access_key,
        "secret_access_key": settings.objects_secret_key,
    }
    return S3Store(bucket, prefix=prefix, **_told(settings, config))


def _gcs(settings: Settings, bucket: str, prefix: str | None) -> Store:
    config = {
        "service_account": settings.objects_credentials,
        "base_url": settings.objects_endpoint,
    }
    return GCSStore(bucket, prefix=prefix, **_told(settings, config))


def _azure(settings: Settings, bucket: str, prefix: str | None) -> Store:
    config = {
        "account_name": settings.objects_access_key,
        "account_key": settings.objects_secret_key,
        "endpoint": settings.objects_endpoint,
    }
    return AzureStore(bucket, prefix=prefix, **_told(settings, config))


_OPENERS = {"s3": _s3, "gs": _gcs, "az": _azure}
_NAMES = {"s3": "s3", "gs": "gcs", "az": "azure"}


def _told(settings: Settings, config: dict[str, str]) -> dict[str, Any]:
    """What every store is told: its settings where there are any, and when to give up."""
    return {
        "config": {name: value for name, value in config.items() if value},
        "client_options": {
            "allow_http": settings.objects_endpoint.startswith("http://"),
            "connect_timeout": _SILENCE / 2,
            "read_timeout": _SILENCE,
        },
        "retry_config": {"max_retries": 3, "retry_timeout": _SILENCE},
    }


async def refuse_denied(storage: Storage) -> None:
    """Raise SettingsError when the store does not take our credentials.

    One that is away may come back, and some make their bucket at the first write: both are logged.
    """
    try:
        await storage.check()
    except StorageDenies as error:
        raise SettingsError(
            "CALOTYPE_OBJECTS_URL: the store refuses our credentials, check "
            "CALOTYPE_OBJECTS_ACCESS_KEY and CALOTYPE_OBJECTS_SECRET_KEY, or "
            "CALOTYPE_OBJECTS_CREDENTIALS."
        ) from error
    except Unavailable as error:
        log.warning("the object storage does not answer as it should", cause=str(error))
