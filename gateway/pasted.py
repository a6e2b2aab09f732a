"""JSON as people paste it into a shell: with line breaks in its texts, and a comma at the end.

The public guide's own `aiConfig` is such a text.
"""

import re
from collections.abc import Mapping

from gateway.form import read_json

# A text that never ends is one match too: it must not be looked through once for each quote in it.
_TEXT_OR_LAST_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+"?|,(?=\s*[}\]])', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")


def read_pasted_json(fields: Mapping[str, str], name: str) -> object:
    """As `read_json`, with what is between the lines forgiven."""
    text = fields.get(name)
    tidy = {} if text is None else {name: _TEXT_OR_LAST_COMMA.sub(_tidied, text)}
    return read_json(tidy, name)


def _tidied(found: re.Match[str]) -> str:
    if found[0] == ",":
        return ""
    return _CONTROL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", found[0])
