from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from tests.pretrained import bart, bert_masked_lm
from trustydetox.errors import ConfigError
from trustydetox.steps.diverging import ExpertDivergence
from trustydetox.steps.experts import Experts, Row, batch_tokens

TEXTS = [
    "you are an idiot , go away",
    "what a nice day",
    "moron",
    "they are stupid 🙂 and very bad people , you know",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("experts")
    return bart(folder / "minus", 1), bart(folder / "plus", 2)


@pytest.fixture(scope="module")
def step(folders: tuple[str, str]) -> ExpertDivergence:
    return ExpertDivergence(folders[0], folders, normalise=False)


def expected(network: Any, ids: list[int], at: int, shift: int = 0) -> Any:
    """Probabilities in a place: the whole network over the whole text, as the paper has it."""
    given = torch.tensor([[network.config.decoder_start_token_id, *ids[:-1]], ids])
    given = given.to(network.device)
    with torch.inference_mode():
        logits = network(input_ids=given[1:], decoder_input_ids=given[:1]).logits
    return logits[0, at + shift].softmax(-1).double().cpu().numpy()


def slow(experts: Experts, text: str, shift: int = 0, lead: bool = False) -> list[float]:
    """TMaRCo's definition: each piece masked in turn, one text and one mask at a time."""
    ids = experts.tokenizer.encode(text).ids
    found = []
    for at in range(1, len(ids) - 1):
        mask = [experts.padding, experts.blank] if lead else [experts.blank]
        masked, place = [*ids[:at], *mask, *ids[at + 1 :]], at + len(mask) - 1
        one, other = (expected(voice.network, masked, place, shift) for voice in experts.voices)
        found.append(float(jensenshannon(one, other)))
    return found


def test_by_tmarco_s_definition_a_piece_weighs_the_distance_of_the_experts(
    step: ExpertDivergence,
) -> None:
    for text, found in zip(TEXTS, step.by_piece(TEXTS), strict=True):
        assert found == pytest.approx(slow(step._experts, text), abs=1e-5)
        assert max(found) > 0.05


def test_a_decoder_that_is_off_by_one_would_be_noticed(step: ExpertDivergence) -> None:
    (found,) = step.by_piece(TEXTS[:1])
    for shift in (-1, 1):
        assert found != pytest.approx(slow(step._experts, TEXTS[0], shift), abs=1e-3)


def test_the_padding_before_a_mask_of_tmarco_s_code_is_there_when_asked_for(
    folders: tuple[str, str], step: ExpertDivergence
) -> None:
    led = ExpertDivergence(folders[0], folders, normalise=False, lead=True)
    (found,) = led.by_piece(TEXTS[:1])
    assert found == pytest.approx(slow(led._experts, TEXTS[0], lead=True), abs=1e-5)
    assert found != pytest.approx(step.by_piece(TEXTS[:1])[0], abs=1e-3)


def test_normalised_pieces_have_a_mean_of_one(folders: tuple[str, str]) -> None:
    step = ExpertDivergence(folders[0], folders)
    for found in step.by_piece(TEXTS):
        assert sum(found) / len(found) == pytest.approx(1.0, abs=1e-5)


def test_by_marco_s_definition_a_word_weighs_half_the_sum_of_both_divergences(
    folders: tuple[str, str],
) -> None:
    step = ExpertDivergence(folders[0], folders, definition="marco", normalise=False)
    text = "you mor on , idiot"  # `mor` takes several pieces, the comma is no word
    (found,) = step.attribute([text])
    encoding = step._experts.tokenizer.encode(text)
    wanted = []
    for unit in found.units:
        inside = [i for i, (s, e) in enumerate(encoding.offsets) if s < unit.end and e > unit.start]
        ids = [
            *encoding.ids[: inside[0]],
            step._experts.blank,
            *encoding.ids[inside[-1] + 1 :],
        ]
        one, other = (expected(v.network, ids, inside[0]) for v in step._experts.voices)
        wanted.append(float(rel_entr(one, other).sum() + rel_entr(other, one).sum()) / 2)
    assert [unit.of(text) for unit in found.units] == ["you", "mor", "on", "idiot"]
    assert found.weights == pytest.approx(wanted, rel=1e-3)


def test_a_word_weighs_as_much_as_its_heaviest_piece(step: ExpertDivergence) -> None:
    text = "nitwit away"
    offsets = step._experts.tokenizer.encode(text).offsets[1:-1]
    (pieces,), (found,) = step.by_piece([text]), step.attribute([text])
    first = [w for (start, _), w in zip(offsets, pieces, strict=True) if start < 6]
    assert len(first) > 1
    assert found.weights[0] == pytest.approx(max(first))


def test_experts_that_agree_give_no_weight_rather_than_none_at_all(
    folders: tuple[str, str],
) -> None:
    same = ExpertDivergence(folders[0], (folders[0], folders[0]))
    (found,) = same.attribute(["you idiot"])
    assert found.weights == pytest.approx((0.0, 0.0), abs=1e-6)


def test_a_lone_word_weighs_what_it_weighs_when_weights_are_absolute(
    folders: tuple[str, str], step: ExpertDivergence
) -> None:
    # Normalised, the only piece of a text always weighs exactly 1.
    relative = ExpertDivergence(folders[0], folders)
    assert relative.by_piece([" idiot"]) == [[pytest.approx(1.0)]]
    (found,) = step.attribute([" idiot"])
    assert found.weights == pytest.approx(slow(step._experts, " idiot"), abs=1e-5)


@pytest.mark.parametrize("text", ["<mask>", "</s> you <mask> idiot", "<s>"])
def test_a_mask_in_the_text_is_text(step: ExpertDivergence, text: str) -> None:
    assert step.attribute([text])[0].text == text


def test_a_text_longer_than_the_network_reads_is_weighed_to_its_end(
    step: ExpertDivergence,
) -> None:
    text = "you are an idiot " * 60
    assert len(step._experts.tokenizer.encode(text).ids) > step._experts.window
    (found,) = step.attribute([text])
    assert len(found.units) == 240
    with pytest.raises(ConfigError, match="longer than the"):
        step.by_piece([text])


def test_memory_is_bounded_however_long_a_text_is(step: ExpertDivergence) -> None:
    rows = [Row(tuple(range(500)), at) for at in range(500)]
    batches = list(step._experts.batches(rows))
    assert sorted(at for batch in batches for at in batch) == list(range(500))
    assert max(map(len, batches)) * 500 <= batch_tokens()


def test_one_expert_is_too_few(folders: tuple[str, str]) -> None:
    for experts in ([], [folders[0]], folders[0]):
        with pytest.raises(ConfigError, match="at least two experts"):
            ExpertDivergence(folders[0], experts)


def test_an_expert_of_another_architecture_is_refused(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    other = bert_masked_lm(tmp_path)
    with pytest.raises(Exception, match=r"BertConfig|seq2seq"):
        ExpertDivergence(folders[0], (folders[0], other))


def test_an_unknown_definition_gets_the_nearest_name(step: ExpertDivergence) -> None:
    with pytest.raises(ConfigError, match="did you mean 'marco'"):
        replace(step, definition="maroc")  # type: ignore[arg-type]
