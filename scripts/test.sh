#!/usr/bin/env bash
# All checks and tests of the project, from formatting to the end-to-end tests.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
    '') ;;
    -h | --help)
        cat <<HELP
Usage: $PROGRAM [-h]

Installs what is missing, then runs every check and test; stops at the first one that fails, and names it.
The script tests and the end-to-end tests use network namespaces and need root (sudo is used when you are not root);
they leave the network of the machine as it is.

Exit codes: 0 all passed, 1 a step failed, 2 wrong usage.
HELP
        exit 0
        ;;
    *) usage_error "unknown argument '$1'" ;;
esac
cd "$REPO_ROOT"

step_name='' step_count=0 passed_lines=()
finish() {
    local status=$?
    if [ "$status" -eq 0 ]; then
        say "" "${passed_lines[@]}" "ALL PASSED: $step_count steps in ${SECONDS} s"
    elif [ "$status" -gt 128 ]; then
        say "" "Interrupted in: $step_name"
    else
        say "" "FAILED: $step_name (after $step_count steps that passed, ${SECONDS} s)"
    fi
}
step() { # NAME COMMAND...
    local began=$SECONDS
    step_name=$1
    shift
    printf '\n== %s\n' "$step_name"
    if [ "$(type -t "$1")" != function ]; then say "   \$ $*"; fi
    "$@" || exit 1
    step_count=$((step_count + 1))
    passed_lines+=("   passed: $step_name, $((SECONDS - began)) s")
    say "-- $step_name: passed in $((SECONDS - began)) s"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What the tests need from Debian, one a line (see need_packages).
PACKAGES=(
    ca-certificates
    curl
    dig:bind9-dnsutils
    dnsmasq:dnsmasq-base
    ethtool
    gcc
    ip:iproute2
    iptables
    libc6-dev
    mariadb:mariadb-client-core
    mariadbd:mariadb-server-core
    libpcap-dev
    nft:nftables
    nginx:nginx-light
    perl:perl-base
    ps:procps
    redis-server
    setcap:libcap2-bin
    setpriv:util-linux
    shellcheck
    tcpdump
    tmux
    unshare:util-linux
    wrk
)

install_missing() {
    need_packages "${PACKAGES[@]}"
    need_cargo
    local component
    for component in rustfmt:fmt clippy:clippy; do
        cargo "${component#*:}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || die "cargo ${component#*:} is missing: install ${component%:*} (rustup component add ${component%:*})"
        rustup component add "${component%:*}" || die "rustup could not install ${component%:*}: see its message above"
    done
}

shell_scripts() {
    local scripts=(scripts/*.sh scripts/tests/*.sh packaging/*.sh packaging/deb/* packaging/tests/*.sh .ci/run)
    say "   \$ shellcheck -x ${scripts[*]}"
    shellcheck -x "${scripts[@]}"
}

script_tests() {
    local test
    for test in scripts/tests/*.test.sh; do
        say "   \$ $test"
        if is_root; then "$test"; else as_root "$REPO_ROOT/$test"; fi || return 1
    done
}

debian_package() {
    say '   $ packaging/build.sh deb' '   $ packaging/tests/deb.test.sh'
    packaging/build.sh deb || return 1
    as_root env CARGO_TARGET_DIR="$(target_dir)" packaging/tests/deb.test.sh
}

# Built as the user who runs this; only the test programs themselves run as root. Tests of sockets and queues need it.
cargo_test() {
    local runner=()
    if ! is_root; then
        say "   These tests need root: cargo runs each test program through 'sudo -E'."
        runner=(--config "target.'cfg(unix)'.runner=['sudo', '-E', 'env', 'PATH=$PATH']")
    fi
    say "   \$ cargo test $*"
    cargo "${runner[@]}" test "$@"
}

step "install what is missing" install_missing
step "formatting" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "documentation" env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
step "shellcheck" shell_scripts
step "script tests" script_tests
step "unit tests" cargo_test --workspace --exclude tc-tests --locked
step "corpora of the fuzz targets" cargo test --manifest-path fuzz/Cargo.toml --locked
# The end-to-end tests run the programs as they are released.
step "release build" cargo build --release --locked -p tcpcopy-cli -p intercept-cli
TCPCOPY_BIN="$(target_dir)/release/tcpcopy"
INTERCEPT_BIN="$(target_dir)/release/intercept"
export TCPCOPY_BIN INTERCEPT_BIN
say "" "TCPCOPY_BIN=$TCPCOPY_BIN" "INTERCEPT_BIN=$INTERCEPT_BIN"
# The files of tests/tests that run here, one a line. What takes longer is a command of its own, see README.
END_TO_END=(
    check
    command_line
    compare
    datagrams
    ways
    harness
    ipv6
    offline
    operation
    options
    pairs
    privileges
    replication
    resilience
    servers
    sources
    top
    tunnel
)
step "Debian package" debian_package
step "end-to-end tests" cargo_test -p tc-tests --release --locked --lib "${END_TO_END[@]/#/--test=}" -- --test-threads=1
