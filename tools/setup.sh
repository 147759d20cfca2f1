#!/bin/sh
# What `make` needs before it can run Python code:
#   setup.sh environment VENV   a virtual environment with requirements.txt installed
#   setup.sh libraries VENV     the shared libraries that OpenCV expects from the system
#   setup.sh chromium VENV      a Chromium for the browser tests
# Debian packages are installed where this runs as root; elsewhere a message says what to install.
set -eu

fail() {
    printf '\n%s\n\n' "$*" >&2
    exit 1
}

can_use_apt() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1
}

apt_install() {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
}

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
        if [ -n "${PYTHON:-}" ]; then break; fi
    done
    fail "No Python 3.11 or newer: ${PYTHON:-python3} is" \
        "$("${PYTHON:-python3}" --version 2>&1 || echo missing)." \
        "Install one and run: PYTHON=/path/to/python3 make ..."
}

environment() {
    venv=$1
    if ! is_recent "$venv/bin/python"; then
        python=$(find_python)
        # Debian ships Python without ensurepip, which fills a new environment with pip.
        if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            can_use_apt || fail "$python cannot make environments." \
                "Run: sudo apt-get install python$version-venv"
            apt_install "python$version-venv"
        fi
        echo "Making $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv"
    fi
    echo "Installing requirements.txt (some 5 GB the first time)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
}

libraries() {
    venv=$1
    if reason=$("$venv/bin/python" -c 'import cv2' 2>&1); then return; fi
    case $reason in
    *"cannot open shared object file"*) ;;
    *) fail "OpenCV does not import: $reason" ;;
    esac
    can_use_apt || fail "OpenCV does not import: $(echo "$reason" | tail -n 1)" \
        "On Debian or Ubuntu run: sudo apt-get install libgl1 libglib2.0-0 libxcb1"
    echo "Installing the system libraries of OpenCV"
    apt_install libgl1 libglib2.0-0 libxcb1
    "$venv/bin/python" -c 'import cv2'
}

has_chromium() {
    for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
        # Ubuntu's chromium-browser may be a stub that only prints how to install a snap.
        if "$candidate" --version >/dev/null 2>&1; then return 0; fi
    done
    "$1/bin/python" - <<'PY'
import os
import sys

from playwright.sync_api import sync_playwright

with sync_playwright() as browsers:
    sys.exit(not os.path.exists(browsers.chromium.executable_path))
PY
}

browser() {
    venv=$1
    if has_chromium "$venv"; then return; fi
    if can_use_apt && apt_install chromium && has_chromium "$venv"; then return; fi
    if "$venv/bin/python" -m playwright install chromium; then return; fi
    fail "No Chromium for the browser tests, and none could be installed." \
        "On Debian run: sudo apt-get install chromium"
}

"$@"
