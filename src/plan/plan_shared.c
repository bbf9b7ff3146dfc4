#include "plan/plan_shared.h"

#include "model/acl.h"
#include "model/fault.h"
#include "model/server_name.h"

#include <string.h>

#define ANYONE "anyone"
#define POST "p"
/* In the recorded list: no identifier has a comma. */
#define DELIVERY_MARK "anyone, +p"

/* What an identifier should have; rights in the one form. */
typedef struct {
    char *identifier;
    char *rights;
} Right;

static void right_free(Right *right)
{
    g_free(right->identifier);
    g_free(right->rights);
    g_free(right);
}

bool plan_space(const Account *desired, const PlanHistory *history, GError **error)
{
    gsize len = strcspn(desired->mailbox, "/") + 1;

    if (history->mailbox == NULL || strncmp(history->mailbox, desired->mailbox, len) == 0)
        return true;
    g_set_error(error, FAULT, FAULT_PARK,
                "the entry had mailbox %s, and is of another kind now, with %s: nobody's mail is opened to others by a change of "
                "class; make a new entry, or rename the mailbox by hand", history->mailbox, desired->mailbox);
    return false;
}

/* What is below another mailbox is on that one's server; only the first of all has a choice. */
void plan_parents(Plan *plan, const Observed *observed, const PlanHistory *history)
{
    for (guint i = 0; i < observed->missing_parents->len; i++) {
        const char *parent = g_ptr_array_index(observed->missing_parents, i);
        bool chosen = observed->murder && strchr(parent, '/') == NULL && server_name_is_word(history->placement.server);
        Step *step = plan_add_step(plan, STEP_CREATE_PARENT, parent);

        step->server = chosen ? g_strdup(history->placement.server) : NULL;
        step->after = chosen ? g_strdup_printf("%s on %s", parent, step->server) : g_strdup(parent);
    }
}

static bool is_recorded(const PlanHistory *history, const char *word)
{
    return history->acl != NULL && g_strv_contains(history->acl, word);
}

/* The identifier as the server has it; NULL: it has no rights. */
static const char *find_present(const Observed *observed, const char *identifier)
{
    GHashTableIter iter;
    gpointer present;

    g_hash_table_iter_init(&iter, observed->acl);
    while (g_hash_table_iter_next(&iter, &present, NULL))
        if (acl_identifier_equal(present, identifier))
            return present;
    return NULL;
}

/* Owned by the caller; "" for none. */
static char *present_rights(const Observed *observed, const char *identifier)
{
    const char *present = find_present(observed, identifier);

    return acl_rights_normalize(present != NULL ? g_hash_table_lookup(observed->acl, present) : NULL);
}

/* What somebody has but for what we gave for the delivery address. */
static char *own_rights(const Observed *observed, const PlanHistory *history, const char *identifier)
{
    g_autofree char *present = present_rights(observed, identifier);

    if (acl_identifier_equal(identifier, ANYONE) && is_recorded(history, DELIVERY_MARK))
        return acl_rights_remove(present, POST);
    return g_steal_pointer(&present);
}

static Right *find_right(GPtrArray *wanted, const char *identifier)
{
    for (guint i = 0; i < wanted->len; i++) {
        Right *right = g_ptr_array_index(wanted, i);

        if (acl_identifier_equal(right->identifier, identifier))
            return right;
    }
    return NULL;
}

/* Takes `rights`. The first word counts. */
static void want(GPtrArray *wanted, const char *identifier, char *rights)
{
    Right *right;

    if (find_right(wanted, identifier) != NULL) {
        g_free(rights);
        return;
    }
    right = g_new0(Right, 1);
    right->identifier = g_strdup(identifier);
    right->rights = rights;
    g_ptr_array_add(wanted, right);
}

