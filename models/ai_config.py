"""The form field `aiConfig`, as a white list.

The SDK reads a form of its own, and that one names `httpOptions`: it sends our key to a stranger.
"""

from dataclasses import dataclass
from typing import Final

from models.columns import storable
from models.entries import Entry, Findings, entries_of, fields_of, objects_of
from models.generation import AiConfig, ImageConfig, SafetySetting
from models.options import Option, Options
from models.readers import Malformed, Number, OneOf, Whole, shown

ASPECT_RATIOS: Final = (
    "1:1",
    "2:3",
    "3:2",
    "3:4",
    "4:3",
    "4:5",
    "5:4",
    "9:16",
    "16:9",
    "21:9",
)
IMAGE_SIZES: Final = ("1K", "2K", "4K")
HARMS: Final = tuple(
    f"HARM_CATEGORY_{harm}"
    for harm in (
        "HARASSMENT",
        "HATE_SPEECH",
        "SEXUALLY_EXPLICIT",
        "DANGEROUS_CONTENT",
        "CIVIC_INTEGRITY",
    )
)
THRESHOLDS: Final = (
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
)


@dataclass(frozen=True)
class Words:
    """Text up to a length, without NUL."""

    longest: int

    def __call__(self, value: object) -> str:
        """The text, if it is one."""
        if not isinstance(value, str):
            raise Malformed(f"must be text, not {shown(value)}")
        if len(value) > self.longest:
            raise Malformed(f"is longer than {self.longest} characters")
        if not storable(value):
            raise Malformed("has a NUL in it")
        return value


INSTRUCTION: Final = Words(32_000)
AI_CONFIG: Final[Options] = {
    "topP": Option("top_p", Number(0, 1)),
    "topK": Option("top_k", Whole(1, 1000)),
    "temperature": Option("temperature", Number(0, 2)),
    "systemInstruction": Option("system_instruction", INSTRUCTION),
    "seed": Option("seed", Whole(-(2**31), 2**31 - 1)),
}
IMAGE_CONFIG: Final[Options] = {
    "aspectRatio": Option("aspect_ratio", OneOf(ASPECT_RATIOS)),
    "imageSize": Option("image_size", OneOf(IMAGE_SIZES)),
}
SAFETY: Final[Options] = {
    "category": Option("category", OneOf(HARMS)),
    "threshold": Option("threshold", OneOf(THRESHOLDS)),
}
_PARTS: Final = ("imageConfig", "safetySettings")


def read_ai_config(value: object) -> AiConfig:
    """What is asked of the model besides the prompt. InvalidFields names what is not allowed."""
    findings = Findings()
    config = AiConfig()
    if value is not None:
        for entry in objects_of([("aiConfig", value)], findings):
            config = _config(entry, findings)
    findings.refuse()
    return config


def _config(entry: Entry, findings: Findings) -> AiConfig:
    fields = fields_of(entry, AI_CONFIG, findings, also=_PARTS)
    image = entry.values.get("imageConfig")
    if image is not None:
        for inner in objects_of([("aiConfig.imageConfig", image)], findings):
            fields["image_config"] = ImageConfig(**fields_of(inner, IMAGE_CONFIG, findings))
    return AiConfig(safety_settings=_safety(entry, findings), **fields)


def _safety(entry: Entry, findings: Findings) -> tuple[SafetySetting, ...]:
    field = "aiConfig.safetySettings"
    found: dict[str, SafetySetting] = {}
    for inner in entries_of(field, entry.values.get("safetySettings"), findings):
        fields = fields_of(inner, SAFETY, findings)
        missing = [name for name in SAFETY if inner.values.get(name) is None]
        for name in missing:
            findings.add(f"{inner.path}.{name}", "is required")
        if len(fields) < len(SAFETY):
            continue
        if fields["category"] in found:
            findings.add(f"{inner.path}.category", "is given twice")
        found[fields["category"]] = SafetySetting(**fields)
    return tuple(found.values())
