"""What the terminal says once the platform serves: what runs, where, which models answer, and how to ask one."""

from app.api.front_end import Listens
from app.bootstrap import Platform
from app.inference.entry import ModelEntry

_SHOWN_MODELS = 12
_FETCH = "llm-platform models pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF"


def banner(platform: Platform, host: str, port: int) -> str:
    """Text that ends in a newline. `host` and `port` are where the platform listens."""
    everywhere = host in {"0.0.0.0", "::"}  # noqa: S104
    shown_host = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
    base = f"http://{shown_host}:{port}"
    exposed = " and every other address of this machine" if everywhere else ""
    entries = [entry for entry in platform.router.catalog.current.entries() if entry.serving]
    lines = [
        "",
        f"LLM Platform serves on {base}{exposed}   (OpenAI API: {base}/v1   API reference: {base}/docs)",
        *(f"Also on {server.address}" for server in platform.manager.providing(Listens)),
        _access(platform),
        f"Configured by {platform.configured_by}.",
        "",
        "Integrations:",
        *_integrations(platform),
        "",
        *_models(entries),
    ]
    model = _example_model(entries)
    if model:
        lines += ["", *_snippets(platform, base, model)]
    return "\n".join([*lines, "", "Ctrl+C stops it.", ""])


def _access(platform: Platform) -> str:
    if platform.policy.authenticator.open_to_all:
        return "No key is set, so only this machine may call. Set LLM_PLATFORM_API_KEY to serve others."
    if (issuer := platform.settings.auth.oidc.issuer) is None:
        return "Calls need the platform's key, or one that was issued with `llm-platform keys create`."
    return f"Calls need a key, or a token of {issuer}."


def _integrations(platform: Platform) -> list[str]:
    shown = [status for status in platform.manager.status() if status.state != "disabled"]
    width = max((len(status.name) for status in shown), default=0)
    return [f"  {status.name:{width}}  {status.state.value:12}  {status.reason}".rstrip() for status in shown]


def _models(entries: list[ModelEntry]) -> list[str]:
    if not entries:
        return [
            f"No model answers yet. Fetch one with `{_FETCH}`,",
            "or set OLLAMA_BASE_URL or a key such as OPENAI_API_KEY, and start again.",
        ]
    lines = ["Models that answer:"]
    for entry in entries[:_SHOWN_MODELS]:
        serving = sorted({target.integration for target in entry.targets if target.serving})
        lines.append(f"  {entry.name}  ({', '.join(serving)})")
    if len(entries) > _SHOWN_MODELS:
        lines.append(f"  … and {len(entries) - _SHOWN_MODELS} more: GET /v1/models")
    if any(entry.name == "demo" for entry in entries):
        lines.append(
            "  'demo' is a toy of 1 MB that knows a little about Kubernetes. For real answers fetch a model with"
        )
        lines.append(f"  `{_FETCH}`,")
        lines.append("  or set OLLAMA_BASE_URL or a key such as OPENAI_API_KEY, and start again.")
    return lines


def _example_model(entries: list[ModelEntry]) -> str | None:
    chatting = [entry for entry in entries if entry.known is None or "chat" in entry.known.capabilities]
    return chatting[0].name if chatting else None


def _snippets(platform: Platform, base: str, model: str) -> list[str]:
    keyless = platform.policy.authenticator.open_to_all
    from_environment = platform.key_is_in_environment
    shown = "$LLM_PLATFORM_API_KEY" if from_environment else "YOUR_KEY"
    key = "" if keyless else f' -H "Authorization: Bearer {shown}"'
    sdk_key = '"none"' if keyless else 'os.environ["LLM_PLATFORM_API_KEY"]' if from_environment else '"YOUR_KEY"'
    messages = '[{"role": "user", "content": "What is a pod?"}]'
    return [
        "Try it:",
        f"  curl {base}/v1/chat/completions{key} -H 'Content-Type: application/json' \\",
        f"""    -d '{{"model": "{model}", "messages": {messages}}}'""",
        "",
        "  from openai import OpenAI",
        *(["  import os"] if from_environment and not keyless else []),
        f'  client = OpenAI(base_url="{base}/v1", api_key={sdk_key})',
        f'  answer = client.chat.completions.create(model="{model}", messages={messages})',
        "  print(answer.choices[0].message.content)",
    ]
