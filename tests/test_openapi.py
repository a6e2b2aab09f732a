"""The reference: it says everything that the API does, nothing else, and all of it is valid."""

import inspect
import json
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from litestar import Litestar
from litestar.exceptions import LitestarDeprecationWarning
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.app import gateway_app
from gateway.openapi.document import TAGS, document, paths
from gateway.openapi.guide import pages
from gateway.openapi.operation import Operation
from gateway.openapi.options import MEANINGS, shapes
from models.accounts import PERMISSIONS
from models.ai_config import read_ai_config
from models.errors import InvalidFields, ServiceError
from models.forms import read_format_options, read_resize_options
from models.generation import AiConfig
from models.meter import Meter
from models.options import FORMATS, PADDING, RESIZE
from models.settings import Settings
from models.users import LOG_OUT
from pipeline.services import Services
from pipeline.studio import Studio

Json = dict[str, Any]

DOCUMENT = document("https://api.example.com")
METHODS = ("get", "post", "put", "patch", "delete")


class Route(NamedTuple):
    """A method of a path, as the application answers it."""

    method: str
    path: str
    handler: HTTPRouteHandler


def application() -> Litestar:
    """The application as the gateway builds it; nothing in it is opened."""

    class Closed:
        settings = Settings()
        meter = Meter()

    with warnings.catch_warnings():
        # Handlers name their dependencies as Litestar 2 finds them; 3 will want to be told.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        asgi = gateway_app(cast("Services", Closed()), cast("Studio", None))
    found = list(_within(asgi))
    assert found, "there is a Litestar somewhere within the wrappers"
    return found[0]


def _within(app: Any, depth: int = 8) -> Iterator[Litestar]:
    if isinstance(app, Litestar):
        yield app
    elif depth and inspect.isfunction(app):
        for inner in inspect.getclosurevars(app).nonlocals.values():
            yield from _within(inner, depth - 1)


def routes() -> list[Route]:
    found = []
    for route in application().routes:
        for handler in getattr(route, "route_handlers", []):
            path = handler_path(route.path_format)
            found += [
                Route(method.lower(), path, handler)
                for method in handler.http_methods
                if method.lower() in METHODS
            ]
    return sorted(found, key=lambda route: (route.path, route.method))


def handler_path(path: str) -> str:
    return path if path == "/" else path.rstrip("/")


ROUTES = routes()
NAMED = [f"{route.method} {route.path}" for route in ROUTES]


