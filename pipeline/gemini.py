"""Gemini: a prompt in, a picture out. The only file that knows Google's SDK.

The SDK takes a second and 50 MB to import: the first call does it, in a thread.
"""

import asyncio
import contextlib
import importlib
import ssl
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import httpx2
import msgspec
import structlog

from models.errors import (
    ImageMadeTooLarge,
    ModelAnswerBroken,
    ModelAway,
    ModelBusy,
    ModelRefusesUs,
    ModelTooSlow,
    NoModel,
    RequestRejected,
    ServiceError,
)
from models.generation import AiConfig
from models.meter import Meter
from models.settings import Settings
from pipeline.gemini_answer import Painted, clean, read_answer

log = structlog.get_logger(__name__)

TEMPLATE_TYPE: Final = "image/png"
_ALIASES: Final = {"gemini-3-pro-image-preview": "gemini-3-pro-image"}
_SHAPED: Final = ("gemini-2.5-flash-image", "gemini-3")  # models that take an aspect ratio
_SPARE: Final = 1024 * 1024  # bytes of an answer that are not the picture
_LONGEST_REST: Final = 120.0
_OURS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
)
# What an answer that is none does to the SDK: it looks at its fields before it checks them.
_GARBLED: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


class Ask(NamedTuple):
    """What the model is asked: a prompt, perhaps with a PNG to go by."""

    prompt: str
    config: AiConfig = AiConfig()
    template: bytes | None = None


class Gemini:
    """The model that settings name. Opens nothing before it is asked."""

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        self._meter = meter or Meter()
        self._key = settings.gemini_key
        self._url = settings.gemini_url
        self._seconds = settings.gemini_seconds
        self._largest = settings.max_file_bytes
        self._tls: ssl.SSLContext | None = None
        self.model = _ALIASES.get(settings.gemini_model, settings.gemini_model)

    @property
    def shaped(self) -> bool:
        """Whether the model takes an aspect ratio."""
        return self.model.startswith(_SHAPED)

    async def paint(self, ask: Ask) -> Painted:
        """The first image that the model makes of it.

        Raises GenerationRefused, GenerationFailed, ModelBusy, ModelTooSlow; NoModel without key.
        """
        try:
            painted = await self._painted(ask)
        except ServiceError as error:
            self._meter.count("calotype_generations_total", error.code())
            raise
        self._meter.count("calotype_generations_total", "ok")
        return painted

    async def _painted(self, ask: Ask) -> Painted:
        if not self._key:
            raise NoModel
        sdk = await asyncio.to_thread(importlib.import_module, "google.genai")
        with self._named(sdk):
            async with asyncio.timeout(self._seconds), self._client(sdk) as client:
                answer = await client.aio.models.generate_content(
                    model=self.model, contents=_contents(sdk, ask), config=_config(sdk, ask.config)
                )
                painted = await asyncio.to_thread(read_answer, answer)
        if len(painted.data) > self._largest:
            raise ImageMadeTooLarge
        return painted

    @contextlib.asynccontextmanager
    async def _client(self, sdk: Any) -> AsyncIterator[Any]:  # noqa: ANN401 a module
        """A client for one call, on a connection of its own.

        What the environment says of Google's services is not meant for us, and is overruled.
        """
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        most = 2 * self._largest + _SPARE  # base64 takes a third more; one thought may be on top
        with httpx2.Client(verify=self._tls) as unused:  # the SDK would open one of its own
            async with httpx2.AsyncClient(
                verify=self._tls,
                headers={"Accept-Encoding": "identity"},
                event_hooks={"response": [_Bound(most)]},
            ) as http:
                options = sdk.types.HttpOptions(
                    base_url=self._url,
                    timeout=int(self._seconds * 1000),
                    retry_options=sdk.types.HttpRetryOptions(attempts=1),
                    httpx_client=unused,
                    httpx_async_client=http,
                )
                yield sdk.Client(api_key=self._key, vertexai=False, http_options=options)

    @contextlib.contextmanager
    def _named(self, sdk: Any) -> Iterator[None]:  # noqa: ANN401 a module
        """Every failure by its cause. None is chained: the SDK's carry the request and its key."""
        try:
            yield
        except ServiceError:
            raise
        except sdk.errors.APIError as error:
            raise self._refusal(error) from None
        except (TimeoutError, httpx2.TimeoutException):
            raise ModelTooSlow from None
        except (httpx2.RemoteProtocolError, httpx2.DecodingError):
            raise ModelAnswerBroken from None
        except httpx2.HTTPError as error:
            log.warning("not reached", reason=type(error).__name__)
            raise ModelAway from None
        except _GARBLED as error:
            log.warning("not understood", reason=type(error).__name__)
            raise ModelAnswerBroken from None

    def _refusal(self, error: Any) -> ServiceError:  # noqa: ANN401 the SDK's own
        """Google's error in our words. Its sentences name keys and prompts: none is logged."""
        said = clean(error.message, 300).replace(self._key, "***")
        log.warning("refused", status=error.code, word=clean(error.status, 60))
        if error.code == HTTPStatus.TOO_MANY_REQUESTS:
            return ModelBusy(retry_after=_rest(error.details))
        if error.code in _OURS or _is_ours(error):
            return ModelRefusesUs()
        if error.code == HTTPStatus.REQUEST_TIMEOUT:
            return ModelTooSlow()
        if HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return RequestRejected(f"The model does not accept the request: {said}")
        return ModelAway()


