"""How much one picture may ask of us, as one value."""

from models.wire import Wire

MIB = 1 << 20


class Limits(Wire, frozen=True):
    """Pixels, bytes and seconds. What is over a limit is refused before it is decoded."""

    pixels: int = 100_000_000
    """Most pixels of an original, all frames that are kept together."""
    output_side: int = 12_000
    """Longest side of a variant."""
    frames: int = 500
    """Most frames, where an output keeps them."""
    memory: int = 512 * MIB
    """What one job may take, over what a child is born with."""
    budget: int | None = None
    """What all jobs together may take; None lets every child have its `memory`."""
    queue: int = 64
    """Calls that may wait for a child; the next one is told to come back."""
    probe_seconds: float = 2
    """Wall clock for reading a header."""
    seconds: float = 60
    """Wall clock between a job and its answer."""
    cpu_seconds: int = 60
    """Processor time of one job."""
    jobs: int = 500
    """A child is replaced after so many jobs ..."""
    resident: int = 384 * MIB
    """... or when it stays this big between jobs."""
    file: int = 1024 * MIB
    """Largest file that a child may write."""
