"""The shape of everything that travels: frozen, strict, camelCase in JSON."""

import msgspec


class Wire(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """A value that crosses a process border. Change means a new one.

    Subclasses say `frozen=True` once more: type checkers do not inherit it.
    """
