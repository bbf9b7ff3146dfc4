#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/backends.h"
#include "imap/capability.h"
#include "imap/identity.h"
#include "model/fault.h"

struct Mailstore {
    const ImapSettings *settings;
    Creator *creator;         /* NULL: no other one makes mailboxes */
    Gates *gates;             /* NULL: none */
    Stop *stop;
    char *server;             /* what the server says it is; known while connected */
    bool died;                /* the last failure looked like the death of the administrator's imapd */
    ImapSession *admin;       /* NULL: not connected */
    Namespace admin_names;    /* how the administrator writes names; known while connected */
    Capability offered;       /* known while connected */
    Backends *backends;
    char *culprit;            /* the backend that the work since mailstore_begin failed for; NULL: none */
    char *reached;            /* the backend that answered last in it; NULL: none */
    bool user_names_known;
    Namespace user_names;     /* how users write theirs: the same for all of them */
};

Mailstore *mailstore_new(const ImapSettings *settings, Creator *creator, Gates *gates, Stop *stop)
{
    Mailstore *mailstore = g_new0(Mailstore, 1);

    mailstore->settings = settings;
    mailstore->creator = creator;
    mailstore->gates = gates;
    mailstore->stop = stop;
    mailstore->backends = backends_new(settings, gates, stop);
    return mailstore;
}

void mailstore_free(Mailstore *mailstore)
{
    if (mailstore == NULL)
        return;
    g_clear_pointer(&mailstore->admin, imap_session_close);
    backends_free(mailstore->backends);
    namespace_clear(&mailstore->user_names);
    namespace_clear(&mailstore->admin_names);
    g_free(mailstore->culprit);
    g_free(mailstore->reached);
    g_free(mailstore->server);
    g_free(mailstore);
}

/* Asks a new session as administrator all that is to be known of the server. */
static bool get_acquainted(Mailstore *mailstore, ImapSession *session, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    ImapCommand *names = namespace_command(), *identity = identity_command(), *capability = capability_command();

    g_ptr_array_add(commands, names);
    g_ptr_array_add(commands, identity);
    g_ptr_array_add(commands, capability);
    if (!imap_session_run(session, commands, error)
        || !namespace_read(names, mailstore->settings->uri, true, &mailstore->admin_names, error))
        return false;
    g_free(mailstore->server);
    mailstore->server = identity_read(identity);
    mailstore->user_names_known = false; /* it may be configured anew */
    mailstore->offered = capability_read(capability);
    return true;
}

bool mailstore_connect(Mailstore *mailstore, bool *anew, GError **error)
{
    g_autoptr(ImapSession) session = NULL;

    mailstore->died = false;
    if (mailstore->admin != NULL && !imap_session_alive(mailstore->admin))
        g_clear_pointer(&mailstore->admin, imap_session_close);
    if (anew != NULL)
        *anew = mailstore->admin == NULL;
    if (mailstore->admin != NULL)
        return true;
    session = imap_session_open(mailstore->settings, NULL, mailstore->stop, error);
    if (session == NULL || !get_acquainted(mailstore, session, error))
        return false;
    mailstore->admin = g_steal_pointer(&session);
    return true;
}

/* Runs commands as the administrator; a session that failed is of no use any more. */
bool mailstore_run_admin(Mailstore *mailstore, GPtrArray *commands, GError **error)
{
    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    if (imap_session_run(mailstore->admin, commands, error))
        return true;
    mailstore->died = imap_session_died(mailstore->admin);
    g_clear_pointer(&mailstore->admin, imap_session_close);
    return false;
}

void mailstore_blame(Mailstore *mailstore, const char *server)
{
    g_free(mailstore->culprit);
    mailstore->culprit = g_strdup(server);
}

static void note_reached(Mailstore *mailstore, const char *server)
{
    if (g_strcmp0(mailstore->reached, server) == 0)
        return;
    g_free(mailstore->reached);
    mailstore->reached = g_strdup(server);
}

bool mailstore_reach(Mailstore *mailstore, const char *server, GError **error)
{
    if (backends_reach(mailstore->backends, server, error)) {
        note_reached(mailstore, server);
        return true;
    }
    mailstore_blame(mailstore, server);
    return false;
}

