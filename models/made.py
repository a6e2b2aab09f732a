"""What an order made, before it is a row."""

from models.wire import Wire


class Made(Wire, frozen=True):
    """One variant whose object is stored. Sizes in bytes and pixels."""

    id_suffix: str
    object_key: str
    storage_key: str
    format: str
    content_type: str
    extension: str
    width: int
    height: int
    size: int
    sha256: str
    counted: bool = True
