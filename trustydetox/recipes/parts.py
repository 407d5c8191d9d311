"""What steps are made of: embedded weights and the view of a text, each loaded once a recipe."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trustydetox import embedded
from trustydetox.detoxifier import never
from trustydetox.errors import ConfigError, ModelError, did_you_mean
from trustydetox.recipes.downloads import Download, downloads_of, folders_of
from trustydetox.recipes.recipe import Recipe
from trustydetox.steps.loading import UnpinnedModelWarning, accelerator, find

EMBEDDED = "embedded"


def _guide(folder: Path) -> Any:
    from trustydetox.embedded.guide import load_guide

    return _placed(load_guide(folder))


def _marker(folder: Path) -> Any:
    from trustydetox.embedded.guide import load_guide, load_marker

    # `train scorer` teaches one network both.
    is_one = (folder / "guide.json").is_file() and not (folder / "marker.safetensors").is_file()
    is_guide = is_one and folder != embedded.FOLDER
    return _placed(load_guide(folder) if is_guide else load_marker(folder))


def _ngrams(folder: Path) -> Any:
    from trustydetox.embedded.ngrams import load_ngrams

    return load_ngrams(folder / "check.safetensors")


def _known(folder: Path) -> Any:
    from trustydetox.steps.viewing import KnownWords

    return KnownWords.load(folder / "known.words")


def _table(folder: Path) -> Any:
    from trustydetox.steps.infilling import load_phrases

    return load_phrases(folder / "phrases.json.gz")


def _editor(folder: Path) -> Any:
    from trustydetox.embedded.editor import load_editor

    return _placed(load_editor(folder))


def _placed(network: Any) -> Any:
    """A guide or an editor, with its parts where networks run."""
    for part in network.parts().values():
        part.to(accelerator())
    return network


def _fluency(folder: Path) -> Any:
    from trustydetox.embedded.fluency import load_fluency

    return load_fluency(folder)


def _identifier(folder: Path) -> Any:
    from trustydetox.embedded.identifier import load_identifier

    return load_identifier(folder)


def _gaps(folder: Path, editor: Any) -> Any:
    from trustydetox.embedded.gaps import load_gaps

    return load_gaps(folder / "gaps.safetensors", editor)


def _ranks(folder: Path) -> Any:
    from trustydetox.steps.ranking import load_ranks

    return load_ranks(folder / "ranks.json")


# Setting of a step -> what reads it from a folder of weights.
_LOADERS: Mapping[str, Callable[[Path], Any]] = {
    "guide": _guide,
    "marker": _marker,
    "ngrams": _ngrams,
    "identifier": _identifier,
    "known": _known,
    "table": _table,
    "editor": _editor,
    "fluency": _fluency,
    "ranks": _ranks,
}
# Setting of a step -> the part that it is built on, and what builds it from a folder and that part.
_BUILT_ON: Mapping[str, tuple[str, Callable[[Path, Any], Any]]] = {"gaps": ("editor", _gaps)}
_VIEWS = ("detection", "plain")
_LANGUAGES = ("en",)


class Parts:
    """Loads what a recipe's settings refer to by name; the same object for the same name.

    Settings of the tables above are `embedded`, or a folder with files of the same names; `view` is
    `detection`, which sees through disguises, or `plain`.
    """

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Any] = {}

    def has(self, setting: str) -> bool:
        """Whether a text in this setting is such a name."""
        return setting in _LOADERS or setting in _BUILT_ON or setting == "view"

    def named(self, setting: str, name: str, where: str) -> Any:
        """The part; loaded when first asked for."""
        if (setting, name) not in self._loaded:
            self._loaded[setting, name] = self._load(setting, name, where)
        return self._loaded[setting, name]

    def _load(self, setting: str, name: str, where: str) -> Any:
        if setting == "view":
            if name not in _VIEWS:
                raise ConfigError(
                    f"{where}: no view is called {name!r}{did_you_mean(name, _VIEWS)}"
                )
            from trustydetox.steps.viewing import DetectionView, View

            if name == "plain":
                return View.of
            return DetectionView(self.named("known", EMBEDDED, where))
        folder = embedded.FOLDER if name == EMBEDDED else Path(name)
        if not folder.is_dir():
            near = did_you_mean(name, [EMBEDDED])
            raise ConfigError(
                f"{where}: {setting} is neither embedded nor a folder: {name!r}{near}"
            )
        if setting in _BUILT_ON:
            below, build = _BUILT_ON[setting]
            return build(folder, self.named(below, name, where))
        return _LOADERS[setting](folder)

    def foreign(self, language: str | None) -> Callable[[str], bool]:
        """What says that a text is in another language than `language`."""
        if language is None:
            return never
        if language not in _LANGUAGES:
            near = did_you_mean(language, _LANGUAGES)
            raise ConfigError(f"no language is called {language!r}{near}")
        from trustydetox.steps.recognising import ForeignLanguage

        return ForeignLanguage()


def models_of(recipe: Recipe) -> dict[str, str]:
    """File -> sha256 of what the recipe's steps read: embedded, of folders, of the Hub, a `path`.

    Of a model of the Hub also its id -> the commit that is meant; no files before it is fetched.
    """
    folders = {*_folders(recipe.model_dump()), *map(str, folders_of(recipe))}
    files = [embedded.FOLDER / name for name in embedded.WEIGHTS if EMBEDDED in folders]
    found = {file.name: _sha256(file) for file in files if file.is_file()}
    for folder in sorted(folders - {EMBEDDED}):
        files = sorted(file for file in Path(folder).glob("*") if file.is_file())
        found |= {str(file): _sha256(file) for file in files}
    found |= {name: _sha256(Path(name)) for name in sorted(_paths(recipe.model_dump()))}
    for each in downloads_of(recipe):
        found |= {each.model: each.revision or "unpinned"} | _files_of(each)
    return found


def _files_of(download: Download) -> dict[str, str]:
    with warnings.catch_warnings():
        # Whoever loads it warns that no commit is given.
        warnings.simplefilter("ignore", UnpinnedModelWarning)
        try:
            folder = find(download.model, download.revision)
        except ModelError:
            return {}
    files = sorted(folder.glob("*.safetensors"))
    return {f"{download.model}/{file.name}": _sha256(file) for file in files}


def _folders(settings: Any) -> Iterator[str]:
    """`embedded` and the folders that settings of steps name."""
    for key, value in _named(settings):
        if key in _LOADERS or key in _BUILT_ON:
            yield value
        elif (key, value) == ("view", "detection"):
            yield EMBEDDED


def _paths(settings: Any) -> Iterator[str]:
    """The files that settings of steps name, as that of recorded scores."""
    return (name for key, name in _named(settings) if key == "path" and Path(name).is_file())


def _named(settings: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in the settings of steps, however deep, behind its name; in lists it has none."""
    if isinstance(settings, Mapping):
        for inner, value in settings.items():
            yield from _named(value, inner)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _named(value)
    elif isinstance(settings, str):
        yield key, settings


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
