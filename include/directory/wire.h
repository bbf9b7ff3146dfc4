/* wire.h - the octets under libldap: no wait for them is without end. Private to this folder.
 *
 * libldap waits for ever where it needs more octets than have come: in the TLS handshake, and in a TLS record of which the
 * rest does not come. Under a wire both end, and when the daemon stops. */
#pragma once

#include "wait/wait.h"

#include <glib.h>
#include <ldap.h>

typedef struct {
    struct ldap_conncb hooks; /* libldap's */
    Stop *stop;
    gint64 timeout_us;       /* a write waits as long for room */
    gint64 patient_until_us; /* until then a read waits for octets; later it says that there are none */
    bool late;               /* a read or write has waited in vain */
} Wire;

/* Puts itself under each connection that `ldap` makes from now on. `wire` must outlive `ldap`. Gives libldap's result. */
int wire_attach(Wire *wire, LDAP *ldap, gint64 timeout_us, Stop *stop);
