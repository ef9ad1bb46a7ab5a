#!/usr/bin/env bash
# The main job on one machine: three hosts as network namespaces, real traffic, both programs, and a count of requests.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

help() {
    cat <<HELP
Usage: $PROGRAM [--ipv6] [-h]

Shows tcpcopy and intercept at work on this one machine. Installs the Debian packages that are missing, builds both
programs, makes three hosts as network namespaces (client, online, target), runs nginx on online and target, copies the
traffic of curl and wrk to the target, compares what both have served, and removes everything it made, also after Ctrl-C.
Needs root for the namespaces (sudo is used when you are not root). The network of the machine is not touched.

  --ipv6             the same over IPv6

Environment:
  DEMO_REQUESTS      requests by wrk, default 20000
  DEMO_CONNECTIONS   keep-alive connections of wrk, default 100
  DEMO_CURLS         connections with one request each by curl, default 200
  TCPCOPY, INTERCEPT other programs than the ones built here
  DEMO_TCPCOPY_ARGS, DEMO_INTERCEPT_ARGS   more arguments for them

Exit codes: 0 every request reached the target exactly once, 1 not so or failed, 2 wrong usage.
HELP
}

positive() { # NAME VALUE MIN MAX
    if ! [[ $2 =~ ^[0-9]{1,7}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        usage_error "$1: '$2' is not a number from $3 to $4"
    fi
}

version=()
case ${1:-} in
    '') ;;
    --ipv6) version=(--ipv6) ;;
    -h | --help) help && exit 0 ;;
    *) usage_error "unknown argument '$1'" ;;
esac
requests=${DEMO_REQUESTS:-20000} connections=${DEMO_CONNECTIONS:-100} curls=${DEMO_CURLS:-200}
positive DEMO_REQUESTS "$requests" 1 1000000
positive DEMO_CONNECTIONS "$connections" 2 500
positive DEMO_CURLS "$curls" 0 100000
total=$((requests + curls))

if [ "${#version[@]}" -eq 0 ]; then
    client_ip=10.66.1.2 online_ip=10.66.1.1 online_inner=10.66.2.1 target_ip=10.66.2.2 replay_ip=10.66.2.50
    net=24 host=32 client_net=10.66.1.0/24 forwarding=ipv4/ip_forward
    online_url="$online_ip" target_url="$target_ip" listen_ipv6=''
else
    client_ip=fd66:1::2 online_ip=fd66:1::1 online_inner=fd66:2::1 target_ip=fd66:2::2 replay_ip=fd66:2::50
    net=64 host=128 client_net=fd66:1::/64 forwarding=ipv6/conf/all/forwarding
    online_url="[$online_ip]" target_url="[$target_ip]" listen_ipv6='listen [::]:80 ipv6only=on;'
fi
client="tcpcopy-$$-client" online="tcpcopy-$$-online" target="tcpcopy-$$-target"

# --- what people see ---

step_number=0 step=''
title() {
    step_number=$((step_number + 1))
    step=$*
    printf '\n== %d. %s\n' "$step_number" "$*"
}
shown() { printf '   %s %s\n' "$1" "$2"; }
line() { printf '   %-38s %12s %12s\n' "$@"; }

# --- clean-up: processes by id, then namespaces, then files ---

