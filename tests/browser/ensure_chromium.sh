#!/bin/sh
# Find or install a Chromium for the browser tests. Usage: ensure_chromium.sh [PYTHON]
# Never fails: without a browser the tests are skipped, and this says how to enable them.

python=${1:-python3}
repo=$(cd "$(dirname "$0")/../.." && pwd)

# The tests look in the same places: `find_chromium` in tests/conftest.py.
found() {
    (cd "$repo" && "$python" -c '
import sys
from tests.conftest import find_chromium
sys.exit(find_chromium() is None)') >/dev/null 2>&1
}

# A wall-clock limit where the system has one: an unreachable server must not hang the run.
limit() {
    seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi
}

by_apt() {
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] || return 1
    echo "Installing Chromium for the browser tests (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    limit 180 apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 update >/dev/null 2>&1
    limit 400 apt-get -qq -y -o Acquire::Retries=1 --no-install-recommends install chromium \
        >/dev/null 2>&1
    found
}

by_playwright() {
    echo "Installing Chromium for the browser tests (playwright)"
    limit 300 "$python" -m playwright install chromium >/dev/null 2>&1
    found
}

if ! found && ! by_apt && ! by_playwright; then
    cat <<'TEXT'
----------------------------------------------------------------------------------------------
The browser tests are SKIPPED: no Chromium here, and it could not be installed.
To enable them, do one of these and run `make browser`:
  apt-get install chromium                        as root, on Debian
  .venv/bin/python -m playwright install chromium    on other systems
  export WHYNOT_CHROMIUM=/path/to/chromium        for a browser that is already there
----------------------------------------------------------------------------------------------
TEXT
fi
exit 0
