/* crash_points.c - kills kolabd right after a step of its work; linked around kolabd's own objects (ld --wrap) into
 * $(BUILD)/t/kolabd-crash, for test_crash.py. kolabd itself has nothing of this.
 *
 * A step is what others can see: a commit to the state file, a write to the directory, a batch of commands that begins to be
 * sent to the IMAP server and changes something, the answer to each such command; and a batch that only asks. Each is a line of
 * the file $KOLABD_CRASH_STEPS; after the one with the number $KOLABD_CRASH_AT, counted from 1, the process is dead. */
#include "directory/directory.h"
#include "imap/connection.h"
#include "imap/session.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *data, char **message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *data, char **message);
bool __real_directory_write(Directory *directory, const char *dn, GPtrArray *steps, GError **error);
bool __wrap_directory_write(Directory *directory, const char *dn, GPtrArray *steps, GError **error);
bool __real_imap_session_run(ImapSession *session, GPtrArray *commands, GError **error);
bool __wrap_imap_session_run(ImapSession *session, GPtrArray *commands, GError **error);
void __real_imap_session_add(ImapSession *session, ImapCommand *command);
void __wrap_imap_session_add(ImapSession *session, ImapCommand *command);
bool __real_imap_session_advance(ImapSession *session, int wake_fd, GError **error);
bool __wrap_imap_session_advance(ImapSession *session, int wake_fd, GError **error);
Transfer __real_imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved);
Transfer __wrap_imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved);
bool __real_imap_reply_parse(const char *data, gsize len, ImapReply **reply, gsize *used, GError **error);
bool __wrap_imap_reply_parse(const char *data, gsize len, ImapReply **reply, gsize *used, GError **error);

/* What this thread has under way. */
static __thread GPtrArray *batch; /* of ImapCommand*; NULL: none */
static __thread guint answered;
static __thread char changed[256]; /* the tables that the transaction has changed */

/* The file is there to be read after the process is dead, so each line is written at once. */
static void note_step(const char *name)
{
    static int fd = -1;

    if (fd < 0)
        fd = open(g_getenv("KOLABD_CRASH_STEPS"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dprintf(fd, "%s\n", name) < 0)
        g_error("KOLABD_CRASH_STEPS cannot be written");
}

G_GNUC_PRINTF(1, 2)
static void take_step(const char *format, ...)
{
    static GMutex lock;
    static gint64 steps = 0;
    const char *at = g_getenv("KOLABD_CRASH_AT");
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    g_autofree char *name = NULL;
    va_list arguments;

    va_start(arguments, format);
    name = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    note_step(g_strdelimit(name, "\r\n", ' '));
    if (at != NULL && ++steps == g_ascii_strtoll(at, NULL, 10))
        kill(getpid(), SIGKILL);
}

/* --- the state file */

/* Adds the statement's first word that is no keyword. */
static void note_table(const char *sql)
{
    static const char *const keywords[] = {"INSERT", "INTO", "UPDATE", "OR", "REPLACE", "IGNORE", "DELETE", "FROM", "COMMIT",
                                           NULL};
    g_auto(GStrv) words = g_strsplit(sql, " ", 5);
    guint i = 0;

    while (words[i] != NULL && g_strv_contains(keywords, words[i]))
        i++;
    if (words[i] == NULL || strstr(changed, words[i]) != NULL)
        return;
    g_strlcat(changed, " ", sizeof changed);
    g_strlcat(changed, words[i], sizeof changed);
}

/* Outside of a transaction each statement is one. */
static void note_statement(sqlite3 *db, const char *sql)
{
    note_table(sql);
    if (!sqlite3_get_autocommit(db))
        return;
    take_step("commit%s", changed);
    changed[0] = '\0';
}

int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    int result = __real_sqlite3_step(statement);

    if (result == SQLITE_DONE && !sqlite3_stmt_readonly(statement))
        note_statement(sqlite3_db_handle(statement), sqlite3_sql(statement));
    return result;
}

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *data, char **message)
{
    int result = __real_sqlite3_exec(db, sql, row, data, message);

    if (g_str_has_prefix(sql, "BEGIN") || strcmp(sql, "ROLLBACK") == 0)
        changed[0] = '\0';
    else if (result == SQLITE_OK)
        note_statement(db, sql);
    return result;
}

