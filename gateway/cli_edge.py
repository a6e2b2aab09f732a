"""Commands about addresses of the edge."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import rich_click as click

from gateway.cli_admin import run_once
from gateway.cli_options import AS_JSON, DATA, plain_errors, read, say


@click.group()
def url() -> None:
    """Addresses of the edge: sign one."""


@url.command("sign")
@click.argument("image")
@click.argument("parameters", nargs=-1)
@click.option("--expires", type=click.IntRange(min=1), help="Seconds until it ends.  [never]")
@click.option("--bucket", help="Key of the bucket, for an object key.  [the primary one]")
@click.option("--key", "key_id", help="Id of the URL key that signs.  [the newest]")
@click.option("--account", default="default", show_default=True, help="Whose image it is.")
@DATA
@AS_JSON
@plain_errors
def sign(
    *,
    image: str,
    parameters: tuple[str, ...],
    expires: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Sign an address that converts IMAGE, an object key or an address of the edge.

    PARAMETERS are those of the address: w=640 fit=inside fm=auto
    """
    from gateway import desk
    from gateway.edge_urls import Signer, ToSign, read_parameters
    from gateway.folder import secret_of

    account, key_id, bucket = (given.pop(name) for name in ("account", "key_id", "bucket"))
    asked = ToSign(
        object_key=None if "://" in image else image,
        url=image if "://" in image else None,
        pairs=read_parameters(dict(_pair(parameter) for parameter in parameters)),
        bucket_key=bucket,
        expires_at=datetime.now(UTC) + timedelta(seconds=expires) if expires else None,
        key_id=key_id,
    )
    settings = read(**given)
    signer = Signer(secret_of(settings), _edge_of(image, settings.public_edge))
    made = run_once(settings, desk.sign, account, asked, signer)
    say(made, made["url"], as_json=as_json)


def _edge_of(image: str, usual: str) -> str:
    """An address is signed with the host it has: only the path and the parameters are signed."""
    if "://" not in image or image.startswith(f"{usual}/"):
        return usual
    there = urlsplit(image)
    return f"{there.scheme}://{there.netloc}"


def _pair(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.partition("=")
    return name, value
