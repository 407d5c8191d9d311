from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.networks import tiny_guide
from trustydetox.embedded.guide import Guide, load_guide, load_marker, save_guide, save_marker
from trustydetox.spans import Span
from trustydetox.steps.attributing import TokenHead
from trustydetox.steps.scoring import EncoderScorer
from trustydetox.steps.viewing import View
from trustydetox.training import guiding
from trustydetox.training.examples import Example
from trustydetox.training.guiding import (
    UNKNOWN,
    Schedule,
    batches,
    encode,
    train_guide,
)

TOXIC = [f"{who} {be} an idiot" for who in ("you", "they", "we") for be in ("are", "is", "was")]
CLEAN = [text.replace("an idiot", "a cat") for text in TOXIC]


def example(text: str, toxic: float | None, *spans: Span) -> Example:
    return Example(text, "own", text, toxic, {}, spans if toxic is not None else None)


EXAMPLES = [
    *(example(text, 1.0, Span(text.index("idiot"), len(text))) for text in TOXIC),
    *(example(text, 0.0) for text in CLEAN),
]
SCHEDULE = Schedule("tiny", 12, frozenset({"own"}), 3, rate=1e-3, span_weight=3.0, tokens=64)


def trainable(seed: int = 0) -> Guide:
    guide = tiny_guide(seed)
    for part in (guide.encoder, guide.head):
        part.requires_grad_(True)
    return guide


def scores(guide: Guide, texts: list[str]) -> list[float]:
    return [score.overall for score in EncoderScorer(guide, View.of).score(texts)]


def test_training_changes_the_parameters_and_tells_toxic_from_clean(tmp_path: Path) -> None:
    guide = trainable()
    lines: list[str] = []
    before = {name: value.clone() for name, value in guide.encoder.state_dict().items()}
    train_guide(guide, EXAMPLES, SCHEDULE, tmp_path / "checkpoint", lines.append)
    after = guide.encoder.state_dict()
    assert not torch.equal(
        before["encoder.layer.0.output.dense.weight"], after["encoder.layer.0.output.dense.weight"]
    )
    assert min(scores(guide, TOXIC)) > max(scores(guide, CLEAN))
    assert "loss" in lines[-1]


def test_marked_words_are_learned_only_where_spans_are_shown(tmp_path: Path) -> None:
    def found(schedule: Schedule) -> float:
        guide = trainable()
        train_guide(guide, EXAMPLES, schedule, tmp_path / "checkpoint", lambda line: None)
        (attribution,) = TokenHead(guide, View.of).attribute(["you are an idiot"])
        return attribution.weights[3] - max(attribution.weights[:3])

    shown = replace(SCHEDULE, passes=60)
    assert found(shown) > 0.3
    assert found(replace(shown, span_weight=0.0)) < 0.3


def test_a_killed_training_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = replace(SCHEDULE, passes=4, dropout=0.1)
    whole = trainable()
    lines: list[str] = []
    monkeypatch.setattr(guiding, "CHECKPOINT_STEPS", 5)
    train_guide(whole, EXAMPLES, schedule, tmp_path / "whole", lines.append)

    class KilledError(Exception):
        pass

    steps = 0

    def kill(batch: list[guiding.Encoded]) -> tuple[torch.Tensor, ...]:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KilledError
        return tensors(batch)

    tensors = guiding._tensors
    monkeypatch.setattr(guiding, "_tensors", kill)
    with pytest.raises(KilledError):
        train_guide(trainable(), EXAMPLES, schedule, tmp_path / "killed", lines.append)
    monkeypatch.setattr(guiding, "_tensors", tensors)
    resumed = trainable(seed=5)  # other fresh weights: all must come from the checkpoint
    train_guide(resumed, EXAMPLES, schedule, tmp_path / "killed", lines.append)
    assert scores(resumed, TOXIC) == pytest.approx(scores(whole, TOXIC), abs=1e-5)
    # The control: without the checkpoint the same run ends elsewhere.
    other = trainable(seed=5)
    train_guide(other, EXAMPLES, schedule, tmp_path / "other", lines.append)
    assert scores(other, TOXIC) != pytest.approx(scores(whole, TOXIC), abs=1e-5)


def test_targets_follow_the_characters_of_the_spans() -> None:
    (item,) = encode(tiny_guide(), [example("a xyz cat", 1.0, Span(2, 5))], SCHEDULE)
    assert item.spans == (UNKNOWN, 0.0, 1.0, 1.0, 1.0, 0.0, UNKNOWN)
    blind = replace(SCHEDULE, span_weight=0.0)
    (hidden,) = encode(tiny_guide(), [example("a xyz cat", 1.0, Span(2, 5))], blind)
    assert hidden.spans == ()


