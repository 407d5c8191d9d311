"""Experts beside plain loops that compute the same: TMaRCo's, MaRCo's, one text at a time.

BART-base's shape with random weights: what they say means nothing, but the time it takes does, and
that both ways say the same is checked, beside a control that must not.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import rows
from benchmarks.results import Found
from benchmarks.timing import Spread, in_turns, ratio
from proof.bytepairs import byte_pairs
from trustydetox.recipes import load_recipe
from trustydetox.records import MaskedText
from trustydetox.spans import Span
from trustydetox.steps.diverging import ExpertDivergence
from trustydetox.steps.experts import Experts
from trustydetox.steps.filling import ExpertDecoder, ExpertInfiller
from trustydetox.steps.loading import accelerator

VOCABULARY = 50265
BUCKETS = ((10, 15), (16, 25), (26, 40))
"""Tokens of a text, both ends included, without the special ones."""

TOXIC = 0.05
"""Share of the texts of `whole` that are toxic."""

MASKED = 2
"""Pieces that are masked in each text that is filled: a word, more often than not."""


def divergence(texts: int) -> list[Found]:
    """Attribution by experts against TMaRCo's loop, by length; so many texts of each length."""
    with _shelf() as shelf:
        step = ExpertDivergence(shelf.base, shelf.experts, normalise=False)
        _require_same_scores(step, _of_length(step._experts, *BUCKETS[0], texts))
        timed = [_divergence(step, _of_length(step._experts, *b, texts)) for b in BUCKETS]
    names = [f"{low} to {high} pieces" for low, high in BUCKETS]
    both = [tuple(map(sum, zip(*(pair[at] for pair in timed), strict=True))) for at in (0, 1)]
    how = f"{texts} texts of each length, one thread; the same scores to 1e-5"
    return [
        Found(f"TMaRCo's loop against expert-divergence, {name}", "times the step's CPU time",
              ratio(loop, own), f">= {goal}", how)
        for name, (loop, own), goal in [
            *zip(names, timed, ("1.0",) * len(timed), strict=True), ("all together", both, "1.3")
        ]
    ]  # fmt: skip


def filling(texts: Sequence[int]) -> list[Found]:
    """Filling masks against a loop over texts and masks."""
    with _shelf() as shelf:
        filler = ExpertInfiller(shelf.base, shelf.experts, (-1.0, 2.0), candidates=1)
        return [_filling(filler, n, goal) for n, goal in zip(texts, ("2", "4"), strict=True)]


def writing() -> list[Found]:
    """Writing texts anew against a loop that forgets, piece by piece."""
    with _shelf() as shelf:
        return [
            _writing(ExpertDecoder(shelf.base, shelf.experts, longest=longest), goal)
            for longest, goal in ((8, ""), (12, ">= 3"), (24, ""))
        ]


def whole(texts: int) -> list[Found]:
    """Recipe `mini` against a classifier in front of TMaRCo: what each costs, not how well it does.

    The classifier has RoBERTa-base's shape and random weights too, so the rows that it lets through
    are those known to be toxic.
    """
    calm = [text for text in rows.short(2 * texts) if "idiot" not in text]
    several = int(TOXIC * texts)
    made = [*rows.toxic(several), *calm[: texts - several]]
    mini = load_recipe("mini")
    with _shelf() as shelf:
        gate = _classifier(shelf)
        divergence_of = ExpertDivergence(shelf.base, shelf.experts)
        filler = ExpertInfiller(shelf.base, shelf.experts, (-1.0, 2.0), candidates=1)

        def peer() -> None:
            gate(made)
            for text in made[:several]:
                _loop(divergence_of._experts, text)
                _fill_loop(filler, text)

        timings = in_turns({"peer": peer, "mini": lambda: list(mini.run(made))}, repeats=3)
    return [
        Found("a RoBERTa gate, then TMaRCo's loop, against recipe mini", "times mini's CPU time",
              ratio(timings["peer"].cpu, timings["mini"].cpu), ">= 10",
              f"{texts} texts, {TOXIC:.0%} toxic, experts of BART-base's shape (TMaRCo's own are of"
              " BART-large's, about three times the work); cost alone: the weights are random",
              timings["mini"].load)
    ]  # fmt: skip


