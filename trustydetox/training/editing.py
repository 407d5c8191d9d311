"""Training of the editor: which words people kept, what they put in place of the others, and where
a sentence can't do without.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trustydetox import embedded
from trustydetox.embedded.editor import MAX_TOKENS, Editor, load_editor, new_editor, save_editor
from trustydetox.embedded.gaps import Gaps
from trustydetox.errors import ConfigError, InputError
from trustydetox.records import MaskedText
from trustydetox.steps.editing import (
    DELETE,
    KEEP,
    LONGEST,
    TAGS,
    Reader,
    Sequences,
    batched,
    passage_of,
    words_in,
)
from trustydetox.steps.loading import accelerator
from trustydetox.steps.viewing import View
from trustydetox.training.adapting import pace
from trustydetox.training.guiding import batches, set_dropout
from trustydetox.training.precision import mixed_precision
from trustydetox.training.sources import sentences

if TYPE_CHECKING:
    from torch import Tensor

Words = Sequence[tuple[int, ...]]
"""The pieces of each word of a text."""

SHORTEST, LONGEST_CUT = 4, 25
"""Words of a sentence of which some are cut out."""

UNKNOWN = -100
"""Target of a piece that an example says nothing about: what torch leaves out by itself."""


@dataclass(frozen=True)
class Schedule:
    """How the editor trains.

    passes: over the pairs.
    others: one in so many clean texts takes part in a pass, each in turn.
    rate: peak learning rate of the encoder; the heads learn three times as fast.
    masked: share of the words of a clean text that are masked.
    cut: share of the clean sentences that lose a word or two.
    dropout: share of the encoder's hidden values and attentions left out.
    """

    passes: int
    rate: float
    others: int = 3
    masked: float = 0.15
    cut: float = 0.6
    dropout: float = 0.0
    tokens: int = 2048
    seed: int = 7


Kind = Literal["tags", "pieces", "gaps"]


@dataclass(frozen=True)
class Lesson:
    """A sequence with a target per piece.

    The word's tag; the piece itself; or 1 where something was cut out behind the piece, else 0.
    """

    sequence: Sequences
    targets: list[int]
    kind: Kind


def lessons_of(
    reader: Reader, masked: MaskedText, rewrite: str, view: Callable[[str], View]
) -> list[Lesson]:
    """What a text whose spans must go, and the way a person rewrote it, teach."""
    passage = passage_of(reader, masked, view)
    words = passage.words
    new = words_in(rewrite)
    later = reader.pieces([word.of(rewrite) for word in new])
    tags = [KEEP] * len(words)
    draft: list[int] = []
    targets: list[int] = []
    bare: list[int] = []
    gaps: dict[int, bool] = {}
    matcher = SequenceMatcher(
        None,
        [word.of(masked.text).casefold() for word in words],
        [word.of(rewrite).casefold() for word in new],
        autojunk=False,
    )
    for kind, start, end, low, high in matcher.get_opcodes():
        comes = [piece for pieces in later[low:high] for piece in pieces]
        if kind in ("equal", "insert"):
            # Nobody can say beforehand where a person inserts: the draft shows it.
            draft += comes
            bare += comes
            targets += [UNKNOWN] * len(comes)
            continue
        # Where people put something else, the sentence can't do without.
        gaps[len(bare)] = bool(comes)
        tags[start:end] = [DELETE] * (end - start)
        draft += [reader.blank] * len(comes)
        targets += comes
        if comes:
            tags[start] = DELETE + len(comes) if len(comes) <= LONGEST else UNKNOWN
    source = reader.source(passage)
    places = [UNKNOWN] * len(source.ids)
    for at, tag in zip(reader.firsts(passage), tags, strict=True):
        places[at] = tag
    lessons = [Lesson(source, places, "tags")]
    if reader.blank in draft:
        whole = reader.draft(passage, draft)
        lead = len(whole.ids) - len(draft) - 1
        lessons.append(Lesson(whole, [*[UNKNOWN] * lead, *targets, UNKNOWN], "pieces"))
    if gaps:
        lessons.append(_gap_lesson(reader, bare, gaps))
    return [each for each in lessons if len(each.sequence.ids) <= MAX_TOKENS]


def _gap_lesson(reader: Reader, pieces: Sequence[int], gaps: Mapping[int, bool]) -> Lesson:
    """gaps: how many pieces come before a place -> whether something was cut out there."""
    targets = [UNKNOWN] * (len(pieces) + 2)
    for at, is_gap in gaps.items():
        targets[at] = int(is_gap)
    sequence = Sequences([reader.cls, *pieces, reader.sep], [0] * (len(pieces) + 2))
    return Lesson(sequence, targets, "gaps")


def masked_lesson(reader: Reader, words: Words, share: float, rng: random.Random) -> Lesson:
    """A clean text with runs of words masked: how people put sentences together."""
    ids, targets = [reader.cls], [UNKNOWN]
    left = 0
    for pieces in words[: MAX_TOKENS // 2]:
        if left == 0 and rng.random() < share / 1.5:
            left = rng.choice((1, 1, 2))
        goes = left > 0 and len(pieces) <= LONGEST
        ids += [reader.blank] * len(pieces) if goes else pieces
        targets += pieces if goes else [UNKNOWN] * len(pieces)
        left = max(0, left - 1)
    ids, targets = ids[: MAX_TOKENS - 1], targets[: MAX_TOKENS - 1]
    sequence = Sequences([*ids, reader.sep], [0] * (len(ids) + 1))
    return Lesson(sequence, [*targets, UNKNOWN], "pieces")


def cut_lesson(
    reader: Reader, words: Words, real: Sequence[int], share: float, rng: random.Random
) -> Lesson:
    """A clean sentence that lost a word or two, or as it was; three places of it are asked for.

    real: which of `words` are words, not signs or numbers: the first to go is one of them.
    """
    cut = rng.choice(real) if real and rng.random() < share else None
    left = list(words)
    if cut is not None:
        del left[cut : cut + rng.choice((1, 1, 1, 2))]
    others = [at for at in range(len(left) + 1) if at != cut]
    places = [*([cut] if cut is not None else []), *rng.sample(others, min(2, len(others)))]
    before = [0, *accumulate(map(len, left))]
    flat = [piece for pieces in left for piece in pieces]
    return _gap_lesson(reader, flat, {before[at]: at == cut for at in places})


def train_own_editor(
    model: str,
    masked: Sequence[MaskedText],
    rewrites: Sequence[Sequence[str]],
    out: Path,
    schedule: Schedule,
    report: Callable[[str], None],
) -> None:
    """Write an editor that learned from a user's pairs to `out`, with its tokenizer.

    model: `embedded`, to go on from the editor in the wheel, or an encoder of BERT's architecture.
    masked: the texts with what must go, as the recipe will mask them; one without is left out.
    """
    editor = _starting_editor(model, schedule.seed)
    reader = Reader(editor.tokenizer)
    lessons = [
        lesson
        for one, given in zip(masked, rewrites, strict=True)
        if one.masked
        for rewrite in given
        for lesson in lessons_of(reader, one, rewrite, View.of)
    ]
    if not lessons:
        raise InputError("nothing to learn from: the recipe masks no word in any of the texts")
    clean = [rewrite for given in rewrites for rewrite in given]
    train_editor(editor, lessons, clean, schedule, report)
    save_editor(editor, out)
    editor.tokenizer.save(str(out / "tokenizer.json"), pretty=False)


def _starting_editor(model: str, seed: int) -> Editor:
    import torch

    from trustydetox.steps.loading import Pretrained, open_model, open_tokenizer

    if model == "embedded":
        editor = load_editor(embedded.FOLDER)
        for part in editor.parts().values():
            part.requires_grad_(True)
        return editor
    network: Any = open_model("masked LM", model, new_head=True)
    encoder = network.base_model
    if encoder.config.model_type != "bert":
        raise ConfigError(
            "an editor marks words by token types: expected an encoder of BERT's architecture, "
            f"got {encoder.config.model_type!r}"
        )
    torch.manual_seed(seed)
    pieces = Pretrained(model, encoder, open_tokenizer(model)).pieces
    editor = new_editor(pieces, encoder.config.to_dict(), TAGS)
    editor.encoder.load_state_dict(encoder.state_dict())
    return editor


def train_editor(
    editor: Editor,
    pairs: Sequence[Lesson],
    clean: Sequence[str],
    schedule: Schedule,
    report: Callable[[str], None],
    gaps: Gaps | None = None,
) -> None:
    """Train `editor` in place, and the head of `gaps`, which is built on it."""
    import torch

    torch.manual_seed(schedule.seed)
    place = accelerator()
    reader = Reader(editor.tokenizer)
    kinds: tuple[Kind, ...] = ("tags", "pieces", "gaps") if gaps else ("tags", "pieces")
    queue = list(_queue(reader, pairs, clean, schedule, kinds))
    parts = editor.parts() | ({"gaps": gaps.head} if gaps else {})
    for part in parts.values():
        part.to(place)
    set_dropout(editor.encoder, schedule.dropout)
    encoder = list(editor.encoder.parameters())
    heads = [p for name, part in parts.items() if name != "encoder" for p in part.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder, "lr": schedule.rate, "weight_decay": 0.01},
            {"params": heads, "lr": 3 * schedule.rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    sums = dict.fromkeys(kinds, 0.0)
    counts = dict.fromkeys(kinds, 0)
    for step, batch in enumerate(queue):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * pace(step, len(queue), 200)
        ids, types, mask, targets = (each.to(place) for each in _tensors(batch))
        with mixed_precision(place):
            hidden = editor.hidden(ids, types, mask)
            loss = _loss(editor, gaps, batch[0].kind, hidden, targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder, 1.0)
        optimizer.step()
        sums[batch[0].kind] += float(loss.detach())
        counts[batch[0].kind] += 1
        if step % 100 == 99 or step == len(queue) - 1:
            said = ", ".join(f"{kind} {sums[kind] / max(1, counts[kind]):.4f}" for kind in kinds)
            report(f"editor: step {step + 1} of {len(queue)}, {said}")
            sums, counts = dict.fromkeys(kinds, 0.0), dict.fromkeys(kinds, 0)
    set_dropout(editor.encoder, 0.0)
    for part in parts.values():
        part.to("cpu")


def _loss(editor: Editor, gaps: Gaps | None, kind: Kind, hidden: Tensor, targets: Tensor) -> Tensor:
    """Mean loss over what a batch asks for."""
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    wanted = targets != UNKNOWN
    if kind == "gaps":
        assert gaps is not None
        odds = gaps.between(hidden[:, :-1], hidden[:, 1:])
        known = wanted[:, :-1]
        return binary_cross_entropy_with_logits(odds[known].float(), targets[:, :-1][known].float())
    logits = (editor.tags if kind == "tags" else editor.pieces)(hidden[wanted])
    return cross_entropy(logits.float(), targets[wanted])


def _queue(
    reader: Reader,
    pairs: Sequence[Lesson],
    clean: Sequence[str],
    schedule: Schedule,
    kinds: Sequence[Kind],
) -> Iterator[list[Lesson]]:
    """Batches of one kind of lesson each, the kinds mixed."""
    rng = random.Random(schedule.seed)
    texts = [_pieces(reader, text) for text in clean]
    lines = list(_lines(reader, clean)) if "gaps" in kinds else []
    of_kind = [[each for each in pairs if each.kind == kind] for kind in kinds]
    for turn in range(schedule.passes):
        part = slice(turn % schedule.others, None, schedule.others)
        masked = [masked_lesson(reader, each, schedule.masked, rng) for each in texts[part]]
        cut = [cut_lesson(reader, *each, schedule.cut, rng) for each in lines[part]]
        masked = [each for each in masked if any(t != UNKNOWN for t in each.targets)]
        groups = [
            group
            for lessons in (*of_kind, masked, cut)
            for group in batches(
                lessons,
                lambda each: len(each.sequence.ids),
                schedule.tokens,
                schedule.seed + turn,
            )
        ]
        rng.shuffle(groups)
        yield from groups


def _lines(reader: Reader, clean: Sequence[str]) -> Iterator[tuple[Words, list[int]]]:
    """The sentences of which some are cut, with where their real words are."""
    for line in (line for text in clean for line in sentences(text)):
        spans = words_in(line)
        if SHORTEST <= len(spans) <= LONGEST_CUT:
            real = [at for at, span in enumerate(spans) if line[span.start].isalpha()]
            yield reader.pieces([span.of(line) for span in spans]), real


def _pieces(reader: Reader, text: str) -> Words:
    return reader.pieces([word.of(text) for word in words_in(text)])


def _tensors(batch: Sequence[Lesson]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """ids, types, mask and targets, each (batch, pieces)."""
    import torch

    ((rows, ids, types, mask),) = batched([each.sequence for each in batch], 1 << 30)
    targets = torch.full(ids.shape, UNKNOWN)
    for at, row in enumerate(rows):
        targets[at, : len(batch[row].targets)] = torch.tensor(batch[row].targets)
    return ids, types, mask, targets
