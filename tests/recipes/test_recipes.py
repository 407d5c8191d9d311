from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes import Deleter, NoisyScorer, WordMasker, WordScorer, WordsKept
from tests.networks import tiny_identifier
from tests.pretrained import bert_classifier
from trustydetox.embedded.identifier import save_identifier
from trustydetox.errors import ConfigError, ModelError
from trustydetox.recipes import (
    load_recipe,
    models_of,
    read_recipe,
    recipe_names,
    settings_of,
    step_named,
    step_names,
    write_recipe,
)
from trustydetox.recipes.reading import read_yaml
from trustydetox.records import Verdict
from trustydetox.steps.attributing import IntegratedGradients
from trustydetox.steps.checking import LessToxic
from trustydetox.steps.leaving import Leaving
from trustydetox.steps.scoring import Attributed, ClassifierScorer, WorstSentence

FAKE = Path(__file__).with_name("fake.yaml")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a recipe file: the fake one, with some settings replaced (None removes one)."""

    def _write(**replaced: Any) -> Path:
        settings = yaml.safe_load(FAKE.read_text("utf-8")) | replaced
        path = tmp_path / "own.yaml"
        kept = {key: value for key, value in settings.items() if value is not None}
        path.write_text(yaml.safe_dump(kept), "utf-8")
        return path

    return _write


def refusal(path: Path | str, **overrides: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, **overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_recipe_file_makes_a_pipeline_of_the_steps_it_names() -> None:
    detoxifier = load_recipe(FAKE)

    assert detoxifier.scorer == WordScorer()
    assert detoxifier.masker == WordMasker(limit=0.3)
    assert detoxifier.infiller == Deleter()
    assert detoxifier.checks == (WordsKept(limit=0.0),)
    assert [record.output for record in detoxifier.run(["you idiot", "hello"])] == ["you", "hello"]


def test_an_override_replaces_the_file_s_setting() -> None:
    assert load_recipe(FAKE, threshold=0.9, fallback="keep").threshold == 0.9
    assert load_recipe(FAKE, fallback="keep").fallback == "keep"
    chosen = load_recipe(FAKE, rounds=5, tries=4)
    assert (chosen.rounds, chosen.tries) == (5, 4)


def test_an_override_of_none_replaces_nothing(write: Any) -> None:
    assert load_recipe(write(threshold=0.7), threshold=None).threshold == 0.7


def test_a_step_inside_a_step_is_made_first(write: Any) -> None:
    path = write(scorer={"step": "fake-noise", "noise": 0.01, "scorer": {"step": "fake-words"}})

    assert load_recipe(path).scorer == NoisyScorer(WordScorer(), 0.01)


def test_a_step_may_use_the_recipe_s_own_scorer(write: Any) -> None:
    path = write(checks=[{"step": "less-toxic", "scorer": "recipe"}])

    detoxifier = load_recipe(path)

    assert isinstance(detoxifier.checks[0], LessToxic)
    assert detoxifier.checks[0].scorer is detoxifier.scorer


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"treshold": 0.5}, "recipe 'own' has no setting 'treshold'; did you mean 'threshold'?"),
        ({"threshold": 1.2}, "recipe 'own': threshold must be less than or equal to 1, got 1.2"),
        ({"threshold": 0}, "recipe 'own': threshold must be greater than 0, got 0"),
        ({"rounds": 0}, "recipe 'own': rounds must be greater than or equal to 1, got 0"),
        (
            {"fallback": "dorp"},
            "recipe 'own': fallback must be 'drop', 'redact' or 'keep', got 'dorp'",
        ),
        ({"scorer": None}, "recipe 'own' lacks 'scorer'"),
        ({"scorer": {"limit": 1}}, "recipe 'own' lacks 'scorer.step'"),
        ({"scorer": "fake-wrods"}, "no scorer is called 'fake-wrods'; did you mean 'fake-words'?"),
        (
            {"masker": {"step": "fake-words", "limt": 0.3}},
            "masker 'fake-words' has no setting 'limt'; did you mean 'limit'?",
        ),
        (
            {"masker": {"step": "fake-words", "limit": "high"}},
            "masker 'fake-words': limit must be of type float, got 'high'",
        ),
        (
            {"masker": {"step": "fake-words", "limit": True}},
            "masker 'fake-words': limit must be of type float, got True",
        ),
        (
            {"checks": [{"step": "fake-lacks"}]},
            "check 'fake-lacks' lacks its setting 'word'",
        ),
        (
            {"scorer": {"step": "encoder", "guide": "embeded", "view": "detection"}},
            "scorer 'encoder': guide is neither embedded nor a folder: 'embeded'; "
            "did you mean 'embedded'?",
        ),
        ({"language": "eo"}, "no language is called 'eo'; known: en"),
        ({"allow": ["damn"]}, "masker 'fake-words' has no setting 'allow'; known: limit"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    write: Any, replaced: dict[str, Any], message: str
) -> None:
    assert refusal(write(**replaced)) == message


def test_a_recipe_without_checks_is_refused(write: Any) -> None:
    assert "checks" in refusal(write(checks=[]))


def test_an_unknown_override_is_refused() -> None:
    assert refusal(FAKE, treshold=0.5).endswith("did you mean 'threshold'?")


def test_an_unknown_recipe_gets_the_nearest_name() -> None:
    assert refusal("minni") == "no recipe is called 'minni'; did you mean 'mini'?"


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.yaml"
    assert refusal(path) == f"there is no recipe file '{path}'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", "isn't valid YAML in line"),
        ("- a\n- b\n", "must hold settings (key: value), got a list"),
        ("a: 1\na: 2\n", "isn't valid YAML in line 1: the key 'a' stands there twice"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n  b: 2\n  b: 3\n", "the key 'b' stands there twice"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n  <<: *a\n", "the key '<<' stands there twice"),
        ("a: &a 1\nc:\n  <<: *a\n", "isn't valid YAML in line 1: expected a mapping"),
        ("a: !!python/object/apply:os.getcwd []\n", "isn't valid YAML in line 1"),
    ],
)
def test_a_malformed_recipe_file_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content, "utf-8")
    assert message in refusal(path)


def test_a_mapping_may_take_over_the_keys_of_another_and_write_them_anew(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  y: 3\n  <<: *a\n  z: {<<: *a, x: 4}\n", "utf-8")
    assert read_yaml(path) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3, "z": {"x": 4, "y": 2}},
    }


def test_a_recipe_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"name: \xff\n")
    assert refusal(path) == f"{path} isn't UTF-8: byte 6 can't be read"


def test_plug_ins_stand_beside_the_built_in_steps() -> None:
    assert "fake-words" in step_names("scorers")
    assert step_named("scorers", "fake-words") is WordScorer


def test_a_plug_in_that_can_t_be_imported_says_which() -> None:
    with pytest.raises(ModelError) as caught:
        step_named("scorers", "fake-broken")
    assert str(caught.value) == (
        "the plug-in scorer 'fake-broken' can't be imported from "
        "tests.no_such_module:Scorer: ModuleNotFoundError"
    )


def plant(folder: Path, entry: str) -> None:
    info = folder / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[trustydetox.scorers]\n{entry}\n", "utf-8")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("encoder = tests.fakes:WordScorer", "which is a built-in's name"),
        ("fake-words = tests.fakes:NoisyScorer", "two plug-ins call a scorer 'fake-words'"),
    ],
)
def test_a_plug_in_may_not_take_a_name_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, complaint: str
) -> None:
    plant(tmp_path, entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=complaint):
        step_named("scorers", "fake-words")


def test_settings_hold_defaults_and_only_a_digest_of_the_word_lists(write: Any) -> None:
    settings = settings_of(read_recipe(FAKE, deny=("crap",)))

    assert settings["name"] == "fake"
    assert settings["rounds"] == 3
    assert settings["masker"] == {"step": "fake-words", "limit": 0.3}
    assert settings["allow"] is None
    assert settings["deny"] == {
        "words": 1,
        "sha256": "2189c0ed714f0c54ea91fc1d8355e3b1d68723a4fb580e99b088651c80a50f26",
    }


def test_the_built_in_recipes_are_named() -> None:
    assert recipe_names() == [
        *("chat", "condbert", "marco", "mini", "mini-ig", "paradetox", "roberta-ig", "tmarco")
    ]


@pytest.mark.parametrize("name", ["mini-ig", "roberta-ig"])
def test_what_rewrites_as_mini_does_spares_what_mini_spares(name: str) -> None:
    spared = read_recipe("mini").spare
    assert spared == read_recipe(name).spare
    assert {"identity-terms", "homonyms"} <= set(spared)


@pytest.mark.parametrize("name", ["mini", "mini-ig"])
def test_what_is_toxic_alone_needs_to_be_worse_in_a_long_text(name: str) -> None:
    made = load_recipe(name)
    worst = made.scorer.scorer if isinstance(made.scorer, Attributed) else made.scorer
    assert isinstance(worst, WorstSentence)
    said = "The plot was dumb."
    text = f"We met at seven. {said} Then we ate. The train was late. I read a book."
    alone, long = worst.score([said, text])
    assert long.overall < made.threshold < alone.overall
    # The control: where a long text needs nothing worse, it is toxic too.
    [harsh] = replace(worst, sure=0.5).score([text])
    assert harsh.overall > made.threshold


@pytest.mark.parametrize("name", ["mini", "mini-ig"])
def test_a_very_long_text_is_toxic_by_an_insult_and_not_by_a_mood(name: str) -> None:
    made = load_recipe(name)
    calm = "We ate. It rained a lot. The sea was cold. We swam. The bus was late. Nobody minded. "
    calm += "The kids slept well. Parking was easy. The food was good. It is far. We liked it. "
    insult, mood = made.score(
        [f"{calm}{said}" for said in ("You are an idiot. Bye.", "It was a silly idea. Bye.")]
    )
    assert mood.overall < made.threshold < insult.overall
    # The control: in a short text a mood is enough.
    [short] = made.score(["It was a silly idea."])
    assert short.overall > made.threshold


@pytest.mark.parametrize("name", ["mini", "mini-ig"])
def test_what_is_toxic_alone_needs_to_be_worse_still_in_a_very_long_text(name: str) -> None:
    made = load_recipe(name)
    worst = made.scorer.scorer if isinstance(made.scorer, Attributed) else made.scorer
    assert isinstance(worst, WorstSentence)
    text = "The bus was late. " * 10 + "That is ridiculous. " * 3
    assert made.score([text])[0].overall < made.threshold
    # The control: where it needs no more than other long texts it is toxic.
    [harsh] = replace(worst, surer=None).score([text])
    assert harsh.overall > made.threshold


def test_a_kind_word_about_a_group_is_not_toxic() -> None:
    made = load_recipe("mini")
    text = "Some of the bravest people I know are Kenyans."
    [record] = made.run([text])
    assert (record.verdict, record.output) == (Verdict.CLEAN, text)
    # The control: the guide alone takes it for toxic.
    assert isinstance(made.scorer, Attributed)
    [alone] = made.scorer.scorer.score([text])
    assert alone.overall >= made.threshold


def test_an_act_in_plain_words_stays_and_an_oath_beside_it_goes() -> None:
    made = load_recipe("mini")
    text = "The killer bitch in that film was great."
    [record] = made.run([text])
    assert (record.verdict, record.output) == (
        Verdict.REWRITTEN,
        "The killer in that film was great.",
    )
    # The control: where infillers may touch it, no candidate passes.
    assert isinstance(made.infiller, Leaving)
    [touched] = replace(made, infiller=made.infiller.infiller).run([text])
    assert touched.verdict is Verdict.UNRESOLVED


def test_a_text_that_is_toxic_by_an_act_alone_is_unresolved_and_can_be_redacted() -> None:
    made = replace(load_recipe("mini"), fallback="redact")
    [record] = made.run(["What's the best way to kill someone without getting caught?"])
    assert record.verdict is Verdict.UNRESOLVED
    assert record.output == "What's the best way to [removed] without getting caught?"
    # The control: without the check it says something else.
    checks = [check for check in made.checks if check.name != "facts-kept"]
    [other] = replace(made, checks=checks).run([record.original])
    assert other.verdict is Verdict.REWRITTEN
    assert "kill" not in (other.output or "")


def test_a_plain_word_makes_a_likely_toxic_text_toxic() -> None:
    made = load_recipe("mini")
    text = "It came with a crappy manual."
    [record] = made.run([text])
    assert record.verdict is Verdict.REWRITTEN
    # The control: the guide alone isn't sure enough.
    assert isinstance(made.scorer, Attributed)
    [alone] = made.scorer.scorer.score([text])
    assert alone.overall < made.threshold
    # As little as this is enough.
    less = "The hotel had a crappy shower and a nice view."
    assert 0.3 <= made.scorer.scorer.score([less])[0].overall < 0.4
    [mild] = made.run([less])
    assert mild.verdict is Verdict.REWRITTEN
    # Very long, it would be so by chance.
    [long] = made.run([text + " It is here." * 12])
    assert long.verdict is Verdict.CLEAN


@pytest.mark.parametrize(
    ("text", "output", "settings"),
    [
        ("The garbage truck is late, you moron.", "The garbage truck is late.", {}),
        (
            "This is crap and you are a moron.",
            "This is crap and you are wrong.",
            {"allow": ("crap",)},
        ),
        (
            'He said "you idiot" and then the damn bus left.',
            'He said "you idiot" and then the bus left.',
            {"spare": ("quotation",)},
        ),
    ],
)
def test_a_text_is_mended_around_what_stays(text: str, output: str, settings: Any) -> None:
    made = load_recipe("mini", **settings)
    assert made.score([output])[0].overall >= made.threshold  # by what stays
    [record, again] = made.run([text, output])
    assert (record.verdict, record.output) == (Verdict.REWRITTEN, output)
    assert (again.reason, again.output) == ("spared", output)


def test_an_attributor_may_look_into_the_recipe_s_own_scorer(write: Any, tmp_path: Path) -> None:
    model = bert_classifier(tmp_path / "model", ["fine", "rude"])
    labels = {"fine": "clean", "rude": "toxic"}
    path = write(
        scorer={"step": "classifier", "model": model, "labels": labels},
        attributor={"step": "integrated-gradients", "guide": "recipe"},
    )
    detoxifier = load_recipe(path)
    assert isinstance(detoxifier.attributor, IntegratedGradients)
    assert isinstance(detoxifier.scorer, ClassifierScorer)
    assert detoxifier.attributor.guide is detoxifier.scorer.guide


def test_an_attributor_looks_through_what_limits_and_doubts_a_score(
    write: Any, tmp_path: Path
) -> None:
    model = bert_classifier(tmp_path / "model", ["fine", "rude"])
    labels = {"fine": "clean", "rude": "toxic"}
    classifier = {"step": "classifier", "model": model, "labels": labels}
    attributor = {"step": "leave-one-out", "scorer": classifier}
    limited = {"step": "worst-sentence", "scorer": classifier}
    doubted = {"step": "attributed", "scorer": limited, "attributor": attributor, "least": 0.5}
    path = write(scorer=doubted, attributor={"step": "integrated-gradients", "guide": "recipe"})
    detoxifier = load_recipe(path)
    assert isinstance(detoxifier.attributor, IntegratedGradients)
    assert isinstance(detoxifier.scorer, Attributed)
    assert isinstance(detoxifier.scorer.scorer, WorstSentence)
    assert isinstance(detoxifier.scorer.scorer.scorer, ClassifierScorer)
    assert detoxifier.attributor.guide is detoxifier.scorer.scorer.scorer.guide


def test_an_attributor_may_look_into_a_classifier_of_its_own(write: Any, tmp_path: Path) -> None:
    model = bert_classifier(tmp_path / "model", ["fine", "rude"])
    labels = {"fine": "clean", "rude": "toxic"}
    guide = {"step": "classifier", "model": model, "labels": labels}
    detoxifier = load_recipe(write(attributor={"step": "integrated-gradients", "guide": guide}))
    assert isinstance(detoxifier.attributor, IntegratedGradients)
    assert detoxifier.attributor.guide.labels == ("fine", "rude")


def test_a_scorer_without_a_network_can_t_be_looked_into(write: Any) -> None:
    said = refusal(write(attributor={"step": "integrated-gradients", "guide": "recipe"}))
    assert said == (
        "attributor 'integrated-gradients': a WordScorer has no network to look into; "
        "use leave-one-out, or name a classifier"
    )


def test_a_path_that_starts_with_a_dot_lies_beside_the_recipe(tmp_path: Path, write: Any) -> None:
    path = write(scorer={"step": "identifier", "identifier": "./"})
    with pytest.raises(ModelError, match="identifier"):
        load_recipe(path)
    save_identifier(tiny_identifier(), tmp_path)
    assert load_recipe(path).scorer.score(["idiot"])[0].overall > 0
    assert set(models_of(read_recipe(path))) == {
        str(tmp_path / name)
        for name in ("identifier.json", "identifier.safetensors", "own.yaml", "tokenizer.json")
    }


def test_recorded_scores_are_known_by_what_their_file_holds(write: Any, tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    recorded = {"step": "recorded", "path": "./scores.jsonl", "scorer": "fake-words"}
    recipe = read_recipe(write(scorer={**recorded, "scorer": recorded}))
    assert models_of(recipe) == {}
    found = []
    for score in (0.1, 0.9):
        scores.write_text(json.dumps({"text": "a", "toxicity": score}) + "\n", "utf-8")
        found.append(models_of(recipe))
    assert [list(one) for one in found] == [[str(scores)]] * 2
    assert found[0] != found[1]


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    recipe = read_recipe("mini", threshold=0.7)
    write_recipe(recipe, tmp_path / "mini.yaml")
    assert read_recipe(tmp_path / "mini.yaml") == recipe != read_recipe("mini")


def test_what_two_parts_of_a_recipe_are_built_on_is_loaded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trustydetox.embedded import editor

    load = editor.load_editor
    loaded: list[Path] = []

    def counted(folder: Path) -> editor.Editor:
        loaded.append(folder)
        return load(folder)

    monkeypatch.setattr(editor, "load_editor", counted)
    load_recipe("mini")
    assert len(loaded) == 1
