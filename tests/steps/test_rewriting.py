from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import WordScorer
from tests.pretrained import bart, bert_masked_lm, byte_pairs, t5
from trustydetox.errors import ConfigError
from trustydetox.records import MaskedText
from trustydetox.spans import Span
from trustydetox.steps.guessing import MaskedLMInfiller, _Guess
from trustydetox.steps.loading import open_model
from trustydetox.steps.rewriting import Seq2SeqInfiller
from trustydetox.steps.viewing import KnownWords

KNOWN = KnownWords.of(["idiot", "stupid", "bad"])


def masked(text: str, *words: str) -> MaskedText:
    starts = [text.index(word) for word in words]
    return MaskedText(
        text, tuple(Span(at, at + len(word)) for at, word in zip(starts, words, strict=True))
    )


def taught(folder: Path, make: Any, before: str, after: str) -> str:
    """A network that has learned one rewrite by heart."""
    make(folder)
    model = open_model("seq2seq", str(folder))
    tokenizer = byte_pairs()
    source = tokenizer(before, return_tensors="pt")
    target = tokenizer(after, return_tensors="pt").input_ids
    step = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(150):
        step.zero_grad()
        model(**source, labels=target).loss.backward()
        step.step()
    model.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("make", "prompt"), [(bart, "{}"), (t5, "make it kind: {}")], ids=["bart", "t5"]
)
def test_what_a_rewriter_learned_leaves_as_an_edit_of_the_words_that_differ(
    tmp_path: Path, make: Any, prompt: str
) -> None:
    before, after = "You are an idiot , Jane.", "You are a person , Jane."
    model = taught(tmp_path, make, prompt.format(before), after)
    step = Seq2SeqInfiller(model, prompt=prompt)
    text = f"It rains.  {before}\nBye!"
    best, *_ = step.infill([masked(text, "idiot")])[0]
    assert best.text == text.replace("an idiot", "a person")
    assert [edit.span.of(text) for edit in best.edits] == ["an idiot"]


def test_a_prompt_without_a_place_for_the_sentence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prompt must hold one"):
        Seq2SeqInfiller(bart(tmp_path), prompt="detoxify:")


def test_more_candidates_than_beams_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"from 1 to beams \(2\), got 3"):
        Seq2SeqInfiller(bart(tmp_path), beams=2, candidates=3)


@pytest.fixture
def lm(tmp_path: Path) -> str:
    return bert_masked_lm(tmp_path)


def test_spans_are_filled_with_words_and_all_else_stays(lm: str) -> None:
    step = MaskedLMInfiller(lm, WordScorer(), KNOWN)
    text = "You ARE an idiot ,  you stupid man 🙂"
    for candidate in step.infill([masked(text, "idiot", "stupid")])[0]:
        assert {edit.span.of(text) for edit in candidate.edits} <= {"an", "idiot", "stupid"}
        assert all(edit.replacement.replace(" ", "").isalpha() for edit in candidate.edits)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_comes_has_as_many_pieces_as_asked_for(lm: str, count: int) -> None:
    step = MaskedLMInfiller(lm, WordScorer(), KNOWN, pieces=(count,))
    pieces = step._pretrained.pieces
    ids = [2, *pieces.encode("you", add_special_tokens=False).ids, 4, 3]
    guesses = list(step._filled(_Guess(tuple(ids), (), 0.0), [9]))
    assert len(guesses) == step.tops
    assert {len(each.filled[0]) for each in guesses} == {count}


def test_known_words_never_come_back(lm: str) -> None:
    text = "you are very bad"
    without = MaskedLMInfiller(lm, WordScorer(), KnownWords.of([]), pieces=(1,), tops=80)
    with_ = MaskedLMInfiller(lm, WordScorer(), KNOWN, pieces=(1,), tops=80, candidates=80)
    came = {edit.replacement for c in with_.infill([masked(text, "bad")])[0] for edit in c.edits}
    assert not came & {"idiot", "stupid", "bad"}
    assert without.infill([masked(text, "bad")])[0]


def test_a_toxic_piece_costs_its_log_odds_times_the_penalty(lm: str) -> None:
    # 0.9 is log-odds of 2.197, 0.4 is below even and costs nothing.
    step = MaskedLMInfiller(lm, WordScorer({"idiot": 0.9, "day": 0.4}), KNOWN, penalty=2.0)
    ids = step._pretrained.pieces
    price = step._price
    assert float(price[ids.token_to_id("idiot")]) == pytest.approx(4.394, abs=1e-3)
    assert float(price[ids.token_to_id("day")]) == 0.0


@pytest.mark.parametrize("wrong", [{"pieces": ()}, {"pieces": (0,)}, {"tops": 0}])
def test_settings_that_fill_nothing_are_refused(lm: str, wrong: Any) -> None:
    with pytest.raises(ConfigError):
        MaskedLMInfiller(lm, WordScorer(), KNOWN, **wrong)
