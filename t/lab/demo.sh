#!/bin/bash
# demo.sh - shows kolabd at work on a real 389 Directory Server and a real Cyrus IMAP server, both made for the purpose.
# Environment: BUILD (where kolabd and kolabctl are; "build"), KEEP=1 (leave everything up, and tell how to talk to it).
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

lab=$(readlink -f "$lab_dir/..")
build=$(readlink -f "${BUILD:-build}")
people_dn=ou=People,dc=example,dc=org
step='preparing'
directory=
keep=${KEEP:-}

title() {
  step=$1
  printf '\n== %s\n' "$1"
}

# On any way out. What was being done is told when it failed, and the end of each log.
finish() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [ "$status" -ge 128 ]; then
    printf '\ndemo: interrupted; stopping everything\n' >&2
  elif [ "$status" != 0 ]; then
    printf '\ndemo: FAILED at: %s\n' "$step" >&2
    show_logs >&2
  fi
  if [ -n "$directory" ] && { [ "$status" != 0 ] || [ -z "$keep" ]; }; then
    "$lab/down.sh" "$directory"
    [ "$status" != 0 ] || printf '\nStopped; %s is removed.\n' "$directory"
  fi
  exit "$status"
}

show_logs() {
  local log
  for log in "$directory"/{kolabd/log/start.out,ds/log/errors,imap/log/syslog}; do
    [ -s "$log" ] || continue
    printf -- '--- the end of %s:\n' "$log"
    tail -n 15 "$log"
  done
}

start_servers() {
  title 'Starting 389 Directory Server and Cyrus IMAP with a certificate authority made now'
  directory=$(lab_make_directory kolabd-demo)
  export CA_DIRECTORY=$directory/ca
  "$lab/ds-up.sh" "$directory/ds"
  "$lab/imap-up.sh" "$directory/imap"
  # shellcheck source=/dev/null
  . "$directory/ds/env"
  # shellcheck source=/dev/null
  . "$directory/imap/env"
  export LDAPTLS_CACERT=$CA_FILE
  printf '%s\n' "$LDAPS_URI" "$IMAPS_URI" "everything in $directory"
}

as_manager() {
  local tool=$1
  shift
  "$tool" -x -H "$LDAPS_URI" -D "$ROOT_DN" -w "$PASSWORD" "$@"
}

write_config() {
  mkdir -p "$directory/kolabd/log"
  (umask 077 && printf '%s\n' "$PASSWORD" > "$directory/kolabd/secret")
  cat > "$directory/kolabd/kolabd.yaml" << X
state_file: $directory/kolabd/state.db
ldap:
  uri: $LDAPS_URI
  bind_dn: $SERVICE_DN
  bind_password_file: $directory/kolabd/secret
  ca_file: $CA_FILE
imap:
  uri: $IMAPS_URI
  admin_login: $IMAP_ADMIN
  admin_password_file: $directory/kolabd/secret
  ca_file: $CA_FILE
quota:
  default: 1048576
domains:
  example.org:
    base_dn: $BASE_DN
X
}

# The state, as anybody with the sqlite3 shell sees it. A daemon at its start has not made it yet.
query() {
  sqlite3 -readonly -cmd '.timeout 2000' "$@"
}

finished() {
  query "$directory/kolabd/state.db" 'SELECT count(*) FROM mailboxes' 2>/dev/null || echo 0
}

# wait_finished NUMBER: until so many mailboxes are finished, that is, all their folders made and the entry recorded.
wait_finished() {
  local deadline=$((SECONDS + 60))
  until [ "$(finished)" -ge "$1" ]; do
    lab_alive "$(cat "$directory/kolabd/pid")" || lab_die 'kolabd has ended'
    [ "$SECONDS" -lt "$deadline" ] || lab_die "$(finished) of $1 mailboxes are finished after 60 seconds"
    sleep 0.01
  done
}

add_sixth() {
  local begin end
  begin=$(date +%s%N)
  as_manager ldapadd > /dev/null << X
dn: uid=zangstroem,$people_dn
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: inetOrgPerson
objectClass: mailRecipient
objectClass: kolabInetOrgPerson
uid: zangstroem
givenName:: $(printf 'Zoë' | base64)
sn:: $(printf 'Ångström' | base64)
cn:: $(printf 'Zoë Ångström' | base64)
preferredLanguage: sv_SE
X
  wait_finished 6
  end=$(date +%s%N)
  printf 'from ldapadd (its start) to the finished mailbox: %d ms\n' $(((end - begin) / 1000000))
}

mail_of() {
  as_manager ldapsearch -LLL -o ldif_wrap=no -b "uid=$1,$people_dn" -s base mail | sed -n 's/^mail: //p'
}

show_person() {
  local mail
  printf -- '\n-- %s\n' "$1"
  # In LDIF what is not ASCII comes as base64: here only what kolabd wrote, which is ASCII.
  as_manager ldapsearch -LLL -o ldif_wrap=no -b "uid=$1,$people_dn" -s base mail alias mailHost mailQuota | sed '/^$/d; s/^/  /'
  mail=$(mail_of "$1")
  [ -n "$mail" ] || lab_die "$1 has no mail attribute"
  "$lab/show.py" "$directory/imap/env" "$mail"
}

show_state() {
  local view rows
  for view in status mailboxes problems; do
    printf -- '\n-- sqlite3 state.db "SELECT * FROM %s"\n' "$view"
    rows=$(query -header -column "$directory/kolabd/state.db" "SELECT * FROM $view")
    printf '%s\n' "${rows:-(none)}"
  done
  printf -- '\n-- kolabctl status\n'
  "$build/kolabctl" --config "$directory/kolabd/kolabd.yaml" status
}

tell_how() {
  cat << X

Everything is still up. To talk to it:

  export LDAPTLS_CACERT=$CA_FILE
  ldapsearch -x -H $LDAPS_URI -D '$ROOT_DN' -w $PASSWORD -b $people_dn '(uid=*)' mail alias mailHost mailQuota
  ldapmodify -x -H $LDAPS_URI -D '$ROOT_DN' -w $PASSWORD      # and watch the log
  openssl s_client -quiet -crlf -CAfile $CA_FILE -connect $IMAP_HOST:$IMAPS_PORT      # a LOGIN $IMAP_ADMIN $PASSWORD
  $lab/show.py $directory/imap/env $(mail_of moconnor)
  sqlite3 -readonly -header -column $directory/kolabd/state.db 'SELECT * FROM mailboxes'
  $build/kolabctl --config $directory/kolabd/kolabd.yaml status
  tail -f $directory/kolabd/log/start.out      # kolabd, process $(cat "$directory/kolabd/pid")

To stop it all and remove it:

  $lab/down.sh $directory
X
}

main() {
  local program uid
  for program in kolabd kolabctl; do
    [ -x "$build/$program" ] || lab_die "$build/$program does not exist: run 'make all' first"
  done
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  start_servers

  title 'Adding five people without a mail address'
  as_manager ldapadd -f "$lab/demo-people.ldif" | sed '/^$/d'

  title 'Starting kolabd; it brings the five in order'
  write_config
  lab_start "$directory/kolabd" true "$build/kolabd" --config "$directory/kolabd/kolabd.yaml"
  wait_finished 5
  echo 'five mailboxes are finished'

  title 'Adding a sixth person with ldapadd while kolabd runs'
  add_sixth

  title 'What kolabd wrote to LDAP, and what an independent IMAP client finds'
  for uid in aschmidt aschmidt2 jweissbaecker moconnor lzdzblo zangstroem; do show_person "$uid"; done

  title 'The state'
  show_state
  [ -z "$keep" ] || tell_how
}

main
