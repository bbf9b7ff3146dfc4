#!/bin/bash
# ds-down.sh BASE [gently] - stops the 389 Directory Server of BASE; its data stays. An orderly stop takes seconds, and
# nobody needs it for a server that is thrown away.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

base=$(readlink -f -m "$1")
lab_stop "$base" "$([ "${2:-}" = gently ] && echo TERM || echo KILL)"
# The next server would believe a zombie of this one, where nobody collects it, to be alive.
rm -f "$base/run/ns-slapd.pid" "$base"/lock/server/*
for config in "$base"/slapd-*; do
  rm -f "/dev/shm/sem.${config##*/}.stats" # all that it leaves outside BASE
done
