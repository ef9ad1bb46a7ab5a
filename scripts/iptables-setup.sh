#!/usr/bin/env bash
# Firewall rules of the test host: hands the application's answers to intercept. Needs no other file.
set -euo pipefail

PROGRAM="${0##*/}"

help() {
    cat <<HELP
Usage: $PROGRAM {add|remove|status} --port N [options]

Run it on the test host, the one that runs intercept. It hands every packet that the application on TCP port N sends
to intercept, which drops it, so that no client ever sees an answer of the test host.

  add      put the rules in place; with other options than before, replaces the rules of this port
  remove   remove the rules that add made for this port (IPv4 and IPv6), and nothing else
  status   show each rule, its packet counter, and who is bound to the queue; exit code 0 if all are there, 1 if not

  --port N          port of the application under test
  --queue N[:M]     queue of intercept, default 0; N:M spreads the connections over the queues N to M
  --bypass          let packets pass when no program is bound to the queue, see below
  --ipv6            IPv6 as well as IPv4
  --tunnel-port N   port on which intercept listens for tcpcopy, default 36524
  -h, --help        this text

The rules, each marked with the comment "tcpcopy:<port>", are put first in their chain:
  OUTPUT -p tcp --sport <port>  -j NFQUEUE     the application's answers go to intercept
  INPUT  -p tcp --dport <port>  -j ACCEPT      the replayed packets may come in
  INPUT  -p tcp --dport <tunnel port> -j ACCEPT   tcpcopy may connect to intercept

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

action='' port='' queue=0 bypass=no ipv6=no tunnel_port=36524
queue_given=no tunnel_given=no

# number ARGUMENT TEXT MIN MAX: prints the number, without leading zeros.
number() {
    if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        usage_error "$1: '$2' is not a number from $3 to $4"
    fi
    printf '%d' "$((10#$2))"
}

parse_queue() {
    local first last
    case $1 in
        *:*)
            first="$(number --queue "${1%%:*}" 0 65535)"
            last="$(number --queue "${1#*:}" 0 65535)"
            ((first <= last)) || usage_error "--queue: '$1' ends before it begins"
            queue="$first"
            [ "$first" = "$last" ] || queue="$first:$last"
            ;;
        *) queue="$(number --queue "$1" 0 65535)" ;;
    esac
}

parse_arguments() {
    local name value
    while [ $# -gt 0 ]; do
        name=$1
        shift
        case $name in
            -h | --help)
                help
                exit 0
                ;;
            --port | --queue | --tunnel-port)
                [ $# -gt 0 ] || usage_error "$name needs a value"
                value=$1
                shift
                ;;
            --port=* | --queue=* | --tunnel-port=*)
                value="${name#*=}"
                name="${name%%=*}"
                ;;
        esac
        case $name in
            --port) port="$(number --port "$value" 1 65535)" ;;
            --queue) parse_queue "$value" && queue_given=yes ;;
            --tunnel-port) tunnel_port="$(number --tunnel-port "$value" 1 65535)" && tunnel_given=yes ;;
            --bypass) bypass=yes ;;
            --ipv6) ipv6=yes ;;
            add | remove | status)
                [ -z "$action" ] || usage_error "'$name' after '$action': give one of add, remove, status"
                action=$name
                ;;
            *) usage_error "unknown argument '$name'" ;;
        esac
    done
    [ -n "$action" ] || usage_error "say what to do: add, remove or status"
    [ -n "$port" ] || usage_error "--port is missing: the port of the application under test"
    [ "$port" != "$tunnel_port" ] ||
        usage_error "--port $port is the tunnel port of intercept: the rule would cut the tunnel (--tunnel-port moves it)"
}

# --- the firewall ---

