#include "imap/reply.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* A value as text, to compare with: atom as it is, "string" with escapes, NIL, (list). */
static void print_value(GString *out, const ImapValue *value)
{
    g_autofree char *escaped = NULL;

    switch (value->kind) {
    case IMAP_NIL:
        g_string_append(out, "NIL");
        break;
    case IMAP_ATOM:
    case IMAP_STRING:
        ck_assert_int_eq(value->data[value->len], '\0');
        escaped = g_strescape(value->data, NULL);
        g_string_append_printf(out, value->kind == IMAP_ATOM ? "%s" : "\"%s\"", escaped);
        if (strlen(value->data) != value->len)
            g_string_append_printf(out, "[%" G_GSIZE_FORMAT "]", value->len);
        break;
    case IMAP_LIST:
        g_string_append_c(out, '(');
        for (guint i = 0; i < value->items->len; i++) {
            g_string_append(out, i > 0 ? " " : "");
            print_value(out, g_ptr_array_index(value->items, i));
        }
        g_string_append_c(out, ')');
        break;
    }
}

static char *print_reply(const ImapReply *reply)
{
    static const char *const statuses[] = {"", "OK", "NO", "BAD", "BYE", "PREAUTH"};
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%s|%s|",
                           reply->kind == REPLY_TAGGED ? reply->tag : reply->kind == REPLY_UNTAGGED ? "*" : "+",
                           statuses[reply->status]);
    if (reply->code != NULL)
        g_string_append_printf(out, "[%s]", reply->code);
    g_string_append(out, reply->text != NULL ? reply->text : "");
    for (guint i = 0; i < reply->values->len; i++) {
        g_string_append_c(out, i > 0 ? ' ' : '|');
        print_value(out, g_ptr_array_index(reply->values, i));
    }
    return g_string_free(out, FALSE);
}

/* The answers of Cyrus 3.6.1, and what the RFCs allow besides. */
static const struct {
    const char *wire;
    const char *expected;
} replies[] = {
    {"k1 OK Completed\r\n", "k1|OK|Completed"},
    {"k1 OK [MAILBOXID (y5gx5rngs7dw1n)] Completed\r\n", "k1|OK|[MAILBOXID (y5gx5rngs7dw1n)]Completed"},
    {"k22 NO Mailbox does not exist\r\n", "k22|NO|Mailbox does not exist"},
    {"k3 no [HASCHILDREN] x\r\n", "k3|NO|[HASCHILDREN]x"},
    {"k3 NO\r\n", "k3|NO|"},
    {"k3 BAD The y right is not supported\r\n", "k3|BAD|The y right is not supported"},
    {"k4 OK a text that ends like a literal {17}\r\n", "k4|OK|a text that ends like a literal {17}"},
    {"k4 OK [UNCLOSED text\r\n", "k4|OK|[UNCLOSED text"},
    {"k4 NO Entw\xc3\xbcrfe \x01\r\n", "k4|NO|Entw\\xc3\\xbcrfe \\x01"},
    {"* OK rename user/a@d user/b@d {3}\r\n", "*|OK|rename user/a@d user/b@d {3}"},
    {"* BYE LOGOUT received\r\n", "*|BYE|LOGOUT received"},
    {"* BAD Invalid tag\r\n", "*|BAD|Invalid tag"},
    {"* PREAUTH IMAP4rev1\r\n", "*|PREAUTH|IMAP4rev1"},
    {"+ go ahead\r\n", "+||go ahead"},
    {"+\r\n", "+||"},
    {"* QUOTA user/john@example.org (STORAGE 0 1024)\r\n", "*|||QUOTA user/john@example.org (STORAGE 0 1024)"},
    {"* QUOTA user/john@example.org ()\r\n", "*|||QUOTA user/john@example.org ()"},
    {"* QUOTAROOT \"A b\" INBOX\r\n", "*|||QUOTAROOT \"A b\" INBOX"},
    {"* ACL user/j@d j@d lrswipkxtecdan -k@d w \"\" lrs\r\n", "*|||ACL user/j@d j@d lrswipkxtecdan -k@d w \"\" lrs"},
    {"* LIST (\\Noselect \\HasChildren) \"/\" \"A b\"\r\n", "*|||LIST (\\\\Noselect \\\\HasChildren) \"/\" \"A b\""},
    {"* LSUB () \"/\" Entw&APw-rfe\r\n", "*|||LSUB () \"/\" Entw&APw-rfe"},
    {"* NAMESPACE NIL ((\"user/\" \"/\")) ((\"\" \"/\"))\r\n", "*|||NAMESPACE NIL ((\"user/\" \"/\")) ((\"\" \"/\"))"},
    {"* METADATA \"A b\" (\"/shared/vendor/kolab/folder-type\" nil)\r\n",
     "*|||METADATA \"A b\" (\"/shared/vendor/kolab/folder-type\" NIL)"},
    {"* METADATA INBOX (/private/comment {9}\r\nl1\r\n) \"{2} /shared/comment \"x\")\r\n",
     "*|||METADATA INBOX (/private/comment \"l1\\r\\n) \\\"{2\" } /shared/comment \"x\")"},
    {"* METADATA {5+}\r\nINBOX (/shared/x ~{3}\r\n\xff\x80(/private/y {0}\r\n)\r\n",
     "*|||METADATA \"INBOX\" (/shared/x \"\\377\\200(\" /private/y \"\")"},
    {"* LIST () \"/\" {4}\r\nA\"\\b\r\n", "*|||LIST () \"/\" \"A\\\"\\\\b\""},
    {"* LIST () \"\\\\\" \"a\\\"b\\\\c\"\r\n", "*|||LIST () \"\\\\\" \"a\\\"b\\\\c\""},
    {"* STATUS INBOX (MESSAGES 0 MAILBOXID (t\xef{{\xbd\x7f\x01U))\r\n",
     "*|||STATUS INBOX (MESSAGES 0 MAILBOXID (t\\357{{\\275\\177\\001U))"},
    {"* LIST ({{\xff) {x} {12 ~ ~x\r\n", "*|||LIST ({{\\377) {x} {12 ~ ~x"},
    {"* 23 EXISTS\r\n", "*|||23 EXISTS"},
    {"* CAPABILITY  IMAP4rev1 \r\n", "*|||CAPABILITY IMAP4rev1"},
    {"\r\n\r\n* SEARCH\r\n", "*|||SEARCH"},
};

