"""Code and data inside a text: names and structure that a program reads, not words said to anyone.

Only what is surely code is found; prose looks like code more often than code is toxic.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import chain, groupby

from trustydetox.spans import Span, merge

HANDLE = r"(?<!\w)@(?-i:(?<=\bRT @)\w+|\w*(?:[a-z][A-Z]|_)\w*)"
"""A user's name that is no disguised word, as `@sshole` is."""


def snippets_in(text: str) -> list[Span]:
    """Where code is, disjoint and in order."""
    return list(merge(chain.from_iterable(find(text) for find in _FINDERS)))


_STATEMENT = (
    r"^[ \t]*(?:(?:const|let|var) +[\w{}\[\], ]+="
    r"|(?:async +)?(?:def|function|fn|func) +\w+ *\(|class +\w+ *[({:]"
    r"|from +[\w.]+ +import +\w|import +[\w.{*]+[^.!?\n]*$|#include\b"
    r"|(?:el)?if +[\w.]*\w\(.*\) *[:{]|return +[\w.\"']+;"
    r"|\w+(?:\.\w+)+\(.*\)$|[\w.]*\w\(.*\);$|[\w.]+ *= *[^\s=].*;$"
    # x += 1
    r"|[\w.\[\]]++ *[-+*/%&^|]= *\S"
    # x = 1, but not `Trump = liar`
    r"|(?!(?:you|u|he|she|they|we|me|us|him|her|it)\b)[a-z_][\w.\[\]]*+ *= *"
    r"(?:[-\d.]+|True|False|None|true|false|null|\"[^\"\n]*\"|'[^'\n]*'|[\[{].*[\]}])[ \t]*$"
    r"|export +\w+=\S|lambda +\w+(?: *, *\w+)*: *\S|\w+ +\w+ *= *[^\s=].*;$"
    r"|(?:(?:public|private|protected|static|final|abstract) +)+(?:class|interface|void|int) +\w+"
    # for x in y: | while x < 3: | if (x) {
    r"|for +\w+(?: *, *\w+)* +in +[\w.]+(?:\(.*\)|\[.*\])? *:"
    r"|(?:while|if|elif) +(?:not +)?[\w.]+ *(?:[=!<>]=|[<>%]) *[-\w.\"'\[\](){}][^,\n]*[:{]"
    r"|(?:for|while|if|else if|switch|catch) *\(.*\) *\{$).*"
)
"""A line that opens as a statement of a programming language does."""

# Such a line, or `while x:`, is a statement where indented ones follow.
_OPENS = re.compile(rf"(?:{_STATEMENT}|[ \t]*(?:while|if|elif) +(?:not +)?[\w.]+ *:)")

_CLAUSE = r"(?:WHERE|AND|OR|ORDER|GROUP|LIMIT|SET|VALUES|(?:INNER\s+|LEFT\s+)?JOIN)\b"
_CODE = re.compile(
    r"```.*?```|`[^`\n]+`|\b(?:https?://|www\.)\S+|(?-s:"
    + _STATEMENT
    + ")|"
    + HANDLE
    # Behind no such sign: else a long run of them is tried from each of its places.
    + r"|(?<![\w.+-])[\w.+-]+@[\w-]+\.\w[\w.]*"
    # A query, up to its end. Names of columns don't go on for ever.
    + r"|^[ \t]*(?:SELECT\s[\w\s.,*()]{1,300}\sFROM|INSERT\s+INTO|CREATE\s+TABLE"
    + r"|DELETE\s+FROM|UPDATE)\s+[\w.]++"
    + rf"(?:\s*+{_CLAUSE}[^;\n]*|[ \t]*+(?:;|\([^;\n]*|$))(?:\n[ \t]*{_CLAUSE}[^;\n]*)*",
    re.DOTALL | re.MULTILINE,
)

# What follows an article or `you` is said of somebody, with an underscore too.
_SAID = r"(?<!\ban )(?<!\ba )(?<!\byou )(?<!\byour )(?<!\bsuch )(?<!\bu )(?<!\bur )"
_NAME = re.compile(
    # idiot_count, but not you_idiot
    rf"(?<![\w@#]){_SAID}(?!(?:\w*_)?(?:you|your|u|ur|r|off|ass|my|a|an|the|is|are)(?:_|\b))"
    r"[^\W\d_][^\W_]++(?:_(?:[^\W_]{2,}+|\d))++(?!\w)"
    # dumb()
    rf"|(?<![\w.]){_SAID}[^\W\d][\w.]*+\(\)(?!\w)"
    # [idiot](https://x.com)
    r"|\[[^\s\[\]]++\](?=\((?:https?:/|/|\./|#|mailto:|\w+\.\w))",
    re.IGNORECASE,
)

_ENDING = (
    r"txt|md|csv|tsv|jsonl?|ya?ml|toml|xml|html?|css|jsx?|tsx?|py|ipynb|sh|sql|cpp|hpp|java|rb|php"
    r"|cfg|ini|pdf|docx|xlsx|png|jpe?g|gif|svg|mp[34]|zip|gz|tar|dll|parquet"
)
_WRITTEN = re.compile(r"[\w.~:$%/\\\-]++")
_PATH = re.compile(
    rf"[A-Za-z]:\\.+|(?:~|\.{{1,2}})[/\\]\w.*|/\w[^/]*/.+|(?:.*[/\\])?[\w.\-]*\w\.(?:{_ENDING})"
)

