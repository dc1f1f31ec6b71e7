"""A LiteLLM file in our own format, for those who want to go on with that: `config import-litellm`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.settings.litellm.translation import Translation, translate
from app.settings.loading import LITELLM_SECTIONS, read_document
from app.settings.origins import FieldPath, Layer
from app.settings.problems import ConfigError, Problem, by_place
from app.settings.redaction import is_secret_name
from app.settings.writing import Written, commented, write_settings

_DOCS = "docs/from-litellm.md"


def in_our_format(path: Path, environ: Mapping[str, str]) -> str:
    """YAML, with a comment for each line that was left out. Raises ConfigError."""
    problems: list[Problem] = []

    def read(file: Path) -> Layer:
        return read_document(file, problems)

    document = read(path)
    if LITELLM_SECTIONS.isdisjoint(document.tree):
        message = f"is no LiteLLM configuration: it has none of {', '.join(sorted(LITELLM_SECTIONS))}"
        raise ConfigError([*problems, Problem(str(path), "", message)])
    translation = translate(document, path, read, environ, problems)
    if problems:
        raise ConfigError(sorted(problems, key=by_place))
    comments = _comments(translation)
    written = write_settings(translation.layer.tree, comments)
    header = [f"Made of {path} by `llm-platform config import-litellm`; see {_DOCS}.", *comments.get((), ())]
    return commented([*header, *_to_set(translation, written)]) + "\n" + written.text


def _comments(translation: Translation) -> dict[FieldPath, list[str]]:
    """What was told, beside what it is about, or at the top if that is not there."""
    found: dict[FieldPath, list[str]] = {}
    for note in translation.notes:
        about = note.about if note.about in translation.layer.origins else ()
        found.setdefault(about, []).append(str(note.problem))
    return found


def _to_set(translation: Translation, written: Written) -> Sequence[str]:
    """The variables that the environment must have now."""
    lines = [*_secrets(translation, written), *_variables(translation)]
    return ["", "To be set in the environment:", *lines] if lines else []


def _secrets(translation: Translation, written: Written) -> Iterator[str]:
    for name, path in written.secrets.items():
        yield f"  {name}: the value of {translation.layer.origins[path].where}"


def _variables(translation: Translation) -> Iterator[str]:
    for name, value in translation.variables.items():
        yield f"  {name}" + (": it is in environment_variables" if is_secret_name(name) else f"={value}")
