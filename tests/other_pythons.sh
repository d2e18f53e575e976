#!/usr/bin/env bash
# Runs the tests that need neither torch nor a browser on every supported Python that is found, but
# the one given, which has run them already. Each gets a virtual environment of its own: .venv-3.10
# and so on.
set -euo pipefail
cd "$(dirname "$0")/.."
done_already=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

find_python() { # the first interpreter of version $1 that starts
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        # A pyenv shim is on the path even where its version is not installed: it has to run.
        if "$candidate" -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$1'" 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

run_tests() { # with the interpreter $2 of version $1
    local venv=".venv-$1"
    [ -x "$venv/bin/python" ] || "$2" -m venv "$venv"
    if [ pyproject.toml -nt "$venv/.dev" ] || [ tests/constraints.txt -nt "$venv/.dev" ]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            -c tests/constraints.txt -e '.[dev]'
        touch "$venv/.dev"
    fi
    "$venv/bin/python" -m pytest -n 2 -m 'not torch and not browser'
}

failed=()
missing=()
for version in 3.10 3.11 3.12 3.13; do
    [ "$version" = "$done_already" ] && continue
    if python=$(find_python "$version"); then
        echo "--- Python $version, without torch"
        run_tests "$version" "$python" || failed+=("$version")
    else
        missing+=("$version")
    fi
done
[ ${#missing[@]} -eq 0 ] || echo "Not found, so not tested: Python ${missing[*]}"
[ ${#failed[@]} -eq 0 ] || { echo "The tests failed on Python ${failed[*]}"; exit 1; }
