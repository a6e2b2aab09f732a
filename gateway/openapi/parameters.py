"""Parameters and headers that several operations share."""

from gateway.openapi.samples import GALLERY_ID, IMAGE_ID, KEY_ID, ORDER_ID, PHOTO_ID, URL_KEY_ID
from gateway.openapi.words import Json, integer
from gateway.photos import MOST_LISTED

_BOOLEAN = {"enum": ["true", "false"], "default": "false"}


def parameters() -> dict[str, Json]:
    """Every parameter, by the name that operations take it with."""
    return _paths() | _queries() | _headers()


def _paths() -> dict[str, Json]:
    return {
        "imageId": _path("image_id", "The image's id.", IMAGE_ID),
        "orderId": _path("order_id", "The order's id.", ORDER_ID),
        "galleryId": _path("gallery_id", "The gallery's id.", GALLERY_ID),
        "keyId": _path("key_id", "The key's id.", KEY_ID),
        "urlKeyId": _path("url_key_id", "The URL key's id.", URL_KEY_ID),
        "presetName": _path("name", "The preset's name.", "card"),
        "bucketKeyPath": _path("key", "The bucket's key.", "archive"),
        "photoId": _path("photo_id", "The photo's id.", PHOTO_ID),
        "topic": _path("topic", "A page of the guide.", "images"),
    }


def _queries() -> dict[str, Json]:
    page = integer("The page, from 1.", minimum=1, maximum=1_000_000, default=1)
    limit = integer("Most images of a page.", minimum=1, maximum=200)
    order = {"enum": ["asc", "desc"], "default": "asc"}
    return {
        "page": _query("page", page),
        "limit": _query("limit", limit | {"default": 50}),
        "limitUngrouped": _query("limit", limit | {"default": 200}),
        "limitPhotos": _query(
            "limit",
            integer("Most photos of a page.", minimum=1, maximum=MOST_LISTED)
            | {"default": MOST_LISTED},
        ),
        "sort": _query("sort", order, "`asc` is newer to older, `desc` older to newer."),
        "bucketKey": _query(
            "bucketKey", {"type": "string"}, "The bucket; otherwise the primary one."
        ),
        "deleteImages": _query(
            "deleteImages",
            _BOOLEAN,
            "Delete the gallery's images too; needs `galleries-delete-with-images`.",
        ),
        "force": _query("force", _BOOLEAN, "Also when it has images: they are forgotten."),
        "deleteObjects": _query(
            "deleteObjects", _BOOLEAN, "Delete the objects in the customer's storage too."
        ),
        "publicPage": _query(
            "page", {"type": "integer", "minimum": 1, "maximum": 999_999, "default": 1}, "The page."
        ),
    }


def _headers() -> dict[str, Json]:
    visible = {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"}
    return {
        "Idempotency-Key": _header(
            "Idempotency-Key",
            visible,
            "The same key with the same request has one effect: sent again within a day, the "
            "answer of the first time comes back with `Idempotency-Replayed: true`.",
        ),
        "Prefer": _header(
            "Prefer",
            {"type": "string", "examples": ["respond-async", "wait=5"]},
            "`respond-async`: answer 202 at once. `wait=5`: answer 202 after five seconds if it "
            "is not done by then.",
        ),
        "If-None-Match": _header(
            "If-None-Match", {"type": "string"}, "An ETag: answer 304 if it is still that."
        ),
        "X-Request-Id-Given": _header(
            "X-Request-Id",
            {"type": "string", "examples": ["checkout-2026-05-01.17"]},
            "An id of your own for this request: 8 to 64 letters, digits, `.`, `_` and `-`. One "
            "that is spelled otherwise is ignored.",
        ),
    }


def headers() -> dict[str, Json]:
    """Every header of an answer, by its name."""
    count = {"type": "integer", "minimum": 0}
    return {
        "X-Request-Id": _shown({"type": "string"}, "The request's id, as in logs and errors."),
        "RateLimit-Limit": _shown(count, "Requests of this key that the tightest limit allows."),
        "RateLimit-Remaining": _shown(count, "Requests that are left of it."),
        "RateLimit-Reset": _shown(count, "Seconds until it is whole again."),
        "RateLimit-Policy": _shown({"type": "string"}, 'Every limit, as `"requests";q=60;w=60`.'),
        "RateLimit": _shown({"type": "string"}, 'What is left of each, as `"requests";r=59;t=60`.'),
        "Retry-After": _shown(count, "Seconds to wait before you try again."),
        "WWW-Authenticate": _shown({"const": "Bearer"}, "How to say who you are."),
        "Location": _shown({"type": "string", "format": "uri"}, "Where to ask for the order."),
        "Preference-Applied": _shown({"type": "string"}, "What of `Prefer` was honoured."),
        "Idempotency-Replayed": _shown(
            {"const": "true"}, "This is the answer to the same request, sent before."
        ),
        "ETag": _shown({"type": "string"}, "What this answer is now."),
        "Cache-Control": _shown({"type": "string"}, "How long it may be kept."),
    }


def _path(name: str, description: str, example: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def _query(name: str, schema: Json, description: str = "") -> Json:
    said = description or schema.get("description", "")
    return {"name": name, "in": "query", "description": said, "schema": schema}


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _shown(schema: Json, description: str) -> Json:
    return {"description": description, "schema": schema}
