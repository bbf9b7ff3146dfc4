#!/bin/bash
# imap-down.sh BASE - stops the Cyrus server of BASE with its sessions; its data stays.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

lab_stop "$(readlink -f -m "$1")" TERM # on SIGQUIT the master would wait for the sessions
