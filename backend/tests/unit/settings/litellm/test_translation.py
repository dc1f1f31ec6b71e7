"""LiteLLM files in the style of its own documentation, and the settings that each becomes."""

import copy
from pathlib import Path
from typing import Any

import pytest

from app.checks import problems_with
from app.settings import ConfigError, load_settings
from app.settings.document import parse_document
from app.settings.explain import explain
from app.settings.litellm import Translation, translate
from app.settings.origins import FieldPath, nodes
from app.settings.problems import Problem
from tests.unit.settings.litellm.reading import CASES, NAME, entry, load, plain


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def translated(text: str, environ: dict[str, str] | None = None) -> Translation:
    problems: list[Problem] = []
    found = translate(parse_document(text.encode(), NAME, problems), Path(NAME), _no_file, environ or {}, problems)
    assert problems == []
    return found


def _no_file(path: Path) -> Any:
    raise AssertionError(path)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_real_life(case: dict[str, Any]) -> None:
    found = translated(case["litellm"], case["environ"])
    assert found.layer.tree == case["becomes"]
    assert [str(note.problem) for note in found.notes] == case["told"].splitlines()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_value_has_its_place(case: dict[str, Any]) -> None:
    layer = translated(case["litellm"], case["environ"]).layer

    def check(value: Any, path: tuple[str | int, ...]) -> None:
        assert layer.origins[path].where.startswith((f"{NAME}:", f"{NAME} (", "LITELLM_MASTER_KEY")), path
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in pairs:
            check(each, (*path, key))

    for key, value in layer.tree.items():
        check(value, (key,))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_each_integration_takes_its_settings(case: dict[str, Any]) -> None:
    loaded = load(case["litellm"], {"LITELLM_MASTER_KEY": "sk-master"} | case["environ"])
    assert await problems_with(loaded) == []


OPENAI = {"OPENAI_API_KEY": "sk-1"}

# What an entry says, the target, and the settings of its integration.
CONNECTIONS = [
    ("model: gpt-4o", "openai/gpt-4o", {"api_key": "sk-1"}),
    ("model: openai/gpt-4o, api_key: ''", "openai/gpt-4o", {"api_key": "sk-1"}),
    ("model: openai/gpt-4o, api_base: https://api.openai.com/v1/", "openai/gpt-4o", {"api_key": "sk-1"}),
    ("model: openai/responses/gpt-5", "openai/gpt-5", {"api_key": "sk-1"}),
    ("model: gpt-4o, api_key: sk-2", "openai-2/gpt-4o", {"api_key": "sk-2"}),
    ("model: gpt-4o, organization: org-1", "openai/gpt-4o", {"headers": {"OpenAI-Organization": "org-1"}}),
    (
        "model: openai/x, base_url: 'http://[::1]:8000/v1', api_key: k",
        "openai-1/x",
        {"base_url": "http://[::1]:8000/v1", "api_key": "k"},
    ),
    (
        "model: openai/x, api_base: http://gpu-1.internal:8000/api, api_key: k",
        "openai-gpu-1/x",
        {"base_url": "http://gpu-1.internal:8000/api", "api_prefix": "", "api_key": "k"},
    ),
    ("model: custom_openai/x, api_base: http://a/v2", "openai-a/x", {"base_url": "http://a/v2"}),
    ("model: ollama/llama3:8b", "ollama/llama3:8b", {}),
    ("model: ollama_chat/llama3, num_ctx: 4096", "ollama/llama3", {"num_ctx": 4096}),
    ("model: perplexity/sonar", "perplexity/sonar", {"base_url": "https://api.perplexity.ai", "api_prefix": ""}),
    (
        "model: perplexity/sonar, api_base: http://p/v1",
        "perplexity-p/sonar",
        {"base_url": "http://p/v1", "api_prefix": None},
    ),
    ("model: os.environ/MODEL", "groq/llama", {"api_key": "g"}),
    ("model: openrouter/auto", "openrouter/openrouter/auto", {}),
    ("model: x, custom_llm_provider: vllm, api_base: http://a", "vllm-a/x", {"base_url": "http://a"}),
    ("model: xai/grok-4, timeout: 20", "xai/grok-4", {"first_byte_timeout": 20}),
    ("model: ollama/a, request_timeout: 20", "ollama/a", {"load_timeout": 20}),
    ("model: gpt-4o, additional_drop_params: [user]", "openai/gpt-4o", {"drop_params": ["user"]}),
    ("model: gpt-4o, ssl_verify: 'false'", "openai/gpt-4o", {"verify": False}),
    ("model: gpt-4o, ssl_verify: ca.pem", "openai/gpt-4o", {"ca_file": "ca.pem"}),
    (
        "model: azure/d, api_base: 'https://a.openai.azure.com/openai/v1/', api_key: k",
        "azure-a/d",
        {"base_url": "https://a.openai.azure.com/openai/v1/", "discover": False, "api_key": "k"},
    ),
]


