#!/usr/bin/env bash
# Tests of iptables-setup.sh with both iptables back ends, in a network namespace of its own. Needs root.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" -eq 0 ] || {
        echo "${0##*/}: needs root for a network namespace: run it with sudo" >&2
        exit 1
    }
    # The namespace has no name, and is gone when this process is.
    exec unshare --net -- "$0" --inside
fi

source_script="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/iptables-setup.sh"
dir="$(mktemp -d)"
helpers=()
clean_up() {
    local pid
    for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$dir"
install -m 755 "$source_script" "$dir/iptables-setup.sh"
install -m 644 "${source_script%/*}/iptables-nflog.sh" "$dir/iptables-nflog.sh"
script="$dir/iptables-setup.sh"

passed=0 failed=0
ok() { passed=$((passed + 1)); }
not_ok() {
    failed=$((failed + 1))
    echo "FAILED [${IPTABLES:-iptables}]: $*"
    sed 's/^/    /' "$dir/out"
}
# expect NAME EXIT_CODE ARGUMENTS...: runs the script; its output is left in $dir/out.
expect() {
    local name=$1 code=$2 got=0
    shift 2
    "$script" "$@" >"$dir/out" 2>&1 || got=$?
    if [ "$got" -eq "$code" ]; then ok; else not_ok "$name: exit code $got, not $code"; fi
}
# says NAME REGEX: the last output has such a line.
says() { if grep -Eq -- "$2" "$dir/out"; then ok; else not_ok "$1: no line with '$2'"; fi; }
one_line() { if [ "$(wc -l <"$dir/out")" -eq 1 ]; then ok; else not_ok "$1: not exactly one line"; fi; }
check() {
    local name=$1
    shift
    if "$@"; then ok; else not_ok "$name"; fi
}
check_not() {
    local name=$1
    shift
    if "$@"; then not_ok "$name"; else ok; fi
}
# rules TOOL: all rules, without counters.
rules() { "$1" -S 2>/dev/null; }
OWN='comment "?tcpcopy:80"? -j (ACCEPT|NFQUEUE)'
count_is() { [ "$(rules "$1" | grep -Ec -- "$2")" -eq "$3" ]; }

wrong_usage() {
    local line pattern
    while IFS='|' read -r line pattern; do
        # shellcheck disable=SC2086 # the line is a list of arguments
        expect "usage: '$line'" 2 $line
        says "usage: '$line'" "$pattern"
        one_line "usage: '$line'"
    done <<'CASES'
|say what to do
add|--port is missing
add --port|--port needs a value
add --port 0|--port: '0'
add --port 65536|--port: '65536'
add --port 99999999999999999999|--port: '9+'
add --port 80x|--port: '80x'
add --port=|--port: ''
add --port -1|--port: '-1'
add --port 80 --queue x|--queue: 'x'
add --port 80 --queue 65536|--queue: '65536'
add --port 80 --queue 3:1|--queue: '3:1' ends before
add --port 80 --queue 1:|--queue: ''
add --port 80 --queue 1:2:3|--queue: '2:3'
add --port 80 --queue|--queue needs a value
add --port 80 --tunnel-port 70000|--tunnel-port: '70000'
add --port 36524|--port 36524 is the tunnel port
add --port 80 --tunnel-port 80|--port 80 is the tunnel port
add --port 80 --pass 10.0.0.1|--pass is for --nflog
add --port 80 --nflog --queue 1|--nflog has no queue
add --port 80 --nflog --bypass|--nflog has no queue
add --port 80 --nflog --pass 10.0.0.1,here|--pass: 'here' is neither
add --port 80 --nflog --nflog-group 65536|--nflog-group: '65536'
add remove --port 80|'remove' after 'add'
frob --port 80|unknown argument 'frob'
add --port 80 --frob|unknown argument '--frob'
CASES
    expect "help" 0 --help
    says "help explains bypass" 'could see packets'
    chmod 755 "$dir"
    local got=0
    setpriv --reuid=65534 --regid=65534 --clear-groups "$script" add --port 80 >"$dir/out" 2>&1 || got=$?
    check "not root: exit code 1" [ "$got" -eq 1 ]
    says "not root: the remedy" 'needs root.*sudo'
    one_line "not root"
}

with_back_end() {
    local ip4=$1 ip6=$2 before before6
    export IPTABLES=$ip4
    # Rules of others, some of which look like ours.
    "$ip4" -A INPUT -p tcp --dport 80 -j ACCEPT
    "$ip4" -A OUTPUT -p tcp --sport 80 -m comment --comment "tcpcopy:8080" -j NFQUEUE --queue-num 0
    "$ip4" -A OUTPUT -p tcp --sport 80 -m comment --comment "not tcpcopy:80 at all" -j ACCEPT
    "$ip4" -A INPUT -j DROP -m comment --comment "tcpcopy:80 no"
    "$ip4" -A INPUT -p udp --dport 80 -m comment --comment "tcpcopy:80" -j RETURN
    "$ip6" -A INPUT -p tcp --dport 80 -j ACCEPT
    before="$(rules "$ip4")" before6="$(rules "$ip6")"

    expect "status of nothing" 1 status --port 80
    says "status of nothing" 'MISSING  OUTPUT tcp from port 80'
    expect "remove of nothing" 0 remove --port 80
    says "remove of nothing" 'nothing to remove'
    check "nothing is changed" [ "$(rules "$ip4")" = "$before" ]

    expect "add" 0 add --port 80
    says "add names the trade" 'kernel drops every answer'
    check "NFQUEUE comes first" [ "$("$ip4" -S OUTPUT 1 | grep -c -- '--sport 80 .*tcpcopy:80"\{0,1\} .*NFQUEUE --queue-num 0$')" -eq 1 ]
    check "three rules" count_is "$ip4" "-p tcp .*$OWN" 3
    check "INPUT of the port" count_is "$ip4" '-A INPUT -p tcp .*--dport 80 .*comment "?tcpcopy:80"? -j ACCEPT' 1
    check "INPUT of the tunnel" count_is "$ip4" '-A INPUT -p tcp .*--dport 36524 .*comment "?tcpcopy:80"? -j ACCEPT' 1
    check "IPv6 is left alone" [ "$(rules "$ip6")" = "$before6" ]
    expect "status after add" 0 status --port 80
    says "status counts packets" 'present  OUTPUT tcp from port 80 to queue 0  0 packets'
    says "status names the reader" 'queue 0: 1 of 1 without a program'
    expect "status of another queue" 1 status --port 80 --queue 5
    expect "status with --bypass" 1 status --port 80 --bypass
    expect "status with --ipv6" 1 status --port 80 --ipv6

    local once
    once="$(rules "$ip4")"
    expect "add again" 0 add --port 80
    says "add again" 'already there'
    check "add twice is one set" [ "$(rules "$ip4")" = "$once" ]

    expect "add with other options" 0 add --port 80 --queue 2:5 --bypass
    says "bypass is explained" 'could see packets'
    check "still three rules" count_is "$ip4" "-p tcp .*$OWN" 3
    check "balance and bypass" count_is "$ip4" 'tcpcopy:80"? -j NFQUEUE --queue-balance 2:5 --queue-bypass' 1
    expect "status finds the queues" 0 status --port 80
    says "status shows the queues" 'to queue 2:5 --bypass'
    says "status warns" 'addresses of the real clients'
    expect "leading zeros" 0 add --port=0080 --queue=07:7
    check "leading zeros" count_is "$ip4" 'tcpcopy:80"? -j NFQUEUE --queue-num 7' 1

    expect "a second port" 0 add --port 81 --tunnel-port 4000
    check "own tunnel port" count_is "$ip4" 'INPUT .*--dport 4000 .*tcpcopy:81' 1
    expect "status of both, 80" 0 status --port 80
    expect "status of both, 81" 0 status --port 81
    says "status finds the tunnel port" 'to port 4000'
    expect "status with another tunnel port" 1 status --port 81 --tunnel-port 4001
    expect "remove 81" 0 remove --port 81
    check "80 is still there" count_is "$ip4" "-p tcp .*$OWN" 3
    expect "remove 80" 0 remove --port 80
    says "remove counts" '3 rules of port 80 removed'
    check "remove leaves what was before" [ "$(rules "$ip4")" = "$before" ]
    expect "remove again" 0 remove --port 80

    expect "add --ipv6" 0 add --port 80 --ipv6
    check "three rules in IPv6" count_is "$ip6" "-p tcp .*$OWN" 3
    check "three rules in IPv4" count_is "$ip4" "-p tcp .*$OWN" 3
    expect "status --ipv6" 0 status --port 80 --ipv6
    says "status --ipv6" "^$ip6: present"
    expect "add without --ipv6" 0 add --port 80
    check "IPv6 follows the last add" [ "$(rules "$ip6")" = "$before6" ]
    expect "add --ipv6 again" 0 add --port 80 --ipv6
    expect "remove takes both families" 0 remove --port 80
    check "IPv4 as before" [ "$(rules "$ip4")" = "$before" ]
    check "IPv6 as before" [ "$(rules "$ip6")" = "$before6" ]

    expect "add --udp" 0 add --port 80 --udp --ipv6
    check "UDP answers go to the queue" count_is "$ip4" '-A OUTPUT -p udp .*--sport 80 .*comment "?tcpcopy:80"? -j NFQUEUE --queue-num 0' 1
    check "UDP may come in" count_is "$ip4" '-A INPUT -p udp .*--dport 80 .*comment "?tcpcopy:80"? -j ACCEPT' 1
    check "no port unreachable" count_is "$ip4" '-A OUTPUT -p icmp .*u32 .*0x50" .*comment "?tcpcopy:80"? -j DROP' 1
    check "five rules and one in IPv6" count_is "$ip6" "$OWN" 5
    check "no port unreachable in IPv6" count_is "$ip6" "-A OUTPUT -p ipv6-icmp .*u32 .*-j DROP" 1
    expect "status of UDP" 0 status --port 80
    says "status of UDP" 'present  OUTPUT udp from port 80 to queue 0  0 packets'
    says "status of the third" 'present  OUTPUT icmp port unreachable for UDP port 80'
    once="$(rules "$ip4")"
    expect "add --udp again" 0 add --port 80 --udp --ipv6
    check "add --udp twice is one set" [ "$(rules "$ip4")" = "$once" ]
    expect "add without --udp" 0 add --port 80
    check "UDP follows the last add" count_is "$ip4" '-p (udp|icmp) .*comment "?tcpcopy:80"? -j (NFQUEUE|ACCEPT|DROP)' 0
    expect "status --udp of TCP only" 1 status --port 80 --udp
    expect "add --udp for the end" 0 add --port 80 --udp
    expect "remove takes UDP too" 0 remove --port 80
    says "remove counts UDP" '6 rules of port 80 removed'
    check "IPv4 as before UDP" [ "$(rules "$ip4")" = "$before" ]
    check "IPv6 as before UDP" [ "$(rules "$ip6")" = "$before6" ]

    # A set that lost a rule is completed, not doubled.
    "$script" add --port 80 >/dev/null
    "$ip4" -D INPUT 1
    expect "status of two rules" 1 status --port 80
    says "status of two rules" 'MISSING  INPUT tcp to port 80'
    expect "add completes" 0 add --port 80
    check "completed" count_is "$ip4" "-p tcp .*$OWN" 3
    "$ip4" -I OUTPUT -p tcp -j ACCEPT
    expect "status with a rule before ours" 0 status --port 80
    says "a rule before ours is warned of" '1 rules stand before ours'
    "$ip4" -D OUTPUT 1
    expect "remove at the end" 0 remove --port 80
    check "as before at the end" [ "$(rules "$ip4")" = "$before" ]

    # Taken back as a whole when the kernel refuses: a queue rule that works, then INPUT that does not exist.
    cat >"$dir/failing-iptables" <<FAKE
#!/bin/sh
case "\$*" in *"-I INPUT"*) echo "refused" >&2; exit 4 ;; esac
exec $ip4 "\$@"
FAKE
    chmod 755 "$dir/failing-iptables"
    IPTABLES="$dir/failing-iptables" expect "a refused rule" 1 add --port 80
    says "a refused rule" 'failed: refused'
    check "nothing of it is left" [ "$(rules "$ip4")" = "$before" ]
    "$ip4" -F
    "$ip6" -F
}

# What swallows the answers of --nflog: rules of the table mangle, a device, and the route of what is marked to it.
mangle_count_is() { [ "$("$1" -t mangle -S 2>/dev/null | grep -c 'comment "\{0,1\}tcpcopy:')" -eq "$2" ]; }
# No pipes into grep -q: it ends at the first match, and the command before it of SIGPIPE.
swallows() { grep -q 'fwmark 0x74630000/0xffff0000 lookup 7463' <<<"$(ip "$1" rule)" && grep -q 'dev tcpcopy' <<<"$(ip "$1" route show table 7463)"; }
no_device() { ! ip link show tcpcopy >/dev/null 2>&1 && ! ip rule | grep -q 7463; }
to_the_log() {
    local ip4=$1 ip6=$2
    export IPTABLES=$ip4
    expect "$ip4: nflog: status of nothing" 1 status --port 80 --nflog
    says "$ip4: nflog: status of nothing" 'MISSING  mangle: tcp from port 80 to NFLOG'
    expect "$ip4: nflog: add" 0 add --port 80 --nflog --pass 10.1.0.0/16,10.2.3.4,2001:db8::/32
    check "$ip4: nflog: IPv4 passes come first" [ "$("$ip4" -t mangle -S OUTPUT 2>/dev/null | sed -n '2,3p' | grep -c -- '-j ACCEPT')" -eq 2 ]
    check "$ip4: nflog: five rules" mangle_count_is "$ip4" 5
    check "$ip4: nflog: IPv6 is left alone" mangle_count_is "$ip6" 0
    check "$ip4: nflog: marked answers are swallowed" swallows -4
    check "$ip4: nflog: the ports are open" count_is "$ip4" "-p tcp .*$OWN" 2
    expect "$ip4: nflog: status" 0 status --port 80
    says "$ip4: nflog: status" 'present  mangle: tcp from port 80 to MARK'
    says "$ip4: nflog: nobody is bound" 'log group 0: no program'
    check_not "$ip4: nflog: answers stay here" connects
    expect "$ip4: nflog: status counts" 0 status --port 80
    says "$ip4: nflog: status counts" 'tcp from port 80 to NFLOG  [1-9][0-9]* packets'
    expect "$ip4: nflog: loopback passes" 0 add --port 80 --nflog --pass 127.0.0.1
    check "$ip4: nflog: four rules" mangle_count_is "$ip4" 4
    check "$ip4: nflog: answers to --pass leave" connects
    expect "$ip4: nflog: UDP too" 0 add --port 80 --nflog --udp
    check "$ip4: nflog: six rules" mangle_count_is "$ip4" 6
    check "$ip4: nflog: UDP may come in" count_is "$ip4" "-A INPUT -p udp .*$OWN" 1
    expect "$ip4: nflog: status of UDP" 0 status --port 80
    says "$ip4: nflog: status of UDP" 'present  mangle: udp from port 80 to NFLOG  0 packets'
    expect "$ip4: nflog: without UDP" 0 add --port 80 --nflog
    check "$ip4: nflog: three rules" mangle_count_is "$ip4" 3
    expect "$ip4: nflog: status --udp of TCP only" 1 status --port 80 --udp
    expect "$ip4: nflog: another port" 0 add --port 81 --nflog --nflog-group 3 --ipv6 --pass 2001:db8::/32
    check "$ip4: nflog: IPv6 too" mangle_count_is "$ip6" 4
    check "$ip4: nflog: marked IPv6 answers are swallowed" swallows -6
    expect "$ip4: nflog: remove 81" 0 remove --port 81
    check "$ip4: nflog: 80 still has its device" swallows -4
    expect "$ip4: nflog: back to a queue" 0 add --port 80
    check "$ip4: nflog: nothing is left" mangle_count_is "$ip4" 0
    check "$ip4: nflog: no device is left" no_device
    expect "$ip4: nflog: from a queue" 0 add --port 80 --nflog
    check "$ip4: nflog: no queue is left" count_is "$ip4" NFQUEUE 0
    "$ip4" -t mangle -D OUTPUT 2
    expect "$ip4: nflog: status of a part" 1 status --port 80
    says "$ip4: nflog: status of a part" 'MISSING  mangle: tcp from port 80 to MARK'
    expect "$ip4: nflog: remove" 0 remove --port 80
    check "$ip4: nflog: removed" mangle_count_is "$ip4" 0
    check "$ip4: nflog: the device too" no_device
    check "$ip4: nflog: the server answers again" connects
}

# The other back end: rules of ours there are named, with the command that removes them.
both_back_ends() {
    IPTABLES=iptables-legacy expect "legacy add" 0 add --port 80
    IPTABLES=iptables-nft expect "nft add" 0 add --port 80
    says "nft warns of legacy" "iptables-legacy also has rules of ours.*'IPTABLES=iptables-legacy .*remove --port 80'"
    IPTABLES=iptables-legacy expect "legacy status" 0 status --port 80
    says "legacy warns of nft" 'iptables-nft also has rules of ours'
    IPTABLES=iptables-nft expect "nft remove" 0 remove --port 80
    check "legacy is untouched" count_is iptables-legacy 'tcpcopy:80' 3
    IPTABLES=iptables-legacy expect "legacy remove" 0 remove --port 80
    iptables-nft -A OUTPUT -d 192.0.2.1 -j DROP
    IPTABLES=iptables-legacy expect "legacy with foreign nft rules" 1 status --port 80
    says "foreign rules are named" "iptables-nft has rules too"
    iptables-nft -F
    IPTABLES=no-such-iptables expect "unknown IPTABLES" 1 add --port 80
    says "unknown IPTABLES" 'no-such-iptables is not installed'
    one_line "unknown IPTABLES"
}

# What the kernel does: a server on loopback, without and with a reader of the queue.
cat >"$dir/server.pl" <<'PERL'
use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 80, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $listener->accept) { close $c }
PERL
cat >"$dir/reader.pl" <<'PERL'
# Binds queue 0 and never gives a verdict.
socket(my $s, 16, 3, 12) or die "socket: $!";
my $bind = pack('S S C C n', 8, 1, 1, 0, 0);
my $copy_headers = pack('S S N C x3', 9, 2, 64, 2);
my $message = pack('C C n', 0, 0, 0) . $bind . $copy_headers;
syswrite($s, pack('L S S L L', 16 + length $message, 0x302, 5, 1, 0) . $message) or die "bind: $!";
sysread($s, my $answer, 4096);
my $error = unpack('x16 l', $answer);
die "refused: $error" if $error;
print "bound\n";
close STDOUT;
sleep 60;
PERL
connects() { timeout 1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/80' 2>/dev/null; }
in_the_kernel() {
    local ip4=$1 i
    export IPTABLES=$ip4
    check "$ip4: the server answers without rules" connects
    expect "$ip4: add" 0 add --port 80
    check_not "$ip4: nobody bound: answers are dropped" connects
    expect "$ip4: counters" 0 status --port 80
    says "$ip4: counters" 'to queue 0  [1-9][0-9]* packets'
    says "$ip4: status warns" 'kernel drops the answers'
    expect "$ip4: add --bypass" 0 add --port 80 --bypass
    check "$ip4: nobody bound, bypass: answers pass" connects
    rm -f "$dir/reader"
    perl "$dir/reader.pl" >"$dir/reader" &
    helpers+=($!)
    for ((i = 0; i < 50; i++)); do
        [ ! -s "$dir/reader" ] || break
        sleep 0.1
    done
    check_not "$ip4: bound: answers wait for the reader" connects
    expect "$ip4: status with a reader" 0 status --port 80
    says "$ip4: the reader is named" "queue 0: bound by perl \(process $!\); [1-9][0-9]* packets waiting"
    kill $!
    wait $! 2>/dev/null || true
    expect "$ip4: remove" 0 remove --port 80
    check "$ip4: the server answers again" connects
}

ip link set lo up
: >"$dir/out"
wrong_usage
for back_end in nft legacy; do
    if ! "iptables-$back_end" -S >/dev/null 2>&1; then
        echo "iptables-$back_end does not work with this kernel: not tested"
        continue
    fi
    with_back_end "iptables-$back_end" "ip6tables-$back_end"
done
unset IPTABLES
if iptables-legacy -S >/dev/null 2>&1 && iptables-nft -S >/dev/null 2>&1; then both_back_ends; fi
perl "$dir/server.pl" &
helpers+=($!)
for ((i = 0; i < 50; i++)); do
    ! connects || break
    sleep 0.1
done
for back_end in nft legacy; do
    if "iptables-$back_end" -S >/dev/null 2>&1; then
        in_the_kernel "iptables-$back_end"
        to_the_log "iptables-$back_end" "ip6tables-$back_end"
    fi
done

echo "iptables-setup.sh: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
