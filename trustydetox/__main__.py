"""`python -m trustydetox`: the command line."""

from __future__ import annotations

from trustydetox.cli import main

if __name__ == "__main__":
    main()
