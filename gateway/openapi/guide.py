"""The guide: a page of Markdown for each subject, from the same tables as the reference."""

from collections.abc import Sequence
from typing import NamedTuple

from cdn_edge.grammar import PARAMETERS
from gateway.openapi.document import TAGS, document
from gateway.openapi.prose import kind_of, meaning_of, rows_of
from gateway.openapi.topics import TOPICS
from gateway.openapi.words import Json


class GuidePage(NamedTuple):
    """One page, by the word that its address ends with."""

    topic: str
    title: str
    text: str


def pages(server: str) -> dict[str, GuidePage]:
    """Every page, with addresses of this server."""
    whole = document(server)
    return {topic: GuidePage(topic, title, _text(topic, whole)) for topic, title in _titles()}


def _titles() -> list[tuple[str, str]]:
    subjects = [(tag.lower(), tag) for tag in TAGS if tag.lower() in TOPICS]
    return [*subjects, ("options", "Sizes and formats"), ("errors", "Errors")]


def index_of(guide: dict[str, GuidePage], server: str) -> str:
    """The first page: what there is to read."""
    lines = [f"- [{page.title}]({server}/api/docs/{page.topic})" for page in guide.values()]
    return "\n".join(["# Calotype", "", TOPICS["index"].strip(), "", *lines, ""])


def _text(topic: str, whole: Json) -> str:
    title = dict(_titles())[topic]
    parts = [f"# {title}", TOPICS[topic].strip()]
    if topic == "options":
        parts += [_shape(name, whole) for name in _option_shapes(whole)]
    elif topic == "errors":
        parts.append(_errors(whole))
    elif topic == "urls":
        parts += [_grammar(), _setting(whole), *_operations(title, whole)]
    else:
        parts += [_setting(whole), *_operations(title, whole)]
    return "\n\n".join(parts) + "\n"


def _setting(whole: Json) -> str:
    return _block(f'API="{whole["servers"][0]["url"]}"\nAPI_KEY="sk_..."')


def _block(text: str) -> str:
    return f"```sh\n{text.rstrip()}\n```"


def _operations(tag: str, whole: Json) -> list[str]:
    return [
        _operation(method, path, operation, whole)
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"] and not (method == "put" and "patch" in methods)
    ]


def _operation(method: str, path: str, operation: Json, whole: Json) -> str:
    needs = operation.get("x-permission")
    permission = f" - permission `{needs}`" if needs else ""
    parts = [
        f"## {operation['summary']}",
        f"`{method.upper()} {path}`{permission}",
        operation["description"],
        *(_block(sample["source"]) for sample in operation.get("x-codeSamples", [])),
        *_parameters(operation, whole),
        *_body(operation, whole),
    ]
    return "\n\n".join(parts)


def _parameters(operation: Json, whole: Json) -> list[str]:
    known = whole["components"]["parameters"]
    given = [known[one["$ref"].rpartition("/")[2]] for one in operation["parameters"]]
    rows = [
        (one["name"], _kind(one["schema"]), one["description"])
        for one in given
        if one["in"] == "query"
    ]
    return [_table(("Parameter", "Value", "Meaning"), rows)] if rows else []


def _body(operation: Json, whole: Json) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    return [_fields(media["schema"], whole) for media in content.values()]


def _option_shapes(whole: Json) -> list[str]:
    shapes = whole["components"]["schemas"]
    return ["ResizeOptions", *(name for name in shapes if name.endswith("Output"))]


def _shape(name: str, whole: Json) -> str:
    shape = whole["components"]["schemas"][name]
    return f"## {name}\n\n{shape['description']}\n\n{_fields(shape, whole)}"


def _fields(schema: Json, whole: Json) -> str:
    shapes = whole["components"]["schemas"]
    rows = [
        (row.path, _kind(row.schema), meaning_of(row.schema, shapes)) for row in rows_of(schema)
    ]
    return _table(("Field", "Value", "Meaning"), rows)


def _grammar() -> str:
    heads = ("Parameter", "Allowed", "Default", "Meaning", "Example")
    rows = [
        (name, one.allowed, one.default, one.means, f"`{one.example}`")
        for name, one in PARAMETERS.items()
    ]
    return _table(heads, rows)


def _errors(whole: Json) -> str:
    known = whole["components"]["examples"]
    rows = [(code, known[code]["summary"]) for code in sorted(known)]
    return _table(("Code", "What it says"), rows)


def _kind(schema: Json) -> str:
    return "".join(kind_of(schema))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = [_line(heads), _line(("---",) * len(heads))]
    return "\n".join([*top, *(_line((f"`{first}`", *rest)) for first, *rest in rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_in_cell, cells))} |"


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
