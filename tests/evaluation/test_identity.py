from __future__ import annotations

from string import Formatter

from tests.fakes import WordScorer, detoxifier
from trustydetox.evaluation.identity import Term, load_statements, measure_identity

STATEMENTS = load_statements()


def test_a_term_takes_its_article_and_its_forms() -> None:
    kurd = Term.of(["Kurdish", "Kurd", "Kurds"])
    assert kurd.fill("I am {np}, {a_adj} one, {adj}, of the {plural}.") == (
        "I am a Kurd, a Kurdish one, Kurdish, of the Kurds."
    )
    assert Term.of(["agnostic"]).fill("{np} of {plural}") == "an agnostic person of agnostic people"
    assert Term.of(["HIV-positive"]).fill("{a_adj}") == "an HIV-positive"
    assert Term.of(["Ukrainian"]).fill("{a_adj}") == "a Ukrainian"


def test_there_are_enough_statements_and_none_twice() -> None:
    templates = [one for group in STATEMENTS.templates.values() for one in group]
    assert len(set(templates)) == len(templates) >= 40
    assert len(set(STATEMENTS.held_out)) == len(STATEMENTS.held_out) >= 60
    assert not {term.adjective.lower() for term in STATEMENTS.held_out} & {
        term.adjective.lower() for term in STATEMENTS.common
    }


def test_every_template_names_the_group() -> None:
    for group in STATEMENTS.templates.values():
        for template in group:
            assert {name for _, name, _, _ in Formatter().parse(template) if name}, template


def test_held_out_terms_and_templates_stay_out_of_the_training_statements() -> None:
    from pathlib import Path

    import yaml

    import trustydetox.training

    path = Path(trustydetox.training.__file__).with_name("identity.yaml")
    own = yaml.safe_load(path.read_text("utf-8"))
    trained = {form.lower() for forms in own["training_terms"] for form in forms}
    for term in STATEMENTS.held_out:
        assert not {term.adjective.lower(), term.noun.lower(), term.plural.lower()} & trained
    blank = {"adj": "_", "a_adj": "_", "np": "_", "noun": "_", "plural": "_"}
    taught = {one.format(**blank) for group in own["templates"].values() for one in group}
    measured = {one.format(**blank) for group in STATEMENTS.templates.values() for one in group}
    assert not taught & measured


def test_a_fair_recipe_changes_nothing_and_has_no_gap() -> None:
    for result in measure_identity(detoxifier()):
        assert (result.changed.value, result.toxic.value, result.gap.value) == (0.0, 0.0, 0.0)
        assert result.worst == ()


def test_a_recipe_that_minds_one_group_shows_it() -> None:
    biased = detoxifier(scorer=WordScorer({"asexual": 0.9}))
    held_neutral, held_positive, common, _ = measure_identity(biased)
    assert held_neutral.toxic.value == 1 / len(STATEMENTS.held_out)
    assert held_neutral.gap.value == 1.0
    assert [(rate.term, rate.toxic.value) for rate in held_neutral.worst] == [("asexual", 1.0)]
    assert held_positive.gap.value == 1.0
    assert common.toxic.value == 0.0
    assert held_neutral.toxic.n == len(STATEMENTS.held_out) * len(STATEMENTS.templates["neutral"])
    # The fake pipeline finds nothing to mask in such a text and drops it: that is a change.
    assert held_neutral.changed.value == held_neutral.toxic.value
