"""The detector API of TrustyAI and the FMS guardrails orchestrator: its requests and answers.

Source: openapi_detector_api.yaml of foundation-model-stack/fms-guardrails-orchestrator, and the
struct its `clients/detector.rs` reads, which insists on `text` and calls the field `evidence`.
Offsets are code points of the content as it came; the schema doesn't say which unit it means.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from trustydetox.corpus.runs.recordlines import short
from trustydetox.detoxifier import Found
from trustydetox.spans import Span

DETECTION = "toxicity"

T = TypeVar("T")
Listed = Annotated[list[T], Field(fail_fast=True)]
"""A list that is refused at its first bad item: a million errors would take seconds to make."""


class DetectorParams(BaseModel):
    """What a caller may set; another setting is refused, so that none here is ignored silently."""

    model_config = ConfigDict(extra="forbid")

    threshold: Annotated[float, Field(gt=0, le=1)] | None = None


class _Request(BaseModel):
    # What else is beside its own fields is let pass: the orchestrator sends more with time,
    # as it came to send a chat's tools, and a detector has to go on answering.
    detector_params: DetectorParams = DetectorParams()


class ContentsRequest(_Request):
    """Texts that stand for themselves."""

    contents: Annotated[Listed[str], Field(min_length=1)]


class GenerationRequest(_Request):
    """A prompt and what a model answered."""

    prompt: str
    generated_text: str


class Part(BaseModel):
    """A part of a message; only text parts have a text."""

    text: str | None = None


class Message(BaseModel):
    """A message of a chat, as OpenAI writes it."""

    role: str
    content: str | Listed[Part] | None = None

    @property
    def text(self) -> str:
        """Its words; empty where it has none, such as a call of a tool."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class ChatRequest(_Request):
    """A chat, oldest message first."""

    messages: Annotated[Listed[Message], Field(min_length=1)]


def spans_found(found: Found) -> list[dict[str, Any]]:
    """One detection per toxic span of a text; a toxic text without one is a span as a whole.

    score: the toxicity of the whole text, which is what callers hold against a threshold; how
        much a span weighs in it, 1 the most, is in `metadata`.
    """
    if found.masked is None:
        return []
    kind = "toxic_span" if found.masked.masked else "toxic_text"
    spans = found.masked.weighted or ((Span(0, len(found.text)), 1.0),)
    return [
        {
            "start": span.start,
            "end": span.end,
            "text": span.of(found.text),
            **_detection(found, kind),
            "metadata": {"weight": short(weight)},
        }
        for span, weight in spans
    ]


def text_found(found: Found) -> list[dict[str, Any]]:
    """One detection if the text is toxic, without offsets."""
    return [] if found.masked is None else [_detection(found, "toxic_text")]


def _detection(found: Found, kind: str) -> dict[str, Any]:
    return {
        "detection": DETECTION,
        "detection_type": kind,
        "score": short(found.toxicity.overall),
        "evidence": [
            {"name": label, "score": short(value)}
            for label, value in found.toxicity.by_label.items()
        ],
    }
