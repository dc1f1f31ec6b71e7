"""Lua that the integration itself runs: a key that one of several may take, all or nothing in one round trip."""

CLAIM = """
local there = redis.call('GET', KEYS[1])
if there then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
"""ARGV: the mark, and how many milliseconds it stays."""

EXCHANGE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""
"""ARGV: the mark; then what takes its place, and how many milliseconds it stays, or nothing."""
