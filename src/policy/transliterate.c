#include "policy/transliterate.h"

#include <string.h>
#include <unicode/uloc.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

/* Longest language subtag (RFC 5646, 2.1), and room for its NUL. */
enum { LANGUAGE_SIZE = 9 };

/* ICU's romanisers write apostrophes of their own (Russian soft sign, Japanese n'), which nobody has in an
 * address. So those of the text hide as U+E000 until the others are gone. */
#define HIDE_APOSTROPHES                                                                                     \
    "\\uE000 > ; [\\u0027 \\u00B4 \\u02BB \\u02BC \\u2018 \\u2019 \\uFF07] > \\uE000 ; :: NFKC ; "
/* Any-Latin follows ISO 9 and ISO 843, which nobody writes by hand ("Sukin"); BGN and UNGEGN are what
 * passports have. */
#define ROMANISE ":: Russian-Latin/BGN ; :: Greek-Latin/UNGEGN ; :: Any-Latin ; "
#define DROP_MARKS "[\\u0027 \\u02B0-\\u02FF] > ; "
#define FINISH ":: [^\\u0000-\\u007F \\uE000] Remove ; \\uE000 > \\u0027 ; "

/* What a language has before the rules for all. ICU 72 has "de-ASCII" but nothing for the Nordic languages,
 * đ, or the Bulgarian transliteration act of 2009: the first two are as in glibc's locales, which the old daemon
 * used. */
static const struct {
    const char *languages;
    const char *rules;
    const char *to_ascii;
} forms[] = {
    {"", "", ":: Latin-ASCII ; "}, /* every other language */
    {"de", "", ":: de-ASCII ; "},
    {"da nb nn no sv",
     "[\u00E6\u00E4] > ae ; [\u00C6\u00C4] > AE ; [\u00F8\u00F6] > oe ; [\u00D8\u00D6] > OE ; "
     "\u00E5 > aa ; \u00C5 > AA ; ",
     ":: Latin-ASCII ; "},
    {"bs hr sr", ":: Serbian-Latin/BGN ; \u0111 > dj ; \u0110 > Dj ; ", ":: Latin-ASCII ; "},
    {"bg", "\u0445 > h ; \u0425 > H ; \u044A > a ; \u042A > A ; :: Bulgarian-Latin/BGN ; ",
     ":: Latin-ASCII ; "},
    {"be", ":: Belarusian-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"mk", ":: Macedonian-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"uk", ":: Ukrainian-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"kk", ":: Kazakh-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"ky", ":: Kirghiz-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"mn", ":: Mongolian-Latin/BGN ; ", ":: Latin-ASCII ; "},
    {"zh", ":: Han-Latin/Names ; ", ":: Latin-ASCII ; "},
};

/* ICU's transliterators are not for two threads at once, and megabytes each: one set behind one lock. */
static GMutex lock;
static UTransliterator *transliterators[G_N_ELEMENTS(forms)];

/* Writes the language of a locale, "de" of "de_DE"; false when it has not the form of one. */
static bool parse_language(const char *locale, char language[LANGUAGE_SIZE])
{
    const char *start = locale + strspn(locale, " ");
    gsize len = strcspn(start, " ,;");
    g_autofree char *tag = g_strndup(start, len);
    UErrorCode status = U_ZERO_ERROR;

    if (!g_ascii_isalpha(tag[0]) || strspn(tag, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.@") != len)
        return false;
    uloc_getLanguage(tag, language, LANGUAGE_SIZE, &status);
    return U_SUCCESS(status) && status != U_STRING_NOT_TERMINATED_WARNING;
}

bool transliterate_knows(const char *locale)
{
    char language[LANGUAGE_SIZE];

    if (!parse_language(locale, language))
        return false;
    if (strcmp(language, "no") == 0) /* ICU lists only nb and nn */
        return true;
    for (const char *const *known = uloc_getISOLanguages(); *known != NULL; known++)
        if (strcmp(*known, language) == 0)
            return true;
    return false;
}

static gsize find_form(const char *locale)
{
    char language[LANGUAGE_SIZE];

    if (!parse_language(locale, language))
        return 0;
    for (gsize i = 1; i < G_N_ELEMENTS(forms); i++) {
        g_auto(GStrv) languages = g_strsplit(forms[i].languages, " ", -1);

        if (g_strv_contains((const char *const *)languages, language))
            return i;
    }
    return 0;
}

static UTransliterator *open_form(gsize form)
{
    g_autofree char *rules = g_strconcat(HIDE_APOSTROPHES, forms[form].rules, ROMANISE, DROP_MARKS,
                                         forms[form].to_ascii, FINISH, NULL);
    static const UChar id[] = u"kolabd";
    gsize size = strlen(rules) + 1;
    g_autofree UChar *wide = g_new(UChar, size);
    UErrorCode status = U_ZERO_ERROR;
    UTransliterator *opened;

    u_strFromUTF8(wide, (int32_t)size, NULL, rules, -1, &status);
    opened = utrans_openU(id, -1, UTRANS_FORWARD, wide, -1, NULL, &status);
    g_assert(U_SUCCESS(status));
    return opened;
}

/* Transliterates `text` in a buffer of `capacity`; NULL: it does not fit. */
static UChar *try_capacity(const UTransliterator *form, const UChar *text, int32_t len, int32_t capacity)
{
    g_autofree UChar *out = g_new(UChar, (gsize)capacity);
    int32_t out_len = len, limit = len;
    UErrorCode status = U_ZERO_ERROR;

    memcpy(out, text, (gsize)len * sizeof *out);
    utrans_transUChars(form, out, &out_len, capacity, 0, &limit, &status);
    if (status == U_BUFFER_OVERFLOW_ERROR || out_len >= capacity)
        return NULL;
    g_assert(U_SUCCESS(status));
    out[out_len] = 0;
    return g_steal_pointer(&out);
}

static UChar *apply_form(gsize form, const UChar *text, int32_t len)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    UChar *out = NULL;

    if (transliterators[form] == NULL)
        transliterators[form] = open_form(form);
    for (int32_t capacity = 8 * len + 64; out == NULL; capacity *= 2)
        out = try_capacity(transliterators[form], text, len, capacity);
    return out;
}

char *transliterate(const char *text, const char *locale)
{
    gsize size = strlen(text) + 1;
    g_autofree UChar *wide = NULL;
    g_autofree UChar *out = NULL;
    g_autofree char *ascii = NULL;
    UErrorCode status = U_ZERO_ERROR;
    int32_t len;

    if (g_str_is_ascii(text))
        return g_strdup(text);
    wide = g_new(UChar, size);
    u_strFromUTF8WithSub(wide, (int32_t)size, &len, text, -1, 0xFFFD, NULL, &status);
    g_assert(U_SUCCESS(status));
    out = apply_form(find_form(locale), wide, len);
    size = (gsize)u_strlen(out) + 1;
    ascii = g_malloc(size);
    u_strToUTF8(ascii, (int32_t)size, NULL, out, -1, &status);
    g_assert(U_SUCCESS(status));
    return g_steal_pointer(&ascii);
}