dir='' pids=() names=() verdict_given=no
start() { # NAME NAMESPACE COMMAND...: in the background, output to NAME.out; the process id is left in $started
    local name=$1 namespace=$2
    shift 2
    ip netns exec "$namespace" "$@" >"$dir/$name.out" 2>&1 </dev/null &
    started=$!
    pids+=("$started")
    names+=("$name")
}
stop() { # PID SIGNAL
    local i
    stop_process "$2" "$1"
    for i in "${!pids[@]}"; do
        [ "${pids[i]}" != "$1" ] || unset "pids[i]" "names[i]"
    done
}
clean_up() {
    local status=$? i namespace pid
    trap '' INT TERM HUP PIPE
    set +e
    [ "$status" -ne 141 ] || exec >/dev/null 2>&1 # nobody reads any more
    if [ "$verdict_given" = no ] && [ -n "$dir" ]; then
        if [ "$status" -gt 128 ]; then say "" "Interrupted."; else say "" "FAILED in step $step_number: $step"; fi
        for i in tcpcopy.log tcpcopy.out intercept.log intercept.out wrk.out; do
            if [ "$status" -lt 128 ] && [ -s "$dir/$i" ]; then
                say "--- the end of $i:"
                tail -n 5 "$dir/$i"
            fi
        done
    fi
    # The newest first; the firewall rule stays until its namespace goes, so that nothing escapes on the way.
    for ((i = ${#names[@]} + 20; i >= 0; i--)); do
        [ -z "${pids[i]:-}" ] || stop_process TERM "${pids[i]}"
    done
    for namespace in "$client" "$online" "$target"; do
        [ -e "/run/netns/$namespace" ] || continue
        for pid in $(ip netns pids "$namespace"); do kill -KILL "$pid" 2>/dev/null; done
        ip netns delete "$namespace"
    done
    [ -z "$dir" ] || rm -rf "$dir"
    [ -z "$dir" ] || say "" "Removed: the three namespaces, their programs and firewall rules, and the temporary files."
    # A failed command leaves its own code; 2 means wrong usage here.
    if [ "$status" -eq 0 ] || [ "$status" -gt 128 ]; then exit "$status"; else exit 1; fi
}

# --- the parts ---

prepare() {
    need_packages gcc libc6-dev libpcap-dev ip:iproute2 iptables nginx:nginx-light wrk curl tcpdump ps:procps ca-certificates
    if [ -z "${TCPCOPY:-}" ] || [ -z "${INTERCEPT:-}" ]; then
        need_cargo
        shown '$' 'cargo build --release --locked'
        (cd "$REPO_ROOT" && cargo build --release --locked) || die "the build failed: see the messages above"
    fi
    tcpcopy="${TCPCOPY:-$(target_dir)/release/tcpcopy}"
    intercept="${INTERCEPT:-$(target_dir)/release/intercept}"
    local binary
    for binary in "$tcpcopy" "$intercept"; do
        [ -x "$binary" ] || die "$binary is not there or cannot be run"
    done
}

make_hosts() {
    local namespace
    for namespace in "$client" "$online" "$target"; do
        ip netns add "$namespace"
        ip -n "$namespace" link set lo up
    done
    ip link add name eth0 netns "$client" type veth peer name eth0 netns "$online"
    ip link add name eth1 netns "$online" type veth peer name eth0 netns "$target"
    ip -n "$client" addr add "$client_ip/$net" dev eth0 nodad
    ip -n "$online" addr add "$online_ip/$net" dev eth0 nodad
    ip -n "$online" addr add "$online_inner/$net" dev eth1 nodad
    ip -n "$target" addr add "$target_ip/$net" dev eth0 nodad
    for namespace in "$client" "$online" "$target"; do
        ip -n "$namespace" link set eth0 up
    done
    ip -n "$online" link set eth1 up
    # An answer of the target that escapes shall be seen: the way back to the client, and the way of the address which
    # replayed packets carry, lead to the client.
    ip netns exec "$online" sh -c "echo 1 >/proc/sys/net/$forwarding" 2>/dev/null ||
        die "cannot switch on forwarding in a namespace: /proc/sys is read-only here; run this outside of the container"
    ip -n "$client" route add default via "$online_ip"
    ip -n "$target" route add "$client_net" via "$online_inner"
    ip -n "$target" route add "$replay_ip/$host" via "$online_inner"
    ip -n "$online" route add "$replay_ip/$host" via "$client_ip"
    ip -n "$client" addr add "$replay_ip/$host" dev lo
}

start_nginx() { # NAME NAMESPACE
    local prefix="$dir/$1-nginx"
    mkdir -p "$prefix"
    cat >"$prefix/nginx.conf" <<NGINX
daemon off;
worker_processes 1;
pid $prefix/nginx.pid;
error_log $prefix/error.log;
events { worker_connections 4096; }
http {
    log_format demo '\$status \$request_uri';
    access_log $prefix/access.log demo;
    keepalive_requests 1000000;
    keepalive_timeout 120s;
    client_body_temp_path $prefix/body;
    proxy_temp_path $prefix/proxy;
    fastcgi_temp_path $prefix/fastcgi;
    uwsgi_temp_path $prefix/uwsgi;
    scgi_temp_path $prefix/scgi;
    server {
        listen 80;
        $listen_ipv6
        location / {
            default_type text/plain;
            return 200 "$1\n";
        }
    }
}
NGINX
    start "$1-nginx" "$2" nginx -p "$prefix" -e "$prefix/error.log" -c "$prefix/nginx.conf"
    wait_until 10 ip netns exec "$2" curl -s -o "$dir/curl.out" --max-time 2 http://127.0.0.1/ready ||
        die "nginx on the $1 host does not answer"
}

served() { # NAME: the requests of the clients which this host has answered with 200
    sed -En 's#^200 (/(wrk|curl)/.*)$#\1#p' "$dir/$1-nginx/access.log"
}
served_count() { served "$1" | wc -l; }
online_is_complete() { [ "$(served_count online)" -ge "$total" ]; }

# tcpdump writes what comes from the target host, and how much it lost.
start_capture() { # FILE
    start capture "$client" tcpdump -Z root -n -U --immediate-mode -i any -w "$1" src host "$target_ip"
    capture=$started
    wait_until 10 grep -q 'listening on' "$dir/capture.out" || die "tcpdump does not start: $(cat "$dir/capture.out")"
}
captured() { tcpdump -n -r "$1" 2>/dev/null | wc -l; }
control_is_seen() { [ "$(captured "$dir/control.pcap")" -gt 0 ]; }

# Both as root of the namespace; /proc/net is that of the namespace.
tunnel_listens() { ip netns exec "$target" ss -Hltn 'sport = :36524' | grep -q . && queue_is_bound; }
queue_is_bound() { ip netns exec "$target" grep -q . /proc/net/netfilter/nfnetlink_queue; }
tunnel_is_up() { ip netns exec "$target" ss -Htn state established 'sport = :36524' | grep -q .; }

must_live() { # NAME PID
    local code=0
    kill -0 "$2" 2>/dev/null && return
    wait "$2" || code=$?
    die "$1 has ended by itself, exit code $code"
}

# wait_ready SECONDS NAME PID WHAT COMMAND...: until the command succeeds; fails at once when the program ends.
wait_ready() {
    local end=$((SECONDS + $1)) name=$2 pid=$3 what=$4
    shift 4
    until "$@"; do
        must_live "$name" "$pid"
        [ "$SECONDS" -lt "$end" ] || die "$what"
        sleep 0.1
    done
}

cpu_seconds() { # PID: user and system time of all its threads
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"
}

traffic() {
    shown 'client$' "curl -H 'Connection: close' http://$online_url/curl/[1-$curls]"
    if [ "$curls" -gt 0 ]; then
        ip netns exec "$client" curl -s --max-time 120 -H 'Connection: close' "http://$online_url/curl/[1-$curls]" \
            >"$dir/answers" || die "curl failed on the client"
    fi
    shown 'client$' "wrk -t2 -c$connections -s scripts/demo/requests.lua http://$online_url/ -- $requests"
    start wrk "$client" wrk -t2 -c"$connections" -d120s --timeout 60s -s "$REPO_ROOT/scripts/demo/requests.lua" "http://$online_url/" -- "$requests"
    wait_until 110 online_is_complete || say "   the online host has served only $(served_count online) of $total requests"
    wrk_pid=$started
    sleep 0.5 # the last answers reach wrk
    stop "$wrk_pid" INT
    grep -E 'Socket errors|Non-2xx|requests in' "$dir/wrk.out" | sed 's/^ */   wrk: /' || true
    answers_of_online="$(grep -c '^online$' "$dir/answers" || true)"
    answers_of_target="$(grep -c '^target$' "$dir/answers" || true)"
}

# Until the target has served everything, or nothing more has come for 10 s; then 1 s more, for what comes twice.
wait_for_replay() {
    local wanted now before=-1 quiet=$SECONDS
    wanted="$(served_count online)"
    while now="$(served_count target)" && [ "$now" -lt "$wanted" ]; do
        [ "$now" -eq "$before" ] || quiet=$SECONDS
        before=$now
        [ $((SECONDS - quiet)) -lt 10 ] || break
        sleep 0.2
    done
    sleep 1
}

# Stops a program and shows what it wrote since.
stop_and_show() { # NAME PID
    local before=0 log="$dir/$1.log"
    must_live "$1" "$2"
    [ ! -f "$log" ] || before="$(wc -l <"$log")"
    stop "$2" TERM
    say "   $1 at its end:"
    tail -n "+$((before + 1))" "$log" 2>/dev/null | tail -n 12 | sed 's/^/     /'
}

compare() {
    local name
    for name in online target; do
        served "$name" | LC_ALL=C sort >"$dir/$name.all"
        uniq "$dir/$name.all" >"$dir/$name.once"
        uniq -d "$dir/$name.all" >"$dir/$name.twice"
    done
    missing="$(LC_ALL=C comm -23 "$dir/online.once" "$dir/target.once" | wc -l)"
    foreign="$(LC_ALL=C comm -13 "$dir/online.once" "$dir/target.once" | wc -l)"
    twice="$(wc -l <"$dir/target.twice")"
    not_served=$((total - $(wc -l <"$dir/online.once")))
    escaped="$(captured "$dir/client.pcap")"
    lost="$(sed -n 's/^\([0-9]*\) packets\{0,1\} dropped by kernel.*/\1/p' "$dir/capture.out")"
}

report() {
    line '' 'online host' 'target host'
    line 'requests by wrk' "$(grep -c '^/wrk/' "$dir/online.all" || true)" "$(grep -c '^/wrk/' "$dir/target.all" || true)"
    line 'requests by curl' "$(grep -c '^/curl/' "$dir/online.all" || true)" "$(grep -c '^/curl/' "$dir/target.all" || true)"
    line 'requests in all' "$(wc -l <"$dir/online.all")" "$(wc -l <"$dir/target.all")"
    line 'missing' "$not_served" "$missing"
    line 'more than once' "$(wc -l <"$dir/online.twice")" "$twice"
    line 'never served by the online host' '' "$foreign"
    line 'CPU seconds, tcpcopy / intercept' "$tcpcopy_cpu" "$intercept_cpu"
    line 'answers that curl got from' "$answers_of_online" "$answers_of_target"
    line 'packets that the client got from' '(not counted)' "$escaped"
    say ""
    say "   A request counts when nginx has logged it with status 200; each has a path of its own, and the lists of paths are"
    say "   compared one by one. 'missing' on the online host are requests that wrk or curl should have sent, but did not."
    say "   Packets from the target host are counted by tcpdump on the client; tcpdump lost ${lost:-an unknown number of} packets."
    say "   Before the firewall rule was there, the same tcpdump saw $control packets of one direct request to the target."
}

verdict() {
    local result=0 words=() joined
    [ "$not_served" -eq 0 ] || words+=("$not_served requests were not served by the online host")
    [ "$missing" -eq 0 ] || words+=("$missing requests are missing")
    [ "$twice" -eq 0 ] || words+=("$twice requests reached the test host more than once")
    [ "$foreign" -eq 0 ] || words+=("$foreign requests reached the test host only")
    [ "$escaped" -eq 0 ] || words+=("$escaped packets of the test host reached the client")
    [ "${lost:-1}" -eq 0 ] || words+=("the capture on the client is not complete")
    [ "$answers_of_online" -eq "$curls" ] || words+=("$((curls - answers_of_online)) answers to curl were not those of the online host")
    say ""
    if [ "${#words[@]}" -eq 0 ]; then
        say "VERDICT: every request reached the test host exactly once"
    else
        result=1
        printf -v joined '%s; ' "${words[@]}"
        say "VERDICT: ${joined%; }"
    fi
    verdict_given=yes
    return "$result"
}

# --- the demonstration ---

if [ -z "${DEMO_PREPARED:-}" ]; then
    say "tcpcopy on one machine: a client, an online host and a target (test) host."
    title "Install what is missing, and build"
    prepare
fi
if ! is_root; then
    command -v sudo >/dev/null || die "needs root for network namespaces: run it as root, or install sudo"
    say "   Network namespaces need root: the rest runs through sudo."
    exec sudo env PATH="$PATH" DEMO_PREPARED=yes TCPCOPY="$tcpcopy" INTERCEPT="$intercept" \
        DEMO_REQUESTS="$requests" DEMO_CONNECTIONS="$connections" DEMO_CURLS="$curls" \
        DEMO_TCPCOPY_ARGS="${DEMO_TCPCOPY_ARGS:-}" DEMO_INTERCEPT_ARGS="${DEMO_INTERCEPT_ARGS:-}" "$REPO_ROOT/scripts/demo.sh" "${version[@]}"
fi
if [ -n "${DEMO_PREPARED:-}" ]; then
    step_number=1
    tcpcopy=$TCPCOPY intercept=$INTERCEPT
fi

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE
dir="$(mktemp -d "${TMPDIR:-/tmp}/tcpcopy-demo-$$.XXXXXX")"
chmod 711 "$dir"

title "Three hosts: client $client_ip -- $online_ip online $online_inner -- $target_ip target"
make_hosts
start_nginx online "$online"
start_nginx target "$target"
say "   nginx runs on the online and on the target host. The target's way back to the client leads through the online host."
start_capture "$dir/control.pcap"
ip netns exec "$client" curl -s --max-time 5 -o "$dir/curl.out" "http://$target_url/control" ||
    die "the client does not reach the target host"
wait_until 5 control_is_seen || die "tcpdump does not see what the target sends to the client"
sleep 0.3
stop "$capture" INT
control="$(captured "$dir/control.pcap")"
say "   tcpdump on the client saw $control packets of a direct request to the target. From now on it must see none."

title "On the target host: hand the answers to intercept, and start it"
shown 'target#' "scripts/iptables-setup.sh add --port 80 ${version[*]}"
ip netns exec "$target" "$REPO_ROOT/scripts/iptables-setup.sh" add --port 80 "${version[@]}" | sed 's/^/     /'
shown 'target#' 'intercept -d -l /var/log/intercept.log        (here without -d)'
read -ra more <<<"${DEMO_INTERCEPT_ARGS:-}"
start intercept "$target" "$intercept" -l "$dir/intercept.log" "${more[@]}"
intercept_pid=$started
wait_ready 10 intercept "$intercept_pid" "intercept does not listen on port 36524, or has not bound its queue" tunnel_listens

title "On the online host: copy the traffic of port 80"
shown 'online#' "tcpcopy -d -x 80-$target_url:80 -c $replay_ip -l /var/log/tcpcopy.log        (here without -d)"
read -ra more <<<"${DEMO_TCPCOPY_ARGS:-}"
start tcpcopy "$online" "$tcpcopy" -x "80-$target_url:80" -c "$replay_ip" -l "$dir/tcpcopy.log" "${more[@]}"
tcpcopy_pid=$started
wait_ready 15 tcpcopy "$tcpcopy_pid" "tcpcopy has not connected to intercept" tunnel_is_up
sleep 0.5
must_live tcpcopy "$tcpcopy_pid"
start_capture "$dir/client.pcap"

title "The users: $curls connections of one request, then $requests requests over $connections connections"
traffic

title "Wait until the target host has served the copies"
wait_for_replay
tcpcopy_cpu="$(cpu_seconds "$tcpcopy_pid")" intercept_cpu="$(cpu_seconds "$intercept_pid")"
ip netns exec "$target" "$REPO_ROOT/scripts/iptables-setup.sh" status --port 80 "${version[@]}" | sed 's/^/     /'
stop_and_show tcpcopy "$tcpcopy_pid"
stop_and_show intercept "$intercept_pid"
sleep 0.5 # answers of connections that are still open would show now
stop "$capture" INT

title "Side by side"
compare
report
verdict
