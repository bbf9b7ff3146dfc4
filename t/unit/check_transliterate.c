#include "policy/transliterate.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *locale;
    const char *text;
    const char *ascii;
} forms[] = {
    {"en", "Jane Doe", "Jane Doe"},
    {"en", "", ""},
    {"de", "Müller", "Mueller"},
    {"de", "Mu\u0308ller", "Mueller"},
    {"de", "Größe ÄÖÜ", "Groesse AEOEUE"},
    {"de_DE", "Käthe", "Kaethe"},
    {"de-AT", "Käthe", "Kaethe"},
    {"DE", "Käthe", "Kaethe"},
    {"deu", "Käthe", "Kaethe"},
    {"de, en;q=0.5", "Käthe", "Kaethe"},
    {"de;q=1.0,en", "Käthe", "Kaethe"},
    {"de_DE.UTF-8", "Käthe", "Kaethe"},
    {"en_US", "Müller", "Muller"},
    {"en, de;q=0.5", "Müller", "Muller"},
    {"en_US", "Straße", "Strasse"},
    {"fi", "Mäkinen", "Makinen"},
    {"da", "Åse Sørensen Bæk", "AAse Soerensen Baek"},
    {"nb", "Bjørn Ågård", "Bjoern AAgaard"},
    {"no", "Bjørn", "Bjoern"},
    {"sv-SE", "Åke Östberg", "AAke OEstberg"},
    {"en", "Bjørn Ågård", "Bjorn Agard"},
    {"fr", "Hélène Œuvrard Ça", "Helene OEuvrard Ca"},
    {"is", "Þórður Æsa", "THordur AEsa"},
    {"pl", "Łukasz Żółć", "Lukasz Zolc"},
    {"cs", "Šimek Řeháček", "Simek Rehacek"},
    {"tr", "Şahin İnci ılık", "Sahin Inci ilik"},
    {"vi", "Nguyễn Đặng", "Nguyen Dang"},
    {"es", "Mª Ñandú", "Ma Nandu"},
    {"hr", "Đurđica Šarić", "Djurdjica Saric"},
    {"en", "Đurđica", "Durdica"},
    /* other scripts; marks that only the romaniser writes go */
    {"ru", "Игорь Щукин", "Igor Shchukin"},
    {"ru", "Юлия Подъёмная", "Yuliya Podyemnaya"},
    {"en_US", "Игорь Щукин", "Igor Shchukin"},
    {"uk", "Юрій Їжак Григорій", "Yuriy Yizhak Hryhoriy"},
    {"bg", "Христо Щерев Хърватин", "Hristo Shterev Harvatin"},
    {"sr", "Ђорђе Љубица", "Djordje Ljubica"},
    {"mk", "Ѓорѓи", "Gorgi"},
    {"el", "Κωνσταντίνος Ευαγγέλου", "Konstantinos Evangelou"},
    {"en", "Χρήστος", "Christos"},
    {"ja", "しんいち タナカ", "shinichi tanaka"},
    {"ja", "ﾀﾅｶ", "tanaka"},
    {"en", "田中", "tian zhong"},
    {"ko", "김민수", "gimminsu"},
    {"hy", "Ջան", "Jan"},
    {"ka", "გიორგი", "giorgi"},
    {"th", "ราม", "ram"},
    {"he", "שרה", "srh"},
    {"ar", "محمد", "mhmd"},
    /* the apostrophe of a name stays, whichever sign somebody typed */
    {"en", "O'Connor", "O'Connor"},
    {"en", "O’Connor", "O'Connor"},
    {"en", "O´Connor", "O'Connor"},
    {"en", "D’Arcy Zoë", "D'Arcy Zoe"},
    {"uk", "Дем'яненко", "Dem'yanenko"},
    /* what has no form goes */
    {"en", "Zo\u00eb\U0001F600!", "Zoe!"},
    {"en", "\uE000\u2603", ""},
    {"en", "\U0001D400nna", "Anna"},
    {"en", "Ｊａｎｅ", "Jane"},
    {"zz", "Müller", "Muller"},
    {"", "Müller", "Muller"},
};

START_TEST(a_name_is_written_as_its_language_does)
{
    g_autofree char *ascii = transliterate(forms[_i].text, forms[_i].locale);

    ck_assert_msg(g_strcmp0(ascii, forms[_i].ascii) == 0, "%s in %s: %s, not %s", forms[_i].text, forms[_i].locale,
                  ascii, forms[_i].ascii);
}
END_TEST

START_TEST(a_surname_may_be_read_by_the_rules_for_chinese_names)
{
    g_autofree char *plain = transliterate("曾", "en");
    g_autofree char *name = transliterate("曾", "zh-CN");

    ck_assert_str_eq(g_strstrip(plain), "ceng");
    ck_assert_str_eq(g_strstrip(name), "zeng");
}
END_TEST

START_TEST(a_text_that_grows_a_lot_is_complete)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *ascii = NULL;

    for (int i = 0; i < 500; i++)
        g_string_append(text, "\uFDFA"); /* 18 characters once decomposed */
    ascii = transliterate(text->str, "en");
    ck_assert_uint_gt(strlen(ascii), 500 * 10);
    ck_assert_uint_eq(strlen(ascii) % 500, 0);
}
END_TEST

static const char *const known[] = {"en", "de", "de_DE", "de-AT", "DE", "de, en;q=0.5", " de", "nb", "nn", "no", "deu",
                                    "en_US.UTF-8", "zh-Hant-TW", "ja", "gsw", "pt-BR", "sr-Latn", "sr_RS@latin"};
static const char *const unknown[] = {"", " ", "*", "xx", "zz-ZZ", "qq", "Deutsch", "English", "klingonese", "1", "d", "-",
                                      "de/AT", "de\"", "C", "POSIX", "\u00e4", ",de", "../../etc", "%s",
                                      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"};

START_TEST(known_languages_are_known)
{
    ck_assert_msg(transliterate_knows(known[_i]), "%s", known[_i]);
}
END_TEST

START_TEST(unknown_languages_are_unknown)
{
    ck_assert_msg(!transliterate_knows(unknown[_i]), "%s", unknown[_i]);
}
END_TEST

static gpointer transliterate_often(gpointer unused)
{
    (void)unused;
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *ascii = transliterate(forms[i % G_N_ELEMENTS(forms)].text, forms[i % G_N_ELEMENTS(forms)].locale);

        if (g_strcmp0(ascii, forms[i % G_N_ELEMENTS(forms)].ascii) != 0)
            return GINT_TO_POINTER(1);
    }
    return NULL;
}

START_TEST(threads_do_not_disturb_each_other)
{
    GThread *threads[4];

    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("transliterate", transliterate_often, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        ck_assert_ptr_null(g_thread_join(threads[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transliterate");
    TCase *tcase = tcase_create("transliterate");

    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_name_is_written_as_its_language_does, 0, G_N_ELEMENTS(forms));
    tcase_add_test(tcase, a_surname_may_be_read_by_the_rules_for_chinese_names);
    tcase_add_test(tcase, a_text_that_grows_a_lot_is_complete);
    tcase_add_loop_test(tcase, known_languages_are_known, 0, G_N_ELEMENTS(known));
    tcase_add_loop_test(tcase, unknown_languages_are_unknown, 0, G_N_ELEMENTS(unknown));
    tcase_add_test(tcase, threads_do_not_disturb_each_other);
    return run_suite(suite);
}
