"""Forms: what a stranger wrote about sizes and formats, read with every problem named."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from models.errors import InvalidFields, Problem
from models.options import ALIASES, FORMATS, PADDING, RESIZE, Options
from models.outputs import Output, Webp
from models.readers import Malformed, is_array, shown
from models.recipe import Padding, Recipe, Resize

MOST_ENTRIES: Final = 100  # of an array: far more than anybody pays for
_LONGEST_NAME: Final = 60  # characters of an unknown name that are repeated to its sender
_DECIMAL: Final = re.compile(r"\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


class _Entry(NamedTuple):
    """One object of a form, with the path that its sender knows it by."""

    path: str
    values: Mapping[object, object]


class _Findings(list[Problem]):
    """The problems found so far."""

    def add(self, field: str, problem: str) -> None:
        self.append(Problem(field=field, problem=problem))

    def refuse(self) -> None:
        """Raise InvalidFields unless there are none."""
        if self:
            raise InvalidFields(self)


def read_resize_options(value: object) -> list[Resize]:
    """An array of resize options or a single one; nothing means the original's size."""
    findings = _Findings()
    resizes = _resizes(value, findings)
    findings.refuse()
    return resizes


def read_format_options(value: object) -> list[Output]:
    """An array of `{format, options}` or a single one; nothing means WebP."""
    findings = _Findings()
    outputs = _outputs(value, findings)
    findings.refuse()
    return outputs


def read_ratio(text: str | None) -> float | None:
    """Width / height as text; absent or empty means the original's."""
    findings = _Findings()
    ratio = _ratio(text, findings)
    findings.refuse()
    return ratio


def read_recipes(
    resize_options: object, format_options: object, ratio: str | None
) -> list[list[Recipe]]:
    """The recipes of each resize option, one per format; problems of all three fields together."""
    findings = _Findings()
    resizes = _resizes(resize_options, findings)
    outputs = _outputs(format_options, findings)
    cut = _ratio(ratio, findings)
    findings.refuse()
    return [
        [Recipe(resize=resize, ratio=cut, output=output) for output in outputs]
        for resize in resizes
    ]


def _resizes(value: object, findings: _Findings) -> list[Resize]:
    entries = _entries("resizeOptions", value, findings)
    return [_resize(entry, findings) for entry in entries] or [Resize()]


def _outputs(value: object, findings: _Findings) -> list[Output]:
    """Two files of one format would have one name, so a format can be asked for once."""
    outputs: dict[type[Output], Output] = {}
    for entry in _entries("formatOptions", value, findings):
        output = _output(entry, findings)
        if type(output) in outputs:
            findings.add(f"{entry.path}.format", "is asked for twice")
        elif output is not None:
            outputs[type(output)] = output
    return list(outputs.values()) or [Webp()]


def _ratio(text: str | None, findings: _Findings) -> float | None:
    spelled = (text or "").strip()
    if not spelled:
        return None
    ratio = float(spelled) if _DECIMAL.fullmatch(spelled) else 0.0
    if 0 < ratio < math.inf:
        return ratio
    findings.add("ratio", f"must be a positive number such as 1.777, not {shown(text)}")
    return None


def _entries(field: str, value: object, findings: _Findings) -> list[_Entry]:
    """The objects of an array, or the one object."""
    if value is None:
        return []
    if not is_array(value):
        return _objects([(field, value)], findings)
    if len(value) > MOST_ENTRIES:
        findings.add(field, f"must have at most {MOST_ENTRIES} entries, not {len(value)}")
        return []
    return _objects(((f"{field}[{i}]", entry) for i, entry in enumerate(value)), findings)


def _objects(listed: Iterable[tuple[str, object]], findings: _Findings) -> list[_Entry]:
    entries = []
    for path, values in listed:
        if isinstance(values, Mapping):
            entries.append(_Entry(path, values))
        else:
            findings.add(path, f"must be an object, not {shown(values)}")
    return entries


def _resize(entry: _Entry, findings: _Findings) -> Resize:
    fields = _fields(entry, RESIZE, findings, also=("padding",))
    padding = entry.values.get("padding")
    if padding is not None:
        for inner in _objects([(f"{entry.path}.padding", padding)], findings):
            fields["padding"] = Padding(**_fields(inner, PADDING, findings))
    return Resize(**fields)


def _output(entry: _Entry, findings: _Findings) -> Output | None:
    _check_names(entry, ("format", "options"), findings)
    name = entry.values.get("format")
    key = name.lower() if isinstance(name, str) else ""
    known = FORMATS.get(ALIASES.get(key, key))
    if known is None:
        must = f"must be one of: {', '.join(FORMATS)}, not {shown(name)}"
        findings.add(f"{entry.path}.format", "is required" if name is None else must)
        return None
    kind, options = known
    fields: dict[str, Any] = {}
    given = entry.values.get("options")
    if given is not None:
        for inner in _objects([(f"{entry.path}.options", given)], findings):
            fields = _fields(inner, options, findings)
    return kind(**fields)


def _fields(
    entry: _Entry, options: Options, findings: _Findings, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The clean values of an entry by field name; null means not given."""
    _check_names(entry, (*options, *also), findings)
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


def _check_names(entry: _Entry, known: tuple[str, ...], findings: _Findings) -> None:
    for name in entry.values:
        if name in known:
            continue
        said = str(name)[:_LONGEST_NAME]
        nearest = difflib.get_close_matches(said, known, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        findings.add(f"{entry.path}.{said}", f"is not a known option{hint}")
