#include "plan/plan_server.h"

#include "model/fault.h"
#include "model/mailbox_name.h"
#include "model/server_name.h"
#include "policy/placement.h"

#include <string.h>

static bool is_shared(const Account *desired)
{
    return desired->mailbox != NULL && desired->login == NULL;
}

/* Cyrus keeps what is below a shared mailbox on that one's server. */
static bool follows_parent(const Account *desired)
{
    g_autoptr(GPtrArray) parents = is_shared(desired) ? mailbox_name_parents(desired->mailbox) : NULL;

    return parents != NULL && parents->len > 1;
}

/* What was chosen for a mailbox that is not there. */
static const char *chosen_server(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    bool is_new = desired->mailbox != NULL && !observed->mailbox_exists && !observed->previous_exists;

    return observed->murder && is_new && !follows_parent(desired) && server_name_is_word(history->placement.server)
        ? history->placement.server
        : NULL;
}

static const PlacementBackend *find_asked(const Account *desired, const PlanHistory *history)
{
    return placement_find(history->placement.backends, desired->host_asked);
}

static Step *create_on(Plan *plan, const char *mailbox, const char *server, const char *partition)
{
    Step *step = plan_add_step(plan, STEP_CREATE_MAILBOX, mailbox);
    g_autoptr(GString) after = g_string_new(mailbox);

    step->server = g_strdup(server);
    step->partition = g_strdup(partition);
    if (server != NULL)
        g_string_append_printf(after, " on %s", server);
    if (partition != NULL)
        g_string_append_printf(after, "%s partition %s", server != NULL ? "," : " on", partition);
    step->after = g_strdup(after->str);
    plan->takes_name = true;
    return step;
}

/* A server that has not the parent of a shared mailbox would make another one, without the domain, and from then on say of
 * each that it exists. What is below nothing has no parent. */
static void create_shared_on(Plan *plan, const char *mailbox, const char *server, const char *partition)
{
    g_autofree char *outside = mailbox_name_outside(mailbox, plan->unique_id);

    create_on(plan, outside, server, partition);
    plan_add_rename(plan, outside, mailbox);
}

void plan_creation(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const char *server = chosen_server(desired, observed, history);

    if (server != NULL && is_shared(desired))
        create_shared_on(plan, desired->mailbox, server, history->placement.partition);
    else /* a frontend dies of a partition without a server */
        create_on(plan, desired->mailbox, server, observed->murder && server == NULL ? NULL : history->placement.partition)->assumed =
            observed->assumed;
}

/* Where the mailbox should be moved; NULL: it stays. A shared one does: Cyrus 3.6.1 as Debian ships it dies of moving one. */
static const char *find_target(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const PlacementBackend *asked = history->placement.move && !is_shared(desired) ? find_asked(desired, history) : NULL;

    if (asked == NULL || !observed->murder || observed->server == NULL || server_name_equal(asked->name, observed->server))
        return NULL;
    return asked->name;
}

void plan_find_server(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const char *target = find_target(desired, observed, history);

    if (target == NULL)
        target = observed->server != NULL ? observed->server : chosen_server(desired, observed, history);
    plan->server = g_strdup(target);
}

void plan_move(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const char *target = find_target(desired, observed, history);
    Step *step;

    if (target == NULL)
        return;
    step = plan_add_step(plan, STEP_MOVE_MAILBOX, desired->mailbox);
    step->server = g_strdup(target);
    step->partition = g_strdup(history->placement.partition);
    step->before = g_strdup(observed->server);
    step->after = g_strdup(target);
}

static bool writes(const Plan *plan, const char *attribute)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->kind == STEP_WRITE_ATTRIBUTE && strcmp(step->name, attribute) == 0)
            return true;
    }
    return false;
}

void plan_note_refused(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    bool known = find_asked(desired, history) != NULL;
    bool expected = is_shared(desired) && history->placement.move && known;
    g_autofree char *asked = NULL;

    if (!observed->murder || observed->server == NULL || !placement_means_host(desired->host_asked)
        || server_name_equal(desired->host_asked, plan->server) || !(expected || writes(plan, desired->host_attribute)))
        return;
    asked = fault_show(desired->host_asked, strlen(desired->host_asked));
    plan->note = g_strdup_printf("%s says %s%s, the mailbox is on %s: %s", desired->host_attribute, asked,
                                 known ? "" : ", which is not known as a server of the murder (imap.backends)", plan->server,
                                 expected ? "a shared mailbox stays where it is"
                                 : known  ? "corrected; with placement.move it would be moved"
                                          : "corrected");
}
