#include "imap/backends.h"

#include "imap/backend.h"
#include "imap/identity.h"
#include "model/fault.h"
#include "model/server_name.h"

/* What we have of a backend. */
typedef struct {
    GPtrArray *settings; /* of ImapSettings*, one an address */
    guint answered;      /* index of the address that answered last */
    ImapSession *admin;  /* NULL: none open */
    char *identity;      /* what the server there said it is at the last one; NULL: there was none */
} Place;

struct Backends {
    const ImapSettings *frontend;
    Gates *gates;
    Stop *stop;
    GHashTable *places; /* char* server -> Place* */
    bool died;
};

static void place_free(Place *place)
{
    g_clear_pointer(&place->admin, imap_session_close);
    g_ptr_array_unref(place->settings);
    g_free(place->identity);
    g_free(place);
}

Backends *backends_new(const ImapSettings *frontend, Gates *gates, Stop *stop)
{
    Backends *backends = g_new0(Backends, 1);

    backends->frontend = frontend;
    backends->gates = gates;
    backends->stop = stop;
    backends->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)place_free);
    return backends;
}

void backends_free(Backends *backends)
{
    if (backends == NULL)
        return;
    g_hash_table_unref(backends->places);
    g_free(backends);
}

static Place *find_place(Backends *backends, const char *server)
{
    Place *place = g_hash_table_lookup(backends->places, server);
    g_autoptr(GPtrArray) uris = NULL;

    if (place != NULL)
        return place;
    place = g_new0(Place, 1);
    place->settings = g_ptr_array_new_with_free_func((GDestroyNotify)imap_settings_free);
    uris = imap_backend_uris(backends->frontend, server);
    for (guint i = 0; i < uris->len; i++)
        g_ptr_array_add(place->settings, imap_backend_settings(backends->frontend, g_ptr_array_index(uris, i)));
    g_hash_table_insert(backends->places, g_strdup(server), place);
    return place;
}

static void add_problem(GString *problems, const GError *fault)
{
    g_string_append_printf(problems, "%s%s", problems->len > 0 ? "; " : "", fault->message);
}

/* Cyrus takes a server under another name for another server: moving a mailbox to the one that it is on locks it for ever. */
static ImapSession *open_one(const Backends *backends, const ImapSettings *settings, const char *server, const char *login,
                             GError **error)
{
    Gate *gate = login != NULL ? gates_find(backends->gates, server) : NULL;
    g_autoptr(ImapSession) session = imap_session_open_user(settings, gate, login, backends->stop, error);
    const char *name = session != NULL ? imap_session_server(session) : NULL;

    if (name == NULL || server_name_equal(name, server))
        return g_steal_pointer(&session);
    g_set_error(error, FAULT, FAULT_RETRY, "%s: the server there calls itself %s: imap.backends must name each server as its servername "
                "does", settings->uri, name);
    return NULL;
}

/* Tries its addresses. FAULT_STOP: it refuses the credentials; then the other addresses are not asked. */
static ImapSession *open_at(Backends *backends, const char *server, const char *login, GError **error)
{
    Place *place = find_place(backends, server);
    g_autoptr(GString) problems = g_string_new(NULL);
    Fault kind = FAULT_RETRY;

    for (guint i = 0; i < place->settings->len && kind == FAULT_RETRY && !stop_asked_now(backends->stop); i++) {
        guint at = (place->answered + i) % place->settings->len;
        g_autoptr(GError) fault = NULL;
        ImapSession *session = open_one(backends, g_ptr_array_index(place->settings, at), server, login, &fault);

        if (session != NULL) {
            place->answered = at;
            return session;
        }
        kind = fault_of(fault);
        add_problem(problems, fault);
    }
    g_set_error(error, FAULT, (int)kind, "backend %s: %s", server, problems->len > 0 ? problems->str : "stopped before it was asked");
    return NULL;
}

static ImapSession *open_admin(Backends *backends, const char *server, GError **error)
{
    g_autoptr(ImapSession) session = open_at(backends, server, NULL, error);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    Place *place = find_place(backends, server);

    g_ptr_array_add(commands, identity_command());
    if (session == NULL || !imap_session_run(session, commands, error))
        return NULL;
    g_free(place->identity);
    place->identity = identity_read(g_ptr_array_index(commands, 0));
    return g_steal_pointer(&session);
}

/* The frontend took the same name and password, so it is the backend that has to be mended, and the work can wait for that. */
bool backends_reach(Backends *backends, const char *server, GError **error)
{
    Place *place = find_place(backends, server);
    g_autoptr(GError) fault = NULL;

    if (place->admin != NULL && !imap_session_alive(place->admin))
        g_clear_pointer(&place->admin, imap_session_close);
    if (place->admin != NULL)
        return true;
    place->admin = open_admin(backends, server, &fault);
    if (place->admin != NULL)
        return true;
    g_set_error(error, FAULT, FAULT_RETRY, "%s%s", fault->message,
                fault_of(fault) == FAULT_STOP ? " (imap.admin_login must be an administrator of each backend, too)" : "");
    return false;
}

bool backends_run(Backends *backends, const char *server, GPtrArray *commands, GError **error)
{
    Place *place = find_place(backends, server);

    backends->died = false;
    if (!backends_reach(backends, server, error))
        return false;
    if (imap_session_run(place->admin, commands, error))
        return true;
    g_prefix_error(error, "backend %s: ", server);
    backends->died = imap_session_died(place->admin);
    g_clear_pointer(&place->admin, imap_session_close);
    return false;
}

ImapSession *backends_open_user(Backends *backends, const char *server, const char *login, GError **error)
{
    g_autoptr(GError) fault = NULL;
    ImapSession *session = open_at(backends, server, login, &fault);

    if (session != NULL)
        return session;
    if (fault_of(fault) != FAULT_STOP) {
        g_propagate_error(error, g_steal_pointer(&fault));
        return NULL;
    }
    /* Is it this user, or all of us? A login of our own tells, not a session that may have begun long ago; and after it the user's is
     * tried again, since all may be well by then. */
    g_clear_pointer(&find_place(backends, server)->admin, imap_session_close);
    if (!backends_reach(backends, server, error))
        return NULL;
    g_clear_error(&fault);
    session = open_at(backends, server, login, &fault);
    if (session == NULL)
        g_set_error_literal(error, FAULT, fault_of(fault) == FAULT_STOP ? FAULT_PARK : (int)fault_of(fault), fault->message);
    return session;
}

const char *backends_identity(const Backends *backends, const char *server)
{
    const Place *place = g_hash_table_lookup(backends->places, server);

    return place != NULL ? place->identity : NULL;
}

bool backends_died(const Backends *backends)
{
    return backends->died;
}

void backends_rest(Backends *backends)
{
    GHashTableIter iter;
    gpointer place;

    g_hash_table_iter_init(&iter, backends->places);
    while (g_hash_table_iter_next(&iter, NULL, &place))
        g_clear_pointer(&((Place *)place)->admin, imap_session_close);
}
