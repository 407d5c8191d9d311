"""Rewriting with a network that tags each word (keep, delete, replace) and fills in the new ones.

Tag-and-edit after LaserTagger (Malmi et al. 2019) and FELIX (Mallinson et al. 2020), with two
departures: which words must go is given, as token types of the input, and several drafts with
several fillings each leave as candidates, for the checks to choose from.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Protocol

from trustydetox.records import MaskedText, Rewrite
from trustydetox.spans import Span
from trustydetox.steps.infilling import mended
from trustydetox.steps.viewing import KnownWords, View

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

KEEP, DELETE = 0, 1
LONGEST = 3
"""Most pieces that come in place of a word."""
TAGS = 2 + LONGEST
"""KEEP, DELETE, and DELETE + n: n pieces come in the word's place."""

STILTED = frozenset({"unsuitable"})
"""Words that people reach for who are paid to rewrite, and that nobody says of anybody: they are
never put in. Of 15 rewrites that two readers found unnatural three held one."""

PASSAGE = 100
"""Most pieces of a passage, so that it fits into the network with its draft; longer texts are
edited a few sentences at a time."""

_WORD = re.compile(r"&#?\w+;|[^\W_]+(?:['’@$*\-_][^\W_]+)*|[^\w\s]|_")
_STOP = frozenset(".!?…\n")