/* --- the directory */

bool __wrap_directory_write(Directory *directory, const char *dn, GPtrArray *steps, GError **error)
{
    bool written = __real_directory_write(directory, dn, steps, error);

    if (written)
        take_step("modify %s", dn);
    return written;
}

/* --- the IMAP server */

static bool changes_something(const ImapCommand *command)
{
    static const char *const writes[] = {"CREATE ", "DELETE ", "DELETEACL ", "RENAME ", "SETACL ", "SETMETADATA ", "SETQUOTA ",
                                         "SUBSCRIBE ", NULL};

    for (guint i = 0; writes[i] != NULL; i++)
        if (g_str_has_prefix(command->line->str, writes[i]))
            return true;
    return false;
}

/* The first command that changes something; NULL: none. */
static const ImapCommand *find_change(const GPtrArray *commands)
{
    for (guint i = 0; commands != NULL && i < commands->len; i++)
        if (changes_something(g_ptr_array_index(commands, i)))
            return g_ptr_array_index(commands, i);
    return NULL;
}

bool __wrap_imap_session_run(ImapSession *session, GPtrArray *commands, GError **error)
{
    bool ran;

    batch = commands;
    answered = 0;
    ran = __real_imap_session_run(session, commands, error);
    batch = NULL;
    if (ran && commands->len > 0 && find_change(commands) == NULL)
        take_step("asked %s", ((const ImapCommand *)g_ptr_array_index(commands, 0))->line->str);
    return ran;
}

/* What a session has under way that several threads use in turn: of ImapCommand*, owned by nobody. */
static GPtrArray *find_open(ImapSession *session)
{
    static GMutex lock;
    static GHashTable *open_batches = NULL; /* ImapSession* -> GPtrArray*, for as long as the process lives */
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    GPtrArray *commands;

    if (open_batches == NULL)
        open_batches = g_hash_table_new(NULL, NULL);
    commands = g_hash_table_lookup(open_batches, session);
    if (commands == NULL) {
        commands = g_ptr_array_new();
        g_hash_table_insert(open_batches, session, commands);
    }
    return commands;
}

void __wrap_imap_session_add(ImapSession *session, ImapCommand *command)
{
    __real_imap_session_add(session, command);
    g_ptr_array_add(find_open(session), command);
}

bool __wrap_imap_session_advance(ImapSession *session, int wake_fd, GError **error)
{
    GPtrArray *commands = find_open(session);
    bool advanced;

    batch = commands;
    answered = 0;
    advanced = __real_imap_session_advance(session, wake_fd, error);
    batch = NULL;
    g_ptr_array_remove_range(commands, 0, advanced ? answered : commands->len);
    return advanced;
}

/* The server may have done none, some or all of it when we are gone. */
Transfer __wrap_imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved)
{
    Transfer transfer = __real_imap_connection_send(connection, data, len, moved);
    const ImapCommand *change = answered == 0 ? find_change(batch) : NULL;

    if (transfer == TRANSFER_MOVED && change != NULL)
        take_step("sent %s", change->line->str);
    return transfer;
}

bool __wrap_imap_reply_parse(const char *data, gsize len, ImapReply **reply, gsize *used, GError **error)
{
    bool parsed = __real_imap_reply_parse(data, len, reply, used, error);
    const ImapCommand *command;

    if (!parsed || *reply == NULL || (*reply)->kind != REPLY_TAGGED || batch == NULL || answered >= batch->len)
        return parsed;
    command = g_ptr_array_index(batch, answered++);
    if (changes_something(command))
        take_step("done %s", command->line->str);
    return parsed;
}
