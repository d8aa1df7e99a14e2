#!/usr/bin/env bash
# Installs the Debian programs that the tests run mrdock against, where that is allowed (root, apt-get), and says
# in one line each what is skipped without them. MRDOCK_INSTALL_PEERS=no: only look. It never fails: tests decide.
set -u
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=$PATH:/usr/sbin:/sbin

# package | a program or library only it brings | what is skipped without it
peers='
dcmtk|dcmdump|tests against the tools of DCMTK
dicom3tools|dciodvfy|checks of DICOM files by dciodvfy
libgdcm-tools|gdcmscanner|tests against the tools of GDCM
dcm2niix|dcm2niix|tests against dcm2niix
orthanc|Orthanc|tests against Orthanc
strace|strace|tests of the order of durable writes, and of injected disk errors
faketime|faketime|tests of clocks that jump
postgresql|initdb|tests of the index on PostgreSQL
util-linux|unshare|tests with small, full and read-only disks
e2fsprogs|mkfs.ext4|tests with a file system that turns read-only under the dock
iproute2|ip|tests in a network of their own
libegl1|libEGL.so.1|tests of the window
libgl1|libGL.so.1|tests of the window
libxkbcommon0|libxkbcommon.so.0|tests of the window
libfontconfig1|libfontconfig.so.1|tests of the window
libdbus-1-3|libdbus-1.so.3|tests of the window
'

present() {
    if [[ $1 == *.so.* ]]; then ldconfig -p 2>/dev/null | grep -q "^[[:space:]]*$1 "; return; fi
    command -v "$1" >/dev/null 2>&1 && return
    local found
    for found in /usr/lib/postgresql/*/bin/"$1"; do
        [ -x "$found" ] && return
    done
    return 1
}

missing() { # package|skipped, a line each
    local package program skipped
    while IFS='|' read -r package program skipped; do
        [ -z "$package" ] || present "$program" || echo "$package|$skipped"
    done <<<"$peers"
}

apt() { apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@" </dev/null >>"$log" 2>&1; }

install_packages() {
    # No service may start: Debian asks this file. One that is there already is the owner's and stays.
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ] || [ -L "$policy" ]; then policy=
    else
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    log=$(mktemp)
    trap '[ -z "$policy" ] || rm -f "$policy"; rm -f "$log"' EXIT
    trap 'exit 130' INT TERM
    apt update
    # One that this release does not have must not keep the others away.
    apt install -y --no-install-recommends "$@" || for package in "$@"; do
        apt install -y --no-install-recommends "$package"
    done
    for service in orthanc postgresql; do # only where it came just now: neither running nor started at boot
        [[ " $* " == *" $service "* ]] || continue
        if [ -d /run/systemd/system ]; then systemctl disable --now --quiet "$service"
        elif [ -x "/etc/init.d/$service" ]; then "/etc/init.d/$service" stop
        fi </dev/null >>"$log" 2>&1
    done
    reason=$(sed -n 's/^E: //p' "$log" | head -n 1)
}

packages=$(missing | cut -d'|' -f1 | tr '\n' ' ')
[ -n "$packages" ] || exit 0

reason=
if [ "${MRDOCK_INSTALL_PEERS:-yes}" = no ]; then reason="MRDOCK_INSTALL_PEERS=no"
elif ! command -v apt-get >/dev/null 2>&1; then reason="there is no apt-get"
elif [ "$(id -u)" != 0 ]; then reason="only root may install it"
else
    echo "peers: installing $packages"
    # shellcheck disable=SC2086 # names of packages: split on purpose
    install_packages $packages
fi

missing | while IFS='|' read -r package skipped; do
    echo "peers: no $package (${reason:-it could not be installed}); skipped: $skipped"
done
