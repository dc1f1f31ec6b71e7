"""What becomes of an entry of LiteLLM's model_list: of its parameters, and of what it says of the model.

Sources: https://docs.litellm.ai/docs/proxy/configs, https://docs.litellm.ai/docs/routing
"""

from app.settings.litellm.vocabulary import Vocabulary

_NO_DEFAULTS = "a request brings its own parameters, so set it where the request is made"
_PRICES = "the platform knows prices of text by the token; set them under `prices`"
_LIMITS_OF_KEYS = "limits and budgets belong to a key"
_NO_TAGS = "targets have no tags; give each kind of traffic a model of its own"

ENTRY = Vocabulary(
    becomes={
        "model_name": "`models.<name>`; entries of one name are the targets of one model",
        "litellm_params": "see below",
        "model_info": "see below",
        "rpm": "as in litellm_params",
        "tpm": "as in litellm_params",
    },
    missing=(("blocked", "remove the entry"),),
)

PARAMETERS = Vocabulary(
    becomes={
        "model": "the kind of integration, and the target's model",
        "custom_llm_provider": "as a prefix of `model`",
        "api_base": "`integrations.<name>.settings.base_url`",
        "base_url": "as `api_base`",
        "api_key": "`integrations.<name>.settings.api_key`",
        "organization": "the header OpenAI-Organization; of a list each is a target",
        "extra_headers": "`integrations.<name>.settings.headers`",
        "headers": "as `extra_headers`",
        "additional_drop_params": "`integrations.<name>.settings.drop_params`",
        "ssl_verify": "`integrations.<name>.settings.verify`, or `ca_file` where it names one",
        "num_ctx": "`integrations.<name>.settings.num_ctx`, of Ollama",
        "keep_alive": "`integrations.<name>.settings.keep_alive`, of Ollama",
        "litellm_credential_name": "the values of that credential",
        "timeout": "`integrations.<name>.settings.first_byte_timeout` (`load_timeout` of Ollama), and as "
        "`stream_timeout` where that is not set",
        "request_timeout": "as `timeout`",
        "stream_timeout": "`models.<name>.timeouts.first_token`",
        "num_retries": "`models.<name>.retries`",
        "max_retries": "as `num_retries`",
        "rpm": "`models.<name>.targets[].requests_per_minute`, and its weight where no entry has a `weight`",
        "tpm": "`models.<name>.targets[].tokens_per_minute`, and its weight where no entry has either",
        "weight": "`models.<name>.targets[].weight`",
        "order": "`models.<name>.targets[].priority`",
        "max_parallel_requests": "`models.<name>.targets[].max_concurrent`",
        "input_cost_per_token": "`prices.<target>.input`, times a million",
        "output_cost_per_token": "`prices.<target>.output`, times a million",
        "cache_read_input_token_cost": "`prices.<target>.cached_input`, times a million",
        "cache_creation_input_token_cost": "`prices.<target>.cache_write`, times a million",
    },
    harmless=(
        ("drop_params", "a field that the provider lacks is always dropped, and named in the answer's warnings"),
        ("api_version", "Azure's v1 API has no versions"),
        ("allowed_openai_params", "fields that are unknown here are handed on to a server of the same dialect"),
        ("use_in_pass_through", "there are no pass-through routes that could use it"),
        ("stream_options", "usage is always asked for"),
        ("litellm_trace_id litellm_metadata", "it has no effect in a file"),
    ),
    missing=(
        ("azure_* tenant_id client_id client_secret", "sign in to Azure with an api_key"),
        ("aws_* s3_* bedrock_*", "there is no integration for Amazon's model services"),
        ("vertex_* gcs_bucket_name bucket_name", "with an API key of Google AI Studio write gemini/MODEL"),
        ("anthropic_* openai_*_id openai_identity_* token_exchange_*", "sign in with an api_key"),
        ("watsonx_* predibase_* use_xai_oauth chatgpt_*", "there is no integration for this service"),
        ("*_cost *_cost_* *cost_per_* cost_per_* tiered_pricing *_multiplier*", _PRICES),
        ("max_budget budget_duration default_api_key_*", _LIMITS_OF_KEYS),
        ("itpm otpm tpd rpd daily_reset_time", "set rpm and tpm"),
        ("tags tag_regex region_name", _NO_TAGS),
        ("cooldown_time", "it holds for all models: set it in router_settings"),
        ("timeout_by_service_tier stream_timeout_by_service_tier", "set timeout and stream_timeout"),
        ("fallbacks context_window_fallback_dict", "set them in router_settings, by model_name"),
        ("cache caching ttl", "set it in litellm_settings, for all models"),
        ("guardrails", "there are no guardrails"),
        ("mock_*", "start a server of your own for tests"),
        ("*router_* *_router vector_store_id milvus_* valkey_* *vector* index_name", "it is a part of LiteLLM"),
        ("embedding_model output_vector_size", "it is a part of LiteLLM"),
        (
            "roles initial_prompt_value final_prompt_value bos_token eos_token custom_prompt_dict hf_model_name",
            "servers apply the template that comes with the model",
        ),
        ("prompt_id prompt_variables prompt_*", "prompts are not kept here"),
        ("configurable_clientside_auth_params", "callers cannot choose the provider's address or key"),
        (
            "responses_api_version use_chat_completions_api",
            "`responses` of the integration says whether it has that API",
        ),
        (
            "provider_affinity_header kubernetes_pod_discovery keepalive_seconds allow_client_keepalive_override "
            "fireworks_forward_user_id merge_reasoning_content_in_choices thought_signature_in_tool_call_id "
            "max_file_size_mb model_config use_litellm_proxy allow_legacy_cloud_file_ids model_list deployment_id "
            "model_info enable_json_schema_validation include_server_side_tool_invocations",
            "there is nothing like it here",
        ),
        (
            "temperature top_p top_k n stream stop max_tokens max_completion_tokens max_new_tokens modalities "
            "prediction audio presence_penalty frequency_penalty repetition_penalty logit_bias user "
            "reasoning_effort verbosity response_format seed tools tool_choice logprobs top_logprobs "
            "parallel_tool_calls web_search_options safety_identifier service_tier store metadata functions "
            "function_call thinking think extra_body best_of echo suffix dimensions encoding_format input_type "
            "safety_settings",
            _NO_DEFAULTS,
        ),
    ),
    free="LiteLLM would send it with each request; " + _NO_DEFAULTS,
)

