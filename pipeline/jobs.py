"""What is said between the studio and a child: one line of JSON each, and never a pickle.

A child has read hostile bytes, so what it says is data to be checked and not code to be run.
"""

import msgspec

from models.errors import Problem
from models.recipe import Recipe
from models.wire import Wire
from pipeline.limits import Limits
from pipeline.prints import Probe


class Birth(Wire, frozen=True, tag=True):
    """The first line to a child: what it may use."""

    limits: Limits


class ProbeJob(Wire, frozen=True, tag=True):
    """Read the header of `source`."""

    source: str


class RenderJob(Wire, frozen=True, tag=True):
    """Make every recipe from `source`; print number i is the file `folder/i`."""

    source: str
    folder: str
    recipes: tuple[Recipe, ...]


class Ready(Wire, frozen=True, tag=True):
    """The child can take a job."""


class Probed(Wire, frozen=True, tag=True):
    """The answer to a ProbeJob."""

    probe: Probe


class Printed(Wire, frozen=True, tag=True):
    """Print number `index` lies in the folder."""

    index: int
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


class Failed(Wire, frozen=True, tag=True):
    """The job ended with a named cause."""

    code: str
    sentence: str
    problems: tuple[Problem, ...] = ()


Job = ProbeJob | RenderJob
Reply = Ready | Probed | Printed | Finished | Failed

write = msgspec.json.Encoder().encode
read_job = msgspec.json.Decoder(Birth | Job).decode
read_reply = msgspec.json.Decoder(Reply).decode
