"""Tiers of Models-as-a-Service come in, and go out as Kuadrant's policies."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from app.cli.program import program
from app.settings import Settings
from app.settings.tier_formats.kuadrant import as_policies, window
from app.settings.tier_formats.maas import NotTiers, as_settings

MAPPING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: tier-to-group-mapping, namespace: maas-api}
data:
  tiers: |
    - name: free
      description: For everybody
      level: 1
      groups: [tier-free-users, "system:authenticated"]
    - name: premium
      displayName: Premium
      level: 10
      groups: [tier-premium-users]
"""
POLICIES = """
apiVersion: kuadrant.io/v1
kind: RateLimitPolicy
metadata: {name: gateway-rate-limits}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: maas-default-gateway}
  limits:
    free:
      rates: [{limit: 5, window: 2m}]
      when: [{predicate: "auth.identity.tier == \\"free\\"\\n"}]
      counters: [{expression: auth.identity.userid}]
    premium:
      rates: [{limit: 20, window: 2m}, {limit: 10, window: 120s}, {limit: 3, window: soon}]
    strangers:
      rates: [{limit: 1, window: 1h}]
      when: [{predicate: auth.identity.tier == "enterprise"}]
---
apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: gateway-token-rate-limits}
spec:
  defaults:
    limits:
      some-name:
        rates: [{limit: 10000, window: 1h0m0s}]
        when: [{predicate: 'auth.identity.groups.split(",").exists(g, g == "tier-premium-users")'}]
"""
TIERS = {
    "free": {
        "description": "For everybody",
        "level": 1,
        "groups": ["tier-free-users", "system:authenticated"],
        "rates": [{"unit": "requests", "limit": 5, "window": "2m"}],
    },
    "premium": {
        "description": "Premium",
        "level": 10,
        "groups": ["tier-premium-users"],
        "rates": [
            {"unit": "requests", "limit": 10, "window": "2m"},
            {"unit": "tokens", "limit": 10000, "window": "1h"},
        ],
    },
}


def test_a_mapping_and_its_policies_become_tiers() -> None:
    text = as_settings([MAPPING, POLICIES])
    assert yaml.safe_load(text) == {"tiers": TIERS, "default_tier": "free"}
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# RateLimitPolicy gateway-rate-limits: a rate of 'premium' was left out: it is not understood "
        "({'limit': 3, 'window': 'soon'}).",
        "# RateLimitPolicy gateway-rate-limits: 'strangers' was left out: it is about none of these tiers.",
    ]
    Settings.model_validate(yaml.safe_load(text))


def test_a_list_of_kubectl_is_read_as_well() -> None:
    items = [*yaml.safe_load_all(MAPPING), *yaml.safe_load_all(POLICIES)]
    text = as_settings([yaml.safe_dump({"kind": "List", "items": items})])
    assert yaml.safe_load(text)["tiers"] == TIERS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no YAML"),
        ("[]", "no ConfigMap"),
        ("kind: ConfigMap\ndata: {other: x}", "no ConfigMap"),
        ("kind: ConfigMap\ndata: {tiers: '{'}", "data.tiers is no YAML"),
        ("kind: ConfigMap\ndata: {tiers: 'free'}", "expected a list"),
        ("kind: ConfigMap\ndata: {tiers: '[{level: 1}]'}", "each with a name"),
        ("kind: ConfigMap\ndata: {tiers: '[{name: a, level: high}]'}", "'a' has a level"),
    ],
)
def test_what_holds_no_tiers_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotTiers, match=why):
        as_settings([text])


def test_tiers_become_policies() -> None:
    settings = Settings.model_validate(yaml.safe_load(as_settings([MAPPING, POLICIES])))
    requests, tokens = yaml.safe_load_all(as_policies(settings.tiers))
    assert (requests["apiVersion"], requests["kind"]) == ("kuadrant.io/v1", "RateLimitPolicy")
    assert (tokens["apiVersion"], tokens["kind"]) == ("kuadrant.io/v1alpha1", "TokenRateLimitPolicy")
    assert requests["spec"]["targetRef"]["name"] == "maas-default-gateway"
    assert list(requests["spec"]["limits"]) == ["free-requests", "premium-requests"]
    assert tokens["spec"]["limits"] == {
        "premium-tokens": {
            "rates": [{"limit": 10000, "window": "1h"}],
            "when": [{"predicate": 'auth.identity.tier == "premium" && !request.path.endsWith("/v1/models")'}],
            "counters": [{"expression": "auth.identity.userid"}],
        }
    }
    # And back.
    text = as_settings([MAPPING, as_policies(settings.tiers)])
    assert Settings.model_validate(yaml.safe_load(text)).tiers == settings.tiers


def test_what_kuadrant_has_no_place_for_is_told() -> None:
    tier = {"rates": [{"unit": "concurrent", "limit": 3}], "models": ["a"]}
    text = as_policies(Settings.model_validate({"tiers": {"free": tier}}).tiers)
    assert text.splitlines() == [
        "# free: 3 concurrent left out: Kuadrant counts requests and tokens only.",
        "# free: its models are left out: they are a matter of access there.",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "1s"), (60, "1m"), (90, "1m30s"), (86_400, "24h"), (1.5, "1s500ms"), (366 * 86_400, "8784h")],
)
def test_windows_are_written_in_kuadrants_pattern(seconds: float, told: str) -> None:
    assert window(seconds) == told
    assert re.fullmatch(r"([0-9]{1,5}(h|m|s|ms)){1,4}", told)


def test_the_commands(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mapping, ours = tmp_path / "maas.yaml", tmp_path / "llm-platform.yaml"
    mapping.write_text(MAPPING + "---" + POLICIES)
    run = CliRunner().invoke
    imported = run(program, ["tiers", "import", "--from", "maas", str(mapping)])
    assert imported.exit_code == 0
    ours.write_text(imported.stdout)
    exported = run(program, ["tiers", "export", "--to", "kuadrant", "--config", str(ours), "--gateway", "mine"])
    assert [each["spec"]["targetRef"]["name"] for each in yaml.safe_load_all(exported.stdout)] == ["mine", "mine"]
    listed = run(program, ["tiers", "list", "--config", str(ours)])
    assert "free (default)" in listed.stdout
    assert run(program, ["tiers", "import", str(tmp_path / "none.yaml")]).exit_code == 1


def test_an_export_of_no_tiers_says_so(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("")
    exported = CliRunner().invoke(program, ["tiers", "export", "--config", str(tmp_path / "none.yaml")])
    assert (exported.exit_code, exported.stdout) == (0, "")
    assert "There are no tiers" in exported.stderr
