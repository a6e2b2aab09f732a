"""The operation that has a picture generated."""

from collections.abc import Mapping

from gateway.asked import GENERATE_FIELDS
from gateway.openapi import samples
from gateway.openapi.forms import form_of
from gateway.openapi.images import STORED_CAUSES, WAITING, accepted
from gateway.openapi.operation import ACCEPTED, OK, Operation, Paths, answer
from gateway.openapi.options import schema_of
from gateway.openapi.words import (
    Json,
    exactly,
    example,
    integer,
    json_of,
    ref,
    several,
    some_of,
    text,
)
from models.ai_config import AI_CONFIG, IMAGE_CONFIG, SAFETY
from models.entries import MOST_ENTRIES
from models.errors import (
    EmptyImageMade,
    ImageBlocked,
    ImageMadeTooLarge,
    ImageRecited,
    ModelAnswerBroken,
    ModelAway,
    ModelBusy,
    ModelRefusesUs,
    ModelTooSlow,
    NoImageMade,
    NoModel,
    NotAnImageMade,
    PromptBlocked,
    RequestRejected,
)
from models.generation import GENERATION_COST
from models.options import Options

_REFUSALS = (PromptBlocked, ImageBlocked, ImageRecited, NoImageMade, RequestRejected)
_FAILURES = (
    NoModel,
    ModelRefusesUs,
    ModelAnswerBroken,
    EmptyImageMade,
    NotAnImageMade,
    ImageMadeTooLarge,
    ModelAway,
    ModelBusy,
    ModelTooSlow,
)

MEANINGS: Mapping[str, str] = {
    "topP": "Choose among the likeliest tokens that together have this probability.",
    "topK": "Choose among this many of the likeliest tokens.",
    "temperature": "How freely to choose.",
    "systemInstruction": "What holds for whatever the prompt says.",
    "seed": "The same seed makes the same choices, as far as the model can.",
    "aspectRatio": "Its shape; otherwise the nearest to `ratio`, or the template's.",
    "imageSize": "How large it is made.",
    "category": "A kind of harm.",
    "threshold": "From which probability on it is refused.",
}

PROMPT_CURL = """\
curl -X POST "$API/api/v1/generate" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "prompt=A lighthouse at dusk, oil on canvas" \\
  -F "ratio=1.777" \\
  -F 'resizeOptions={"width": 1200}'
"""
TEMPLATE_CURL = """\
curl -X POST "$API/api/v1/generate" \\
  -H "Authorization: Bearer $API_KEY" \\
  -F "prompt=The same harbour in winter" \\
  -F 'aiConfig={"topP": 0.95, "temperature": 1}' \\
  -F 'formatOptions=[{"format": "webp"}, {"format": "avif"}]' \\
  -F "image=@harbour.jpg"
"""


def paths() -> Paths:
    """The one path."""
    return {"/api/v1/generate": {"post": _generate()}}


def shapes() -> dict[str, Json]:
    """What may be said to the model, and what it says."""
    return {
        "AiConfig": _config(),
        "ImageGenerateResponse": _response(),
        "ModalityTokens": exactly(
            "Tokens of one kind.",
            modality=text("The kind.", examples=["TEXT", "IMAGE"]),
            tokenCount=integer("How many.", minimum=0),
        ),
    }


def _generate() -> Operation:
    done = samples.images_answer() | samples.statistics(GENERATION_COST + 4) | samples.generated()
    content = json_of(ref("GenerateAnswer"), examples={"sizes": example("Two sizes", done)})
    asked = {
        "prompt": "A lighthouse at dusk, oil on canvas",
        "aiConfig": '{"topP": 0.95, "temperature": 1}',
        "ratio": "1.777",
        "resizeOptions": '[{"width": 1200}, {"width": 720}]',
        "formatOptions": '[{"format": "webp"}, {"format": "avif"}]',
    }
    return Operation(
        name="generateImage",
        tag="Generate",
        summary="Generate an image",
        text=(
            "Has a model make a picture of the prompt, after a template if a file or a URL is "
            "given, and then what an upload makes of a file. It costs "
            f"{GENERATION_COST} credits and one for each file; nothing is charged for what fails. "
            "Of several images the first is taken."
        ),
        needs="images-generate",
        takes=WAITING,
        body=form_of(GENERATE_FIELDS, required=("prompt",), example=asked),
        answers={OK: answer("The images, one for each size.", content), ACCEPTED: accepted()},
        causes=(*STORED_CAUSES, *_REFUSALS, *_FAILURES),
        samples=(("A prompt", PROMPT_CURL), ("A template", TEMPLATE_CURL)),
    )


def _config() -> Json:
    setting = some_of("One kind of harm.", tuple(SAFETY), **_fields(SAFETY))
    settings = {"anyOf": [{"type": "array", "items": setting, "maxItems": MOST_ENTRIES}, setting]}
    return some_of(
        "How the model works. Nothing else can be said to it.",
        (),
        **_fields(AI_CONFIG),
        imageConfig=some_of("What the picture is like.", (), **_fields(IMAGE_CONFIG)),
        safetySettings={"description": "What is refused.", **settings},
    )


def _fields(options: Options) -> dict[str, Json]:
    return {
        name: schema_of(option.read) | {"description": MEANINGS[name]}
        for name, option in options.items()
    }


def _response() -> Json:
    tokens = {"minimum": 0}
    usage = some_of(
        "Tokens, as far as the model told.",
        (),
        promptTokenCount=integer("Of what it was asked.", **tokens),
        candidatesTokenCount=integer("Of what it answered.", **tokens),
        thoughtsTokenCount=integer("Of what it thought.", **tokens),
        totalTokenCount=integer("All.", **tokens),
        promptTokensDetails=several(ref("ModalityTokens"), "What it was asked, by kind."),
        candidatesTokensDetails=several(ref("ModalityTokens"), "What it answered, by kind."),
    )
    return exactly(
        "What the model said with the image.",
        metadata=exactly(
            "About the answer.",
            responseId=text("The model's own id of its answer."),
            modelVersion=text("Which model it was.", examples=["gemini-3-pro-image"]),
            usageMetadata=usage,
        ),
        text=text("Its words; often none."),
    )
