"""The operations on buckets."""

from gateway.bucket_fields import BucketChange, NewBucket
from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.images import nothing
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import (
    Json,
    exactly,
    example,
    integer,
    json_of,
    moment,
    or_null,
    ref,
    several,
    text,
    truth,
)
from models.errors import Conflict, InvalidFields, NotFound

TAG = "Buckets"

_MEANINGS = {
    "key": "What requests name it by: 2 to 63 lower-case letters, digits, `_` and `-`.",
    "endpoint": "The address of the storage, as `https://s3.example.org`; a public one.",
    "bucket": "The bucket's name there.",
    "accessKey": "The access key to enter it with.",
    "secretKey": "The secret of that key.",
    "name": "What people call it.",
    "region": "The region of the storage.",
    "prefix": "Folders there to put everything under, as `web/`.",
    "publicUrl": "An address that shows its objects; without one our edge does.",
    "isPrimary": "Whether images go there when a request names no bucket.",
    "conversion": (
        "Who may convert its images by URL without a signature or a preset: nobody (`signed`), "
        "everybody in some `sizes`, everybody (`open`)."
    ),
    "sizes": "Sizes for everybody, as `640`, `x480` or `640x480`; others get the next larger one.",
    "keepOriginals": "Whether originals are kept, for conversion by URL.",
    "mezzanine": "Whether a near-lossless copy is kept, for conversion by URL.",
}

LIST_CURL = """\
curl "$API/api/v1/buckets" \\
  -H "Authorization: Bearer $API_KEY"
"""
ADD_CURL = """\
curl -X POST "$API/api/v1/buckets" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "key": "archive",
    "endpoint": "https://s3.example.org",
    "region": "eu-central-1",
    "bucket": "photos",
    "prefix": "web/",
    "accessKey": "...",
    "secretKey": "..."
  }'
"""


def shapes() -> dict[str, Json]:
    """The shapes of answers about buckets."""
    bucket = exactly(
        "A place to keep images. What it is entered with is never told again.",
        key=text("What requests name it by."),
        name=text("What people call it."),
        isPrimary=truth("Whether images go there when a request names no bucket."),
        isCustom=truth("Whether it is in storage of the customer's own."),
        urlBase=text("What its images' URLs begin with.", format="uri"),
        imageCount=integer("Images in it.", minimum=0),
        endpoint=or_null(text("The storage's address; null for ours.")),
        region=or_null(text("The storage's region.")),
        bucket=or_null(text("The bucket's name there.")),
        prefix=text("Folders there that everything is put under."),
        publicUrl=or_null(text("An address of the customer's own that shows its objects.")),
        conversion={
            "enum": ["signed", "sizes", "open"],
            "description": _MEANINGS["conversion"],
        },
        sizes=several({"type": "string"}, _MEANINGS["sizes"]),
        keepOriginals=truth(_MEANINGS["keepOriginals"]),
        mezzanine=truth(_MEANINGS["mezzanine"]),
        createdAt=moment("When it was added."),
    )
    return {
        "Bucket": bucket,
        "BucketAnswer": exactly("One bucket.", bucket=ref("Bucket")),
        "BucketList": exactly("Buckets.", buckets=several(ref("Bucket"), "The default one first.")),
    }


def paths() -> Paths:
    """Every path of buckets, with its methods."""
    return {
        "/api/v1/buckets": {"get": _list(), "post": _add()},
        "/api/v1/buckets/{key}": {"patch": _change(), "delete": _delete()},
    }


def _list() -> Operation:
    shown = {"two": example("Ours and one of their own", samples.buckets_answer())}
    return Operation(
        name="listBuckets",
        tag=TAG,
        summary="List buckets",
        text="The account's buckets.",
        needs="buckets-manage",
        answers={OK: answer("The buckets.", json_of(ref("BucketList"), examples=shown))},
        samples=(("All", LIST_CURL),),
    )


def _add() -> Operation:
    asked = {
        "key": "archive",
        "endpoint": "https://s3.example.org",
        "region": "eu-central-1",
        "bucket": "photos",
        "prefix": "web/",
        "accessKey": "AKEXAMPLE",
        "secretKey": "not-a-real-secret",
    }
    return Operation(
        name="createBucket",
        tag=TAG,
        summary="Add a bucket",
        text=(
            "Adds a bucket in S3-compatible storage of your own. An object is written, read and "
            "deleted there first; nothing is added when that fails. Its credentials are "
            "encrypted, and never told again."
        ),
        needs="buckets-manage",
        takes=("Idempotency-Key",),
        body=body_of(NewBucket, _MEANINGS, asked),
        answers={OK: answer("The bucket.", _one())},
        causes=(Conflict,),
        samples=(("A bucket elsewhere", ADD_CURL),),
    )


def _change() -> Operation:
    return Operation(
        name="updateBucket",
        tag=TAG,
        summary="Update a bucket",
        text="Changes what is named. A changed address or credentials are tried first.",
        needs="buckets-manage",
        takes=("bucketKeyPath", "Idempotency-Key"),
        body=body_of(BucketChange, _MEANINGS, {"isPrimary": True}),
        answers={OK: answer("The bucket.", _one())},
        causes=(NotFound, Conflict),
    )


def _one() -> Json:
    shown = {"one": example("A bucket elsewhere", samples.bucket_answer())}
    return json_of(ref("BucketAnswer"), examples=shown)


def _delete() -> Operation:
    return Operation(
        name="deleteBucket",
        tag=TAG,
        summary="Delete a bucket",
        text=(
            "Forgets a bucket. Objects in the customer's storage stay unless `deleteObjects` "
            "says otherwise; one that has images is kept unless either says that they go."
        ),
        needs="buckets-manage",
        takes=("bucketKeyPath", "force", "deleteObjects"),
        answers={OK: nothing("It is gone.")},
        causes=(NotFound, Conflict, InvalidFields),
    )
