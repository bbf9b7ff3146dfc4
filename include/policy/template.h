/* template.h - address templates: "%(givenname[0:1])s.%(surname)s@%(domain)s".
 *
 * The closed grammar of the old daemon's settings, read as data: text with one "@", "%%" for a percent sign, and
 * "%(name)s", "%(name[from:to])s" or "%(name[index])s" with Python's meaning of a slice, counted in characters; an
 * index beyond the value gives nothing. Nothing is ever executed, and no value is ever a format. Pure. */
#pragma once

#include <glib.h>

typedef struct Template Template;

/* Parses UTF-8 text. Error (FAULT_STOP) names the column, counted in characters from 1. Owned by the caller. */
Template *template_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void template_free(Template *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)

/* The text it was parsed from; owned by the template. */
const char *template_text(const Template *template);

/* The names the template uses, lower case, as written ("givenname", "surname", "domain"), each once; a NULL-terminated
 * list owned by the template. */
const char *const *template_names(const Template *template);

/* Looks up a name; the result is UTF-8, owned by the caller; NULL when there is no value. */
typedef char *(*TemplateLookup)(const char *name, gpointer user_data);

/* Fills the template in; slices cut what `lookup` answers. The result is owned by the caller. When a name has no value,
 * returns NULL and sets *missing to that name (owned by the template). */
char *template_expand(const Template *template, TemplateLookup lookup, gpointer user_data, const char **missing);
