#include "plan/print.h"

#include "model/fault.h"

#include <string.h>

static const char *actor_name(Actor actor)
{
    switch (actor) {
    case ACTOR_DIRECTORY:
        return "directory";
    case ACTOR_ADMIN:
    case ACTOR_ADMIN_ALONE:
        return "imap";
    case ACTOR_USER:
        return "imap as user";
    }
    g_assert_not_reached();
}

static void append_shown(GString *text, const char *word, const char *value)
{
    g_autofree char *shown = fault_show_all(value, strlen(value));

    g_string_append_printf(text, " %s %s", word, shown);
}

char *plan_print_text(const Plan *plan, const char *domain)
{
    GString *text = g_string_new(NULL);
    g_autofree char *dn = fault_show_all(plan->dn, strlen(plan->dn));

    g_string_append_printf(text, "%s %s (%u step%s)\n", domain, dn, plan->steps->len, plan->steps->len == 1 ? "" : "s");
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *target = step_target(step);
        g_autofree char *shown = fault_show_all(target, strlen(target));

        g_string_append_printf(text, "  %-12s %-15s %s", actor_name(step_actor(step)), step_kind_name(step->kind), shown);
        if (step->before != NULL)
            append_shown(text, "from", step->before);
        if (g_strcmp0(step->after, target) != 0)
            append_shown(text, "to", step->after != NULL ? step->after : "none");
        g_string_append_c(text, '\n');
    }
    if (plan->note != NULL)
        g_string_append_printf(text, "  note: %s\n", plan->note);
    return g_string_free(text, FALSE);
}

/* RFC 8259, section 7: what is no printable character is escaped, so that a plan may be read on a terminal. */
static void append_json_character(GString *json, gunichar c)
{
    if (c == '"' || c == '\\')
        g_string_append_printf(json, "\\%c", (char)c);
    else if (g_unichar_isprint(c))
        g_string_append_unichar(json, c);
    else if (c < 0x10000)
        g_string_append_printf(json, "\\u%04x", c);
    else
        g_string_append_printf(json, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

void json_append_string(GString *json, const char *text)
{
    g_autofree char *valid = text == NULL ? NULL : g_utf8_make_valid(text, -1);

    if (valid == NULL) {
        g_string_append(json, "null");
        return;
    }
    g_string_append_c(json, '"');
    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c))
        append_json_character(json, g_utf8_get_char(c));
    g_string_append_c(json, '"');
}

static void append_member(GString *json, const char *name, const char *value)
{
    if (json->str[json->len - 1] != '{')
        g_string_append_c(json, ',');
    json_append_string(json, name);
    g_string_append_c(json, ':');
    json_append_string(json, value);
}

static void append_step(GString *json, const Step *step)
{
    g_autofree char *target = step_target(step);

    g_string_append_c(json, '{');
    append_member(json, "step", step_kind_name(step->kind));
    append_member(json, "actor", actor_name(step_actor(step)));
    append_member(json, "target", target);
    append_member(json, "mailbox", step->mailbox);
    append_member(json, "before", step->before);
    append_member(json, "after", step->after);
    g_string_append_c(json, '}');
}

char *plan_print_json(const Plan *plan, const char *domain)
{
    GString *json = g_string_new("{");

    append_member(json, "domain", domain);
    append_member(json, "dn", plan->dn);
    append_member(json, "unique_id", plan->unique_id);
    append_member(json, "note", plan->note);
    g_string_append(json, ",\"steps\":[");
    for (guint i = 0; i < plan->steps->len; i++) {
        if (i > 0)
            g_string_append_c(json, ',');
        append_step(json, g_ptr_array_index(plan->steps, i));
    }
    g_string_append(json, "]}");
    return g_string_free(json, FALSE);
}
