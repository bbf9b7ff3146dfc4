/* schema.h - the tables and views, their version, and the way from an older one. Private to src/state.
 *
 * The file says what it is: application_id is ours, user_version counts the schema. docs/state.md explains it to people. */
#pragma once

#include "state/database.h"

/* "klbd", at offset 68 of the file: file(1) and sqlite3 show it. */
#define SCHEMA_APPLICATION_ID 0x6b6c6264

/* What schema_migrate makes. */
#define SCHEMA_VERSION 4

/* Reads the version, 1 at least. FAULT_STOP: no tables, another program's, or a newer one. */
bool schema_check(State *state, int *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Brings the database from `version` to SCHEMA_VERSION in one transaction. */
bool schema_migrate(State *state, int version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
