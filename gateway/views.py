"""Rows to JSON, exactly as the guide prints it. Pure functions."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.cards import Card, ratio_of
from models.galleries import Placed
from models.generation import Generated
from models.library import Shelf, Shown
from models.records import Account, ApiKey, Bucket, Order

Json = dict[str, Any]


def image_answer(shelf: Shown | Shelf, edge: str) -> Json:
    """The body of one image: `data` and `simpleData` as objects."""
    return {"data": image_view(shelf, edge), "simpleData": simple_view(shelf, edge)}


def images_answer(shelves: Sequence[Shown] | Sequence[Shelf], edge: str) -> Json:
    """The body of several images. `images` repeats `data`: the guide's own jq lines read it."""
    data = [image_view(shelf, edge) for shelf in shelves]
    simple = [simple_view(shelf, edge) for shelf in shelves]
    return {"data": data, "images": data, "simpleData": simple}


def image_view(shelf: Shown | Shelf, edge: str) -> Json:
    """One image with all its variants."""
    image, card = shelf.image, card_on(shelf)
    return {
        "id": image.id,
        "urlBase": url_base(shelf, edge),
        "bucketKey": shelf.bucket.key,
        "originalName": image.name,
        "description": image.description,
        "metadata": card.metadata,
        "size": image.size,
        "createdAt": iso(image.created_at),
        "updatedAt": iso(image.updated_at),
        "galleries": [
            {"galleryId": gallery_id, "imageId": image.id} for gallery_id in shelf.galleries
        ],
    }


def simple_view(shelf: Shown | Shelf, edge: str) -> Json:
    """One image as its variants' URLs by format."""
    asked = card_on(shelf).asked
    base = url_base(shelf, edge)
    return {
        "id": shelf.image.id,
        "originalName": shelf.image.name,
        "variants": {variant.format: f"{base}/{variant.object_key}" for variant in asked},
        "info": {
            "width": asked[0].width,
            "height": asked[0].height,
            "ratio": ratio_of(asked[0].width, asked[0].height),
        },
    }


def statistics_view(account: Account, bucket: Bucket, used: int) -> Json:
    """What the account has left after a request that used `used` credits in this bucket."""
    own = bucket.endpoint is None
    return {
        "storageUsed": account.storage_used if own else "user-bucket",
        "totalStorage": account.storage_total if own else "user-bucket",
        "creditsUsed": used,
        "remainingCredits": account.credits_free + account.credits_paid,
        "remainingCreditsPaidPlans": account.credits_paid,
    }


def pagination_view(page: int, limit: int, total: int) -> Json:
    """Where a page is among all of them."""
    pages = math.ceil(total / limit)
    return {
        "page": page,
        "limit": limit,
        "total": total,
        "totalPages": pages,
        "hasNext": page < pages,
        "hasPrevious": page > 1,
        "nextPage": page + 1 if page < pages else None,
        "previousPage": page - 1 if page > 1 else None,
    }


def gallery_view(placed: Placed) -> Json:
    """A gallery without its images."""
    gallery = placed.gallery
    return {
        "id": gallery.id,
        "name": gallery.name,
        "isPublic": gallery.is_public,
        "bucketKey": placed.bucket.key,
        "accountId": gallery.account_id,
        "createdAt": iso(gallery.created_at),
        "updatedAt": gallery.updated_at and iso(gallery.updated_at),
    }


def ungrouped_view(bucket: Bucket) -> Json:
    """The gallery that a bucket's images are in when they are in none."""
    return {
        "id": "ungrouped",
        "name": "Ungrouped",
        "isPublic": False,
        "bucketKey": bucket.key,
        "accountId": bucket.account_id,
        "createdAt": iso(bucket.created_at),
        "updatedAt": None,
    }


def member_view(gallery_id: str, shelf: Shown | Shelf, edge: str) -> Json:
    """One image as a member of a gallery."""
    image = image_view(shelf, edge)
    return {"galleryId": gallery_id, "imageId": shelf.image.id, "image": image}


def public_gallery_view(
    placed: Placed, shelves: Sequence[Shown] | Sequence[Shelf], edge: str
) -> Json:
    """A gallery as strangers see it: nothing of the account, nothing of how it was made."""
    images = [public_image_view(shelf, edge) for shelf in shelves]
    return {"id": placed.gallery.id, "name": placed.gallery.name, "images": images}


def public_image_view(shelf: Shown | Shelf, edge: str) -> Json:
    """An image as strangers see it. Its size is that of its first variant asked for."""
    base, card = url_base(shelf, edge), card_on(shelf)
    return {
        "id": shelf.image.id,
        "originalName": shelf.image.name,
        "description": shelf.image.description,
        "width": card.asked[0].width,
        "height": card.asked[0].height,
        "variants": [
            {
                "url": f"{base}/{file.object_key}",
                "contentType": file.content_type,
                "width": file.image_info.width,
                "height": file.image_info.height,
                "size": file.size,
            }
            for file in card.metadata
            if file.object_key
        ],
    }


def key_view(key: ApiKey) -> Json:
    """An API key without the key; `hint` is how it ends."""
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "permissions": key.permissions,
        "createdAt": iso(key.created_at),
        "expiresAt": key.expires_at and iso(key.expires_at),
        "revokedAt": key.revoked_at and iso(key.revoked_at),
    }


def generated_view(generated: Generated) -> Json:
    """What the model said with the image that it made."""
    return {
        "metadata": {
            "responseId": generated.response_id,
            "modelVersion": generated.model_version,
            "usageMetadata": msgspec.to_builtins(generated.usage),
        },
        "text": generated.text,
    }


def order_view(order: Order, api: str) -> Json:
    """Where an order stands."""
    view: Json = {
        "id": order.id,
        "status": order.state,
        "location": f"{api}/api/v1/orders/{order.id}",
        "createdAt": iso(order.created_at),
        "finishedAt": order.finished_at and iso(order.finished_at),
    }
    if order.failure:
        view["error"] = {"code": order.failure.code, "message": order.failure.message}
    return view


def card_on(shelf: Shown | Shelf) -> Card:
    """The card of an image that is ready: only such are shown."""
    if shelf.image.card is None:
        raise ValueError("an image that is not ready")
    return shelf.image.card


def url_base(shelf: Shown | Shelf, edge: str) -> str:
    """What stands before an object key in its URL."""
    if shelf.image.photo_id:
        return edge
    base = shelf.bucket.public_url or f"{edge}/{shelf.bucket.public_id}"
    return f"{base}/{shelf.image.prefix}".rstrip("/")


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds and Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"
