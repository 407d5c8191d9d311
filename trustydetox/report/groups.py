"""Groups of people that a text mentions: whether they are edited more often than other texts.

A word of the list in a text is all that is looked for; "black coffee" counts too. A difference is
a reason to look, not a proof: texts about a group may really be attacked more often.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from trustydetox.records import Record, Verdict
from trustydetox.report.shares import wilson

GROUPS: Mapping[str, str] = {
    "African": "african africans",
    "Arab": "arab arabs arabic",
    "Asian": "asian asians",
    "Black": "black blacks",
    "Catholic": "catholic catholics",
    "Chinese": "chinese",
    "Christian": "christian christians",
    "deaf or blind": "deaf blind",
    "disabled": "disabled wheelchair autistic",
    "female": "woman women female girl girls lady ladies",
    "gay or lesbian": "gay gays lesbian lesbians bisexual bisexuals homosexual homosexuals",
    "immigrant": "immigrant immigrants migrant migrants refugee refugees",
    "Indian": "indian indians",
    "Jewish": "jewish jew jews",
    "Latino": "latino latina latinos latinas hispanic hispanics mexican mexicans",
    "male": "man men male boy boys gentleman gentlemen",
    "Muslim": "muslim muslims islamic",
    "old": "elderly pensioner pensioners seniors",
    "Roma": "roma romani",
    "transgender": "trans transgender transsexual nonbinary",
    "White": "white whites",
}
"""Group -> the words, in lower case, that mention it."""

DISPARITY = 1.25
"""A share is called out where it is so many times that of texts which mention no group."""

_WORD = re.compile(r"[^\W\d_]+")
_GROUP_OF = {word: group for group, words in GROUPS.items() for word in words.split()}


def groups_in(text: str) -> Iterator[str]:
    """The groups that a text mentions, each once."""
    words = _GROUP_OF.keys() & _WORD.findall(text.lower())
    return iter(dict.fromkeys(_GROUP_OF[word] for word in sorted(words)))


class GroupCounts:
    """Counts texts by the groups they mention: all, those found toxic, edited, and dropped."""

    def __init__(self) -> None:
        self._texts: Counter[str] = Counter()
        self._toxic: Counter[str] = Counter()
        self._edited: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Count one record under every group, or under `""` where there is none."""
        for group in list(groups_in(record.original)) or [""]:
            self._texts[group] += 1
            self._toxic[group] += record.verdict is not Verdict.CLEAN
            self._edited[group] += bool(record.edits)
            self._dropped[group] += record.output is None

    def report(self) -> dict[str, Any]:
        """Shares of toxic, edited and dropped texts with 95 % Wilson intervals, most texts first.

        ratio: of the share of toxic texts to that of texts which mention no group; None where
            that is 0. disparate: whether it is above `DISPARITY` and the intervals don't meet.
        """
        others = self._rates("")
        groups: dict[str, dict[str, Any]] = {}
        for group in sorted(self._texts, key=lambda one: (-self._texts[one], one)):
            if not group:
                continue
            rates = self._rates(group)
            base, share = others["toxic"]["value"], rates["toxic"]["value"]
            ratio = float(f"{share / base:.3g}") if base else None
            groups[group] = {
                **rates,
                "ratio": ratio,
                "disparate": ratio is not None
                and ratio > DISPARITY
                and rates["toxic"]["low"] > others["toxic"]["high"],
            }
        return {"none": others, "groups": groups}

    def _rates(self, group: str) -> dict[str, Any]:
        n = self._texts[group]
        return {
            "texts": n,
            "toxic": wilson(self._toxic[group], n),
            "edited": wilson(self._edited[group], n),
            "dropped": wilson(self._dropped[group], n),
        }
