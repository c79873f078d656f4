#!/usr/bin/env bash
# Runs the tests: ./tests/run.sh [LABEL…], labels unit, property, sim, model, system, fuzz, lint; without one, all of them.
# Installs what it lacks (as root), builds, runs, and closes with `N passed, N failed, N skipped`.
#   CONSIGN_BUILD     build folder (default build/)
#   CONSIGN_DATA      real zones and oracles (default ../shared/data beside the project)
#   CONSIGN_CMAKE     further options for cmake, such as -DCONSIGN_SANITIZE=address,undefined
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/lib.sh

for label in "$@"; do
    case $label in
    unit | property | sim | model | system | fuzz | lint) ;;
    *)
        echo "usage: $0 [unit|property|sim|model|system|fuzz|lint]…" >&2
        exit 2
        ;;
    esac
done

need build run test
export CONSIGN_DATA=${CONSIGN_DATA:-$root/../shared/data}
# shellcheck disable=SC2086
make_all "$build" -DBUILD_TESTING=ON -DCONSIGN_WERROR=ON ${CONSIGN_CMAKE:-}

select=()
[ $# -eq 0 ] || select=(-L "^($(IFS='|'; echo "$*"))\$")
log=$build/tests.log
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$((2 * $(nproc)))" "${select[@]}" 2>&1 | tee "$log" || status=1

# Parts that skip themselves inside a test print `SKIP name: reason`; whole tests exit with 77.
last=$build/Testing/Temporary/LastTest.log
[ ! -e "$last" ] || grep -aE '^SKIP ' "$last" || true
skipped=$(grep -acE '\*\*\*Skipped' "$log" || true)
failed=$(grep -acE '\*\*\*(Failed|Timeout|Exception|Not Run)' "$log" || true)
passed=$(grep -acE ' Passed +[0-9.]+ sec' "$log" || true)
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
