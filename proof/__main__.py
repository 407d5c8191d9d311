"""`make prove`: pretrain a base, train the arms, measure what each writes, write the results page.

Every stage leaves its result in the work folder and is skipped when it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.machine import this_machine
from proof.pretraining import Base, parameters, pretrain
from proof.results import Kept, Outcome, write
from proof.rows import Rows, bundled_rows, public_rows
from trustydetox.evaluation import (
    Sampling,
    Scores,
    compare,
    load_writer,
    measure_model,
    train_letter_judge,
    train_word_judge,
)
from trustydetox.evaluation.generation.scores import guides_of, mentions
from trustydetox.training import ARMS, make_arms, read_settings, train_arms

HERE = Path(__file__).parent


def main() -> None:
    """Run the protocol on public rows, or the small one on the bundled rows."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of public sources")
    parser.add_argument("--small", action="store_true", help="on the bundled rows, in minutes")
    parser.add_argument("--protocol", type=Path, help="another protocol than the committed one")
    parser.add_argument("--work", type=Path, default=Path("build/proof"), help="work folder")
    parser.add_argument("-o", "--out", type=Path, help="folder of the results page")
    asked = parser.parse_args()
    if asked.small == (asked.data is not None):
        parser.error("say --data DIR, or --small for the bundled rows")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    name = "small.yaml" if asked.small else "protocol.yaml"
    protocol = yaml.safe_load((asked.protocol or HERE / name).read_text(encoding="utf-8"))
    work = asked.work / ("small" if asked.small else "full")
    work.mkdir(parents=True, exist_ok=True)
    out = asked.out or (work / "results" if asked.small else HERE / "results")
    rows = bundled_rows(protocol) if asked.small else public_rows(asked.data, protocol)
    outcome = prove(protocol, rows, work)
    write(outcome, out)
    say(f"results: {out / 'RESULTS.md'}")


def prove(protocol: Mapping[str, Any], rows: Rows, work: Path) -> Outcome:
    """All stages, in order."""
    say("base")
    base = pretrain(rows.pretraining, Base(**protocol["base"]), work)
    _write(work / "train.jsonl", rows.train)
    _write(work / "reserve.jsonl", rows.reserve)
    on_cpu = [] if torch.cuda.is_available() else ["--use_cpu"]
    settings = read_settings(
        HERE / "sft.yaml",
        [
            *("--model_name_or_path", str(base)),
            *("--output_dir", str(work / "arms")),
            *("--max_steps", str(protocol["steps"])),
            *on_cpu,
        ],
        rows=work / "train.jsonl",
    )
    further = read_settings(options=on_cpu, rows=work / "reserve.jsonl").rows()["train"]
    train_arms(settings, seeds=protocol["seeds"], reserve=further, say=say)
    say("judges")
    judges = (
        train_word_judge("judge A", rows.judges[0], protocol["false_alarms"]),
        train_letter_judge("judge B", rows.judges[1], protocol["false_alarms"]),
    )
    found: dict[str, list[Scores]] = {}
    for arm in ARMS:
        for seed in range(protocol["seeds"]):
            say(f"continuations of arm {arm}, seed {seed}")
            place = Path("arms") / arm / f"seed-{seed}"
            scores = measure_model(
                load_writer(work / place),
                rows.prompts,
                rows.perplexity,
                judges,
                work / "scores" / arm / f"seed-{seed}",
                sampling=Sampling(**protocol["sampling"]),
                guides=guides_of(work / place),
            )
            found.setdefault(arm, []).append(scores)
    others = {arm: each for arm, each in found.items() if arm not in ("raw", "detoxed")}
    [detoxed] = make_arms(settings, ["detoxed"])
    return Outcome(
        protocol,
        parameters(base),
        str(this_machine()),
        [judge.facts for judge in judges],
        {arm: _facts(work / "arms" / arm / "seed-0") for arm in ARMS},
        compare(found),
        compare({"detoxed": found["detoxed"], **others}),
        Kept(
            len(rows.train),
            len(detoxed.rows),
            sum(map(mentions, rows.train)),
            sum(map(mentions, detoxed.rows["text"])),
        ),
    )


def say(line: str) -> None:
    """Tell the person who waits, on standard error."""
    print(line, file=sys.stderr, flush=True)


def _write(path: Path, texts: Any) -> None:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "trustydetox.json").read_text(encoding="utf-8"))
    return facts


if __name__ == "__main__":
    main()
