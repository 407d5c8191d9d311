"""Whether objects are what their kinds allow: no unknown kind or field, no value of another type.

Kubernetes' own kinds are held to its published schemas (kubernetes-validate), KServe's to the typed
models of its Python package. Neither knows the rules that a controller applies on top.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trustydetox.errors import require_extra
from trustydetox.serving.rendering import Document

KUBERNETES = "1.31"
"""The version whose schemas count: old enough for clusters that run KServe 0.15."""
_TYPED = {
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "V1alpha1ServingRuntime",
}
_LIST = re.compile(r"[Ll]ist\[(.+)\]")
_DICT = re.compile(r"[Dd]ict[(\[]str, (.+)[)\]]")
_MUST_BE = re.compile(r"`(\w+)`, must not be `None`")
_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "object": (object,),
    "datetime": (str,),
    "ResourceQuantity": (str, int),
}


def mistakes(documents: list[Document]) -> Iterator[str]:
    """Each as `Kind/name: place: what`; values are shown, so secrets must have none yet."""
    require_extra("kserve", "the validation of manifests", "kserve")
    for document in documents:
        kind = str(document.get("kind"))
        typed = _TYPED.get((str(document.get("apiVersion")), kind))
        found = _of_model(document, typed, "") if typed else _of_kubernetes(document)
        yield from (f"{kind}/{document['metadata']['name']}: {each}" for each in found)


def _of_kubernetes(document: Document) -> Iterator[str]:
    import kubernetes_validate

    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        yield f"there is no such kind in {document.get('apiVersion')}"
    except kubernetes_validate.ValidationError as error:
        place = ".".join(map(str, error.path))
        yield f"{place}: {error.message}" if place else error.message


def _of_model(value: Any, name: str, place: str) -> Iterator[str]:
    """Mistakes against a generated model; both packages' models have the same tables."""
    import kserve.models
    import kubernetes.client.models

    model: Any = getattr(kserve.models, name, None) or getattr(kubernetes.client.models, name)
    if not isinstance(value, Mapping):
        yield f"{place}: expected an object, got {type(value).__name__}"
        return
    attributes = {json_name: name for name, json_name in model.attribute_map.items()}
    for key in value.keys() - attributes.keys():
        yield f"{place}.{key}".lstrip(".") + ": there is no such field"
    known = {attributes[key]: held for key, held in value.items() if key in attributes}
    for attribute in _required(model) - {name for name, held in known.items() if held is not None}:
        yield f"{place}.{model.attribute_map[attribute]}".lstrip(".") + ": is required"
    for attribute, held in known.items():
        key = model.attribute_map[attribute]
        yield from _of_type(held, model.openapi_types[attribute], f"{place}.{key}".lstrip("."))


def _required(model: Any) -> set[str]:
    """Attributes that must be there: KServe's setters say so, the other models' fields."""
    fields = getattr(model, "model_fields", None)
    if fields is not None:
        return {name for name, held in fields.items() if held.is_required()}
    required: set[str] = set()
    given: dict[str, object] = {}
    while True:
        try:
            model(**given)
        except ValueError as error:
            match = _MUST_BE.search(str(error))
            if match is None or match[1] in required:
                return required
            required.add(match[1])
            given[match[1]] = object()
        else:
            return required


def _of_type(value: Any, kind: str, place: str) -> Iterator[str]:
    if value is None:
        return
    if match := _LIST.fullmatch(kind):
        if not isinstance(value, list):
            yield f"{place}: expected a list, got {type(value).__name__}"
            return
        for at, held in enumerate(value):
            yield from _of_type(held, match[1], f"{place}[{at}]")
    elif match := _DICT.fullmatch(kind):
        if not isinstance(value, Mapping):
            yield f"{place}: expected an object, got {type(value).__name__}"
            return
        for key, held in value.items():
            yield from _of_type(held, match[1], f"{place}.{key}")
    elif kind in _SCALARS:
        is_number_by_mistake = isinstance(value, bool) and bool not in _SCALARS[kind]
        if not isinstance(value, _SCALARS[kind]) or (is_number_by_mistake and kind != "object"):
            yield f"{place}: expected {kind}, got {value!r}"
    else:
        yield from _of_model(value, kind, place)
