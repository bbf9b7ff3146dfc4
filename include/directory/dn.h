/* dn.h - comparing distinguished names. Pure. */
#pragma once

#include <glib.h>

/* A DN in one form: lower case, without the blanks and escapes that say nothing. NULL: no DN, or NULL. Owned by the caller. */
char *dn_normalize(const char *dn);

/* Whether a DN is `base` or below it; both in the form of dn_normalize, NULL is nowhere. */
bool dn_is_below(const char *dn, const char *base);
