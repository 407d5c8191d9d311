"""The settings of `clean_dataset` for TRL's scripts.

They stand beside `clean_dataset` and not under `training/`: they are that function's settings and
nothing else, import no trainer, and who cleans for a trainer of their own needs none of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from trustydetox.corpus.choosing import Chosen, choose, roles_in
from trustydetox.corpus.datasets.cleaning import Cleaned, clean_with
from trustydetox.recipes import Policy, read_policy


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
            "help": "ROLE=ACTION,…: what becomes of whose toxic words, in conversations and plain "
            "columns: rewrite, redact, drop, flag or keep."
        },
    )
    detox_run: str | None = field(
        default=None,
        metadata={"help": "A folder for records and report. It will hold original texts."},
    )

    @property
    def rules(self) -> Policy:
        """The policy, or one without any rule."""
        return Policy() if self.detox_policy is None else read_policy(self.detox_policy)

    def chosen(self) -> Chosen:
        """The recipe under the policy; its models aren't loaded yet."""
        return choose(self.detox_recipe, self.detox_threshold, self.detox_fallback, self.rules)

    def clean(self, dataset: Any) -> Cleaned:
        """What `clean_dataset` gives with these settings."""
        return clean_with(
            self.chosen(),
            self.rules,
            dataset,
            fields=self.detox_fields,
            roles=roles_in(self.detox_roles),
            run=self.detox_run,
        )
