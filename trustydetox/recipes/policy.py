"""A policy: when and what to do about toxicity, whatever recipe does it. Read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trustydetox.detoxifier import Fallback
from trustydetox.errors import ConfigError, did_you_mean
from trustydetox.recipes.reading import one_line, read_yaml
from trustydetox.roles import Action
from trustydetox.rows import by_role
from trustydetox.rows.columns import ROLES

Context = Literal[
    "identity-terms", "quotation", "names", "homonyms", "counter-speech", "medical", "legal", "code"
]
Probability = Annotated[float, Field(gt=0, le=1)]


class RoleRule(BaseModel):
    """What becomes of one role's toxic words, where there is more to say than an action.

    action: rewrite, redact, drop (its row), flag (in its record), keep (unread); without it what
        the role gets without a policy.
    threshold: from which toxicity on they are toxic; without it the policy's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action | None = None
    threshold: Probability | None = None


class Policy(BaseModel):
    """When a text is toxic, what is done then, what is let stand, and how much is too much.

    threshold: from which overall toxicity on; without it the recipe's.
    labels: from which probability of a label on a text is toxic too.
    fallback: what is done where no rewrite passes the checks; without it the recipe's.
    roles: whose words get what, by any name that data has for a role; one that isn't named gets
        what it gets without a policy.
    allow, deny: words that are never, and always, taken out of a toxic text.
    spare: contexts in which toxic words stay.
    fail_on: budgets such as `drop_rate > 0.02`; a run that breaks one exits with 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "unnamed"
    description: str = ""
    threshold: Probability | None = None
    labels: Mapping[str, Probability] = Field(default_factory=dict)
    fallback: Fallback | None = None
    roles: Mapping[str, Action | RoleRule] = Field(default_factory=dict)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    spare: tuple[Context, ...] = ()
    fail_on: tuple[str, ...] = ()

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings of a recipe that it replaces."""
        names = ("threshold", "labels", "fallback", "allow", "deny", "spare")
        # An empty list replaces the recipe's, too.
        given = {name: getattr(self, name) for name in names if name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def actions(self) -> dict[str, Action]:
        """What becomes of whose words, for roles of which that is said."""
        actions: dict[str, Action] = {}
        for role, rule in by_role(self.roles).items():
            action = rule if isinstance(rule, Action) else rule.action
            if action is not None:
                actions[role] = action
            elif ROLES.get(role, Action.KEEP) is Action.KEEP:
                raise ConfigError(
                    f"policy {self.name!r}: nobody reads what the role {role!r} says unless told "
                    "to: give it an action beside its threshold"
                )
        return actions

    @property
    def thresholds(self) -> dict[str, float]:
        """From which toxicity on, for roles that have their own."""
        return {
            role: rule.threshold
            for role, rule in by_role(self.roles).items()
            if isinstance(rule, RoleRule) and rule.threshold is not None
        }


def policy_names() -> list[str]:
    """The built-in policies, in order of name."""
    return sorted(Path(entry.name).stem for entry in _presets().iterdir())


def read_policy(name_or_path: str | Path) -> Policy:
    """A built-in policy by name, or one in a YAML file by path (with a `/` or ending in .yaml)."""
    known = policy_names()
    path = Path(name_or_path)
    if str(name_or_path) in known:
        path = Path(str(_presets())) / f"{name_or_path}.yaml"
    elif path.suffix not in {".yaml", ".yml"} and len(path.parts) == 1:
        near = did_you_mean(str(name_or_path), known)
        raise ConfigError(f"no policy is called {str(name_or_path)!r}{near}")
    settings = {"name": path.stem, **read_yaml(path)}
    try:
        return Policy.model_validate(settings)
    except ValidationError as error:
        raise one_line(error, Policy, f"policy {path.stem!r}") from error


def _presets() -> Any:
    return files("trustydetox.recipes").joinpath("policies")
