"""Evaluation: how well spans are found and toxicity is told, with n and an interval per number."""
