"""Which role a row trains: guide, check, judge A or judge B, or nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from trustydetox.errors import ConfigError

ROLES = ("guide", "check", "judge-a", "judge-b")
PATH = Path(__file__).with_name("splits.yaml")


@dataclass(frozen=True)
class Splits:
    """The committed table of who learns from what.

    shares: source -> role -> share of its rows; shares of a source sum to at most 1.
    left_alone: source -> column -> value of rows that train nobody.
    limits: role -> source -> how many examples at most.
    licences: source -> licence, of every source that trains shipped weights.
    """

    shares: Mapping[str, Mapping[str, float]]
    left_alone: Mapping[str, Mapping[str, Any]]
    limits: Mapping[str, Mapping[str, int]]
    licences: Mapping[str, str]

    def __post_init__(self) -> None:
        for source, shares in self.shares.items():
            unknown = set(shares) - set(ROLES)
            if unknown or sum(shares.values()) > 1 + 1e-9:
                raise ConfigError(
                    f"splits: {source} must share at most 1.0 among {', '.join(ROLES)}, "
                    f"got {dict(shares)}"
                )

    @classmethod
    def load(cls, path: Path = PATH) -> Splits:
        """Read the table from YAML."""
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls(
            shares=table["shares"],
            left_alone=table["left_alone"],
            limits={"guide": table["guide_limits"], "check": table["check_limits"]},
            licences=table["licences"],
        )

    def sources(self, role: str) -> list[str]:
        """The sources of which some rows train `role`."""
        return [source for source, shares in self.shares.items() if role in shares]

    def role(self, source: str, key: str) -> str | None:
        """The one role that the row with this key trains; a source without shares trains nobody."""
        place = position(f"role {key}")
        for role, share in self.shares.get(source, {}).items():
            if place < share:
                return role
            place -= share
        return None

    def is_left_alone(self, source: str, columns: Mapping[str, Any]) -> bool:
        """Whether the row must train nobody, by the value of one of its columns."""
        rules = self.left_alone.get(source, {})
        return any(columns.get(column) == value for column, value in rules.items())


def position(key: str) -> float:
    """A number in [0, 1) that depends on the key alone and is spread evenly."""
    return int.from_bytes(blake2b(key.encode(), digest_size=7).digest()) / 2**56


def drawn(keys: Iterable[str], limit: int | None) -> set[str]:
    """The `limit` keys that come first by hash: the same whatever else is in the source."""
    ranked = sorted(set(keys), key=lambda key: position(f"draw {key}"))
    return set(ranked[:limit])
