/* connection.h - connecting to an LDAP server, and one operation's wait. Private to this folder. */
#pragma once

#include "directory/directory.h"
#include "directory/wire.h"
#include "model/fault.h"
#include "wait/wait.h"

#include <glib.h>
#include <ldap.h>
#include <poll.h>

static inline void ldap_message_free(LDAPMessage *message)
{
    if (message != NULL)
        ldap_msgfree(message);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LDAPMessage, ldap_message_free)

typedef struct {
    const DirectorySettings *settings;
    Stop *stop;
    LDAP *ldap; /* NULL: not connected */
    guint sessions; /* that were opened so far */
    Wire wire;
} Connection;

void connection_init(Connection *connection, const DirectorySettings *settings, Stop *stop);
void connection_close(Connection *connection);

/* Connects, does StartTLS and binds, unless that is done. Faults as directory_connect. */
bool connection_open(Connection *connection, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Waits for the answer to operation `id` (`all` as in ldap_result). *message is owned by the caller. FAULT_RETRY, and the
 * connection is closed, on time-out, loss, and when the daemon stops. */
bool connection_wait(Connection *connection, int id, int all, const char *operation, LDAPMessage **message,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Sets the error for the result of an operation and closes the connection where the result says that it is of no use any more.
 * Returns false. */
bool connection_fail(Connection *connection, Fault fault, const char *operation, int result, GError **error);

/* "URI: operation: result's name: the server's own text". */
void connection_set_error(GError **error, Fault fault, const Connection *connection, const char *operation, int result,
                          const char *server_text);

/* Makes an entry of a search result. Without `unique_id_attribute` its DN is its unique id. NULL with FAULT_RETRY when its unique id cannot be read. Owned by the caller. */
Entry *connection_make_entry(Connection *connection, LDAPMessage *message, const char *unique_id_attribute, EntryKind kind,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Sends a search, no limits of ours. `attributes` is NULL-terminated. */
bool connection_send_search(Connection *connection, const char *base_dn, int scope, const char *filter,
                            const char *const *attributes, LDAPControl **controls, int *id,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What an operator can do about a result of a search; NULL: nothing that we know of. */
const char *connection_advice(int result);

/* Waits for the whole answer to a search; FAULT_RETRY unless its result is success: a cut answer is no answer. */
bool connection_wait_search(Connection *connection, int id, const char *base_dn, LDAPMessage **message,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether an answer shows all that there is: FAULT_RETRY when it has a reference, which says that a part of the tree is on another
 * server. Nobody follows it. */
bool connection_check_whole(Connection *connection, const char *base_dn, LDAPMessage *message,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether an entry that was found has a value, without regard to case. */
bool connection_has_value(LDAP *ldap, LDAPMessage *entry, const char *attribute, const char *value);

/* Reads all entries of one kind of a domain page by page; as directory_sweep. Closes the connection when it breaks off. */
bool connection_sweep(Connection *connection, const DomainSettings *domain, EntryKind kind, const char *const *attributes,
                      DirectoryVisit visit, gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
