#!/usr/bin/env bash
# Firewall rules of the test host: hands the application's answers to intercept. Only --nflog needs another file.
set -euo pipefail

PROGRAM="${0##*/}"

help() {
    cat <<HELP
Usage: $PROGRAM {add|remove|status} --port N [options]

Run it on the test host, the one that runs intercept. It hands every packet that the application on port N sends
to intercept, which drops it, so that no client ever sees an answer of the test host.

  add      put the rules in place; with other options than before, replaces the rules of this port
  remove   remove the rules that add made for this port (IPv4 and IPv6), and nothing else
  status   show each rule, its packet counter, and who is bound to the queue; exit code 0 if all are there, 1 if not

  --port N          port of the application under test
  --queue N[:M]     queue of intercept, default 0; N:M spreads the connections over the queues N to M
  --bypass          let packets pass when no program is bound to the queue, see below
  --udp             UDP as well as TCP
  --ipv6            IPv6 as well as IPv4
  --nflog           no queue: copy headers to the log for intercept --source nflog, and swallow the answers
  --nflog-group N   group of the log, default 0
  --pass LIST       with --nflog: addresses and networks of clients, with commas between them, whose answers go out
  --tunnel-port N   port on which intercept listens for tcpcopy, default 36524
  -h, --help        this text

The rules, each marked with the comment "tcpcopy:<port>", are put first in their chain:
  OUTPUT -p tcp --sport <port>  -j NFQUEUE     the application's answers go to intercept
  INPUT  -p tcp --dport <port>  -j ACCEPT      the replayed packets may come in
  INPUT  -p tcp --dport <tunnel port> -j ACCEPT   tcpcopy may connect to intercept
With --udp the first two are there for UDP too, and this host tells no client that nobody listens on the port:
  OUTPUT -p icmp --icmp-type port-unreachable -m u32 --u32 <for this port> -j DROP

What --bypass trades. Without it, the kernel drops every answer of this port while intercept does not run: the port is
dead for everyone, also for your own checks, and safe for the clients. With it, the port works while intercept does
not run, and its answers go to the addresses of the real clients: your users could see packets of the test host.

Good to know:
  The rule takes the answers to your own checks too, also on loopback. Give intercept those addresses with -x.
  Before remove, stop tcpcopy, then the application: answers of connections that are still open go out afterwards.
  IPTABLES names the program to use, for instance IPTABLES=iptables-legacy; ip6tables follows it. Default: iptables.
  The rules do not outlive a reboot.

Exit codes: 0 done (status: all rules are there), 1 failed (status: a rule is missing), 2 wrong usage.
HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: warning: %s\n' "$PROGRAM" "$*" >&2; }
die() {
    printf '%s: %s\n' "$PROGRAM" "$*" >&2
    exit 1
}
usage_error() {
    printf '%s: %s (see %s --help)\n' "$PROGRAM" "$*" "$PROGRAM" >&2
    exit 2
}

# --- arguments ---

action='' port='' queue=0 bypass=no udp=no ipv6=no tunnel_port=36524 queue_given=no tunnel_given=no

# number ARGUMENT TEXT MIN MAX: prints the number, without leading zeros.
number() {
    if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        usage_error "$1: '$2' is not a number from $3 to $4"
    fi
    printf '%d' "$((10#$2))"
}

parse_queue() {
    local first last
    first="$(number --queue "${1%%:*}" 0 65535)"
    last="$(number --queue "${1#*:}" 0 65535)"
    ((first <= last)) || usage_error "--queue: '$1' ends before it begins"
    queue="$first"
    [ "$first" = "$last" ] || queue="$first:$last"
}

parse_arguments() {
    local name value
    while [ $# -gt 0 ]; do
        name=$1
        shift
        case $name in
            -h | --help) help && exit 0 ;;
            --port | --queue | --tunnel-port | --nflog-group | --pass)
                [ $# -gt 0 ] || usage_error "$name needs a value"
                value=$1
                shift
                ;;
            --port=* | --queue=* | --tunnel-port=* | --nflog-group=* | --pass=*)
                value="${name#*=}"
                name="${name%%=*}"
                ;;
        esac
        case $name in
            --port) port="$(number --port "$value" 1 65535)" ;;
            --queue)
                parse_queue "$value"
                queue_given=yes
                ;;
            --tunnel-port)
                tunnel_port="$(number --tunnel-port "$value" 1 65535)"
                tunnel_given=yes
                ;;
            --bypass) bypass=yes ;;
            --udp) udp=yes ;;
            --ipv6) ipv6=yes ;;
            --nflog) nflog=yes ;;
            --nflog-group) nflog_group="$(number --nflog-group "$value" 0 65535)" ;;
            --pass) pass=$value ;;
            add | remove | status)
                [ -z "$action" ] || usage_error "'$name' after '$action': give one of add, remove, status"
                action=$name
                ;;
            *) usage_error "unknown argument '$name'" ;;
        esac
    done
    [ -n "$action" ] || usage_error "say what to do: add, remove or status"
    [ -n "$port" ] || usage_error "--port is missing: the port of the application under test"
    nflog_check
    [ "$port" != "$tunnel_port" ] ||
        usage_error "--port $port is the tunnel port of intercept: the rule would cut the tunnel (--tunnel-port moves it)"
}