class _Bound:
    """Lets no answer grow larger than `most` bytes, nor unpack itself."""

    def __init__(self, most: int) -> None:
        self._most = most

    async def __call__(self, response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ModelAnswerBroken
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(stream, self._most)


class _Bounded(httpx2.AsyncByteStream):
    """A body that is cut short with ImageMadeTooLarge."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise ImageMadeTooLarge
            yield chunk

    async def aclose(self) -> None:
        """Close what is beneath."""
        await self._stream.aclose()


def _contents(sdk: Any, ask: Ask) -> list[Any]:  # noqa: ANN401 a module
    if ask.template is None:
        return [ask.prompt]
    return [sdk.types.Part.from_bytes(data=ask.template, mime_type=TEMPLATE_TYPE), ask.prompt]


def _config(sdk: Any, config: AiConfig) -> Any:  # noqa: ANN401 a module, and its own
    """Field by field: what is not named here cannot be said."""
    types, image = sdk.types, msgspec.structs.asdict(config.image_config)
    return types.GenerateContentConfig(
        top_p=config.top_p,
        top_k=config.top_k,
        temperature=config.temperature,
        system_instruction=config.system_instruction,
        seed=config.seed,
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(**image) if any(image.values()) else None,
        safety_settings=[
            types.SafetySetting(category=one.category, threshold=one.threshold)
            for one in config.safety_settings
        ]
        or None,
        # One order is one call: the SDK must not make more of its own accord.
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
    )


def _is_ours(error: Any) -> bool:  # noqa: ANN401 the SDK's own
    """A 400 that is about our key or account, and not about what was asked."""
    reasons = {detail.get("reason") for detail in _details(error.details)}
    return error.status == "FAILED_PRECONDITION" or "API_KEY_INVALID" in reasons


def _rest(details: object) -> int | None:
    """The seconds after which Google says that we may ask again."""
    for detail in _details(details):
        delay = str(detail.get("retryDelay", "")).removesuffix("s")
        with contextlib.suppress(ValueError, OverflowError):
            return 1 + int(min(max(float(delay), 0.0), _LONGEST_REST))
    return None


def _details(details: object) -> list[dict[str, Any]]:
    error = details.get("error") if isinstance(details, dict) else None
    found = error.get("details") if isinstance(error, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
