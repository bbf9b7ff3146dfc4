#!/bin/bash
# slapd-down.sh BASE - stops the slapd of BASE; its data stays.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

lab_stop "$(readlink -f -m "$1")" TERM
