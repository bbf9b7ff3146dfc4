/* compose.h - one address out of a template, an entry and a domain. Pure. */
#pragma once

#include "model/entry.h"
#include "policy/settings.h"
#include "policy/template.h"

#include <glib.h>

/* What all addresses of one entry are made from; borrowed. */
typedef struct {
    const DomainSettings *settings;
    const Entry *entry;
    const char *locale; /* whose forms the transliteration follows */
} Composer;

/* The locale of an entry: preferredLanguage, else the domain's default. *locale is owned by the caller. FAULT_PARK for a
 * language that nobody knows. */
bool compose_locale(const DomainSettings *settings, const Entry *entry, char **locale,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Fills the template in. Each value is transliterated, made lower case and stripped of what an address (RFC 5322 atext
 * and dots) or a mailbox name (mailbox_name_takes) cannot carry, blanks and "@" included; then it is sliced. `domain` is
 * used as it is.
 * *address is canonical and owned by the caller; NULL when an attribute is absent, or nothing of its value is left, and
 * `needed` is false. FAULT_PARK names attribute, value and rule: such an attribute when the address is needed, a value
 * with which the address is over-long, a value that is no text. */
bool compose_address(const Composer *composer, const Template *template, const char *domain, bool needed,
                     char **address, GError **error) G_GNUC_WARN_UNUSED_RESULT;
