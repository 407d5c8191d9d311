from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.networks import tiny_editor, tiny_tokenizer
from trustydetox.records import MaskedText, Veto
from trustydetox.spans import Span, apply_edits
from trustydetox.steps import editing
from trustydetox.steps.editing import (
    DELETE,
    KEEP,
    Passage,
    Reader,
    Sequences,
    TagAndEdit,
    batched,
    drafted,
    passage_of,
    passages_of,
    words_in,
)
from trustydetox.steps.viewing import KnownWords, View

KNOWN = KnownWords.of(["idiot", "stupid"])


def masked(text: str, *words: str) -> MaskedText:
    starts = [text.index(word) for word in words]
    spans = [Span(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
    return MaskedText(text, tuple(sorted(spans)))


def reader() -> Reader:
    return Reader(tiny_tokenizer())


def only_passage(text: str, *words: str) -> Passage:
    (passage,) = passages_of(reader(), masked(text, *words), View.of)
    return passage


def test_words_and_signs_are_units() -> None:
    text = "You don't, well-known id10t!"
    assert [span.of(text) for span in words_in(text)] == [
        "You",
        "don't",
        ",",
        "well-known",
        "id10t",
        "!",
    ]
    text = "us&#8230; R&D &amp;"
    assert [span.of(text) for span in words_in(text)] == ["us", "&#8230;", "R", "&", "D", "&amp;"]


def test_the_words_of_masked_spans_must_go() -> None:
    passage = only_passage("you stupid cat", "stupid")
    assert passage.must_go == (False, True, False)
    source = reader().source(passage)
    assert source.types == [0, 0, 1, 0, 0]
    assert [source.ids[at] for at in reader().firsts(passage)] == [
        pieces[0] for pieces in passage.pieces
    ]


def test_a_draft_has_a_blank_for_every_new_piece() -> None:
    passage = only_passage("you stupid cat", "stupid")
    (you,), _, (cat,) = passage.pieces
    blank = reader().blank
    assert drafted(reader(), passage, (KEEP, KEEP + 3, KEEP)) == [you, blank, blank, cat]
    assert drafted(reader(), passage, (KEEP, DELETE, KEEP)) == [you, cat]


def test_only_the_sentences_with_a_masked_span_are_read() -> None:
    text = "It was good. " * 30 + "You stupid cat. " + "It was good. " * 30
    passage = only_passage(text, "stupid")
    assert sum(map(len, passage.pieces)) <= editing.PASSAGE
    shown = text[passage.words[0].start : passage.words[-1].end]
    assert "You stupid cat." in shown
    assert shown.startswith(("It was good.", "You"))
    assert shown.endswith("good.")


def test_a_sentence_longer_than_a_passage_is_cut_and_no_word_is_lost() -> None:
    text = "cat " * 200 + "stupid"
    both = MaskedText(text, (Span(0, 3), Span(800, 806)))
    passages = passages_of(reader(), both, View.of)
    assert max(len(passage.words) for passage in passages) <= editing.PASSAGE
    assert passages[0].words[0] == Span(0, 3)
    assert passages[-1].words[-1] == Span(800, 806)


def test_candidates_change_every_masked_word_and_bring_in_no_known_word() -> None:
    text = "you are an idiot and a stupid cat"
    one = masked(text, "idiot", "stupid")
    (candidates,) = TagAndEdit(tiny_editor(), KNOWN, widen=1e-9).infill([one])
    assert len(candidates) > 1
    for candidate in candidates:
        assert candidate.original == text
        assert apply_edits(text, candidate.edits) == candidate.text
        assert not {"idiot", "stupid"} & set(candidate.text.split())
        assert candidate.text.endswith("cat")


def test_a_known_word_would_come_if_it_were_allowed() -> None:
    editor = tiny_editor()
    (idiot,) = Reader(editor.tokenizer).pieces(["idiot"])[0]
    editor.bias.weight[0, idiot] = 100.0
    one = masked("you are a stupid cat", "stupid")
    for known, comes in ((KNOWN, False), (KnownWords.of([]), True)):
        (candidates,) = TagAndEdit(editor, known, widen=1e-9).infill([one])
        assert any("idiot" in each.text for each in candidates) is comes


def test_a_stilted_word_is_never_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tiny_editor()
    (nice,) = Reader(editor.tokenizer).pieces(["nice"])[0]
    editor.bias.weight[0, nice] = 100.0
    one = masked("you are a stupid cat", "stupid")
    for stilted, comes in ((frozenset({"nice"}), False), (frozenset[str](), True)):
        monkeypatch.setattr("trustydetox.steps.editing.STILTED", stilted)
        (candidates,) = TagAndEdit(editor, KnownWords.of([]), widen=1e-9).infill([one])
        assert any("nice" in each.text for each in candidates) is comes


@pytest.mark.parametrize(
    ("piece", "is_fragment"),
    [
        ("un", True),
        ("isn", True),
        ("don", True),
        ("s", True),
        ("is", False),
        ("i", False),
        ("under", False),
    ],
)
def test_what_begins_a_word_and_is_none_is_a_fragment(piece: str, is_fragment: bool) -> None:
    assert bool(editing._FRAGMENT.fullmatch(piece)) is is_fragment


@pytest.mark.parametrize(("letter", "comes"), [("t", False), ("u", True)])
def test_a_letter_that_is_no_word_is_never_put_in(letter: str, comes: bool) -> None:
    editor = tiny_editor()
    (piece,) = Reader(editor.tokenizer).pieces([letter])[0]
    assert editor.tokenizer.id_to_token(piece) == letter
    editor.bias.weight[0, piece] = 100.0
    one = masked("you are a stupid cat", "stupid")
    (candidates,) = TagAndEdit(editor, KnownWords.of([]), widen=1e-9).infill([one])
    assert any(letter in each.text.split() for each in candidates) is comes


def test_a_word_that_must_go_does_not_come_back() -> None:
    editor = tiny_editor()
    one = masked("you are a stupid cat", "stupid")
    for word, comes in (("stupid", False), ("nice", True)):
        (piece,) = Reader(editor.tokenizer).pieces([word])[0]
        editor.bias.weight.zero_()
        editor.bias.weight[0, piece] = 100.0
        (candidates,) = TagAndEdit(editor, KnownWords.of([]), widen=1e-9).infill([one])
        assert any(word in each.text for each in candidates) is comes


def test_what_went_in_one_text_may_come_in_another() -> None:
    editor = tiny_editor()
    (nice,) = Reader(editor.tokenizer).pieces(["nice"])[0]
    editor.bias.weight[0, nice] = 100.0
    both = [masked("you are a nice cat", "nice"), masked("you are a stupid cat", "stupid")]
    without, with_it = TagAndEdit(editor, KNOWN, widen=1e-9).infill(both)
    assert not any("nice" in each.text for each in without)
    assert any("nice" in each.text for each in with_it)


def test_no_new_word_is_put_together_of_pieces() -> None:
    editor = tiny_editor()
    (nice,) = Reader(editor.tokenizer).pieces(["nice"])[0]
    tail = editor.tokenizer.token_to_id("##z")
    assert tail is not None
    editor.bias.weight[0, tail] = 100.0
    editor.bias.weight[0, nice] = 50.0
    step = TagAndEdit(editor, KNOWN, widen=1e-9, candidates=20)
    (candidates,) = step.infill([masked("you are a stupid cat", "stupid")])
    words = [word for each in candidates for word in each.text.split()]
    assert "nice" in words
    assert not any("z" in word for word in words)


def test_padding_is_masked_and_marks_stay_with_their_pieces() -> None:
    long, short = Sequences([2, 5, 6, 3], [0, 1, 0, 0]), Sequences([2, 7, 3], [0, 1, 0])
    ((rows, ids, types, mask),) = batched([short, long])
    assert rows == [1, 0]
    assert ids.tolist() == [[2, 5, 6, 3], [2, 7, 3, 0]]
    assert types.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert [rows for rows, *_ in batched([short, long], tokens=4)] == [[1], [0]]


def test_the_case_of_the_replaced_word_is_kept() -> None:
    editor = tiny_editor()
    (nice,) = Reader(editor.tokenizer).pieces(["nice"])[0]
    editor.bias.weight[0, nice] = 100.0
    (candidates,) = TagAndEdit(editor, KNOWN, widen=1e-9).infill([masked("Stupid cat", "Stupid")])
    assert "Nice cat" in {each.text for each in candidates}


@pytest.mark.parametrize(
    ("text", "expected"), [("You said stupid", "You said I"), ("you said stupid", "you said i")]
)
def test_i_has_its_capital_where_the_writer_uses_capitals(text: str, expected: str) -> None:
    editor = tiny_editor()
    (piece,) = Reader(editor.tokenizer).pieces(["i"])[0]
    editor.bias.weight[0, piece] = 100.0
    (candidates,) = TagAndEdit(editor, KNOWN, widen=1e-9).infill([masked(text, "stupid")])
    assert expected in {each.text for each in candidates}


@pytest.mark.parametrize(
    ("widen", "expected"), [(0.3, [True, True, False]), (0.05, [False, True, False])]
)
def test_a_neighbour_goes_too_where_the_network_would_not_keep_it(
    widen: float, expected: list[bool]
) -> None:
    step = TagAndEdit(tiny_editor(), KNOWN, widen=widen)
    logs = [[math.log(0.1), math.log(0.9)], [math.log(0.5)] * 2, [math.log(0.9), math.log(0.1)]]
    assert step._widened([False, True, False], [0, 0, 0], logs) == expected


def test_a_neighbour_of_a_neighbour_goes_only_with_the_one_between() -> None:
    step = TagAndEdit(tiny_editor(), KNOWN)
    low, high = [math.log(0.1)], [math.log(0.9)]
    flags = [False, False, True]
    assert step._widened(flags, [0, 0, 0], [low, low, high]) == [True, True, True]
    assert step._widened(flags, [0, 0, 0], [low, high, high]) == [False, False, True]
    # Nor does a change reach over the end of its stretch.
    assert step._widened(flags, [0, 1, 1], [low, low, high]) == [False, True, True]
    assert step._widened(flags[::-1], [0, 0, 1], [high, low, low]) == [True, True, False]


@pytest.mark.parametrize(
    ("text", "stretch"),
    [
        ("you fool , go", (0, 0, 0, 0)),
        ("you\nfool go", (0, 1, 1)),
        ("<p>you", (1, 2, 3, 4)),
        ('a "fool" b', (0, 1, 2, 3, 4)),
        ("- a\n\n- b", (1, 2, 3, 4)),
        ("a - b, well-known", (0, 1, 2, 2, 2)),
        ("_a_ snake_case", (1, 2, 3, 4)),
        ("fool&#8230; & b", (0, 1, 2, 2)),
        ("you\tfool go", (0, 1, 1)),
        ("fool \U0001f621\U0001f621 \u2764\ufe0f go", (0, 1, 2, 3, 4, 5)),
    ],
)
def test_lines_and_marks_part_a_text_into_stretches(text: str, stretch: tuple[int, ...]) -> None:
    one = MaskedText(text, (Span(0, len(text)),))
    assert passage_of(reader(), one, View.of).stretch == stretch


def test_what_a_rule_spares_parts_a_text_too() -> None:
    text = "that gay man and fool"
    one = MaskedText(
        text, (Span(17, 21),), vetoes=(Veto(Span(5, 8), "rule"), Veto(Span(9, 12), "rule"))
    )
    assert passage_of(reader(), one, View.of).stretch == (0, 1, 2, 3, 3)


def test_a_run_of_changed_words_ends_with_its_line() -> None:
    text = "you fool\nyou moron , go"
    step = TagAndEdit(tiny_editor(), KNOWN)
    passage = passage_of(reader(), masked(text, "fool", "you moron"), View.of)
    tags = (KEEP, DELETE, DELETE, DELETE, DELETE, KEEP)
    kept = tuple(piece for at in (0, 5) for piece in passage.pieces[at])
    found = list(step._jobs(text, editing._Draft(passage, tags, kept, 0.0, 0.0)))
    assert [(span.of(text), new) for span, new in found] == [("fool", ""), ("you moron ,", "")]


def test_candidates_of_a_text_do_not_depend_on_its_batch() -> None:
    texts = [
        masked("you are an idiot", "idiot"),
        masked("stupid " + "cat " * 30, "stupid"),
        masked("it was very bad, you stupid people", "stupid"),
    ]
    step = TagAndEdit(tiny_editor(), KNOWN)
    together = step.infill(texts)
    alone = [step.infill([one])[0] for one in texts]
    assert [[c.text for c in each] for each in together] == [[c.text for c in a] for a in alone]


def test_the_likeliest_comes_first() -> None:
    editor = tiny_editor()
    editor.tagger.weight.zero_()
    editor.tagger.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0, 0.0]))
    one = masked("you are an idiot", "idiot")
    (candidates,) = TagAndEdit(editor, KNOWN, widen=1e-9).infill([one])
    assert candidates[0].text == "you are"
    editor.tagger.bias.copy_(torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0]))
    (candidates,) = TagAndEdit(editor, KNOWN, widen=1e-9, fillings=1).infill([one])
    assert len(candidates[0].text.split()) == 4