def test_what_nobody_said_is_no_target() -> None:
    (item,) = encode(tiny_guide(), [example("a cat", None)], SCHEDULE)
    assert set(item.document) == {UNKNOWN}
    assert item.spans == ()


def test_a_text_longer_than_a_window_loses_its_end_only() -> None:
    (item,) = encode(tiny_guide(), [example("cat " * 300, 0.0)], SCHEDULE)
    assert len(item.ids) == len(item.spans) == 128
    assert item.ids[-1] == tiny_guide().tokenizer.token_to_id("[SEP]")


def test_a_pass_holds_every_item_once_in_an_order_of_its_own() -> None:
    items = encode(tiny_guide(), EXAMPLES, SCHEDULE)
    first, again, other = (
        [id(i) for b in batches(items, lambda item: len(item.ids), 64, s) for i in b]
        for s in (1, 1, 2)
    )
    assert sorted(first) == sorted(map(id, items))
    assert first == again
    assert first != other


def test_a_text_outside_the_frequent_sources_is_seen_once() -> None:
    rare = [replace(each, source="rare") for each in EXAMPLES]
    swapped = [replace(each, source="own+swap") for each in EXAMPLES]
    for examples, expected in ((rare, 1), (swapped, 3)):
        items = encode(tiny_guide(), examples, SCHEDULE)
        seen = [id(item) for turn in range(3) for item in guiding._taking_part(items, 3, turn)]
        assert Counter(seen) == dict.fromkeys(map(id, items), expected)


def test_dropout_is_on_in_training_and_off_after(tmp_path: Path) -> None:
    def trained(share: float) -> Guide:
        guide = trainable()
        schedule = replace(SCHEDULE, passes=2, dropout=share)
        train_guide(guide, EXAMPLES, schedule, tmp_path / "checkpoint", lambda line: None)
        return guide

    plain, dropped = trained(0.0), trained(0.5)
    assert scores(plain, TOXIC) == scores(trained(0.0), TOXIC)
    assert scores(plain, TOXIC) != scores(dropped, TOXIC)
    assert scores(dropped, TOXIC) == scores(dropped, TOXIC)


def test_a_saved_guide_reads_texts_whole(tmp_path: Path) -> None:
    guide = tiny_guide()
    guide.tokenizer.enable_truncation(8)
    guide.tokenizer.enable_padding(length=20)
    save_guide(guide, tmp_path)
    loaded = load_guide(tmp_path).tokenizer
    assert len(loaded.encode("cat " * 30).ids) == 32
    assert len(loaded.encode("cat").ids) == 3


def test_a_saved_guide_scores_as_before_up_to_half_precision(tmp_path: Path) -> None:
    guide = replace(tiny_guide(), scale=(1.5, 1.0, 1.0), shift=(-0.5, 0.0, 0.0))
    save_guide(guide, tmp_path)
    loaded = load_guide(tmp_path)
    assert (loaded.labels, loaded.scale, loaded.shift) == (guide.labels, guide.scale, guide.shift)
    assert scores(loaded, TOXIC) == pytest.approx(scores(guide, TOXIC), abs=5e-3)
    assert not any(parameter.requires_grad for parameter in loaded.encoder.parameters())


def test_a_marker_keeps_the_embeddings_of_the_guide_and_its_own_layers(tmp_path: Path) -> None:
    guide, marker = tiny_guide(0), tiny_guide(1)
    save_guide(guide, tmp_path)
    save_marker(marker, tmp_path / "marker.safetensors")
    found = load_marker(tmp_path)
    ours, theirs, mixed = (each.encoder.state_dict() for each in (guide, marker, found))
    word, layer = "embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"
    assert torch.allclose(mixed[word], ours[word], atol=1e-3)
    assert not torch.allclose(mixed[word], theirs[word], atol=1e-3)
    assert torch.allclose(mixed[layer], theirs[layer], atol=1e-3)
    assert not torch.allclose(mixed[layer], ours[layer], atol=1e-3)
    assert torch.allclose(found.head.weight, marker.head.weight, atol=2e-2)


def test_a_text_without_marked_tokens_has_no_part_in_the_overlap() -> None:
    logits = torch.tensor([[20.0, -20.0, 20.0], [20.0, -20.0, 0.0], [20.0, 20.0, 20.0]])
    spans = torch.tensor([[1.0, 0.0, UNKNOWN], [1.0, 1.0, 0.0], [0.0, 0.0, UNKNOWN]])
    # 2 * 1 / (1 + 1), the unknown token aside; 2 * 1 / (1 + 0 + 0.5 + 2).
    assert guiding._overlap(logits, spans).tolist() == pytest.approx([1.0, 2 / 3.5])
