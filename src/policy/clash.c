#include "policy/clash.h"

#include "model/mailbox_name.h"

#include <string.h>

enum { SUFFIX_FIRST = 2, SUFFIX_LAST = 999 };

/* The addresses an entry has; canonical, borrowed. */
typedef struct {
    const char *primary; /* NULL: none */
    GHashTable *own;     /* all of them */
} Has;

/* Who answers which addresses are taken. */
typedef struct {
    AddressesTaken addresses_taken;
    gpointer user_data;
    GHashTable *asked; /* of char*: all questions so far, owned here */
    GHashTable *taken; /* of char*: all answers so far */
} Oracle;

static void oracle_clear(Oracle *oracle)
{
    g_hash_table_unref(oracle->asked);
    g_hash_table_unref(oracle->taken);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Oracle, oracle_clear)

void wish_free(Wish *wish)
{
    g_free(wish->plain);
    g_free(wish->address);
    g_free(wish);
}

Wish *wish_add(GPtrArray *wishes, char *plain)
{
    Wish *wish;

    for (guint i = 0; i < wishes->len; i++) {
        wish = g_ptr_array_index(wishes, i);
        if (strcmp(wish->plain, plain) == 0) {
            g_free(plain);
            return wish;
        }
    }
    wish = g_new0(Wish, 1);
    wish->plain = plain;
    g_ptr_array_add(wishes, wish);
    return wish;
}

/* Takes `address`; a second wish may come to the same one. */
static void add_question(Oracle *oracle, GPtrArray *questions, char *address)
{
    if (g_hash_table_contains(oracle->asked, address)) {
        g_free(address);
        return;
    }
    g_hash_table_add(oracle->asked, address);
    g_ptr_array_add(questions, address);
}

static bool ask(Oracle *oracle, GPtrArray *addresses, GError **error)
{
    return addresses->len == 0 || oracle->addresses_taken(addresses, oracle->taken, oracle->user_data, error);
}

/* "jane.doe2@example.org"; NULL when that is over-long. */
static char *number_address(const char *plain, int number)
{
    const char *at = strchr(plain, '@');
    int local_len = (int)(at - plain);
    char *address = g_strdup_printf("%.*s%d%s", local_len, plain, number, at);

    if (strchr(address, '@') - address <= LOCAL_PART_MAX && strlen(address) <= ADDRESS_MAX)
        return address;
    g_free(address);
    return NULL;
}

/* The numbered form of `plain` that an earlier clash gave to this entry: it stays while `plain` is another's.
 * The primary address comes first, or a second run would exchange it for an alias. */
static char *find_own_number(const Has *has, const char *plain)
{
    char *found = NULL;

    for (int number = SUFFIX_FIRST; number <= SUFFIX_LAST; number++) {
        g_autofree char *address = number_address(plain, number);

        if (address == NULL)
            break;
        if (g_strcmp0(address, has->primary) == 0) {
            g_free(found);
            return g_steal_pointer(&address);
        }
        if (found == NULL && g_hash_table_contains(has->own, address))
            found = g_steal_pointer(&address);
    }
    return found;
}

/* Settles what can have its plain form, or has a number already. One question for all wishes. */
static bool settle_plain(const Has *has, GPtrArray *wishes, Oracle *oracle, GError **error)
{
    g_autoptr(GPtrArray) questions = g_ptr_array_new();

    for (guint i = 0; i < wishes->len; i++) {
        const Wish *wish = g_ptr_array_index(wishes, i);

        if (!g_hash_table_contains(has->own, wish->plain))
            add_question(oracle, questions, g_strdup(wish->plain));
    }
    if (!ask(oracle, questions, error))
        return false;
    for (guint i = 0; i < wishes->len; i++) {
        Wish *wish = g_ptr_array_index(wishes, i);

        if (g_hash_table_contains(has->own, wish->plain) ||
            !g_hash_table_contains(oracle->taken, wish->plain))
            wish->address = g_strdup(wish->plain);
        else
            wish->address = find_own_number(has, wish->plain);
    }
    return true;
}

static void settle_number(Wish *wish, const Oracle *oracle, int from, int to)
{
    for (int number = from; wish->address == NULL && number <= to; number++) {
        g_autofree char *address = number_address(wish->plain, number);

        if (address == NULL)
            return;
        if (!g_hash_table_contains(oracle->taken, address))
            wish->address = g_steal_pointer(&address);
    }
}

/* Settles what it can with the numbers from..to. One question for all wishes. */
static bool settle_numbers(GPtrArray *wishes, Oracle *oracle, int from, int to, GError **error)
{
    g_autoptr(GPtrArray) questions = g_ptr_array_new();

    for (guint i = 0; i < wishes->len; i++) {
        const Wish *wish = g_ptr_array_index(wishes, i);

        for (int number = from; wish->address == NULL && number <= to; number++) {
            char *address = number_address(wish->plain, number);

            if (address == NULL)
                break;
            add_question(oracle, questions, address);
        }
    }
    if (!ask(oracle, questions, error))
        return false;
    for (guint i = 0; i < wishes->len; i++)
        settle_number(g_ptr_array_index(wishes, i), oracle, from, to);
    return true;
}

bool clash_settle(GPtrArray *wishes, const char *primary, GHashTable *own, AddressesTaken addresses_taken,
                  gpointer user_data, const Wish **unsettled, GError **error)
{
    Has has = {.primary = primary, .own = own};
    g_auto(Oracle) oracle = {.addresses_taken = addresses_taken,
                             .user_data = user_data,
                             .asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                             .taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    const Wish *left = NULL;

    if (!settle_plain(&has, wishes, &oracle, error))
        return false;
    for (int from = SUFFIX_FIRST, to = 9; from <= SUFFIX_LAST; from = to + 1, to = 10 * to + 9)
        if (!settle_numbers(wishes, &oracle, from, to, error))
            return false;
    for (guint i = 0; i < wishes->len && left == NULL; i++) {
        const Wish *wish = g_ptr_array_index(wishes, i);

        left = wish->address == NULL ? wish : NULL;
    }
    *unsettled = left;
    return true;
}
