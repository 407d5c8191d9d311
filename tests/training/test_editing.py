from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from tests.networks import tiny_editor
from trustydetox.embedded.editor import Editor, load_editor, save_editor
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


def test_a_deleted_word_teaches_tags_alone() -> None:
    (tags,) = taught("you stupid cat", "stupid", "you cat")
    assert tags.is_tagged
    assert tags.targets == [UNKNOWN, KEEP, DELETE, KEEP, UNKNOWN]
    assert tags.sequence.types == [0, 0, 1, 0, 0]


def test_a_replaced_phrase_teaches_how_much_comes_and_what() -> None:
    tags, pieces = taught("you are an idiot", "idiot", "you are bad and bad")
    assert known_targets(tags) == [KEEP, KEEP, DELETE + 3, DELETE]
    reader = Reader(tiny_editor().tokenizer)
    assert known_targets(pieces) == [i for (i,) in reader.pieces(["bad", "and", "bad"])]
    blanks = [i for i, t in zip(pieces.sequence.ids, pieces.targets, strict=True) if t != UNKNOWN]
    assert set(blanks) == {reader.blank}


def test_a_replacement_too_long_to_tag_still_teaches_its_words() -> None:
    tags, pieces = taught("you are an idiot", "idiot", "you are not very good people")
    assert known_targets(tags) == [KEEP, KEEP, DELETE]
    assert len(known_targets(pieces)) == 4


def test_an_insertion_is_shown_and_not_asked_for() -> None:
    (tags,) = taught("you stupid cat", "stupid", "you very nice good bad cat and cat")[:1]
    assert known_targets(tags)[0] == KEEP
    (only,) = taught("you cat", "cat", "you cat and cat")
    assert set(known_targets(only)) == {KEEP}


def test_masked_words_of_a_clean_text_are_its_targets() -> None:
    reader = Reader(tiny_editor().tokenizer)
    lesson = masked_lesson(reader, "it was a very nice day", 0.5, random.Random(3))
    asked = [t for t in lesson.targets if t != UNKNOWN]
    assert asked
    assert lesson.sequence.ids.count(reader.blank) == len(asked)
    none = masked_lesson(reader, "it was a very nice day", 0.0, random.Random(3))
    assert set(none.targets) == {UNKNOWN}


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