static char *parse(const char *data, gsize len, gsize *used)
{
    g_autoptr(ImapReply) reply = NULL;
    g_autoptr(GError) error = NULL;
    bool ok = imap_reply_parse(data, len, &reply, used, &error);

    ck_assert_msg(ok, "%s", ok ? "" : error->message);
    return reply != NULL ? print_reply(reply) : NULL;
}

START_TEST(replies_are_parsed_and_no_byte_behind_them_is_taken)
{
    const gsize len = strlen(replies[_i].wire);
    g_autofree char *more = g_strconcat(replies[_i].wire, "* NEXT\r\n", NULL);
    gsize used = 0;
    g_autofree char *got = parse(more, strlen(more), &used);

    ck_assert_str_eq(got, replies[_i].expected);
    ck_assert_uint_eq(used, len);
}
END_TEST

/* Each prefix lies in its own block, so that valgrind and ASan see a read behind it. */
START_TEST(every_prefix_of_a_reply_asks_for_more)
{
    const gsize len = strlen(replies[_i].wire);

    for (gsize cut = 0; cut < len; cut++) {
        g_autofree char *prefix = g_memdup2(replies[_i].wire, cut);
        gsize used = 99;
        g_autofree char *got = parse(prefix, cut, &used);

        ck_assert_msg(got == NULL, "%" G_GSIZE_FORMAT " bytes: %s", cut, got);
        ck_assert_uint_le(used, 4);
        ck_assert_msg(used == 0 || replies[_i].wire[0] == '\r', "took %" G_GSIZE_FORMAT " bytes", used);
    }
}
END_TEST

START_TEST(a_literal_may_hold_nul)
{
    static const char wire[] = "* METADATA x {3}\r\na\0b\r\n";
    gsize used = 0;
    g_autofree char *got = parse(wire, sizeof wire - 1, &used);

    ck_assert_str_eq(got, "*|||METADATA x \"a\"[3]");
}
END_TEST

static const struct {
    const char *wire;
    const char *problem;
} broken[] = {
    {"HTTP/1.1 400 Bad Request\r\n", "no reply"},
    {"k1\r\n", "no reply"},
    {"k1 MAYBE\r\n", "no reply"},
    {"k1 BYE x\r\n", "no reply"},
    {" OK x\r\n", "no reply"},
    {"*\r\n", "no reply"},
    {"* \r\n", "no reply"},
    {"+x\r\n", "no reply"},
    {"* OK bare feed\n", "line feed without carriage return"},
    {"\n", "line feed without carriage return"},
    {"* LIST (\r\n", "list without end"},
    {"* LIST ((\\a)\r\n", "list without end"},
    {"* LIST )\r\n", "unexpected parenthesis"},
    {"* LIST () \"/\r\n", "quote without end"},
    {"* LIST () \"/\\\"\r\n", "quote without end"},
    {"* LIST () \"\r\"\r\n", "quote without end"},
    {"* LIST () \"\\\r\"\r\n", "quote without end"},
    {"* LIST a\rb\r\n", "unexpected byte"},
    {"* LIST () \"/\" \"a {3}\r\nabc\r\n", "quote without end"},
    {"* LIST {1048577}\r\n", "literal too long"},
    {"* LIST {99999999999999999999999999999999999999}\r\n", "literal too long"},
    {"* LIST {1}\r\nx {1048576}\r\n", "literal too long"},
    {"* A ((((((((((((((((()))))))))))))))))\r\n", "nested too deep"},
};

