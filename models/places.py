"""Where things are in our own object storage: every key that we make is made here.

    variants/{bucket}/{image}/{order}/{object key}       a variant
    variants/{bucket}/{image}/{order}/mezzanine.jpg      what derivatives start from
    variants/{bucket}/{image}/{order}/original.jpg       the original, where its bucket keeps it
    variants/{bucket}/{image}/derived/{hash}/{print}     what was made on the fly from the variant
                                                         whose bytes have this hash

All of an image is in one folder: deleting it is deleting that. What is in a customer's own bucket
is not here, but its mezzanine, kept original and derivatives are: we pay for those.
"""

from typing import NamedTuple

VARIANTS = "variants"
_DERIVED = "derived"
_PRINT_PARTS = 5
_DERIVED_PARTS = 6


class Owner(NamedTuple):
    """Whom an object of ours belongs to: a bucket by its public id, an image, and one of two.

    The order that made it; or the hash of the variant that it was made from on the fly.
    """

    bucket: str
    image_id: str
    order_id: str = ""
    source: str = ""


def image_folder(bucket_public_id: str, image_id: str) -> str:
    """Everything of an image."""
    return f"{VARIANTS}/{bucket_public_id}/{image_id}"


def order_folder(bucket_public_id: str, image_id: str, order_id: str) -> str:
    """What one order made of an image; a try that failed leaves things in no other place."""
    return f"{image_folder(bucket_public_id, image_id)}/{order_id}"


def derived_folder(bucket_public_id: str, image_id: str, sha256: str = "") -> str:
    """The derivatives of an image, or only those of its variant with this hash."""
    folder = f"{image_folder(bucket_public_id, image_id)}/{_DERIVED}"
    return f"{folder}/{sha256}" if sha256 else folder


def owner_of(storage_key: str) -> Owner | None:
    """To whom this key belongs; None for one that we cannot have made."""
    parts = storage_key.split("/")
    if parts[0] != VARIANTS:
        return None
    if len(parts) == _DERIVED_PARTS and parts[3] == _DERIVED:
        return Owner(parts[1], parts[2], source=parts[4])
    return Owner(*parts[1:4]) if len(parts) == _PRINT_PARTS and parts[3] != _DERIVED else None
