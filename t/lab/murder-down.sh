#!/bin/bash
# murder-down.sh BASE [PART...] - stops the murder of BASE, or these parts of it, also when they hang; their data stays.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

base=$(readlink -f -m "$1")
shift
if [ $# = 0 ]; then
  for directory in "$base"/{frontend,frontend2,backend1,backend2,mupdate}; do
    [ ! -d "$directory" ] || set -- "$@" "${directory##*/}"
  done
fi
for part in "$@"; do lab_stop "$base/$part" TERM & done
wait
