"""Entries: objects that a stranger wrote, read name by name with every problem told."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from models.errors import InvalidFields, Problem
from models.options import Options
from models.readers import Malformed, is_array, shown

MOST_ENTRIES: Final = 100  # of an array: far more than anybody pays for
_LONGEST_NAME: Final = 60  # characters of an unknown name that are repeated to its sender


class Entry(NamedTuple):
    """One object of a form, with the path that its sender knows it by."""

    path: str
    values: Mapping[object, object]


class Findings(list[Problem]):
    """The problems found so far."""

    def add(self, field: str, problem: str) -> None:
        """Note one more."""
        self.append(Problem(field=field, problem=problem))

    def refuse(self) -> None:
        """Raise InvalidFields unless there are none."""
        if self:
            raise InvalidFields(self)


def entries_of(field: str, value: object, findings: Findings) -> list[Entry]:
    """The objects of an array, or the one object."""
    if value is None:
        return []
    if not is_array(value):
        return objects_of([(field, value)], findings)
    if len(value) > MOST_ENTRIES:
        findings.add(field, f"must have at most {MOST_ENTRIES} entries, not {len(value)}")
        return []
    return objects_of(((f"{field}[{i}]", entry) for i, entry in enumerate(value)), findings)


def objects_of(listed: Iterable[tuple[str, object]], findings: Findings) -> list[Entry]:
    """Those of the values that are objects; all others are problems."""
    entries = []
    for path, values in listed:
        if isinstance(values, Mapping):
            entries.append(Entry(path, values))
        else:
            findings.add(path, f"must be an object, not {shown(values)}")
    return entries


def fields_of(
    entry: Entry, options: Options, findings: Findings, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The clean values of an entry by field name; null means not given."""
    check_names(entry, (*options, *also), findings)
    fields: dict[str, Any] = {}
    for name, option in options.items():
        value = entry.values.get(name)
        if value is None:
            continue
        try:
            clean = option.read(value)
        except Malformed as malformed:
            findings.add(f"{entry.path}.{name}", str(malformed))
            continue
        if option.field is None:
            continue
        if fields.setdefault(option.field, clean) != clean:
            findings.add(f"{entry.path}.{name}", "contradicts its other spelling")
    return fields


def check_names(entry: Entry, known: tuple[str, ...], findings: Findings) -> None:
    """Note every name that is not known, with the nearest one that is."""
    for name in entry.values:
        if name in known:
            continue
        said = str(name)[:_LONGEST_NAME]
        nearest = difflib.get_close_matches(said, known, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        findings.add(f"{entry.path}.{said}", f"is not a known option{hint}")
