"""The whole document."""

import functools
from importlib.metadata import version

import msgspec

from gateway.openapi import (
    buckets,
    convert,
    failures,
    galleries,
    generate,
    images,
    keys,
    options,
    orders,
    parameters,
    photos,
    presets,
    purge,
    shapes,
    upkeep,
    urls,
)
from gateway.openapi.operation import Operation, Paths, written
from gateway.openapi.words import Json

_SUBJECTS = (
    *(images, convert, generate, orders, galleries, keys, buckets),
    *(urls, presets, photos, purge, upkeep),
)

TAGS = {
    "Images": "Upload, list, look at, change and delete.",
    "Convert": "One file in, one file out, nothing stored.",
    "Generate": "A prompt in, images out.",
    "Orders": "Uploads, updates and generations that are under way.",
    "Galleries": "Images that belong together.",
    "Keys": "Who may do what.",
    "Buckets": "Where images are kept.",
    "URLs": "Conversion on the fly, by URL.",
    "Presets": "Conversions with a name.",
    "Photos": "Photos kept as they are: another API on the same account.",
    "Purge": "Have copies and derivatives made anew.",
    "Service": "About the service itself.",
}

_USER_TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "A user's token of the photo API: bare, or after `Token` or `Bearer`.",
}

_ABOUT = """\
Images in, variants out: upload once, get every size and format you ask for, and URLs to show.

Send an API key as `Authorization: Bearer sk_...`. Each operation says which permission the key
needs. Every error has the same body; its `code` never changes. Sizes are bytes or pixels, times
are UTC.
"""


def paths() -> Paths:
    """Every path of the API, with its methods."""
    return {path: methods for subject in _SUBJECTS for path, methods in subject.paths().items()}


def document(server: str) -> Json:
    """The OpenAPI document of the API at this address."""
    described = paths()
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": _info(),
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {
            path: {method: written(operation) for method, operation in methods.items()}
            for path, methods in described.items()
        },
        "components": _components(described),
    }


@functools.lru_cache(maxsize=4)
def encoded(server: str) -> bytes:
    """The document as it is sent."""
    return msgspec.json.encode(document(server))


def _info() -> Json:
    return {
        "title": "Calotype",
        "version": version("calotype"),
        "description": _ABOUT,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }


def _components(described: Paths) -> Json:
    own = [one for one in _operations(described) if not one.photos]
    causes = [cause for one in own for cause in one.all_causes]
    key = {"type": "http", "scheme": "bearer", "description": "An API key: `sk_...`."}
    return {
        "securitySchemes": {"apiKey": key, "userToken": _USER_TOKEN},
        "schemas": _schemas(),
        "parameters": parameters.parameters(),
        "headers": parameters.headers(),
        "examples": failures.examples_of(causes),
    }


def _operations(described: Paths) -> list[Operation]:
    return [operation for methods in described.values() for operation in methods.values()]


def _schemas() -> Json:
    sources = (
        failures,
        options,
        shapes,
        generate,
        orders,
        galleries,
        keys,
        buckets,
        urls,
        presets,
        photos,
    )
    return {name: shape for source in sources for name, shape in source.shapes().items()}