_TAG = re.compile(
    r"</[A-Za-z][\w:\-]*+\s*+>|<[A-Za-z][\w:\-]*+(?:\s*+/>|\s[^<>=]*+=[^<>]*+>)|<(?P<open>[A-Za-z]\w*+)>"
)
_CLOSING = re.compile(r"</([A-Za-z]\w*+)\s*+>")
_SHOWN = re.compile(
    r"\b(?:alt|title|content|placeholder|aria-label|label|summary)\s*=\s*"
    r"(?:\"(?P<double>[^\"\s]+\s[^\"]*)\"|'(?P<single>[^'\s]+\s[^']*)')",
    re.IGNORECASE,
)

_STRING = r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'"
_OBJECT = re.compile(
    rf"[{{\[](?:\s*+(?:{_STRING}|[{{}}\[\]:,]|-?\d[\d.eE+\-]*+|\b(?:true|false|null|True|False|None)\b))*+"
)
# A key, or a value of one word: one of several is prose.
_ITEM = re.compile(
    rf"(?<=[{{\[:,\s])(?:(?:{_STRING})(?=\s*+:)|(?:\"[^\"\s]*+\"|'[^'\s]*+')(?=\s*+[,\]}}]))"
)

_LINE = re.compile(r"[^\r\n]+")
_ROW = re.compile(r"[ \t]*\|(?!\|)[^|]+\|.*\|[ \t]*")
_CELL = re.compile(r"(?<=\|)[ \t]*+[^\s|]++[ \t]*+(?=\|)")
_SETTING = re.compile(r"[ \t]*(?:- )?[a-z_][\w\-]*+:(?: +(?P<value>[\w.\-]+|\"[^\"]*\"))?[ \t]*")
_PLAIN = re.compile(r"true|false|null|-?\d[\d.]*")
_RECORD = re.compile(r"[\w.+\-@]*+(?:(?:,[\w.+\-@]*+)+|(?:\t[\w.+\-@]*+)+)")


def _lines(text: str) -> Iterator[Span]:
    """The lines that hold anything, without their breaks."""
    return (Span(*match.span()) for match in _LINE.finditer(text))


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (Span(*match.span()) for match in pattern.finditer(text))


def _blocks(text: str) -> Iterator[Span]:
    """Lines that open a block, each up to the end of every line of it."""
    start, depth = 0, sys.maxsize
    for line in _lines(text):
        said = line.of(text)
        indent = len(said) - len(said.lstrip())
        if indent == len(said):
            continue
        if indent > depth:
            yield Span(start, line.end)
        elif said.rstrip().endswith((":", "{")) and _OPENS.match(said):
            start, depth = line.start, indent
        else:
            depth = sys.maxsize


def _paths(text: str) -> Iterator[Span]:
    for match in _WRITTEN.finditer(text):
        end = match.end() - (len(match[0]) - len(match[0].rstrip(".:")))
        if _PATH.fullmatch(text, match.start(), end):
            yield Span(match.start(), end)


def _tags(text: str) -> Iterator[Span]:
    """Tags, but for what they show to a reader; one without attributes where it is closed."""
    closed = {match[1] for match in _CLOSING.finditer(text)}
    for match in _TAG.finditer(text):
        if match["open"] and match["open"] not in closed:
            continue
        start = match.start()
        for shown in _SHOWN.finditer(text, *match.span()):
            inner = shown.span("double" if shown["double"] else "single")
            yield Span(start, inner[0])
            start = inner[1]
        yield Span(start, match.end())


def _items(text: str) -> Iterator[Span]:
    """Keys and short values of objects and arrays."""
    for match in _OBJECT.finditer(text):
        for item in _ITEM.finditer(text, *match.span()):
            yield Span(*item.span())


def _cells(text: str) -> Iterator[Span]:
    """Cells of one word, of rows of a table in Markdown."""
    for line in _lines(text):
        if _ROW.fullmatch(text, line.start, line.end):
            for cell in _CELL.finditer(text, line.start, line.end):
                yield Span(*cell.span())


def _settings(text: str) -> Iterator[Span]:
    """Lines of keys and single values, of which one is no word, as no list of speakers has."""
    matched = ((line, _SETTING.fullmatch(text, line.start, line.end)) for line in _lines(text))
    for is_setting, group in groupby(matched, key=lambda each: each[1] is not None):
        lines = list(group)
        values = [match["value"] or "" for _, match in lines if match]
        if is_setting and len(lines) > 1 and any(map(_PLAIN.fullmatch, values)):
            yield Span(lines[0][0].start, lines[-1][0].end)


def _records(text: str) -> Iterator[Span]:
    """Two lines or more of as many single words, with nothing but commas or tabs between them."""
    for key, group in groupby(_lines(text), key=lambda line: _shape(line.of(text))):
        lines = list(group)
        if key and len(lines) > 1:
            yield Span(lines[0].start, lines[-1].end)


def _shape(line: str) -> tuple[int, int] | None:
    """How many commas and tabs part its single words; None for another line."""
    found = _RECORD.fullmatch(line)
    return (line.count(","), line.count("\t")) if found else None


_FINDERS: tuple[Callable[[str], Iterator[Span]], ...] = (
    _matches(_CODE),
    _matches(_NAME),
    _blocks,
    _paths,
    _tags,
    _items,
    _cells,
    _settings,
    _records,
)
