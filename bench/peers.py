"""The peers, a row each: what is installed, how it is started in front of the bench's upstream, how it is asked.

In commands, `config` and `headers`, ${port}, ${metrics_port}, ${upstream}, ${config}, ${home} and ${key} stand
for what differs between runs. `everything` is the peer with the key, limits and metrics that it has without a
database; what one lacks, it is not charged for.
"""

from collections.abc import Mapping

import msgspec


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """Added to the peer's own: arguments, the content of the file ${config}, headers of each request."""

    arguments: tuple[str, ...] = ()
    config: str = ""
    headers: Mapping[str, str] = {}


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is "pypi" (`package` is a requirement), "npm" or "command" (`package` must be on the PATH).

    `also`: requirements that it needs and does not name.
    """

    name: str
    source: str
    package: str
    version: str
    command: tuple[str, ...]
    also: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    plain: Variant = Variant()
    everything: Variant | None = None


_AUTHORIZATION = {"authorization": "Bearer ${key}"}
_ROUTER_OPTIONS = (
    *("--host", "127.0.0.1", "--port", "${port}", "--worker-urls", "http://127.0.0.1:${upstream}"),
    *("--policy", "round_robin", "--worker-startup-check-interval", "1"),
    *("--prometheus-host", "127.0.0.1", "--prometheus-port", "${metrics_port}"),
)
_ROUTER_LIMITS = ("--max-concurrent-requests", "4096", "--rate-limit-tokens-per-second", "1000000")
_ROUTER_EVERYTHING = Variant(arguments=("--api-key", "${key}", *_ROUTER_LIMITS), headers=_AUTHORIZATION)
"""Their metrics are always on."""

_NGINX = """
daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 16m; client_body_buffer_size 4m; keepalive_requests 1000000;
  client_body_temp_path ${home}; proxy_temp_path ${home};
  fastcgi_temp_path ${home}; uwsgi_temp_path ${home}; scgi_temp_path ${home};
  upstream bench { server 127.0.0.1:${upstream}; keepalive 1024; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }
  }
}
"""

_LITELLM = """
{"model_list": [{"model_name": "bench", "litellm_params": {"model": "openai/bench",
                 "api_base": "http://127.0.0.1:${upstream}/v1", "api_key": "none"%s}}],
 "router_settings": {"enable_pre_call_checks": %s},
 "litellm_settings": {"callbacks": %s}%s}
"""
_LITELLM_PLAIN = _LITELLM % ("", "false", "[]", "")
_LITELLM_EVERYTHING = _LITELLM % (
    ', "rpm": 100000000, "tpm": 10000000000',
    "true",
    '["prometheus"]',
    ', "general_settings": {"master_key": "${key}"}',
)

# It listens on every address and has no option for another. And it fails every stream of an OpenAI-compatible
# provider ("TypeError: immutable"), as it appends to the headers that `fetch` gave it: here they can be changed.
_PORTKEY_FIRST = (
    'data:text/javascript,import net from "node:net"; const listen = net.Server.prototype.listen;'
    "net.Server.prototype.listen = function (port, host, ...rest)"
    '{ return listen.call(this, port, "127.0.0.1", ...rest); };'
    "const ask = fetch; globalThis.fetch = async (...given) => { const got = await ask(...given);"
    "return new Response(got.body, { status: got.status, headers: new Headers(got.headers) }); };"
)

PEERS = (
    Peer(
        name="nginx, plain proxy",
        source="command",
        package="nginx",
        version="",
        command=("nginx", "-e", "stderr", "-c", "${config}"),
        plain=Variant(config=_NGINX),
    ),
    Peer(
        name="vLLM router",
        source="pypi",
        package="vllm-router",
        version="0.1.17",
        command=("bin/vllm-router", *_ROUTER_OPTIONS, "--log-level", "warning"),
        everything=_ROUTER_EVERYTHING,
    ),
    Peer(
        name="SGLang router",
        source="pypi",
        package="sglang-router",
        version="0.3.2",
        command=("bin/sglang-router", "launch", *_ROUTER_OPTIONS, "--log-level", "warn"),
        everything=_ROUTER_EVERYTHING,
    ),
    Peer(
        name="Shepherd Model Gateway",
        source="pypi",
        package="smg",
        version="1.13.0",
        command=("bin/smg", "launch", *_ROUTER_OPTIONS, "--log-level", "warn"),
        everything=_ROUTER_EVERYTHING,
    ),
    Peer(
        name="Portkey",
        source="npm",
        package="@portkey-ai/gateway",
        version="1.15.2",
        command=(
            *("node", "--import", _PORTKEY_FIRST, "node_modules/@portkey-ai/gateway/build/start-server.js"),
            *("--port=${port}", "--headless"),
        ),
        environment={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
        plain=Variant(
            headers={
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": "http://127.0.0.1:${upstream}/v1",
                **_AUTHORIZATION,
            }
        ),
    ),
    Peer(
        name="LiteLLM",
        source="pypi",
        package="litellm[proxy]",
        version="1.106.2",
        also=("prometheus-client==0.26.0",),
        command=(
            *("bin/litellm", "--host", "127.0.0.1", "--port", "${port}", "--config", "${config}"),
            *("--telemetry", "False"),
        ),
        environment={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        },
        plain=Variant(config=_LITELLM_PLAIN),
        everything=Variant(config=_LITELLM_EVERYTHING, headers=_AUTHORIZATION),
    ),
)
