"""What becomes of the sections of a LiteLLM file, apart from its models.

Source: https://docs.litellm.ai/docs/proxy/config_settings
"""

from app.settings.litellm.vocabulary import Vocabulary

_KEYS = "keys, teams, users and their budgets are not taken over from LiteLLM; create keys anew"
_SPEND = "the platform keeps its own account of usage"
_LOG = "callbacks are not run; each call is a line of the platform's log"
_ALERTS = "alerts are made by what watches the platform"
_NO_UI = "the platform has no such web pages"
_NO_MCP = "the platform serves no MCP"
_NO_GUARDS = "none are built in: docs/adding-an-integration.md shows how to write one"
_NO_FILES = "there are no files, batches, fine-tuning and vector stores"
_NO_ROUTES = "there are no pass-through routes; name the server as an integration"
_REDIS = "each process counts by itself what a target is sent"
_ONE_PROCESS = "each process decides by itself"
_NOTHING = "there is nothing like it here"

TOP = Vocabulary(
    becomes={
        "model_list": "`models` and `integrations`",
        "router_settings": "`routing`, and fields of `models`",
        "litellm_settings": "`routing`, `cache`, and fields of `models`",
        "general_settings": "`server` and `limits`",
        "environment_variables": "values for `os.environ/NAME` in the same file",
        "credential_list": "what entries with litellm_credential_name say",
        "include": "those files, read as LiteLLM does: lists are joined, all else is replaced",
    },
    missing=(
        ("callback_settings", _LOG),
        ("guardrails policies policy_attachments prompts", _NO_GUARDS),
        ("mcp_servers mcp_tools mcp_* agents agent_list", _NO_MCP),
        ("files_settings finetune_settings assistant_settings vector_store_registry", _NO_FILES),
        ("default_vertex_config", "there is no integration for Vertex AI"),
        ("search_tools sandbox_tools", "the platform runs no tools"),
        ("worker_registry", _NO_UI),
    ),
)

ROUTER = Vocabulary(
    becomes={
        "routing_strategy": "`routing.strategy`",
        "routing_groups": "`models.<name>.strategy` of each model in the group",
        "num_retries": "`routing.retries`",
        "max_retries": "as `num_retries`",
        "retry_policy": "`models.<name>.retries_by_cause` of every model",
        "model_group_retry_policy": "`models.<name>.retries_by_cause`",
        "timeout": "as `timeout` of each entry that has none",
        "stream_timeout": "as `stream_timeout` of each entry that has none",
        "fallbacks": "`models.<name>.fallbacks`; those of `*` are `routing.fallbacks`",
        "context_window_fallbacks": "`models.<name>.context_fallbacks`",
        "content_policy_fallbacks": "`models.<name>.content_fallbacks`",
        "default_fallbacks": "`routing.fallbacks`",
        "model_group_alias": "`aliases`",
        "allowed_fails": "`routing.breaker.failures`, plus one",
        "cooldown_time": "`routing.breaker.cooldown` and `routing.rate_limit_rest`",
        "disable_cooldowns": "`routing.breaker.failures` and `routing.rate_limit_rest`: 0",
        "default_max_parallel_requests": "`models.<name>.targets[].max_concurrent`, where an entry has none",
    },
    harmless=(
        (
            "enable_pre_call_checks enable_pre_call_check",
            "a prompt that is too long for a target is never sent to it",
        ),
        ("retry_after", "the wait before a further try is computed, and a provider's Retry-After is kept"),
        ("set_verbose debug_level", "`log_level` says what is logged"),
        ("client_ttl router_general_settings ignore_invalid_deployments", "it tunes LiteLLM itself"),
        ("enable_weighted_failover", "a further try always goes to another target of the model first"),
        ("fallback_on_unsupported_params", "a field that a provider lacks is dropped, so it fails nothing"),
        ("enable_health_check_routing health_check_*", "only targets whose integration serves are asked"),
    ),
    missing=(
        ("redis_* cache_kwargs", _REDIS),
        ("cache_responses cache_params caching_groups", "set `cache` in litellm_settings"),
        ("allowed_fails_policy", "`routing.breaker.failures` counts every failure that is the provider's"),
        ("max_fallbacks", "a request has three tries at most, fallbacks included"),
        ("routing_strategy_args", "strategies have no arguments"),
        (
            "enable_tag_filtering tag_filtering_match_any tag_routing_prefix",
            "give each kind of traffic its own model",
        ),
        ("default_litellm_params", "a request brings its own parameters"),
        ("default_priority polling_interval", "waiting requests are let in by fair shares"),
        (
            "optional_pre_call_checks deployment_affinity_ttl_seconds model_group_affinity_config "
            "session_affinity_repin_on_failover",
            "set the strategy `sticky` or `sticky_prefix` for the model",
        ),
        ("weights", "set the weight of each entry"),
        ("background_health_check_model_groups", "every integration is watched"),
        ("provider_budget_config", _KEYS),
        ("alerting_config", _ALERTS),
        (
            "enable_mid_stream_fallback_continuation",
            "an answer that has begun is never continued by another model",
        ),
        ("guardrail_list plugins search_tools assistants_config", _NOTHING),
        ("model_list", "put it at the top of the file"),
    ),
)

