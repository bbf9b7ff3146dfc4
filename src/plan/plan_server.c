#include "plan/plan_server.h"

#include "model/fault.h"
#include "model/server_name.h"
#include "policy/placement.h"

#include <string.h>

static bool is_new(const Observed *observed)
{
    return !observed->mailbox_exists && !observed->previous_exists;
}

static bool is_shared(const Account *desired)
{
    return desired->login == NULL;
}

/* What was chosen for a new mailbox. */
static const char *chosen_server(const Observed *observed, const PlanHistory *history)
{
    return observed->murder && server_name_is_word(history->placement.server) ? history->placement.server : NULL;
}

static const PlacementBackend *find_asked(const Account *desired, const PlanHistory *history)
{
    return placement_find(history->placement.backends, desired->host_asked);
}

void plan_creation(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    Step *step = plan_add_step(plan, STEP_CREATE_MAILBOX, desired->mailbox);
    g_autoptr(GString) after = g_string_new(desired->mailbox);

    plan->takes_name = true;
    /* Cyrus 3.6 takes a shared mailbox only where its parent is: elsewhere it makes another parent, without the domain, and
     * then says that the mailbox exists. It is moved afterwards. */
    step->server = is_shared(desired) ? NULL : g_strdup(chosen_server(observed, history));
    /* A frontend dies of a partition without a server. */
    if (!observed->murder || step->server != NULL)
        step->partition = g_strdup(history->placement.partition);
    if (step->server != NULL)
        g_string_append_printf(after, " on %s", step->server);
    if (step->partition != NULL)
        g_string_append_printf(after, "%s partition %s", step->server != NULL ? "," : " on", step->partition);
    step->after = g_strdup(after->str);
}

/* Where the mailbox should be moved; NULL: it stays. */
static const char *find_target(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const PlacementBackend *asked = history->placement.move ? find_asked(desired, history) : NULL;
    const char *target = asked != NULL ? asked->name : NULL;

    if (!observed->murder || desired->mailbox == NULL)
        return NULL;
    if (is_shared(desired) && target == NULL)
        target = chosen_server(observed, history);
    if (observed->server == NULL) /* the creation of a person's mailbox knows the way itself */
        return is_new(observed) && is_shared(desired) ? target : NULL;
    return target != NULL && !server_name_equal(target, observed->server) ? target : NULL;
}

void plan_find_server(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    const char *target = find_target(desired, observed, history);

    if (target == NULL)
        target = observed->server;
    if (target == NULL && is_new(observed) && desired->mailbox != NULL && !is_shared(desired))
        target = chosen_server(observed, history);
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

void plan_note_correction(Plan *plan, const Account *desired, const PlanHistory *history)
{
    g_autofree char *asked = NULL;

    if (plan->server == NULL || !placement_means_host(desired->host_asked) || !writes(plan, desired->host_attribute))
        return;
    asked = fault_show(desired->host_asked, strlen(desired->host_asked));
    if (find_asked(desired, history) != NULL)
        plan->note = g_strdup_printf("%s says %s, the mailbox is on %s: corrected; with placement.move it would be moved",
                                     desired->host_attribute, asked, plan->server);
    else
        plan->note = g_strdup_printf("%s says %s, which is not known as a server of the murder; the mailbox is on %s: corrected",
                                     desired->host_attribute, asked, plan->server);
}
