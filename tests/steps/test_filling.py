"""Both ways of filling against the plain formula: the whole network, one text, one piece a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.pretrained import bart
from trustydetox.errors import ConfigError
from trustydetox.records import MaskedText
from trustydetox.spans import Span
from trustydetox.steps.experts import Experts
from trustydetox.steps.filling import ExpertDecoder, ExpertInfiller

TEXTS = [
    "you are an idiot , go away you moron",
    "what a stupid day",
    "they are stupid and very bad people , you know",
    "idiot",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    folder = tmp_path_factory.mktemp("experts")
    return tuple(bart(folder / name, seed) for seed, name in enumerate("bmp"))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def infiller(folders: tuple[str, str, str]) -> ExpertInfiller:
    return ExpertInfiller(folders[0], folders[1:], (-1.0, 2.0), candidates=1)


@pytest.fixture(scope="module")
def decoder(folders: tuple[str, str, str]) -> ExpertDecoder:
    return ExpertDecoder(folders[0], folders[1:], repetition=1.5, longest=20)


def masked(text: str) -> MaskedText:
    spans, at = [], 0
    for word in text.split():
        if word in {"idiot", "moron", "stupid", "bad"}:
            start = text.index(word, at)
            spans.append(Span(start, start + len(word)))
        at = text.index(word, at) + len(word)
    return MaskedText(text, tuple(spans))


def logits(network: Any, ids: list[int], given: list[int]) -> torch.Tensor:
    """All logits of the whole network."""
    rows = (torch.tensor([each], device=network.device) for each in (ids, given))
    with torch.inference_mode():
        read = dict(zip(("input_ids", "decoder_input_ids"), rows, strict=True))
        found: torch.Tensor = network(**read, use_cache=False).logits[0]
    return found.cpu()


def places_of(experts: Experts, one: MaskedText) -> tuple[list[int], list[int]]:
    encoding = experts.tokenizer.encode(one.text)
    places = [
        at
        for at, (start, end) in enumerate(encoding.offsets)
        if any(start < span.end and end > span.start for span in one.masked)
    ]
    return encoding.ids, places


def slow_fill(
    step: ExpertInfiller, one: MaskedText, weights: tuple[float, ...], shift: int = 0
) -> list[int]:
    """TMaRCo's rule: base on the original, experts on prefix, mask and what `suffix` says."""
    experts = step._experts
    ids, places = places_of(experts, one)
    filled = list(ids)
    base = logits(experts.base.speaking(), ids, [2, *ids[:-1]])
    for number, place in enumerate(places):
        rest = {
            "none": [ids[-1]],
            "original": ids[place + 1 :],
            "masked": [
                experts.blank if place + 1 + at in places[number + 1 :] else piece
                for at, piece in enumerate(ids[place + 1 :])
            ],
        }[step.suffix]
        row = [*filled[:place], experts.blank, *rest]
        total = base[place + shift].clone()
        for weight, voice in zip(weights, experts.voices, strict=True):
            total += weight * logits(voice.speaking(), row, [2, *row[:-1]])[place + shift]
        total[list(experts.special)] = -torch.inf
        filled[place] = int(total.argmax())
    return filled


@pytest.mark.parametrize("suffix", ["none", "masked", "original"])
def test_each_masked_piece_is_filled_as_the_formula_says(
    infiller: ExpertInfiller, suffix: Any
) -> None:
    step = replace(infiller, suffix=suffix)
    for text in TEXTS:
        one = masked(text)
        assert step.fill(*places_of(step._experts, one)) == slow_fill(step, one, (-1.0, 2.0))


@pytest.mark.parametrize(
    ("weights", "shift"), [((0.0, 0.0), 0), ((2.0, -1.0), 0), ((-1.0, 2.0), -1)]
)
def test_experts_off_experts_swapped_or_a_shifted_decoder_would_be_noticed(
    infiller: ExpertInfiller, weights: tuple[float, ...], shift: int
) -> None:
    differ = [
        infiller.fill(*places_of(infiller._experts, one))
        != slow_fill(infiller, one, weights, shift)
        for one in map(masked, TEXTS)
    ]
    assert sum(differ) >= 3