ROUTING_GROUP = Vocabulary(
    becomes={"models": "those whose strategy it is", "routing_strategy": "`models.<name>.strategy`"},
    harmless=(("group_name", "the group itself is no model that could be asked for"),),
    missing=(
        ("routing_strategy_args", "strategies have no arguments"),
        ("model_priorities", "set `order` of entries with one model_name"),
    ),
)

RETRY_POLICY = Vocabulary(
    becomes={
        "TimeoutErrorRetries": "`retries_by_cause.timeout`",
        "RateLimitErrorRetries": "`retries_by_cause.rate_limit`",
        "AuthenticationErrorRetries": "`retries_by_cause.auth`",
        "InternalServerErrorRetries": "`retries_by_cause.server_error`",
        "ServiceUnavailableErrorRetries": "`retries_by_cause.server_error`",
        "DefaultRetries": "`retries`",
    },
    missing=(
        (
            "BadRequestErrorRetries ContentPolicyViolationErrorRetries NotFoundErrorRetries",
            "a request at fault is answered at once, as another try would not mend it",
        ),
    ),
)

CREDENTIAL = Vocabulary(
    becomes={"credential_name": "what an entry calls it by", "credential_values": "as in litellm_params"},
    harmless=(("credential_info", "it is a note"),),
)

_SHARED = ("timeout", "stream_timeout", "max_retries", "default_max_parallel_requests")

