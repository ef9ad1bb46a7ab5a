-- For wrk -t2: sends exactly as many requests as its argument says, each with a path of its own, then lets the
-- connections idle. So no request is cut off in flight when wrk ends, and the counts of the demonstration are exact.
local threads = 0
function setup(thread)
    threads = threads + 1
    thread:set("id", threads)
end

function init(args)
    left = math.floor(tonumber(args[1]) / 2)
    if id == 2 then left = tonumber(args[1]) - left end
    sent = 0
end

-- wrk calls it before each request: milliseconds to wait.
function delay()
    if left == 0 then return 1000000 end
    left = left - 1
    return 0
end

function request()
    sent = sent + 1
    return wrk.format("GET", "/wrk/" .. id .. "/" .. sent)
end
