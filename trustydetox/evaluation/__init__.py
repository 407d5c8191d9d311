"""Evaluation: spans, scorers, rewrites and models measured, with n and an interval per number."""

from __future__ import annotations

from trustydetox.evaluation.generation.comparing import Comparison, compare
from trustydetox.evaluation.generation.page import comparison_page
from trustydetox.evaluation.generation.plots import plot_cuts, plot_toxicity
from trustydetox.evaluation.generation.rating import ClassifierJudge
from trustydetox.evaluation.generation.sampling import Sampling, load_writer
from trustydetox.evaluation.generation.scores import Scores, measure_model
from trustydetox.evaluation.generation.tables import comparison_tables
from trustydetox.evaluation.judging import train_letter_judge, train_word_judge
from trustydetox.evaluation.tables import markdown

__all__ = [
    "ClassifierJudge",
    "Comparison",
    "Sampling",
    "Scores",
    "compare",
    "comparison_page",
    "comparison_tables",
    "load_writer",
    "markdown",
    "measure_model",
    "plot_cuts",
    "plot_toxicity",
    "train_letter_judge",
    "train_word_judge",
]
