"""The operation that purges."""

from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import exactly, example, integer, json_of
from gateway.purge import Purge
from models.errors import NotFound

PURGE_CURL = """\
curl -X POST "$API/api/v1/purge" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"imageId": "'$IMAGE_ID'"}'
"""
_MEANINGS = {
    "imageId": "All files of this image.",
    "objectKey": "One file, by its `objectKey`.",
    "prefix": "All images of a bucket whose folder begins like this.",
    "galleryId": "All images of this gallery.",
    "bucketKey": "The bucket of an `objectKey` or a `prefix`; the primary one if it is not named.",
}


def paths() -> Paths:
    """The one path."""
    return {"/api/v1/purge": {"post": _purge()}}


def _purge() -> Operation:
    shape = exactly(
        "What went.",
        objects=integer("Files whose copies every edge forgets.", minimum=0),
        derivatives=integer("Files made on the fly that were deleted.", minimum=0),
    )
    shown = {"purged": example("An image", {"objects": 5, "derivatives": 12})}
    return Operation(
        name="purgeCopies",
        tag="Purge",
        summary="Forget copies and derivatives",
        text=(
            "Every edge forgets its copies within a second, and what was made on the fly is "
            "deleted: the next request makes it anew. The images stay. Deleting or updating an "
            "image does this by itself."
        ),
        needs="images-delete",
        takes=("Idempotency-Key",),
        body=body_of(Purge, _MEANINGS, {"imageId": samples.IMAGE_ID}),
        answers={OK: answer("It is done.", json_of(shape, examples=shown))},
        causes=(NotFound,),
        samples=(("An image", PURGE_CURL),),
    )
