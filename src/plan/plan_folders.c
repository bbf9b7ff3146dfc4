#include "plan/plan_folders.h"

#include "model/acl.h"

#include <string.h>

/* One folder to bring in order. */
typedef struct {
    const Folder *folder;
    const ObservedFolder *present; /* NULL: it does not exist */
    bool known;                    /* we saw it in an earlier run */
    bool by_admin;                 /* only the administrator can create it where it belongs */
} Item;

static Step *add_step(Plan *plan, StepKind kind, const Account *desired, const Folder *folder)
{
    Step *step = plan_add_step(plan, kind, desired->mailbox);

    step->folder = g_strdup(folder->name);
    return step;
}

static void create_folder(Plan *plan, const Account *desired, const Item *item)
{
    Step *step = add_step(plan, STEP_CREATE_FOLDER, desired, item->folder);

    step->partition = g_strdup(item->folder->partition);
    /* For the administrator Cyrus does not look whether another folder has the special use: the owner sets it. */
    step->use = item->by_admin ? NULL : g_strdup(folder_special_use(item->folder));
    step->by_admin = item->by_admin;
    step->after = g_strdup(item->folder->name);
}

/* A folder that somebody else made gets its special use once: later the user may have given that to another one. The owner's
 * own CREATE sets it already. */
static void plan_use(Plan *plan, const Account *desired, const Observed *observed, const Item *item)
{
    const char *use = folder_special_use(item->folder);
    Step *step;

    if (use == NULL || !observed->special_use_offered || (item->present == NULL && !item->by_admin)
        || (item->present != NULL && (item->known || g_hash_table_contains(item->present->metadata, SPECIAL_USE_ENTRY))))
        return;
    step = add_step(plan, STEP_SET_USE, desired, item->folder);
    step->use = g_strdup(use);
    step->after = g_strdup(use);
}

/* Metadata entries of a folder whose value is another one or absent: one command sets them all. */
static void plan_metadata(Plan *plan, const Account *desired, const Item *item)
{
    g_autoptr(GString) after = g_string_new(NULL);
    Step *step = NULL;

    for (guint i = 0; i < item->folder->metadata->len; i++) {
        const Metadata *metadata = g_ptr_array_index(item->folder->metadata, i);
        const char *value = item->present == NULL ? NULL : g_hash_table_lookup(item->present->metadata, metadata->name);

        if (g_strcmp0(value, metadata->value) == 0)
            continue;
        if (step == NULL)
            step = add_step(plan, STEP_SET_METADATA, desired, item->folder);
        g_ptr_array_add(step->metadata, metadata_new(metadata->name, metadata->value));
        g_string_append_printf(after, "%s%s=%s", after->len > 0 ? " " : "", metadata->name, metadata->value);
    }
    if (step != NULL)
        step->after = g_strdup(after->str);
}

static void plan_owners_part(Plan *plan, const Account *desired, const Observed *observed, const Item *item)
{
    if (item->present == NULL && !item->by_admin)
        create_folder(plan, desired, item);
    plan_use(plan, desired, observed, item);
    plan_metadata(plan, desired, item);
    if (item->folder->subscribe && (item->present == NULL || !item->present->subscribed))
        add_step(plan, STEP_SUBSCRIBE, desired, item->folder)->after = g_strdup(item->folder->name);
}

static char *quota_text(gint64 quota_kib)
{
    if (quota_kib == QUOTA_UNLIMITED)
        return g_strdup("its own, without a limit");
    return quota_kib == QUOTA_ANY ? NULL : g_strdup_printf("%" G_GINT64_FORMAT " KiB", quota_kib);
}

static void plan_quota(Plan *plan, const Account *desired, const Item *item)
{
    gint64 present_kib = item->present != NULL ? item->present->quota_kib : QUOTA_ANY;
    Step *step;

    if (item->folder->quota_kib == QUOTA_ANY || item->folder->quota_kib == present_kib)
        return;
    step = add_step(plan, STEP_SET_QUOTA, desired, item->folder);
    step->quota_kib = item->folder->quota_kib;
    step->before = quota_text(present_kib);
    step->after = quota_text(item->folder->quota_kib);
}

/* The identifier as the server has it; NULL: it has no rights. */
static const char *find_present(const Item *item, const char *identifier)
{
    GHashTableIter iter;
    gpointer present;

    if (item->present == NULL)
        return NULL;
    g_hash_table_iter_init(&iter, item->present->acl);
    while (g_hash_table_iter_next(&iter, &present, NULL))
        if (acl_identifier_equal(present, identifier))
            return present;
    return NULL;
}

static void plan_right(Plan *plan, const Account *desired, const Item *item, const AclEntry *entry)
{
    const char *spelling = find_present(item, entry->identifier);
    g_autofree char *present =
        acl_rights_normalize(spelling != NULL ? g_hash_table_lookup(item->present->acl, spelling) : NULL);
    g_autofree char *rights = acl_entry_apply(entry, present);
    Step *step;

    if (strcmp(present, rights) == 0)
        return;
    step = add_step(plan, STEP_SET_ACL, desired, item->folder);
    step->name = g_strdup(spelling != NULL ? spelling : entry->identifier);
    step->before = *present != '\0' ? g_strdup(present) : NULL;
    step->after = *rights != '\0' ? g_strdup(rights) : NULL;
}

static void plan_admins_part(Plan *plan, const Account *desired, const Item *item)
{
    plan_quota(plan, desired, item);
    for (guint i = 0; i < item->folder->acl->len; i++)
        plan_right(plan, desired, item, g_ptr_array_index(item->folder->acl, i));
}

/* Cyrus lets the administrator alone choose a partition; and a parent that is missing then would be made with its child, on
 * that partition too. */
static bool is_by_admin(const Account *desired, const Folder *folder)
{
    gsize len = strlen(folder->name);

    for (guint i = 0; i < desired->folders->len; i++) {
        const Folder *other = g_ptr_array_index(desired->folders, i);

        if (other->partition != NULL
            && (other == folder || (strncmp(other->name, folder->name, len) == 0 && other->name[len] == '/')))
            return true;
    }
    return false;
}

/* The folders that are there or should be: what we once created and is not there now, its owner deleted or renamed. */
static GArray *list_items(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    GArray *items = g_array_new(FALSE, FALSE, sizeof(Item));
    bool new_mailbox = !observed->mailbox_exists && !observed->previous_exists;

    for (guint i = 0; i < desired->folders->len; i++) {
        const Folder *folder = g_ptr_array_index(desired->folders, i);
        Item item = {.folder = folder, .present = g_hash_table_lookup(observed->folders, folder->name),
                     .known = !new_mailbox && history->folders != NULL && g_strv_contains(history->folders, folder->name)};

        if (item.present == NULL && item.known && !history->enforce_folders)
            continue;
        item.by_admin = is_by_admin(desired, folder);
        g_array_append_val(items, item);
    }
    return items;
}

void plan_folders(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(GArray) items = list_items(desired, observed, history);

    for (guint i = 0; i < items->len; i++) {
        const Item *item = &g_array_index(items, Item, i);

        if (item->present == NULL && item->by_admin)
            create_folder(plan, desired, item);
    }
    for (guint i = 0; i < items->len; i++)
        plan_owners_part(plan, desired, observed, &g_array_index(items, Item, i));
    for (guint i = 0; i < items->len; i++)
        plan_admins_part(plan, desired, &g_array_index(items, Item, i));
}
