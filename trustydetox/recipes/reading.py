"""Settings read from YAML, with errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from trustydetox.errors import ConfigError, did_you_mean

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Plain YAML; a key written twice is an error rather than the last one's value."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [
        # What `<<` stands for comes in below, and may be written anew: it isn't twice there.
        key.value if key.tag == _MERGE else loader.construct_object(key, deep=True)
        for key, _ in node.value
    ]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} stands there twice", node.start_mark
            )
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} isn't UTF-8: byte {error.start} can't be read") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise ConfigError(f"{path} isn't valid YAML{where}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} isn't valid YAML: it holds a forbidden character") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{path} must hold settings (key: value), got a {_kind(content)}")
    return content


def one_line(error: ValidationError, model: type[BaseModel], where: str) -> ConfigError:
    """What a model first complained about, with the nearest known key for an unknown one."""
    first = error.errors(include_url=False, include_context=False)[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(path) or "settings"
    if first["type"] == "extra_forbidden":
        return ConfigError(
            f"{where} has no setting {name!r}{did_you_mean(path[-1], model.model_fields)}"
        )
    if first["type"] == "missing":
        return ConfigError(f"{where} lacks {name!r}")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    got = first["input"]
    if first["type"] == "tuple_type":
        message = f"a list, such as [{got!r}]" if isinstance(got, str) else "a list"
    shown = repr(got) if isinstance(got, str | int | float | bool | None) else f"a {_kind(got)}"
    return ConfigError(f"{where}: {name} must be {message}, got {shown}")


def _kind(value: object) -> str:
    return {"dict": "mapping", "str": "text"}.get(type(value).__name__, type(value).__name__)
