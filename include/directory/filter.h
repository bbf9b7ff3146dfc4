/* filter.h - search filters made of values (RFC 4515): the one place that quotes them. Private to this folder. */
#pragma once

#include <glib.h>

/* "(attribute=value)" with the value escaped. Owned by the caller. */
char *filter_equal(const char *attribute, const char *value);

/* "(|(mail=a)(alias=a)(mail=b)...)": any of the attributes (char*) has any of the values (char*). Owned by the caller. */
char *filter_any(GPtrArray *attributes, GPtrArray *values);

/* "(&(!(mail=*))(!(alias=*)))": what has none of these attributes (of char*, one at least; names of ours). Of one that we may not search
 * such a filter is Undefined, and the entry is not shown (RFC 4511, 4.5.1.7). Owned by the caller. */
char *filter_without(const GPtrArray *attributes);
