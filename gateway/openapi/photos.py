"""The operations of the photo API, which has an envelope of its own."""

from gateway.form import LARGEST_FIELD, MOST_PARTS
from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.images import ORDER_CAUSES, PIXEL_CAUSES, SOURCE_CAUSES
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
)
from gateway.photo_form import FILE, LONGEST
from gateway.photo_login import Login
from gateway.photo_views import envelope, photo_view
from models.errors import (
    BadRequest,
    Gone,
    NotFound,
    TooManyRequests,
    WrongPassword,
)
from models.users import LOG_OUT

TAG = "Photos"
CREATED, ACCEPTED, NOTHING = "201", "202", "204"

_KEEP_CAUSES = tuple(cause for cause in PIXEL_CAUSES if cause not in SOURCE_CAUSES)
_MEANINGS = {"alias": "Who; upper and lower case do not matter.", "pass": "The password."}
_LOGIN = {"alias": "matt", "pass": "correct horse"}

LOGIN_CURL = """\
curl "$API/api/auth/login" \\
  -H "Content-Type: application/json" \\
  -d '{"alias": "matt", "pass": "correct horse"}'
"""
LOGOUT_CURL = """\
curl -X DELETE "$API/api/auth/me" \\
  -H "Authorization: $TOKEN"
"""
UPLOAD_CURL = """\
curl "$API/api/photos/upload" \\
  -H "Authorization: $API_KEY" \\
  -F "body=The harbour at dusk" \\
  -F "file=@harbour.jpg"
"""
LIST_CURL = """\
curl "$API/api/me/photos" \\
  -H "Authorization: $API_KEY"
"""
DELETE_CURL = """\
curl -X DELETE "$API/api/photos/$PHOTO_ID" \\
  -H "Authorization: $API_KEY"
"""


def paths() -> Paths:
    """Every path of photos, with its methods."""
    return {
        "/api/auth/login": {"post": _login()},
        "/api/auth/me": {"delete": _logout()},
        "/api/photos/upload": {"post": _upload()},
        "/api/me/photos": {
            "get": _list("listPhotos", "List photos"),
            "post": _list("listPhotosByPost", "List photos, by POST"),
        },
        "/api/photos/{photo_id}": {
            "delete": _delete("deletePhoto", "Delete a photo"),
            "post": _delete("deletePhotoByPost", "Delete a photo, by POST"),
        },
    }


def shapes() -> dict[str, Json]:
    """The shapes of the photo API's answers."""
    code = integer("The HTTP status.", minimum=400, maximum=599)
    user = exactly("Who.", username=text("The alias."), created=moment("Since when."))
    token = text("Send it in every request.", format="uuid")
    return {
        "PhotoError": exactly("What went wrong.", code=code, error_msg=text("A sentence.")),
        "Photo": exactly("A photo.", **_photo()),
        "PhotoAnswer": _envelope(ref("Photo"), (201, 202)),
        "PhotoList": _envelope(several(ref("Photo"), "Newest first."), (200,)),
        "PhotoDeleted": _envelope(exactly("Nothing more to tell."), (200,)),
        "LoginAnswer": _envelope(exactly("You.", access_token=token, user=user), (200,)),
    }


def _photo() -> dict[str, Json]:
    return {
        "id": text("The photo's id.", pattern="^[A-Za-z0-9]{8}$"),
        "created": moment("When it was uploaded."),
        "body": or_null(text("Its caption; in the image API the description.")),
        "alt_text": or_null(text("What it shows, for who cannot see it.")),
        "filename": text("The file's name, as it was sent."),
        "size": or_null(integer("Bytes of what is served; null until it is there.", minimum=1)),
        "url": or_null(text("Where it is served; null until it is there.", format="uri")),
        "album": {"type": "null", "description": "There are no albums."},
    }


def _envelope(data: Json, codes: tuple[int, ...]) -> Json:
    code = {"enum": list(codes), "description": "The HTTP status."}
    return exactly("What is answered when it went well.", code=code, data=data)


