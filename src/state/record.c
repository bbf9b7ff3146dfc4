#include "state/outcome.h"

#include "model/account.h"
#include "model/fault.h"
#include "plan/print.h"

#include <string.h>

Record *record_new(const char *domain, const char *unique_id)
{
    Record *record = g_new0(Record, 1);

    record->domain = g_strdup(domain);
    record->unique_id = g_strdup(unique_id);
    record->quota_kib = QUOTA_ANY;
    record->aliases = g_ptr_array_new_with_free_func(g_free);
    record->folders = g_ptr_array_new_with_free_func(g_free);
    record->identifiers = g_ptr_array_new_with_free_func(g_free);
    record->acl = g_ptr_array_new_with_free_func(g_free);
    return record;
}

void record_free(Record *record)
{
    if (record == NULL)
        return;
    g_free(record->domain);
    g_free(record->unique_id);
    g_free(record->kind);
    g_free(record->dn);
    g_free(record->modify_timestamp);
    g_free(record->result_attribute);
    g_free(record->mailbox);
    g_free(record->renaming_to);
    g_free(record->mail_host);
    g_free(record->fingerprint);
    g_free(record->attributes);
    g_free(record->primary);
    g_free(record->blocked);
    g_clear_pointer(&record->aliases, g_ptr_array_unref);
    g_clear_pointer(&record->folders, g_ptr_array_unref);
    g_clear_pointer(&record->identifiers, g_ptr_array_unref);
    g_free(record->departure.message);
    g_clear_pointer(&record->acl, g_ptr_array_unref);
    g_free(record);
}

static char *list_to_json(GPtrArray *list)
{
    GString *json = g_string_new("[");

    for (guint i = 0; list != NULL && i < list->len; i++) {
        if (i > 0)
            g_string_append_c(json, ',');
        json_append_string(json, g_ptr_array_index(list, i));
    }
    g_string_append_c(json, ']');
    return g_string_free(json, FALSE);
}

/* `sql` gives the elements of one of the record's lists, in order. */
static bool read_list(State *state, const Record *record, const char *sql, GPtrArray *list, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, sql, record->domain, record->unique_id, error);

    return query != NULL && query_texts(state, query, "read a list of a record", list, error);
}

static bool read_lists(State *state, Record *record, GError **error)
{
    static const char FOLDERS[] = "SELECT f.value FROM entry e, json_each(e.folders) f"
                                  " WHERE e.domain = ? AND e.unique_id = ? ORDER BY f.key";
    static const char ACL[] = "SELECT a.value FROM entry e, json_each(e.acl) a"
                              " WHERE e.domain = ? AND e.unique_id = ? ORDER BY a.key";

    return read_list(state, record, FOLDERS, record->folders, error) && read_list(state, record, ACL, record->acl, error);
}

/* *record stays NULL when there is no row. */
static bool read_entry(State *state, const char *domain, const char *unique_id, Record **record, GError **error)
{
    static const char READ[] = "SELECT kind, dn, modifytimestamp, result_attribute, mailbox, mail_host,"
                               " fingerprint, coalesce(quota_kib, ?3), status = 'departed', renaming_to, blocked, attributes"
                               " FROM entry WHERE domain = ?1 AND unique_id = ?2";
    g_autoptr(Query) query = query_begin_for(state, READ, domain, unique_id, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_int(query, 3, QUOTA_ANY);
    if (!query_step(state, query, "read a record", &row, error))
        return false;
    if (!row)
        return true;
    *record = record_new(domain, unique_id);
    (*record)->kind = query_text(query, 0);
    (*record)->dn = query_text(query, 1);
    (*record)->modify_timestamp = query_text(query, 2);
    (*record)->result_attribute = query_text(query, 3);
    (*record)->mailbox = query_text(query, 4);
    (*record)->mail_host = query_text(query, 5);
    (*record)->fingerprint = query_text(query, 6);
    (*record)->quota_kib = query_int(query, 7);
    (*record)->departed = query_int(query, 8) != 0;
    (*record)->renaming_to = query_text(query, 9);
    (*record)->blocked = query_text(query, 10);
    (*record)->attributes = query_text(query, 11);
    return true;
}

bool state_find_record(State *state, const char *domain, const char *unique_id, Record **record, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Record) found = NULL;

    if (!read_entry(state, domain, unique_id, &found, error))
        return false;
    if (found != NULL
        && (!read_lists(state, found, error) || !address_read(state, found, error)
            || !identifier_read(state, found, error) || !departure_read(state, found, error)))
        return false;
    *record = g_steal_pointer(&found);
    return true;
}

bool state_find_fingerprint(State *state, const char *domain, const char *unique_id, char **fingerprint,
                            GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT fingerprint FROM entry"
                                             " WHERE domain = ? AND unique_id = ? AND status = 'ok'",
                                             domain, unique_id, error);
    bool row;

    if (query == NULL || !query_step(state, query, "read a fingerprint", &row, error))
        return false;
    *fingerprint = row ? query_text(query, 0) : NULL;
    return true;
}

