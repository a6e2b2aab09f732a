"""The operations on addresses that convert: signed ones, and the keys that sign."""

from gateway.openapi import samples
from gateway.openapi.bodies import body_of
from gateway.openapi.images import nothing
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import (
    Json,
    exactly,
    example,
    json_of,
    moment,
    or_null,
    ref,
    several,
    text,
)
from gateway.urls import NewUrl, NewUrlKey
from models.errors import Conflict, NotFound

TAG = "URLs"

PARAMETERS_MEANING = (
    "Parameters of the address by name, as `w`, `h`, `fit`, `fm`; the guide's page on URLs has "
    "all of them."
)
_MEANINGS = {
    "objectKey": "The object's key, as `metadata` has it. This, or `url`.",
    "bucketKey": "The object's bucket; otherwise the primary one.",
    "url": "The object's address at the edge, without parameters.",
    "parameters": PARAMETERS_MEANING,
    "expiresAt": "When it ends, with a time zone; null is never.",
    "keyId": "The URL key that signs; otherwise the newest.",
}
_KEY_MEANINGS = {"name": "What people call it, on one line."}

SIGN_CURL = """\
curl -X POST "$API/api/v1/urls" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"objectKey": "'"$OBJECT_KEY"'", "parameters": {"w": 640, "fm": "auto"}}'
"""
KEY_CURL = """\
curl -X POST "$API/api/v1/url-keys" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "Shop"}'
"""


def shapes() -> dict[str, Json]:
    """The shapes of answers about addresses."""
    secret = text("What signs. It is shown this once, and stored encrypted.")
    return {
        "SignedUrl": exactly(
            "A signed address.",
            url=text("The address.", format="uri"),
            keyId=text("The URL key that signed it."),
            expiresAt=or_null(moment("When it ends; null is never.")),
        ),
        "UrlKey": exactly("A URL key, without its secret.", **_key()),
        "NewUrlKeyAnswer": exactly(
            "A new URL key.", urlKey=exactly("The key.", **_key(), secret=secret)
        ),
        "UrlKeyList": exactly("URL keys.", urlKeys=several(ref("UrlKey"), "Oldest first.")),
    }


def _key() -> dict[str, Json]:
    return {
        "id": text("The key's id: `k` in an address."),
        "name": text("What people call it."),
        "createdAt": moment("When it was made."),
    }


def paths() -> Paths:
    """Every path of addresses, with its methods."""
    return {
        "/api/v1/urls": {"post": _sign()},
        "/api/v1/url-keys": {"get": _list(), "post": _make()},
        "/api/v1/url-keys/{url_key_id}": {"delete": _delete()},
    }


def _sign() -> Operation:
    asked = {"objectKey": samples.OBJECT_KEY, "parameters": {"w": 640, "fm": "auto"}}
    shown = {"signed": example("640 wide, the best format", samples.signed_url())}
    return Operation(
        name="signUrl",
        tag=TAG,
        summary="Sign an address",
        text=(
            "Answers an address of the edge that converts an image, signed. Nothing is made yet: "
            "that happens when it is first asked for. The first call makes the first URL key."
        ),
        needs="images-read",
        takes=("Idempotency-Key",),
        body=body_of(NewUrl, _MEANINGS, asked),
        answers={OK: answer("The address.", json_of(ref("SignedUrl"), examples=shown))},
        causes=(NotFound, Conflict),
        samples=(("640 wide", SIGN_CURL),),
    )


def _list() -> Operation:
    shown = {"one": example("One key", {"urlKeys": [samples.url_key()]})}
    return Operation(
        name="listUrlKeys",
        tag=TAG,
        summary="List URL keys",
        text="The keys that sign addresses of the account's images; none in clear.",
        needs="keys-manage",
        answers={OK: answer("The keys.", json_of(ref("UrlKeyList"), examples=shown))},
    )


def _make() -> Operation:
    made = {"urlKey": samples.url_key() | {"secret": "us_not-a-real-secret"}}
    content = json_of(ref("NewUrlKeyAnswer"), examples={"made": example("A key", made)})
    return Operation(
        name="createUrlKey",
        tag=TAG,
        summary="Create a URL key",
        text=(
            "Makes a key for programs of yours that sign addresses themselves. Addresses that "
            "older keys signed stay good until those are deleted."
        ),
        needs="keys-manage",
        takes=("Idempotency-Key",),
        body=body_of(NewUrlKey, _KEY_MEANINGS, {"name": "Shop"}),
        answers={OK: answer("The key, its secret in clear this once.", content)},
        causes=(Conflict,),
        samples=(("One key", KEY_CURL),),
    )


def _delete() -> Operation:
    return Operation(
        name="deleteUrlKey",
        tag=TAG,
        summary="Delete a URL key",
        text="Within a second the edge refuses every address that it signed.",
        needs="keys-manage",
        takes=("urlKeyId",),
        answers={OK: nothing("It is gone.")},
        causes=(NotFound,),
    )
