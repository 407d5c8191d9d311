"""The page to try recipes on: a text or a small file in, what is found and done with it out."""

from __future__ import annotations

from trustydetox.playground.app import build_playground

__all__ = ["build_playground"]