LITELLM = Vocabulary(
    becomes={
        **{name: "as in router_settings" for name in ROUTER.becomes if name not in _SHARED},
        "request_timeout": "as `timeout` of each entry that has none",
        "cache": "`models.<name>.cache` of every model",
        "cache_params": "see below",
        "ssl_verify": "as in litellm_params, for every entry",
        "ssl_certificate": "`integrations.<name>.settings.cert_file`",
    },
    harmless=(
        ("drop_params modify_params", "a field that the provider lacks is always dropped"),
        ("set_verbose suppress_debug_info suppress_startup_output", "`log_level` says what is logged"),
        ("telemetry", "the platform reports to nobody"),
        ("turn_off_message_logging redact_* log_raw_request_response", "prompts and answers are never logged"),
        ("disable_* enable_preview_features enable_azure_ad_token_refresh", "it tunes LiteLLM itself"),
        ("*_url use_*aiohttp* use_client http2 in_memory_llm_clients_cache", "it tunes LiteLLM itself"),
        ("LITELLM_DISABLE_STOP_SEQUENCE_LIMIT safe_memory_mode retry", "it tunes LiteLLM itself"),
        ("include_cost_in_streaming_usage return_response_headers", "usage is told in every answer"),
        ("prometheus_* custom_prometheus_*", "GET /metrics is there without it: see docs/monitoring.md"),
        ("json_logs request_correlation_in_logs", "the log is JSON with request ids, except at a terminal"),
        ("num_retries_per_request", "a request has three tries at most"),
    ),
    missing=(
        ("success_callback failure_callback callbacks service_callback* *_callback *_callbacks", _LOG),
        ("langfuse_* datadog_* *_callback_params langsmith_* argilla_*", _LOG),
        ("newrelic_* pointfive_* zerobus_* generic_* gcs_pub_sub_* *logg* callback_settings", _LOG),
        ("otel_*", "set OPENTELEMETRY_ENABLED and OTEL_EXPORTER_OTLP_ENDPOINT: see docs/monitoring.md"),
        ("log_*", "set `log_level` and `log_format`"),
        ("require_auth_for_metrics_endpoint", "the platform's own pages need the key"),
        (
            "guardrails *guard* presidio_* banned_keywords_list blocked_user_list *_rules output_parse_pii",
            _NO_GUARDS,
        ),
        ("azure_content_safety_params prompt_injection_params *moderation*", _NO_GUARDS),
        ("max_budget budget_* *_budget *_budget_* tag_budget_config extra_spend_tag_headers", _KEYS),
        ("key_* *_key_* default_internal_user_params default_team_* *_user_* personal_key_* scim_*", _KEYS),
        ("enable_end_user_* cost_* apply_search_free_tier *pricing priority_reservation*", _SPEND),
        ("store_audit_logs", _SPEND),
        ("public_model_groups* model_group_settings", _KEYS),
        ("mcp_* public_* *_embedding_model", _NO_MCP),
        ("require_managed_files *batch* vector_store_* responses", _NO_FILES),
        (
            "ssl_* force_ipv4 aiohttp_trust_env proxy_auth",
            "set `verify`, `ca_file` and `proxy` of the integration",
        ),
        ("api_base api_key api_version organization project *_key *_api_base", "set it in litellm_params"),
        ("headers token email vertex_* predibase_* common_cloud_*", "set it in litellm_params"),
        ("max_fallbacks model_fallbacks", "a request has three tries at most, fallbacks included"),
        ("model_alias_map", "set model_group_alias in router_settings"),
        ("custom_provider_map", "write an integration: docs/adding-an-integration.md"),
        ("enable_model_config_credential_overrides credential_list", "set it at the top of the file"),
        ("caching *_ttl *redis* enable_caching_on_*", "set `cache` and `cache_params`"),
        ("*_request *_requests forward_* add_* overwrite_* filter_* user_url_* provider_url_*", _NOTHING),
        (
            "anthropic_* openai_* gemini_* enable_gemini_* enable_anthropic_* bedrock_* strip_* reasoning_*",
            _NOTHING,
        ),
        ("route_all_* use_chat_completions_* use_litellm_proxy sse_keepalive_* enable_json_schema_*", _NOTHING),
        ("global_* websearch_* max_tokens error_logs network_mock allow_dynamic_* enable_load*", _NOTHING),
        ("expose_router_* *_models_without_* validate_* dynamodb_* secret_manager_client", _NOTHING),
        ("COHERE_DEFAULT_*", _NOTHING),
    ),
)

CACHE = Vocabulary(
    becomes={"type": "`cache.store`: `local` is `memory`, `redis` is `redis`", "ttl": "`models.<name>.cache.ttl`"},
    harmless=(
        ("mode", "with `default_off` no answer is kept, since a request cannot ask for it"),
        ("namespace", "the platform's entries have names of their own"),
        ("disable_copilot_system_to_assistant", "it is about something else"),
    ),
    missing=(
        (
            "host port password username url db ssl* max_connections redis_* service_name sentinel_*",
            "set REDIS_URL",
        ),
        ("gcp_*", "set REDIS_URL"),
        ("supported_call_types", "chat, text completions and embeddings are all kept"),
        ("default_in_memory_ttl default_in_redis_ttl", "set ttl"),
        ("*semantic* similarity_threshold qdrant_* max_messages", "only an exact repetition is answered from it"),
        ("s3_* gcs_* azure_* disk_*", "it is kept in memory or in Redis"),
    ),
)

