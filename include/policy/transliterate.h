/* transliterate.h - any script to ASCII, by language, with ICU. No process-wide locale is touched. Thread-safe. Pure. */
#pragma once

#include <glib.h>

/* Whether `locale` ("de", "de_DE", "de-DE", RFC 2798 preferredLanguage with its quality list "de, en;q=0.5" reduced to
 * the first) names a language that ICU knows. */
bool transliterate_knows(const char *locale);

/* UTF-8 to ASCII as a speaker of the language writes it: "Müller" is "Mueller" in German and "Muller" elsewhere;
 * scripts other than Latin are romanised first. What has no ASCII form is dropped. Owned by the caller. */
char *transliterate(const char *text, const char *locale);