def operations() -> list[tuple[str, Operation]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in paths().items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_every_route_is_in_the_document_and_every_operation_has_a_route() -> None:
    assert sorted(NAMED) == sorted(name for name, _ in operations())


@pytest.mark.parametrize("route", ROUTES, ids=NAMED)
def test_an_operation_says_which_permission_its_route_needs(route: Route) -> None:
    operation = paths()[route.path][route.method]
    needs = route.handler.opt.get("needs")
    if callable(needs):
        assert operation.needs in PERMISSIONS
        assert operation.also_needs in PERMISSIONS
        return
    assert operation.needs == needs
    assert operation.also_needs is None
    written = DOCUMENT["paths"][route.path][route.method]
    assert written.get("x-permission") == needs
    ways = [{"userToken": []}, {"apiKey": []}] if operation.photos else [{"apiKey": []}]
    assert written["security"] == (ways if needs else [])


@pytest.mark.parametrize("route", ROUTES, ids=NAMED)
def test_an_operation_takes_the_idempotency_keys_that_its_route_takes(route: Route) -> None:
    opt = route.handler.opt
    unsafe = route.method in ("post", "put", "patch") and opt.get("needs") is not None
    assert paths()[route.path][route.method].replays is (unsafe and bool(opt.get("replays", True)))


@pytest.mark.parametrize("route", ROUTES, ids=NAMED)
def test_every_parameter_that_a_handler_reads_is_described_as_it_is_read(route: Route) -> None:
    described = {
        parameter["name"]: parameter["schema"]
        for parameter in parameters_of(DOCUMENT["paths"][route.path][route.method])
        if parameter["in"] in ("query", "path")
    }
    for name, bounds in read_by(route.handler).items():
        assert name in described, f"{route.path} reads {name}"
        schema = described[name]
        assert {key: schema.get(key) for key in bounds} == bounds


def parameters_of(operation: Json) -> list[Json]:
    known = DOCUMENT["components"]["parameters"]
    return [known[one["$ref"].rpartition("/")[2]] for one in operation["parameters"]]


def read_by(handler: HTTPRouteHandler) -> dict[str, Json]:
    """The query parameters that a handler's signature names, with their bounds."""
    given = {"self", "request", *handler.resolve_dependencies()}
    given |= {name.partition(":")[0] for path in handler.paths for name in path_names(path)}
    found: dict[str, Json] = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name in given:
            continue
        said = field.kwarg_definition
        bounds: Json = {}
        if isinstance(said, ParameterKwarg):
            bounds = {"minimum": said.ge, "maximum": said.le} if said.ge is not None else {}
            name = said.name or name  # noqa: PLW2901  its name on the wire
        found[name] = bounds
    return found


def path_names(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def test_operation_ids_and_permissions_are_used_once_or_known() -> None:
    names = [operation.name for _, operation in operations()]
    assert len(names) == len(set(names))
    needed = {operation.needs for _, operation in operations() if operation.needs}
    needed |= {operation.also_needs for _, operation in operations() if operation.also_needs}
    assert needed <= {*PERMISSIONS, LOG_OUT}


def test_every_subject_has_operations_and_a_page_in_the_guide() -> None:
    assert {operation.tag for _, operation in operations()} == set(TAGS)
    subjects = {tag.lower() for tag in TAGS if tag != "Service"}
    assert subjects <= set(pages("https://api.example.com"))


@pytest.mark.parametrize(("name", "operation"), operations(), ids=[n for n, _ in operations()])
def test_every_field_of_every_body_says_what_it_is_for(name: str, operation: Operation) -> None:
    content = (operation.body or {"content": {}})["content"]
    for media in content.values():
        for field, schema in media["schema"]["properties"].items():
            assert schema["description"], f"{name} {field}"


# Every example is what its schema says.

ROOT = "urn:calotype"
REGISTRY: Any = Registry().with_resource(
    ROOT, Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def check(value: object, schema: Json) -> None:
    whole = json.loads(json.dumps(schema).replace('"#/', f'"{ROOT}#/'))
    validator = Draft202012Validator(
        whole, registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(value)


def examples() -> Iterator[tuple[str, object, Json]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {"content": {}})
            answers = [body, *operation["responses"].values()]
            for place, one in enumerate(answers):
                for kind, media in one.get("content", {}).items():
                    for name, value in values_of(media):
                        yield f"{method} {path} {place} {kind} {name}", value, media["schema"]


def values_of(media: Json) -> Iterator[tuple[str, object]]:
    known = DOCUMENT["components"]["examples"]
    if "example" in media:
        yield "example", media["example"]
    for name, shown in media.get("examples", {}).items():
        where = shown.get("$ref", "").rpartition("/")[2]
        yield name, known[where]["value"] if where else shown["value"]


EXAMPLES = list(examples())


@pytest.mark.parametrize(
    ("value", "schema"), [one[1:] for one in EXAMPLES], ids=[one[0] for one in EXAMPLES]
)
def test_every_example_is_what_its_schema_says(value: Any, schema: Json) -> None:
    if isinstance(value, dict) and isinstance(value.get("ratio"), str):
        value = value | {"ratio": float(value["ratio"])}  # a form has texts only
    check(value, schema)


@pytest.mark.parametrize(("name", "operation"), operations(), ids=[n for n, _ in operations()])
def test_every_operation_shows_a_success_and_each_of_its_errors(
    name: str, operation: Operation
) -> None:
    path, method = name.partition(" ")[2], name.partition(" ")[0]
    answers = DOCUMENT["paths"][path][method]["responses"]
    done = [answer for status, answer in answers.items() if status.startswith("2")]
    assert all("content" in answer for answer in done) or operation.name == "logOut"
    shape = "PhotoError" if operation.photos else "Error"
    for cause in operation.all_causes:
        media = answers[str(cause.status)]["content"]["application/json"]
        assert media["schema"] == {"$ref": f"#/components/schemas/{shape}"}
        assert cause.code() in media["examples"]


def test_form_fields_hold_json_that_the_form_readers_take() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            form = content.get("multipart/form-data", {}).get("example", {})
            if "aiConfig" in form:
                assert read_ai_config(json.loads(form["aiConfig"])) != AiConfig()
            for name, schema in (("resizeOptions", "Resize"), ("formatOptions", "Format")):
                if name in form:
                    value = json.loads(form[name])
                    check(value, {"$ref": f"#/components/schemas/{schema}OptionsField"})
                    read = read_resize_options if schema == "Resize" else read_format_options
                    assert read(value), f"{method} {path}"


def test_no_error_is_missing_from_the_reference() -> None:
    described = set(DOCUMENT["components"]["examples"])
    assert described <= {kind.code() for kind in kinds(ServiceError)}
    unanswered = {"payment-required", "unprocessable", "conflict", "gone", "bad-request"}
    unanswered |= {"generation-refused", "generation-failed", "model-image-unusable"}
    routing = {"method-not-allowed"}
    inside = {"answered", "client-gone", "leaving", "render-failed"}
    inside |= {"unknown-token", "wrong-password"}  # the photo API's, which says no codes
    at_the_edge = {"not-signed", "wrong-signature", "expired"}
    asked = {kind.code() for kind in kinds(ServiceError) if kind.__module__ == "models.errors"}
    assert asked - described <= unanswered | routing | inside | at_the_edge


def kinds(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


# The options: one table is read by the form and by the reference.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["cover", "top", "4:2:0", "photo", "auto", "#fff", "av1", "jpg", ""])
)
VALUES = SCALARS | st.lists(st.integers(-1, 300), max_size=4)
RESIZES = st.dictionaries(st.sampled_from([*RESIZE, "padding", "other"]), VALUES, max_size=4)
PADDED = st.fixed_dictionaries({"padding": st.dictionaries(st.sampled_from(["px", "y"]), VALUES)})


def fits(value: object, schema: str) -> bool:
    try:
        check(value, {"$ref": f"#/components/schemas/{schema}"})
    except ValidationError:
        return False
    return True


def is_read(value: object, read: Any) -> bool:
    try:
        read(value)
    except InvalidFields:
        return False
    return True


def without_nulls(value: Any) -> Any:
    """Null is the same as not given; the reference does not invite it."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value


@given(RESIZES | PADDED)
def test_what_the_reference_says_of_sizes_is_what_the_form_takes(options: Json) -> None:
    options = without_nulls(options)
    if is_read(options, read_resize_options):
        assert fits(options, "ResizeOptions")
    if fits(options, "ResizeOptions") and not has_free_colour(options):
        assert is_read(options, read_resize_options)


@given(st.data())
def test_what_the_reference_says_of_formats_is_what_the_form_takes(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*FORMATS]))
    known = [*FORMATS[name][1], "other"]
    options = data.draw(st.dictionaries(st.sampled_from(known), VALUES, max_size=4))
    value = {"format": name, "options": without_nulls(options)}
    if is_read(value, read_format_options):
        assert fits(value, "FormatOptions")
    if fits(value, "FormatOptions") and not has_free_colour(options) and spelled_once(options):
        assert is_read(value, read_format_options)


def has_free_colour(options: Json) -> bool:
    """A schema cannot say which texts are colours."""
    return "background" in options


def spelled_once(options: Json) -> bool:
    """Nor that both spellings of an option must agree."""
    return not any(name.replace("z", "s").replace("ors", "ours") != name for name in options)


def test_every_option_has_a_meaning_and_its_default() -> None:
    names = {name for _, options in FORMATS.values() for name in options}
    assert set(MEANINGS) == names | {*RESIZE, *PADDING, "padding"}
    quality = shapes()["WebpOutput"]["properties"]["options"]["properties"]["quality"]
    assert (quality["minimum"], quality["maximum"], quality["default"]) == (1, 100, 80)


def test_the_document_is_the_same_every_time() -> None:
    again = document("https://api.example.com")
    assert msgspec.json.encode(again) == msgspec.json.encode(DOCUMENT)