bool mailstore_run_at(Mailstore *mailstore, const char *server, GPtrArray *commands, GError **error)
{
    bool ran;

    if (server == NULL)
        return mailstore_run_admin(mailstore, commands, error);
    ran = backends_run(mailstore->backends, server, commands, error);
    mailstore->died = !ran && backends_died(mailstore->backends);
    if (ran)
        note_reached(mailstore, server);
    else
        mailstore_blame(mailstore, server);
    return ran;
}

/* That a session which acts for a user fails concerns this user alone when the administrator's own login was accepted just before:
 * not when the session began that may have lasted for days, and not after the failure, when all may be well again. */
static ImapSession *open_user(Mailstore *mailstore, const char *login, GError **error)
{
    g_autoptr(GError) problem = NULL;
    Gate *gate = gates_find(mailstore->gates, NULL);
    ImapSession *session = imap_session_open_user(mailstore->settings, gate, login, mailstore->stop, &problem);

    if (session != NULL)
        return session;
    g_clear_pointer(&mailstore->admin, imap_session_close);
    if (!mailstore_connect(mailstore, NULL, error))
        return NULL;
    g_clear_error(&problem);
    session = imap_session_open_user(mailstore->settings, gate, login, mailstore->stop, &problem);
    if (session == NULL)
        g_set_error_literal(error, FAULT, fault_of(problem) == FAULT_STOP ? FAULT_PARK : (int)fault_of(problem), problem->message);
    return session;
}

static ImapSession *open_user_at(Mailstore *mailstore, const char *server, const char *login, GError **error)
{
    g_autoptr(GError) problem = NULL;
    ImapSession *session = backends_open_user(mailstore->backends, server, login, &problem);

    if (session != NULL) {
        note_reached(mailstore, server);
        return session;
    }
    if (fault_of(problem) == FAULT_RETRY)
        mailstore_blame(mailstore, server);
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

static bool learn_user_names(Mailstore *mailstore, ImapSession *session, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    g_ptr_array_add(commands, namespace_command());
    mailstore->user_names_known =
        imap_session_run(session, commands, error)
        && namespace_read(g_ptr_array_index(commands, 0), mailstore->settings->uri, false, &mailstore->user_names, error);
    return mailstore->user_names_known;
}

ImapSession *mailstore_open_user(Mailstore *mailstore, const char *server, const char *login, GError **error)
{
    g_autoptr(ImapSession) session = NULL;

    if (!mailstore_connect(mailstore, NULL, error))
        return NULL;
    session = server == NULL ? open_user(mailstore, login, error) : open_user_at(mailstore, server, login, error);
    if (session == NULL || (!mailstore->user_names_known && !learn_user_names(mailstore, session, error)))
        return NULL;
    return g_steal_pointer(&session);
}

const Namespace *mailstore_admin_names(const Mailstore *mailstore)
{
    return &mailstore->admin_names;
}

const Namespace *mailstore_user_names(const Mailstore *mailstore)
{
    return &mailstore->user_names;
}

bool mailstore_lists_metadata(const Mailstore *mailstore)
{
    return mailstore->offered.list_metadata;
}

bool mailstore_takes_special_use(const Mailstore *mailstore)
{
    return mailstore->offered.special_use;
}

Creator *mailstore_creator(const Mailstore *mailstore)
{
    return mailstore->creator;
}

const ImapSettings *mailstore_settings(const Mailstore *mailstore)
{
    return mailstore->settings;
}

const char *mailstore_server(const Mailstore *mailstore, const char *backend)
{
    return backend == NULL ? mailstore->server : backends_identity(mailstore->backends, backend);
}

bool mailstore_is_murder(const Mailstore *mailstore)
{
    return mailstore->offered.murder;
}

const char *mailstore_culprit(const Mailstore *mailstore)
{
    return mailstore->culprit;
}

const char *mailstore_reached(const Mailstore *mailstore)
{
    return mailstore->reached;
}

void mailstore_begin(Mailstore *mailstore)
{
    mailstore_blame(mailstore, NULL);
    note_reached(mailstore, NULL);
}

void mailstore_rest(Mailstore *mailstore)
{
    backends_rest(mailstore->backends);
}

bool mailstore_died(const Mailstore *mailstore)
{
    return mailstore->died;
}
