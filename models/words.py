"""A word for every object key that must be new, the same one at every try."""

import hashlib

_TEXT = (
    "acorn agate alder amber anchor anvil apple arbor arrow aspen aster atlas autumn azure "
    "badge bamboo barley basil beacon beech berry birch blossom breeze bridge bronze brook "
    "cactus camel candle canyon caramel carbon cedar cello chalk cherry chestnut cinder "
    "citrus clover cobalt cocoa comet copper coral cotton cove crane crater cricket crimson "
    "crystal cypress daisy dawn delta desert dew dove dune dusk eagle ebony echo elm ember "
    "emerald fable falcon fawn feather fennel fern fig finch fjord flint forest fossil fox "
    "frost galaxy garnet ginger glacier gold granite grape grove gull harbor harvest hazel "
    "heather heron hickory honey horizon indigo iris island ivory ivy jade jasmine jasper "
    "jetty juniper kelp kestrel kiwi lagoon lantern lark laurel lavender leaf lemon lichen "
    "lilac lily linden linen lion loom lotus lunar lupin lynx magenta magnet mango maple "
    "marble marina marsh meadow melon mint mist moon moss mulberry myrtle nectar nest nickel "
    "nimbus nutmeg oak oasis oat ocean ochre olive onyx opal orbit orchid osprey otter owl "
    "oyster palm panda papaya pearl pebble pepper petal pheasant pine pixel plum poppy "
    "prairie prism pumpkin quail quartz quill quince rain raven reef ridge river robin rose "
    "rowan ruby saffron sage salmon sand sapphire scarlet seal shell sienna silk silver sky "
    "slate snow solar sorrel sparrow spruce star stone storm summit sunset swan tangerine "
    "tea teal thistle thyme tide tiger timber topaz trout tulip tundra turquoise umber "
    "valley vanilla velvet violet walnut wave willow winter wren yarrow yew zebra zephyr "
    "zinc"
)
_WORDS = tuple(_TEXT.split())


def word_for(*parts: str) -> str:
    """A word that follows from `parts` alone."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return _WORDS[int.from_bytes(digest[:4]) % len(_WORDS)]