def memory() -> list[Found]:
    """Memory that weighing a text of 500 pieces takes above that of a short one."""
    with _shelf(layers=1) as shelf:
        done = subprocess.run(
            [sys.executable, "-c", _LONG, shelf.base, *shelf.experts],
            capture_output=True,
            text=True,
            check=True,
        )
    return [
        Found("peak memory that a text of 500 pieces takes above one of 5", "MiB",
              Spread.of([int(done.stdout) / 1024]), "<= 2048",
              "two experts of BART-base's width and vocabulary, one layer each: memory doesn't grow"
              " with layers but for the weights; all logits at once would be 50 GB")
    ]  # fmt: skip


_LONG = """
import sys, torch
from pathlib import Path
from benchmarks.machine import peak_kib
from trustydetox.steps.diverging import ExpertDivergence
torch.set_num_threads(1)
step = ExpertDivergence(sys.argv[1], sys.argv[2:])
step.by_piece(["a b c"])
Path("/proc/self/clear_refs").write_text("5")  # else the peak is that of loading
before = peak_kib()
[weights] = step.by_piece(["a" + " b" * 499])
assert len(weights) >= 499, len(weights)
print(peak_kib() - before)
"""


@dataclass(frozen=True)
class _Shelf:
    """Folders of networks of random weights that share a tokenizer."""

    base: str
    experts: tuple[str, str]
    classifier: str


@contextmanager
def _shelf(layers: int = 6) -> Iterator[_Shelf]:
    from transformers import (
        BartConfig,
        BartForConditionalGeneration,
        RobertaConfig,
        RobertaForSequenceClassification,
    )

    # Pieces of what the bundled rows teach are shorter than BART's: the same work per piece.
    tokenizer = byte_pairs(rows.bundled(400), 4000, 1024)
    special: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    bart = BartConfig(
        vocab_size=VOCABULARY, d_model=768, encoder_layers=layers, decoder_layers=layers,
        encoder_ffn_dim=3072, decoder_ffn_dim=3072, encoder_attention_heads=12,
        decoder_attention_heads=12, decoder_start_token_id=2, **special,
    )  # fmt: skip
    roberta = RobertaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=514, type_vocab_size=1, **special
    )
    with TemporaryDirectory() as folder:
        made = {"base": 0, "toxic": 1, "harmless": 2}
        for name, seed in made.items():
            _save(BartForConditionalGeneration, bart, seed, Path(folder) / name, tokenizer)
        _save(RobertaForSequenceClassification, roberta, 3, Path(folder) / "gate", tokenizer)
        base, toxic, harmless, gate = (str(Path(folder) / each) for each in (*made, "gate"))
        yield _Shelf(base, (toxic, harmless), gate)


