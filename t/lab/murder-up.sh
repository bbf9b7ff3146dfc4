#!/bin/bash
# murder-up.sh BASE [PART...] - starts a private Cyrus murder with everything it writes in BASE; when BASE was used before, what of
# it does not run (or of the parts named) again, as it was. murder-down.sh BASE [PART...] stops it, hang.sh BASE/PART
# makes a part hang. BASE/env says which parts there are, BASE/PART/env how to talk to each, as after imap-up.sh.
# Parts: mupdate (the master of the list of mailboxes), frontend, backend1, backend2, and with MURDER_FRONTENDS=2 frontend2.
# Each has a loopback address of its own and the standard ports, so that a server's name, which is its address, has no
# port in it; 127.X.Y.11 to .19 are free for a test to listen on, and the certificate is for them, too.
# Administrators are cyrus-admin and lab-admin, as in imap-up.sh; the parts log in to each other as cyrus-murder.
# Environment:
#   CA_DIRECTORY          a directory for ca.sh, to share one authority (BASE/ca)
#   MURDER_FRONTENDS=2    a second frontend
#   MURDER_NAMES=1        servers are called backend1.example.org and so on, which only they themselves can resolve
#   MURDER_PARTITIONS     of each backend; the first one is the default ("default archive fast")
#   MURDER_RETRY_S        seconds after which a frontend asks for a lost mupdate master again (2; Cyrus has 20, and dies of 1)
#   MURDER_EXTRA MURDER_FRONTEND_EXTRA MURDER_BACKEND_EXTRA   files with more lines for imapd.conf
#   IMAP_TELEMETRY LAB_FIX_4611 LAB_CHOOSES LAB_SYNC          as in imap-up.sh
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"
# shellcheck source=lib/cyrus.sh
. "$lab_dir/cyrus.sh"

[ $# -ge 1 ] || lab_die 'usage: murder-up.sh BASE [PART...]'
base=$(readlink -f -m "$1")
shift
ca=${CA_DIRECTORY:-$base/ca}
read -r -a partitions <<< "${MURDER_PARTITIONS:-default archive fast}"
parts=(mupdate frontend backend1 backend2)
[ "${MURDER_FRONTENDS:-1}" = 1 ] || parts+=(frontend2)

# Prints the first bytes of a network of ours, 127.X.Y: nobody has our ports there.
choose_network() {
  /usr/bin/python3 - <<'PY'
import random, socket, sys
for _ in range(50):
    network = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"
    try:
        for host in range(1, 6):
            for port in (143, 993, 3905):
                socket.create_server((f"{network}.{host}", port)).close()
    except PermissionError:
        sys.exit("a murder needs the ports 143 and 993: be root, or sysctl net.ipv4.ip_unprivileged_port_start=143")
    except OSError:
        continue
    print(network)
    break
PY
}

address() {
  case $1 in
    mupdate) echo "$network.1" ;;
    frontend) echo "$network.2" ;;
    frontend2) echo "$network.3" ;;
    backend1) echo "$network.4" ;;
    backend2) echo "$network.5" ;;
  esac
}

server_name() {
  if [ "${MURDER_NAMES:-0}" = 1 ]; then echo "$1.example.org"; else address "$1"; fi
}

# For the parts to know each other, and for the list of the backends.
joins_murder() {
  cat << X
mupdate_server: $(server_name mupdate):3905
mupdate_authname: cyrus-murder
mupdate_username: cyrus-murder
mupdate_password: $lab_password
mupdate_retry_delay: ${MURDER_RETRY_S:-2}
mupdate_config: standard
proxy_authname: cyrus-murder
proxy_password: $lab_password
force_sasl_client_mech: PLAIN
X
}

extra() {
  [ -z "$1" ] || cat "$1"
}

write_imapd_conf() {
  local part=$1 dir=$base/$1
  cyrus_common_conf "$dir" "$(server_name "$part")" "$ca/murder-$network"
  extra "${MURDER_EXTRA:-}"
  case $part in
    mupdate)
      cat << X
admins: cyrus-murder
allowplaintext: yes
partition-default: $dir/spool/default
X
      ;;
    frontend*)
      joins_murder
      cat << X
admins: $cyrus_admins
allowplaintext: no
serverlist: $(server_name backend1) $(server_name backend2)
proxyd_disable_mailbox_referrals: 1
X
      extra "${MURDER_FRONTEND_EXTRA:-}"
      ;;
    backend*)
      joins_murder
      # A move makes a backend log in to the other one as cyrus-murder itself.
      cat << X
