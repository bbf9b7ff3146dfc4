/* Any text: parsed or refused, and what is parsed expands, with the values as text. */
#include "model/fault.h"
#include "policy/template.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *look_up(const char *name, gpointer user_data)
{
    (void)user_data;
    return strcmp(name, "none") == 0 ? NULL : g_strdup("%(a)s\u00e4%s%n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) template = template_parse(text, &error);
    g_autofree char *expanded = NULL;
    const char *missing = NULL;

    g_assert((template == NULL) == (error != NULL));
    if (template == NULL) {
        g_assert(fault_of(error) == FAULT_STOP && g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    g_assert(strcmp(template_text(template), text) == 0);
    expanded = template_expand(template, look_up, NULL, &missing);
    g_assert((expanded == NULL) == (missing != NULL));
    g_assert(expanded == NULL || (g_utf8_validate(expanded, -1, NULL) && strchr(expanded, '@') != NULL));
    return 0;
}
