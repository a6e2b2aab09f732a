"""Which object storage a bucket's objects are in."""

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from models.buckets import Credentials
from models.errors import BucketRefused
from models.meter import Meter
from models.records import Bucket
from models.vault import Unsealable, unseal
from pipeline.customers import CustomerStorage
from pipeline.storage import Place, Storage, open_customer
from pipeline.tunnel import Tunnel

_MOST_OPEN = 256


class Objects(Protocol):
    """What is done with the objects of a bucket."""

    async def put(self, key: str, data: bytes | Path, content_type: str = "") -> None:
        """Keep `data`, bytes or the content of a file, under `key`."""

    async def get(self, key: str) -> bytes:
        """The whole object, or MissingObject."""

    async def delete(self, keys: list[str]) -> None:
        """Delete objects; one that is not there is as good as deleted."""


class _Open(NamedTuple):
    place: Place
    storage: CustomerStorage


class Stores:
    """Our own storage, where staging and most buckets are, and those of customers.

    `secret` opens the customers' credentials; their storage is reached through `tunnel` alone.
    """

    def __init__(
        self, own: Storage, secret: str, tunnel: Tunnel, meter: Meter | None = None
    ) -> None:
        self.own = own
        self.egress = tunnel.egress
        self._secret = secret
        self._tunnel = tunnel
        self._meter = meter or Meter()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def of(self, bucket: Bucket) -> Objects:
        """The storage that this bucket's objects are in.

        Raises BucketFailed at once for a customer's that failed just now.
        """
        if bucket.endpoint is None:
            return self.own
        storage = self._customer(bucket)
        storage.refuse_resting()
        return storage

    def at(self, place: Place) -> Storage:
        """A customer's storage as it is, to try it."""
        return open_customer(place, self._tunnel.url, self._meter)

    def _customer(self, bucket: Bucket) -> CustomerStorage:
        """The open one, unless it was changed: connections and failures are remembered."""
        place = self._place(bucket)
        known = self._open.pop(bucket.id, None)
        if known is None or known.place != place:
            known = _Open(place, CustomerStorage(self.at(place), bucket.key))
        self._open[bucket.id] = known
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return known.storage

    def _place(self, bucket: Bucket) -> Place:
        credentials = self.credentials_of(bucket)
        return Place(
            endpoint=bucket.endpoint or "",
            region=bucket.region or "",
            bucket=bucket.remote_bucket or "",
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
        )

    def credentials_of(self, bucket: Bucket) -> Credentials:
        """The keys of a customer's storage. BucketRefused when our secret does not open them."""
        try:
            opened = unseal(self._secret, bucket.credentials or "", bucket.id)
        except Unsealable as error:
            raise BucketRefused.of(bucket.key) from error
        return msgspec.json.decode(opened, type=Credentials)
