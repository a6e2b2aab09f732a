"""Buckets: where an account's images are kept, in storage of ours or of its own."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, patch, post
from litestar.params import QueryParameter

from gateway.bucket_fields import BucketChange, NewBucket, columns_of
from gateway.json_body import read_body
from gateway.views import Json, iso
from models.accounts import Caller
from models.buckets import (
    Credentials,
    add_bucket,
    change_bucket,
    delete_bucket,
    list_buckets,
    own_bucket,
)
from models.errors import InvalidFields, Problem
from models.records import Bucket, new_id
from models.vault import seal
from pipeline.proving import prove
from pipeline.services import Services
from pipeline.storage import Place

AnyRequest = Request[Any, Any, Any]

_KEYS = {"access_key", "secret_key"}
_OURS = {"name", "is_primary", "conversion", "sizes", "keep_originals", "mezzanine"}
_PLACE = {"endpoint", "region", "remote_bucket", "prefix", *_KEYS}


@get("/buckets", opt={"needs": "buckets-manage"})
async def show_all(services: Services, caller: Caller) -> Json:
    """The account's buckets, the default one first."""
    found = await services.database.read(list_buckets, caller.account_id)
    return {"buckets": [bucket_view(bucket, services.settings.public_edge) for bucket in found]}


@post("/buckets", opt={"needs": "buckets-manage"}, status_code=200)
async def create(request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Add a bucket in the customer's own storage, once it has proved to work."""
    new = await read_body(request, NewBucket)
    columns = columns_of(new, services.stores.egress)
    fresh = Bucket(id=new_id(), account_id=caller.account_id, key=new.key, public_id="")
    sealed = await _proved(fresh, columns, services)
    fields = sealed | {"id": fresh.id}
    bucket = await services.database.run(add_bucket, caller.account_id, fields)
    return _answer(bucket, services)


@patch("/buckets/{key:str}", opt={"needs": "buckets-manage"})
async def change(key: str, request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Change a bucket; one whose storage or credentials change is proved again."""
    asked = await read_body(request, BucketChange)
    columns = columns_of(asked, services.stores.egress)
    bucket = await services.database.read(own_bucket, caller.account_id, key)
    _refuse_ours(bucket, columns)
    if columns.keys() & _PLACE:
        columns = await _proved(bucket, columns, services)
    bucket = await services.database.run(change_bucket, caller.account_id, key, columns)
    return _answer(bucket, services)


@delete("/buckets/{key:str}", opt={"needs": "buckets-manage"}, status_code=200)
async def remove(
    key: str,
    services: Services,
    caller: Caller,
    force: bool = False,  # noqa: FBT001, FBT002  Litestar passes query parameters by name
    delete_objects: Annotated[bool, QueryParameter(name="deleteObjects")] = False,  # noqa: FBT002  same
) -> None:
    """Forget a bucket. The customer's objects stay unless `deleteObjects` says otherwise."""
    account = caller.account_id
    await services.database.run(delete_bucket, account, key, force=force, objects=delete_objects)


def _refuse_ours(bucket: Bucket, columns: Json) -> None:
    problems = [
        Problem(field=name, problem="cannot be changed: the default bucket is in our storage")
        for name in columns
        if bucket.endpoint is None and name not in _OURS
    ]
    if problems:
        raise InvalidFields(problems)


async def _proved(bucket: Bucket, columns: Json, services: Services) -> Json:
    """The columns, with the whole place as it was tried and its credentials sealed."""
    stores = services.stores
    place = _merged(bucket, columns, services)
    prefix = columns.get("prefix", bucket.prefix)
    await prove(place, prefix, stores.at(place), stores.egress)
    plain = Credentials(access_key=place.access_key, secret_key=place.secret_key)
    rest = {name: value for name, value in columns.items() if name not in _PLACE}
    return rest | {
        "endpoint": place.endpoint,
        "region": place.region,
        "remote_bucket": place.bucket,
        "prefix": prefix,
        "credentials": seal(services.secret, msgspec.json.encode(plain), bucket.id),
    }


def _merged(bucket: Bucket, columns: Json, services: Services) -> Place:
    """The place as it will be. The old credentials are only read where no new ones are given."""
    keys: dict[str, str] = {name: columns[name] for name in _KEYS & columns.keys()}
    if keys.keys() < _KEYS:
        keys = msgspec.structs.asdict(services.stores.credentials_of(bucket)) | keys
    return Place(
        endpoint=str(columns.get("endpoint", bucket.endpoint)),
        region=str(columns.get("region", bucket.region)),
        bucket=str(columns.get("remote_bucket", bucket.remote_bucket)),
        **keys,
    )


def _answer(bucket: Bucket, services: Services) -> Json:
    return {"bucket": bucket_view(bucket, services.settings.public_edge)}


def bucket_view(bucket: Bucket, edge: str) -> Json:
    """A bucket, without its credentials: those are never told again."""
    return {
        "key": bucket.key,
        "name": bucket.name,
        "isPrimary": bucket.is_primary,
        "isCustom": bucket.endpoint is not None,
        "urlBase": bucket.public_url or f"{edge}/{bucket.public_id}",
        "imageCount": bucket.image_count,
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "bucket": bucket.remote_bucket,
        "prefix": bucket.prefix,
        "publicUrl": bucket.public_url,
        "conversion": bucket.conversion,
        "sizes": bucket.sizes,
        "keepOriginals": bucket.keep_originals,
        "mezzanine": bucket.mezzanine,
        "createdAt": iso(bucket.created_at),
    }


routes = Router("/", route_handlers=[show_all, create, change, remove])
