-- Posts the guide's event. Arguments: the body, in which MARK stands where the
-- service's name goes on, and a tag that is new for every run; without a tag
-- the body is posted as it is, again and again.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  wrk.method = "POST"
  wrk.path = "/api/events/notify"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = args[1]
  local tag = args[2]
  if not tag then return end

  -- The mark and what replaces it have one length, so that the request is cut
  -- in two once and not written anew each time.
  local whole = wrk.format()
  local from, to = whole:find("MARK------------", 1, true)
  local head, rest = whole:sub(1, from - 1) .. tag, whole:sub(to + 1)
  local width, count = 16 - #tag, number * 1000000
  request = function()
    count = count + 1
    return head .. string.format("%0" .. width .. "d", count) .. rest
  end
end

function done(summary, latency)
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
