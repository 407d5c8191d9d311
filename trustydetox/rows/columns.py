"""Rows as TRL and its neighbours write them: where the texts are, and what may be done to them.

A column holds a text, or a conversation: a list of messages with `role` and `content` (ChatML, as
TRL has it) or `from` and `value` (ShareGPT). Both kinds may stand in any column, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from trustydetox.errors import ConfigError, InputError, did_you_mean
from trustydetox.roles import Action, Passage
from trustydetox.rows.jsonvalues import kind_of_value
from trustydetox.rows.pointers import parts_of, pointer_of, replaced

SPEAKERS = {
    "text": "text",
    "prompt": "user",
    "completion": "assistant",
    "chosen": "assistant",
    "rejected": "assistant",
    "messages": "text",
    "conversations": "text",
}
"""The columns that TRL and ShareGPT know, and whose words they hold where they hold one text."""

ALPACA = {"instruction": "user", "input": "user", "output": "assistant"}
"""Alpaca's columns, looked for where `instruction` and `output` are both there."""

ANSWER = {"response": "assistant"}
"""What many call a `completion`, looked for where `prompt` is there."""

_KNOWN = SPEAKERS.keys() | ALPACA.keys() | ANSWER.keys()

AFTER_PROMPT = ("completion", "completions", "chosen", "messages", *ANSWER)
"""Where a prompt stands alone though one of these is there, something else is in it than text."""

ASKED = frozenset({"prompt", "instruction", "input"})
"""What somebody asks for."""

SCORED = ASKED | {"rejected"}
"""Only scored unless named: mending what a preference rejects would destroy the preference.

A row may do without them where another column has a text."""

ROLES: Mapping[str, Action] = {
    "text": Action.REWRITE,
    "assistant": Action.REWRITE,
    "user": Action.FLAG,
    "system": Action.KEEP,
    "developer": Action.KEEP,
    "tool": Action.KEEP,
}
"""What may be done to whose words in a conversation, and to plain text, unless told otherwise."""

ALIASES = {
    "human": "user",
    "prompter": "user",
    "ai": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "function": "tool",
    "function_call": "tool",
    "function_response": "tool",
    "observation": "tool",
    "ipython": "tool",
}
"""What ShareGPT files, OpenAssistant's, LangChain and chat templates call the roles."""

WORDS = ("content", "value", "text")
"""What a message with a `role` has its words under: the first of these keys that has any."""

THOUGHTS = ("thinking", "reasoning_content")
"""What a message has the thoughts before its words under, in the chat templates that know any."""

TEXT_PARTS = ("text", "input_text", "output_text")
"""The types of a message's parts that are text, the last two in OpenAI's Responses."""

PREFERENCE = ("chosen", "rejected")
"""What is preferred and to what. Where no prompt stands beside them, it is what both begin with."""

LABEL = "label"
"""TRL's column that says, in unpaired preferences, whether the completion is a good one."""

JUDGED = frozenset({"completion", *ANSWER})
"""What `label` speaks of."""

# A list of messages as `json.dumps`, `str` and NumPy write it.
_WRITTEN_OUT = re.compile(r"""\s*\[\s*\{(?=\s*['"])(?s:.*)['"](?:role|from)['"]\s*:""")

_Rule = TypeVar("_Rule")

_STRENGTH = {action: at for at, action in enumerate(Action)}


class _Place(NamedTuple):
    """A text inside a row, before it is known what may be done to it."""

    parts: tuple[str | int, ...]
    role: str
    text: str
    is_message: bool

    @property
    def at(self) -> int:
        """Which message of its column it stands in."""
        return int(self.parts[1])


