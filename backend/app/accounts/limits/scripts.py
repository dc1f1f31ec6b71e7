"""What Redis does for limits, each in one round trip: all rates of a call at once, so that nobody sees half of it.

A window is a hash of its steps: their numbers, and what was counted in each; it works as SlidingWindow does. What
is under way is a sorted set of calls, each with the time until which its process vouches for it. For a moment a
hash tells of each call what it took: who left before the answer came can have it given back. The clock is Redis's
own, so that processes agree on it.
"""

RESERVE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local call, lease, steps = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local worst, wait, told = 0, 0, {}
local rates, took = #KEYS - 1, KEYS[#KEYS]
if redis.call('EXISTS', took) == 1 then return {0, 0} end

local function limit_reached(rate, seconds)
  if worst == 0 or seconds > wait then worst, wait = rate, seconds end
end

for rate = 1, rates do
  local key, at = KEYS[rate], 4 * rate
  local kind, limit = ARGV[at], tonumber(ARGV[at + 1])
  local window, amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if kind == 'concurrent' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    local inside = redis.call('ZCARD', key)
    if inside >= limit then limit_reached(rate, 1) end
    told[rate] = {0, inside, 0}
  else
    local step, length = math.floor(now * steps / window), window / steps
    local fields, found, gone, total, newest = redis.call('HGETALL', key), {}, {}, 0, nil
    for i = 1, #fields, 2 do
      local number, count = tonumber(fields[i]), tonumber(fields[i + 1])
      if number < step - steps then
        gone[#gone + 1] = fields[i]
      else
        found[#found + 1] = {number, count}
        total = total + count
        if newest == nil or number > newest then newest = number end
      end
    end
    if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
    local over = total + math.min(amount, limit) - limit
    if over > 0 then
      table.sort(found, function(a, b) return a[1] < b[1] end)
      for _, each in ipairs(found) do
        over = over - each[2]
        if over <= 0 then
          limit_reached(rate, (each[1] + steps + 1) * length - now)
          break
        end
      end
    end
    told[rate] = {step, total, total > 0 and (newest + steps + 1) * length - now or 0}
  end
end

if worst == 0 then
  for rate = 1, rates do
    local key, at = KEYS[rate], 4 * rate
    local window, amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local each = told[rate]
    each[2] = each[2] + amount
    if ARGV[at] == 'concurrent' then
      redis.call('ZADD', key, now + lease, call)
      redis.call('PEXPIRE', key, math.ceil(lease * 1000))
      redis.call('HSET', took, key, '')
    else
      local step = string.format('%.0f', each[1])
      redis.call('HINCRBY', key, step, amount)
      redis.call('HSET', took, key, step)
      redis.call('PEXPIRE', key, math.ceil(window * (steps + 2) / steps * 1000))
      each[3] = (each[1] + steps + 1) * window / steps - now
    end
  end
  redis.call('PEXPIRE', took, 10000)
end

local answer = {worst, math.ceil(wait * 1000)}
for rate = 1, rates do
  answer[#answer + 1] = told[rate][1]
  answer[#answer + 1] = told[rate][2]
  answer[#answer + 1] = math.ceil(told[rate][3] * 1000)
end
return answer
"""
"""KEYS: of each rate, then where it is told what the call took. ARGV: the call, its lease in seconds, the steps of
a window; then of each rate its unit, limit, window in seconds, and what is wanted of it. Returns the number of the
rate that keeps the call out the longest, or 0; milliseconds until there is room; then of each rate the step, what
is counted, and milliseconds until all is free.
"""

SETTLE = """
local told, batch = KEYS[1], tonumber(ARGV[1])
if tonumber(redis.call('GET', told) or 0) >= batch then return 0 end
redis.call('SET', told, batch, 'PX', 3600000)
local changes, undone = (#ARGV - 1) / 3, 0
for place = 1, changes do
  local key, at = KEYS[place + 1], 3 * place - 1
  local call, step, difference = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  if step == '?' then
    undone = undone + 1
    local took = KEYS[changes + 1 + undone]
    step = redis.call('HGET', took, key) or '-'
    redis.call('HSET', took, key, '-')
    redis.call('PEXPIRE', took, 10000)
  end
  if step == '' then
    redis.call('ZREM', key, call)
  elseif redis.call('HEXISTS', key, step) == 1 then
    redis.call('HINCRBY', key, step, difference)
  end
end
return 0
"""
"""KEYS: where the number of this process's last batch stands; then of each rate that changes; then, of those whose
step is not known, where it is told what the call took. ARGV: the number of this batch, which does nothing where
it was there before; then of each the call, the step, and what is to be added there. No step: the call is not under
way any more. "?": the step that it took; if it comes only later, it takes nothing.
"""

RENEW = """
local clock, lease = redis.call('TIME'), tonumber(ARGV[1])
for place, key in ipairs(KEYS) do
  redis.call('ZADD', key, tonumber(clock[1]) + lease, ARGV[place + 1])
  redis.call('PEXPIRE', key, math.ceil(lease * 1000))
end
return 0
"""
"""KEYS: a set of calls under way, for each call. ARGV: seconds; then the calls."""
