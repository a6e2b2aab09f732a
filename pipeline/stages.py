"""What the steps of a render took: noted in a child, told with the job's end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from models.wire import Wire

Step = Literal["decode", "resize", "encode"]
Format = Literal["jpeg", "png", "webp", "gif", "avif", "tiff", "heic", "svg", "ico"]
Moment = Annotated[float, Meta(ge=0)]


class Stage(Wire, frozen=True):
    """One step of a job. `format` is the original's until encoding, and then the print's.

    A child said so: its names are checked, for they become labels. libvips decodes as it goes: what
    is decoded for one picture alone streams through its resizing, and counts there.
    """

    name: Step
    format: Format
    began: Moment
    """Seconds of the monotonic clock, which all processes of a machine share."""
    seconds: Moment


class Stopwatch:
    """Notes the stages of one job, in their order."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    @contextmanager
    def __call__(self, name: Step, kind: str) -> Iterator[None]:
        """The block is a step; one that fails is none."""
        began = time.monotonic()
        yield
        self.note(name, kind, began)

    def note(self, name: Step, kind: str, began: float) -> None:
        """This step began then, and has ended just now."""
        took = time.monotonic() - began
        known = msgspec.convert(kind, Format)
        self.stages.append(Stage(name=name, format=known, began=began, seconds=took))
