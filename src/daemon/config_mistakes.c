#include "daemon/config_mistakes.h"

#include "model/fault.h"

#include <stdarg.h>
#include <string.h>

/* More than anybody reads; bounds the message that a file of garbage makes. */
enum { MISTAKES_MAX = 500 };
/* Longer than any setting's name; bounds the work on a file of garbage. */
enum { WORD_MAX = 40 };

typedef struct {
    guint line;
    guint column;
    char *text;
} Mistake;

struct ConfigMistakes {
    char *file;
    GArray *list; /* of Mistake */
    guint more;   /* beyond MISTAKES_MAX */
};

static void clear_mistake(gpointer data)
{
    g_free(((Mistake *)data)->text);
}

ConfigMistakes *config_mistakes_new(const char *file)
{
    ConfigMistakes *mistakes = g_new0(ConfigMistakes, 1);

    mistakes->file = g_strdup(file);
    mistakes->list = g_array_new(FALSE, FALSE, sizeof(Mistake));
    g_array_set_clear_func(mistakes->list, clear_mistake);
    return mistakes;
}

void config_mistakes_free(ConfigMistakes *mistakes)
{
    g_array_unref(mistakes->list);
    g_free(mistakes->file);
    g_free(mistakes);
}

void config_mistakes_add(ConfigMistakes *mistakes, guint line, guint column, const char *format, ...)
{
    Mistake mistake = {.line = line, .column = column};
    va_list args;

    if (mistakes->list->len == MISTAKES_MAX) {
        mistakes->more++;
        return;
    }
    va_start(args, format);
    mistake.text = g_strdup_vprintf(format, args);
    va_end(args);
    g_array_append_val(mistakes->list, mistake);
    /* cppcheck-suppress memleak ; the array has the text */
}

static gint compare_mistakes(gconstpointer a, gconstpointer b)
{
    const Mistake *one = a, *two = b;

    if (one->line != two->line)
        return one->line < two->line ? -1 : 1;
    if (one->column != two->column)
        return one->column < two->column ? -1 : 1;
    return strcmp(one->text, two->text);
}

bool config_mistakes_report(const ConfigMistakes *mistakes, GError **error)
{
    g_autoptr(GString) report = g_string_new(NULL);

    if (mistakes->list->len == 0)
        return true;
    g_array_sort(mistakes->list, compare_mistakes);
    for (guint i = 0; i < mistakes->list->len; i++) {
        const Mistake *mistake = &g_array_index(mistakes->list, Mistake, i);

        g_string_append_printf(report, "%s%s:%u:%u: %s", i > 0 ? "\n" : "", mistakes->file, mistake->line,
                               mistake->column, mistake->text);
    }
    if (mistakes->more > 0)
        g_string_append_printf(report, "\n%s: %u more mistakes", mistakes->file, mistakes->more);
    g_set_error_literal(error, FAULT, FAULT_STOP, report->str);
    return false;
}

/* Edit distance (optimal string alignment): three rows of the table are enough. */
static guint distance(const char *a, const char *b)
{
    guint rows[3][WORD_MAX + 1];
    guint len_a = (guint)strlen(a), len_b = (guint)strlen(b);

    for (guint j = 0; j <= len_b; j++)
        rows[0][j] = j;
    for (guint i = 1; i <= len_a; i++) {
        const guint *above2 = rows[(i + 1) % 3], *above = rows[(i + 2) % 3];
        guint *row = rows[i % 3];

        row[0] = i;
        for (guint j = 1; j <= len_b; j++) {
            guint change = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = MIN(change, MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], above2[j - 2] + 1);
        }
    }
    return rows[len_a % 3][len_b];
}

const char *config_mistakes_nearest(const char *word, GPtrArray *words)
{
    const char *nearest = NULL;
    guint least = MAX(1, (guint)MIN(strlen(word), WORD_MAX) / 3) + 1;

    if (strlen(word) > WORD_MAX)
        return NULL;
    for (guint i = 0; i < words->len; i++) {
        const char *known = g_ptr_array_index(words, i);
        guint away = strlen(known) > WORD_MAX ? least : distance(word, known);

        if (away < least) {
            least = away;
            nearest = known;
        }
    }
    return nearest;
}