@pytest.mark.parametrize(("params", "target", "settings"), CONNECTIONS, ids=[each[0] for each in CONNECTIONS])
def test_connections(params: str, target: str, settings: dict[str, Any]) -> None:
    keys = {"PERPLEXITY_API_KEY": "p", "OPENROUTER_API_KEY": "o", "XAI_API_KEY": "x", "GROQ_API_KEY": "g"}
    found = load(entry(params), OPENAI | keys | {"MODEL": "groq/llama"}).settings
    assert [each.target for each in found.models["m"].targets] == [target]
    own = found.integrations[target.partition("/")[0]].settings
    assert {name: own.get(name) for name in settings} == settings


@pytest.mark.parametrize(
    ("section", "becomes"),
    [
        ("router_settings: {allowed_fails: 2}", {"routing": {"breaker": {"failures": 3}}}),
        (
            "router_settings: {cooldown_time: 60}",
            {"routing": {"breaker": {"cooldown": 60}, "rate_limit_rest": 60}},
        ),
        (
            "litellm_settings: {cooldown_time: 0}",
            {"routing": {"breaker": {"failures": 0}, "rate_limit_rest": 0}},
        ),
        ("router_settings: {routing_strategy: cost-based-routing}", {"routing": {"strategy": "cheapest"}}),
        ("router_settings: {num_retries: 9}", {"routing": {"retries": 2}}),
        ("litellm_settings: {num_retries: 1}\nrouter_settings: {num_retries: 0}", {"routing": {"retries": 0}}),
        ("router_settings: {timeout: 700}", {"timeouts": {"first_token": 700, "total": 700}}),
        (
            "router_settings: {timeout: 700, stream_timeout: 9}",
            {"timeouts": {"first_token": 9, "total": 700}},
        ),
        ("litellm_settings: {default_fallbacks: [m]}", {"routing": {"fallbacks": ["m"]}}),
        ("router_settings: {model_group_alias: {a: m, b: a}}", {"aliases": {"a": "m", "b": "m"}}),
        ("general_settings: {max_request_size_mb: 5}", {"limits": {"body_bytes": 5 * 2**20}}),
        ("litellm_settings: {cache: false, cache_params: {type: local}}", {}),
        ("litellm_settings: {cache: true, cache_params: {type: s3}}", {}),
        ("litellm_settings: {cache: true, cache_params: {type: local, mode: default_off}}", {}),
    ],
)
def test_sections(section: str, becomes: dict[str, Any]) -> None:
    found = plain(load(entry("model: gpt-4o", section), OPENAI).settings)
    rest = {name: value for name, value in found.items() if name not in {"server", "integrations", "models"}}
    assert rest == becomes


