"""The shapes of answers about images and orders."""

from gateway.openapi.words import (
    Json,
    exactly,
    integer,
    moment,
    number,
    or_null,
    ref,
    several,
    some_of,
    text,
    truth,
)

_USER_BUCKET = "user-bucket"


def shapes() -> dict[str, Json]:
    """Every shape, by its name."""
    return {
        "ImageInfo": _info(),
        "Variant": _variant(),
        "Membership": _membership(),
        "Image": image(),
        "SimpleImage": _simple(),
        "AccountStatistics": _statistics(),
        "Pagination": _pagination(),
        "ImageAnswer": exactly("One image.", **_one()),
        "UpdateAnswer": exactly("The image as it is now.", **_one(), **_counted()),
        "ImagesAnswer": exactly("An image for each size asked for.", **_many(), **_counted()),
        "GenerateAnswer": exactly(
            "An image for each size asked for, all of what the model made.",
            **_many(),
            **_counted(),
            imageGenerateResponse=ref("ImageGenerateResponse"),
        ),
        "ImageList": exactly(
            "A page of images.", **_many(), **_counted(), pagination=ref("Pagination")
        ),
        "Order": _order(),
    }


def _info() -> Json:
    return exactly(
        "What kind of picture it is.",
        type=text("Its format; an original's by its extension.", examples=["webp", "jpg"]),
        ratio=number("Width / height, rounded to two decimals.", minimum=0),
        width=integer("Pixels.", minimum=0),
        height=integer("Pixels.", minimum=0),
    )


def _variant() -> Json:
    return exactly(
        "One file of an image, or what is remembered of its original.",
        size=integer("Bytes.", minimum=0),
        idSuffix=text(
            "Width x height, or `thumb_small`, `thumb_big`, `original`.", examples=["1200x675"]
        ),
        imageInfo=ref("ImageInfo"),
        objectKey=or_null(text("Its address below `urlBase`; null for the original: it is gone.")),
        contentType=text("Media type.", examples=["image/webp"]),
        lastModified=integer("Milliseconds since 1970.", minimum=0),
        fileExtension=text("Without a dot.", examples=["webp"]),
        optimizationPercent=integer(
            "How much smaller than the original it is.", minimum=0, maximum=100
        ),
    )


def _membership() -> Json:
    return exactly(
        "That an image is in a gallery.",
        galleryId=text("The gallery's id."),
        imageId=text("The image's id."),
    )


def image() -> Json:
    """One image with all its files."""
    return exactly(
        "The variants of one size.",
        id=text("The image's id.", format="uuid"),
        urlBase=text("What stands before every `objectKey` in its URL.", format="uri"),
        bucketKey=text("The bucket it is in."),
        originalName=text("Its name."),
        description=or_null(text("What was said of it.")),
        metadata=several(ref("Variant"), "Thumbnails, then what was asked for, then the original."),
        size=integer("Bytes that count as storage: all but thumbnails.", minimum=0),
        createdAt=moment("When it was uploaded."),
        updatedAt=moment("When it was changed last."),
        galleries=several(ref("Membership"), "The galleries it is in."),
    )


def _simple() -> Json:
    formats = {
        "type": "object",
        "description": "The URL of the file in each format.",
        "additionalProperties": {"type": "string", "format": "uri"},
    }
    info = exactly(
        "Its size.",
        width=integer("Pixels.", minimum=1),
        height=integer("Pixels.", minimum=1),
        ratio=number("Width / height, rounded to two decimals.", minimum=0),
    )
    return exactly(
        "The same image in short: what a page needs to show it.",
        id=text("The image's id.", format="uuid"),
        originalName=text("Its name."),
        variants=formats,
        info=info,
    )


def _statistics() -> Json:
    return exactly(
        "What the account has left.",
        storageUsed=_storage("Bytes used."),
        totalStorage=_storage("Bytes there are."),
        creditsUsed=integer("Credits that this request used.", minimum=0),
        remainingCredits=integer("Credits left, of all kinds.", minimum=0),
        remainingCreditsPaidPlans=integer("Those of them from paid plans.", minimum=0),
    )


def _storage(description: str) -> Json:
    own = f" `{_USER_BUCKET}` for a bucket in the customer's own storage."
    counted = {"type": "integer", "minimum": 0}
    return {"description": description + own, "anyOf": [counted, {"const": _USER_BUCKET}]}


def _pagination() -> Json:
    return exactly(
        "Where this page is among all.",
        page=integer("This page, from 1.", minimum=1),
        limit=integer("Most images of a page.", minimum=1),
        total=integer("Images in all.", minimum=0),
        totalPages=integer("Pages in all.", minimum=0),
        hasNext=truth("Whether there is a next page."),
        hasPrevious=truth("Whether there is a page before."),
        nextPage=or_null(integer("The next page.", minimum=2)),
        previousPage=or_null(integer("The page before.", minimum=1)),
    )


def _one() -> dict[str, Json]:
    return {"data": ref("Image"), "simpleData": ref("SimpleImage")}


def _many() -> dict[str, Json]:
    return {
        "data": several(ref("Image"), "The images, in the order asked."),
        "images": several(ref("Image"), "The same once more, under the name older scripts read."),
        "simpleData": several(ref("SimpleImage"), "The images in short."),
    }


def _counted() -> dict[str, Json]:
    return {"accountStatistics": ref("AccountStatistics")}


def _order() -> Json:
    failure = exactly(
        "Why it failed.",
        code=text("What happened, for programs."),
        message=text("A sentence for people."),
    )
    one_or_many = {
        "description": "Its images once it is done; the one image for an update.",
        "anyOf": [{"type": "array", "items": ref("Image")}, ref("Image")],
    }
    simple = {"anyOf": [{"type": "array", "items": ref("SimpleImage")}, ref("SimpleImage")]}
    return some_of(
        "Where an order stands.",
        ("id", "status", "location", "createdAt", "finishedAt"),
        id=text("The order's id.", format="uuid"),
        status={"enum": ["pending", "done", "failed"], "description": "How far it is."},
        location=text("Where to ask again.", format="uri"),
        createdAt=moment("When it was accepted."),
        finishedAt=or_null(moment("When it ended.")),
        error=failure,
        data=one_or_many,
        images=several(ref("Image"), "The same once more; not for an update."),
        simpleData={"description": "Its images in short.", **simple},
        accountStatistics=ref("AccountStatistics"),
        imageGenerateResponse=ref("ImageGenerateResponse"),
    )
