# shellcheck shell=bash disable=SC2154 # the variables of iptables-setup.sh
# Sourced by iptables-setup.sh: rules that copy headers to the netfilter log and keep the answers by themselves.
#
# Answers are not dropped: TCP would learn that its packet was not sent, and take no acknowledgment of it. They are marked
# and routed to a device that swallows them; TCP has sent them then. A rule behind the routing drops what is marked and
# leaves by any other device.

nflog_group=0 nflog_mark=0x74630000/0xffff0000 nflog_table=7463 nflog_device=tcpcopy

# What no argument can tell alone.
nflog_check() {
    local entry
    if [ "$nflog" = no ]; then
        [ -z "$pass" ] || usage_error "--pass is for --nflog; with a queue, give the list to intercept -x"
        return 0
    fi
    [ "$queue_given$bypass" = nono ] || usage_error "--nflog has no queue: leave --queue and --bypass out"
    for entry in ${pass//,/ }; do
        [[ $entry =~ ^[0-9a-fA-F.:]+(/[0-9]{1,3})?$ ]] || usage_error "--pass: '$entry' is neither an address nor a network"
    done
}

# The networks of --pass that TOOL has to do with.
pass_of() {
    local entry
    for entry in ${pass//,/ }; do
        if [[ $entry == *:* ]]; then [ "$1" = "$ip4" ] || say "$entry"; else [ "$1" = "$ip6" ] || say "$entry"; fi
    done
}

# nflog_wanted TOOL: the rules of the table mangle, the last one first, so that each goes in before the ones behind it.
nflog_wanted() {
    local mark="-m comment --comment tcpcopy:$port" transport answers network networks
    networks="$(pass_of "$1")"
    for transport in $(transports); do
        answers="-p $transport --sport $port"
        say "POSTROUTING ! -o $nflog_device $answers -m mark --mark $nflog_mark $mark -j DROP"
        say "OUTPUT $answers $mark -j MARK --set-xmark $nflog_mark"
        say "OUTPUT $answers $mark -j NFLOG --nflog-group $nflog_group"
        for network in $networks; do say "OUTPUT -d $network $answers $mark -j ACCEPT"; done
    done
}

# nflog_rules TOOL [-v]: our rules of this port in the table mangle, as -S prints them; all ports' with nflog_any=.
nflog_rules() {
    local tool=$1
    shift
    fw "$tool" -t mangle -S "$@" 2>/dev/null | grep -E -- "^-A (OUTPUT|POSTROUTING) .*--comment \"?tcpcopy:${nflog_any-$port}\"?( |$)" || true
}

nflog_delete() { # TOOL, rules in the form of -S on standard input
    local rule words
    while read -r rule; do
        [ -n "$rule" ] || continue
        read -ra words <<<"${rule//\"/}"
        fw "$1" -t mangle -D "${words[@]:1}" || return 1
    done
}

# nflog_ip TOOL ARGUMENTS: ip for the family of the tool.
nflog_ip() {
    local family=-4
    [ "$1" = "$ip4" ] || family=-6
    shift
    ip "$family" "$@"
}

nflog_routes() { # TOOL: the device, and the way to it for what is marked
    local kind
    command -v ip >/dev/null || die "--nflog: ip is not installed: apt-get install iproute2"
    if ! ip link show "$nflog_device" >/dev/null 2>&1; then
        for kind in dummy ifb; do
            ! ip link add "$nflog_device" type "$kind" 2>/dev/null || break
        done
    fi
    ip link set "$nflog_device" mtu 65535 txqueuelen 10000 up 2>/dev/null ||
        die "--nflog: the kernel has neither dummy nor ifb devices, which swallow the answers; run: modprobe dummy"
    nflog_ip "$1" route replace default dev "$nflog_device" table "$nflog_table" || die "--nflog: 'ip route' failed"
    [ -n "$(nflog_ip "$1" rule show priority "$nflog_table")" ] ||
        nflog_ip "$1" rule add fwmark "$nflog_mark" lookup "$nflog_table" priority "$nflog_table" || die "--nflog: 'ip rule' failed"
}

# The device and the routes go with the last rules, whatever port they are for.
nflog_remove_routes() {
    local tool nflog_any='[0-9]+'
    for tool in "${tools[@]}"; do
        [ -z "$(nflog_rules "$tool")" ] || return 0
    done
    for tool in "${tools[@]}"; do
        nflog_ip "$tool" rule del priority "$nflog_table" 2>/dev/null || true
    done
    ip link del "$nflog_device" 2>/dev/null || true
}

# The rules go in before the old ones, and the old ones out afterwards: at no moment does an answer leave.
nflog_add() {
    local tool rule words old answer
    for tool in "${tools[@]}"; do
        old="$(nflog_rules "$tool")"
        if [ "$tool" = "$ip6" ] && [ "$ipv6" = no ]; then
            nflog_delete "$tool" <<<"$old"
            continue
        fi
        nflog_routes "$tool"
        while read -r rule; do
            read -ra words <<<"$rule"
            answer="$(fw "$tool" -t mangle -I "${words[@]}" 2>&1)" || die "$tool -t mangle -I $rule failed: $answer"
        done < <(nflog_wanted "$tool")
        nflog_delete "$tool" <<<"$old" || die "$tool could not remove the former rules of port $port"
        say "$tool: headers of the answers of port $port go to log group $nflog_group; the answers go nowhere"
        delete_rules "$tool" <<<"$(own_rules "$tool")" || die "$tool could not remove the former rules of port $port"
        insert_rules "$tool"
    done
    [ -z "$pass" ] || say "Answers to $pass go to their clients."
    say "While intercept does not run, the kernel keeps every answer of port $port: dead for everyone, safe for the clients."
}

# nflog_remove: how many rules it removed is left in $removed.
nflog_remove() {
    local tool rules
    removed=0
    for tool in "${tools[@]}"; do
        rules="$(nflog_rules "$tool")"
        [ -n "$rules" ] || continue
        nflog_delete "$tool" <<<"$rules" || die "$tool could not remove the rules of port $port: see '$tool -t mangle -S'"
        removed=$((removed + $(grep -c . <<<"$rules")))
        say "$tool: $(grep -c . <<<"$rules") rules of port $port removed from the table mangle"
    done
    [ "$removed" -eq 0 ] || nflog_remove_routes
}

nflog_status() {
    local tool transport rule words result=0 port_id group found
    for tool in "${tools[@]}"; do
        [ "$tool" = "$ip4" ] || [ "$ipv6" = yes ] || [ -n "$(nflog_rules "$tool")" ] || continue
        found="$(nflog_rules "$tool" -v)"
        # shellcheck disable=SC2034 # transports of iptables-setup.sh reads it
        ! grep -Eq -- '-p (udp|17) ' <<<"$found" || udp=yes
        for transport in $(transports); do
            for rule in NFLOG MARK DROP; do
                words="$(grep -E -- "-p $transport .*-j $rule( |$)" <<<"$found" | head -n 1 || true)"
                show_rule "$tool" "mangle: $transport from port $port to $rule" "$words" || result=1
            done
        done
        if [ -z "$(nflog_ip "$tool" rule show priority "$nflog_table")" ] ||
            ! nflog_ip "$tool" route show table "$nflog_table" 2>/dev/null | grep -q "dev $nflog_device"; then
            say "$tool: MISSING  the route of marked answers to the device $nflog_device"
            result=1
        fi
    done
    group="$(grep -oE -- '--nflog-group [0-9]+' <<<"$(nflog_rules "$ip4")" | head -n 1 | cut -d' ' -f2 || true)"
    port_id="$(awk -v group="${group:-0}" '$1 == group { print $2 }' /proc/net/netfilter/nfnetlink_log 2>/dev/null || true)"
    if [ -n "$port_id" ]; then
        say "log group ${group:-0}: bound by $(program_of_port_id "$port_id")"
    else
        say "log group ${group:-0}: no program; the answers are kept, and nobody learns of them"
    fi
    return "$result"
}