@pytest.mark.parametrize(
    ("general", "environ", "server"),
    [
        ("", {}, {"port": 4000}),
        ("general_settings: {master_key: k}", {}, {"port": 4000, "host": "0.0.0.0"}),  # noqa: S104
        ("", {"LITELLM_MASTER_KEY": "k"}, {"port": 4000, "host": "0.0.0.0"}),  # noqa: S104
        ("", {"LLM_PLATFORM_API_KEY": "k"}, {"port": 4000, "host": "0.0.0.0"}),  # noqa: S104
        ("", {"LLM_PLATFORM_PORT": "8000"}, {"port": 8000}),
    ],
)
def test_where_it_listens(general: str, environ: dict[str, str], server: dict[str, Any]) -> None:
    found = load(entry("model: gpt-4o", general), OPENAI | environ).settings.server
    key = found.api_key
    assert (key is not None and key.get_secret_value() == "k") == ("host" in server)
    assert {name: getattr(found, name) for name in server} == server


def test_what_the_file_does_not_name_stays_off() -> None:
    loaded = load(entry("model: gpt-4o, api_key: sk-2"), OPENAI | {"GROQ_API_KEY": "g"})
    integrations = loaded.settings.integrations
    assert {name: each.enabled for name, each in integrations.items()} == {
        "custom_models": True,
        "openai-2": True,
        "openai": False,
        "groq": False,
    }
    assert integrations["custom_models"].settings == {"demo": False}


def test_the_files_own_variables_win() -> None:
    variables = "environment_variables: {OPENAI_API_KEY: sk-file, OTHER: os.environ/OPENAI_API_KEY}\n"
    found = load(variables + entry("model: gpt-4o"), OPENAI).settings
    assert found.integrations["openai-2"].settings == {"api_key": "sk-file"}
    found = load(variables + entry("model: gpt-4o, api_key: os.environ/OTHER"), OPENAI).settings
    assert found.integrations["openai-2"].settings == {"api_key": "sk-1"}


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_supported_environments(environment: str) -> None:
    info = "  model_info: {supported_environments: [production]}"
    loaded = load(entry("model: gpt-4o", info), OPENAI | {"LITELLM_ENVIRONMENT": environment})
    assert bool(loaded.settings.models) == (environment == "production")
    message = f"{NAME}:2: model_list[0]: is left out: supported_environments does not list staging"
    assert (message in loaded.warnings) == (environment == "staging")


# What an entry says, and what is told of it.
TOLD = [
    (
        "model: gpt-4o, output_cost_per_token: 1",
        "output_cost_per_token: is left out: a price needs input_cost_per_token too",
    ),
    (
        "model: azure/d, api_key: k, api_base: https://gateway.example.org",
        "api_base: is taken for a resource of Azure, which has its v1 API at /openai/v1",
    ),
    ("model: azure/d, api_key: k", "model: is left out: azure needs the server's address as api_base"),
    ("model: gpt-4o, organisation: x", "organisation: unknown field 'organisation'; did you mean 'organization'?"),
]


@pytest.mark.parametrize(("params", "message"), TOLD)
def test_what_is_told_of_an_entry(params: str, message: str) -> None:
    own = [each for each in load(entry(params), OPENAI | {"LITELLM_MASTER_KEY": "k"}).warnings]
    assert own == [f"{NAME}:3: model_list[0].litellm_params.{message}"]


def test_one_target_has_one_price() -> None:
    second = "- model_name: n\n  litellm_params: {model: gpt-4o, input_cost_per_token: 3e-6}"
    loaded = load(entry("model: gpt-4o, input_cost_per_token: 2e-6", second), OPENAI)
    assert loaded.settings.prices["openai/gpt-4o"].input == 2
    message = (
        "model_list[1].litellm_params.input_cost_per_token: is left out: openai/gpt-4o has another price already"
    )
    assert f"{NAME}:5: {message}" in loaded.warnings


