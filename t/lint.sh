#!/bin/bash
# lint.sh - everything that can be said about the sources without running them. Runs all checks; fails when one did.
set -u
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

readonly exposure_limit=30 # of systemd-analyze security, whose scale goes to 100

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failed=()

check() {
  local name=$1
  shift
  printf '%-60s' "$name"
  if "$@" > "$temporary/output" 2>&1; then
    # A check that says it had nothing to do
    if grep -q '^skipped' "$temporary/output"; then cat "$temporary/output"; else echo ok; fi
  else
    echo FAILED
    cat "$temporary/output"
    failed+=("$name")
  fi
}

# Without what a calling make hands down: its variables would win over ours.
run_make() {
  env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --no-print-directory "$@"
}

# The Makefile's own flags, one a line.
compiler_flags() {
  # shellcheck disable=SC2016
  run_make --eval='lint-flags: ; @printf "%s\n" $(ALL_CPPFLAGS) $(ALL_CFLAGS)' lint-flags
}

headers_compile_alone() {
  local compiler=$1 header status=0
  for header in include/*/*.h src/*/*.h; do
    [ -e "$header" ] || continue
    "$compiler" "${flags[@]}" -Werror -fsyntax-only -I"${header%/*}" -include "$header" -x c /dev/null || status=1
  done
  return "$status"
}

# Programs, unit tests, what system tests kill; a fuzz target is one build of everything, so that its own source must do here.
builds_without_warnings() {
  local compiler=$1 build=$temporary/$1 test tests=()
  for test in t/unit/check_*.c; do
    [ ! -e "$test" ] || tests+=("$build/t/$(basename "$test" .c)")
  done
  run_make -k -j"$(nproc)" BUILD="$build" CC="$compiler" CFLAGS='-g -Werror' all "${tests[@]}" "$build/t/kolabd-crash"
}

fuzz_targets_compile() {
  local source status=0
  for source in t/fuzz/fuzz_*.c; do
    [ -e "$source" ] || { echo 'skipped: no fuzz targets'; return; }
    clang "${flags[@]}" -Werror -Wno-missing-prototypes -fsyntax-only "$source" || status=1
  done
  return "$status"
}

# daemon -> apply -> directory, imap, state -> plan -> policy -> model; nothing points back, and the pure ones do not wait.
includes_point_one_way() {
  awk '
    BEGIN {
      may["model"] = "model"
      may["policy"] = may["model"] " policy"
      may["plan"] = may["policy"] " plan"
      may["wait"] = "wait model"
      edge = may["plan"] " wait"
      may["directory"] = edge " directory"
      may["imap"] = edge " imap"
      may["state"] = edge " state"
      may["apply"] = edge " directory imap state apply"
      may["daemon"] = may["apply"] " daemon"
    }
    /^#include "/ {
      split(FILENAME, place, "/")
      split($2, target, /["\/]/)
      if (target[3] == "")
        next # beside the file itself
      if (!(place[2] in may)) {
        print FILENAME ": the folder " place[2] " has no layer"
        bad = 1
      } else if (index(" " may[place[2]] " ", " " target[2] " ") == 0) {
        print FILENAME ":" FNR ": " place[2] " may not include " $2
        bad = 1
      }
    }
    END { exit bad }' include/*/*.h src/*/*.[ch]
}

cppcheck_finds_nothing() {
  cppcheck -q -j "$(nproc)" --std=c11 --library=gtk,posix,gnu --enable=warning,performance,portability --inline-suppr \
    --error-exitcode=1 -Iinclude src t/lab/lib
}

manual_pages() {
  local pages=(docs/*.[58])
  [ -e "${pages[0]}" ] || { echo 'skipped: no manual pages'; return; }
  mandoc -T lint -W warning "${pages[@]}"
}

shell_scripts() {
  local scripts
  mapfile -t scripts < <(find .ci t etc systemd -type f \( -name '*.sh' -o -path .ci/run \) 2>/dev/null)
  shellcheck -x "${scripts[@]}"
}

python_scripts() {
  find t -name '*.py' -exec env PYTHONPYCACHEPREFIX="$temporary/pycache" /usr/bin/python3 -W error -m py_compile {} +
}

# A test that a document names as proof is there.
# shellcheck disable=SC2016
named_tests_exist() {
  local name missing=0
  while read -r name; do
    grep -rqs --include='*.py' --include='*.c' "\b$name\b" t || { echo "docs name $name, which is no test"; missing=1; }
  done < <(grep -hoE '`test_[a-z0-9_]+`' README.md docs/*.md | tr -d '`' | sort -u)
  return $missing
}

# As `make install` writes them, with the programs that were just built.
install_units() {
  local unit
  mkdir -p "$temporary/units"
  for unit in systemd/*.service systemd/*.timer; do
    [ -e "$unit" ] || continue
    sed "s#@SBINDIR@#$temporary/gcc#g; s#@SYSCONFDIR@#/etc#g" "$unit" > "$temporary/units/${unit##*/}"
  done
}

unit_files() {
  local units=("$temporary"/units/*)
  [ -e "${units[0]}" ] || { echo 'skipped: no unit files'; return; }
  command -v systemd-analyze > /dev/null || { echo 'skipped: no systemd-analyze'; return; }
  # It warns of an unknown setting and succeeds.
  systemd-analyze verify --man=no "${units[@]}" 2>&1 | tee "$temporary/verify"
  [ "${PIPESTATUS[0]}" = 0 ] && ! grep -q "^$temporary/units/" "$temporary/verify"
}

units_are_hardened() {
  local units=("$temporary"/units/*.service)
  [ -e "${units[0]}" ] || { echo 'skipped: no service units'; return; }
  command -v systemd-analyze > /dev/null || { echo 'skipped: no systemd-analyze'; return; }
  systemd-analyze security --no-pager --offline=true --threshold="$exposure_limit" "${units[@]}"
}

main() {
  local compiler
  mapfile -t flags < <(compiler_flags)
  for compiler in gcc clang; do
    check "each header compiles alone ($compiler)" headers_compile_alone "$compiler"
    check "builds without a warning ($compiler)" builds_without_warnings "$compiler"
  done
  check 'fuzz targets compile' fuzz_targets_compile
  check 'includes point one way between the layers' includes_point_one_way
  check 'cppcheck' cppcheck_finds_nothing
  check 'manual pages' manual_pages
  check 'tests that the documents name' named_tests_exist
  check 'shell scripts' shell_scripts
  check 'Python scripts' python_scripts
  install_units
  check 'unit files' unit_files
  check "exposure of the services is at most $exposure_limit of 100" units_are_hardened
  if [ ${#failed[@]} != 0 ]; then
    printf '\nlint: failed: %s\n' "${failed[*]}"
    exit 1
  fi
}

main
