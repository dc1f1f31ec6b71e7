"""Tiers as Kuadrant's policies, for a gateway that limits in our place.

https://docs.kuadrant.io/latest/kuadrant-operator/doc/reference/ratelimitpolicy/ (kuadrant.io/v1) and
https://docs.kuadrant.io/latest/kuadrant-operator/doc/reference/tokenratelimitpolicy/ (kuadrant.io/v1alpha1).
The tier of a caller is what Models-as-a-Service's AuthPolicy finds: auth.identity.tier.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from app.settings.tiers import TierSettings
from app.settings.writing import commented


class Place(NamedTuple):
    """The Gateway that the policies are about."""

    gateway: str = "maas-default-gateway"
    namespace: str = "openshift-ingress"


_MAAS = Place()


class _Kind(NamedTuple):
    kind: str
    version: str
    name: str
    predicate: str


_KINDS = {
    "requests": _Kind(
        "RateLimitPolicy", "kuadrant.io/v1", "gateway-rate-limits", 'auth.identity.tier == "{tier}"'
    ),
    "tokens": _Kind(
        "TokenRateLimitPolicy",
        "kuadrant.io/v1alpha1",
        "gateway-token-rate-limits",
        'auth.identity.tier == "{tier}" && !request.path.endsWith("/v1/models")',
    ),
}
_UNITS = ((3600, "h"), (60, "m"), (1, "s"))


def as_policies(tiers: Mapping[str, TierSettings], place: Place = _MAAS) -> str:
    """YAML; what there is no place for stands above it in comments."""
    policies = [
        policy for unit, kind in _KINDS.items() if (policy := _policy(tiers, unit, kind, place)) is not None
    ]
    return commented(list(_left_out(tiers))) + yaml.safe_dump_all(policies, sort_keys=False, allow_unicode=True)


def window(seconds: float) -> str:
    """In Kuadrant's pattern ([0-9]{1,5}(h|m|s|ms)){1,4}."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    text = ""
    for size, unit in _UNITS:
        count, whole = divmod(whole, size)
        text += f"{count}{unit}" if count else ""
    return text + (f"{milliseconds}ms" if milliseconds else "")


def _policy(tiers: Mapping[str, TierSettings], unit: str, kind: _Kind, place: Place) -> dict[str, Any] | None:
    limits = {}
    for name, tier in tiers.items():
        rates = [{"limit": rate.limit, "window": window(rate.window)} for rate in tier.rates if rate.unit == unit]
        if rates:
            limits[f"{name}-{unit}"] = {
                "rates": rates,
                "when": [{"predicate": kind.predicate.format(tier=name)}],
                "counters": [{"expression": "auth.identity.userid"}],
            }
    if not limits:
        return None
    return {
        "apiVersion": kind.version,
        "kind": kind.kind,
        "metadata": {"name": kind.name, "namespace": place.namespace},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": place.gateway},
            "limits": limits,
        },
    }


def _left_out(tiers: Mapping[str, TierSettings]) -> Iterator[str]:
    for name, tier in tiers.items():
        for rate in tier.rates:
            if rate.unit not in _KINDS:
                yield f"{name}: {rate.limit} {rate.unit} left out: Kuadrant counts requests and tokens only."
        if tier.models:
            yield f"{name}: its models are left out: they are a matter of access there."