# --- the firewall ---

ip4="${IPTABLES:-iptables}"
ip6="${ip4%iptables*}ip6tables${ip4##*iptables}"

# The counterpart in the other back end, nothing if it is not installed or unused.
other_back_end() {
    local tool=$1 plain other names=/proc/net/ip_tables_names
    plain="${tool##*/}"
    plain="${plain%-nft}"
    plain="${plain%-legacy}"
    case "$("$tool" --version 2>/dev/null)" in
        *nf_tables*)
            other="$plain-legacy"
            [ "$plain" = iptables ] || names=/proc/net/ip6_tables_names
            grep -qsx filter "$names" || return 0 # looking would load the kernel's legacy tables
            ;;
        *) other="$plain-nft" ;;
    esac
    if command -v "$other" >/dev/null; then printf '%s' "$other"; fi
}

# fw TOOL ARGUMENTS: -w waits for another program that changes the rules, 20 s at most.
fw() {
    local tool=$1
    shift
    "$tool" -w 20 "$@"
}

# icmp_rule TOOL: what keeps the kernel's answer to a datagram that nobody takes from the clients. The port is the one
# in the datagram that the message quotes.
icmp_rule() {
    case $1 in
        *ip6tables*) printf '%s' "-p icmpv6 --icmpv6-type port-unreachable -m u32 --u32 88&0xffff=$port" ;;
        *) printf '%s' "-p icmp --icmp-type port-unreachable -m u32 --u32 0>>22&0x3c@8>>22&0x3c@8&0xffff=$port" ;;
    esac
}

# What the application speaks.
transports() {
    printf 'tcp\n'
    [ "$udp" = no ] || printf 'udp\n'
}

# wanted_rules TOOL: one a line, as arguments for -C and -I.
wanted_rules() {
    local mark="-m comment --comment tcpcopy:$port" target="--queue-num $queue" transport
    [[ $queue != *:* ]] || target="--queue-balance $queue"
    [ "$bypass" = no ] || target+=" --queue-bypass"
    say "INPUT -p tcp --dport $tunnel_port $mark -j ACCEPT"
    [ "$udp" = no ] || say "OUTPUT $(icmp_rule "$1") $mark -j DROP"
    for transport in $(transports); do
        [ "$nflog" = yes ] || say "OUTPUT -p $transport --sport $port $mark -j NFQUEUE $target"
        say "INPUT -p $transport --dport $port $mark -j ACCEPT"
    done
}

