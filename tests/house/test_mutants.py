from __future__ import annotations

import ast

import pytest

from tests.mutants import breakable, broken

SOURCE = '''
def reach(limit: int = 3) -> bool:
    """Of 1 or more."""
    if limit < 0 or not found:
        raise ValueError
    warn(2.0)
    limit += 1
    return limit + 1 >= max(limit, 2)
'''

BROKEN = [
    ("limit: int=3", "limit: int=4"),
    ("limit < 0 or not found", "limit < 0 and (not found)"),
    ("limit < 0", "limit <= 0"),
    ("limit < 0", "limit < 1"),
    ("not found", "found"),
    ("raise ValueError", "pass"),
    ("warn(2.0)", "pass"),
    ("2.0", "3.0"),
    ("limit += 1", "limit -= 1"),
    ("limit += 1", "limit += 2"),
    ("return limit + 1 >= max(limit, 2)", "return"),
    ("limit + 1 >= max", "limit + 1 > max"),
    ("limit + 1", "limit - 1"),
    ("limit + 1", "limit + 2"),
    ("max(limit, 2)", "min(limit, 2)"),
    ("max(limit, 2)", "max(limit, 3)"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_one_place_is_broken_and_the_rest_stays(number: int) -> None:
    before, after = BROKEN[number]
    plain = ast.unparse(ast.parse(SOURCE))
    assert broken(SOURCE, number) == plain.replace(before, after, 1)


def test_no_other_place_is_broken() -> None:
    assert len(list(breakable(ast.parse(SOURCE)))) == len(BROKEN)
