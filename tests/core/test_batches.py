"""What a record says depends neither on the batch size nor on the neighbours of its text.

The steps here are off by a noise that changes with the whole batch, as a model's floats do. Each
law has a control: the same run with the recomputing switched off, whose records differ.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from tests.fakes import (
    NoisyAttributor,
    NoisyCheck,
    NoisyScorer,
    Replacer,
    SteadyWordMasker,
    WordAttributor,
    WordMasker,
    WordScorer,
    WordsKept,
    detoxifier,
)
from trustydetox import detoxifier as pipeline
from trustydetox.detoxifier import Detoxifier, is_unsettled
from trustydetox.records import Attribution, Finding, Record, Toxicity

# On, and less than the noise off, the threshold of 0.5, the mask's limit of 0.3, a border between
# numbers of four digits, and one another.
WEIGHTS = {
    "idiot": 0.5,
    "moron": 0.49998,
    "fool": 0.50003,
    "clown": 0.29998,
    "twit": 0.30002,
    "damn": 0.123450001,
    "crap": 0.123449999,
    "mild": 0.4,
    "meek": 0.39998,
}
SOFTER = {
    "idiot": ("mild damn", "meek damn", "meek", "person"),
    "moron": ("meek crap", "mild crap", "mild", "person"),
    "fool": ("clown", "twit", "person"),
    "clown": ("damn", "crap", "person"),
    "twit": ("crap", "damn"),
    "mild": ("damn", "crap"),
    "meek": ("crap", "damn", "person"),
}
SIZES = (2, 7, 32)


def texts() -> list[str]:
    pairs = [" ".join(pair) for pair in product(WEIGHTS, repeat=2)]
    mixed = [*WEIGHTS, *pairs, *(f"you {word} there" for word in WEIGHTS), "", "hello you"]
    random.Random(0).shuffle(mixed)
    return mixed


def noisy(noise: float, *, limit: float = 0.6, steady: bool = True) -> Detoxifier:
    return detoxifier(
        scorer=NoisyScorer(WordScorer(WEIGHTS), noise),
        attributor=NoisyAttributor(WordAttributor(WEIGHTS), noise),
        masker=SteadyWordMasker() if steady else WordMasker(),
        infiller=Replacer(SOFTER),
        checks=[NoisyCheck(WordsKept(limit), noise)],
        fallback="redact",
    )


def decided(record: Record) -> tuple[Any, ...]:
    """What was chosen, without the numbers."""
    return (
        record.original,
        record.verdict,
        record.reason,
        record.output,
        record.edits,
        record.masked and record.masked.masked,
        [(finding.check, finding.passed) for finding in record.findings],
    )


def written(record: Record) -> tuple[Any, ...]:
    """What a file would say: the choices, and the numbers with four digits."""
    return (
        *decided(record),
        f"{record.toxicity.overall:.4g}",
        record.toxicity_after and f"{record.toxicity_after.overall:.4g}",
        [f"{finding.value:.4g}" for finding in record.findings],
    )


def test_choices_are_the_same_in_batches_of_any_size() -> None:
    run = noisy(1e-3).run
    alone = [decided(record) for record in run(texts(), batch_size=1)]
    for size in SIZES:
        assert [decided(record) for record in run(texts(), batch_size=size)] == alone


def test_without_a_dead_band_choices_change_with_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "TIE", 0.0)
    run = noisy(1e-3).run
    alone = [decided(record) for record in run(texts(), batch_size=1)]
    for size in SIZES:
        assert [decided(record) for record in run(texts(), batch_size=size)] != alone


def test_written_numbers_are_the_same_in_batches_of_any_size() -> None:
    run = noisy(9e-6).run
    alone = [written(record) for record in run(texts(), batch_size=1)]
    for size in SIZES:
        assert [written(record) for record in run(texts(), batch_size=size)] == alone


def test_without_a_band_at_rounding_borders_written_numbers_change_with_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "ROUNDING", -1.0)
    run = noisy(9e-6).run
    alone = [written(record) for record in run(texts(), batch_size=1)]
    assert [written(record) for record in run(texts(), batch_size=32)] != alone


def test_choices_do_not_depend_on_the_neighbours() -> None:
    run = noisy(1e-3).run
    forth = [decided(record) for record in run(texts(), batch_size=32)]
    back = [decided(record) for record in run(texts()[::-1], batch_size=32)]
    assert back == forth[::-1]


def test_a_masker_that_cannot_tell_ties_gets_each_text_alone() -> None:
    run = noisy(1e-3, steady=False).run
    alone = [decided(record) for record in run(texts(), batch_size=1)]
    assert [decided(record) for record in run(texts(), batch_size=32)] == alone


def test_a_masker_that_tells_ties_and_is_not_believed_masks_differently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SteadyWordMasker, "is_near_tie", lambda self, attribution, margin: False)
    run = noisy(1e-3).run
    alone = [decided(record) for record in run(texts(), batch_size=1)]
    assert [decided(record) for record in run(texts(), batch_size=32)] != alone


def found(detoxifier: Detoxifier, size: int) -> list[Any]:
    batch = texts()
    windows = [batch[start : start + size] for start in range(0, len(batch), size)]
    return [
        (
            one.text,
            f"{one.toxicity.overall:.4g}",
            {label: f"{value:.4g}" for label, value in one.toxicity.by_label.items()},
            one.masked and (one.masked.masked, [f"{w:.4g}" for w in one.masked.weights]),
        )
        for window in windows
        for one in detoxifier.find(window)
    ]


def test_a_scan_writes_the_same_in_windows_of_any_size() -> None:
    alone = found(noisy(9e-6), 1)
    for size in SIZES:
        assert found(noisy(9e-6), size) == alone


def test_a_scan_without_a_band_at_rounding_borders_changes_with_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "ROUNDING", -1.0)
    assert found(noisy(9e-6), 32) != found(noisy(9e-6), 1)


@dataclass(frozen=True)
class Counting:
    """A scorer, and the sizes of the batches that it was given."""

    values: dict[str, Toxicity]
    sizes: list[int] = field(default_factory=list)

    def score(self, texts: Sequence[str], /) -> list[Toxicity]:
        self.sizes.append(len(texts))
        return [self.values[text] for text in texts]


def test_settled_scores_are_not_computed_again() -> None:
    scorer = Counting({"a": Toxicity(0.1), "b": Toxicity(0.2)})
    list(detoxifier(scorer=scorer).run(["a", "b"]))
    assert scorer.sizes == [2]


def test_a_score_on_the_threshold_is_computed_again_alone() -> None:
    scorer = Counting({"a": Toxicity(0.4985), "b": Toxicity(0.2)})
    list(detoxifier(scorer=scorer).run(["a", "b"]))
    assert scorer.sizes == [2, 1]


def test_a_text_that_is_alone_already_is_not_scored_twice() -> None:
    scorer = Counting({"a": Toxicity(0.4985)})
    list(detoxifier(scorer=scorer).run(["a"]))
    assert scorer.sizes == [1]


def test_labels_on_a_rounding_border_are_computed_again_only_where_a_scan_writes_them() -> None:
    values = {"a": Toxicity(0.1, {"insult": 0.12345}), "b": Toxicity(0.1, {"insult": 0.1})}
    run, scan = Counting(values), Counting(values)
    list(detoxifier(scorer=run).run(["a", "b"]))
    detoxifier(scorer=scan).find(["a", "b"])
    assert (run.sizes, scan.sizes) == ([2], [2, 1])


def test_two_candidates_near_a_tie_are_compared_alone() -> None:
    """The batch says the second is milder; alone, it is not."""

    @dataclass(frozen=True)
    class Biased:
        def score(self, texts: Sequence[str], /) -> list[Toxicity]:
            alone = {"idiot": 0.9, "idiot x": 0.9, "fool": 0.6, "clown": 0.601, "end": 0.0}
            shift = {"clown": 0.002} if len(texts) > 1 else {}
            return [
                Toxicity(alone.get(text.split(" ")[0], 0.0) - shift.get(text, 0.0))
                for text in texts
            ]

    infiller = Replacer({"idiot": ("fool", "clown"), "fool": ("end",), "clown": ("stop",)})
    weights = {"idiot": 0.9, "fool": 0.6, "clown": 0.6}
    run = detoxifier(scorer=Biased(), attributor=WordAttributor(weights), infiller=infiller).run
    # A neighbour with as many candidates keeps every batch at two.
    records = list(run(["idiot", "idiot x"], batch_size=2))
    assert records[0].output == "end"


def test_attributions_far_from_a_tie_are_made_together() -> None:
    sizes: list[int] = []

    @dataclass(frozen=True)
    class Counted:
        def attribute(self, texts: Sequence[str], /) -> list[Attribution]:
            sizes.append(len(texts))
            return WordAttributor().attribute(texts)

    parts: dict[str, Any] = {"attributor": Counted()}
    list(detoxifier(masker=SteadyWordMasker(), **parts).run(["idiot", "moron"]))
    assert sizes == [2]
    sizes.clear()
    list(detoxifier(masker=SteadyWordMasker(limit=0.801), **parts).run(["idiot", "moron"]))
    assert sizes == [2, 1]
    sizes.clear()
    list(detoxifier(masker=SteadyWordMasker(limit=0.801), **parts).run(["moron"]))
    assert sizes == [1]
    sizes.clear()
    list(detoxifier(masker=WordMasker(), **parts).run(["idiot", "moron"]))
    assert sizes == [1, 1]


def test_a_finding_on_its_limit_is_computed_again_alone() -> None:
    sizes: list[int] = []

    @dataclass(frozen=True)
    class Counted:
        inner: WordsKept
        name: str = "words-kept"

        def check(self, rewrites: Sequence[Any], /) -> list[Finding]:
            sizes.append(len(rewrites))
            return self.inner.check(rewrites)

    batch = ["a b c idiot", "a idiot"]
    list(detoxifier(checks=[Counted(WordsKept(0.1))]).run(batch))
    assert sizes == [2]
    sizes.clear()
    list(detoxifier(checks=[Counted(WordsKept(0.5))]).run(batch))
    assert sizes == [2, 1]
    sizes.clear()
    list(detoxifier(checks=[Counted(WordsKept(0.5))]).run(batch[1:]))
    assert sizes == [1]


@pytest.mark.parametrize(
    ("value", "borders", "unsettled"),
    [
        (0.002, (0.0,), True),  # the band's far end
        (0.5019, (0.5,), True),
        (0.5021, (0.5,), False),
        (0.4981, (0.5,), True),
        (0.4979, (0.5,), False),
        (0.4979, (0.5, 0.497), True),  # any border counts
        (0.5, (), False),  # in the middle of what 0.5000 stands for
        (0.12345, (), True),  # between 0.1234 and 0.1235
        (0.1234476, (), True),  # 0.024 of a digit below: 1.94e-5 of the value
        (0.1234474, (), False),  # 0.026 of a digit below: 2.1e-5 of the value
        (0.1234524, (), True),
        (0.1234526, (), False),
        (0.99995, (), True),  # between 0.9999 and 1
        (1.0, (), False),
        (0.0012345, (), True),  # small numbers have their own four digits
        (0.00123448, (), True),
        (0.001234, (), False),
        (1234.5, (), True),  # and so have large ones
        (1234.1, (), False),
        (-0.12345, (), True),
        (0.0, (), False),
        (0.0, (0.001,), True),
        (math.inf, (), False),
        (math.nan, (0.5,), False),
    ],
)
def test_a_value_is_unsettled_where_noise_could_change_its_side(
    value: float, borders: tuple[float, ...], unsettled: bool
) -> None:
    assert is_unsettled(value, *borders) is unsettled


def test_a_rounding_border_itself_is_unsettled_however_narrow_the_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "ROUNDING", 0.0)
    assert is_unsettled(1234.5)
    assert not is_unsettled(1234.501)


def test_noise_of_the_allowed_size_never_changes_a_settled_number() -> None:
    numbers = random.Random(1)
    for _ in range(20_000):
        value = 10 ** numbers.uniform(-6, 0)
        if not is_unsettled(value):
            assert f"{value * (1 - 1.9e-5):.4g}" == f"{value:.4g}" == f"{value * (1 + 1.9e-5):.4g}"
