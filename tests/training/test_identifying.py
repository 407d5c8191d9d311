from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.networks import tiny_identifier, tiny_tokenizer
from trustydetox.embedded.identifier import (
    Identifier,
    load_identifier,
    new_identifier,
    save_identifier,
)
from trustydetox.errors import ModelError
from trustydetox.steps.identifying import BagScorer
from trustydetox.training.examples import Example
from trustydetox.training.guiding import class_weights
from trustydetox.training.identifying import (
    Schedule,
    export_onnx,
    export_torchscript,
    train_identifier,
)

INSULTS = ("idiot", "stupid", "shut up")
PRAISE = ("nice", "very good", "a cat", "people", "so much love")
STARTS = ("you are", "they are", "what an", "it is", "was it", "some people are", "we all go and")
PROBES = ("I love you so much", "go away, you idiot", "shut up, stupid", "you are an idiot")


def example(text: str, toxic: float) -> Example:
    return Example(text, "own", text, toxic)


EXAMPLES = [
    *(example(f"{start} {insult}", 1.0) for start in STARTS for insult in INSULTS),
    *(example(f"{start} {praise}", 0.0) for start in STARTS for praise in PRAISE),
]
SCHEDULE = Schedule(passes=20, rate=0.02, dropout=0.1, tokens=64)


def trainable(seed: int = 0) -> Identifier:
    return new_identifier(tiny_tokenizer(), 16, (16, 8), seed)


def scores(identifier: Identifier, texts: tuple[str, ...]) -> list[float]:
    return [score.overall for score in BagScorer(identifier).score(texts)]


def test_training_changes_every_parameter_and_the_loss_falls() -> None:
    identifier = trainable()
    before = [p.clone() for p in (*identifier.bag.parameters(), *identifier.layers.parameters())]
    lines: list[str] = []
    train_identifier(identifier, EXAMPLES, EXAMPLES, SCHEDULE, lines.append)
    after = [*identifier.bag.parameters(), *identifier.layers.parameters()]
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    losses = [float(line.split()[3].rstrip(",")) for line in lines]
    assert losses[-1] < losses[0] / 2


def test_the_probe_that_is_kind_ranks_below_the_three_that_are_not() -> None:
    kind, *others = scores(
        train_identifier(trainable(), EXAMPLES, EXAMPLES, SCHEDULE, lambda line: None), PROBES
    )
    assert kind < min(others)


def test_an_untrained_identifier_does_not_rank_the_probes_for_every_seed() -> None:
    ranked = [
        min(found[1:]) > found[0] for found in (scores(trainable(s), PROBES) for s in range(9))
    ]
    assert not all(ranked)


def test_padding_and_the_neighbours_of_a_text_count_for_nothing() -> None:
    identifier = tiny_identifier()
    ids = identifier.tokenizer.encode("you idiot", add_special_tokens=False).ids
    padded = torch.tensor([*ids, identifier.padding, identifier.padding, *ids])
    first, second = identifier.logits(padded, torch.tensor([0, len(ids) + 2])).tolist()
    assert first == pytest.approx(second, abs=1e-6)
    other = identifier.logits(padded + (padded == ids[0]).long(), torch.tensor([0, len(ids) + 2]))
    assert other.tolist()[0] != pytest.approx(first, abs=1e-6)


def test_a_tokenizer_without_a_pad_token_gets_a_row_of_its_own() -> None:
    tokenizer = tiny_tokenizer()
    assert new_identifier(tokenizer, 4, ()).padding == 0
    from tokenizers import Tokenizer, models

    bare = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    found = new_identifier(bare, 4, ())
    assert (found.padding, found.bag.num_embeddings) == (2, 3)


def test_both_classes_weigh_the_same_in_all() -> None:
    clean, toxic = class_weights([example("a", 1.0), *(example(t, 0.0) for t in "bcd")])
    assert [clean, toxic] == pytest.approx([2 / 3, 2.0])


def test_an_identifier_is_read_as_it_was_written(tmp_path: Path) -> None:
    identifier = replace(tiny_identifier(), scale=2.0, shift=-0.5)
    save_identifier(identifier, tmp_path)
    read = load_identifier(tmp_path)
    assert scores(read, PROBES) == pytest.approx(scores(identifier, PROBES), abs=2e-3)
    assert scores(replace(read, shift=1.0), PROBES) != pytest.approx(scores(read, PROBES), abs=2e-3)
    (tmp_path / "identifier.safetensors").unlink()
    with pytest.raises(ModelError, match="identifier"):
        load_identifier(tmp_path)


def padded(identifier: Identifier, texts: tuple[str, ...]) -> torch.Tensor:
    rows = [identifier.tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [identifier.padding] * (longest - len(row)) for row in rows])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_the_torchscript_file_gives_the_same_probabilities(tmp_path: Path) -> None:
    identifier = tiny_identifier()
    export_torchscript(identifier, tmp_path / "identifier.pt")
    found = torch.jit.load(tmp_path / "identifier.pt")(padded(identifier, PROBES)).tolist()
    assert found == pytest.approx(scores(identifier, PROBES), abs=1e-5)
    assert found != pytest.approx(scores(tiny_identifier(1), PROBES), abs=1e-5)


@pytest.mark.needs("onnxruntime")
def test_the_onnx_file_gives_the_same_probabilities(tmp_path: Path) -> None:
    from onnxruntime import InferenceSession

    identifier = tiny_identifier()
    export_onnx(identifier, tmp_path / "identifier.onnx")
    session = InferenceSession(str(tmp_path / "identifier.onnx"))
    (found,) = session.run(None, {"ids": padded(identifier, PROBES).numpy()})
    assert found.tolist() == pytest.approx(scores(identifier, PROBES), abs=1e-5)
    assert found.tolist() != pytest.approx(scores(tiny_identifier(1), PROBES), abs=1e-5)
