#!/bin/bash
# ca.sh DIRECTORY [NAME SUBJECT...] - makes a private certificate authority and a server certificate, unless they are there.
#   DIRECTORY/ca.pem, NAME.pem, NAME.key
# NAME is "server" when it is not given, and SUBJECT (IP:address, DNS:name) 127.0.0.1 and the example names: on purpose not
# "localhost", which is the wrong name for a test to try.
set -eu
directory=$1
name=${2:-server}
shift $(($# < 2 ? $# : 2))
[ $# != 0 ] || set -- IP:127.0.0.1 IP:::1 DNS:ldap.example.org DNS:imap.example.org
[ ! -s "$directory/$name.pem" ] || exit 0
mkdir -p "$directory"
chmod 755 "$directory"
cd "$directory"

make_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -sha256 -days 3650 \
    -subj "/O=kolabd throw-away/CN=Authority of $(basename "$directory") $$" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  chmod 644 ca.pem
  chmod 600 ca.key
}

make_certificate() {
  local subjects=$*
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -out "$name.csr" \
    -subj "/O=kolabd throw-away/CN=$name" 2>/dev/null
  cat > "$name.extensions" <<X
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=${subjects// /,}
X
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -sha256 \
    -extfile "$name.extensions" -out "$name.new" 2>/dev/null
  chmod 644 "$name.key" "$name.new" # the servers' users read the key; it protects nothing
  rm -f "$name.csr" "$name.extensions"
  mv "$name.new" "$name.pem"
}

[ -s ca.pem ] || make_authority
make_certificate "$@"
