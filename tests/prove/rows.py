"""All rows of the proof, in the order of the table."""

from tests.prove import kills
from tests.prove.row import Row

ROWS: tuple[Row, ...] = (kills.SQLITE, kills.POSTGRES)
