"""What every step promises, by role; each promise is a function that fails on a step that lies."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trustydetox.records import Attribution, Finding, MaskedText, Rewrite, Toxicity
from trustydetox.roles import TIE, SparingMasker, SteadyMasker
from trustydetox.spans import Edit, Span

TEXTS = (
    "",
    " \n\t",
    "hello there",
    "you stupid idiot",
    "you are not an idiot , 3 of 4 say so",
    "🙂 ça va, e\u0301te\u0301 👩\u200d👩\u200d👧 \u0301moron",
    "<mask> [MASK] [SEP] <|im_start|> <b>damn</b> & co.",
    "ｆｕｌｌ ｗｉｄｔｈ, ½ price, i\u0307\u0308diot",
    "shut up!!! moron... \ud800 lone",
    "x" * 300,
)


def long_text(words: int) -> str:
    """As many words as asked for, the last an insult."""
    return " ".join([*(f"word{number % 97}" for number in range(words - 1)), "idiot"])


def wanted(words: int) -> tuple[str, ...]:
    """All texts, the long one in the middle."""
    return (*TEXTS[:5], long_text(words), *TEXTS[5:])


def masked_texts(texts: Sequence[str]) -> list[MaskedText]:
    """The texts with one word masked, with all of them, and with none."""
    found: list[MaskedText] = []
    for text in texts:
        words = word_spans(text)
        found += [MaskedText(text, ()), MaskedText(text, words[-1:], (1.0,) * len(words[-1:]))]
        if 1 < len(words) < 20:
            found.append(MaskedText(text, words, tuple(1 / (n + 1) for n in range(len(words)))))
    return found


def rewrites(texts: Sequence[str]) -> list[Rewrite]:
    """Nothing changed, the last word gone, another in its place, and all gone."""
    found: list[Rewrite] = []
    for text in texts:
        found.append(Rewrite(text, ()))
        for span in word_spans(text)[-1:]:
            found += [Rewrite(text, (Edit(span, put),)) for put in ("", "person", "stupid idiot")]
            found.append(Rewrite(text, (Edit(Span(0, len(text)), ""),)))
    return found


def word_spans(text: str) -> tuple[Span, ...]:
    """Words between spaces."""
    spans: list[Span] = []
    end = 0
    for word in text.split():
        start = text.index(word, end)
        end = start + len(word)
        spans.append(Span(start, end))
    return tuple(spans)


# ------------------------------------------------------------------- one call, by role

Call = Callable[[Any, Sequence[Any]], Any]
CALLS: Mapping[str, Call] = {
    "scorers": lambda step, batch: step.score(batch),
    "attributors": lambda step, batch: step.attribute(batch),
    "infillers": lambda step, batch: step.infill(batch),
    "checks": lambda step, batch: step.check(batch),
}
INPUTS: Mapping[str, Callable[[Sequence[str]], Sequence[Any]]] = {
    "scorers": list,
    "attributors": list,
    "infillers": masked_texts,
    "checks": rewrites,
}
KINDS: Mapping[str, type] = {
    "scorers": Toxicity,
    "attributors": Attribution,
    "infillers": tuple,
    "checks": Finding,
}


def numbers(result: Any) -> list[float]:
    """The floats of a result, which may differ a little from batch to batch."""
    match result:
        case Toxicity(overall, by_label):
            return [overall, *by_label.values()]
        case Attribution(weights=weights):
            return list(weights)
        case Finding(value=value):
            return [value]
        case _:
            return []


def choices(result: Any) -> Any:
    """The rest, which may not differ."""
    match result:
        case Toxicity(by_label=by_label):
            return tuple(by_label)
        case Attribution(text, units):
            return text, units
        case Finding(check, passed, value, limit):
            # On its limit a finding may fall either way; the pipeline asks again, alone.
            return check, passed if abs(value - limit) > TIE else None, limit
        case _:
            return result


def same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Equal but for float noise, as far as the pipeline's dead band allows."""
    return len(left) == len(right) and all(
        choices(a) == choices(b)
        and all(abs(x - y) < TIE for x, y in zip(numbers(a), numbers(b), strict=True))
        for a, b in zip(left, right, strict=True)
    )


# --------------------------------------------------------------- promises of all batch roles


