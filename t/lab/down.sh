#!/bin/bash
# down.sh DIRECTORY - stops everything that the lab started below a directory (kolabd, the servers), and removes it.
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

directory=$(readlink -f -m "$1")
case ${directory##*/} in
  kolabd-*) ;;
  *) lab_die "$directory is not a directory of the lab (kolabd-...)" ;;
esac
[ ! -d "$directory/kolabd" ] || lab_stop "$directory/kolabd" TERM
for server in ds imap murder slapd; do
  for base in "$directory/$server" "$directory/$server"-*; do # a second one of a kind has a name behind it
    [ ! -d "$base" ] || "$lab_dir/../$server-down.sh" "$base"
  done
done
rm -rf "$directory"
