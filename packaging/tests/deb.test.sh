#!/usr/bin/env bash
# Installs the Debian package, uses it and removes it, in a view of this machine that is thrown away: what is written goes
# to memory, in a mount namespace of its own.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

if [ "${1:-}" != inside ]; then
    is_root || die "needs root: run it with sudo"
    need_packages unshare:util-linux ip:iproute2 iptables systemctl:systemd
    exec unshare --mount --net --propagation private "$0" inside
fi

package="$(find "$(target_dir)/packages" -name 'tcpcopy_*.deb' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)"
[ -n "$package" ] || die "there is no package in $(target_dir)/packages: build it with packaging/build.sh deb"
view="$(mktemp -d)"
trap 'umount -R "$view"; rmdir "$view"' EXIT
mount -t tmpfs none "$view"
mkdir "$view/new" "$view/work" "$view/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$view/new,workdir=$view/work" "$view/root"
mount -t proc none "$view/root/proc"
mount --rbind /dev "$view/root/dev"
cp "$package" "$view/root/tmp/package.deb"
ip link set lo up

within() { chroot "$view/root" "$@"; }
passed=0
check() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" >"$view/output" 2>&1 || {
        cat "$view/output" >&2
        die "failed: $what"
    }
    passed=$((passed + 1))
    say "ok: $what"
}
fails() { ! "$@"; }
# The script says which rules are missing, those of the netfilter log too.
misses_rules() {
    local text
    text="$(within /usr/share/tcpcopy/iptables-setup.sh status --port 80 --nflog 2>&1)" || true
    [[ $text == *MISSING*NFLOG* ]]
}
# With the capabilities of its unit it still runs after two seconds, and ends cleanly when it is told to.
runs() { # PROGRAM ARGUMENT...
    local program=$1 some
    shift
    # CAP_NET_RAW of systemd is +net_raw of setpriv.
    some="-all$(sed -n 's/^AmbientCapabilities=/ /p' "$view/root/lib/systemd/system/$program.service" | sed 's/ CAP_/,+/g')"
    some="${some,,}"
    within timeout --preserve-status --signal=TERM 2 \
        setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps="$some" --ambient-caps="$some" --bounding-set="$some" \
        "/usr/bin/$program" --config "/etc/tcpcopy/$program.toml" "$@" &&
        grep -q 'sig 15 received' "$view/output"
}
# Systemd's filter must let a program install its own; the one kills it, or the other fails.
filters() { grep -q '^SystemCallFilter=.* seccomp' "$view/root/lib/systemd/system/$1.service"; }

check "the package installs" within dpkg --install /tmp/package.deb
for program in tcpcopy intercept; do
    check "$program says its version" within "/usr/bin/$program" --version
    check "$program is not setuid" test ! -u "$view/root/usr/bin/$program"
    check "$program has a manual page" within test -s "/usr/share/man/man8/$program.8.gz"
    check "bash completes $program" within bash -n "/usr/share/bash-completion/completions/$program.bash"
    check "$program has a unit" within test -s "/lib/systemd/system/$program.service"
    check "$program may filter its system calls there" filters "$program"
    check "$program is not enabled" within test ! -e "/etc/systemd/system/multi-user.target.wants/$program.service"
done
check "tcpcopy runs with its configuration and the rights of its unit" runs tcpcopy -x 80-127.0.0.1:8080
check "intercept runs with its configuration and the rights of its unit" runs intercept
check "a file that is no configuration is refused" fails within /usr/bin/intercept --config /etc/hostname
check "the firewall script is there" within /usr/share/tcpcopy/iptables-setup.sh --help
check "the firewall script has what it needs" misses_rules
echo 'connections = 3' >>"$view/root/etc/tcpcopy/tcpcopy.toml"
within systemctl --quiet enable tcpcopy.service
check "an administrator can enable a unit" within test -e "/etc/systemd/system/multi-user.target.wants/tcpcopy.service"
check "the package is installed again" within dpkg --install /tmp/package.deb
check "edited configuration outlives that" grep -q 'connections = 3' "$view/root/etc/tcpcopy/tcpcopy.toml"
check "the package is removed" within dpkg --remove tcpcopy
check "no unit is enabled any more" within test ! -e "/etc/systemd/system/multi-user.target.wants/tcpcopy.service"
check "the programs are gone" test ! -e "$view/root/usr/bin/tcpcopy" -a ! -e "$view/root/usr/bin/intercept"
check "edited configuration stays" grep -q 'connections = 3' "$view/root/etc/tcpcopy/tcpcopy.toml"
check "the package is purged" within dpkg --purge tcpcopy
check "nothing is left" test ! -e "$view/root/etc/tcpcopy"
say "$passed passed, 0 failed"
