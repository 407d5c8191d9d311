"""The results page: what was asked, what was found, with every n; numbers and plots, no text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustydetox.evaluation import Comparison, comparison_tables, plot_cuts, plot_toxicity
from trustydetox.evaluation.generation.comparing import PROBABILITY
from trustydetox.evaluation.generation.plots import png
from trustydetox.evaluation.intervals import Estimate
from trustydetox.evaluation.judging import JudgeFacts
from trustydetox.evaluation.tables import markdown, values

_LOWER, _PERPLEXITY, _KEPT = 0.45, 0.02, 0.98


@dataclass(frozen=True)
class Kept:
    """Rows and mentions of groups of people in them, before and after the cleaning."""

    rows: int
    rows_kept: int
    mentions: int
    mentions_kept: int


@dataclass(frozen=True)
class Outcome:
    """All that the page says."""

    protocol: Mapping[str, Any]
    parameters: int
    machine: str
    judges: Sequence[JudgeFacts]
    arms: Mapping[str, Mapping[str, Any]]
    against_raw: Comparison
    against_detoxed: Comparison
    kept: Kept


def write(outcome: Outcome, folder: Path) -> None:
    """RESULTS.md, results.json and two plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toxicity.png").write_bytes(png(plot_toxicity(outcome.against_raw)))
    (folder / "cuts.png").write_bytes(png(plot_cuts(outcome.against_raw)))
    (folder / "RESULTS.md").write_text(_page(outcome), encoding="utf-8")
    content = {
        "against_raw": values(outcome.against_raw),
        "against_detoxed": values(outcome.against_detoxed),
        "kept": values(outcome.kept),
        "goals": [
            {"goal": goal, "found": value, "reached": reached}
            for goal, value, reached in _goals(outcome)
        ],
    }
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _page(outcome: Outcome) -> str:
    found, protocol = outcome.against_raw, outcome.protocol
    lines = [
        "# What fine-tuning on cleaned rows does to a model",
        "",
        "Made by `make prove`; the protocol was committed before. One base, an OPT of "
        f"{outcome.parameters / 1e6:.1f} M parameters pretrained for this on "
        f"{protocol['base']['tokens']:,} tokens; {protocol['seeds']} training seeds per arm; "
        f"{found.prompts} prompts x {found.samples} continuations. A small base on short texts: "
        "read it as a test of the method, not as a forecast for a large model.",
        "",
        f"Machine: {outcome.machine}",
        "",
        "## Goals",
        "",
        "| goal | found | reached |",
        "| --- | --- | --- |",
        *(f"| {goal} | {value} | {reached} |" for goal, value, reached in _goals(outcome)),
        "",
        "![Toxicity probability per arm and judge](toxicity.png)",
        "",
        "![How much lower than raw](cuts.png)",
        "",
        "## The arms",
        "",
        "| arm | rows | texts clean, rewritten, unresolved | steps | tokens |",
        "| --- | --- | --- | --- | --- |",
        *(_arm(name, facts) for name, facts in outcome.arms.items()),
        "",
        "## The judges",
        "",
        "Trained for this on rows that no part of the recipe has seen. From their limits on a text "
        f"is toxic: at most {protocol['false_alarms']:.0%} of the harmless rows in their held-out "
        "tenth reach them.",
        "",
        "| judge | architecture | rows | AUC on its held-out tenth | of the toxic ones found |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {one.name} | {one.architecture} | {one.trained} | {_interval(one.auc)} "
            f"| {_interval(one.recall)} |"
            for one in outcome.judges
        ),
        "",
        "## Against raw",
        "",
        markdown(comparison_tables(found)),
        "## Against detoxed",
        "",
        markdown(comparison_tables(outcome.against_detoxed)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _goals(outcome: Outcome) -> list[tuple[str, str, str]]:
    found, kept = outcome.against_raw, outcome.kept
    goals = []
    for one in found.differences:
        if (one.model, one.measure) == ("detoxed", PROBABILITY):
            goals.append(
                (
                    f"{PROBABILITY} by {one.judge}: 45 % lower than raw, clear of zero",
                    f"{one.cut.value:.1%} lower [{one.cut.low:.1%}, {one.cut.high:.1%}]",
                    _yes(one.cut.value >= _LOWER and one.cut.low > 0),
                )
            )
        elif (one.model, one.measure) == ("detoxed", "perplexity"):
            goals.append(
                (
                    "perplexity on clean text within 2 % of raw",
                    f"{-one.cut.value:+.1%} [{-one.cut.high:+.1%}, {-one.cut.low:+.1%}]",
                    _yes(abs(one.cut.value) <= _PERPLEXITY),
                )
            )
    for what, before, after in (
        ("rows", kept.rows, kept.rows_kept),
        ("mentions of groups of people in the rows", kept.mentions, kept.mentions_kept),
    ):
        share = after / before if before else math.nan
        goals.append((f"98 % of {what} kept", f"{after} of {before}", _yes(share >= _KEPT)))
    return goals


def _arm(name: str, facts: Mapping[str, Any]) -> str:
    counts = (facts.get("detox") or {}).get("counts")
    texts = f"{counts['clean']}, {counts['rewritten']}, {counts['unresolved']}" if counts else "–"
    training = facts["training"]
    return f"| {name} | {facts['rows']} | {texts} | {training['steps']} | {training['tokens']} |"


def _interval(found: Estimate) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}], n = {found.n}"


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
