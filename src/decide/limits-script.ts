/**
 * What Redis runs, each in one step. The clock is Redis's own, unless a test gives another in ARGV[1] (microseconds). The
 * arithmetic is that of limits-memory.ts, to the last digit; numbers are whole and below 2^53, and are written with %.0f
 * because Lua's own writing keeps 14 digits.
 *
 * Every key says when it is over (PEXPIRE), so nothing has to be cleaned up.
 */

const CLOCK = `
local now
if ARGV[1] == "" then local t = redis.call("TIME"); now = t[1] * 1000000 + t[2] else now = tonumber(ARGV[1]) end
local function int(n) return string.format("%.0f", n) end
local most = 9007199254740991
`;

/** The number of the month a day is in, and what a period is called; the same as windowAt. */
const WINDOW = `
local function month(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local m = mp < 10 and mp + 3 or mp - 9
  local y = yoe + era * 400
  if m <= 2 then y = y + 1 end
  return y * 12 + m - 1
end
local function window(seconds, offset)
  local s = math.floor(now / 1000000)
  if seconds == 0 then return month(math.floor(s / 86400)) end
  return math.floor((s - offset) / seconds)
end
`;

/**
 * KEYS: one a need. ARGV: clock, holder, then seven a need: kind, enforce, and five numbers (rate: requests, periodUs,
 * burst; slots: max, leaseMs; window: seconds, offset, max, amount). Answers taken, now, then fits, value, mark of each.
 */
export const TAKE = `${CLOCK}${WINDOW}
local answer = {0, int(now)}
local plan = {}
local all = true
for i = 1, #KEYS do
  local a = 3 + (i - 1) * 7
  local kind, enforce = ARGV[a], ARGV[a + 1] == "1"
  local n = {}
  for j = 1, 5 do n[j] = tonumber(ARGV[a + 1 + j]) end
  local fits, value, mark = false, 0, 0
  local p = {kind = kind, n = n}
  if kind == "r" then
    local requests, period, burst = n[1], n[2], n[3]
    local capacity = burst * period
    local kept = redis.call("HMGET", KEYS[i], "l", "t")
    local level = capacity
    if kept[1] then
      level = tonumber(kept[1])
      local elapsed = math.max(0, now - tonumber(kept[2]))
      local missing = math.max(0, capacity - level)
      if elapsed >= missing / requests then level = capacity else level = level + elapsed * requests end
      level = math.min(level, capacity)
    end
    fits = level >= period
    if fits then
      value = math.floor(level / period) - 1
      level = level - period
    else
      mark = math.ceil((period - level) / requests)
    end
    p.level = level
    p.ttl = math.ceil((capacity - level) / requests / 1000) + 1000
  elseif kind == "c" then
    redis.call("ZREMRANGEBYSCORE", KEYS[i], "-inf", int(now))
    value = redis.call("ZCARD", KEYS[i])
    fits = value < n[1]
  else
    local number = window(n[1], n[2])
    local kept = redis.call("HMGET", KEYS[i], "w", "s")
    if kept[1] and tonumber(kept[1]) >= number then
      number = tonumber(kept[1])
      value = math.min(most, tonumber(kept[2]))
    end
    mark = number
    fits = value + n[4] <= n[3] and value < n[3]
    p.number = number
    p.spent = math.min(most, value + n[4])
    local length = n[1] == 0 and 2764800 or n[1]
    p.ttl = length * 1000 + 60000
  end
  if enforce and not fits then all = false end
  plan[i] = p
  local b = 3 + (i - 1) * 3
  answer[b] = fits and 1 or 0
  answer[b + 1] = int(value)
  answer[b + 2] = int(mark)
end
if not all then return answer end
answer[1] = 1
for i = 1, #KEYS do
  local p = plan[i]
  if p.kind == "r" then
    redis.call("HSET", KEYS[i], "l", int(p.level), "t", int(now))
    redis.call("PEXPIRE", KEYS[i], int(p.ttl))
  elseif p.kind == "c" then
    redis.call("ZADD", KEYS[i], int(now + p.n[2] * 1000), ARGV[2])
    redis.call("PEXPIRE", KEYS[i], int(p.n[2] * 2))
  else
    redis.call("HSET", KEYS[i], "w", int(p.number), "s", int(p.spent))
    redis.call("PEXPIRE", KEYS[i], int(p.ttl))
  end
end
return answer
`;

const ADJUSTING = `
local function int(n) return string.format("%.0f", n) end
for i = 1, last do
  local a = 3 + (i - 1) * 3
  if ARGV[a] == "c" then
    redis.call("ZREM", KEYS[i], ARGV[2])
  else
    local kept = redis.call("HMGET", KEYS[i], "w", "s")
    if kept[1] and tonumber(kept[1]) == tonumber(ARGV[a + 1]) then
      local spent = math.min(9007199254740991, math.max(0, tonumber(kept[2]) + tonumber(ARGV[a + 2])))
      redis.call("HSET", KEYS[i], "s", int(spent))
    end
  end
end
return 1
`;

/** KEYS: one an adjustment. ARGV: clock (unused), holder, then three each: kind, window, delta. */
export const ADJUST = `local last = #KEYS${ADJUSTING}`;

/** KEYS: the holder's. ARGV: ms. */
export const LEND = `return redis.call("SET", KEYS[1], "1", "PX", ARGV[1])`;

/** As ADJUST, with the holder's key behind the others: 0, and nothing is adjusted, when it is not lent to. */
export const SETTLE = `
if redis.call("DEL", KEYS[#KEYS]) == 0 then return 0 end
local last = #KEYS - 1${ADJUSTING}`;

/** KEYS: one a place, then the holder's. ARGV: clock, leaseMs, holder, lentMs. 0 when it is not lent to. */
export const PROLONG = `${CLOCK}
if redis.call("PEXPIRE", KEYS[#KEYS], ARGV[4]) == 0 then return 0 end
local lease = tonumber(ARGV[2])
for i = 1, #KEYS - 1 do
  redis.call("ZADD", KEYS[i], int(now + lease * 1000), ARGV[3])
  redis.call("PEXPIRE", KEYS[i], int(lease * 2))
end
return 1
`;

/** KEYS: one a place. ARGV: clock, leaseMs, then the holder of each. */
export const RENEW = `${CLOCK}
local lease = tonumber(ARGV[2])
for i = 1, #KEYS do
  redis.call("ZADD", KEYS[i], int(now + lease * 1000), ARGV[2 + i])
  redis.call("PEXPIRE", KEYS[i], int(lease * 2))
end
return 1
`;
