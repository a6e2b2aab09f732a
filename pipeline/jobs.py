"""What is said between the studio and a child: one line of JSON each, and never a pickle.

A child has read hostile bytes, so what it says is data to be checked and not code to be run.
Every job works in a folder that the studio made for it; files in it are named by numbers.
"""

import msgspec

from models.errors import Problem
from models.outputs import Output
from models.recipe import Recipe
from models.wire import Wire
from pipeline.limits import Limits
from pipeline.prints import Canvas, Probe
from pipeline.stages import Stage


class Birth(Wire, frozen=True, tag=True):
    """The first line to a child: what it may use."""

    limits: Limits


class ProbeJob(Wire, frozen=True, tag=True):
    """Read the header of `source`."""

    source: str


class RenderJob(Wire, frozen=True, tag=True):
    """Make every recipe from `source`; the print of recipe number n is the file n."""

    source: str
    folder: str
    recipes: tuple[Recipe, ...]
    name: str = ""
    """Of a source that more will be made from: what is decoded of it is kept for a while."""


class KeepJob(Wire, frozen=True, tag=True):
    """Keep `source` as a photo, see `pipeline.photo`; it is the print 0 of `folder`."""

    source: str
    folder: str


class DevelopJob(Wire, frozen=True, tag=True):
    """Write every distinct picture's raw pixels; the file is named by its first recipe."""

    source: str
    folder: str
    recipes: tuple[Recipe, ...]


class EncodeJob(Wire, frozen=True, tag=True):
    """Write the raw pixels in the file `pixels` as the print `number` of `folder`."""

    pixels: str
    canvas: Canvas
    output: Output
    folder: str
    number: int


class Ready(Wire, frozen=True, tag=True):
    """The child can take a job."""


class Begun(Wire, frozen=True, tag=True):
    """The job has arrived; a child that dies without this word did not die of the job."""


class Probed(Wire, frozen=True, tag=True):
    """The answer to a ProbeJob."""

    probe: Probe


class Developed(Wire, frozen=True, tag=True):
    """Raw pixels lie ready; `numbers` are the recipes to be printed from them."""

    numbers: tuple[int, ...]
    canvas: Canvas


class Printed(Wire, frozen=True, tag=True):
    """The print `number` lies in the folder."""

    number: int
    size: int
    sha256: str
    width: int
    height: int
    format: str
    content_type: str
    extension: str


class Finished(Wire, frozen=True, tag=True):
    """The job is done; `resident` is what the child holds now, in bytes."""

    resident: int
    stages: tuple[Stage, ...] = ()


class Failed(Wire, frozen=True, tag=True):
    """The job ended with a named cause."""

    code: str
    sentence: str
    problems: tuple[Problem, ...] = ()


Job = ProbeJob | RenderJob | KeepJob | DevelopJob | EncodeJob
Reply = Ready | Begun | Probed | Developed | Printed | Finished | Failed

write = msgspec.json.Encoder().encode
read_job = msgspec.json.Decoder(Birth | Job).decode
read_reply = msgspec.json.Decoder(Reply).decode
