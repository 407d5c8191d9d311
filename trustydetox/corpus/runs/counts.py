"""What became of the rows and texts of a run."""

from __future__ import annotations

from dataclasses import dataclass

from trustydetox.errors import ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows by fate, `read == written + dropped + quarantined`, and texts by verdict.

    edited: rows that were written with at least one edit.
    """

    read: int = 0
    written: int = 0
    dropped: int = 0
    quarantined: int = 0
    edited: int = 0
    texts: int = 0
    clean: int = 0
    rewritten: int = 0
    unresolved: int = 0

    def __post_init__(self) -> None:
        if self.read != self.written + self.dropped + self.quarantined:
            raise ContractError(
                f"{self.read} rows read, but {self.written} written, {self.dropped} dropped and "
                f"{self.quarantined} quarantined"
            )
        if self.texts != self.clean + self.rewritten + self.unresolved:
            raise ContractError(f"{self.texts} texts, but other verdicts in sum")
