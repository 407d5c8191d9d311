from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from tests.networks import tiny_editor
from trustydetox.embedded.editor import Editor, load_editor, save_editor
from trustydetox.embedded.gaps import new_gaps
from trustydetox.embedded.tensors import load_tensors, save_tensors
from trustydetox.errors import ModelError
from trustydetox.records import MaskedText
from trustydetox.spans import Span
from trustydetox.steps.editing import DELETE, KEEP, Reader, TagAndEdit
from trustydetox.steps.viewing import KnownWords, View
from trustydetox.training.editing import (
    UNKNOWN,
    Lesson,
    Schedule,
    cut_lesson,
    lessons_of,
    masked_lesson,
    train_editor,
)


def taught(text: str, word: str, rewrite: str) -> list[Lesson]:
    start = text.index(word)
    masked = MaskedText(text, (Span(start, start + len(word)),))
    return lessons_of(Reader(tiny_editor().tokenizer), masked, rewrite, View.of)


def known_targets(lesson: Lesson) -> list[int]:
    return [target for target in lesson.targets if target != UNKNOWN]


def test_a_deleted_word_teaches_tags_and_that_nothing_is_missing() -> None:
    tags, gap = taught("you stupid cat", "stupid", "you cat")
    assert (tags.kind, gap.kind) == ("tags", "gaps")
    assert tags.targets == [UNKNOWN, KEEP, DELETE, KEEP, UNKNOWN]
    assert tags.sequence.types == [0, 0, 1, 0, 0]
    # Behind "you": the special piece comes first.
    assert gap.targets == [UNKNOWN, 0, UNKNOWN, UNKNOWN]
    assert gap.sequence.ids == [tags.sequence.ids[at] for at in (0, 1, 3, 4)]


def test_a_replaced_phrase_teaches_how_much_comes_and_what() -> None:
    tags, pieces, gap = taught("you are an idiot", "idiot", "you are bad and bad")
    assert known_targets(tags) == [KEEP, KEEP, DELETE + 3, DELETE]
    reader = Reader(tiny_editor().tokenizer)
    assert known_targets(pieces) == [i for (i,) in reader.pieces(["bad", "and", "bad"])]
    blanks = [i for i, t in zip(pieces.sequence.ids, pieces.targets, strict=True) if t != UNKNOWN]
    assert set(blanks) == {reader.blank}
    # Without what came the sentence is short of something: "you are" and then nothing.
    assert gap.targets == [UNKNOWN, UNKNOWN, 1, UNKNOWN]
    assert gap.sequence.ids == tags.sequence.ids[:3] + tags.sequence.ids[-1:]


def test_a_replacement_too_long_to_tag_still_teaches_its_words() -> None:
    tags, pieces, _ = taught("you are an idiot", "idiot", "you are not very good people")
    assert known_targets(tags) == [KEEP, KEEP, DELETE]
    assert len(known_targets(pieces)) == 4


def test_an_insertion_is_shown_and_not_asked_for() -> None:
    (tags,) = taught("you stupid cat", "stupid", "you very nice good bad cat and cat")[:1]
    assert known_targets(tags)[0] == KEEP
    (only,) = taught("you cat", "cat", "you cat and cat")
    assert set(known_targets(only)) == {KEEP}


def test_masked_words_of_a_clean_text_are_its_targets() -> None:
    reader = Reader(tiny_editor().tokenizer)
    words = reader.pieces("it was a very nice day".split())
    lesson = masked_lesson(reader, words, 0.5, random.Random(3))
    asked = [t for t in lesson.targets if t != UNKNOWN]
    assert asked
    assert lesson.sequence.ids.count(reader.blank) == len(asked)
    none = masked_lesson(reader, words, 0.0, random.Random(3))
    assert set(none.targets) == {UNKNOWN}


def test_a_cut_sentence_says_where_its_word_was() -> None:
    reader = Reader(tiny_editor().tokenizer)
    line = "you are the idiot , and bad"
    words = reader.pieces(line.split())
    whole = [piece for each in words for piece in each]
    real = [at for at, word in enumerate(line.split()) if word.isalpha()]
    for seed in range(20):
        lesson = cut_lesson(reader, words, real, 1.0, random.Random(seed))
        flat = lesson.sequence.ids[1:-1]
        (at,) = [place for place, target in enumerate(lesson.targets) if target == 1]
        gone = whole[at : at + len(whole) - len(flat)]
        assert 0 < len(gone) <= 1 + max(map(len, words)) * 2
        assert flat == whole[:at] + whole[at + len(gone) :]
        assert lesson.targets.count(0) == 2
        assert gone[0] != words[line.split().index(",")][0]
    none = cut_lesson(reader, words, real, 0.0, random.Random(0))
    assert none.sequence.ids[1:-1] == whole
    assert sorted(t for t in none.targets if t != UNKNOWN) == [0, 0]


def trainable() -> Editor:
    editor = tiny_editor()
    for part in editor.parts().values():
        part.requires_grad_(True)
    return editor


