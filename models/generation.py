"""Generation: what a model is asked to draw, and what it said besides the picture."""

from typing import Final

from models.wire import Wire

GENERATION_COST: Final = 40  # credits, besides those of the files that are made of it


class ImageConfig(Wire, frozen=True):
    """The shape of the picture. None leaves it to the model."""

    aspect_ratio: str | None = None
    image_size: str | None = None


class SafetySetting(Wire, frozen=True):
    """From which probability on a kind of harm is refused."""

    category: str
    threshold: str


class AiConfig(Wire, frozen=True):
    """What may be said to the model about how it works, and nothing else."""

    top_p: float | None = None
    top_k: int | None = None
    temperature: float | None = None
    system_instruction: str | None = None
    seed: int | None = None
    image_config: ImageConfig = ImageConfig()
    safety_settings: tuple[SafetySetting, ...] = ()


class Generation(Wire, frozen=True):
    """What an order asks of the model. Its template, if it has one, is in staging."""

    prompt: str
    config: AiConfig = AiConfig()
    template: bool = False


class ModalityTokens(Wire, frozen=True):
    """How many tokens were of one kind."""

    modality: str
    token_count: int


class Usage(Wire, frozen=True):
    """The tokens that a generation took, as the model counts them. None is what it did not say."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokens] | None = None
    candidates_tokens_details: list[ModalityTokens] | None = None


class Generated(Wire, frozen=True):
    """A generated original that lies in staging under `staging_key`, and what was said with it."""

    staging_key: str
    size: int
    sha256: str
    content_type: str
    response_id: str = ""
    model_version: str = ""
    usage: Usage = Usage()
    text: str = ""
