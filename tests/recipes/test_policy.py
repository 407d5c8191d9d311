from __future__ import annotations

from pathlib import Path

import pytest

from trustydetox.errors import ConfigError
from trustydetox.recipes import Policy, policy_names, read_policy, read_recipe
from trustydetox.report import Gate
from trustydetox.roles import Action
from trustydetox.steps.sparing import contexts


def write(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", ["balanced", "keep-identity-terms", "strict"])
def test_a_preset_is_there_and_says_what_it_does(name: str) -> None:
    assert name in policy_names()
    assert read_policy(name).name == name
    assert read_policy(name).description


@pytest.mark.parametrize("name", policy_names())
def test_the_budgets_of_a_preset_can_be_checked(name: str) -> None:
    assert [Gate.of(one).name for one in read_policy(name).fail_on]


@pytest.mark.parametrize("name", policy_names())
def test_a_preset_spares_what_the_default_recipe_spares(name: str) -> None:
    spared = read_recipe("mini", **read_policy(name).overrides).spare
    assert set(spared) >= set(read_recipe("mini").spare)


def test_a_role_has_an_action_or_a_threshold_or_both(tmp_path: Path) -> None:
    text = "roles: {user: drop, gpt: {threshold: 0.3}, tool: {action: flag, threshold: 1}}"
    policy = read_policy(write(tmp_path, text))
    assert policy.actions == {"user": Action.DROP, "tool": Action.FLAG}
    assert policy.thresholds == {"assistant": 0.3, "tool": 1.0}


@pytest.mark.parametrize("role", ["system", "usr"])
def test_a_threshold_for_words_that_nobody_reads_is_an_error(tmp_path: Path, role: str) -> None:
    policy = read_policy(write(tmp_path, f"roles: {{{role}: {{threshold: 0.3}}}}"))
    with pytest.raises(ConfigError, match=f"the role '{role}' says .* give it an action"):
        _ = policy.actions


def test_a_role_may_have_any_name_that_data_has_for_it(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, "roles: {GPT: {threshold: 0.3}, Human: drop}\n"))
    assert policy.actions == {"user": Action.DROP}
    assert policy.thresholds == {"assistant": 0.3}


def test_only_what_a_policy_says_replaces_a_setting_of_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "threshold: 0.3\nspare: [code]\nlabels: {insult: 0.4}\n")
    assert read_policy(path).overrides == {
        "threshold": 0.3,
        "spare": ("code",),
        "labels": {"insult": 0.4},
    }
    assert Policy().overrides == {}


def test_an_empty_list_takes_the_place_of_the_recipe_s(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, "spare: []\nallow: []\nlabels: {}\nthreshold: null"))
    assert policy.overrides == {"spare": (), "allow": (), "labels": {}}
    assert read_recipe("mini").spare
    assert read_recipe("mini", **policy.overrides).spare == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("treshold: 0.3", "policy 'own' has no setting 'treshold'; did you mean 'threshold'?"),
        ("threshold: 3", "policy 'own': threshold must be less than or equal to 1, got 3"),
        ("labels: {insult: 0}", r"labels\.insult must be greater than 0, got 0"),
        (
            "fail_on: drop_rate > 0.02",
            r"fail_on must be a list, such as \['drop_rate > 0.02'\], got 'drop_rate > 0.02'",
        ),
        ("allow: 3", "allow must be a list, got 3"),
        ("spare: [quotes]", r"spare\.0 must be 'identity-terms', 'quotation'"),
    ],
)
def test_what_a_policy_cant_say_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_policy(write(tmp_path, text))


def test_an_unknown_policy_gets_the_nearest_known() -> None:
    with pytest.raises(ConfigError, match="no policy is called 'balance'; did you mean 'balanced'"):
        read_policy("balance")


def test_the_schema_knows_every_context_that_the_masker_knows() -> None:
    said = Policy.model_json_schema()["properties"]["spare"]["items"]["enum"]
    assert sorted(said) == sorted(contexts())
