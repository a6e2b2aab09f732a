"""Forms: what a stranger wrote about sizes and formats, read with every problem named."""

import math
import re
from typing import Any, Final

from models.entries import Entry, Findings, check_names, entries_of, fields_of, objects_of
from models.options import ALIASES, FORMATS, PADDING, RESIZE
from models.outputs import Output, Webp
from models.readers import shown
from models.recipe import Padding, Recipe, Resize

_DECIMAL: Final = re.compile(r"\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def read_resize_options(value: object) -> list[Resize]:
    """An array of resize options or a single one; nothing means the original's size."""
    findings = Findings()
    resizes = _resizes(value, findings)
    findings.refuse()
    return resizes


def read_format_options(value: object) -> list[Output]:
    """An array of `{format, options}` or a single one; nothing means WebP."""
    findings = Findings()
    outputs = _outputs(value, findings)
    findings.refuse()
    return outputs


def read_ratio(text: str | None) -> float | None:
    """Width / height as text; absent or empty means the original's."""
    findings = Findings()
    ratio = _ratio(text, findings)
    findings.refuse()
    return ratio


def read_recipes(
    resize_options: object, format_options: object, ratio: str | None
) -> list[list[Recipe]]:
    """The recipes of each resize option, one per format; problems of all three fields together."""
    findings = Findings()
    resizes = _resizes(resize_options, findings)
    outputs = _outputs(format_options, findings)
    cut = _ratio(ratio, findings)
    findings.refuse()
    return [
        [Recipe(resize=resize, ratio=cut, output=output) for output in outputs]
        for resize in resizes
    ]


def _resizes(value: object, findings: Findings) -> list[Resize]:
    entries = entries_of("resizeOptions", value, findings)
    return [_resize(entry, findings) for entry in entries] or [Resize()]


def _outputs(value: object, findings: Findings) -> list[Output]:
    """Two files of one format would have one name, so a format can be asked for once."""
    outputs: dict[type[Output], Output] = {}
    for entry in entries_of("formatOptions", value, findings):
        output = _output(entry, findings)
        if type(output) in outputs:
            findings.add(f"{entry.path}.format", "is asked for twice")
        elif output is not None:
            outputs[type(output)] = output
    return list(outputs.values()) or [Webp()]


def _ratio(text: str | None, findings: Findings) -> float | None:
    spelled = (text or "").strip()
    if not spelled:
        return None
    ratio = float(spelled) if _DECIMAL.fullmatch(spelled) else 0.0
    if 0 < ratio < math.inf:
        return ratio
    findings.add("ratio", f"must be a positive number such as 1.777, not {shown(text)}")
    return None


def _resize(entry: Entry, findings: Findings) -> Resize:
    fields = fields_of(entry, RESIZE, findings, also=("padding",))
    padding = entry.values.get("padding")
    if padding is not None:
        for inner in objects_of([(f"{entry.path}.padding", padding)], findings):
            fields["padding"] = Padding(**fields_of(inner, PADDING, findings))
    return Resize(**fields)


def _output(entry: Entry, findings: Findings) -> Output | None:
    check_names(entry, ("format", "options"), findings)
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
        for inner in objects_of([(f"{entry.path}.options", given)], findings):
            fields = fields_of(inner, options, findings)
    return kind(**fields)