static void assert_broken(const char *data, gsize len, const char *problem)
{
    g_autoptr(ImapReply) reply = NULL;
    g_autoptr(GError) error = NULL;
    gsize used;

    ck_assert(!imap_reply_parse(data, len, &reply, &used, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_msg(strstr(error->message, problem) != NULL, "%s", error->message);
}

START_TEST(what_is_not_imap_is_refused_and_named)
{
    assert_broken(broken[_i].wire, strlen(broken[_i].wire), broken[_i].problem);
}
END_TEST

START_TEST(nul_outside_a_literal_is_refused)
{
    assert_broken("* LIST a\0b\r\n", 12, "unexpected byte");
    assert_broken("* LIST \0\r\n", 10, "unexpected byte");
}
END_TEST

START_TEST(a_line_without_end_is_refused_at_the_bound)
{
    g_autofree char *line = g_strnfill(REPLY_LINE_MAX + 1, 'x');
    gsize used;

    ck_assert_ptr_null(parse(line, REPLY_LINE_MAX, &used));
    assert_broken(line, REPLY_LINE_MAX + 1, "line too long");
}
END_TEST

START_TEST(a_line_in_pieces_between_literals_is_refused_at_the_bound)
{
    g_autoptr(GString) line = g_string_new("* X");

    while (line->len <= REPLY_LINE_MAX)
        g_string_append(line, " {0}\r\n");
    assert_broken(line->str, line->len, "line too long");
}
END_TEST

/* Looked at again for each piece, the first word would take minutes. */
START_TEST(a_long_word_before_many_pieces_is_looked_at_once)
{
    g_autoptr(GString) line = g_string_new("* ");

    for (guint i = 0; i < REPLY_LINE_MAX / 2; i++)
        g_string_append_c(line, 'A');
    while (line->len <= REPLY_LINE_MAX)
        g_string_append(line, " {0}\r\n");
    assert_broken(line->str, line->len, "line too long");
}
END_TEST

START_TEST(of_a_text_for_people_no_more_is_kept_than_they_read)
{
    g_autofree char *text = g_strnfill(2 * REPLY_TEXT_MAX, 'x');
    g_autofree char *line = g_strdup_printf("k NO [OVERQUOTA] %s\r\n", text);
    g_autoptr(ImapReply) reply = NULL;
    gsize used;

    ck_assert(imap_reply_parse(line, strlen(line), &reply, &used, NULL));
    ck_assert_uint_eq(used, strlen(line));
    ck_assert_uint_eq(strlen(reply->text), REPLY_TEXT_MAX);
    ck_assert_str_eq(reply->code, "OVERQUOTA");
}
END_TEST

START_TEST(too_many_values_are_refused)
{
    g_autoptr(GString) line = g_string_new("* X");

    for (guint i = 0; i < REPLY_VALUES_MAX; i++)
        g_string_append(line, "()");
    g_string_append(line, "\r\n");
    assert_broken(line->str, line->len, "too many values");
}
END_TEST

START_TEST(the_longest_literal_and_the_deepest_list_are_parsed)
{
    g_autoptr(GString) wire = g_string_new("* X ((((((((((((((({1048576}\r\n");
    gsize used = 0;

    for (guint i = 0; i < REPLY_LITERAL_MAX; i++)
        g_string_append_c(wire, '(');
    g_string_append(wire, ")))))))))))))))\r\n");
    g_autofree char *got = parse(wire->str, wire->len, &used);
    ck_assert_ptr_nonnull(got);
    ck_assert_uint_eq(used, wire->len);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("reply");
    Suite *suite = suite_create("reply");

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, replies_are_parsed_and_no_byte_behind_them_is_taken, 0, G_N_ELEMENTS(replies));
    tcase_add_loop_test(tcase, every_prefix_of_a_reply_asks_for_more, 0, G_N_ELEMENTS(replies));
    tcase_add_test(tcase, a_literal_may_hold_nul);
    tcase_add_loop_test(tcase, what_is_not_imap_is_refused_and_named, 0, G_N_ELEMENTS(broken));
    tcase_add_test(tcase, nul_outside_a_literal_is_refused);
    tcase_add_test(tcase, a_line_without_end_is_refused_at_the_bound);
    tcase_add_test(tcase, a_line_in_pieces_between_literals_is_refused_at_the_bound);
    tcase_add_test(tcase, a_long_word_before_many_pieces_is_looked_at_once);
    tcase_add_test(tcase, of_a_text_for_people_no_more_is_kept_than_they_read);
    tcase_add_test(tcase, too_many_values_are_refused);
    tcase_add_test(tcase, the_longest_literal_and_the_deepest_list_are_parsed);
    return run_suite(suite);
}
