"""Each known fault of TrustyAI's TMaRCo has a test here that fails on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint import start_endpoint
from tests.fakes import WordScorer
from tests.pretrained import LINES, bart
from trustydetox.errors import ConfigError, ModelError
from trustydetox.steps.loading import UnpinnedModelWarning
from trustydetox.tmarco import TMaRCo

CLEAN = "what a nice day , thank you 🙂"
TOXIC = "you are an idiot , go away"
ANNOUNCED = (
    "I am disappointed by the fact that Jane Five is scheduled for October. She is antithetical to"
    " everything Red Hat represents"
)
FILM = "My favourite film is The Departed, it is great"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("experts")
    return tuple(bart(folder / name, seed) for seed, name in enumerate("bmp"))


def made(folders: Sequence[str], **settings: Any) -> TMaRCo:
    tmarco = TMaRCo(folders[0], [-1.0, 2.0], **{"gate": WordScorer(), **settings})
    tmarco.load_models(folders[1:])
    return tmarco


@pytest.fixture(scope="module")
def tmarco(folders: tuple[str, ...]) -> TMaRCo:
    return made(folders)


@pytest.fixture(scope="module")
def strict(folders: tuple[str, ...]) -> TMaRCo:
    return made(folders, strict_compat=True)


def test_scores_are_one_per_piece_with_a_mean_of_one(strict: TMaRCo) -> None:
    for text, found in zip([TOXIC, CLEAN, ""], strict.score([TOXIC, CLEAN, ""]), strict=True):
        pieces = strict._divergence(normalise=True)._experts.tokenizer.encode(text).ids[1:-1]
        assert len(found) == len(pieces)
        if found:
            assert sum(found) / len(found) == pytest.approx(1.0, abs=1e-5)


def test_a_clean_text_stays_though_its_scores_are_relative(tmarco: TMaRCo, strict: TMaRCo) -> None:
    assert tmarco.mask([CLEAN]) == tmarco.rephrase([CLEAN]) == [CLEAN]
    (scores,) = strict.score([CLEAN])
    assert strict.mask([CLEAN], threshold=max(scores) - 0.01) != [CLEAN]


@pytest.mark.parametrize("text", [ANNOUNCED, FILM])
def test_clean_texts_of_trustyai_s_own_pages_stay_by_the_embedded_gate(
    folders: tuple[str, ...], text: str
) -> None:
    assert made(folders, gate=None).rephrase([text]) == [text]


def test_a_lone_word_can_be_masked(tmarco: TMaRCo) -> None:
    assert tmarco.mask(["idiot"], threshold=0.0) == ["<mask>"]


def test_equal_experts_give_no_number_that_is_none(folders: tuple[str, ...]) -> None:
    tmarco = TMaRCo(folders[0], gate=WordScorer())
    tmarco.load_models([folders[1], folders[1]])
    assert set(tmarco.score([TOXIC])[0]) == {0.0}
    assert tmarco.rephrase([TOXIC]) == [TOXIC]


def test_whole_words_are_masked_and_with_strict_compat_pieces(
    tmarco: TMaRCo, strict: TMaRCo
) -> None:
    text = "you nitwit idiot"
    encoding = tmarco._divergence(normalise=True)._experts.tokenizer.encode(text)
    offsets = encoding.offsets[1:-1]
    assert not any(text[start:end].strip() == "nitwit" for start, end in offsets)
    scores = [[2.0 if end == text.index(" idiot") else 0.0 for _, end in offsets]]
    assert tmarco.mask([text], scores=scores) == ["you <mask> idiot"]
    (pieces,) = strict.mask([text], scores=scores)
    assert pieces.startswith("you nit")
    assert pieces.endswith("<mask> idiot")


def test_only_masked_words_change_and_all_other_bytes_stay(tmarco: TMaRCo) -> None:
    text = "You  are an idiot ,\tgo away\u00a0🙂"
    (found,) = tmarco.rephrase([text], masked_outputs=[text.replace("idiot", "<mask>")])
    assert found.startswith("You  are a")
    assert found.endswith(" ,\tgo away\u00a0🙂")


def test_masks_are_read_by_what_stands_around_them_and_not_by_position(tmarco: TMaRCo) -> None:
    text = "you nitwit idiot , go"
    (found,) = tmarco.rephrase([text], masked_outputs=["you nitwit <mask> , go"])
    assert found.startswith("you nitwit ")
    assert found.endswith(" , go")
    with pytest.raises(ConfigError, match=r"masked_outputs\[0\] isn't originals\[0\]"):
        tmarco.rephrase([text], masked_outputs=["another <mask>"])


@pytest.mark.parametrize("text", ["you <mask> idiot", "<mask>"])
def test_a_mask_in_the_input_is_no_crash(tmarco: TMaRCo, strict: TMaRCo, text: str) -> None:
    assert len(tmarco.rephrase([text])) == len(strict.rephrase([text])) == 1


def test_lists_of_different_pieces_are_not_compared(tmarco: TMaRCo) -> None:
    with pytest.raises(ConfigError, match="use_logits=False"):
        tmarco.score([TOXIC], use_logits=False)


def test_probabilities_choose_what_logits_choose(tmarco: TMaRCo) -> None:
    assert tmarco.rephrase([TOXIC], compute_probs=True) == tmarco.rephrase([TOXIC])


def test_rephrase_masks_by_its_own_threshold(tmarco: TMaRCo) -> None:
    (highest,) = (max(scores) for scores in tmarco.score([TOXIC]))
    assert tmarco.rephrase([TOXIC], threshold=highest) == [TOXIC]
    assert tmarco.rephrase([TOXIC], threshold=highest - 1e-4) != [TOXIC]


def test_rephrasing_goes_on_until_nothing_changes(tmarco: TMaRCo) -> None:
    found = tmarco.rephrase_incrementally(TOXIC, threshold=1.0)
    assert found != TOXIC
    assert tmarco.rephrase_incrementally(found, threshold=1.0, max_attempts=0) == found
    assert tmarco.rephrase_incrementally(CLEAN) == CLEAN


def test_one_str_is_no_list_of_letters(tmarco: TMaRCo) -> None:
    for method in (tmarco.score, tmarco.mask, tmarco.rephrase):
        with pytest.raises(ConfigError, match="its letters would be texts"):
            method(TOXIC)


def test_masks_given_as_scores_are_an_error_that_says_so(tmarco: TMaRCo) -> None:
    with pytest.raises(ConfigError, match="pieces came with"):
        tmarco.rephrase([TOXIC], [[1.0]])


def test_texts_share_batches_and_come_back_in_order(tmarco: TMaRCo) -> None:
    texts = [TOXIC, CLEAN, "they are stupid people", ""]
    assert tmarco.rephrase(texts) == [tmarco.rephrase([text])[0] for text in texts]


def test_experts_and_weights_belong_to_one_object(folders: tuple[str, ...]) -> None:
    one, other = TMaRCo(folders[0]), TMaRCo(folders[0])
    one.load_models(folders[1:], [-3.0, 3.0])
    assert (other.experts, other.expert_weights) == ([], [-0.5, 0.5])
    with pytest.raises(ConfigError, match="call load_models first"):
        other.score([TOXIC])


def test_an_id_is_not_read_from_a_local_folder_that_has_its_owner_s_name(
    folders: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trustyai").mkdir()
    monkeypatch.chdir(tmp_path)
    with (
        pytest.warns(UnpinnedModelWarning),
        pytest.raises(ModelError, match="trustydetox fetch trustyai/gminus"),
    ):
        TMaRCo(folders[0]).load_models()


def test_one_expert_is_refused_rather_than_compared_with_nobody(folders: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at least two experts"):
        TMaRCo(folders[0]).load_models(folders[:1])


def test_each_text_is_reflected_on_with_its_own_words(tmarco: TMaRCo) -> None:
    service = start_endpoint()
    texts = ["you are an idiot , go away", "they are stupid people"]
    found = tmarco.reflect(texts, 0.0, chat_model="tiny", url=service.url, chain_of_thought=True)
    service.stop()
    assert found == ["you are an person , go away", "they are person people"]
    assert ["idiot" in str(asked) for asked in service.asked] == [True, False]


def test_training_learns_to_denoise_and_uses_what_it_trained(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [
        {"comment_text": line, "toxic": int("idiot" in line or "stupid" in line)}
        for line in LINES * 8
    ]
    lines.append({"comment_text": "unlabelled", "toxic": -1})
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    tmarco = TMaRCo(folders[0], gate=WordScorer())
    found = tmarco.train_models(str(rows), model_prefix=f"{tmp_path}/g_", steps=10)
    assert found.keys() == {"minus", "plus"}
    assert all(value > 1.0 for value in found.values())
    assert tmarco.experts == [f"{tmp_path}/g_minus", f"{tmp_path}/g_plus"]
    assert len(tmarco.score([TOXIC])) == 1
