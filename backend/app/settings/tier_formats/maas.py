"""Tiers of Models-as-a-Service: its ConfigMap tier-to-group-mapping, and Kuadrant's policies where they are given.

The tier that `system:authenticated` is in becomes the default one: whoever may call at all has that group there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from app.settings.tier_formats.kuadrant import window as written
from app.settings.writing import commented

EVERYBODY = "system:authenticated"

_POLICIES = {"RateLimitPolicy": "requests", "TokenRateLimitPolicy": "tokens"}
_TIER = re.compile(r"""auth\.identity\.tier\s*==\s*["']([^"']+)["']""")
_GROUP = re.compile(r"""\bg\s*==\s*["']([^"']+)["']""")
_PART = re.compile(r"(\d+)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class NotTiers(ValueError):
    """The message says why."""


def as_settings(texts: Iterable[str]) -> str:
    """The tiers of all documents as YAML in our own format, comments for what was left out. Raises NotTiers."""
    documents = [document for text in texts for document in _documents(text)]
    tiers: dict[str, dict[str, Any]] = {}
    for document in documents:
        if document.get("kind") == "ConfigMap":
            tiers.update((tier["name"], tier) for tier in _mapped(document))
    if not tiers:
        raise NotTiers("There is no ConfigMap with tiers in it (data.tiers, a list of name, level and groups).")
    notes: list[str] = []
    for document in documents:
        if (unit := _POLICIES.get(str(document.get("kind")))) is not None:
            _add_rates(tiers, document, unit, notes)
    settings: dict[str, Any] = {"tiers": {name: _ours(tier) for name, tier in tiers.items()}}
    if (default := _default(tiers)) is not None:
        settings["default_tier"] = default
    return commented(notes) + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    try:
        found = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise NotTiers(f"This is no YAML: {error}") from None
    for document in found:
        if isinstance(document, dict):
            items = document.get("items")
            yield from (
                (item for item in items if isinstance(item, dict)) if isinstance(items, list) else (document,)
            )


def _mapped(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tiers in a ConfigMap, where they are text; none where it holds something else."""
    held = (document.get("data") or {}).get("tiers")
    try:
        tiers = yaml.safe_load(held) if isinstance(held, str) else held
    except yaml.YAMLError as error:
        raise NotTiers(f"data.tiers is no YAML: {error}") from None
    if tiers is None:
        return []
    for tier in tiers if isinstance(tiers, list) else [None]:
        if not isinstance(tier, dict) or not isinstance(tier.get("name"), str):
            raise NotTiers("data.tiers: expected a list of tiers, each with a name.")
        if type(tier.get("level", 0)) is not int or not isinstance(tier.get("groups") or [], list):
            raise NotTiers(f"data.tiers: '{tier['name']}' has a level or groups that are none.")
    return list(tiers)


def _ours(tier: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {
        "description": tier.get("description") or tier.get("displayName"),
        "level": tier.get("level", 0),
        "groups": [str(group) for group in tier.get("groups") or ()],
        "rates": tier.get("rates", []),
    }
    return {name: value for name, value in wanted.items() if value not in (None, [])}


def _default(tiers: Mapping[str, Mapping[str, Any]]) -> str | None:
    everybodys = [name for name, tier in tiers.items() if EVERYBODY in (tier.get("groups") or ())]
    return max(everybodys, key=lambda name: tiers[name].get("level", 0), default=None)


def _add_rates(
    tiers: Mapping[str, dict[str, Any]], document: Mapping[str, Any], unit: str, notes: list[str]
) -> None:
    where = f"{document['kind']} {(document.get('metadata') or {}).get('name', '')}".strip()
    for name, limit in _limits(document.get("spec") or {}):
        tier = _meant(tiers, name, limit)
        if tier is None:
            notes.append(f"{where}: '{name}' was left out: it is about none of these tiers.")
            continue
        for rate in limit.get("rates") or ():
            seconds = _seconds(str(rate.get("window", "")))
            if type(rate.get("limit")) is not int or rate["limit"] < 1 or seconds is None or seconds < 1:
                notes.append(f"{where}: a rate of '{name}' was left out: it is not understood ({rate}).")
                continue
            ours = {"unit": unit, "limit": rate["limit"], "window": written(seconds)}
            _add(tier.setdefault("rates", []), ours)


def _limits(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for rules in (spec, spec.get("defaults") or {}, spec.get("overrides") or {}):
        yield from (rules.get("limits") or {}).items()


def _meant(tiers: Mapping[str, dict[str, Any]], name: str, limit: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tier that its conditions name, or one with a group that they name, or the one it is called after."""
    told = " ".join(str(each.get("predicate", "")) for each in limit.get("when") or ())
    for tier in _TIER.findall(told):
        return tiers.get(tier)
    for group in _GROUP.findall(told):
        for each in tiers.values():
            if group in (each.get("groups") or ()) or group == each["name"]:
                return each
    called = [each for each in tiers if name == each or name.startswith(f"{each}-")]
    return tiers[max(called, key=len)] if called and not told else None


def _add(rates: list[dict[str, Any]], rate: dict[str, Any]) -> None:
    """Two limits of one unit and window hold both, so the lower one does."""
    for each in rates:
        if (each["unit"], each["window"]) == (rate["unit"], rate["window"]):
            each["limit"] = min(each["limit"], rate["limit"])
            return
    rates.append(rate)


def _seconds(window: str) -> float | None:
    parts = _PART.findall(window)
    if not parts or "".join(count + unit for count, unit in parts) != window:
        return None
    return float(sum(int(count) * _SECONDS[unit] for count, unit in parts))
