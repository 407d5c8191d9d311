"""The settings of `clean_dataset` for TRL's scripts.

They stand beside `clean_dataset` and not under `training/`: they are that function's settings and
nothing else, import no trainer, and who cleans for a trainer of their own needs none of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from trustydetox.corpus.choosing import roles_in
from trustydetox.corpus.datasets.cleaning import Cleaned, clean_dataset


@dataclass(frozen=True)
class DetoxConfig:
    """How to clean a dataset, as one of the dataclasses that `trl.TrlParser` reads.

    Every name starts with `detox_`, so none is taken by `SFTConfig`, `ModelConfig`,
    `ScriptArguments` or `DatasetMixtureConfig`.
    """

    detox_recipe: str = field(
        default="mini", metadata={"help": "A built-in recipe, or the path of a YAML file."}
    )
    detox_policy: str | None = field(
        default=None, metadata={"help": "A built-in policy, or the path of a YAML file."}
    )
    detox_threshold: float | None = field(
        default=None,
        metadata={"help": "A text of this toxicity or more is toxic. Without it: the recipe's."},
    )
    detox_fallback: Literal["drop", "redact", "keep"] | None = field(
        default=None,
        metadata={
            "help": "What to do with a toxic text that can't be mended: drop its row, redact the "
            "toxic spans, or keep it. Without it: the recipe's."
        },
    )
    detox_fields: list[str] = field(
        default_factory=list,
        metadata={"help": "The columns to clean. Without it: every recognised column."},
    )
    detox_roles: str = field(
        default="",
        metadata={
            "help": "ROLE=ACTION,…: what becomes of whose toxic words in a conversation: rewrite, "
            "redact, drop, flag or keep."
        },
    )
    detox_run: str | None = field(
        default=None,
        metadata={"help": "A folder for records and report. It will hold original texts."},
    )

    def clean(self, dataset: Any) -> Cleaned:
        """What `clean_dataset` gives with these settings."""
        return clean_dataset(
            dataset,
            recipe=self.detox_recipe,
            policy=self.detox_policy,
            threshold=self.detox_threshold,
            fallback=self.detox_fallback,
            fields=self.detox_fields,
            roles=roles_in(self.detox_roles),
            run=self.detox_run,
        )
