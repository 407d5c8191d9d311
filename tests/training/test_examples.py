"""What examples are made of others, and which."""

from trustydetox.training.examples import Example, by_sentence, swapped

KNOWN = frozenset({"idiots"}).__contains__
COMMENT = "We met the mayor at seven. They are idiots. So it goes. All of them came too late."


def comment(text: str, source: str = "civil_comments_toxic_half") -> Example:
    return Example(text, source, "row 1", 1.0)


def test_a_toxic_comment_teaches_by_sentence_too() -> None:
    found = list(by_sentence([comment(COMMENT)], KNOWN, frozenset()))
    assert [(each.text, each.toxic) for each in found] == [
        ("We met the mayor at seven.", 0.2),
        ("They are idiots.", 0.9),
        ("All of them came too late.", 0.2),  # "So it goes." says too little
    ]
    # They follow their comment into its share.
    assert {(each.source, each.key) for each in found} == {
        ("civil_comments_toxic_half+sentence", "row 1")
    }


def test_a_sentence_that_is_learned_from_or_measured_elsewhere_is_left_alone() -> None:
    elsewhere = frozenset({"they are idiots", "we met the mayor at seven"})
    found = by_sentence([comment(COMMENT)], KNOWN, elsewhere)
    assert [each.text for each in found] == ["All of them came too late."]


def test_other_sources_and_single_sentences_stay_whole() -> None:
    rows = [comment(COMMENT, "edos"), comment("They are idiots.")]
    assert list(by_sentence(rows, KNOWN, frozenset())) == []


def test_every_second_text_that_names_a_group_names_another_too() -> None:
    rows = [comment(f"{i} women came") for i in range(4)]
    found = list(swapped(rows))
    assert [each.text.partition(" ")[0] for each in found] == ["0", "2"]
    for each in found:
        assert "women" not in each.text
        assert (each.toxic, each.source) == (1.0, "civil_comments_toxic_half+swap")
