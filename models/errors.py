"""Everything that can go wrong, each cause named once.

An error carries an HTTP `status`, a stable kebab-case `code` and a sentence that may be said to a
stranger. How it is written on the wire is the gateway's business.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, Self

from models.wire import Wire

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Problem(Wire, frozen=True):
    """What is wrong with one field, by its path as the sender wrote it."""

    field: str
    problem: str


class ServiceError(Exception):
    """A named cause. Subclasses set `status` and `message`; `code` follows from the class name."""

    status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side."
    retry_after: int | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        problems: Sequence[Problem] = (),
        retry_after: int | None = None,
    ) -> None:
        self.sentence = message or self.message
        self.problems = tuple(problems)
        if retry_after is not None:
            self.retry_after = retry_after
        super().__init__(self.sentence)

    @classmethod
    def code(cls) -> str:
        """The class name in kebab case: `NotAnImage` is `not-an-image`."""
        return _WORD_START.sub("-", cls.__name__).lower()


class BadRequest(ServiceError):
    """The request cannot be understood."""

    status = 400
    message = "The request cannot be understood."


class InvalidFields(BadRequest):
    """One or more fields are wrong; `problems` names each."""

    message = "Some fields are not valid."

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.field}: {first.problem}{more}", problems=problems)


class NotAnImage(BadRequest):
    """The bytes are of no kind we read."""

    message = "The file is not an image we can read."


class DamagedImage(BadRequest):
    """The bytes begin like an image but cannot be decoded to the end."""

    message = "The image is damaged or truncated."


class EmptyFile(BadRequest):
    """A file part without a byte in it."""

    message = "The file is empty."


class ForbiddenSource(BadRequest):
    """The URL leads where we do not go: not public, not http, not plainly written."""

    message = "The source URL does not lead to a public address."


class Unauthorized(ServiceError):
    """No key, or one we do not know."""

    status = 401
    message = "A valid API key is needed: send it as 'Authorization: Bearer sk_...'."


class UnknownToken(Unauthorized):
    """The photo API was asked without a token, or with one we do not know."""

    message = "A valid user token is needed: send it as 'Authorization: <token>'."


class WrongPassword(Unauthorized):
    """The same for an alias that nobody has."""

    message = "The alias or the password is wrong."


class PaymentRequired(ServiceError):
    """The account cannot pay for this."""

    status = 402
    message = "The account cannot pay for this request."


class OutOfCredits(PaymentRequired):
    """Fewer credits than the request costs."""

    message = "There are not enough credits for this request."


class OutOfStorage(PaymentRequired):
    """The account's storage is full."""

    message = "The account's storage is full: delete images or buy more."


class Forbidden(ServiceError):
    """The key is known, but may not do this."""

    status = 403
    message = "This API key may not do that."


class MissingPermission(Forbidden):
    """The key lacks a permission, which the sentence names."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"This API key lacks the permission '{permission}'.")


class NotSigned(Forbidden):
    """The bucket converts what is signed, and this is not."""

    message = "This address needs a signature."


class WrongSignature(Forbidden):
    """The signature is of something else, or by a key that is not the account's any more."""

    message = "The signature does not fit this address."


class NotFound(ServiceError):
    """No such thing, or not yours."""

    status = 404
    message = "There is nothing here."


class Conflict(ServiceError):
    """What is asked contradicts what is going on or was done."""

    status = 409
    message = "This contradicts what is there already."


class StillRunning(Conflict):
    """A request with the same Idempotency-Key is being carried out."""

    message = "A request with this Idempotency-Key is still being carried out."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class AnswerLost(Conflict):
    """A request with the same Idempotency-Key took effect, but what it was answered is gone."""

    message = (
        "The request with this Idempotency-Key was carried out, but its answer was not kept: "
        "look at what is there before you send it again under another key."
    )


class KeyReused(ServiceError):
    """The Idempotency-Key was used for something else."""

    status = 422
    message = "This Idempotency-Key was used with a different request."


class Gone(ServiceError):
    """There was such a thing, and it was deleted."""

    status = 410
    message = "This was deleted."


class Expired(Gone):
    """A signed address whose time is over."""

    message = "The signature of this address has expired."


class MethodNotAllowed(ServiceError):
    """The path exists, the method does not."""

    status = 405
    message = "This method is not allowed here."


class RequestTimeout(ServiceError):
    """The sender is too slow to finish its body."""

    status = 408
    message = "The request took too long to arrive."


class TooLarge(ServiceError):
    """The file or the body is over the limit."""

    status = 413
    message = "The file is too large."


class Unprocessable(ServiceError):
    """An image, but not one that we will process."""

    status = 422
    message = "The image cannot be processed."


class ImageTooLarge(Unprocessable):
    """Decoding would take more pixels, frames or memory than is allowed."""

    message = "The image is too large to process."


