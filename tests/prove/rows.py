"""All rows of the proof, in the order of the table."""

from tests.prove import (
    children,
    floods,
    generations,
    kills,
    mixups,
    outages,
    overload,
    power,
    sabotage,
    soak,
    stream,
    twice,
)
from tests.prove.row import Row

ROWS: tuple[Row, ...] = (
    kills.SQLITE,
    kills.POSTGRES,
    power.POWER,
    stream.SQLITE,
    stream.POSTGRES,
    twice.SQLITE,
    twice.POSTGRES,
    children.CHILDREN,
    generations.ROW,
    outages.OUTAGES,
    mixups.ROW,
    overload.ROW,
    floods.FLOOD,
    floods.STALLS,
    soak.SOAK,
    sabotage.SABOTAGE,
)