def test_that_many_things_could_be_put_in_is_no_reason_to_delete() -> None:
    editor = tiny_editor()
    editor.tagger.weight.zero_()
    (nice,) = Reader(editor.tokenizer).pieces(["nice"])[0]
    editor.bias.weight[0, nice] = 100.0
    one = masked("you are an idiot", "idiot")
    # To delete is likelier than each number of new pieces, but not than all of them.
    for delete, expected in ((0.4, False), (1.6, True)):
        editor.tagger.bias.copy_(torch.tensor([-9.0, delete, 0.0, 0.0, 0.0]))
        (candidates,) = TagAndEdit(editor, KNOWN, widen=1e-9).infill([one])
        assert (candidates[0].text == "you are") is expected


def test_each_blank_is_judged_in_its_own_place() -> None:
    editor = tiny_editor()
    torch.nn.init.normal_(editor.mixer.get_parameter("0.weight"), std=1.0)
    passage = only_passage("you are an idiot and a stupid cat", "idiot", "stupid")
    tags = tuple(DELETE + 2 if flag else KEEP for flag in passage.must_go)
    draft = editing._Draft(passage, tags, tuple(drafted(reader(), passage, tags)), 0.0, 0.0)
    blank = reader().blank
    places = [at for at, piece in enumerate(draft.pieces) if piece == blank]
    step = TagAndEdit(editor, KNOWN)
    # The surest place and its piece, found one blank at a time and without a batch.
    sequence = reader().draft(passage, draft.pieces)
    ids, types = (torch.tensor([each]) for each in (sequence.ids, sequence.types))
    hidden = editor.hidden(ids, types, torch.ones_like(ids))[0]
    lead = len(sequence.ids) - len(draft.pieces) - 1
    sure = []
    for place in places:
        logs = editor.pieces(hidden[lead + place]).log_softmax(-1)
        best = (logs + step._forbidden(draft)).max(dim=-1)
        sure.append((float(best.values), place, int(best.indices)))
    _, place, piece = max(sure)
    # Beside others of other lengths, as in a real batch.
    other = replace(draft, pieces=(*draft.pieces[:2], blank))
    (after,), *_ = step._step([draft, other])
    changed = [at for at in places if after.pieces[at] != blank]
    assert (changed, after.pieces[place]) == ([place], piece)