@dataclass(frozen=True)
class Columns:
    """The RowFormat of named columns; each holds a text or a conversation.

    roles: what becomes of whose words where that was asked for, in a conversation and in a column
        that holds one text. That goes for prompts, too; of what a preference rejects no more is
        done than its column allows. Other roles get what `ROLES` says, at most what the column
        allows, and those that it lacks are left alone.
    thresholds: from which toxicity on whose words are toxic, where not from the pipeline's.
    """

    actions: Mapping[str, Action]
    roles: Mapping[str, Action] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.actions:
            raise ConfigError("expected at least one column, got none")

    @property
    def needed(self) -> list[str]:
        """The columns that must be read from a file."""
        return [*self.actions] if JUDGED.isdisjoint(self.actions) else [*self.actions, LABEL]

    def read(self, row: Mapping[str, Any], /) -> list[Passage]:
        """The texts of every column that aren't to be left alone; null or no column is no text.

        InputError where a column holds anything else, or none that must have a text has one.
        """
        return [one for one in self.texts(row) if one.action is not Action.KEEP]

    def texts(self, row: Mapping[str, Any]) -> list[Passage]:
        """All texts, those that are to be left alone too."""
        self._require_text(row)
        passages: list[Passage] = []
        turns = _shared_turns(row) if self.actions.keys() >= {*PREFERENCE} else 0
        for name in self.actions:
            is_rejected = name in JUDGED and _is_rejected(row)
            for place in _places(name, row):
                is_prompt = name in PREFERENCE and place.is_message and place.at < turns
                allowed = self._asked(place) if is_prompt else self._allowed(name, place)
                if is_rejected:
                    # An unpaired preference: what it rejects must stay as bad as it is.
                    allowed = _weaker(allowed, Action.FLAG)
                path = pointer_of(*place.parts)
                threshold = self.thresholds.get(place.role)
                passages.append(Passage(path, place.role, place.text, allowed, threshold))
        return passages

    def _allowed(self, name: str, place: _Place) -> Action:
        """What may be done to a text of a column."""
        action = self.actions[name]
        asked = self.roles.get(place.role)
        if asked is not None:
            return asked if name in ASKED else _weaker(action, asked)
        if place.is_message or place.role == "text":
            return _weaker(action, ROLES.get(place.role, Action.KEEP))
        return action

    def _asked(self, place: _Place) -> Action:
        """What may be done to a turn that both columns of a preference begin with, in both.

        Else they would differ from there on, and a trainer would take the turns for the answers.
        """
        action = _weaker(*(self.actions[name] for name in PREFERENCE))
        weakest = _weaker(action, ROLES.get(place.role, Action.KEEP))
        return self.roles.get(place.role, weakest)

    def _require_text(self, row: Mapping[str, Any]) -> None:
        """Raise InputError where nothing is in a row but what stands beside a text."""
        # A prompt without its answer is a broken row, an answer without a prompt is a text.
        holders = [name for name in self.actions if name not in SCORED] or [*self.actions]
        if any(row.get(name) is not None for name in holders):
            return
        name = holders[0]
        if name not in row:
            raise InputError(f"no column {name!r}")
        raise InputError(f"expected a string or a list of messages in {name!r}, got null")

    def write(
        self, row: Mapping[str, Any], texts: Sequence[str | None], /
    ) -> dict[str, Any] | None:
        """The row with its texts replaced, in its own order of columns."""
        values = dict(row)
        for passage, text in zip(self.read(row), texts, strict=True):
            if text is None:
                return None
            if text != passage.text:
                values = replaced(values, parts_of(passage.path), text)
        return values


def _is_rejected(row: Mapping[str, Any]) -> bool:
    """Whether a row's label says no: a CSV file has words for it, NumPy a type of its own."""
    return str(row.get(LABEL)).strip().lower() in {"false", "0", "0.0"}


def _shared_turns(row: Mapping[str, Any]) -> int:
    """How many turns of a preference are its prompt, as TRL's `extract_prompt` has it."""
    chosen, rejected = (row.get(name) for name in PREFERENCE)
    # A prompt in other words than the answers isn't the one that a trainer reads.
    is_apart = isinstance(row.get("prompt"), list | tuple)
    if is_apart or not isinstance(chosen, list | tuple) or not isinstance(rejected, list | tuple):
        return 0
    shorter = min(len(chosen), len(rejected))
    # The last turn is an answer whatever it says.
    return next((at for at in range(shorter) if chosen[at] != rejected[at]), max(0, shorter - 1))


def _weaker(one: Action, other: Action) -> Action:
    return min(one, other, key=_STRENGTH.__getitem__)


def _places(name: str, row: Mapping[str, Any]) -> Iterator[_Place]:
    """The texts of a column."""
    value = row.get(name)
    if isinstance(value, str):
        if name in SPEAKERS and name != "text" and _WRITTEN_OUT.match(value):
            raise InputError(
                f"expected a list of messages in {name!r}, got one written as a string: read it "
                "first, with json.loads or ast.literal_eval"
            )
        yield _Place((name,), (SPEAKERS | ALPACA | ANSWER).get(name, "text"), value, False)
        return
    if value is None:
        return
    if not isinstance(value, list | tuple):
        raise InputError(
            f"expected a string or a list of messages in {name!r}, got {kind_of_value(value)}"
        )
    for at, message in enumerate(value):
        yield from _message((name, at), message)


def _message(parts: tuple[str | int, ...], message: Any) -> Iterator[_Place]:
    """The texts of a message: its thoughts, and its content or those of its parts that are text."""
    where = pointer_of(*parts)
    if not isinstance(message, Mapping):
        raise InputError(f"expected a message at {where}, got {kind_of_value(message)}")
    role_key, text_key = keys_of(message)
    if not role_key:
        raise InputError(f"a message without role and content, or from and value, at {where}")
    role = role_of(str(message[role_key]))
    for key in THOUGHTS:
        if isinstance(message.get(key), str):
            yield _Place((*parts, key), role, message[key], True)
    content = message.get(text_key)
    if isinstance(content, str):
        yield _Place((*parts, text_key), role, content, True)
    elif isinstance(content, list | tuple):
        for at, part in enumerate(content):
            if not isinstance(part, Mapping):
                raise InputError(
                    f"expected a part of a message at {where}/{text_key}/{at}, "
                    f"got {kind_of_value(part)}"
                )
            # Parquet has the type of every part, if only as null.
            if isinstance(part.get("text"), str) and (part.get("type") or "text") in TEXT_PARTS:
                yield _Place((*parts, text_key, at, "text"), role, part["text"], True)
    elif content is not None:
        # Null is what stands beside tool calls.
        raise InputError(f"expected a string at {where}/{text_key}, got {kind_of_value(content)}")


