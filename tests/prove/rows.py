"""All rows of the proof, in the order of the table."""

from tests.prove import children, generations, kills, outages, soak, stream, twice
from tests.prove.row import Row

ROWS: tuple[Row, ...] = (
    kills.SQLITE,
    kills.POSTGRES,
    stream.SQLITE,
    stream.POSTGRES,
    twice.SQLITE,
    twice.POSTGRES,
    children.CHILDREN,
    generations.ROW,
    outages.OUTAGES,
    soak.SOAK,
)
