/* Whatever a server answers to the commands that look: what was OK exists, what is missing was said to be absent, and
 * everything else is an error. The first octet chooses what is asked, the rest is the answers. */
#include "../unit/answers.h"
#include "imap/observe.h"
#include "imap/observe_folders.h"
#include "imap/observe_shared.h"
#include "imap/status.h"
#include "model/fault.h"
#include "model/mailbox_name.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const Namespace names = {.separator = '/', .prefix = (char *)""};

/* A session that did not get all its answers has failed, so that nobody looks at them. */
static bool answer(GPtrArray *commands, const char *data, gsize len)
{
    return answer_commands(commands, data, len) == commands->len;
}

static void check_result(bool read, const GError *error)
{
    g_assert(read == (error == NULL));
    if (!read)
        g_assert(error->domain == FAULT && fault_of(error) != FAULT_STOP && g_utf8_validate(error->message, -1, NULL));
}

static bool said_absent(GPtrArray *commands, guint index)
{
    const ImapCommand *command = g_ptr_array_index(commands, index);

    return command->status == IMAP_NO && imap_says_absent(command);
}

static void check_mailbox(const char *data, gsize len, bool with_previous)
{
    g_autoptr(GPtrArray) commands =
        observe_mailbox_commands(&names, "user/jane@example.org", with_previous ? "user/hand@example.org" : NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    bool read;

    if (!answer(commands, data, len))
        return;
    read = observe_mailbox_answers("imaps://x", commands, with_previous, observed, &error);
    check_result(read, error);
    if (!read)
        return;
    g_assert(observed->mailbox_exists != said_absent(commands, 0));
    g_assert(observed->quota_known && observed->quota_kib >= QUOTA_UNLIMITED);
    if (with_previous)
        g_assert(observed->previous_exists != said_absent(commands, 2));
}

static GPtrArray *make_folders(void)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    Folder *calendar = folder_new("Calendar");

    g_ptr_array_add(calendar->metadata, metadata_new("/private/vendor/kolab/folder-type", "event"));
    g_ptr_array_add(folders, calendar);
    g_ptr_array_add(folders, folder_new("Sent"));
    return folders;
}

static void check_folders(const char *data, gsize len)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GPtrArray) commands = observe_folders_commands(&names, folders, observed, false, true);
    g_autoptr(GError) error = NULL;
    bool read;

    if (!answer(commands, data, len))
        return;
    read = observe_folders_answers("imaps://x", &names, commands, folders, true, observed, &error);
    check_result(read, error);
    g_assert(observed->folders_known == read);
    for (guint i = 0; read && i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);

        g_assert(g_hash_table_contains(observed->folders, folder->name) != said_absent(commands, i + 1));
    }
}

static void check_list(const char *data, gsize len)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GPtrArray) rest = NULL;
    g_autoptr(Observed) observed = observed_new();
    bool answered;

    g_ptr_array_add(commands, observe_list_command(folders, true));
    if (!answer(commands, data, len))
        return;
    answered = observe_list_answer(&names, g_ptr_array_index(commands, 0), folders, observed);
    rest = observe_folders_commands(&names, folders, observed, true, !answered);
    g_assert(rest->len == folders->len - g_hash_table_size(observed->folders) + (answered ? 0 : 1));
}

static void check_shared(const char *data, gsize len)
{
    g_autoptr(Account) account = account_new();
    g_autoptr(GPtrArray) commands = NULL;
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    bool read;

    account->mailbox = g_strdup("shared/Team@example.org");
    commands = observe_shared_commands(&names, account, "shared/Crew@example.org");
    if (!answer(commands, data, len))
        return;
    read = observe_shared_answers("imaps://x", commands, true, false, observed, &error);
    check_result(read, error);
    if (!read)
        return;
    g_assert(observed->mailbox_exists != said_absent(commands, 0));
    g_assert(observed->previous_exists != said_absent(commands, 2));
    g_assert(observed->acl_known == (observed->mailbox_exists || observed->previous_exists));
}

static void check_parents(const char *data, gsize len)
{
    g_autoptr(GPtrArray) parents = mailbox_name_parents("shared/Team/Plans@example.org");
    g_autoptr(GPtrArray) commands = observe_parents_commands(&names, parents);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    bool read;

    if (!answer(commands, data, len))
        return;
    read = observe_parents_answers("imaps://x", commands, parents, observed, &error);
    check_result(read, error);
    for (guint i = 0; read && i < parents->len; i++)
        g_assert(g_ptr_array_find_with_equal_func(observed->missing_parents, g_ptr_array_index(parents, i), g_str_equal, NULL)
                 == said_absent(commands, i * 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A block of its own, so that a read behind it is seen. */
    g_autofree char *answers = size > 1 ? g_memdup2(data + 1, size - 1) : NULL;

    if (answers == NULL)
        return 0;
    switch (data[0] % 5) {
    case 0:
        check_mailbox(answers, size - 1, false);
        break;
    case 1:
        check_mailbox(answers, size - 1, true);
        break;
    case 2:
        check_folders(answers, size - 1);
        check_list(answers, size - 1);
        break;
    case 3:
        check_shared(answers, size - 1);
        break;
    case 4:
        check_parents(answers, size - 1);
        break;
    }
    return 0;
}