# own_rules TOOL [-v]: our rules in the kernel, one a line, as -S prints them: our mark, and the shape that add gives.
own_rules() {
    local tool=$1 chain rules
    local transport='-p (tcp|6|udp|17)( -m (tcp|udp))?' mark="-m comment --comment (\"tcpcopy:$port\"|tcpcopy:$port)( -c [0-9]+ [0-9]+)?"
    local icmp="-A OUTPUT -p (icmp|ipv6-icmp|1|58) .*-m u32 --u32 [^ ]+ $mark -j DROP"
    local input="-A INPUT $transport --dport [0-9]+ $mark -j ACCEPT"
    local output="-A OUTPUT $transport --sport $port $mark -j NFQUEUE --queue-(num|balance) [0-9:]+( --queue-bypass)?"
    shift
    for chain in INPUT OUTPUT; do
        rules="$(fw "$tool" -S "$chain" "$@" 2>/dev/null)" || return 1
        grep -Ex -- "$input|$output|$icmp" <<<"$rules" || true
    done
}

# same_rules TOOL: are our rules exactly the ones wanted?
same_rules() {
    local rule rules words
    rules="$(own_rules "$1")" || return 1
    [ "$(grep -c . <<<"$rules")" -eq "$(wanted_rules "$1" | grep -c .)" ] || return 1
    while read -r rule; do
        read -ra words <<<"$rule"
        fw "$1" -C "${words[@]}" 2>/dev/null || return 1
    done < <(wanted_rules "$1")
}

# delete_rules TOOL, rules in the form of -S on standard input.
delete_rules() {
    local tool=$1 rule words
    while read -r rule; do
        [ -n "$rule" ] || continue
        read -ra words <<<"${rule//\"/}"
        fw "$tool" -D "${words[@]:1}" || return 1
    done
}

# What this run has put in; taken back when it does not come to its end.
undo=()
undo_all() {
    local i words
    for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
        read -ra words <<<"${undo[i]}"
        fw "${words[0]}" -D "${words[@]:1}" 2>/dev/null || true
    done
    undo=()
}

# The NFQUEUE rules go in before packets may come in: at no moment can a replayed packet be answered past the queue.
insert_rules() {
    local tool=$1 rule words answer
    while read -r rule; do
        read -ra words <<<"$rule"
        if ! answer="$(fw "$tool" -I "${words[@]}" 2>&1)"; then
            if [[ $rule == *u32* ]]; then
                warn "$tool has no match u32: if nobody listens on UDP port $port, clients get 'port unreachable' from this host"
                continue
            fi
            answer="$(tr '\n' ' ' <<<"$answer")"
            die "$tool -I $rule failed: ${answer% }"
        fi
        undo+=("$tool $rule")
    done < <(wanted_rules "$tool")
}

tools=()
choose_tools() {
    command -v "$ip4" >/dev/null || die "$ip4 is not installed: apt-get install iptables"
    fw "$ip4" -S OUTPUT >/dev/null 2>&1 ||
        die "'$ip4 -S OUTPUT' fails: $(fw "$ip4" -S OUTPUT 2>&1 >/dev/null | head -n 1); try IPTABLES=iptables-legacy or IPTABLES=iptables-nft"
    tools=("$ip4")
    if fw "$ip6" -S OUTPUT >/dev/null 2>&1; then
        tools+=("$ip6")
    elif [ "$ipv6" = yes ]; then
        die "--ipv6: '$ip6 -S OUTPUT' fails: install $ip6, or leave --ipv6 out"
    fi
}

# Rules in both back ends are all applied by the kernel, one back end after the other.
warn_of_other_back_end() {
    local tool other
    for tool in "${tools[@]}"; do
        other="$(other_back_end "$tool")"
        [ -n "$other" ] || continue
        if [ -n "$(own_rules "$other")" ]; then
            warn "$other also has rules of ours for port $port, from an earlier run: remove them by 'IPTABLES=${other/ip6/ip} $PROGRAM remove --port $port'"
        elif fw "$other" -S 2>/dev/null | grep -q '^-A'; then
            warn "$other has rules too, and the kernel applies both sets: see '$other -S', one of them may drop these packets first"
        fi
    done
}

# --- actions ---

