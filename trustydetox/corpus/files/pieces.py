"""The rows of a run in pieces: windows of one file each, cut into the shards of the ledger."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import IO, NamedTuple

from trustydetox.corpus.engines.engine import Engine
from trustydetox.corpus.engines.results import Task, task_of
from trustydetox.corpus.files.opening import Opened
from trustydetox.corpus.files.sources import Source
from trustydetox.corpus.pacing import Pace
from trustydetox.corpus.reading import Found
from trustydetox.corpus.runs.counts import Counts
from trustydetox.corpus.runs.folder import START_OVER
from trustydetox.corpus.runs.shards import SHARD_BYTES, Shards
from trustydetox.errors import ConflictError


class Piece(NamedTuple):
    """A window of rows and its place in the run's shards; an empty file has one without rows.

    is_last: whether it is as much as the shard takes.
    stored: the results of the whole shard, where they are known from before.
    share: of the input, that was read when this was; None if unknown.
    is_ours: whether this process is to do it.
    """

    file: Opened
    rows: Sequence[Found]
    shard: int
    is_last: bool
    stored: IO[bytes] | None
    share: float | None
    is_ours: bool = True

    @property
    def tasks(self) -> list[Task]:
        """What there is to do, in order."""
        return [task_of(passage) for found in self.rows for passage in found.passages]


@dataclass(frozen=True, slots=True)
class Share:
    """Every `of`-th shard of a run, from number `index` on."""

    index: int
    of: int

    def has(self, shard: int) -> bool:
        """Whether a shard, by its number, is among them."""
        return shard % self.of == self.index


WHOLE = Share(0, 1)


def cut(
    files: Iterable[Opened], shards: Shards | None, shard_rows: int, ours: Share = WHOLE
) -> Iterator[Piece]:
    """Windows as pieces of shards; where the borders are depends on the input alone.

    A shard may go on in the next file, so that many small files don't make many shards.
    """
    number = rows = size = 0
    stored: IO[bytes] | None = None
    for file in files:
        for window in file.passages or [[]]:
            if not window:
                where = (number, False, None, file.progress, ours.has(number))
                yield Piece(file, (), *where)
                continue
            if rows == 0 and shards is not None:
                stored = shards.stored(number) if ours.has(number) else None
            rows += len(window)
            size += sum(len(found.row.lead) + len(found.row.raw) for found in window)
            is_last = rows >= shard_rows or size >= SHARD_BYTES
            yield Piece(file, window, number, is_last, stored, file.progress, ours.has(number))
            if is_last:
                number, rows, size = number + 1, 0, 0


def answered(
    pieces: Iterator[Piece], engine: Engine, pace: Pace
) -> Iterator[tuple[Piece, list[bytes]]]:
    """Each piece with its results, one line per task; as many are under way as the engine takes."""
    waiting: deque[Piece] = deque()
    while True:
        # The rest of a long row is read from the file, and must be before any other row is.
        while len(waiting) < engine.ahead and not (waiting and _has_rest(waiting[-1])):
            piece = next(pieces, None)
            if piece is None:
                break
            if piece.rows and piece.is_ours and piece.stored is None:
                engine.submit(piece.tasks)
            waiting.append(piece)
        if not waiting:
            return
        piece = waiting.popleft()
        tasks, lines = piece.tasks, list[bytes]()
        pace.begin(len(piece.rows), sum(len(task.text) for task in tasks), piece.share)
        if piece.stored is not None:
            lines = list(islice(piece.stored, len(tasks)))
        elif piece.rows and piece.is_ours:
            lines = engine.take(pace.done).splitlines(keepends=True)
        yield piece, lines
        # Only now are they settled, and maybe their shard.
        pace.end()


def _has_rest(piece: Piece) -> bool:
    return bool(piece.rows) and piece.rows[-1].row.rest is not None


class Books:
    """Ends each shard when all of its rows are settled, and checks what was known of it before.

    skipped: of the tally, what isn't ours.
    """

    def __init__(self, shards: Shards, tally: Counter[str]) -> None:
        self._shards = shards
        self._tally = tally
        self.skipped: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._open: Piece | None = None
        self._sources: dict[str, Source] = {}

    def note(self, piece: Piece, lines: Iterable[bytes]) -> None:
        """A piece is settled, or not ours."""
        if not piece.is_ours:
            self._tally["read"] += len(piece.rows)
            self.skipped += self._tally - self._before
            self._before = self._tally.copy()
            return
        if not piece.rows:
            return
        self._open = piece
        self._sources[piece.file.member.name] = piece.file.source
        if piece.stored is None:
            self._shards.add(piece.shard, b"".join(lines))
        if piece.is_last:
            self.end()

    def end(self) -> None:
        """The shard has no more rows."""
        piece = self._open
        if piece is None:
            return
        counts = Counts(**(self._tally - self._before))
        first = self._before["read"]
        known = {"rows": [first, first + counts.read], "counts": asdict(counts)}
        if piece.stored is None:
            # What was read is what was hashed, or else the results are of nobody knows what.
            for source in self._sources.values():
                source.require_unchanged()
            self._shards.end(piece.shard, known)
        else:
            piece.stored.close()
            entry = self._shards.entry(piece.shard)
            if any(entry.get(key) != value for key, value in known.items()):
                raise ConflictError(
                    f"shard {piece.shard} of the run doesn't fit the input: {START_OVER}"
                )
        self._before = self._tally.copy()
        self._open = None
        self._sources.clear()