ip4="${IPTABLES:-iptables}"
ip6="${ip4%"${ip4##*/}"}${ip4##*/}"
ip6="${ip6%iptables*}ip6tables${ip6##*iptables}"

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

# The rules wanted, one a line, as arguments for -C and -I.
wanted_rules() {
    local mark="-m comment --comment tcpcopy:$port" target="--queue-num $queue"
    [[ $queue != *:* ]] || target="--queue-balance $queue"
    [ "$bypass" = no ] || target+=" --queue-bypass"
    printf '%s\n' "OUTPUT -p tcp --sport $port $mark -j NFQUEUE $target" \
        "INPUT -p tcp --dport $tunnel_port $mark -j ACCEPT" \
        "INPUT -p tcp --dport $port $mark -j ACCEPT"
}

# own_rules TOOL [-v]: the rules in the kernel that carry our mark, one a line, as -S prints them.
own_rules() {
    local tool=$1 chain rules
    shift
    for chain in INPUT OUTPUT; do
        rules="$(fw "$tool" -S "$chain" "$@" 2>/dev/null)" || return 1
        grep -E -- "--comment \"?tcpcopy:$port\"?( |\$)" <<<"$rules" || true
    done
}

# same_rules TOOL: are our rules exactly the ones wanted?
same_rules() {
    local rule rules words
    rules="$(own_rules "$1")" || return 1
    [ "$(grep -c . <<<"$rules")" -eq 3 ] || return 1
    while read -r rule; do
        read -ra words <<<"$rule"
        fw "$1" -C "${words[@]}" 2>/dev/null || return 1
    done < <(wanted_rules)
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

# The NFQUEUE rule goes in first: at no moment can a replayed packet be answered past the queue.
insert_rules() {
    local tool=$1 rule words answer
    while read -r rule; do
        read -ra words <<<"$rule"
        if ! answer="$(fw "$tool" -I "${words[@]}" 2>&1)"; then
            answer="$(tr '\n' ' ' <<<"$answer")"
            die "$tool -I $rule failed: ${answer% }"
        fi
        undo+=("$tool $rule")
    done < <(wanted_rules)
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
    [ "$found" = yes ] || say "No rule of ours for port $port: nothing to remove"
}

# queue_reader QUEUE: who is bound to it, and its counters.
queue_reader() {
    local line portid dropped user_dropped waiting inode pid=''
    line="$(awk -v q="$1" '$1 == q' /proc/net/netfilter/nfnetlink_queue 2>/dev/null || true)"
    if [ -z "$line" ]; then
        say "queue $1: no program is bound to it"
        return 1
    fi
    read -r _ portid waiting _ _ dropped user_dropped _ <<<"$line"
    # The port id is a process id only by habit; the socket's inode is certain.
    inode="$(awk -v id="$portid" '$2 == 12 && $3 == id { print $10 }' /proc/net/netlink | head -n 1)"
    if [ -n "$inode" ]; then
        pid="$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\[$inode\]" 2>/dev/null | head -n 1 | cut -d/ -f3 || true)"
    fi
    say "queue $1: bound by ${pid:+$(cat "/proc/$pid/comm" 2>/dev/null || true), process }${pid:-port id $portid}; $waiting waiting, $((dropped + user_dropped)) lost"
}

# show_rule TOOL NAME RULE: RULE as -S -v prints it, nothing if it is missing.
show_rule() {
    local packets=''
    if [ -z "$3" ]; then
        say "$1: MISSING  $2"
        return 1
    fi
    [[ $3 =~ \ -c\ ([0-9]+)\ ([0-9]+) ]] && packets="${BASH_REMATCH[1]} packets"
    say "$1: present  $2  $packets"
}

status_of() {
    local tool=$1 rules rule queue_rule='' port_rule='' tunnel_rule='' shown result=0 last q
    rules="$(own_rules "$tool" -v)"
    while read -r rule; do
        case $rule in
            *' -j NFQUEUE '*) queue_rule=$rule ;;
            *" --dport $port "*) port_rule=$rule ;;
            *' --dport '*)
                if [ "$tunnel_given" = no ] || [[ $rule == *" --dport $tunnel_port "* ]]; then tunnel_rule=$rule; fi
                ;;
        esac
    done <<<"$rules"
    if [[ $queue_rule =~ --queue-(num|balance)\ ([0-9:]+) ]]; then
        shown="${BASH_REMATCH[2]}"
        if [ "$queue_given" = yes ] && [ "$shown" != "$queue" ]; then queue_rule=''; else queue=$shown; fi
    fi
    if [ "$bypass" = yes ] && [[ $queue_rule != *--queue-bypass* ]]; then queue_rule=''; fi
    shown="$queue"
    [[ "$bypass $queue_rule" != *[s-]bypass* && $bypass = no ]] || shown+=" --bypass"
    [[ $tunnel_rule =~ --dport\ ([0-9]+) ]] && tunnel_port="${BASH_REMATCH[1]}"
    show_rule "$tool" "OUTPUT tcp from port $port to queue $shown" "$queue_rule" || result=1
    show_rule "$tool" "INPUT tcp to port $port" "$port_rule" || result=1
    show_rule "$tool" "INPUT tcp to port $tunnel_port" "$tunnel_rule" || result=1
    warn_of_earlier_rules "$tool"
    last="${queue#*:}"
    for ((q = ${queue%%:*}; q <= last; q++)); do
        queue_reader "$q" && continue
        if [ -z "$queue_rule" ]; then continue; fi
        if [[ $queue_rule == *--queue-bypass* ]]; then
            warn "the answers of queue $q go out to the clients' addresses until intercept runs"
        else
            warn "the kernel drops the answers of queue $q until intercept runs"
        fi
    done
    return "$result"
}

# A rule that somebody put before ours may let an answer out.
warn_of_earlier_rules() {
    local before
    before="$(fw "$1" -S OUTPUT | grep '^-A' | sed '/--comment "\{0,1\}tcpcopy:/,$d' | grep -c . || true)"
    if [ "$before" -gt 0 ] && [ -n "$(own_rules "$1" | grep NFQUEUE)" ]; then
        warn "$before rules stand before ours in OUTPUT of $1 and may let answers out: 'remove', then 'add', puts ours first"
    fi
}

status() {
    local result=0
    status_of "$ip4" || result=1
    if [ "$ipv6" = yes ] || { [ "${#tools[@]}" -gt 1 ] && [ -n "$(own_rules "$ip6")" ]; }; then
        status_of "$ip6" || result=1
    fi
    return "$result"
}

say() { printf '%s\n' "$*"; }

parse_arguments "$@"
[ "$(id -u)" -eq 0 ] || die "needs root to see and change the firewall: run it with sudo"
choose_tools
warn_of_other_back_end
"$action"