FAULTS = [
    (
        entry("model: os.environ/MODEL"),
        [
            "config.yaml:3: model_list[0].litellm_params.model: the environment variable MODEL is not set",
        ],
    ),
    ("model_list: 3", ["config.yaml:1: model_list: must be a list"]),
    (
        "model_list:\n- model_name: a",
        ["config.yaml:2: model_list[0].litellm_params.model: is required"],
    ),
    (
        entry("model: gpt-4o, api_key: os.environ/MISSING"),
        ["config.yaml:3: integrations.openai-2.settings.api_key: the environment variable MISSING is not set"],
    ),
    (
        entry("model: groq/a"),
        ["config.yaml:3: integrations.groq.settings.api_key: the environment variable GROQ_API_KEY is not set"],
    ),
    (
        entry("model: gpt-4o,\n  rpm: many"),
        [
            "config.yaml:4: models.m.targets[0].requests_per_minute: must be an integer (got 'many')",
        ],
    ),
    (
        entry("model: gpt-4o, input_cost_per_token: os.environ/COST"),
        [
            "config.yaml:3: model_list[0].litellm_params.input_cost_per_token: the environment variable COST is "
            "not set"
        ],
    ),
    (
        entry("model: gpt-4o, input_cost_per_token: yes"),
        ["config.yaml:3: model_list[0].litellm_params.input_cost_per_token: must be a number"],
    ),
    (
        entry("model: gpt-4o, litellm_credential_name: x"),
        [
            "config.yaml:3: model_list[0].litellm_params.litellm_credential_name: credential_list has no "
            "credential 'x'"
        ],
    ),
    (
        entry("model: gpt-4o", "server: {port: 1}"),
        [
            "config.yaml:4: server: is a setting of the platform, and this is a LiteLLM file: write one or the "
            "other",
        ],
    ),
    (
        entry("model: gpt-4o", "router_settings: {fallbacks: {m: [m]}}\ngeneral_settings: 5"),
        [
            "config.yaml:4: router_settings.fallbacks: must be a list",
            "config.yaml:5: general_settings: must be a mapping",
        ],
    ),
    (
        entry("model: gpt-4o", "general_settings: {master_key: a b}"),
        ["config.yaml:4: server.api_key: must be one or more printable ASCII characters without spaces"],
    ),
]


@pytest.mark.parametrize(("text", "lines"), FAULTS)
def test_what_cannot_be_used(text: str, lines: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, OPENAI)
    assert str(caught.value).splitlines() == lines


def test_explanations_name_the_lines_of_the_file() -> None:
    loaded = load(
        CASES["load_balanced"]["litellm"], CASES["load_balanced"]["environ"] | {"LITELLM_MASTER_KEY": "k"}
    )
    rows = {row.field: (row.value, row.origin.where) for row in explain(loaded)}
    assert rows["integrations.azure-team-europe.settings.api_key"] == ("***", f"{NAME}:6")
    assert rows["routing.breaker.failures"] == (4, f"{NAME}:34")
    assert rows["server.port"] == (4000, f"{NAME} (LiteLLM's default)")
    assert rows["server.api_key"] == ("***", f"{NAME}:47")
    assert rows["models.gpt-4o"][1] == f"{NAME}:2"


def test_our_own_files_are_not_taken_for_one() -> None:
    Path("llm-platform.yaml").write_text("models: {fast: a/b}")
    assert load_settings(None, {}, {}).settings.server.port == 8000


ODD = [None, True, float("inf"), "os.environ/MISSING", [["x"]], {"x": {"y": 1}}]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_whatever_stands_anywhere_is_no_defect(case: dict[str, Any]) -> None:
    """Each node of each file in turn is something that nobody expects there."""
    problems: list[Problem] = []
    document = parse_document(case["litellm"].encode(), NAME, problems)
    for path in nodes(document.tree, ()):
        for odd in ODD if path else ():
            tree = copy.deepcopy(document.tree)
            put(tree, path, odd)
            translate(document._replace(tree=tree), Path(NAME), lambda _: document, case["environ"], problems)


def put(tree: Any, path: FieldPath, value: object) -> None:
    for part in path[:-1]:
        tree = tree[part]
    tree[path[-1]] = value
