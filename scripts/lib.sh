# shellcheck shell=bash
# Shared by the scripts of this directory. Source it; do not run it.

# The administrator's programs are not on every user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
REPO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PROGRAM="${0##*/}"

say() { printf '%s\n' "$@"; }
warn() { printf '%s: warning: %s\n' "$PROGRAM" "$*" >&2; }
die() {
    printf '%s: %s\n' "$PROGRAM" "$*" >&2
    exit 1
}
usage_error() {
    printf '%s: %s (see %s --help)\n' "$PROGRAM" "$*" "$PROGRAM" >&2
    exit 2
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root: directly, or through sudo.
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for '$*': run it as root, or install sudo"
    fi
}

# Is one item of need_packages there? "command:package" asks for the command, "package" asks dpkg.
have_item() {
    case $1 in
        *:*) command -v "${1%%:*}" >/dev/null ;;
        *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

# Installs what is missing of the items given; makes no apt call when everything is there.
need_packages() {
    local item absent=()
    for item in "$@"; do
        have_item "$item" || absent+=("${item##*:}")
    done
    [ "${#absent[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        die "missing: ${absent[*]}; there is no apt-get here: install them by hand, then run this again"
    say "Installing Debian packages, which takes a moment: ${absent[*]}"
    is_root || command -v sudo >/dev/null || die "installing packages needs root: run it as root, or install sudo"
    install_packages "${absent[@]}" || exit 1
    hash -r
    for item in "$@"; do
        have_item "$item" || die "${item%%:*} is still missing after installing ${item##*:}"
    done
}

# Debian starts a server and enables it at boot when it is installed. Nobody asked for a web server on port 80 of this
# machine, so the units of servers that we install now are masked while apt runs, and left disabled.
# Servers that were installed before are not touched. A subshell, so that its trap ends with it.
install_packages() (
    log="$(mktemp)" units=()
    # shellcheck disable=SC2317 # called by the trap
    end() {
        for unit in "${units[@]}"; do
            as_root systemctl --quiet unmask --runtime "$unit" 2>/dev/null || true
            as_root systemctl --quiet disable --now "$unit" 2>/dev/null || true
        done
        rm -f "$log"
    }
    trap end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -d /run/systemd/system ]; then
        for package in "$@"; do
            case $package in
                nginx*) units+=(nginx.service) ;;
                redis-server) units+=(redis-server.service) ;;
            esac
        done
    fi
    for unit in "${units[@]}"; do
        as_root systemctl --quiet mask --runtime "$unit" 2>/dev/null || true
    done
    # RUNLEVEL does for SysV init what the mask does for systemd.
    apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 PREVLEVEL=N apt-get -q -o DPkg::Lock::Timeout=120)
    if ! { as_root "${apt[@]}" update && as_root "${apt[@]}" install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "apt-get could not install $*: see its messages above"
    fi
    for unit in "${units[@]}"; do
        say "$unit: installed, not started, not enabled at boot ('systemctl enable --now $unit' if you want it)"
    done
)

# Where cargo puts what it builds.
target_dir() { (cd "$REPO_ROOT" && realpath -m "${CARGO_TARGET_DIR:-target}"); }

# Finds cargo, also where rustup puts it; never downloads a toolchain.
need_cargo() {
    local home wanted found
    home="$(getent passwd "${SUDO_USER:-$(id -un)}" | cut -d: -f6)"
    if ! command -v cargo >/dev/null && [ -x "$home/.cargo/bin/cargo" ]; then
        PATH="$home/.cargo/bin:$PATH"
        if [ -n "${SUDO_USER:-}" ]; then # rustup's cargo looks for its toolchains in the home directory
            export CARGO_HOME="${CARGO_HOME:-$home/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
        fi
    fi
    wanted="$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$REPO_ROOT/Cargo.toml" | head -n 1)"
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust ${wanted:-stable} or newer (https://rustup.rs), then run this again"
    found="$(cargo --version 2>/dev/null | cut -d' ' -f2)"
    [ -n "$found" ] || die "'cargo --version' fails: repair the Rust installation (rustup default stable), then run this again"
    if [ -n "$wanted" ] && [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
        die "cargo $found is too old: install Rust $wanted or newer (https://rustup.rs), then run this again"
    fi
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails when the time is over.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# stop_process SIGNAL PID: sends the signal, waits up to 5 s, then kills. For children of this shell.
stop_process() {
    local pid=$2 i
    kill -s "$1" "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 50; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
