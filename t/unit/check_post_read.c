#include "directory/post_read.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* Octets as a server sends them (RFC 4511, 4.5.2; tag 0x64 is SearchResultEntry). */
#define ENTRY(len, attributes) "\x64" len "\x04\x05uid=j" attributes
#define MAIL_ONE "\x30\x0b\x04\x04mail\x31\x03\x04\x01" "a"
#define MAIL_TWO "\x30\x0e\x04\x04MAIL\x31\x06\x04\x01" "a\x04\x01" "b"
#define HOST "\x30\x0f\x04\x08mailHost\x31\x03\x04\x01" "h"

static const struct {
    const char *name;
    const char *octets;
    gsize len;
    const char *attribute;
    int count; /* -1: they are none */
} answers[] = {
#define ROW(name, octets, attribute, count) {name, octets, sizeof octets - 1, attribute, count}
    ROW("one value", ENTRY("\x16", "\x30\x0d" MAIL_ONE), "mail", 1),
    ROW("two values, other case", ENTRY("\x19", "\x30\x10" MAIL_TWO), "mail", 2),
    ROW("among others", ENTRY("\x27", "\x30\x1e" HOST MAIL_ONE), "mail", 1),
    ROW("said twice", ENTRY("\x26", "\x30\x1d" MAIL_ONE MAIL_TWO), "mail", 3),
    ROW("another one", ENTRY("\x1a", "\x30\x11" HOST), "mail", 0),
    ROW("its name begins like another one's", ENTRY("\x1a", "\x30\x11" HOST), "mailHost", 1),
    ROW("no attribute", ENTRY("\x09", "\x30\x00"), "mail", 0),
    ROW("no value", ENTRY("\x13", "\x30\x0a\x30\x08\x04\x04mail\x31\x00"), "mail", 0),
    ROW("nothing", "", "mail", -1),
    ROW("no entry", "\x04\x01" "a", "mail", -1),
    ROW("only a DN", ENTRY("\x07", ""), "mail", -1),
    ROW("cut off", ENTRY("\x16", "\x30\x0d\x30\x0b\x04\x04mail\x31"), "mail", -1),
    ROW("longer than it is", ENTRY("\x7f", "\x30\x0d" MAIL_ONE), "mail", -1),
};

START_TEST(values_are_counted_as_the_server_tells_them)
{
    /* A block of its own, so that a read behind it is seen. */
    g_autofree char *octets = g_memdup2(answers[_i].octets, answers[_i].len);
    struct berval answer = {.bv_val = octets, .bv_len = answers[_i].len};
    guint count;
    bool read = post_read_count(&answer, answers[_i].attribute, &count);

    ck_assert_msg(read == (answers[_i].count >= 0), "%s", answers[_i].name);
    if (read)
        ck_assert_msg((int)count == answers[_i].count, "%s: %u", answers[_i].name, count);
}
END_TEST

START_TEST(what_is_asked_for_is_a_list_of_attributes_and_not_critical)
{
    static const char *const attributes[] = {"mail", "mailHost", NULL};
    LDAPControl *control = post_read_ask(attributes);

    ck_assert_ptr_nonnull(control);
    ck_assert_str_eq(control->ldctl_oid, "1.3.6.1.1.13.2");
    ck_assert_int_eq(control->ldctl_iscritical, 0);
    ck_assert_uint_eq(control->ldctl_value.bv_len, 18);
    ck_assert_mem_eq(control->ldctl_value.bv_val, "\x30\x10\x04\x04mail\x04\x08mailHost", 18);
    ldap_control_free(control);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("post_read");
    TCase *tcase = tcase_create("post_read");

    tcase_add_loop_test(tcase, values_are_counted_as_the_server_tells_them, 0, G_N_ELEMENTS(answers));
    tcase_add_test(tcase, what_is_asked_for_is_a_list_of_attributes_and_not_critical);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
