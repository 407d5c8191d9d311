"""The matched experiment: one base, one set of rows, and what was done to them the only difference.

Every arm has the same base, seed, steps, tokens per step and settings:

- `raw`: the rows as they came;
- `filtered`: without the rows that hold a toxic text;
- `size-matched`: filtered, and filled up with clean rows of a reserve to as many as raw has;
- `delete-only`: toxic spans deleted, no checks;
- `random-edit`: what `detoxed` took out and put in, at random places of the same texts;
- `detoxed`: the recipe.

`delete-only` asks whether rewriting is worth more than deleting, `random-edit` whether it matters
where one edits, `size-matched` whether it matters that the rows are kept.
"""

from __future__ import annotations

import copy
import gc
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from trustydetox.corpus import Cleaned
from trustydetox.corpus.choosing import Chosen, choose, roles_in
from trustydetox.corpus.datasets.cleaning import clean_with
from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.records import (
    Attribution,
    Finding,
    MaskedText,
    Record,
    Rewrite,
    Toxicity,
    Verdict,
)
from trustydetox.roles import Infiller, Masker, Scorer, SteadyMasker
from trustydetox.spans import Edit, Span
from trustydetox.steps.infilling import Delete
from trustydetox.training.sft.finetuning import Say, silent, train
from trustydetox.training.sft.preflight import check_merge
from trustydetox.training.sft.settings import SftSettings

