from __future__ import annotations

import json

import pytest

from trustydetox.serving.withholding import without_prompt

LINES = "You clown, look\nat this   \tmess of “ours”,\n\nand tell me who paid for it"
QUOTES = {
    "as it is": LINES,
    "folded": " ".join(LINES.split()),
    "in JSON": json.dumps(LINES),
    "in JSON as it goes out": json.dumps(LINES, ensure_ascii=False),
    "in Python": repr(LINES),
}


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
def test_a_prompt_is_withheld_in_each_form_that_a_server_quotes_it_in(quote: str) -> None:
    said = without_prompt(f"invalid: {quote} is too long", LINES)
    assert said.replace('"', "").replace("'", "") == "invalid: … is too long"


def test_a_quotation_is_withheld_before_the_message_is_cut() -> None:
    prompt = " ".join(f"You clown {n}!" for n in range(60))
    assert without_prompt(f"too long: {prompt} (limit 512)", prompt) == "too long: … (limit 512)"
    # Control: what isn't the prompt's is cut.
    assert without_prompt("ab " * 200, "clown") == "ab " * 100


def test_a_shortened_quotation_is_withheld_down_to_twenty_characters() -> None:
    prompt = "0123456789abcdefghijklmnopqrstuvwxyz"
    assert without_prompt(f"at '{prompt[:20]}...'", prompt) == "at '…...'"
    assert without_prompt(f"'{prompt[:22]}...{prompt[-25:]}'", prompt) == "'…...…'"
    # Control: fewer may be any sentence's.
    assert without_prompt(f"at '{prompt[:19]}'", prompt) == f"at '{prompt[:19]}'"


def test_a_short_prompt_is_withheld_as_a_whole_alone() -> None:
    assert without_prompt("no model is called clown", "clown") == "no model is called …"
    assert without_prompt("no model is called clow", "clown") == "no model is called clow"
    assert without_prompt("out of memory", "") == "out of memory"
    assert without_prompt("out of\nmemory", " \n") == "out of memory"