def test_more_fillings_give_more_candidates() -> None:
    one = masked("you are an idiot", "idiot")
    few, many = (
        TagAndEdit(tiny_editor(), KNOWN, candidates=99, fillings=count).infill([one])[0]
        for count in (1, 3)
    )
    assert len(many) > len(few)


def test_a_masked_text_that_would_be_empty_is_no_candidate() -> None:
    (candidates,) = TagAndEdit(tiny_editor(), KNOWN).infill([masked("idiot", "idiot")])
    assert all(candidate.text.strip() for candidate in candidates)


def test_a_text_without_masked_spans_has_no_candidate() -> None:
    step = TagAndEdit(tiny_editor(), KNOWN)
    assert step.infill([MaskedText("you are nice", ()), MaskedText("", ())]) == [(), ()]
    assert step.infill([]) == []


def test_a_disguised_word_is_read_plain() -> None:
    plain = View("idiot", tuple(range(5)), tuple(range(1, 6)))
    one = masked("you 1d1ot", "1d1ot")
    (passage,) = passages_of(reader(), one, lambda text: plain)
    assert passage.pieces[1] == reader().pieces(["idiot"])[0]
    assert replace(passage, must_go=()).pieces[0] == reader().pieces(["you"])[0]


def test_a_passage_of_many_pieces_and_its_draft_fit_into_the_network() -> None:
    # Letter by letter to this tokenizer: 90 pieces a word.
    long = "x" * 90
    text = f"{long} stupid {long} {long}. " * 3
    starts = [at for at in range(len(text)) if text.startswith("stupid", at)]
    one = MaskedText(text, tuple(Span(at, at + 6) for at in starts))
    passages = passages_of(reader(), one, View.of)
    assert sum(flag for passage in passages for flag in passage.must_go) == 3
    assert max(sum(map(len, passage.pieces)) for passage in passages) <= editing.PASSAGE
    (candidates,) = TagAndEdit(tiny_editor(), KNOWN, candidates=2).infill([one])
    assert candidates


