/* fault.h - the one error domain: what failed, and what the queue does about it.
 *
 * The callee names what failed with its operands; a caller may put its place in front (g_prefix_error). */
#pragma once

#include <glib.h>

#define FAULT (fault_quark())
GQuark fault_quark(void);

typedef enum {
    FAULT_RETRY, /* may succeed later: connection lost, timeout, server busy */
    FAULT_PARK,  /* cannot succeed as it stands: NO, bad attribute; set aside and shown to the operator */
    FAULT_STOP,  /* nothing can succeed: configuration, credentials, unusable state file */
    FAULT_STATE, /* the state file cannot be used now: nobody's attempt is counted, and it is done again (daemon/shared) */
} Fault;

/* "retry", "park", "stop": as written to the state file. "state" is never written. */
const char *fault_name(Fault fault);

/* The fault of an error of ours; an error of another domain (a bug) counts as FAULT_PARK. */
Fault fault_of(const GError *error);

/* Shows bytes from outside inside a message: in double quotes, with control characters, quotes, backslashes and
 * bytes that are not UTF-8 as \xNN, cut after 80 bytes. The caller owns the result. */
char *fault_show(const char *data, gsize len);
/* Refuses a value of an attribute (UTF-8): sets FAULT_PARK with attribute, value (shown as above) and the rule it breaks, and
 * what to do. Returns false. */
bool fault_refuse_value(const char *attribute, const char *value, const char *rule, GError **error);

/* fault_show without the cut, for what a person asked to see whole. */
char *fault_show_all(const char *data, gsize len);
