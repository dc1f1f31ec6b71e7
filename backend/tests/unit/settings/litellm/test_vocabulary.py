"""Every name that LiteLLM knows has its verdict, and any other is told."""

from pathlib import Path

import pytest
import yaml

from app.integrations.builtin import BUILTIN
from app.settings.litellm.names import unserved
from app.settings.litellm.providers import PROVIDERS, UNSERVED
from app.settings.litellm.reference import SECTIONS
from app.settings.litellm.sections import ROUTER
from app.settings.litellm.vocabulary import Vocabulary

KNOWN = {
    place: names.split()
    for place, names in yaml.safe_load(Path(__file__).with_name("names.yaml").read_text("utf-8")).items()
}


@pytest.mark.parametrize(("title", "vocabulary"), SECTIONS.items(), ids=list(SECTIONS))
def test_each_documented_name_is_translated_left_out_or_harmless(title: str, vocabulary: Vocabulary) -> None:
    told = {name: vocabulary.told(name) for name in KNOWN[title.replace("`", "")]}
    assert [name for name, message in told.items() if message and message.startswith("unknown")] == []


@pytest.mark.parametrize(("title", "vocabulary"), SECTIONS.items(), ids=list(SECTIONS))
def test_no_name_stands_in_the_tables_that_litellm_does_not_know(title: str, vocabulary: Vocabulary) -> None:
    known = {*KNOWN[title.replace("`", "")], *(ROUTER.becomes if title == "`litellm_settings`" else ())}
    assert set(vocabulary.names()) - known == set()


@pytest.mark.parametrize(
    ("title", "name", "message"),
    [
        ("`router_settings`", "num_retires", "unknown field 'num_retires'; did you mean 'num_retries'?"),
        ("`general_settings`", "maste_key", "unknown field 'maste_key'; did you mean 'master_key'?"),
        ("`general_settings`", "zzz", "unknown field 'zzz'"),
        (
            "`model_list[].litellm_params`",
            "qqq",
            "unknown field 'qqq': LiteLLM would send it with each request; a request brings its own parameters, "
            "so set it where the request is made",
        ),
        ("`model_list[].model_info`", "our_team", "unknown field 'our_team': it is not kept"),
        ("`litellm_settings`", "drop_params", None),
        ("`litellm_settings`", "num_retries", None),
        (
            "`litellm_settings`",
            "success_callback",
            "is left out: callbacks are not run; each call is a line of the platform's log",
        ),
    ],
)
def test_what_is_told(title: str, name: str, message: str | None) -> None:
    assert SECTIONS[title].told(name) == message


def test_each_provider_is_served_or_told_why_not() -> None:
    listed = {name for names, _ in UNSERVED for name in names.split()}
    assert {*PROVIDERS, *listed} == set(KNOWN["providers"])
    assert not listed & PROVIDERS.keys()
    assert unserved("mistralai") == (
        "LiteLLM has no such provider; write openai/MODEL with the server's address as api_base"
    )


def test_each_provider_has_a_kind_that_there_is() -> None:
    kinds = {kind for row in PROVIDERS.values() for kind in (row.kind, row.elsewhere) if kind}
    assert kinds <= set(BUILTIN)
