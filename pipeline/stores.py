"""Which object storage a bucket's objects are in."""

from models.records import Bucket
from pipeline.storage import Storage


class Stores:
    """Our own storage, where staging and most buckets are, and those of customers."""

    def __init__(self, own: Storage) -> None:
        self.own = own

    def of(self, bucket: Bucket) -> Storage:
        """The storage that this bucket's objects are in."""
        if bucket.endpoint is not None:
            raise NotImplementedError
        return self.own
