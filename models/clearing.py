"""Clearing a gallery away, a bounded number of images at a time.

Each step is a transaction of its own that leaves everything right: a kill between two of them
leaves a smaller gallery, and asking again goes on from there.
"""

from sqlmodel import Session, col, delete, select

from models.burial import bury_images
from models.galleries import count_galleries, find_gallery
from models.records import Gallery, GalleryImage, Image

# Either step holds SQLite's one writer for some 50 ms, measured on two cores that were busy.
FREED_AT_ONCE = 300
BURIED_AT_ONCE = 50


def free_some(session: Session, account_id: str, gallery_id: str) -> int:
    """Take some images out of a gallery, which keeps them; how many there were to take."""
    images = _some_images(session, account_id, gallery_id, FREED_AT_ONCE)
    ids = [image.id for image in images]
    session.exec(
        delete(GalleryImage).where(
            col(GalleryImage.gallery_id) == gallery_id, col(GalleryImage.image_id).in_(ids)
        )
    )
    count_galleries(session, ids)
    return len(ids)


def bury_some(session: Session, account_id: str, gallery_id: str) -> int:
    """Delete some images of a gallery for good; how many there were."""
    images = _some_images(session, account_id, gallery_id, BURIED_AT_ONCE)
    bury_images(session, account_id, [image.id for image in images])
    return len(images)


def _some_images(session: Session, account_id: str, gallery_id: str, limit: int) -> list[Image]:
    """Images of a gallery that nobody else can change now. NotFound when it is not there."""
    find_gallery(session, account_id, gallery_id)
    members = select(GalleryImage.image_id).where(GalleryImage.gallery_id == gallery_id)
    some = session.exec(members.order_by(col(GalleryImage.image_id)).limit(limit)).all()
    found = select(Image).where(col(Image.id).in_(some)).order_by(col(Image.id))
    return list(session.exec(found.with_for_update()))


def end_gallery(session: Session, account_id: str, gallery_id: str) -> bool:
    """Delete a gallery that is empty; False when somebody put an image in meanwhile."""
    find_gallery(session, account_id, gallery_id)
    session.exec(select(Gallery.id).where(Gallery.id == gallery_id).with_for_update())
    members = select(GalleryImage.image_id).where(GalleryImage.gallery_id == gallery_id)
    if session.exec(members.limit(1)).first() is not None:
        return False
    session.exec(delete(Gallery).where(col(Gallery.id) == gallery_id))
    return True