add() {
    local tool old=() i
    trap undo_all EXIT
    for tool in "${tools[@]}"; do
        if [ "$tool" = "$ip6" ] && [ "$ipv6" = no ]; then
            old+=("$(own_rules "$tool")")
            [ -z "${old[-1]}" ] || say "$tool: rules of port $port removed (no --ipv6 this time)"
        elif same_rules "$tool"; then
            old+=('')
            say "$tool: the rules of port $port are already there"
        else
            old+=("$(own_rules "$tool")")
            insert_rules "$tool"
            say "$tool: answers of port $port go to queue $queue; ports $port and $tunnel_port are open"
        fi
    done
    undo=()
    for ((i = 0; i < ${#tools[@]}; i++)); do
        delete_rules "${tools[i]}" <<<"${old[i]}" || die "${tools[i]} could not remove the former rules of port $port"
    done
    nflog_remove
    if [ "$bypass" = yes ]; then
        say "--bypass: while intercept does not run, port $port works, and its answers go to the addresses of the real clients:"
        say "          your users could see packets of this host. Without --bypass the kernel drops these answers instead."
    else
        say "While intercept does not run, the kernel drops every answer of port $port: dead for everyone, safe for the clients."
    fi
}

remove() {
    local tool rules found=no
    for tool in "${tools[@]}"; do
        rules="$(own_rules "$tool")"
        [ -n "$rules" ] || continue
        found=yes
        # INPUT comes first: the answers stay in the queue until nothing comes in any more.
        delete_rules "$tool" <<<"$rules" || die "$tool could not remove the rules of port $port: see '$tool -S'"
        say "$tool: $(grep -c . <<<"$rules") rules of port $port removed"
    done
    nflog_remove
    [ "$found" = yes ] || [ "$removed" -gt 0 ] || say "No rule of ours for port $port: nothing to remove"
}

# show_rule TOOL TEXT RULE: RULE is what -S -v prints, nothing if it is missing.
show_rule() {
    local packets=''
    if [ -z "$3" ]; then
        say "$1: MISSING  $2"
        return 1
    fi
    if [[ $3 =~ \ -c\ ([0-9]+)\  ]]; then packets="${BASH_REMATCH[1]} packets"; fi
    say "$1: present  $2  $packets"
}

queues_seen=() # of the rules that are there: "FIRST:LAST", with " bypass" behind it

# rules_status TOOL: an option that is not given matches any rule of ours.
rules_status() {
    local tool=$1 rule rules result=0 tunnel_rule='' shown_tunnel=$tunnel_port
    rules="$(own_rules "$tool" -v)"
    while read -r rule; do
        if [[ $rule =~ \ --dport\ ([0-9]+)\  ]] && [ "${BASH_REMATCH[1]}" != "$port" ]; then
            if [ "$tunnel_given" = yes ] && [ "${BASH_REMATCH[1]}" != "$tunnel_port" ]; then continue; fi
            tunnel_rule=$rule
            shown_tunnel=${BASH_REMATCH[1]}
        fi
    done <<<"$rules"
    transport_status "$tool" tcp "$rules" || result=1
    if [ "$udp" = yes ] || grep -Eq -- '-p (udp|17) ' <<<"$rules"; then
        transport_status "$tool" udp "$rules" || result=1
        # Not every kernel can have it.
        show_rule "$tool" "OUTPUT icmp port unreachable for UDP port $port" "$(grep -e '--u32' <<<"$rules" || true)" || true
    fi
    show_rule "$tool" "INPUT tcp to port $shown_tunnel" "$tunnel_rule" || result=1
    return "$result"
}

# transport_status TOOL tcp|udp RULES
transport_status() {
    local tool=$1 transport=$2 rule result=0 port_rule='' queue_rule='' number=6
    local shown_queue=$queue shown_bypass=''
    [ "$transport" = tcp ] || number=17
    [ "$bypass" = no ] || shown_bypass=' --bypass'
    while read -r rule; do
        [[ $rule =~ \ -p\ ($transport|$number)\  ]] || continue
        if [[ $rule =~ \ --queue-(num|balance)\ ([0-9:]+) ]]; then
            if [ "$queue_given" = yes ] && [ "${BASH_REMATCH[2]}" != "$queue" ]; then continue; fi
            if [ "$bypass" = yes ] && [[ $rule != *--queue-bypass* ]]; then continue; fi
            queue_rule=$rule
            shown_queue=${BASH_REMATCH[2]}
            if [[ $rule == *--queue-bypass* ]]; then shown_bypass=' --bypass'; fi
            queues_seen+=("$shown_queue${shown_bypass:+ bypass}")
        elif [[ $rule == *" --dport $port "* ]]; then
            port_rule=$rule
        fi
    done <<<"$3"
    show_rule "$tool" "OUTPUT $transport from port $port to queue $shown_queue$shown_bypass" "$queue_rule" || result=1
    show_rule "$tool" "INPUT $transport to port $port" "$port_rule" || result=1
    [ -z "$queue_rule" ] || warn_of_earlier_rules "$tool"
    return "$result"
}

# A rule that somebody put before ours may let an answer out.
warn_of_earlier_rules() {
    local before
    before="$(fw "$1" -S OUTPUT 2>/dev/null | grep '^-A' | sed '/--comment "\{0,1\}tcpcopy:/,$d' | grep -c . || true)"
    [ "$before" -eq 0 ] ||
        warn "$before rules stand before ours in OUTPUT of $1 and may let answers out: 'remove', then 'add', puts ours first"
}

# The program behind a netlink port id: by the socket, since the port id is a process id only by habit.
program_of_port_id() {
    local inode pid=''
    inode="$(awk -v id="$1" '$2 == 12 && $3 == id { print $10 }' /proc/net/netlink | head -n 1)"
    if [ -n "$inode" ]; then
        pid="$({ find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\[$inode\]" 2>/dev/null || true; } | head -n 1 | cut -d/ -f3)"
    fi
    if [ -n "$pid" ]; then
        printf '%s (process %s)' "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid"
    else
        printf 'port id %s' "$1"
    fi
}

# queues_status RANGE: who is bound to the queues of a rule.
queues_status() {
    local number port_id waiting dropped user_dropped bound=0 range=${1%% *} first last count
    first=${range%%:*} last=${range#*:}
    count=$((last - first + 1))
    while read -r number port_id waiting _ _ dropped user_dropped _; do
        if [ -z "$number" ] || ((number < first || number > last)); then continue; fi
        bound=$((bound + 1))
        say "queue $number: bound by $(program_of_port_id "$port_id"); $waiting packets waiting, $((dropped + user_dropped)) lost"
    done < <(cat /proc/net/netfilter/nfnetlink_queue 2>/dev/null || true)
    [ "$bound" -lt "$count" ] || return 0
    say "queue $range: $((count - bound)) of $count without a program"
    if [[ $1 == *bypass ]]; then
        warn "the answers of these connections go to the addresses of the real clients until intercept runs"
    else
        warn "the kernel drops the answers of these connections until intercept runs"
    fi
}

status() {
    local result=0 range
    rules_status "$ip4" || result=1
    if [ "$ipv6" = yes ] || { [ "${#tools[@]}" -gt 1 ] && [ -n "$(own_rules "$ip6")" ]; }; then
        rules_status "$ip6" || result=1
    fi
    while read -r range; do
        [ -z "$range" ] || queues_status "$range"
    done < <(printf '%s\n' "${queues_seen[@]}" | sort -u)
    return "$result"
}

nflog=no pass='' removed=0 nflog_file="$(dirname "${BASH_SOURCE[0]}")/iptables-nflog.sh"
nflog_check() { [ "$nflog" = no ] || die "--nflog needs $nflog_file"; }
nflog_rules() { :; }; nflog_remove() { :; }
# shellcheck source=scripts/iptables-nflog.sh
[ ! -r "$nflog_file" ] || source "$nflog_file"
parse_arguments "$@"
[ "$(id -u)" -eq 0 ] || die "needs root to see and change the firewall: run it with sudo"
choose_tools
warn_of_other_back_end
if [ "$action" = status ] && [ -n "$(nflog_rules "$ip4")" ]; then nflog=yes; fi
if [ "$nflog" = yes ] && [ "$action" != remove ]; then action="nflog_$action"; fi
"$action"