def _save(architecture: Any, config: Any, seed: int, folder: Path, tokenizer: Any) -> None:
    import torch

    torch.manual_seed(seed)
    architecture(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _of_length(experts: Experts, low: int, high: int, n: int) -> list[str]:
    """Beginnings of bundled rows, of lengths spread evenly from `low` to `high` pieces."""
    found: list[str] = []
    for text in rows.bundled(400):
        wanted = low + (high - low) * len(found) // max(1, n - 1)
        offsets = experts.tokenizer.encode(text).offsets[1:-1]
        if len(offsets) > wanted:
            cut = text[: offsets[wanted - 1][1]]
            if low <= len(experts.tokenizer.encode(cut).ids) - 2 <= high:
                found.append(cut)
        if len(found) == n:
            return found
    raise ValueError(f"expected {n} texts of {low} to {high} pieces, found {len(found)}")


def _divergence(
    step: ExpertDivergence, texts: list[str]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """CPU seconds of the loop and of the step, repeat by repeat."""
    works = {
        "loop": lambda: [_loop(step._experts, text) for text in texts],
        "step": partial(step.by_piece, texts),
    }
    timings = in_turns(works, repeats=3)
    return timings["loop"].cpu, timings["step"].cpu


def _require_same_scores(step: ExpertDivergence, texts: list[str]) -> None:
    found = step.by_piece(texts)
    apart, shifted = (
        _furthest([_loop(step._experts, text, shift) for text in texts], found) for shift in (0, 1)
    )
    if not apart < 1e-5 < 1e-3 < shifted:
        raise AssertionError(f"scores differ by {apart:.1g}, by {shifted:.1g} off by one")


def _furthest(one: list[list[float]], other: list[list[float]]) -> float:
    return max(
        abs(a - b)
        for several, others in zip(one, other, strict=True)
        for a, b in zip(several, others, strict=True)
    )


def _loop(experts: Experts, text: str, shift: int = 0) -> list[float]:
    """As TMaRCo's `score`: all masks of one text in a batch, every logit of every position."""
    import torch
    from scipy.spatial.distance import jensenshannon

    ids = experts.tokenizer.encode(text).ids
    masked = torch.tensor([ids] * (len(ids) - 2))
    places = torch.arange(1, len(ids) - 1)
    masked[torch.arange(len(places)), places] = experts.blank
    shares = []
    for voice in experts.voices:
        logits = _logits(voice.network, masked)[torch.arange(len(places)), places + shift]
        shares.append(logits.double().softmax(-1).cpu().numpy())
    return [float(jensenshannon(*pair)) for pair in zip(*shares, strict=True)]


def _logits(network: Any, ids: Any, given: Any = None) -> Any:
    import torch

    ids = ids.to(network.device)
    if given is None:
        start = torch.full_like(ids[:, :1], network.config.decoder_start_token_id)
        given = torch.cat([start, ids[:, :-1]], dim=1)
    with torch.inference_mode():
        return network(input_ids=ids, decoder_input_ids=given, use_cache=False).logits


def _places(experts: Experts, text: str) -> tuple[list[int], list[int]]:
    ids = experts.tokenizer.encode(text).ids
    middle = len(ids) // 2
    return ids, list(range(middle, middle + MASKED))


def _fill_loop(step: ExpertInfiller, text: str, *, are_on: bool = True) -> list[int]:
    """As TMaRCo's `rephrase`: the base once, then a pass of each expert for each mask."""
    import torch

    experts = step._experts
    ids, places = _places(experts, text)
    filled = list(ids)
    base = _logits(experts.base.network, torch.tensor([ids]))[0]
    for at, place in enumerate(places):
        rest = [
            experts.blank if p in places[at + 1 :] else ids[p] for p in range(place + 1, len(ids))
        ]
        row = torch.tensor([[*filled[:place], experts.blank, *rest]])
        total = base[place].clone()
        for weight, voice in zip(step.weights, experts.voices, strict=True):
            if are_on:
                total += weight * _logits(voice.network, row)[0, place]
        total[list(experts.special)] = -torch.inf
        filled[place] = int(total.argmax())
    return filled


def _filling(step: ExpertInfiller, n: int, goal: str) -> Found:
    texts = _of_length(step._experts, 10, 40, n)
    masked = [_masked(step._experts, text) for text in texts]
    few = texts[:10]
    found = [step.fill(*_places(step._experts, text)) for text in few]
    if [_fill_loop(step, text) for text in few] != found:
        raise AssertionError("the step and the loop fill in other pieces")
    if [_fill_loop(step, text, are_on=False) for text in few] == found:
        raise AssertionError("with the experts off the same is filled in: nothing is compared")
    loop = partial(_each, partial(_fill_loop, step), texts)
    timings = in_turns({"loop": loop, "step": partial(step.infill, masked)}, repeats=3)
    return Found(
        f"a loop over masks against expert-fill, {n} texts", "times the step's CPU time",
        ratio(timings["loop"].cpu, timings["step"].cpu), f">= {goal}",
        f"{MASKED} pieces of each text of 10 to 40; {len(few)} of {len(few)} filled alike, experts"
        " off not", timings["step"].load,
    )  # fmt: skip


def _each(work: Any, texts: Sequence[str]) -> list[Any]:
    return [work(text) for text in texts]


def _masked(experts: Experts, text: str) -> MaskedText:
    _, places = _places(experts, text)
    offsets = experts.tokenizer.encode(text).offsets
    start, end = offsets[places[0]][0], offsets[places[-1]][1]
    start += text[start:end].startswith(" ")
    return MaskedText(text, (Span(start, end),))


def _writing(step: ExpertDecoder, goal: str) -> Found:
    texts = _of_length(step._experts, 25, 25, 8)
    originals, collapsed = [], []
    for text in texts:
        ids, places = _places(step._experts, text)
        originals.append(ids)
        collapsed.append([*ids[: places[0]], step._experts.blank, *ids[places[-1] + 1 :]])
    written = [ids for ids, _ in step.write(originals, collapsed)]
    if _write_loop(step, originals, collapsed) != written:
        raise AssertionError("the step and the loop write other pieces")
    if _write_loop(step, originals, collapsed, (0.0, 0.0)) == written:
        raise AssertionError("with the experts off the same is written: nothing is compared")
    timings = in_turns(
        {
            "loop": lambda: _write_loop(step, originals, collapsed),
            "step": lambda: step.write(originals, collapsed),
        },
        repeats=3,
    )
    return Found(
        f"MaRCo's decoding without memory against expert-decode, {step.longest} pieces",
        "times the step's CPU time", ratio(timings["loop"].cpu, timings["step"].cpu), goal,
        "8 texts of 25 pieces in a batch; same pieces written, experts off others",
        timings["step"].load,
    )  # fmt: skip


def _write_loop(
    step: ExpertDecoder,
    originals: list[list[int]],
    collapsed: list[list[int]],
    weights: Sequence[float] | None = None,
) -> list[list[int]]:
    """As MaRCo's `gen`: all networks read and write everything anew for each piece.

    All texts are of one length, so nothing is padded; one that has ended is written on with others.
    """
    import torch

    experts = step._experts
    config = experts.voices[0].network.config
    starts = [[config.decoder_start_token_id, config.bos_token_id]] * len(originals)
    device = experts.voices[0].network.device
    given, first, others = (
        torch.tensor(each, device=device) for each in (starts, originals, collapsed)
    )
    never = [each for each in experts.special if each != config.eos_token_id]
    for _ in range(step.longest):
        base = _logits(experts.base.network, first, given)[:, -1]
        total = step.base_weight * base / step.temperature
        for weight, voice in zip(weights or step.weights, experts.voices, strict=True):
            total = total + weight * _logits(voice.network, others, given)[:, -1]
        total[:, never] = -torch.inf
        given = torch.cat([given, total.argmax(-1, keepdim=True)], dim=1)
    return [_ended(row[2:], config.eos_token_id) for row in given.tolist()]


def _ended(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids


def _classifier(shelf: _Shelf) -> Any:
    """Scores texts in batches of 32, padded, as a plain pipeline does."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shelf.classifier)
    model = AutoModelForSequenceClassification.from_pretrained(shelf.classifier).eval()
    model.to(accelerator())

    def score(texts: Sequence[str]) -> None:
        for start in range(0, len(texts), 32):
            batch = tokenizer(
                list(texts[start : start + 32]), padding=True, truncation=True, return_tensors="pt"
            ).to(model.device)
            with torch.inference_mode():
                model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])

    return score
