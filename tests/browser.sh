#!/usr/bin/env bash
# Sees to the Chromium that the HTML report is tested in. Packages are installed by root only, as in
# a container or in CI; elsewhere it is told how, and the tests that need a browser are skipped.
set -euo pipefail
for driver in chromedriver chromium.chromedriver; do
    command -v "$driver" >/dev/null && exit 0
done
packages=(chromium chromium-driver)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update || true
    apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null && exit 0
fi
echo "No Chromium with a driver, so the HTML report is not tested in a browser." \
    "On Debian: apt-get install ${packages[*]}"
