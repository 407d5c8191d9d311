"""The texts that train the embedded models, with soft labels, out of the public sources."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from trustydetox.spans import Span
from trustydetox.steps.sentences import said_in
from trustydetox.training.sources import NAMES, Source, lexicon, load, normalise
from trustydetox.training.splitting import Splits, drawn, position

LABELS = ("insult", "profanity", "identity_attack", "threat")
"""What the guide can say beside the overall probability, in this order."""

IDENTITY = Path(__file__).with_name("identity.yaml")

# Emotions of goemotions under which a comment may be hostile: anger, annoyance, disappointment,
# disapproval, disgust.
_HOSTILE = frozenset("2 3 9 10 11".split())
_CLEAN = dict.fromkeys(LABELS, 0.0)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass(frozen=True)
class Example:
    """One text to learn from.

    key: what decides its role and whether it is drawn; rewrites of one text share it.
    toxic: probability that a reader finds it toxic; None where the source doesn't say.
    labels: probability per label of LABELS, only those that the source speaks of.
    spans: the toxic characters; None where nobody looked, empty where there are none.
    weight: of the document loss.
    """

    text: str
    source: str
    key: str
    toxic: float | None
    labels: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[Span, ...] | None = None
    weight: float = 1.0


def words(text: str) -> list[str]:
    """Lower-case words of letters, with an inner apostrophe."""
    return _WORD.findall(text.lower())


def learn_known_words(data: Path) -> frozenset[str]:
    """Toxic word forms: often inside the spans that raters marked, or in a profanity lexicon.

    A word counts where it stands in at least 3 posts and raters marked at least half of its
    occurrences. Lexicon words are taken unless ordinary prose uses them (1 in 50,000 words).
    """
    inside: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    source = load(data, "toxic_spans_semeval2021", "train")
    for text, spans in zip(source.texts, source.spans or (), strict=True):
        seen.update(set(words(text)))
        inside.update({word for span in spans for word in words(span.of(text))})
    marked = {w for w, n in seen.items() if n >= 3 and inside[w] >= n / 2 and len(w) > 2}
    prose: Counter[str] = Counter()
    for name in ("lm_standard_ebooks", "lm_self_dialogue", "lm_tatoeba_en"):
        prose.update(w for text in load(data, name, "train").texts for w in words(text))
    rare = sum(prose.values()) / 50_000
    listed = {term for term in lexicon(data) if term.isalpha() and len(term) > 2}
    identity = yaml.safe_load(IDENTITY.read_text(encoding="utf-8"))
    people = {w for forms in identity["training_terms"] for form in forms for w in words(form)}
    return (
        frozenset(w for w in marked if prose[w] < 10 * rare)
        | frozenset(w for w in listed if prose[w] < rare)
    ) - people


def measured_texts(data: Path, splits: Splits) -> frozenset[str]:
    """Normalised texts that train neither guide nor check: every dev row, every judge's row.

    Posts of toxic_spans_semeval2021's train file may train although toxic_spans_acl2022 repeats
    some of them in its dev part: who measures there leaves out what the guide was trained on.
    """
    texts = {normalise(text) for name in NAMES for text in load(data, name, "dev").texts}
    for name in {name for judge in ("judge-a", "judge-b") for name in splits.sources(judge)}:
        texts |= {normalise(text) for text in load(data, name, "train").texts}
    repeated = load(data, "toxic_spans_semeval2021", "train").texts
    return frozenset(texts - {normalise(text) for text in repeated})


def guide_examples(data: Path, splits: Splits, known: Callable[[str], bool]) -> list[Example]:
    """Every example of the guide, in a fixed order."""
    return _examples(data, splits, known, "guide", measured_texts(data, splits))


def guide_texts(data: Path, splits: Splits) -> list[str]:
    """Every text of the guide's share once, labelled or not, without what is measured on.

    Long documents come in passages. madlibs_77k is left out: twenty templates fill it.
    """
    taken = set(measured_texts(data, splits))
    found: list[str] = []
    for name in splits.sources("guide"):
        if name == "madlibs_77k":
            continue
        source = load(data, name, "train")
        keyed: Iterable[tuple[str, str]]
        if name in _READERS:
            keys = map(str, source.columns["id"]) if name == "paradetox" else source.texts
            keyed = (
                (key, text)
                for row, (key, text) in enumerate(zip(keys, source.texts, strict=True))
                if not splits.is_left_alone(name, _columns(source, row))
            )
        else:
            keyed = ((e.key, e.text) for e in _read_prose(data, source, splits, lambda word: False))
        for key, text in keyed:
            normal = normalise(text)
            if normal and normal not in taken and splits.role(name, key) == "guide":
                taken.add(normal)
                found.append(text)
    return found


def check_examples(
    data: Path, splits: Splits, known: Callable[[str], bool], guided: Iterable[Example]
) -> list[Example]:
    """Every example of the check scorer, in a fixed order: none of the texts in `guided`."""
    elsewhere = measured_texts(data, splits) | {normalise(example.text) for example in guided}
    examples = _examples(data, splits, known, "check", elsewhere)
    return examples + list(by_sentence(examples, known, elsewhere))


def _examples(
    data: Path,
    splits: Splits,
    known: Callable[[str], bool],
    role: str,
    elsewhere: frozenset[str],
) -> list[Example]:
    identity = yaml.safe_load(IDENTITY.read_text(encoding="utf-8"))
    met = _any_of(form for forms in identity["training_terms"] for form in forms)
    read = {name: _READERS.get(name, _read_prose) for name in splits.sources(role)}
    result: list[Example] = []
    taken = set(elsewhere)
    for name, reader in read.items():
        source = load(data, name, "train")
        rows = [
            row
            for row in reader(data, source, splits, known)
            if splits.role(name, row.key) == role and row.text.strip()
        ]
        chosen = drawn((row.key for row in rows), splits.limits[role].get(name))
        for row in rows:
            normal = normalise(row.text)
            # The same sentence stands in several sources: the first to bring it keeps it.
            if row.key in chosen and normal and normal not in taken:
                # Terms that training never names are what `evaluate` asks about.
                if name == "madlibs_77k" and not met.search(row.text):
                    continue
                taken.add(normal)
                result.append(row)
    result += _statements(identity, role)
    result += _joined(result)
    return result + [row for row in swapped(result) if normalise(row.text) not in taken]


Reader = Callable[[Path, Source, Splits, Callable[[str], bool]], Iterator[Example]]


def _columns(source: Source, index: int) -> dict[str, Any]:
    return {name: values[index] for name, values in source.columns.items()}


def _clean_to(known: Callable[[str], bool], text: str) -> bool:
    return not any(known(word) for word in words(text))


def _read_semeval(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    """Posts that were all reported as toxic; raters of the larger release soften the label."""
    larger = load(data, "toxic_spans_acl2022", "all")
    raters = {normalise(text): _columns(larger, index) for index, text in enumerate(larger.texts)}
    for text, spans in zip(source.texts, source.spans or (), strict=True):
        row = raters.get(normalise(text))
        calm = row["n_not_toxic"] / row["n_raters"] if row else 0.3
        toxic = 1 - 0.2 * min(calm, 1.0) if spans else 0.5
        labels = _span_labels(row) if row else {}
        yield Example(text, source.name, text, toxic, labels, spans)


def _read_acl(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    repeated = {
        normalise(text)
        for part in ("train", "dev")
        for text in load(data, "toxic_spans_semeval2021", part).texts
    }
    for index, text in enumerate(source.texts):
        row = _columns(source, index)
        if splits.is_left_alone(source.name, row) or normalise(text) in repeated:
            continue
        calm = min(row["n_not_toxic"] / row["n_raters"], 1.0)
        # What most raters of all marked is stricter than the other release's gold: not a target.
        yield Example(text, source.name, text, 1 - 0.6 * calm, _span_labels(row))


def _span_labels(row: Mapping[str, Any]) -> dict[str, float]:
    types: dict[str, int] = json.loads(row["span_types"])
    share = {name: min(count / row["n_raters"], 1.0) for name, count in types.items()}
    return {
        "insult": share.get("Insult", 0.0),
        "profanity": share.get("Profane/Obscene", 0.0),
        "identity_attack": share.get("Identity based Attack", 0.0),
        "threat": share.get("Threat", 0.0),
    }


def _read_paradetox(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    for text, label, pair in zip(source.texts, source.labels, source.columns["id"], strict=True):
        yield Example(
            text, source.name, str(pair), float(label or 0), {}, None if label else (), 1.0
        )


def _read_edos(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    """Sexist rows are toxic; the others only where they hold no toxic word, for nobody asked."""
    for text, label in zip(source.texts, source.labels, strict=True):
        if label:
            yield Example(text, source.name, text, 1.0, {"identity_attack": 1.0})
        elif _clean_to(known, text):
            yield Example(text, source.name, text, 0.05, {"identity_attack": 0.0})


def _read_sbic(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    for index, text in enumerate(source.texts):
        row = _columns(source, index)
        offence = float(row["offensiveYN"])
        groups = row["targetMinority"] != "[]"
        yield Example(
            text, source.name, text, offence, {"identity_attack": offence if groups else 0.0}
        )


def _read_toxigen(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    for text, label, mean in zip(
        source.texts, source.labels, source.columns["toxicity_score"], strict=True
    ):
        # Raters' mean lies on 1 to 5; the published label cuts it, the mean keeps the doubt.
        soft = 0.5 * float(label or 0) + 0.5 * min(max((float(mean) - 1) / 4, 0.0), 1.0)
        yield Example(text, source.name, text, soft, {"identity_attack": soft})


def _read_labelled(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    for text, label in zip(source.texts, source.labels, strict=True):
        yield Example(text, source.name, text, float(label or 0))


def _read_goemotions(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    """Comments under calm emotions and without a toxic word: nobody rated their toxicity."""
    for text, emotions in zip(source.texts, source.columns["labels"], strict=True):
        if not _HOSTILE & set(emotions.split(",")) and _clean_to(known, text):
            yield Example(text, source.name, text, 0.02, _CLEAN, (), 0.7)


def _read_prose(
    data: Path, source: Source, splits: Splits, known: Callable[[str], bool]
) -> Iterator[Example]:
    """Passages without a toxic word: half of them one to three lines long, half up to fourteen.

    Long ones matter: toxic posts are longer than most clean lines, and length is no toxicity.
    """
    for index, (lines, joint) in enumerate(_documents(source)):
        start = 0
        while start < len(lines):
            place = position(f"size {source.name} {index} {start}")
            size = 1 + int(6 * place) if place < 0.5 else 4 + int(22 * (place - 0.5))
            passage = joint.join(lines[start : start + size])
            if _clean_to(known, passage):
                yield Example(passage, source.name, passage, 0.0, _CLEAN, ())
            start += size


def _documents(source: Source) -> Iterator[tuple[list[str], str]]:
    """Lines of each document with what joins them; a long document comes as its sentences."""
    part = source.columns.get("part") or source.columns.get("file")
    if part is None:
        for text in source.texts:
            yield [line for line in text.split("\n") if line.strip()], "\n"
        return
    for _, sentences in groupby(zip(part, source.texts, strict=True), key=itemgetter(0)):
        yield [text for _, text in sentences], " "


_READERS: Mapping[str, Reader] = {
    "toxic_spans_semeval2021": _read_semeval,
    "toxic_spans_acl2022": _read_acl,
    "paradetox": _read_paradetox,
    "edos": _read_edos,
    "sbic": _read_sbic,
    "safenlp_toxigen": _read_toxigen,
    "madlibs_77k": _read_labelled,
    "civil_comments_toxic_half": _read_labelled,
    "goemotions": _read_goemotions,
}


def _statements(identity: Mapping[str, Any], role: str) -> list[Example]:
    """Sentences of our own about groups of people: kind ones clean, hostile ones toxic."""
    result = []
    for kind, toxic in (("neutral", 0.0), ("hostile", 1.0)):
        labels = _CLEAN if not toxic else {"identity_attack": 1.0}
        for template in identity["templates"][kind]:
            for forms in identity["training_terms"]:
                key = f"{template} {forms[0]}"
                if position(key) < identity["share"] and (position(f"role {key}") < 0.7) == (
                    role == "guide"
                ):
                    text = template.format(adj=forms[0], noun=forms[1], plural=forms[2])
                    result.append(
                        Example(text, "own_statements", key, toxic, labels, None if toxic else ())
                    )
    return result


def _joined(examples: Sequence[Example]) -> Iterator[Example]:
    """Clean texts of one source in a row, as one long clean text: see `_read_prose`."""
    for name in ("paradetox", "goemotions", "edos"):
        clean = [e for e in examples if e.source == name and e.toxic is not None and e.toxic < 0.1]
        start = 0
        while start < len(clean):
            size = 2 + int(5 * position(f"join {name} {start}"))
            texts = [example.text for example in clean[start : start + size]]
            yield replace(
                clean[start], text=" ".join(texts), source=f"{name}+joined", spans=(), weight=1.0
            )
            start += size


def swapped(examples: Sequence[Example]) -> Iterator[Example]:
    """Copies with one identity term put in place of another: the label must not move.

    Of every second text without marked spans that names one of the terms in `identity.yaml`.
    """
    identity = yaml.safe_load(IDENTITY.read_text(encoding="utf-8"))
    forms = [tuple(forms) for forms in identity["training_terms"]]
    place = {form.lower(): (row, at) for row, f in enumerate(forms) for at, form in enumerate(f)}
    pattern = _any_of(place)
    eligible = (row for row in examples if not row.spans and row.source != "own_statements")
    for row in islice((r for r in eligible if pattern.search(r.text)), 0, None, 2):

        def other(match: re.Match[str], key: str = row.key) -> str:
            index, at = place[match[0].lower()]
            step = 1 + int((len(forms) - 1) * position(f"swap {key} {index}"))
            return str(forms[(index + step) % len(forms)][at])

        yield replace(row, text=pattern.sub(other, row.text), source=f"{row.source}+swap")


def by_sentence(
    examples: Sequence[Example], known: Callable[[str], bool], elsewhere: frozenset[str]
) -> Iterator[Example]:
    """The sentences of toxic comments: the ones with a toxic word, and the others as mostly calm.

    Of this source only toxic comments are at hand, and from whole ones a model of words learns that
    whoever they talk about is toxic: the name of a president and "is my friend ." (both in lower
    case) had a toxicity of 0.63 by the check scorer, and has 0.39. The labels are guesses, hence
    soft. The guide, which learns from marked spans beside them, is shown whole comments alone.

    elsewhere: normalised texts that somebody else learns from or measures on.
    """
    for row in examples:
        said = said_in(row.text) if row.source == "civil_comments_toxic_half" else ()
        for text in (span.of(row.text).strip() for span in said if len(said) > 1):
            calm = _clean_to(known, text)
            if normalise(text) in elsewhere or (calm and len(words(text)) < 4):
                continue
            label, weight = (0.2, 1.0) if calm else (0.9, 0.5)
            yield Example(text, f"{row.source}+sentence", row.key, label, {}, None, weight)


def _any_of(terms: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted({term.lower() for term in terms}, key=lambda t: (-len(t), t))
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)