ARMS: tuple[str, ...] = (
    "raw",
    "filtered",
    "size-matched",
    "delete-only",
    "random-edit",
    "detoxed",
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Arm:
    """Rows to train on, and what was done to get them."""

    name: str
    rows: Any
    facts: dict[str, Any]


@dataclass(frozen=True)
class Unchecked:
    """All but the attributor of a pipeline that takes what its infiller proposes as it is.

    A pipeline takes no candidate that its scorer finds toxic. Here that would make the arms that
    ask what checks are worth into arms with a check, so what was proposed counts as clean: as a
    whole, wherefore it doesn't say what its masker keeps.
    """

    scorer: Scorer
    masker: Masker
    infiller: Infiller
    name: str = "unchecked"
    _proposed: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def pipeline(cls, detoxifier: Detoxifier, infiller: Infiller) -> Detoxifier:
        """The same gate and masks, and whatever this infiller puts in their place."""
        made = cls(detoxifier.scorer, detoxifier.masker, infiller)
        return replace(detoxifier, scorer=made, masker=made, infiller=made, checks=(made,))

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        """Toxicity of texts that nobody proposed."""
        return [
            Toxicity(0.0) if text in self._proposed else score
            for text, score in zip(texts, self.scorer.score(texts), strict=True)
        ]

    def mask(self, attribution: Attribution, /) -> MaskedText:
        """What the masker masks."""
        return self.masker.mask(attribution)

    def is_near_tie(self, attribution: Attribution, margin: float, /) -> bool:
        """What the masker says; True where it can't say."""
        if not isinstance(self.masker, SteadyMasker):
            return True
        return self.masker.is_near_tie(attribution, margin)

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """What the infiller proposes."""
        proposals = self.infiller.infill(masked)
        self._proposed.update(one.text for each in proposals for one in each)
        return proposals

    def check(self, rewrites: Sequence[Rewrite], /) -> list[Finding]:
        """One passed finding per candidate."""
        return [Finding(self.name, True, 0.0, 0.0) for _ in rewrites]


@dataclass(frozen=True)
class Nothing:
    """An infiller without candidates: whatever is toxic falls back."""

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """No candidate per masked text."""
        return [() for _ in masked]


@dataclass(frozen=True)
class Elsewhere:
    """An infiller with the edits that a recipe would make, moved to random places of the text.

    As many edits, each over as many words, with the same replacements; none where the recipe finds
    none, so the same rows fall back. Places depend on the text and the seed alone.
    """

    detoxifier: Detoxifier
    seed: int

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """At most one candidate per masked text."""
        keeping = replace(self.detoxifier, fallback="keep")
        return [
            (_moved(record, Random(f"{self.seed} {record.original}")),)
            if record.verdict is Verdict.REWRITTEN
            else ()
            for record in keeping.run([one.text for one in masked])
        ]


def make_arms(
    settings: SftSettings,
    names: Sequence[str] = ARMS,
    *,
    reserve: Any = None,
    seed: int = 0,
    say: Say = silent,
) -> list[Arm]:
    """The rows of each arm; `reserve` are further rows, from which `size-matched` is filled up."""
    for name in names:
        if name not in ARMS:
            raise ConfigError(f"no arm is called {name!r}{did_you_mean(name, ARMS)}")
    if "size-matched" in names and reserve is None:
        raise ConfigError("arm 'size-matched' is filled up from a reserve of rows: give one")
    chosen = settings.detox.chosen()
    rows = settings.training_rows(settings.rows())
    made = []
    for name in names:
        say(f"rows of arm {name}")
        made.append(_arm(name, rows, reserve, chosen, settings, seed))
    return made


def train_arms(
    settings: SftSettings,
    names: Sequence[str] = ARMS,
    *,
    seeds: int,
    reserve: Any = None,
    merge: bool = True,
    say: Say = silent,
) -> list[Path]:
    """The folders `output_dir/ARM/seed-N`, each as `train sft` leaves one.

    Matched by steps, so `max_steps` must be given; rows are packed, so that a step has the same
    number of tokens in every arm, but for the last of an epoch. An arm that is done is left
    alone, one that was begun is gone on with.
    """
    if settings.args.max_steps < 1:
        raise ConfigError("arms are matched by their number of steps: give max_steps")
    if settings.args.eval_strategy != "no":
        raise ConfigError(
            "arms hold no rows back: set eval_strategy to no, and measure them with evaluate model"
        )
    if merge:
        check_merge(settings.lora)
    out = Path(settings.args.output_dir)
    arms = make_arms(settings, names, reserve=reserve, say=say)
    # What cleaned is gone before the base comes.
    gc.collect()
    folders = []
    for seed in range(seeds):
        for arm in arms:
            say(f"arm {arm.name}, seed {seed}")
            own = _settings_of(settings, out / arm.name / f"seed-{seed}", seed)
            folders.append(train(own, arm.rows, arm.facts, merge=merge, say=say))
    return folders


def _arm(
    name: str, rows: Any, reserve: Any, chosen: Chosen, settings: SftSettings, seed: int
) -> Arm:
    if name == "raw":
        return Arm(name, rows, {"arm": name, "detox": None})
    detoxifier = chosen.detoxifier
    if name in {"filtered", "size-matched"}:
        detoxifier = replace(detoxifier, infiller=Nothing(), fallback="drop")
    elif name == "delete-only":
        detoxifier = Unchecked.pipeline(detoxifier, Delete())
    elif name == "random-edit":
        detoxifier = Unchecked.pipeline(detoxifier, Elsewhere(detoxifier, seed))
    cleaned = _cleaned(rows, detoxifier, settings)
    kept = cleaned.dataset
    if name == "size-matched":
        kept = _filled(kept, _cleaned(reserve, detoxifier, settings).dataset, len(rows))
    facts = {
        "recipe": dict(chosen.recipe),
        "policy": settings.detox.detox_policy,
        "models": dict(chosen.models),
        "counts": asdict(cleaned.counts),
    }
    return Arm(name, kept, {"arm": name, "detox": facts})


def _cleaned(rows: Any, detoxifier: Detoxifier, settings: SftSettings) -> Cleaned:
    detox = settings.detox
    return clean_with(
        choose(detoxifier, None, None),
        detox.rules,
        rows,
        fields=detox.detox_fields,
        roles=roles_in(detox.detox_roles),
    )


def _filled(kept: Any, reserve: Any, wanted: int) -> Any:
    from datasets import concatenate_datasets

    missing = wanted - len(kept)
    if missing > len(reserve):
        raise InputError(
            f"arm 'size-matched' lacks {missing} rows, and the reserve has only {len(reserve)} "
            "clean ones"
        )
    return concatenate_datasets([kept, reserve.select(range(missing))]) if missing else kept


def _settings_of(settings: SftSettings, out: Path, seed: int) -> SftSettings:
    args = copy.copy(settings.args)
    args.output_dir, args.seed = str(out), seed
    args.packing, args.packing_strategy = True, "wrapped"
    return replace(settings, args=args)


def _moved(record: Record, random: Random) -> Rewrite:
    """The record's edits over as many words each, at places that don't overlap."""
    text = record.original
    words = [Span(*match.span()) for match in _WORD.finditer(text)]
    sizes = [
        max(1, sum(word.start < edit.span.end and edit.span.start < word.end for word in words))
        for edit in record.edits
    ]
    order = random.sample(range(len(sizes)), len(sizes))
    # The words that stay are shared out at random before, between and after the edited runs.
    free = max(0, len(words) - sum(sizes))
    cuts = sorted(random.randint(0, free) for _ in sizes)
    edits: list[Edit] = []
    used = 0
    for one, cut in zip(order, cuts, strict=True):
        run = words[cut + used : cut + used + sizes[one]]
        used += sizes[one]
        if run:
            replacement = record.edits[one].replacement
            edits.append(Edit(_spaced(text, run, deleted=not replacement), replacement))
    return Rewrite(text, tuple(edits))


def _spaced(text: str, run: Sequence[Span], *, deleted: bool) -> Span:
    """From the first word to the last; what is deleted takes the space before it along."""
    start, end = run[0].start, run[-1].end
    return Span(start - (deleted and text[start - 1 : start] == " "), end)