static bool list_unique_ids(State *state, const char *sql, const char *domain, GHashTable **unique_ids, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(Query) query = query_begin(state, sql, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    for (;;) {
        if (!query_step(state, query, "list the entries", &row, error))
            return false;
        if (!row)
            break;
        g_hash_table_add(found, query_text(query, 0));
    }
    *unique_ids = g_steal_pointer(&found);
    return true;
}

bool state_list_entries(State *state, const char *domain, GHashTable **unique_ids, GError **error)
{
    return list_unique_ids(state, "SELECT unique_id FROM entry WHERE domain = ? AND status = 'ok'", domain, unique_ids,
                           error);
}

bool state_list_elsewhere(State *state, const char *domain, GHashTable **unique_ids, GError **error)
{
    return list_unique_ids(state, "SELECT unique_id FROM departure WHERE domain = ? AND reason <> 'gone'", domain,
                           unique_ids, error);
}

static bool find_owner(State *state, const char *mailbox, char **domain, char **unique_id, char **dn, GError **error)
{
    static const char FIND[] = "SELECT domain, unique_id, dn FROM entry WHERE mailbox = ?1"
                               " UNION ALL SELECT domain, unique_id, dn FROM entry WHERE renaming_to = ?1";
    g_autoptr(Query) query = query_begin(state, FIND, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, mailbox);
    if (!query_step(state, query, "find the owner of a mailbox", &row, error))
        return false;
    *domain = row ? query_text(query, 0) : NULL;
    *unique_id = row ? query_text(query, 1) : NULL;
    *dn = row ? query_text(query, 2) : NULL;
    return true;
}

bool state_find_owner(State *state, const char *mailbox, char **domain, char **unique_id, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *dn = NULL;

    return find_owner(state, mailbox, domain, unique_id, &dn, error);
}

static char *show(const char *text)
{
    return text == NULL ? g_strdup("unknown") : fault_show(text, strlen(text));
}

static bool fail_owned(State *state, const Record *record, GError **error)
{
    g_autofree char *domain = NULL;
    g_autofree char *unique_id = NULL;
    g_autofree char *dn = NULL;
    g_autofree char *mailbox = show(record->mailbox);
    g_autofree char *claimant = show(record->dn);
    g_autofree char *owner = NULL;

    if (!find_owner(state, record->mailbox, &domain, &unique_id, &dn, error))
        return false;
    owner = show(dn);
    g_set_error(error, FAULT, FAULT_PARK,
                "mailbox %s of entry %s (unique id %s) belongs to another entry already: %s (unique id %s, domain %s)",
                mailbox, claimant, record->unique_id, owner, unique_id, domain);
    return false;
}

static void bind_record(Query *query, const Record *record, const char *folders, const char *acl, const char *now)
{
    query_bind_text(query, 1, record->domain);
    query_bind_text(query, 2, record->unique_id);
    query_bind_text(query, 3, record->kind);
    query_bind_text(query, 4, record->dn);
    query_bind_text(query, 5, record->modify_timestamp);
    query_bind_text(query, 6, record->result_attribute);
    query_bind_text(query, 7, record->mailbox);
    query_bind_text(query, 8, record->mail_host);
    if (record->quota_kib != QUOTA_ANY)
        query_bind_int(query, 9, record->quota_kib);
    query_bind_text(query, 10, record->fingerprint);
    query_bind_text(query, 11, record->departed ? "departed" : "ok");
    query_bind_text(query, 12, folders);
    query_bind_text(query, 13, now);
    query_bind_text(query, 14, record->departed ? NULL : now);
    query_bind_text(query, 15, acl);
    query_bind_text(query, 16, record->blocked);
    query_bind_text(query, 17, record->attributes);
}

bool record_write(State *state, const Record *record, const char *now, GError **error)
{
    static const char WRITE[] =
        "INSERT INTO entry (domain, unique_id, kind, dn, modifytimestamp, result_attribute, mailbox, mail_host, quota_kib,"
        " fingerprint, status, folders, first_seen, provisioned_at, acl, blocked, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (domain, unique_id) DO UPDATE SET kind = excluded.kind, dn = excluded.dn,"
        " modifytimestamp = excluded.modifytimestamp, result_attribute = excluded.result_attribute,"
        " mailbox = excluded.mailbox, renaming_to = NULL, mail_host = excluded.mail_host, quota_kib = excluded.quota_kib,"
        " fingerprint = excluded.fingerprint, status = excluded.status, folders = excluded.folders,"
        " provisioned_at = coalesce(excluded.provisioned_at, provisioned_at), acl = excluded.acl,"
        " blocked = excluded.blocked, attributes = excluded.attributes";
    g_autofree char *folders = list_to_json(record->folders);
    g_autofree char *acl = list_to_json(record->acl);
    g_autoptr(Query) query = query_begin(state, WRITE, error);
    int result;

    if (query == NULL)
        return false;
    bind_record(query, record, folders, acl, now);
    result = sqlite3_step(query);
    if (result == SQLITE_CONSTRAINT_UNIQUE)
        return fail_owned(state, record, error);
    return result == SQLITE_DONE || database_fail(state, "write a record", error);
}