def test_a_word_without_end_fits_into_the_network_and_goes_as_a_whole() -> None:
    endless = "-".join(["idiot"] * 300)
    text = f"{endless} you {endless} go."
    (candidates,) = TagAndEdit(tiny_editor(), KNOWN).infill(
        [MaskedText(text, (Span(len(endless) + 5, len(text) - 4),))]
    )
    assert candidates
    for candidate in candidates:
        assert candidate.text.startswith(endless)  # it isn't masked here
        assert candidate.text.count("idiot") == 300


def test_a_long_word_behind_a_short_sentence_is_no_part_of_a_longer_passage() -> None:
    # Letter by letter to this tokenizer: 10, 60 and 90 pieces.
    text = f"{'x' * 10}. {'x' * 60} {'x' * 90} idiot."
    for span in words_in(text):
        for passage in passages_of(reader(), MaskedText(text, (span,)), View.of):
            assert sum(map(len, passage.pieces)) <= editing.PASSAGE


def test_every_word_of_a_text_lies_in_one_passage() -> None:
    text = "You very stupid cat. It was good! " * 40
    whole = [Span(at, at + 6) for at in range(len(text)) if text.startswith("stupid", at)]
    passages = passages_of(reader(), MaskedText(text, tuple(whole)), View.of)
    assert [word for passage in passages for word in passage.words] == words_in(text)
    assert all(text[passage.words[-1].start] in ".!" for passage in passages)


