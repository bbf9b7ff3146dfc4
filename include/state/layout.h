/* layout.h - query results as aligned text and as JSON, safe to show on a terminal. Private to src/state.
 *
 * Called with the state's lock held. Texts come from outside: what is no printable character is shown as \xNN in text and
 * as \uNNNN in JSON, so that nothing in a DN or a message steers the terminal. */
#pragma once

#include "state/database.h"

/* Appends `text`, made safe. NULL: nothing. */
void layout_append_text(GString *out, const char *text);

/* Appends the row that the query stands on, a line a column: its name, its value. Columns that are NULL are left out. */
void layout_append_fields(GString *out, Query *query);

/* Appends all rows (of two columns: name and value) as such lines. Rows whose value is NULL are left out. */
bool layout_append_pairs(State *state, GString *out, Query *query, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends all rows as a table with the columns' names on top; nothing when there is no row. */
bool layout_append_table(State *state, GString *out, Query *query, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends column `at` of the row that the query stands on, a JSON text. */
void layout_append_json_column(GString *out, Query *query, int at);

/* Appends the one JSON text that the query results in. */
bool layout_append_json(State *state, GString *out, Query *query, GError **error) G_GNUC_WARN_UNUSED_RESULT;
