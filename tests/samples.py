"""Plain values for tests that are about something else: an original, a draft, what was made."""

from models.events import Change, Original
from models.made import Made
from models.orders import Draft
from models.recipe import Jpeg, Recipe, Resize, Webp
from models.records import new_id

ORIGINAL = Original(name="cat.jpg", size=1000, sha256="ab" * 32)
SEEN = Original(
    name="cat.jpg",
    size=1000,
    sha256="ab" * 32,
    format="jpeg",
    content_type="image/jpeg",
    extension="jpg",
    width=800,
    height=600,
)


def draft(account_id: str, bucket_id: str, *, images: int = 1, cost: int = 2) -> Draft:
    """An order of so many images, each as webp and jpeg."""
    order_id = new_id()
    return Draft(
        order_id=order_id,
        account_id=account_id,
        bucket_id=bucket_id,
        staging_key=f"staging/{order_id}",
        original=ORIGINAL,
        asked=[
            [Recipe(resize=Resize(width=100 * n), output=output) for output in (Webp(), Jpeg())]
            for n in range(1, images + 1)
        ],
        cost=cost,
        change=Change(name="cat.jpg", description="asleep"),
    )


def made(name: str, *, width: int = 100, size: int = 500) -> list[Made]:
    """A thumbnail, which is not counted, and two variants, which are. `name` makes keys differ."""
    return [
        _made(name, "thumb_small", "webp", 120, 50, counted=False),
        _made(name, f"{width}x{width}", "webp", width, size, counted=True),
        _made(name, f"{width}x{width}", "jpeg", width, size, counted=True),
    ]


def _made(name: str, suffix: str, kind: str, width: int, size: int, *, counted: bool) -> Made:
    key = f"{name}-{suffix}.{kind}"
    return Made(
        id_suffix=suffix,
        object_key=key,
        storage_key=f"variants/{key}",
        format=kind,
        content_type=f"image/{kind}",
        extension=kind,
        width=width,
        height=width,
        size=size,
        sha256="cd" * 32,
        counted=counted,
    )
