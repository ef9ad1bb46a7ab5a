#!/usr/bin/env bash
# Builds what is installed on hosts: packages, static programs, container images.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

help() {
    cat <<HELP
Usage: $PROGRAM KIND...

Builds one or more of these into $(target_dir)/packages:

  deb         a Debian package of both programs, with manual pages, completions, systemd units and configuration
  rpm         the same for RPM, of the static programs
  static      both programs linked statically with musl, without libpcap (no -F), for any Linux
  container   images tcpcopy and intercept of the static programs, with podman, buildah or docker

Installs what it needs: cargo-generate-rpm by cargo, the musl target by rustup, Debian packages by apt.

Exit codes: 0 done, 1 failed, 2 wrong usage.
HELP
}

need_subcommand() { # NAME
    cargo "${1#cargo-}" --help >/dev/null 2>&1 || cargo install --locked "$1" ||
        die "cargo could not install $1: see its message above"
}

# What programs write about themselves.
generate() { # DIRECTORY OF THE PROGRAMS
    rm -rf "$target/generated"
    "$1/tcpcopy" generate "$target/generated"
    "$1/intercept" generate "$target/generated"
    gzip -9nf "$target"/generated/man/*.8
}

# Of the list of crates/tcpcopy-cli/Cargo.toml. cargo-deb would take minutes to be compiled, and could not be tested each time.
build_deb() {
    need_packages binutils dpkg-dev gcc jq libc6-dev libpcap-dev
    cargo build --release --locked -p tcpcopy-cli -p intercept-cli
    generate "$target/release"
    local tree="$target/deb" list version source directory mode file
    rm -rf "$tree"
    install -d -m 755 "$tree/DEBIAN" "$tree/debian"
    list="$(cargo metadata --format-version 1 --no-deps | jq '.packages[] | select(.name == "tcpcopy-cli")')"
    version="$(jq -r .version <<<"$list")"
    while IFS=$'\t' read -r source directory mode; do
        # A directory "target" is cargo's, wherever that is; all else is relative to the crate.
        source="${source#../../}"
        for file in ${source/#target/"$target"}; do
            install -D -m "$mode" "$file" "$tree/$directory${file##*/}"
        done
    done < <(jq -r '.metadata.deb.assets[] | @tsv' <<<"$list")
    strip "$tree"/usr/bin/*
    install -m 755 packaging/deb/* "$tree/DEBIAN/"
    jq -r '.metadata.deb["conf-files"][]' <<<"$list" >"$tree/DEBIAN/conffiles"
    control >"$tree/DEBIAN/control"
    rmdir "$tree/debian"
    dpkg-deb --root-owner-group --build "$tree" "$packages/" >/dev/null
}

control() {
    local depends
    echo 'Source: tcpcopy' >"$tree/debian/control"
    depends="$(cd "$tree" && dpkg-shlibdeps -O usr/bin/* 2>/dev/null)"
    rm "$tree/debian/control"
    jq -r --arg version "$version-1" --arg architecture "$(dpkg --print-architecture)" --arg depends "${depends#*=}" \
        --arg size "$(du -sk "$tree" | cut -f1)" '.description as $summary | .metadata.deb |
        "Package: \(.name)", "Version: \($version)", "Architecture: \($architecture)", "Maintainer: \(.maintainer)",
        "Section: \(.section)", "Priority: \(.priority)", "Depends: \($depends)", "Suggests: \(.suggests)",
        "Installed-Size: \($size)", "Description: \($summary)",
        (.["extended-description"] | split("\n")[] | select(. != "") | " \(.)")' <<<"$list"
}

# Of the static programs: libpcap has another name on distributions of RPM than on Debian.
build_rpm() {
    need_subcommand cargo-generate-rpm
    build_static
    generate "$packages/static"
    local program
    for program in tcpcopy intercept; do
        install -D -m 755 "$packages/static/$program" "$target/rpm/release/$program"
    done
    # What was generated is looked for here, wherever cargo builds.
    mkdir -p target
    [ "$target/generated" -ef target/generated ] || ln -sfn "$target/generated" target/generated
    cargo generate-rpm -p crates/tcpcopy-cli --target-dir "$target/rpm" --output "$packages/"
}

build_static() {
    local musl="$machine-unknown-linux-musl"
    need_packages binutils musl-tools
    if command -v rustup >/dev/null; then
        rustup target list --installed | grep -qx "$musl" || rustup target add "$musl"
    fi
    cargo build --release --locked --target "$musl" --no-default-features -p tcpcopy-cli -p intercept-cli
    mkdir -p "$packages/static"
    install -s -m 755 "$target/$musl/release/tcpcopy" "$target/$musl/release/intercept" "$packages/static/"
}

build_container() {
    local tool='' found program
    for found in podman buildah docker; do
        if command -v "$found" >/dev/null; then
            tool=$found
            break
        fi
    done
    [ -n "$tool" ] || die "building images needs podman, buildah or docker: install one of them"
    build_static
    for program in tcpcopy intercept; do
        "$tool" build --file "packaging/container/$program.Containerfile" --tag "$program" "$packages/static"
    done
}

case ${1:-} in
    -h | --help)
        help
        exit 0
        ;;
    '') usage_error "what to build is missing" ;;
esac
for kind in "$@"; do
    case $kind in
        deb | rpm | static | container) ;;
        *) usage_error "unknown kind '$kind'" ;;
    esac
done

cd "$REPO_ROOT"
need_cargo
target="$(target_dir)" packages="$(target_dir)/packages" machine="$(uname -m)"
mkdir -p "$packages"
for kind in "$@"; do "build_$kind"; done
say "" "Built in $packages:" "$(ls "$packages")"
