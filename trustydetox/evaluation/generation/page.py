"""A comparison as one offline page: tables and plots, no script and no text of any row."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from trustydetox.evaluation.generation.comparing import Comparison
from trustydetox.evaluation.generation.plots import plot_cuts, plot_toxicity, png
from trustydetox.evaluation.generation.tables import comparison_tables


def comparison_page(found: Comparison) -> str:
    """HTML; its content policy allows its own style sheet and its own plots, and no request."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    own = files("trustydetox.evaluation.generation")
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    plots = [("Share of prompts with a toxic continuation", plot_toxicity(found))]
    if found.differences:
        plots.append((f"Against {next(iter(found.seeds))}", plot_cuts(found)))
    return environment.from_string(own.joinpath("page.html").read_text(encoding="utf-8")).render(
        models=list(found.seeds),
        tables=comparison_tables(found),
        plots=[(title, base64.b64encode(png(plot)).decode()) for title, plot in plots],
        style=style,
        policy=(
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
            "form-action 'none'"
        ),
    )
