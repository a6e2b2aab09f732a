"""The operations on galleries, and how everybody sees a public one."""

from gateway.galleries import GalleryChange, NewGallery
from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.images import nothing
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.upkeep import unchanged
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
from models.errors import BadRequest, InvalidFields, NotFound

TAG = "Galleries"

_MEANINGS = {
    "name": "Its name, on one line.",
    "isPublic": "Whether everybody may look at `/g/{id}`.",
    "bucketKey": "The bucket that its images are in; otherwise the primary one.",
    "imageIds": "Images to put in, in this order.",
}

LIST_CURL = """\
curl "$API/api/v1/galleries" \\
  -H "Authorization: Bearer $API_KEY"
"""
MAKE_CURL = """\
curl -X POST "$API/api/v1/galleries" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "Harbours", "isPublic": true, "imageIds": ["'$IMAGE_ID'"]}'
"""
GET_CURL = """\
curl "$API/api/v1/galleries/$GALLERY_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""
UNGROUPED_CURL = """\
curl "$API/api/v1/galleries/ungrouped" \\
  -H "Authorization: Bearer $API_KEY"
"""
CHANGE_CURL = """\
curl -X PATCH "$API/api/v1/galleries/$GALLERY_ID" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "Harbours at dusk", "isPublic": true}'
"""
PUBLIC_CURL = """\
curl "$API/g/$GALLERY_ID" \\
  -H "Accept: application/json"
"""
DELETE_CURL = """\
curl -X DELETE "$API/api/v1/galleries/$GALLERY_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""


def shapes() -> dict[str, Json]:
    """The shapes of answers about galleries."""
    member = exactly(
        "An image's place in a gallery.",
        galleryId=text("The gallery's id."),
        imageId=text("The image's id."),
        image=ref("Image"),
    )
    images = several(ref("GalleryMember"), "Its images, in the order they were added.")
    return {
        "Gallery": exactly("A gallery.", **_gallery()),
        "GalleryMember": member,
        "FullGallery": exactly("A gallery with its images.", **_gallery(), images=images),
        "GalleryAnswer": exactly("One gallery.", gallery=ref("FullGallery")),
        "GalleryList": exactly("Galleries.", galleries=several(ref("Gallery"), "Newest first.")),
        **_public(),
    }


def _gallery() -> dict[str, Json]:
    return {
        "id": text("The gallery's id; `ungrouped` for images that are in none."),
        "name": text("Its name."),
        "isPublic": truth("Whether everybody may look at `/g/{id}`."),
        "bucketKey": text("The bucket that its images are in."),
        "accountId": text("Whose it is."),
        "createdAt": moment("When it was made."),
        "updatedAt": or_null(moment("When it was changed last.")),
    }


def _public() -> dict[str, Json]:
    size = {"width": integer("Pixels.", minimum=1), "height": integer("Pixels.", minimum=1)}
    variant = exactly(
        "One file.",
        url=text("Where it is.", format="uri"),
        contentType=text("Media type."),
        **size,
        size=integer("Bytes.", minimum=0),
    )
    image = exactly(
        "An image as strangers see it.",
        id=text("The image's id."),
        originalName=text("Its name."),
        description=or_null(text("What was said of it.")),
        **size,
        variants=several(variant, "Its files."),
    )
    gallery = exactly(
        "A gallery as strangers see it.",
        id=text("The gallery's id."),
        name=text("Its name."),
        images=several(ref("PublicImage"), "The images of this page."),
    )
    pages = exactly(
        "Which page it is.",
        page=integer("This page, from 1.", minimum=1),
        limit=integer("Most images of a page.", minimum=1),
        nextPage=or_null(integer("The next page.", minimum=2)),
        previousPage=or_null(integer("The page before.", minimum=1)),
    )
    answered = exactly("A page of a public gallery.", gallery=gallery, pagination=pages)
    return {"PublicImage": image, "PublicGallery": answered}


def paths() -> Paths:
    """Every path of galleries, with its methods."""
    return {
        "/api/v1/galleries": {"get": _list(), "post": _make()},
        "/api/v1/galleries/ungrouped": {"get": _ungrouped()},
        "/api/v1/galleries/{gallery_id}": {
            "get": _get(),
            "put": _change("replaceGallery"),
            "patch": _change("updateGallery"),
            "delete": _delete(),
        },
        "/g/{gallery_id}": {"get": _look()},
    }