admins: $cyrus_admins cyrus-murder
proxyservers: cyrus-murder
allowplaintext: yes
$(cyrus_store_conf "$dir" "${partitions[@]}")
X
      extra "${MURDER_BACKEND_EXTRA:-}"
      ;;
  esac
}

write_cyrus_conf() {
  local c="-C $base/$1/etc/imapd.conf" at imap
  at=$(address "$1")
  imap="imap  cmd=\"imapd $c\"    listen=\"$at:143\" proto=\"tcp4\" prefork=1 maxchild=200
  imaps cmd=\"imapd $c -s\" listen=\"$at:993\" proto=\"tcp4\" prefork=1 maxchild=200"
  case $1 in
    mupdate) set -- '' "mupdate cmd=\"mupdate $c -m\" listen=\"$at:3905\" proto=\"tcp4\" prefork=1" ;;
    # Its mupdate copies the master's list.
    frontend*) set -- '' "mupdate cmd=\"mupdate $c\" listen=\"$at:3905\" proto=\"tcp4\" prefork=1
  $imap" ;;
    backend*) set -- "push cmd=\"ctl_mboxlist $c -m\"" "$imap" ;;
  esac
  cat << X
START {
  recover cmd="ctl_cyrusdb $c -r"
  $1
}
SERVICES {
  $2
}
EVENTS {
  checkpoint cmd="ctl_cyrusdb $c -c" period=30
}
X
}

create_part() {
  local part=$1 dir=$base/$1 hosts='' other user
  cyrus_directories "$dir" "${partitions[@]}"
  cyrus_write_annotations "$dir"
  write_imapd_conf "$part" > "$dir/etc/imapd.conf"
  write_cyrus_conf "$part" > "$dir/etc/cyrus.conf"
  for user in $cyrus_admins cyrus-murder; do cyrus_password "$dir" "$(server_name "$part")" "$user"; done
  # shellcheck disable=SC2086
  cyrus_watch "$dir" ${IMAP_TELEMETRY:-cyrus-admin}
  for other in "${parts[@]}"; do hosts+="$(server_name "$other")=$(address "$other"),"; done
  cp "$base/logshim.so" "$dir/"
  cyrus_write_shim "$dir" LAB_HOSTS="$hosts"
  lab_write_env "$dir" IMAP_HOST "$(address "$part")" IMAP_PORT 143 IMAPS_PORT 993 IMAP_URI "imap://$(address "$part")" \
    IMAPS_URI "imaps://$(address "$part")" CA_FILE "$ca/ca.pem" IMAP_ADMIN cyrus-admin IMAP_LAB_ADMIN lab-admin \
    PASSWORD "$lab_password" IMAP_TELEMETRY "$dir/conf/log" IMAP_SYSLOG "$dir/log/syslog" IMAP_SERVER "$(server_name "$part")"
}

create() {
  local part n subjects=()
  mkdir -p "$base"
  chmod 755 "$base"
  network=$(choose_network)
  [ -n "$network" ] || lab_die 'no free loopback network'
  for n in 1 2 3 4 5 11 12 13 14 15 16 17 18 19; do subjects+=("IP:$network.$n"); done
  for part in "${parts[@]}"; do subjects+=("DNS:$part.example.org"); done
  "$lab_dir/../ca.sh" "$ca" "murder-$network" "${subjects[@]}"
  gcc -O2 -shared -fPIC -o "$base/logshim.so" "$lab_dir/logshim.c" -ldl
  for part in "${parts[@]}"; do create_part "$part" & done
  wait
  lab_write_env "$base" MURDER_NETWORK "$network" MURDER_PARTS "${parts[*]}"
}

start_part() {
  cyrus_start "$base/$1" || lab_die "$1 does not start: $(tail -n 5 "$base/$1/log/start.out" "$base/$1/log/syslog")"
}

running() {
  local pid
  pid=$(cat "$base/$1/pid" 2>/dev/null) && lab_alive "$pid"
}

# All at once, but for the master, which the others want to talk to as they start.
start() {
  local part pids=()
  for part in "$@"; do
    if running "$part"; then continue; fi
    if [ "$part" = mupdate ]; then
      start_part "$part"
    else
      start_part "$part" &
      pids+=($!)
    fi
  done
  for part in "${pids[@]}"; do wait "$part" || exit 1; done
}

[ -f "$base/env" ] || create
# shellcheck source=/dev/null
. "$base/env"
read -r -a parts <<< "$MURDER_PARTS"
[ $# != 0 ] || set -- "${parts[@]}"
start "$@"