def test_training_teaches_what_to_put_in_place() -> None:
    lessons = taught("you are stupid", "stupid", "you are bad") * 8
    texts = ["it was a very nice day"] * 4
    (first,) = rewrites(trainable())
    editor = trainable()
    lines: list[str] = []
    train_editor(editor, lessons, texts, Schedule(passes=40, rate=2e-3, tokens=64), lines.append)
    (after,) = rewrites(editor)
    assert after == "you are bad"
    assert first != after
    assert "tags" in lines[-1]


def test_training_finds_the_gaps_of_what_it_read() -> None:
    lines = [
        "you are a nice cat and it was a good day",
        "they are the people and we are all very bad",
    ]
    editor = trainable()
    gaps = new_gaps(editor)
    lessons = taught("you are stupid", "stupid", "you are bad")
    said: list[str] = []
    schedule = Schedule(passes=150, rate=2e-3, others=1, tokens=128)
    train_editor(editor, lessons, lines * 4, schedule, said.append, gaps)
    assert gaps.encoder is editor.encoder
    losses = [float(line.rsplit("gaps ", 1)[1]) for line in said]
    assert losses[-1] < 0.6 * losses[0]
    [[cut, whole]] = gaps.read(["you are a nice cat and was a good day"], [[22, 3]])
    assert cut > whole + 1.0


def test_what_is_cut_begins_with_a_word_and_not_with_a_sign() -> None:
    editor = trainable()
    gaps = new_gaps(editor)
    (you,) = Reader(editor.tokenizer).pieces(["you"])[0]
    seen: list[list[int]] = []

    def look(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
        seen.extend(named["input_ids"].tolist())

    editor.encoder.register_forward_pre_hook(look, with_kwargs=True)
    schedule = Schedule(passes=3, rate=1e-3, others=1, masked=0.0, cut=1.0)
    train_editor(editor, [], ["! , you ; ? !"] * 8, schedule, lambda line: None, gaps)
    assert len(seen) == 24
    assert not any(you in ids for ids in seen)


def test_clean_texts_take_turns() -> None:
    texts = ["it was a very nice day", "they are nice people"]
    for passes, lengths in ((1, {8}), (2, {8, 6})):
        editor = trainable()
        seen: set[int] = set()

        def look(module: object, given: object, named: dict[str, torch.Tensor]) -> None:
            seen.add(named["input_ids"].shape[1])  # noqa: B023

        editor.encoder.register_forward_pre_hook(look, with_kwargs=True)
        schedule = Schedule(passes=passes, rate=1e-3, others=2, masked=1.0)
        train_editor(editor, [], texts, schedule, lambda line: None)
        assert seen == lengths


def test_without_a_head_nobody_asks_for_gaps() -> None:
    lessons = taught("you are stupid", "stupid", "you are bad")
    lines: list[str] = []
    train_editor(trainable(), lessons, [], Schedule(passes=1, rate=1e-3), lines.append)
    assert "gaps" not in lines[-1]


def rewrites(editor: Editor) -> list[str]:
    step = TagAndEdit(editor, KnownWords.of([]))
    with torch.inference_mode():
        (candidates,) = step.infill([MaskedText("you are stupid", (Span(8, 14),))])
    return [candidates[0].text]


def test_a_saved_editor_says_nearly_the_same(tmp_path: Path) -> None:
    editor = tiny_editor()
    save_editor(editor, tmp_path)
    editor.tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = load_editor(tmp_path)
    ids = torch.tensor([[2, 6, 7, 8, 3]])
    types, mask = torch.zeros_like(ids), torch.ones_like(ids)
    before, after, other = (
        each.pieces(each.hidden(ids, types, mask)) for each in (editor, loaded, tiny_editor(seed=1))
    )
    assert torch.allclose(before, after, atol=0.1)
    assert not torch.allclose(before, other, atol=0.1)


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train embedded"):
        load_editor(tmp_path)


def test_rows_of_a_matrix_keep_their_own_scale_on_disk(tmp_path: Path) -> None:
    matrix = torch.tensor([[1.0, -0.5, 0.3203], [1000.0, -500.0, 1.0], [0.0, 0.0, 0.0]])
    vector = torch.tensor([0.1, 0.2])
    save_tensors({"m": matrix, "v": vector, "n": torch.arange(3)}, tmp_path / "w")
    read = load_tensors(tmp_path / "w")
    assert set(read) == {"m", "v"}
    # Half a step of each row is 1/254 of its largest value.
    assert torch.allclose(read["m"][0], matrix[0], rtol=0, atol=1 / 254)
    assert torch.allclose(read["m"][1], matrix[1], rtol=0, atol=4.0)
    assert not torch.allclose(read["m"][1], matrix[1], rtol=0, atol=0.1)
    assert torch.equal(read["m"][2], matrix[2])
    assert torch.allclose(read["v"], vector, atol=1e-4)
    assert (tmp_path / "w").stat().st_size < 500