def _login() -> Operation:
    shown = {"in": example("You are in", envelope(samples.login()))}
    return Operation(
        name="logIn",
        tag=TAG,
        photos=True,
        summary="Log in",
        text=(
            "A token for an alias and a password. Few log-ins may be tried for one alias, and "
            "from one address. Users are made on the command line: `calotype users create`."
        ),
        body=body_of(Login, _MEANINGS, _LOGIN),
        answers={OK: answer("The token.", json_of(ref("LoginAnswer"), examples=shown))},
        causes=(BadRequest, WrongPassword, TooManyRequests),
        samples=(("Matt", LOGIN_CURL),),
    )


def _logout() -> Operation:
    return Operation(
        name="logOut",
        tag=TAG,
        photos=True,
        summary="Log out",
        text="The token that asks is good for nothing any more. An API key is revoked instead.",
        needs=LOG_OUT,
        answers={NOTHING: {"description": "It is done; the answer is empty."}},
        samples=(("This token", LOGOUT_CURL),),
    )


def _upload() -> Operation:
    return Operation(
        name="uploadPhoto",
        tag=TAG,
        photos=True,
        summary="Upload a photo",
        text=(
            "Keeps a photo as it is: its format, its pixels and its colour profile, upright and "
            "without any other metadata. HEIC and TIFF become JPEG, SVG becomes PNG. It costs a "
            "credit and counts as storage; the image API lists it as an image with one file."
        ),
        needs="images-create",
        body=_form(),
        answers={
            CREATED: answer("The photo.", _shown("There it is", 201)),
            ACCEPTED: answer("It is accepted and will be listed.", _shown("Not yet", 202)),
        },
        causes=(*_KEEP_CAUSES, *ORDER_CAUSES),
        samples=(("A file", UPLOAD_CURL),),
    )


def _shown(summary: str, status: int) -> Json:
    view = photo_view(samples.shot(ready=status == 201), samples.EDGE)  # noqa: PLR2004 HTTP's
    shown = {"photo": example(summary, envelope(view, status))}
    return json_of(ref("PhotoAnswer"), examples=shown)


def _form() -> Json:
    fields: Json = {
        FILE: {
            "description": "The photo. What it is, is told from its bytes alone.",
            "contentMediaType": "application/octet-stream",
        },
        "body": text("Its caption.", maxLength=LONGEST["body"]),
        "alt_text": text("What it shows.", maxLength=LONGEST["alt_text"]),
    }
    schema = {
        "type": "object",
        "description": f"At most {MOST_PARTS} parts; each text at most {LARGEST_FIELD} bytes.",
        "properties": fields,
        "required": [FILE],
    }
    encoding = {FILE: {"contentType": "image/*, application/octet-stream"}}
    shown = {"file": "(the file)", "body": "The harbour at dusk"}
    media = {"schema": schema, "encoding": encoding, "example": shown}
    return {"required": True, "content": {"multipart/form-data": media}}


def _list(name: str, summary: str) -> Operation:
    views = [photo_view(samples.shot(), samples.EDGE)]
    shown = {"one": example("One photo", envelope(views))}
    return Operation(
        name=name,
        tag=TAG,
        photos=True,
        summary=summary,
        text=(
            "The account's photos, newest first. Images of the image API that were not uploaded "
            "as photos are not among them. A body is not read."
        ),
        needs="images-read",
        takes=("page", "limitPhotos"),
        answers={OK: answer("The photos.", json_of(ref("PhotoList"), examples=shown))},
        samples=(("All", LIST_CURL),),
        causes=(BadRequest,),
    )


def _delete(name: str, summary: str) -> Operation:
    shown = {"gone": example("It is gone", envelope({}))}
    return Operation(
        name=name,
        tag=TAG,
        photos=True,
        summary=summary,
        text="Deletes a photo here and in the image API. The edge forgets it within a second.",
        needs="images-delete",
        takes=("photoId",),
        answers={OK: answer("It is gone.", json_of(ref("PhotoDeleted"), examples=shown))},
        causes=(NotFound, Gone),
        samples=(("One photo", DELETE_CURL),) if name == "deletePhoto" else (),
    )
