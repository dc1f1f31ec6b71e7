"""Values in memory: how long, how much, and which one makes room."""

from app.inference.caching.memory import OVERHEAD, MemoryCache
from app.testing.clock import VirtualClock

EACH = 100 + OVERHEAD


def filled(limit: int, *keys: str) -> MemoryCache:
    memory = MemoryCache(limit, VirtualClock().monotonic)
    for key in keys:
        memory.put(key, b"x" * 100, 60.0)
    return memory


def there(memory: MemoryCache, keys: str = "abcd") -> str:
    return "".join(key for key in keys if memory.get(key) is not None)


async def test_a_value_is_there_until_its_time_is_over() -> None:
    clock = VirtualClock()
    memory = MemoryCache(1000, clock.monotonic)
    memory.put("a", b"x", 60.0)
    await clock.advance(59.9)
    assert memory.get("a") == b"x"
    await clock.advance(0.1)
    assert (memory.get("a"), memory.size, memory.evicted) == (None, 0, 0)


def test_the_one_that_was_not_asked_for_longest_makes_room() -> None:
    memory = filled(3 * EACH, "a", "b", "c")
    assert memory.get("a") is not None
    memory.put("d", b"x" * 100, 60.0)
    assert (there(memory), memory.size, memory.evicted) == ("acd", 3 * EACH, 1)


def test_bytes_count_and_not_values() -> None:
    memory = filled(3 * EACH, "a", "b", "c")
    memory.put("d", b"x" * (2 * EACH - OVERHEAD), 60.0)
    assert (there(memory), memory.size) == ("cd", 3 * EACH)
    memory.put("d", b"", 60.0)
    assert memory.size == EACH + OVERHEAD


def test_what_is_larger_than_everything_is_not_kept() -> None:
    memory = filled(EACH, "a")
    memory.put("b", b"x" * 101, 60.0)
    assert (there(memory), memory.size) == ("", 0)


def test_less_room_is_made_at_once() -> None:
    memory = filled(3 * EACH, "a", "b", "c")
    memory.limit = EACH
    assert (there(memory), memory.size, memory.limit) == ("c", EACH, EACH)
    memory.limit = 0
    assert memory.size == 0