def _list() -> Operation:
    shown = {"one": example("One gallery", {"galleries": [samples.gallery()]})}
    return Operation(
        name="listGalleries",
        tag=TAG,
        summary="List galleries",
        text="Every gallery of the account, without their images. Free, as all about galleries.",
        needs="galleries-read",
        answers={OK: answer("The galleries.", json_of(ref("GalleryList"), examples=shown))},
        samples=(("All", LIST_CURL),),
    )


def _make() -> Operation:
    asked = {"name": "Harbours", "isPublic": False, "imageIds": [samples.IMAGE_ID]}
    return Operation(
        name="createGallery",
        tag=TAG,
        summary="Create a gallery",
        text="Makes a gallery, of images of its bucket if any are named.",
        needs="galleries-create",
        takes=("Idempotency-Key",),
        body=body_of(NewGallery, _MEANINGS, asked),
        answers={OK: answer("The gallery.", _full())},
        samples=(("Of one image", MAKE_CURL),),
    )


def _get() -> Operation:
    return Operation(
        name="getGallery",
        tag=TAG,
        summary="Get a gallery",
        text="A gallery with all its images.",
        needs="galleries-read",
        takes=("galleryId",),
        answers={OK: answer("The gallery.", _full())},
        causes=(NotFound,),
        samples=(("One gallery", GET_CURL),),
    )


def _full() -> Json:
    shown = {"one": example("A gallery of one image", samples.full_gallery())}
    return json_of(ref("GalleryAnswer"), examples=shown)


def _ungrouped() -> Operation:
    shown = {"one": example("One image", samples.ungrouped())}
    return Operation(
        name="listUngrouped",
        tag=TAG,
        summary="List images in no gallery",
        text=(
            "A bucket's images that are in no gallery, newest first, shaped like a gallery. A "
            "page with fewer images than `limit` is the last."
        ),
        needs="galleries-read",
        takes=("bucketKey", "page", "limitUngrouped"),
        answers={OK: answer("The images.", json_of(ref("GalleryAnswer"), examples=shown))},
        causes=(InvalidFields,),
        samples=(("All", UNGROUPED_CURL),),
    )


def _change(name: str) -> Operation:
    shown = {"changed": example("Its name changed", samples.gallery())}
    return Operation(
        name=name,
        tag=TAG,
        summary="Update a gallery",
        text="Changes what is named and leaves the rest: PUT and PATCH do the same.",
        needs="galleries-update",
        takes=("galleryId", "Idempotency-Key"),
        body=body_of(GalleryChange, _MEANINGS, {"name": "Harbours at dusk", "isPublic": True}),
        answers={OK: answer("The gallery.", json_of(ref("Gallery"), examples=shown))},
        causes=(NotFound,),
        samples=(("Rename and show", CHANGE_CURL),),
    )


def _delete() -> Operation:
    return Operation(
        name="deleteGallery",
        tag=TAG,
        summary="Delete a gallery",
        text="Deletes a gallery and keeps its images, or deletes both.",
        needs="galleries-delete",
        also_needs="galleries-delete-with-images",
        takes=("galleryId", "deleteImages"),
        answers={OK: nothing("It is gone.")},
        causes=(NotFound, InvalidFields),
        samples=(("Keep its images", DELETE_CURL),),
    )


def _look() -> Operation:
    shown = {"one": example("A gallery of one image", samples.public_gallery())}
    page = {"text/html": {"schema": {"type": "string"}}}
    content = json_of(ref("PublicGallery"), examples=shown) | page
    headers = {name: ref(name, "headers") for name in ("ETag", "Cache-Control")}
    return Operation(
        name="lookAtGallery",
        tag=TAG,
        summary="Look at a public gallery",
        text=(
            "A public gallery for everybody who knows its address: a web page, or JSON for who "
            "accepts that rather. A private gallery is answered as if there were none."
        ),
        takes=("galleryId", "publicPage", "If-None-Match"),
        answers={OK: answer("The gallery.", content) | {"headers": headers}, **unchanged()},
        causes=(NotFound, BadRequest),
        pages=("404",),
        samples=(("As data", PUBLIC_CURL),),
    )