/* The list is the directory's: who is not on it has nothing, but for the administrator, who may need a right to work. */
static void want_complete(GPtrArray *wanted, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(GList) present = g_list_sort(g_hash_table_get_keys(observed->acl), (GCompareFunc)strcmp);

    for (guint i = 0; i < desired->acl->len; i++) {
        const AclEntry *entry = g_ptr_array_index(desired->acl, i);
        g_autofree char *own = own_rights(observed, history, entry->identifier);

        want(wanted, entry->identifier, acl_entry_apply(entry, own));
    }
    for (GList *item = present; item != NULL; item = item->next)
        if (history->administrator == NULL || !acl_identifier_equal(item->data, history->administrator))
            want(wanted, item->data, g_strdup(""));
}

/* The list is somebody else's, but for what we gave. */
static void want_ours_gone(GPtrArray *wanted, const PlanHistory *history)
{
    for (gsize i = 0; history->acl != NULL && history->acl[i] != NULL; i++)
        if (strcmp(history->acl[i], DELIVERY_MARK) != 0)
            want(wanted, history->acl[i], g_strdup(""));
}

/* What everybody should have, without delivery. */
static GPtrArray *want_all(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    GPtrArray *wanted = g_ptr_array_new_with_free_func((GDestroyNotify)right_free);

    if (desired->acl_complete)
        want_complete(wanted, desired, observed, history);
    else
        want_ours_gone(wanted, history);
    if (desired->takes_mail || is_recorded(history, DELIVERY_MARK))
        want(wanted, ANYONE, own_rights(observed, history, ANYONE));
    return wanted;
}

static void plan_right(Plan *plan, const Account *desired, const Observed *observed, const Right *right)
{
    const char *spelling = find_present(observed, right->identifier);
    g_autofree char *present = present_rights(observed, right->identifier);
    bool posts = desired->takes_mail && acl_identifier_equal(right->identifier, ANYONE);
    g_autofree char *rights = acl_rights_add(right->rights, posts ? POST : "");
    Step *step;

    if (strcmp(present, rights) == 0)
        return;
    step = plan_add_step(plan, STEP_SET_ACL, desired->mailbox);
    step->name = g_strdup(spelling != NULL ? spelling : right->identifier);
    step->before = *present != '\0' ? g_strdup(present) : NULL;
    step->after = *rights != '\0' ? g_strdup(rights) : NULL;
}

static void plan_metadata(Plan *plan, const Account *desired, const Observed *observed)
{
    g_autoptr(GString) after = g_string_new(NULL);
    Step *step = NULL;

    for (guint i = 0; i < desired->metadata->len; i++) {
        const Metadata *metadata = g_ptr_array_index(desired->metadata, i);

        if (g_strcmp0(g_hash_table_lookup(observed->metadata, metadata->name), metadata->value) == 0)
            continue;
        if (step == NULL)
            step = plan_add_step(plan, STEP_SET_SHARED_METADATA, desired->mailbox);
        g_ptr_array_add(step->metadata, metadata_new(metadata->name, metadata->value));
        g_string_append_printf(after, "%s%s=%s", after->len > 0 ? " " : "", metadata->name, metadata->value);
    }
    if (step != NULL)
        step->after = g_strdup(after->str);
}

void plan_shared_quota(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    if (desired->mailbox == NULL || desired->login != NULL || observed->mailbox_exists || !observed->previous_exists)
        return;
    plan_carry_quota(plan, history->mailbox, desired->mailbox, observed->quota_kib);
}

void plan_shared(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(GPtrArray) wanted = want_all(desired, observed, history);

    for (guint i = 0; i < wanted->len; i++)
        plan_right(plan, desired, observed, g_ptr_array_index(wanted, i));
    plan_metadata(plan, desired, observed);
}

GPtrArray *plan_recorded_acl(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(GPtrArray) wanted = want_all(desired, observed, history);
    GPtrArray *recorded = g_ptr_array_new_with_free_func(g_free);
    const Right *anyone = find_right(wanted, ANYONE);

    if (desired->mailbox == NULL)
        return recorded;
    for (guint i = 0; i < desired->acl->len; i++)
        g_ptr_array_add(recorded, g_strdup(((const AclEntry *)g_ptr_array_index(desired->acl, i))->identifier));
    if (desired->takes_mail && strstr(anyone->rights, POST) == NULL)
        g_ptr_array_add(recorded, g_strdup(DELIVERY_MARK));
    return recorded;
}