GENERAL = Vocabulary(
    becomes={
        "master_key": "`server.api_key`",
        "max_request_size_mb": "`limits.body_bytes`",
    },
    harmless=(
        ("*health_check* model_list_healthy_only", "every integration is watched, at no cost"),
        ("dangerously_permit_weak_or_unset_master_key", "without a key the platform answers this machine only"),
        ("infer_model_from_keys", "a provider whose key is in the environment is found"),
        ("cancel_on_disconnect always_include_stream_usage", "it is always so"),
        ("return_wildcard_routes disable_model_info_refresh hide_*", "it tunes LiteLLM itself"),
        (
            "disable_spend_* disable_reset_budget disable_prisma_* disable_master_key_return",
            "nothing of it is there",
        ),
        ("disable_adding_master_key_hash_to_db disable_budget_reservation", "nothing of it is there"),
        ("store_prompts_in_spend_logs spend_logs_*", "prompts and answers are never stored"),
        ("disable_requester_ip_address_logging", "addresses of callers are never stored"),
        ("max_response_size_mb", "an answer is not held as a whole"),
    ),
    missing=(
        ("database_url", "that is LiteLLM's own; DATABASE_URL names the platform's"),
        (
            "database_* *_db_unavailable use_redis_* coordination_redis proxy_batch_* use_spend_logs_*",
            "it tunes LiteLLM's database",
        ),
        ("store_model_in_db supported_db_objects proxy_config_*", "models are read from the file alone"),
        ("allowed_ips *trusted_proxy* use_x_forwarded_for", "addresses of callers are not looked at"),
        (
            "allowed_routes public_routes admin_only_routes enforce_* enforced_params role_permissions "
            "reject_clientside_* require_* *_deny_by_default",
            "it is not enforced here: what a caller may do goes by the key",
        ),
        (
            "custom_auth* enable_jwt_auth litellm_jwtauth enable_oauth2_* oauth2_*",
            "callers send a key of the platform",
        ),
        ("litellm_key_header_name", "callers send Authorization or x-api-key"),
        ("custom_* team_* *team* *budget* self_serve_* service_account_settings user_api_key_*", _KEYS),
        ("disable_custom_api_keys disable_key_generate_* *user_header* allow_user_auth", _KEYS),
        (
            "max_parallel_requests global_max_parallel_requests token_rate_limit_type",
            "set max_parallel_requests of entries",
        ),
        ("max_in_flight_* max_queued_* admission_queue_*", "set max_parallel_requests of entries"),
        ("fail_closed_* use_shared_* scheduled_job_stagger", _ONE_PROCESS),
        ("*_spend_* spend_* track_* maximum_* missing_session_id request_tag_mappings", _SPEND),
        ("alert* *alert*", _ALERTS),
        ("otel tracing", _LOG),
        ("*sso* ui_* *_login* *login_* password_* control_plane_url enable_public_model_hub plugins", _NO_UI),
        ("claude_code_* enable_claude_code_* skill_scanner litellm_license", _NO_UI),
        ("mcp_* *_mcp_* *_mcp agent_*", _NO_MCP),
        ("pass_through_* passthrough_* *pass_through* *passthrough*", _NO_ROUTES),
        ("*batch* *file* *s3* transcribe_* vector_store_* responses_*", _NO_FILES),
        ("key_management_* use_azure_key_vault use_google_kms", "secrets come from the environment"),
        ("completion_model embedding_model image_generation_model moderation_model", "a request names its model"),
        ("forward_* allow_client_side_credentials", "headers and credentials of callers are not handed on"),
        ("disable_fallbacks_* disable_retry_* expose_fallback_*", "set fallbacks and retries of the model"),
        ("disable_responses_id_security allow_unmanaged_response_ids", "a response is its owner's alone"),
        ("*drain_endpoint*", "SIGTERM lets the answers under way finish"),
        ("allow_public_health_* include_call_id_in_error_body use_team_* user_url_* provider_url_*", _NOTHING),
        ("search_tools search_tool_*", "the platform runs no tools"),
    ),
)
