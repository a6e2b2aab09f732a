"""Garbage collection for a process that has loaded a lot once and then serves for weeks."""

import gc

# Cycles that requests leave behind are few; looking for them among everything is what takes time.
_ALLOCATIONS, _YOUNG, _MIDDLE = 20_000, 20, 50


def leave_alone_what_stays() -> None:
    """Never look at what is loaded by now again: a full collection was a pause of 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, _YOUNG, _MIDDLE)
