"""The tables of docs/from-litellm.md, made from the tables here.

python -m app.settings.litellm.reference docs/from-litellm.md      # renews the tables in it
"""

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from app.settings.litellm.parameters import ENTRY, MODEL_INFO, PARAMETERS
from app.settings.litellm.providers import PROVIDERS, UNSERVED, Provider
from app.settings.litellm.sections import (
    CACHE,
    CREDENTIAL,
    GENERAL,
    LITELLM,
    RETRY_POLICY,
    ROUTER,
    ROUTING_GROUP,
    TOP,
)
from app.settings.litellm.vocabulary import Vocabulary

BEGIN = "<!-- made from the tables of the translation: begin -->"
END = "<!-- made from the tables of the translation: end -->"

SECTIONS: dict[str, Vocabulary] = {
    "The top of the file": TOP,
    "`model_list[]`": ENTRY,
    "`model_list[].litellm_params`": PARAMETERS,
    "`model_list[].model_info`": MODEL_INFO,
    "`router_settings`": ROUTER,
    "`router_settings.retry_policy`": RETRY_POLICY,
    "`router_settings.routing_groups[]`": ROUTING_GROUP,
    "`litellm_settings`": LITELLM,
    "`litellm_settings.cache_params`": CACHE,
    "`general_settings`": GENERAL,
    "`credential_list[]`": CREDENTIAL,
}


def renewed(text: str) -> str:
    """`text` with the tables between the marks made anew."""
    block = "\n\n".join([BEGIN, *_providers(), *_sections(), END])
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def _providers() -> Iterator[str]:
    yield "### Providers"
    rows = [
        (_codes(prefixes), f"`{provider.kind}`", provider.base_url or "", _codes(provider.keys))
        for provider, prefixes in _grouped()
    ]
    yield _table(
        ("prefix of `model`", "kind", "address, if `api_base` gives none", "key, if `api_key` gives none"), rows
    )
    yield _table(
        ("not served", "what to do instead"), [(_codes(names.split()), advice) for names, advice in UNSERVED]
    )


def _grouped() -> Iterator[tuple[Provider, list[str]]]:
    for _, pairs in groupby(PROVIDERS.items(), key=lambda pair: (pair[1].kind, pair[1].base_url, pair[1].keys)):
        found = list(pairs)
        yield found[0][1], [prefix for prefix, _ in found]


def _sections() -> Iterator[str]:
    for title, vocabulary in SECTIONS.items():
        yield f"### {title}"
        yield _table(("LiteLLM", "becomes"), [(f"`{name}`", text) for name, text in vocabulary.becomes.items()])
        if vocabulary.harmless:
            yield _table(
                ("nothing is lost by leaving out", "since"),
                [(_codes(names.split()), text) for names, text in vocabulary.harmless],
            )
        if vocabulary.missing:
            yield _table(
                ("left out, and told", "what to do instead"),
                [(_codes(names.split()), text) for names, text in vocabulary.missing],
            )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")
