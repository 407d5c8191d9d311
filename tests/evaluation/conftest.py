from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trustydetox.training.sources import is_dev

Row = dict[str, Any]
INSULTS = ("idiot", "moron")
TOPICS = ("garden", "ladder", "kettle", "piano", "bridge", "window", "lantern")


def write(path: Path, rows: list[Row]) -> None:
    """A Parquet file of `rows`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def toxic(place: str) -> Iterator[str]:
    """Endless texts whose last word is an insult."""
    for k in count():
        yield f"{place} {k}, your {TOPICS[k % 7]} is old, {INSULTS[k % 2]}"


def clean(place: str) -> Iterator[str]:
    """Endless texts that insult nobody."""
    for k in count():
        yield f"{place} {k}, your {TOPICS[k % 7]} is old, neighbour"


def dealt(texts: Iterator[str], *, train: int = 12, dev: int = 4) -> list[str]:
    """The first texts that a split file would train on, then those that it would measure."""
    taken: dict[bool, list[str]] = {False: [], True: []}
    wanted = {False: train, True: dev}
    while any(len(taken[part]) < wanted[part] for part in taken):
        text = next(texts)
        if len(taken[is_dev(text)]) < wanted[is_dev(text)]:
            taken[is_dev(text)].append(text)
    return taken[False] + taken[True]


def last_word(text: str) -> list[list[int]]:
    """Where an insult stands in one of the texts above, as the data files say it."""
    return [[text.rindex(" ") + 1, len(text)]]


def labelled(name: str, **more: Any) -> list[Row]:
    """Rows of both classes, dealt to train and dev."""
    return [
        {"text": text, "label": label, **more}
        for label, texts in ((1, toxic(name)), (0, clean(name)))
        for text in dealt(texts)
    ]


def one_class(name: str, label: int, **more: Any) -> list[Row]:
    """Rows of one class, dealt to train and dev."""
    texts = toxic(name) if label else clean(name)
    return [{"text": text, "label": label, **more} for text in dealt(texts)]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder laid out like the real one, with mild rows of our own."""
    root = tmp_path_factory.mktemp("data")
    for path, rows in _files():
        write(root / path, rows)
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command line in this process, the tests' fakes at hand as recipe steps."""
    from typer.testing import CliRunner

    from trustydetox.cli import app

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "recipes" / "plugin"))

    def _run(*args: object) -> Any:
        result = CliRunner().invoke(app, list(map(str, args)), prog_name="trustydetox")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return _run


def _files() -> Iterator[tuple[str, list[Row]]]:
    yield "paradetox/train.parquet", _pairs("pair", 30)
    yield "paradetox/dev.parquet", _pairs("dev pair", 5)
    yield "paradetox_cannot_rewrite/all.parquet", one_class("content", 1, reason="toxic_content")
    yield "snlp_detox_jigsaw_sentences/dev.parquet", labelled("sentence")
    yield "snlp_detox_jigsaw_sentences/test10k.parquet", labelled("more")
    yield "toxic_spans_semeval2021/train.parquet", _marked("post", 40)
    yield "toxic_spans_semeval2021/trial.parquet", _marked("trial", 10)
    yield "toxic_spans_acl2022/all.parquet", _rated()
    yield "hatexplain/val.parquet", _rationales()
    yield "edos/train.parquet", labelled("edos")
    yield "edos/dev.parquet", labelled("edos dev")
    yield "davidson/train.parquet", labelled("tweet")
    # The labels of this one are the wrong way round: the control of every perfect score.
    yield (
        "vicomtech_stormfront/all.parquet",
        [{**row, "label": 1 - row["label"]} for row in labelled("forum")],
    )
    yield "safenlp_toxigen/all.parquet", labelled("machine", toxicity_score=3.0)
    yield "safenlp_implicithate/all.parquet", labelled("implicit")
    yield (
        "sbic/dev.parquet",
        [{**row, "offensiveYN": float(row["label"]), "targetMinority": "[]"}
         for row in labelled("frame")],
    )  # fmt: skip
    yield "civil_comments_toxic_half/all.parquet", one_class("civil", 1)
    yield (
        "jigsaw_sample_detoxify/train.parquet",
        [{**row, "toxic": row["label"]} for row in labelled("jigsaw")],
    )
    yield (
        "jigsaw_sample_demo/all.parquet",
        [{"comment_text": row["text"], "toxic": row["label"]} for row in labelled("demo")],
    )
    yield "madlibs_77k/all.parquet", labelled("madlib", template="being_adj")
    yield "dialogsum/dev.parquet", [{"dialogue": "#Person1#: Hello.\n#Person2#: Hi."}]
    for name in ("train", "dev"):
        yield f"goemotions/{name}.parquet", one_class(f"emotion {name}", 0, labels="27")
        yield f"lm_ud_ewt/{name}.parquet", one_class(f"tree {name}", 0)
    for name in (
        "bold",
        "lm_taskmaster4",
        "lm_self_dialogue",
        "lm_sgd",
        "lm_multidogo",
        "lm_tatoeba_en",
        "lm_masc",
        "lm_standard_ebooks",
    ):
        yield f"{name}/all.parquet", one_class(name.replace("_", " "), 0)
    for name in ("inaugural", "state_union"):
        yield f"lm_us_speeches/{name}.parquet", one_class(name, 0)
    yield "lexicons/ldnoobw_en.parquet", [{"term": "moron"}, {"term": "heck no"}]
    yield "lexicons/surge_profanity_en.parquet", [{"text": "idiot"}]


def _pairs(name: str, n: int) -> list[Row]:
    texts = zip(range(n), toxic(name), clean(name), strict=False)
    return [{"id": k, "toxic": bad, "neutral": [good]} for k, bad, good in texts]


def _marked(name: str, n: int) -> list[Row]:
    """Insults with gold spans, and one post in five whose insult nobody marked."""
    texts = zip(range(n), toxic(name), strict=False)
    return [{"text": text, "spans": last_word(text) if k % 5 else []} for k, text in texts]


def _rated() -> list[Row]:
    return [
        {
            "comment_id": k,
            "text": text,
            "n_raters": 3,
            "spans_majority": last_word(text),
            "span_types": '{"Insult": 2}',
            "n_all_toxic": 0,
            "n_not_toxic": 1,
        }
        for k, text in enumerate(dealt(toxic("rated")))
    ]


def _rationales() -> list[Row]:
    rows = []
    for texts, majority in ((toxic("explained"), "offensive"), (clean("explained"), "normal")):
        for _, text in zip(range(6), texts, strict=False):
            tokens = text.split()
            marks = [0] * len(tokens)
            marks[-1] = int(majority == "offensive")
            rows.append(
                {"text": text, "tokens": tokens, "majority": majority, "rationale_majority": marks}
            )
    return rows
