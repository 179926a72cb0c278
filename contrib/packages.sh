# Sourced by the scripts beside it: installs what is missing on Debian 12, and finds a Swift that is new enough.

# What the program is built against and runs with.
build_packages=(
    pkg-config libinotifytools0-dev libcurl4-openssl-dev libarchive-dev libsqlite3-dev libssl-dev
    liblz4-dev libisal-dev libzstd-dev liblzma-dev libbz2-dev erofs-utils e2fsprogs
)

# What the tests need besides.
test_packages=(
    apache2-utils attr buildah bzip2 curl docker-registry gzip libarchive-tools lz4 mmdebstrap openssl python3 rsync skopeo
    python3-prometheus-client strace tar umoci xfsprogs xz-utils zstd qemu-system-x86 busybox-static shellcheck cpio kmod systemd
)

# need_packages NAME...: installs those that are not there. Quiet and without a network where nothing is missing.
need_packages() {
    local missing=() name
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "these packages are missing, and only root can install them: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be absent (a fresh machine) or stale (a mirror that moved on): fetch them once, then install.
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# need_swift: Swift 6.2 or later on PATH. Debian 12 has none; swift.org does.
need_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -1)
    if [ -z "$version" ]; then
        echo "swift is not on PATH: install a toolchain for Debian 12, 6.2 or later, from https://swift.org/install" >&2
        return 1
    fi
    if [ "$(printf '6.2\n%s\n' "$version" | sort -V | head -1)" != 6.2 ]; then
        echo "swift $version is too old: 6.2 or later is needed" >&2
        return 1
    fi
}