class RenderCrashed(Unprocessable):
    """The decoder or encoder died on this image."""

    message = "The image made its decoder fail."


class RenderTimedOut(Unprocessable):
    """The render ran past its deadline."""

    message = "The image takes too long to process."


class RenderOutOfMemory(Unprocessable):
    """The render hit the memory limit of its child."""

    message = "The image takes too much memory to process."


class WorkersDied(Unprocessable):
    """Whoever worked on this order was never heard of again, time after time."""

    message = "The image could not be processed: whoever tried it did not survive."


class ClientGone(ServiceError):
    """Nobody waits for the answer any more; the status is the one web servers log for that."""

    status = 499
    message = "The client left before the answer was ready."


class TooManyRequests(ServiceError):
    """Over the rate limit."""

    status = 429
    message = "Too many requests."


class BadSource(ServiceError):
    """The URL's server failed us."""

    status = 502
    message = "The source URL could not be fetched."


class BucketFailed(ServiceError):
    """A customer's own storage fails us: tried again for a while, then the customer is told."""

    status = 502
    message = "The storage of the bucket fails."
    left: tuple[str, ...] = ()
    """Keys that may have objects by now, which no row names."""

    @classmethod
    def of(cls, key: str) -> Self:
        """The failure of the bucket with this key."""
        return cls(cls.message.replace("the bucket", f"the bucket '{key}'"))


class BucketRefused(BucketFailed):
    """It is there and does not let us in: waiting will not help."""

    message = "The storage of the bucket does not let us in, or is not there any more."


class Unavailable(ServiceError):
    """Something we depend on is away, or we are full. Try again."""

    status = 503
    message = "The service is not available right now."

    def __init__(self, message: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class Overloaded(Unavailable):
    """The queue is full."""

    message = "There is too much to do right now."


class SourceTooSlow(ServiceError):
    """The URL's server took too long."""

    status = 504
    message = "The source URL took too long to answer."


class NoModel(ServiceError):
    """Nobody told this service how to reach the model."""

    status = 503
    message = "Images cannot be generated here: CALOTYPE_GEMINI_KEY is not set."
    retry_after = 3600


class GenerationRefused(ServiceError):
    """The model will not do it, and asking again will not help. The sentence has its reason."""

    status = 422
    message = "The model refused to generate the image."


class PromptBlocked(GenerationRefused):
    """What it was asked for is against its rules."""

    message = "The model refused the prompt."


class ImageBlocked(GenerationRefused):
    """What it made is against its rules."""

    message = "The model made an image that it may not show."


class ImageRecited(GenerationRefused):
    """What it made is too much like something that exists."""

    message = "The model made an image that is too much like an existing one."


class NoImageMade(GenerationRefused):
    """It answered, without an image."""

    message = "The model made no image."


class RequestRejected(GenerationRefused):
    """It does not take this prompt, template or configuration."""

    message = "The model does not accept the request."


class GenerationFailed(ServiceError):
    """The model failed us."""

    status = 502
    message = "The image could not be generated."


class ModelRefusesUs(GenerationFailed):
    """Our key, our account or the name of the model is wrong: not the customer's doing."""

    message = "The model does not let this service in."


class ModelAnswerBroken(GenerationFailed):
    """Its answer is cut off, or cannot be understood."""

    message = "The model's answer cannot be understood."


class ModelImageUnusable(GenerationFailed):
    """What it made is empty, too large, or no image that we can read."""

    message = "The model made an image that cannot be used."


class EmptyImageMade(ModelImageUnusable):
    """An image without a byte in it."""

    message = "The model made an empty image."


class NotAnImageMade(ModelImageUnusable):
    """What it calls an image is none that we can read."""

    message = "The model made something that is not an image we can read."


class ImageMadeTooLarge(ModelImageUnusable):
    """Over the limit for files."""

    message = "The model made an image that is too large."


class ModelAway(GenerationFailed):
    """It cannot be reached, or has trouble of its own."""

    message = "The model is not available right now."


class ModelBusy(ServiceError):
    """Our quota is used up, for now."""

    status = 503
    message = "The model is asked for too much right now."
    retry_after = 30


class ModelTooSlow(ServiceError):
    """It took too long."""

    status = 504
    message = "The model took too long to generate the image."


def revived(code: str, sentence: str, problems: Sequence[Problem] = ()) -> ServiceError:
    """The same error that was raised in another process; ServiceError for an unknown code."""
    kind = _named(ServiceError, code) or ServiceError
    error = kind.__new__(kind)
    ServiceError.__init__(error, sentence, problems=problems)
    return error


def _named(kind: type[ServiceError], code: str) -> type[ServiceError] | None:
    if kind.code() == code:
        return kind
    found = (_named(below, code) for below in kind.__subclasses__())
    return next((one for one in found if one), None)