class EditNetwork(Protocol):
    """A network that tags words and fills in pieces; see `trustydetox.embedded.editor`."""

    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    def hidden(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor: ...  # noqa: D102
    def tags(self, hidden: Tensor) -> Tensor: ...  # noqa: D102
    def pieces(self, hidden: Tensor) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class Passage:
    """Some sentences of a text as words.

    words: where they are in the text; signs are words too.
    pieces: ids of each word's pieces, of its plain form where it is disguised.
    must_go: whether a masked span touches the word.
    stretch: number of the stretch of a line or column that the word is in; marks of lines,
        quotations and markup, character references, pictures, and words that a rule spares, are
        each one of their own: no edit takes them along.
    """

    words: tuple[Span, ...]
    pieces: tuple[tuple[int, ...], ...]
    must_go: tuple[bool, ...]
    stretch: tuple[int, ...]


@dataclass(frozen=True)
class Sequences:
    """Inputs of a network, without padding: ids, and 1 for every piece of a word that must go."""

    ids: list[int]
    types: list[int]


class Reader:
    """Turns words into pieces, and passages into inputs."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.cls, self.sep, self.blank = (self.token(name) for name in ("[CLS]", "[SEP]", "[MASK]"))

    def token(self, name: str) -> int:
        """The id of a piece that every tokenizer of a BERT has."""
        found = self.tokenizer.token_to_id(name)
        assert found is not None
        return found

    def pieces(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """Ids of the pieces of each word, of which none is longer than a passage."""
        encoded = self.tokenizer.encode_batch(list(words), add_special_tokens=False)
        # A word without end is known by how it begins.
        return [tuple(one.ids[:PASSAGE]) for one in encoded]

    def source(self, passage: Passage) -> Sequences:
        """What is tagged: the passage between the two special pieces."""
        ids, types = [self.cls], [0]
        for pieces, goes in zip(passage.pieces, passage.must_go, strict=True):
            ids += pieces
            types += [int(goes)] * len(pieces)
        return Sequences([*ids, self.sep], [*types, 0])

    def draft(self, passage: Passage, drafted: Sequence[int]) -> Sequences:
        """What is filled: the passage, then its draft, in which blanks stand for new pieces."""
        source = self.source(passage)
        return Sequences(
            [*source.ids, *drafted, self.sep], [*source.types, *[0] * (len(drafted) + 1)]
        )

    def firsts(self, passage: Passage) -> list[int]:
        """Where the first piece of each word is in `source`."""
        at, found = 1, []
        for pieces in passage.pieces:
            found.append(at)
            at += len(pieces)
        return found


def words_in(text: str) -> list[Span]:
    """Words and signs of a text."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def passages_of(reader: Reader, masked: MaskedText, view: Callable[[str], View]) -> list[Passage]:
    """The passages that hold a masked span, whole sentences where they are short enough."""
    if not masked.masked:
        return []
    whole = passage_of(reader, masked, view)
    return [
        Passage(
            whole.words[start:end],
            whole.pieces[start:end],
            whole.must_go[start:end],
            whole.stretch[start:end],
        )
        for start, end in _cut(masked.text, whole)
        if any(whole.must_go[start:end])
    ]


def passage_of(reader: Reader, masked: MaskedText, view: Callable[[str], View]) -> Passage:
    """A text as one passage, however long."""
    text = masked.text
    words = words_in(text)
    goes = _touched(words, masked.masked)
    stays = _touched(words, [veto.span for veto in masked.vetoes])
    plain = [
        view(word.of(text)).text if flag else word.of(text)
        for word, flag in zip(words, goes, strict=True)
    ]
    # A lone surrogate, which the tokenizer refuses, reads as a question mark.
    readable = [word.encode("utf-8", "replace").decode() for word in plain]
    stretches = _stretches(text, words, stays)
    return Passage(tuple(words), tuple(reader.pieces(readable)), tuple(goes), tuple(stretches))


def _touched(words: Sequence[Span], spans: Sequence[Span]) -> list[bool]:
    """Whether one of the disjoint spans, which are in order, overlaps each word."""
    ends = [span.end for span in spans]
    places = (bisect_right(ends, word.start) for word in words)
    return [
        at < len(spans) and spans[at].start < word.end
        for word, at in zip(words, places, strict=True)
    ]


def _stretches(text: str, words: Sequence[Span], stays: Sequence[bool]) -> Iterator[int]:
    number = end = 0
    was_apart = False
    for word, is_spared in zip(words, stays, strict=True):
        is_apart = is_spared or _APART.fullmatch(text, word.start, word.end) is not None
        if is_apart or was_apart or _BREAK.search(text, end, word.start):
            number += 1
        yield number
        end, was_apart = word.end, is_apart


def _cut(text: str, whole: Passage) -> Iterator[tuple[int, int]]:
    """Ranges of words: sentences, joined up to `PASSAGE` pieces; a longer sentence is cut."""
    words = whole.words
    start = end = size = 0  # `end`: of the last whole sentence; `size`: pieces since `start`
    for at, pieces in enumerate(whole.pieces):
        while size + len(pieces) > PASSAGE and at > start:
            border = end if end > start else at
            yield start, border
            start = border
            size = sum(map(len, whole.pieces[start:at]))
        size += len(pieces)
        gap = text[words[at].end : words[at + 1].start] if at + 1 < len(words) else "\n"
        if "\n" in gap or (gap and text[words[at].end - 1] in _STOP):
            end = at + 1
    if start < len(words):
        yield start, len(words)


def drafted(reader: Reader, passage: Passage, tags: Sequence[int]) -> list[int]:
    """The pieces of a passage after its tags, blanks for new ones."""
    ids: list[int] = []
    for pieces, tag in zip(passage.pieces, tags, strict=True):
        if tag == KEEP:
            ids += pieces
        else:
            ids += [reader.blank] * (tag - DELETE)
    return ids


@dataclass(frozen=True)
class _Draft:
    """One way to edit a passage.

    pieces: those of the passage after its tags, blanks where new ones are to come.
    decided: log-probability that each word is kept, goes, or is replaced by whatever.
    chosen: log-probability of how many pieces come and of those that have been filled in.
    """

    passage: Passage
    tags: tuple[int, ...]
    pieces: tuple[int, ...]
    decided: float
    chosen: float

    @property
    def score(self) -> float:
        """What drafts are ordered by.

        That many words could stand in a place is no reason to leave it empty, as the likeliest
        whole draft, in which each word has its small share, would nearly always do.
        """
        return self.decided + _CHOSEN * self.chosen

    def places(self) -> Iterator[tuple[Span, int, range]]:
        """Each word with its tag and with where its pieces are, or those in its place."""
        at = 0
        passage = self.passage
        for word, pieces, tag in zip(passage.words, passage.pieces, self.tags, strict=True):
            size = len(pieces) if tag == KEEP else tag - DELETE
            yield word, tag, range(at, at + size)
            at += size


@dataclass(frozen=True)
class TagAndEdit:
    """Candidates from an edit network, the likeliest first.

    known: words that are never filled in.
    candidates: how many to give at most.
    drafts: how many of the likeliest drafts of a passage to fill in, which takes most of the time.
    fillings: how many pieces to try in a draft's only blank.
    widen: a word beside a masked span goes too where the network would keep it with less than
        this probability.
    """

    editor: EditNetwork
    known: KnownWords
    view: Callable[[str], View] = View.of
    candidates: int = 12
    drafts: int = 6
    fillings: int = 3
    widen: float = 0.3
    _reader: Reader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", Reader(self.editor.tokenizer))

    def infill(self, masked: Sequence[MaskedText], /) -> list[tuple[Rewrite, ...]]:
        """Up to `candidates` candidates per text.

        Each text is edited apart from the others: in one batch with them its drafts would score
        otherwise by float noise, and two that are nearly as likely would change places.
        """
        return [self._one(one) for one in masked]

    def _one(self, masked: MaskedText) -> tuple[Rewrite, ...]:
        passages = passages_of(self._reader, masked, self.view)
        return self._rewrites(masked.text, self._drafts(passages))

    def _drafts(self, passages: Sequence[Passage]) -> list[list[_Draft]]:
        """The likeliest drafts of each passage, filled."""
        tagged = self._tagged(passages)
        filled = iter(self._filled([draft for each in tagged for draft in each]))
        done = [[one for _ in each for one in next(filled)] for each in tagged]
        return [sorted(each, key=_score)[: self.candidates] for each in done]

    def _tagged(self, passages: Sequence[Passage]) -> list[list[_Draft]]:
        import torch

        result: list[list[_Draft]] = [[] for _ in passages]
        for rows, ids, types, mask in batched([self._reader.source(each) for each in passages]):
            with torch.inference_mode():
                tags = self.editor.tags(self.editor.hidden(ids, types, mask)).log_softmax(-1)
            for at, row in enumerate(rows):
                firsts = self._reader.firsts(passages[row])
                drafts = self._choices(passages[row], tags[at, firsts].tolist())
                result[row] = sorted(drafts, key=_score)[: self.drafts]
        return result

    def _choices(self, passage: Passage, logs: Sequence[Sequence[float]]) -> Iterator[_Draft]:
        """Drafts by log-probabilities of the tags: the best one, others that differ in a group."""
        narrow = list(passage.must_go)
        options: dict[tuple[int, ...], None] = {}
        for changed in (self._widened(narrow, passage.stretch, logs), narrow):
            best = [
                max(range(DELETE, TAGS), key=log.__getitem__) if flag else KEEP
                for log, flag in zip(logs, changed, strict=True)
            ]
            options[tuple(best)] = None
            options[tuple(DELETE if flag else KEEP for flag in changed)] = None
            for flag, numbered in groupby(enumerate(changed), key=lambda each: each[1]):
                group = [at for at, _ in numbered]
                for tag in range(DELETE, TAGS) if flag else ():
                    # New pieces stand where the group's likeliest place for them is.
                    head = max(group, key=lambda at, tag=tag: logs[at][tag])  # type: ignore[misc]
                    other = [
                        tag if at == head else DELETE if at in group else old
                        for at, old in enumerate(best)
                    ]
                    options[tuple(other)] = None
        for tags in options:
            pieces = tuple(drafted(self._reader, passage, tags))
            exact = sum(log[tag] for log, tag in zip(logs, tags, strict=True))
            decided = sum(_decision(log, tag) for log, tag in zip(logs, tags, strict=True))
            yield _Draft(passage, tags, pieces, decided, exact - decided)

    def _widened(
        self, narrow: Sequence[bool], stretch: Sequence[int], logs: Sequence[Sequence[float]]
    ) -> list[bool]:
        """Which words change when neighbours that the network wouldn't keep go too."""
        limit = math.log(self.widen)
        wide = list(narrow)
        for order in (range(len(wide)), range(len(wide) - 1, -1, -1)):
            beside = -1  # the stretch of the changed word before
            for at in order:
                wide[at] = wide[at] or (beside == stretch[at] and logs[at][KEEP] < limit)
                beside = stretch[at] if wide[at] else -1
        return wide

    def _filled(self, drafts: Sequence[_Draft]) -> list[list[_Draft]]:
        """Each draft without blanks: they are filled one a round, the surest first."""
        done: list[list[_Draft]] = [[] for _ in drafts]
        open_ = list(enumerate(drafts))
        while open_:
            waiting = []
            for at, draft in open_:
                if self._reader.blank in draft.pieces:
                    waiting.append((at, draft))
                else:
                    done[at].append(draft)
            steps = self._step([draft for _, draft in waiting])
            open_ = [
                (at, after) for (at, _), each in zip(waiting, steps, strict=True) for after in each
            ]
        return done

    def _step(self, drafts: Sequence[_Draft]) -> list[list[_Draft]]:
        """Each draft with one more blank filled; several ways where it is the only one."""
        import torch

        sequences = [self._reader.draft(draft.passage, draft.pieces) for draft in drafts]
        result: list[list[_Draft]] = [[] for _ in drafts]
        for rows, ids, types, mask in batched(sequences):
            blanks = [
                [i for i, piece in enumerate(drafts[row].pieces) if piece == self._reader.blank]
                for row in rows
            ]
            leads = [len(sequences[row].ids) - len(drafts[row].pieces) - 1 for row in rows]
            lines = [at for at, each in enumerate(blanks) for _ in each]
            columns = [lead + i for lead, each in zip(leads, blanks, strict=True) for i in each]
            with torch.inference_mode():
                hidden = self.editor.hidden(ids, types, mask)
                # All blanks at once: what takes the time is reading the vocabulary's embeddings.
                found = self.editor.pieces(hidden[lines, columns]).log_softmax(-1).cpu()
                for row, each, logs in zip(
                    rows, blanks, found.split([len(each) for each in blanks]), strict=True
                ):
                    result[row] = list(self._next(drafts[row], each, logs))
        return result

    def _next(self, draft: _Draft, blanks: Sequence[int], logs: Tensor) -> Iterator[_Draft]:
        """The draft with its surest blank filled; `logs` has a row per blank."""
        most = self.fillings if len(blanks) == 1 else 1
        values, picks = (logs + self._forbidden(draft)).topk(most)
        surest = int(values[:, 0].argmax())
        for value, pick in zip(values[surest].tolist(), picks[surest].tolist(), strict=True):
            pieces = list(draft.pieces)
            pieces[blanks[surest]] = pick
            yield replace(draft, pieces=tuple(pieces), chosen=draft.chosen + value)

    def _forbidden(self, draft: _Draft) -> Tensor:
        """Minus infinity for each piece that mustn't stand in a blank, else 0."""
        gone = [
            piece
            for pieces, tag in zip(draft.passage.pieces, draft.tags, strict=True)
            for piece in pieces
            if tag != KEEP
        ]
        forbidden = self._never.clone()
        forbidden[gone] = float("-inf")
        return forbidden

    @cached_property
    def _never(self) -> Tensor:
        """Minus infinity for each piece that is never filled in, else 0.

        One is a whole word: what the network puts together of several is often none.
        """
        import torch

        vocabulary = self.editor.tokenizer.get_vocab()
        never = torch.zeros(len(vocabulary))
        for piece, index in vocabulary.items():
            is_word = _PLAIN.fullmatch(piece) and not _FRAGMENT.fullmatch(piece)
            if not is_word or self.known.knows(piece) or piece in STILTED:
                never[index] = float("-inf")
        return never

    def _rewrites(self, text: str, drafts: Sequence[Sequence[_Draft]]) -> tuple[Rewrite, ...]:
        """Rewrites of a text from the drafts of its passages: the n-th of each together."""
        found: dict[Rewrite, None] = {}
        for rank in range(max(map(len, drafts), default=0)):
            jobs = [
                job
                for each in drafts
                if each
                for job in self._jobs(text, each[min(rank, len(each) - 1)])
            ]
            new = [_spelt(replacement, text) for _, replacement in jobs]
            rewrite = mended(text, [span for span, _ in jobs], new)
            if rewrite is not None:
                found[rewrite] = None
        return tuple(found)

    def _jobs(self, text: str, draft: _Draft) -> Iterator[tuple[Span, str]]:
        """Each run of changed words with what comes in its place.

        Where something comes, the sign behind the run stays: it parts what comes from the rest. So
        does the sign that ends a sentence of which something stays, and the break between lines or
        columns.
        """
        goes_on = False  # whether a word of the sentence stands before the run
        words = draft.passage.words
        breaks = (
            _BREAK.search(text, one.end, other.start) is not None for one, other in pairwise(words)
        )
        placed = zip(draft.places(), accumulate(breaks, initial=False), strict=True)
        for (is_kept, _), group in groupby(placed, key=lambda each: (each[0][1] == KEEP, each[1])):
            run = [place for place, _ in group]
            if is_kept:
                goes_on = run[-1][0].of(text) not in _CLOSING
                continue
            new = [draft.pieces[at] for _, _, places in run for at in places]
            stays = _PARTING if new else _CLOSING if goes_on else frozenset()
            while len(run) > 1 and run[-1][1] == DELETE and run[-1][0].of(text) in stays:
                run.pop()
            span = Span(run[0][0].start, run[-1][0].end)
            yield span, self.editor.tokenizer.decode(new) if new else ""


def _spelt(replacement: str, text: str) -> str:
    """The replacement with the capital that `I` has in a text whose writer uses capitals."""
    return _LONE_I.sub("I", replacement) if any(map(str.isupper, text)) else replacement


_CHOSEN = 0.25
_PARTING = frozenset(",.;:!?…")
_CLOSING = frozenset(".!?…")
_PLAIN = re.compile(r"[a-z]+")
# What is no word in the vocabulary: "un of sense", "isn t".
_FRAGMENT = re.compile(
    r"un|ll|ve|re|th|st|nd|rd|ed|ain|don|(?:is|did|does|was|were|are|could|would|should|has|have|had)n"
    r"|[b-hj-tv-z]"
)
# Signs, and pictures with what joins and varies them.
_APART = re.compile(
    r"[<>\[\](){}/\\`*_#|~=+\-–—\"“”«»\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]|&#?\w+;"
)
_BREAK = re.compile(r"[\n\t]")
_LONE_I = re.compile(r"\bi\b")


def _decision(log: Sequence[float], tag: int) -> float:
    """Log-probability of a tag, any number of new pieces being the same."""
    if tag <= DELETE:
        return log[tag]
    return math.log(sum(map(math.exp, log[DELETE + 1 :])))


def _score(draft: _Draft) -> float:
    return -draft.score


def batched(
    sequences: Sequence[Sequences], tokens: int = 2048
) -> Iterator[tuple[list[int], Tensor, Tensor, Tensor]]:
    """Indices, ids, types and attention mask of batches of similar length."""
    import torch

    order = sorted(range(len(sequences)), key=lambda at: -len(sequences[at].ids))
    start = 0
    while start < len(order):
        longest = len(sequences[order[start]].ids)
        rows = order[start : start + max(1, tokens // longest)]
        start += len(rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        types = torch.zeros_like(ids)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            size = len(sequences[row].ids)
            ids[at, :size] = torch.tensor(sequences[row].ids)
            types[at, :size] = torch.tensor(sequences[row].types)
            mask[at, :size] = 1
        yield rows, ids, types, mask
