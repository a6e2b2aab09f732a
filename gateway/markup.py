"""HTML, written by functions: what is not markup already is escaped where it is put in."""

from html import escape

_VOID = frozenset({"img", "link", "meta", "source"})


class Html(str):
    """Text that is markup. Only `element` and constants make it."""

    __slots__ = ()


def element(name: str, /, *inside: str, **attributes: object) -> Html:
    """One element. `class_` stands for class, `_` for a hyphen; None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(*inside)}</{name}>")


def joined(*parts: str) -> Html:
    """Parts one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
