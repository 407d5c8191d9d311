"""`python -m benchmarks`: measures, prints a table, writes it as Markdown and JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    corpus,
    experts,
    exporting,
    models,
    results,
    runs,
    serving,
    startup,
    trained,
    tuning,
)
from benchmarks.machine import this_machine

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Run every benchmark, or those named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which benchmarks; without names: all")
    parser.add_argument("-o", "--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--rows", type=int, default=1000, help="rows of a timed run")
    parser.add_argument(
        "--memory-rows",
        type=int,
        nargs="+",
        default=[10_000, 100_000],
        help="rows of the runs whose peak memory is compared; 100,000 take about a quarter hour",
    )
    parser.add_argument(
        "--soak-minutes", type=float, default=10, help="how long a service is kept busy"
    )
    asked = parser.parse_args()
    benchmarks: dict[str, Callable[[], list[results.Found]]] = {
        "import": startup.import_time,
        "size": startup.size,
        "padding": lambda: models.padding(4 * asked.rows),
        "forward": lambda: models.forward(asked.rows),
        "attribution": models.attribution,
        "rewriting": lambda: models.rewriting(asked.rows // 10),
        "outside": lambda: runs.outside_the_models(asked.rows),
        "speed": lambda: runs.speed(asked.rows),
        "devices": lambda: runs.devices(asked.rows),
        "memory": lambda: runs.memory(asked.memory_rows),
        "divergence": lambda: experts.divergence(max(1, asked.rows // 250)),
        "filling": lambda: experts.filling((max(1, asked.rows // 100), max(1, asked.rows // 10))),
        "writing": experts.writing,
        "gate": lambda: experts.whole(asked.rows // 5),
        "expert-memory": experts.memory,
        "identifier": lambda: trained.identifier(asked.rows),
        "reinforcing": trained.reinforcing,
        "kills": lambda: corpus.kills(max(1, asked.rows // 20)),
        "scaling": lambda: corpus.scaling(asked.rows),
        "growth": lambda: corpus.growth([10 * rows for rows in asked.memory_rows]),
        "serving": lambda: serving.serving(asked.rows // 2),
        "overload": lambda: serving.overload(asked.rows),
        "soak": lambda: serving.soak(asked.soak_minutes),
        "wrapper": tuning.wrapper,
        "methods": tuning.methods,
        "export": exporting.peak,
    }
    unknown = set(asked.names) - set(benchmarks)
    if unknown:
        parser.error(
            f"no benchmark is called {', '.join(sorted(unknown))}: {', '.join(benchmarks)}"
        )
    # One thread, so that CPU time is that of the work and not of threads that wait in a loop.
    import torch

    torch.set_num_threads(1)
    machine = this_machine()
    found: list[results.Found] = []
    for name in asked.names or benchmarks:
        print(f"{name} …", file=sys.stderr, flush=True)
        found += benchmarks[name]()
    results.write(asked.out, machine, found)
    print(results.markdown(machine, found), end="")


if __name__ == "__main__":
    main()