def gives_one_result_per_input(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = INPUTS[role](texts)
    results = CALLS[role](step, batch)
    assert isinstance(results, list)
    assert len(results) == len(batch)
    assert all(isinstance(result, KINDS[role]) for result in results)


def gives_nothing_for_an_empty_batch(role: str, step: Any, texts: Sequence[str]) -> None:
    assert CALLS[role](step, []) == []


def takes_a_blank_text_alone(role: str, step: Any, texts: Sequence[str]) -> None:
    for blank in ("", " "):
        assert len(CALLS[role](step, INPUTS[role]([blank]))) == len(INPUTS[role]([blank]))


def keeps_the_order(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = INPUTS[role](texts)
    forth, back = CALLS[role](step, batch), CALLS[role](step, batch[::-1])
    assert same(forth, back[::-1])


def gives_the_same_alone(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = INPUTS[role](texts)
    alone = [CALLS[role](step, [one])[0] for one in batch]
    assert same(CALLS[role](step, batch), alone)


def gives_the_same_again(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = INPUTS[role](texts)
    assert CALLS[role](step, batch) == CALLS[role](step, batch)


def leaves_its_inputs(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = list(INPUTS[role](texts))
    before = copy.deepcopy(batch)
    CALLS[role](step, batch)
    assert batch == before


COMMON = (
    gives_one_result_per_input,
    gives_nothing_for_an_empty_batch,
    takes_a_blank_text_alone,
    keeps_the_order,
    gives_the_same_alone,
    gives_the_same_again,
    leaves_its_inputs,
)

# ---------------------------------------------------------------------- promises of one role


def attributes_the_text_it_was_given(role: str, step: Any, texts: Sequence[str]) -> None:
    assert [result.text for result in step.attribute(texts)] == list(texts)


def finds_words_and_no_blanks(role: str, step: Any, texts: Sequence[str]) -> None:
    for text, result in zip(texts, step.attribute(texts), strict=True):
        assert all(unit.of(text).strip() == unit.of(text) for unit in result.units)
        assert all(math.isfinite(weight) for weight in result.weights)


def reads_a_long_text_to_its_end(role: str, step: Any, texts: Sequence[str]) -> None:
    longest = max(texts, key=len)
    (result,) = step.attribute([longest])
    assert len(result.units) == len(longest.split())
    assert result.units[-1].end == len(longest)


def proposes_for_the_text_it_was_given(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = masked_texts(texts)
    for masked, candidates in zip(batch, step.infill(batch), strict=True):
        assert all(isinstance(candidate, Rewrite) for candidate in candidates)
        assert {candidate.original for candidate in candidates} <= {masked.text}


def changes_nothing_where_nothing_is_masked(role: str, step: Any, texts: Sequence[str]) -> None:
    batch = [MaskedText(text, ()) for text in texts]
    for masked, candidates in zip(batch, step.infill(batch), strict=True):
        assert {candidate.text for candidate in candidates} <= {masked.text}


def signs_its_findings(role: str, step: Any, texts: Sequence[str]) -> None:
    findings = step.check(rewrites(texts))
    assert {finding.check for finding in findings} == {step.name}
    assert all(math.isfinite(finding.value) for finding in findings)
    assert all(math.isfinite(finding.limit) for finding in findings)


PROMISES: Mapping[str, tuple[Callable[[str, Any, Sequence[str]], None], ...]] = {
    "scorers": COMMON,
    "attributors": (
        *COMMON,
        attributes_the_text_it_was_given,
        finds_words_and_no_blanks,
        reads_a_long_text_to_its_end,
    ),
    "infillers": (
        *COMMON,
        proposes_for_the_text_it_was_given,
        changes_nothing_where_nothing_is_masked,
    ),
    "checks": (*COMMON, signs_its_findings),
}

# -------------------------------------------------------------------------------- maskers


def attributions(texts: Sequence[str]) -> list[Attribution]:
    """Weights low, high, mixed, negative and near one another, over the words of the texts."""
    scales: tuple[Callable[[int], float], ...] = (
        lambda n: 0.0,
        lambda n: 1.0,
        lambda n: (n * 37 % 101) / 101,
        lambda n: (n * 53 % 89) / 60 - 0.7,
        lambda n: 0.5 + (n % 3) * 4e-4,
    )
    return [
        Attribution(text, words, tuple(scale(n) for n in range(len(words))))
        for text in texts
        for words in (word_spans(text),)
        for scale in scales
    ]


def masks_the_text_it_was_given(step: Any, texts: Sequence[str]) -> None:
    for attribution in attributions(texts):
        assert step.mask(attribution).text == attribution.text


def masks_no_blank(step: Any, texts: Sequence[str]) -> None:
    for attribution in attributions(texts):
        for span in step.mask(attribution).masked:
            assert span.of(attribution.text).strip() == span.of(attribution.text)


def weighs_its_masks_from_zero_to_one(step: Any, texts: Sequence[str]) -> None:
    for attribution in attributions(texts):
        masked = step.mask(attribution)
        assert len(masked.weights) == len(masked.masked)
        assert all(0.0 <= weight <= 1.0 for weight in masked.weights)
        assert not masked.masked or max(masked.weights) == 1.0


def masks_the_same_again(step: Any, texts: Sequence[str]) -> None:
    for attribution in attributions(texts):
        assert step.mask(attribution) == step.mask(attribution)


def masks_the_same_in_spite_of_noise(step: Any, texts: Sequence[str]) -> None:
    """Holds for maskers that tell ties; the others get exact weights."""
    if not isinstance(step, SteadyMasker):
        return
    for attribution in attributions(texts):
        if step.is_near_tie(attribution, TIE):
            continue
        for phase in range(3):
            weights = tuple(
                weight + 0.99 * TIE * (1 if (n + phase) % 3 else -1)
                for n, weight in enumerate(attribution.weights)
            )
            noisy = Attribution(attribution.text, attribution.units, weights)
            assert step.mask(noisy).masked == step.mask(attribution).masked


def masks_nothing_of_what_it_keeps(step: Any, texts: Sequence[str]) -> None:
    """Holds for maskers that say what they keep."""
    if not isinstance(step, SparingMasker):
        return
    for attribution in attributions(texts):
        masked = step.mask(attribution).masked
        for kept in step.kept(attribution.text):
            assert not any(kept.start < one.end and one.start < kept.end for one in masked)


MASKER_PROMISES = (
    masks_the_text_it_was_given,
    masks_no_blank,
    weighs_its_masks_from_zero_to_one,
    masks_the_same_again,
    masks_the_same_in_spite_of_noise,
    masks_nothing_of_what_it_keeps,
)
