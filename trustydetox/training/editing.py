"""Training of the editor: which words people kept, and what they put in place of the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustydetox import embedded
from trustydetox.embedded.editor import MAX_TOKENS, Editor, load_editor, new_editor, save_editor
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
from trustydetox.steps.viewing import View
from trustydetox.training.guiding import batches

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = -100
"""Target of a piece that an example says nothing about: what torch leaves out by itself."""


@dataclass(frozen=True)
class Schedule:
    """How the editor trains.

    passes: over the pairs; the clean texts are spread over all of them, each seen once.
    rate: peak learning rate of the encoder; the heads learn three times as fast.
    masked: share of the words of a clean text that are masked.
    """

    passes: int
    rate: float
    masked: float = 0.15
    tokens: int = 2048
    seed: int = 7


@dataclass(frozen=True)
class Lesson:
    """A sequence with a target per piece: a tag, or the piece itself."""

    sequence: Sequences
    targets: list[int]
    is_tagged: bool


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
            targets += [UNKNOWN] * len(comes)
            continue
        tags[start:end] = [DELETE] * (end - start)
        draft += [reader.blank] * len(comes)
        targets += comes
        if comes:
            tags[start] = DELETE + len(comes) if len(comes) <= LONGEST else UNKNOWN
    source = reader.source(passage)
    places = [UNKNOWN] * len(source.ids)
    for at, tag in zip(reader.firsts(passage), tags, strict=True):
        places[at] = tag
    lessons = [Lesson(source, places, True)]
    if reader.blank in draft:
        whole = reader.draft(passage, draft)
        lead = len(whole.ids) - len(draft) - 1
        lessons.append(Lesson(whole, [*[UNKNOWN] * lead, *targets, UNKNOWN], False))
    return [each for each in lessons if len(each.sequence.ids) <= MAX_TOKENS]


def masked_lesson(reader: Reader, text: str, share: float, rng: random.Random) -> Lesson:
    """A clean text with runs of words masked: how people put sentences together."""
    words = reader.pieces([word.of(text) for word in words_in(text)])[: MAX_TOKENS // 2]
    ids, targets = [reader.cls], [UNKNOWN]
    left = 0
    for pieces in words:
        if left == 0 and rng.random() < share / 1.5:
            left = rng.choice((1, 1, 2))
        goes = left > 0 and len(pieces) <= LONGEST
        ids += [reader.blank] * len(pieces) if goes else pieces
        targets += pieces if goes else [UNKNOWN] * len(pieces)
        left = max(0, left - 1)
    ids, targets = ids[: MAX_TOKENS - 1], targets[: MAX_TOKENS - 1]
    return Lesson(Sequences([*ids, reader.sep], [0] * (len(ids) + 1)), [*targets, UNKNOWN], False)


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
) -> None:
    """Train `editor` in place."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(schedule.seed)
    reader = Reader(editor.tokenizer)
    queue = list(_queue(reader, pairs, clean, schedule))
    encoder = list(editor.encoder.parameters())
    heads = [
        parameter
        for name, part in editor.parts().items()
        if name != "encoder"
        for parameter in part.parameters()
    ]
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder, "lr": schedule.rate, "weight_decay": 0.01},
            {"params": heads, "lr": 3 * schedule.rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    sums = {True: [0.0, 0], False: [0.0, 0]}
    for step, batch in enumerate(queue):
        pace = min((step + 1) / 200, (len(queue) - step) / len(queue) + 0.02)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * pace
        (_, ids, types, mask), targets = _tensors(batch)
        wanted = targets != UNKNOWN
        is_tagged = batch[0].is_tagged
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = editor.hidden(ids, types, mask)[wanted]
            logits = editor.tags(hidden) if is_tagged else editor.pieces(hidden)
        loss = cross_entropy(logits.float(), targets[wanted])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder, 1.0)
        optimizer.step()
        sums[is_tagged][0] += float(loss.detach())
        sums[is_tagged][1] += 1
        if step % 100 == 99 or step == len(queue) - 1:
            tag, fill = (total / max(1, n) for total, n in (sums[True], sums[False]))
            report(f"editor: step {step + 1} of {len(queue)}, tags {tag:.4f}, pieces {fill:.4f}")
            sums = {True: [0.0, 0], False: [0.0, 0]}


def _queue(
    reader: Reader, pairs: Sequence[Lesson], clean: Sequence[str], schedule: Schedule
) -> Iterator[list[Lesson]]:
    """Batches of one kind of lesson each, the kinds mixed."""
    rng = random.Random(schedule.seed)
    tagged = [each for each in pairs if each.is_tagged]
    filled = [each for each in pairs if not each.is_tagged]
    for turn in range(schedule.passes):
        masked = [
            masked_lesson(reader, text, schedule.masked, rng)
            for text in clean[turn :: schedule.passes]
        ]
        masked = [each for each in masked if any(t != UNKNOWN for t in each.targets)]
        groups = [
            group
            for lessons in (tagged, filled, masked)
            for group in batches(
                lessons,
                lambda each: len(each.sequence.ids),
                schedule.tokens,
                schedule.seed + turn,
            )
        ]
        rng.shuffle(groups)
        yield from groups


def _tensors(
    batch: Sequence[Lesson],
) -> tuple[tuple[list[int], Tensor, Tensor, Tensor], Tensor]:
    import torch

    ((rows, ids, types, mask),) = batched([each.sequence for each in batch], 1 << 30)
    targets = torch.full(ids.shape, UNKNOWN)
    for at, row in enumerate(rows):
        targets[at, : len(batch[row].targets)] = torch.tensor(batch[row].targets)
    return (rows, ids, types, mask), targets
