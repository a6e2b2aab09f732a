"""The operations on images."""

from gateway.asked import UPDATE_FIELDS, UPLOAD_FIELDS
from gateway.openapi import samples
from gateway.openapi.forms import form_of
from gateway.openapi.operation import ACCEPTED, OK, Operation, Paths, answer
from gateway.openapi.words import Json, example, json_of, ref
from models.errors import (
    BadSource,
    BucketFailed,
    BucketRefused,
    Conflict,
    DamagedImage,
    EmptyFile,
    ForbiddenSource,
    ImageTooLarge,
    InvalidFields,
    NotAnImage,
    NotFound,
    OutOfCredits,
    OutOfStorage,
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    SourceTooSlow,
    WorkersDied,
)

TAG = "Images"
WAITING = ("Idempotency-Key", "Prefer")
SOURCE_CAUSES = (ForbiddenSource, BadSource, SourceTooSlow)
PIXEL_CAUSES = (
    NotAnImage,
    DamagedImage,
    EmptyFile,
    *SOURCE_CAUSES,
    OutOfCredits,
    ImageTooLarge,
    RenderCrashed,
    RenderTimedOut,
    RenderOutOfMemory,
)
ORDER_CAUSES = (OutOfStorage, WorkersDied)
STORED_CAUSES = (*PIXEL_CAUSES, *ORDER_CAUSES, BucketFailed, BucketRefused, NotFound)

_RESIZES = '[{"width": 1200}, {"width": 720}]'
_FORMATS = '[{"format": "webp"}, {"format": "avif", "options": {"quality": 60}}]'

UPLOAD_CURL = """\
curl -X POST "$API/api/v1/images" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "name=harbour.jpg" \\
  -F "description=The harbour at dusk" \\
  -F "ratio=1.777" \\
  -F 'resizeOptions=[{"width": 1200}, {"width": 720}]' \\
  -F 'formatOptions=[{"format": "webp"}, {"format": "avif"}]' \\
  -F "image=@harbour.jpg"
"""
URL_CURL = """\
curl -X POST "$API/api/v1/images" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "url=$SOURCE"
"""
LIST_CURL = """\
curl "$API/api/v1/images?page=1&limit=10&sort=desc" \\
  -H "Authorization: Bearer $API_KEY"
"""
GET_CURL = """\
curl "$API/api/v1/images/$IMAGE_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""
UPDATE_CURL = """\
curl -X PATCH "$API/api/v1/images/$IMAGE_ID" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "name=Harbour, evening"
"""
PIXELS_CURL = """\
curl -X PATCH "$API/api/v1/images/$IMAGE_ID" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "storageKeyHandling=unique" \\
  -F 'resizeOptions={"width": 720}' \\
  -F "image=@harbour.jpg"
"""
DELETE_CURL = """\
curl -X DELETE "$API/api/v1/images/$IMAGE_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""


def paths() -> Paths:
    """Every path of images, with its methods."""
    put, patch = _change("replaceImage"), _change("updateImage")
    return {
        "/api/v1/images": {"get": _list(), "post": _upload()},
        "/api/v1/images/{image_id}": {
            "get": _get(),
            "put": put,
            "patch": patch,
            "delete": _delete(),
        },
    }


def accepted() -> Json:
    """The answer to who does not wait, or not so long."""
    pending = example("Not done yet", samples.order("pending"))
    content = json_of(ref("Order"), examples={"pending": pending})
    said = "The order is accepted and goes on; ask where `Location` says."
    applied = ref("Preference-Applied", "headers")
    return answer(said, content, Location=ref("Location", "headers"), Preference_Applied=applied)


def _upload() -> Operation:
    asked = {"name": "harbour.jpg", "ratio": "1.777", "resizeOptions": _RESIZES}
    done = samples.images_answer() | samples.statistics(4)
    content = json_of(ref("ImagesAnswer"), examples={"sizes": example("Two sizes", done)})
    return Operation(
        name="uploadImage",
        tag=TAG,
        summary="Upload an image",
        text=(
            "Takes a file or a URL and makes a file of each format in each size; each costs a "
            "credit, thumbnails are free. The original is not kept. Nothing is charged for what "
            "fails."
        ),
        needs="images-create",
        takes=WAITING,
        body=form_of(
            UPLOAD_FIELDS, needs_source=True, example=asked | {"formatOptions": _FORMATS} | _URL
        ),
        answers={OK: answer("The images, one for each size.", content), ACCEPTED: accepted()},
        causes=STORED_CAUSES,
        samples=(("A file", UPLOAD_CURL), ("A URL", URL_CURL)),
    )


_URL = {"url": "https://www.example.com/harbour.jpg"}


def _list() -> Operation:
    shown = example("A page of two", samples.page_answer())
    return Operation(
        name="listImages",
        tag=TAG,
        summary="List images",
        text="A page of a bucket's images. Free.",
        needs="images-read",
        takes=("page", "limit", "sort", "bucketKey"),
        answers={OK: answer("A page.", json_of(ref("ImageList"), examples={"page": shown}))},
        causes=(InvalidFields,),
        samples=(("A page", LIST_CURL),),
    )


def _get() -> Operation:
    shown = example("An image in two formats", samples.image_answer())
    return Operation(
        name="getImage",
        tag=TAG,
        summary="Get an image",
        text="One image with all its files. Free.",
        needs="images-read",
        takes=("imageId",),
        answers={OK: answer("The image.", json_of(ref("ImageAnswer"), examples={"one": shown}))},
        causes=(NotFound,),
        samples=(("One image", GET_CURL),),
    )


def _change(name: str) -> Operation:
    done = example("New pixels", samples.image_answer() | samples.statistics(2))
    content = json_of(ref("UpdateAnswer"), examples={"changed": done})
    asked = {"name": "Harbour, evening", "galleries": "[]"}
    return Operation(
        name=name,
        tag=TAG,
        summary="Update an image",
        text=(
            "Changes what is named and leaves the rest: PUT and PATCH do the same. Words and "
            "galleries are free. New pixels need a file or a URL and one size, and cost a credit "
            "for each format."
        ),
        needs="images-update",
        takes=("imageId", *WAITING),
        body=form_of(UPDATE_FIELDS, needs_source=False, example=asked),
        answers={OK: answer("The image as it is now.", content), ACCEPTED: accepted()},
        causes=(*STORED_CAUSES, Conflict),
        samples=(("Words", UPDATE_CURL), ("Pixels", PIXELS_CURL)),
    )


def _delete() -> Operation:
    return Operation(
        name="deleteImage",
        tag=TAG,
        summary="Delete an image",
        text="Deletes an image and all its files. Its URLs answer 404 within a second. Free.",
        needs="images-delete",
        takes=("imageId",),
        answers={OK: nothing("It is gone.")},
        causes=(NotFound,),
        samples=(("One image", DELETE_CURL),),
    )


def nothing(description: str) -> Json:
    """An answer that is JSON null."""
    shown = {"done": example("Nothing to tell", None)}
    return answer(description, json_of({"type": "null"}, examples=shown))
