#!/bin/sh
# Makes a virtual environment with exactly the packages of a lock, and this project editable on top.
#   sh tools/install.sh [--only-lock] VENV LOCK [PYTHON]
# With --only-lock, without this project.
# Uses no more than a Python >= 3.11 with its venv module: pip installs uv by hash, uv installs the rest.
set -eu

only_lock=
if [ "$1" = --only-lock ]; then
    only_lock=yes
    shift
fi
venv=$1
lock=$2
wanted=${3:-}

is_good() { # a pyenv shim exists without a Python behind it, so each is asked by running it
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.12 python3.13 python3.11 python3 python python3.14; do
        if is_good "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

if [ -n "$wanted" ]; then
    if ! is_good "$wanted"; then
        echo "PYTHON=$wanted is no Python 3.11 or newer with the venv module:" >&2
        "$wanted" --version >&2 || true
        exit 1
    fi
else
    wanted=$(find_python)
    if [ -z "$wanted" ]; then
        echo "No Python 3.11 or newer with the venv module was found. Install one (on Debian: apt-get install" >&2
        echo "python3 python3-venv), or name one: make install PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
fi

# An environment of another Python, or one that was cut off half way, is made anew.
version='import sys; print(sys.version_info[:3])'
if [ "$("$venv/bin/python" -c "$version" 2>/dev/null || true)" != "$("$wanted" -c "$version")" ]; then
    echo "Making $venv with $("$wanted" --version)"
    "$wanted" -m venv --clear "$venv"
fi

"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/uv.txt
# Compiled now, since Airflow takes half as long to start then, also where Python is told to write no bytecode.
"$venv/bin/uv" pip sync --compile-bytecode --python "$venv/bin/python" --require-hashes "$lock"
[ -z "$only_lock" ] || exit 0
"$venv/bin/uv" pip install --python "$venv/bin/python" --quiet --no-deps --no-build-isolation --editable .

# The LDAP tests need a package that there is as source only, so they are for where it can be built.
if command -v gcc >/dev/null && [ -e /usr/include/ldap.h ] && [ -e /usr/include/sasl/sasl.h ]; then
    "$venv/bin/uv" pip install --python "$venv/bin/python" --quiet --require-hashes -r locks/ldap.txt ||
        echo "python-ldap could not be built: the LDAP tests will not run" >&2
fi

# So do the tests on MariaDB.
if command -v gcc >/dev/null && command -v mariadb_config >/dev/null && command -v pkg-config >/dev/null; then
    "$venv/bin/uv" pip install --python "$venv/bin/python" --quiet --require-hashes -r locks/mariadb.txt ||
        echo "mysqlclient could not be built: the tests on MariaDB will not run" >&2
fi
