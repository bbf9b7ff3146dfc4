#!/bin/bash
# hang.sh BASE [resume] - makes the server of BASE hang, with all its processes: it takes connections and answers nobody; or
# lets it go on.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

pid=$(cat "$1/pid") || exit 1
lab_alive "$pid" || lab_die "the server of $1 is dead"
case ${2:-} in
  '') kill -s STOP -- "-$pid" ;;
  resume) kill -s CONT -- "-$pid" ;;
  *) lab_die 'usage: hang.sh BASE [resume]' ;;
esac
