#!/bin/bash
# ca.sh DIRECTORY - makes a private certificate authority and one server certificate, unless they are there.
#   DIRECTORY/ca.pem, server.pem, server.key
# The certificate is for 127.0.0.1 and the example names, and on purpose not for "localhost": that is the wrong name
# for a test to try.
set -eu
directory=$1
[ ! -s "$directory/server.pem" ] || exit 0
mkdir -p "$directory"
chmod 755 "$directory"
cd "$directory"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -sha256 -days 3650 \
  -subj "/O=kolabd throw-away/CN=Authority of $(basename "$directory") $$" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr \
  -subj "/O=kolabd throw-away/CN=server" 2>/dev/null
cat > extensions <<X
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=IP:127.0.0.1,IP:::1,DNS:ldap.example.org,DNS:imap.example.org
X
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -sha256 -extfile extensions \
  -out server.new 2>/dev/null
chmod 644 ca.pem server.key server.new # the servers' users read the key; it protects nothing
chmod 600 ca.key
rm -f server.csr extensions
mv server.new server.pem
