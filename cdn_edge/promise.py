"""The size of a derivative: a URL promises it, whatever file the pixels come from."""

import msgspec

from models.recipe import Recipe
from pipeline import geometry
from pipeline.geometry import Size


def promised(recipe: Recipe, variant: Size) -> Recipe:
    """The recipe that makes of any file of this image the size that it makes of the variant.

    Other files have other shapes by a fraction of a pixel, and decoders that shrink round too: a
    side that follows from the other would be a row more or less. So both are asked for; what is
    cut off, and what lies on a canvas, is the same as with the variant.
    """
    resize = recipe.resize
    if keeps_scale(recipe, variant):
        return recipe
    inside, placed = geometry.fitted(turned(recipe, variant), resize, recipe.ratio)
    exact = msgspec.structs.replace(
        resize,
        width=placed.width,
        height=placed.height,
        fit="fill" if inside == placed else resize.fit,
        without_enlargement=False,
    )
    return msgspec.structs.replace(recipe, resize=exact)


def keeps_scale(recipe: Recipe, variant: Size) -> bool:
    """Whether the result has the variant's very pixels: only a file of its size has them too.

    So it is when no size is asked for, and on a canvas that the variant is too small to fill.
    """
    resize = recipe.resize
    if not (resize.width or resize.height):
        return True
    cut = geometry.cut_size(turned(recipe, variant), recipe.ratio)
    free = msgspec.structs.replace(resize, without_enlargement=False)
    shrink = geometry.resolve_shrink(*cut, (resize.width, resize.height), free)
    return resize.fit == "contain" and resize.without_enlargement and shrink.common < 1


def turned(recipe: Recipe, size: Size) -> Size:
    """The size of a picture as it lies in the result."""
    turn = geometry.is_turned(recipe.orientation)
    return Size(size.height, size.width) if turn else size
