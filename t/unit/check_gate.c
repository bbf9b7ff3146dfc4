#include "imap/command.h"
#include "imap/gates.h"
#include "imap/throttle.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>

enum { THREADS = 32, ROUNDS = 50 };

static Stop *stop;
static Gate *gate;
static gint inside, most;
static gint order;
static gint arrived;

static void set_up(void)
{
    stop = stop_new();
    inside = most = order = arrived = 0;
}

static void tear_down(void)
{
    g_clear_pointer(&gate, gate_free);
    stop_free(stop);
}

static void enter(void)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(gate_enter(gate, stop, &error), "%s", error != NULL ? error->message : "");
}

static gpointer go_in_and_out(gpointer data)
{
    for (guint i = 0; i < ROUNDS; i++) {
        gint now, before;

        enter();
        now = g_atomic_int_add(&inside, 1) + 1;
        while ((before = g_atomic_int_get(&most)) < now && !g_atomic_int_compare_and_exchange(&most, before, now))
            continue;
        g_thread_yield();
        g_atomic_int_add(&inside, -1);
        gate_leave(gate);
    }
    return data;
}

START_TEST(never_more_are_inside_than_there_are_places)
{
    GThread *threads[THREADS];

    gate = gate_new("imaps://i", (guint)_i);
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("user", go_in_and_out, NULL);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    ck_assert_int_ge(g_atomic_int_get(&most), 1);
    ck_assert_int_le(g_atomic_int_get(&most), _i);
}
END_TEST

static gpointer take_number(gpointer data)
{
    gint number;

    g_atomic_int_inc(&arrived);
    enter();
    number = g_atomic_int_add(&order, 1);
    gate_leave(gate);
    ck_assert_int_eq(number, GPOINTER_TO_INT(data));
    return NULL;
}

START_TEST(who_comes_first_is_let_in_first)
{
    GThread *threads[8];

    gate = gate_new("imaps://i", 1);
    enter();
    for (gint i = 0; i < 8; i++) {
        threads[i] = g_thread_new("user", take_number, GINT_TO_POINTER(i));
        while (g_atomic_int_get(&arrived) <= i)
            g_thread_yield();
        g_usleep(20 * 1000); /* it has said that it comes, and lines up */
    }
    gate_leave(gate);
    for (guint i = 0; i < 8; i++)
        g_thread_join(threads[i]);
    ck_assert_int_eq(order, 8);
}
END_TEST

static gpointer wait_in_vain(gpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_atomic_int_inc(&arrived);
    ck_assert(!gate_enter(gate, stop, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_str_eq(error->message, "imaps://i: stopped while waiting until fewer sessions are open");
    return NULL;
}

START_TEST(waiting_ends_when_the_daemon_is_to_stop)
{
    GThread *threads[4];

    gate = gate_new("imaps://i", 1);
    enter();
    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("user", wait_in_vain, NULL);
    while (g_atomic_int_get(&arrived) < 4)
        g_thread_yield();
    stop_now(stop);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    gate_leave(gate);
}
END_TEST

static GPtrArray *make_commands(const char *verb, guint count)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < count; i++)
        g_ptr_array_add(commands, imap_command_new(verb));
    return commands;
}

/* As many as are needed for a judgement, after `pause_us`. */
static void note(const GPtrArray *commands, gulong pause_us)
{
    for (guint i = 0; i < THROTTLE_WINDOW; i++) {
        GateTurn turn = gate_begin(gate);

        g_usleep(pause_us);
        gate_end(gate, &turn, commands);
    }
}

/* What tells how fast a server is, and what does not. */
static const struct {
    const char *verb;
    guint count;
    const char *other;
} telling[] = {
    {"CREATE", 8, "SETACL"},
    {"GETMETADATA", 8, "GETACL"},
    {"LIST (SUBSCRIBED)", 1, "NAMESPACE"},
};

START_TEST(a_slow_server_lets_fewer_in_until_it_is_fast_again)
{
    g_autoptr(GPtrArray) creates = make_commands(telling[_i].verb, telling[_i].count);
    g_autoptr(GPtrArray) other = make_commands(telling[_i].other, telling[_i].count);
    GThread *thread;

    gate = gate_new("imaps://i", 2);
    enter();
    note(creates, 1000);
    note(other, 100000);
    note(creates, 100000);
    /* Now there is one place, and it is ours. */
    thread = g_thread_new("user", take_number, GINT_TO_POINTER(0));
    g_usleep(50 * 1000);
    ck_assert_int_eq(g_atomic_int_get(&order), 0);
    note(creates, 1000);
    g_thread_join(thread);
    ck_assert_int_eq(g_atomic_int_get(&order), 1);
    gate_leave(gate);
}
END_TEST

static const struct {
    guint max_sessions, workers, places;
} numbers[] = {
    {0, 4, 4}, {0, 64, 64}, {8, 4, 1}, {9, 4, 2}, {11, 4, 4}, {500, 4, 4}, {12, 8, 1}, {1, 8, 1},
};

START_TEST(administrators_have_places_of_their_own)
{
    ImapSettings settings = {.uri = (char *)"imaps://i", .max_sessions = numbers[_i].max_sessions};
    g_autoptr(Gates) gates = gates_new(&settings, numbers[_i].workers);
    Gate *server = gates_find(gates, NULL);

    stop_now(stop);
    for (guint i = 0; i < numbers[_i].places; i++)
        ck_assert(gate_enter(server, stop, NULL));
    ck_assert(!gate_enter(server, stop, NULL));
    for (guint i = 0; i < numbers[_i].places; i++)
        gate_leave(server);
}
END_TEST

START_TEST(each_server_of_a_murder_has_its_gate)
{
    ImapSettings settings = {.uri = (char *)"imaps://i"};
    g_autoptr(Gates) gates = gates_new(&settings, 4);

    ck_assert_ptr_eq(gates_find(gates, "b1.example.org"), gates_find(gates, "B1.example.org"));
    ck_assert_ptr_ne(gates_find(gates, "b1.example.org"), gates_find(gates, "b2.example.org"));
    ck_assert_ptr_ne(gates_find(gates, "b1.example.org"), gates_find(gates, NULL));
    ck_assert_ptr_null(gates_find(NULL, "b1.example.org"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tcase = tcase_create("gate");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, never_more_are_inside_than_there_are_places, 1, 5);
    tcase_add_test(tcase, who_comes_first_is_let_in_first);
    tcase_add_test(tcase, waiting_ends_when_the_daemon_is_to_stop);
    tcase_add_loop_test(tcase, a_slow_server_lets_fewer_in_until_it_is_fast_again, 0, G_N_ELEMENTS(telling));
    tcase_add_loop_test(tcase, administrators_have_places_of_their_own, 0, G_N_ELEMENTS(numbers));
    tcase_add_test(tcase, each_server_of_a_murder_has_its_gate);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