MODEL_INFO = Vocabulary(
    becomes={
        "id": "a model of that name, where a fallback asks for it",
        "mode": "an entry for what the platform does not serve (images, sound, …) is left out and told",
        "max_input_tokens": "`models.<name>.targets[].context_window`",
        "supported_environments": "an entry that does not list LITELLM_ENVIRONMENT is left out and told",
        **{
            name: "as in litellm_params"
            for name in (
                "input_cost_per_token",
                "output_cost_per_token",
                "cache_read_input_token_cost",
                "cache_creation_input_token_cost",
            )
        },
    },
    harmless=(
        ("db_model created_* updated_* litellm_provider source deprecation_* successor_model", "it is a note"),
        (
            "disable_background_health_check health_check_*",
            "integrations are watched, and no model is asked for it",
        ),
    ),
    missing=(
        ("base_model pricing_provider", "prices and context lengths go by the model that is asked; set `prices`"),
        ("max_tokens max_output_tokens", "an answer is as long as the request and the model allow"),
        ("*_cost *_cost_* *cost_per_* cost_per_* tiered_pricing *_multiplier* *pricing* ptu_*", _PRICES),
        ("rpm tpm", "set it in litellm_params"),
        ("supports_* supported_* *reasoning_* thinking_*", "the provider is asked what a model can do"),
        (
            "team_* access_* member_* blocked discoverable tier enforce_supported_endpoints internal_router_model",
            "a key's own list of models says who may use which",
        ),
        ("allowed_fails allowed_fails_policy cooldown_time", "it holds for all models: set it in router_settings"),
        ("enable_tag_filtering", _NO_TAGS),
        ("custom_tokenizer token_count_*", "the platform picks the tokenizer"),
        ("max_embedding_batch_size allow_fail_open metadata version description", "it is not kept"),
    ),
    free="it is not kept",
)
