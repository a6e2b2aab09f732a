"""How much one picture may ask of us, as one value."""

from models.wire import Wire

_MIB = 1 << 20


class Limits(Wire, frozen=True):
    """Pixels, bytes and seconds. What is over a limit is refused before it is decoded."""

    pixels: int = 100_000_000
    """Most pixels of an original, and of a result; all frames that are kept, together."""
    output_side: int = 12_000
    """Longest side of a result."""
    frames: int = 500
    """Most frames, where an output keeps them."""
    memory: int = 1024 * _MIB
    """What one job may take, over what a child is born with."""
    budget: int | None = None
    """What all orders together may take; None lets every child have its `memory`."""
    queue: int = 64
    """Calls that may wait; the next one is told to come back."""
    probe_seconds: float = 1
    """Wall clock for reading a header."""
    read_seconds: float = 4
    """Wall clock for developing a picture: here hostile files spend their time."""
    seconds: float = 60
    """Wall clock of a job, and its processor time."""
    jobs: int = 500
    """A child is replaced after so many jobs ..."""
    resident: int = 256 * _MIB
    """... or when it stays this big between jobs."""
    kept: int = 96 * _MIB
    """What a child keeps between jobs of the sources it decoded lately, over all that: ten
    mezzanines of photos in all the steps that decoders shrink by."""
    file: int = 1024 * _MIB
    """Largest file that a child may write."""
