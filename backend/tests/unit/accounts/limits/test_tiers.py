"""Which tier a caller is in."""

import pytest

from app.accounts.limits.tiers import Tiers
from app.domain.limits import Tier
from app.domain.principal import Principal

FREE = Tier(name="free", level=0, groups=("everybody",))
PRO = Tier(name="pro", level=5, groups=("paying", "staff"))
MAX = Tier(name="max", level=10, groups=("staff",))
BARE = Tier(name="bare", level=-1)
ALL = Tiers([FREE, MAX, BARE, PRO], default="bare")


@pytest.mark.parametrize(
    ("tier", "groups", "found"),
    [
        (None, (), "bare"),
        (None, ("strangers",), "bare"),
        (None, ("everybody",), "free"),
        (None, ("everybody", "paying"), "pro"),
        (None, ("staff", "everybody"), "max"),
        ("free", ("staff",), "free"),
        ("gone", ("paying",), "pro"),
        ("gone", (), "bare"),
    ],
)
def test_the_keys_own_then_the_highest_then_the_default(
    tier: str | None, groups: tuple[str, ...], found: str
) -> None:
    assert ALL.of(Principal(id="a", tier=tier, groups=groups)) is ALL.by_name[found]


def test_a_tier_that_is_gone_is_no_way_round_the_limits(caplog: pytest.LogCaptureFixture) -> None:
    tiers = Tiers([FREE, PRO])
    assert tiers.of(Principal(id="a")) is None
    for _ in range(3):
        assert tiers.of(Principal(id="a", tier="gone")) is FREE
    assert [record.message for record in caplog.records] == [
        "there are keys of the tier 'gone', which there is not; 'free' counts for them"
    ]
    assert Tiers().of(Principal(id="a", tier="gone")) is None