def role_of(name: str) -> str:
    """The role that is called so, in data or by who says what becomes of its words."""
    return ALIASES.get(name.lower(), name.lower())


def by_role(given: Mapping[str, _Rule]) -> dict[str, _Rule]:
    """What was said of roles by any of their names; ConfigError where one is named twice."""
    names: dict[str, str] = {}
    for name in given:
        other = names.setdefault(role_of(name), name)
        if other != name:
            raise ConfigError(
                f"roles: {other!r} and {name!r} are one role, {role_of(name)!r}: name it once"
            )
    return {role: given[name] for role, name in names.items()}


def keys_of(message: Mapping[str, Any]) -> tuple[str, str]:
    """The keys of a message's role and text; `""` where it has none."""
    if message.get("role") is not None:
        return "role", next((key for key in WORDS if message.get(key) is not None), "content")
    if message.get("from") is not None and "value" in message:
        return "from", "value"
    return "", ""


def holds_text(value: Any) -> bool:
    """Whether a value is a text or a conversation."""
    if isinstance(value, str):
        return True
    is_list = isinstance(value, list | tuple) and len(value) > 0
    return is_list and all(isinstance(one, Mapping) and keys_of(one)[0] for one in value)


def choose_columns(
    fields: Sequence[str],
    known: Mapping[str, bool] | None,
    rows: Sequence[Mapping[str, Any]],
) -> Columns | None:
    """The columns to clean: the named ones, else TRL's, else the only one that holds text.

    known: the file's columns and whether each holds text, where the file says so.
    rows: the first readable rows.
    Raises InputError where no row can have the columns; None where `rows` is empty and so
    nothing is known yet.
    """
    if known is None and not rows:
        return None
    texts = dict(known or {})
    if known is None:
        for row in rows:
            for name, value in row.items():
                texts[name] = texts.get(name, False) or holds_text(value)
    if fields:
        return _named(fields, texts)
    chosen = _recognised(texts)
    if chosen == ["prompt"] and (
        empty := next((name for name in AFTER_PROMPT if name in texts), "")
    ):
        raise InputError(
            f"column {empty!r} beside 'prompt' holds neither texts nor messages: "
            f"name the columns to clean with --field (fields= in Python)"
        )
    is_known = bool(chosen)
    if not chosen:
        chosen = [name for name, is_text in texts.items() if is_text]
        if len(chosen) > 1:
            # A CSV file has no types: a column of numbers is text to its reader.
            chosen = [name for name in chosen if not _is_numeric(name, rows)]
    if len(chosen) == 1 or is_known:
        scored = {name for name in chosen if name in SCORED}
        # A file of nothing but prompts is a file of texts.
        if len(scored) == len(chosen):
            scored = set()
        return Columns({name: Action.FLAG if name in scored else Action.REWRITE for name in chosen})
    if not rows:
        return None
    listed = ", ".join(map(repr, texts)) or "none"
    raise InputError(
        f"which column holds the text? expected one of {', '.join(SPEAKERS)}, Alpaca's, or a "
        f"single text column; columns: {listed}; name it with --field (fields= in Python)"
    )


def late_column(row: Mapping[str, Any], columns: Columns) -> str:
    """A column of text that wasn't chosen, and would be by this row; `""` where there is none."""
    unchosen = _KNOWN & row.keys() - columns.actions.keys()
    if not unchosen:
        return ""
    texts = {name: holds_text(value) for name, value in row.items()}
    return next((name for name in _recognised(texts) if name in unchosen), "")


def _recognised(texts: Mapping[str, bool]) -> list[str]:
    """The columns that hold text and are known by their names."""
    found = [name for name in SPEAKERS if texts.get(name)]
    if texts.get("instruction") and texts.get("output"):
        # Beside others too: Alpaca's own `text` is its columns once more.
        found += [name for name in ALPACA if texts.get(name)]
    if texts.get("prompt"):
        found += [name for name in ANSWER if texts.get(name)]
    return found


def _named(fields: Sequence[str], texts: Mapping[str, bool]) -> Columns:
    for name in fields:
        if name not in texts:
            near = did_you_mean(name, texts)
            listed = ", ".join(map(repr, texts)) or "none"
            raise InputError(f"no column is called {name!r}{near} (columns: {listed})")
        if not texts[name]:
            raise InputError(f"column {name!r} holds no text")
    return Columns(dict.fromkeys(fields, Action.REWRITE))


def _is_numeric(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row.get(name) for row in rows]
    return any(values) and all(_is_number(value) for value in values if value)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
