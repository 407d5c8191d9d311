"""Every registered step, built from parts small enough to build here.

A step is found by its line in the table of steps; a required setting of it is looked up by name
in `part`. A step with a setting of a new name needs one line there.
"""

from __future__ import annotations

import atexit
import inspect
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests import pretrained
from tests.endpoint import start_endpoint
from tests.fakes import Deleter, Replacer, WordAttributor, WordScorer
from tests.networks import tiny_editor, tiny_fluency, tiny_gaps, tiny_identifier
from trustydetox import embedded
from trustydetox.embedded.editor import load_editor
from trustydetox.embedded.fluency import load_fluency
from trustydetox.embedded.gaps import load_gaps
from trustydetox.embedded.guide import Guide, load_guide, load_marker, new_guide
from trustydetox.embedded.ngrams import NgramWeights, load_ngrams
from trustydetox.recipes import step_named
from trustydetox.steps.identifying import BagScorer
from trustydetox.steps.infilling import load_phrases, phrase_key
from trustydetox.steps.masking import Threshold
from trustydetox.steps.ranking import FEATURES
from trustydetox.steps.viewing import DetectionView, KnownWords

# Deleting each word in turn takes time by the square of the words; a path has many points.
LONGEST = {
    "leave-one-out": 200,
    "integrated-gradients": 500,
    **dict.fromkeys(("expert-divergence", "expert-fill", "expert-decode"), 200),
    **dict.fromkeys(("masked-lm", "seq2seq", "chat"), 200),
}


@cache
def folder() -> Path:
    """Where the pretrained models of this process are, until it ends."""
    made = Path(mkdtemp())
    atexit.register(shutil.rmtree, made)
    return made


# Steps with a `model` of their own -> that model.
MODELS: Mapping[str, Callable[[], str]] = {
    "classifier": lambda: pretrained.roberta_classifier(folder() / "roberta", ["clean", "toxic"]),
    "token-classifier": lambda: pretrained.bert_tagger(folder() / "tagger", ["clean", "toxic"]),
    "masked-lm": lambda: pretrained.bert_masked_lm(folder() / "bert"),
    "seq2seq": lambda: pretrained.bart(folder() / "bart"),
    **dict.fromkeys(("moderation", "guard", "chat"), lambda: "tiny"),
}


@cache
def part(name: str, weights: str) -> Any:
    """What a step's setting of this name gets; `weights`: `tiny` or `embedded`."""
    parts: dict[str, Callable[[], Any]] = {
        "guide": tiny_guide if weights == "tiny" else lambda: load_guide(embedded.FOLDER),
        "marker": tiny_guide if weights == "tiny" else lambda: load_marker(embedded.FOLDER),
        "identifier": tiny_identifier,
        "ngrams": (
            tiny_ngrams
            if weights == "tiny"
            else lambda: load_ngrams(embedded.FOLDER / "check.safetensors")
        ),
        "known": (
            tiny_known
            if weights == "tiny"
            else lambda: KnownWords.load(embedded.FOLDER / "known.words")
        ),
        "table": (
            tiny_table
            if weights == "tiny"
            else lambda: load_phrases(embedded.FOLDER / "phrases.json.gz")
        ),
        "editor": tiny_editor if weights == "tiny" else lambda: load_editor(embedded.FOLDER),
        "fluency": tiny_fluency if weights == "tiny" else lambda: load_fluency(embedded.FOLDER),
        "gaps": (
            tiny_gaps
            if weights == "tiny"
            else lambda: load_gaps(
                embedded.FOLDER / "gaps.safetensors", load_editor(embedded.FOLDER)
            )
        ),
        "ranks": lambda: dict.fromkeys(FEATURES, -0.5),
        "view": lambda: DetectionView(tiny_known()),
        "scorer": WordScorer,
        "scorers": lambda: (WordScorer(), WordScorer({"fool": 0.4})),
        "infiller": lambda: Replacer({"idiot": ("person", "fool")}),
        "attributor": WordAttributor,
        "attributors": lambda: (WordAttributor(), WordAttributor()),
        "infillers": lambda: (Deleter(), Replacer({"idiot": ("person", "fool")})),
        "labels": lambda: {"clean": "clean", "toxic": "toxic"},
        "path": recorded,
        "base": lambda: denoisers()[0],
        "experts": denoisers,
        "gate": lambda: BagScorer(tiny_identifier()),
        "limit": lambda: 0.5,
        "least": lambda: 0.5,
        "threshold": lambda: 0.5,
        "share": lambda: 0.5,
        "masker": lambda: Threshold(threshold=0.5),
        "spare": lambda: ("code", "quotation", "identity-terms", "counter-speech"),
    }
    return parts[name]()


def build(group: str, name: str, weights: str) -> Any:
    """The step with its required settings filled in."""
    make = step_named(group, name)
    parameters = inspect.signature(make).parameters
    required = [
        setting
        for setting, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    filled = {
        setting: MODELS[name]() if setting == "model" else part(setting, weights)
        for setting in required
        if setting != "url"
    }
    if "url" in parameters:
        filled["url"] = service()
    if "view" in parameters:
        filled["view"] = part("view", weights)
    return make(**filled)


def reads_weights(group: str, name: str) -> bool:
    """Whether the step is made of weights that the package brings."""
    try:
        make = step_named(group, name)
    except (AttributeError, ImportError):
        return False  # A line of the table that leads nowhere fails in tests of its own.
    own = {"guide", "marker", "ngrams", "known", "table", "editor", "fluency", "gaps"}
    return bool(own & inspect.signature(make).parameters.keys())


@cache
def service() -> str:
    """The url of an endpoint that answers as long as this process lives."""
    return start_endpoint().url


@cache
def denoisers() -> tuple[str, str]:
    """Two experts."""
    return pretrained.bart(folder() / "minus", 1), pretrained.bart(folder() / "plus", 2)


def recorded() -> str:
    """A file with the score of one text."""
    path = folder() / "scores.jsonl"
    path.write_text('{"text": "hello there", "toxicity": 0.125}\n', "utf-8")
    return str(path)


def tiny_known() -> KnownWords:
    """Four insults."""
    return KnownWords.of(["idiot", "stupid", "moron", "damn"])


def tiny_table() -> Mapping[str, Sequence[tuple[str, int]]]:
    """What people put for one insult."""
    return {phrase_key("idiot"): [("person", 3), ("", 2), ("fool", 1)]}


def tiny_guide() -> Guide:
    """A random encoder of one layer that reads letters."""
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), "idiot", "stupid", "word"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    config = {
        "vocab_size": len(pieces),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 128,
    }
    guide = new_guide(tokenizer, config, ("insult",))
    for network in (guide.encoder, guide.head):
        network.requires_grad_(False)
        network.training = False  # there is no dropout whose layers would have to know
    # Log-sum-exp over 126 tokens of about 0 is 4.8: calibrated back to the middle.
    return Guide(tokenizer, guide.encoder, guide.head, guide.labels, (1.0, 1.0), (-4.0, -4.0))


def tiny_ngrams() -> NgramWeights:
    """Random weights of 1,024 slots."""
    weights = numpy.random.default_rng(0).normal(size=1024).astype(numpy.float32)
    return NgramWeights(weights, 0.1, (2, 4))
