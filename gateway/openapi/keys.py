"""The operations on API keys."""

from gateway.keys import KeyChange, NewKey
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
from models.accounts import PERMISSIONS
from models.errors import Forbidden, NotFound

TAG = "Keys"

_MEANINGS = {
    "name": "What people call it, on one line.",
    "permissions": "What it may do, of: " + ", ".join(f"`{name}`" for name in PERMISSIONS) + ".",
    "expiresAt": "When it ends, with a time zone; null is never.",
}

LIST_CURL = """\
curl "$API/api/v1/keys" \\
  -H "Authorization: Bearer $API_KEY"
"""
MAKE_CURL = """\
curl -X POST "$API/api/v1/keys" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "Upload form", "permissions": ["images-create"]}'
"""
CHANGE_CURL = """\
curl -X PATCH "$API/api/v1/keys/$KEY_ID" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"permissions": ["images-create", "images-read"]}'
"""
REVOKE_CURL = """\
curl -X DELETE "$API/api/v1/keys/$KEY_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""


def shapes() -> dict[str, Json]:
    """The shapes of answers about keys."""
    secret = text("The key itself. It is shown this once, and stored hashed.")
    return {
        "Key": exactly("A key, without the key itself.", **_key()),
        "NewKeyAnswer": exactly("A new key.", key=exactly("The key.", **_key(), secret=secret)),
        "KeyAnswer": exactly("One key.", key=ref("Key")),
        "KeyList": exactly("Keys.", keys=several(ref("Key"), "Oldest first, revoked ones too.")),
    }


def _key() -> dict[str, Json]:
    return {
        "id": text("The key's id.", format="uuid"),
        "name": text("What people call it."),
        "hint": text("How it ends."),
        "permissions": several({"enum": list(PERMISSIONS)}, "What it may do."),
        "createdAt": moment("When it was made."),
        "expiresAt": or_null(moment("When it ends; null is never.")),
        "revokedAt": or_null(moment("When it was revoked.")),
    }


def paths() -> Paths:
    """Every path of keys, with its methods."""
    return {
        "/api/v1/keys": {"get": _list(), "post": _make()},
        "/api/v1/keys/{key_id}": {"patch": _change(), "delete": _revoke()},
    }


def _list() -> Operation:
    shown = {"one": example("One key", {"keys": [samples.key()]})}
    return Operation(
        name="listKeys",
        tag=TAG,
        summary="List keys",
        text="Every key of the account; none in clear.",
        needs="keys-manage",
        answers={OK: answer("The keys.", json_of(ref("KeyList"), examples=shown))},
        samples=(("All", LIST_CURL),),
    )


def _make() -> Operation:
    made = {"key": samples.key() | {"secret": "sk_not-a-real-key"}}
    content = json_of(ref("NewKeyAnswer"), examples={"made": example("A key to upload", made)})
    return Operation(
        name="createKey",
        tag=TAG,
        summary="Create a key",
        text=(
            "Makes a key that may do what you name, and at most what your own key may. Without "
            "`permissions` it may read."
        ),
        needs="keys-manage",
        takes=("Idempotency-Key",),
        body=body_of(NewKey, _MEANINGS, {"name": "Upload form", "permissions": ["images-create"]}),
        answers={OK: answer("The key, in clear this once.", content)},
        causes=(Forbidden,),
        samples=(("A key to upload", MAKE_CURL),),
    )


def _change() -> Operation:
    shown = {"changed": example("It may upload", {"key": samples.key()})}
    return Operation(
        name="updateKey",
        tag=TAG,
        summary="Update a key",
        text="Changes what is named: its name, what it may do, until when. The key stays.",
        needs="keys-manage",
        takes=("keyId", "Idempotency-Key"),
        body=body_of(KeyChange, _MEANINGS, {"permissions": ["images-create"]}),
        answers={OK: answer("The key.", json_of(ref("KeyAnswer"), examples=shown))},
        causes=(NotFound, Forbidden),
        samples=(("What it may do", CHANGE_CURL),),
    )


def _revoke() -> Operation:
    return Operation(
        name="revokeKey",
        tag=TAG,
        summary="Revoke a key",
        text="Its next request is refused. A key may revoke itself.",
        needs="keys-manage",
        takes=("keyId",),
        answers={OK: nothing("It is revoked.")},
        causes=(NotFound,),
        samples=(("One key", REVOKE_CURL),),
    )