def test_the_suffix_matters(infiller: ExpertInfiller) -> None:
    one = masked(TEXTS[2])
    filled = {
        tuple(replace(infiller, suffix=suffix).fill(*places_of(infiller._experts, one)))
        for suffix in ("none", "masked", "original")
    }
    assert len(filled) > 1


def test_only_masked_words_change(infiller: ExpertInfiller) -> None:
    texts = [masked(text) for text in TEXTS[:3]]
    for one, candidates in zip(texts, infiller.infill(texts), strict=True):
        for candidate in candidates:
            assert {edit.span for edit in candidate.edits} <= set(one.masked)


def test_more_candidates_begin_with_other_pieces(infiller: ExpertInfiller) -> None:
    step = replace(infiller, candidates=5)
    (few,), (many,) = (each.infill([masked(TEXTS[1])]) for each in (infiller, step))
    assert len(few) <= 1 < len(many) <= 5
    assert many[: len(few)] == few


def test_neighbours_change_no_candidate(infiller: ExpertInfiller, decoder: ExpertDecoder) -> None:
    texts = [masked(text) for text in TEXTS]
    for step in (infiller, decoder):
        assert step.infill(texts) == [step.infill([one])[0] for one in texts]


def slow_write(
    step: ExpertDecoder,
    original: list[int],
    collapsed: list[int],
    *,
    weights: tuple[float, ...] | None = None,
    temperature: float | None = None,
) -> list[int]:
    """MaRCo's rule, the encoders run anew for every piece and nothing kept."""
    experts = step._experts
    written: list[int] = []
    while len(written) < step.longest:
        given = [2, 0, *written]
        total = logits(experts.base.speaking(), original, given)[-1] * step.base_weight
        total = total / (temperature or step.temperature)
        for weight, voice in zip(weights or step.weights, experts.voices, strict=True):
            total = total + weight * logits(voice.speaking(), collapsed, given)[-1]
        for piece in set(written):
            sign = total[piece] > 0
            total[piece] = (
                total[piece] / step.repetition if sign else total[piece] * step.repetition
            )
        total[[each for each in experts.special if each != 2]] = -torch.inf
        written.append(int(total.argmax()))
        if written[-1] == 2:
            break
    return written


def sources(step: ExpertDecoder, text: str) -> tuple[list[int], list[int]]:
    """The pieces of a text, and those with one mask for each run of masked ones."""
    ids, places = places_of(step._experts, masked(text))
    collapsed = [
        step._experts.blank if at in places else piece
        for at, piece in enumerate(ids)
        if not (at in places and at - 1 in places)
    ]
    return ids, collapsed


def test_a_text_is_written_as_the_formula_says(decoder: ExpertDecoder) -> None:
    originals, collapsed = zip(*(sources(decoder, text) for text in TEXTS), strict=True)
    written = [ids for ids, _ in decoder.write(originals, collapsed)]
    assert written == [
        slow_write(decoder, *each) for each in zip(originals, collapsed, strict=True)
    ]
    assert len({tuple(ids) for ids in written}) == len(TEXTS)
    assert max(len(set(ids)) for ids in written) > 5  # no text of one piece over and over


@pytest.mark.parametrize(
    "broken",
    [{"weights": (0.0, 0.0)}, {"weights": (4.25, -1.5)}, {"temperature": 1.0}],
)
def test_experts_off_or_swapped_or_another_temperature_would_be_noticed(
    decoder: ExpertDecoder, broken: Any
) -> None:
    each = [sources(decoder, text) for text in TEXTS]
    written = [ids for ids, _ in decoder.write(*zip(*each, strict=True))]
    assert written != [slow_write(decoder, *one, **broken) for one in each]


def test_the_wrong_number_of_weights_is_refused(folders: tuple[str, str, str]) -> None:
    with pytest.raises(ConfigError, match="a weight for each of 2 experts, got 1"):
        ExpertInfiller(folders[0], folders[1:], (1.0,))


def test_experts_are_in_memory_once_for_attribution_and_infilling(
    infiller: ExpertInfiller, decoder: ExpertDecoder
) -> None:
    assert infiller._experts is decoder._experts