@pytest.mark.parametrize(
    ("tag", "span", "new"), [(DELETE + 1, Span(4, 9), "bad"), (DELETE, Span(4, 10), "")]
)
def test_a_sign_that_would_go_stays_behind_a_word_that_comes(
    tag: int, span: Span, new: str
) -> None:
    text = "you idiot, bob"
    step = TagAndEdit(tiny_editor(), KNOWN)
    passage = only_passage(text, "idiot")
    tags = (KEEP, tag, DELETE, KEEP)
    (bad,) = reader().pieces(["bad"])
    blanked = drafted(reader(), passage, tags)
    pieces = tuple(bad[0] if piece == reader().blank else piece for piece in blanked)
    assert list(step._jobs(text, editing._Draft(passage, tags, pieces, 0.0, 0.0))) == [(span, new)]


@pytest.mark.parametrize(
    ("text", "tags", "span"),
    [
        # The sign that ends a sentence of which something stays is no part of what goes.
        ("go, idiot.", (KEEP, DELETE, DELETE, DELETE), Span(2, 9)),
        ("idiot.", (DELETE, DELETE), Span(0, 6)),
        ("Go. Idiot!", (KEEP, KEEP, DELETE, DELETE), Span(4, 10)),
        ("go, idiot; bye", (KEEP, DELETE, DELETE, DELETE, KEEP), Span(2, 10)),
    ],
)
def test_a_sentence_keeps_the_sign_at_its_end(text: str, tags: tuple[int, ...], span: Span) -> None:
    step = TagAndEdit(tiny_editor(), KNOWN)
    passage = only_passage(text, "idiot" if "idiot" in text else "Idiot")
    pieces = tuple(drafted(reader(), passage, tags))
    assert list(step._jobs(text, editing._Draft(passage, tags, pieces, 0.0, 0.0))) == [(span, "")]
