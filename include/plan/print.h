/* print.h - a plan as text for people and as JSON for programs. Pure. */
#pragma once

#include "plan/plan.h"

#include <glib.h>

/* Several lines, the last ends with a newline; values are shown escaped. Owned by the caller. */
char *plan_print_text(const Plan *plan, const char *domain);
/* One JSON object on one line (RFC 8259). Owned by the caller. */
char *plan_print_json(const Plan *plan, const char *domain);
/* Appends a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. NULL: null. */
void json_append_string(GString *json, const char *text);
