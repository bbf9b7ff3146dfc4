"""The floors' IMAP commands: what the server must be told, written down here and not taken from kolabd. check.py compares them
with what kolabd sends, so that one command more shows as a difference and not as a slower floor."""

QUOTA_KIB = 1048576
PARTITION = "(/shared/vendor/cmu/cyrus-imapd/partition)"
KOLAB = "vendor/kolab/folder-type"
# Those with a special use
USES = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Spam": "\\Junk", "Trash": "\\Trash"}
# Folder, its type for the user alone, its type for everybody
FOLDERS = [
    ("Archive", None, None),
    ("Calendar", "event.default", "event"),
    ("Calendar/Personal Calendar", None, "event"),
    ("Configuration", "configuration.default", "configuration.default"),
    ("Contacts", "contact.default", "contact"),
    ("Contacts/Personal Contacts", None, "contact"),
    ("Drafts", "mail.drafts", None),
    ("Files", "file.default", "file"),
    ("Journal", "journal.default", "journal"),
    ("Notes", "note.default", "note"),
    ("Sent", "mail.sentitems", None),
    ("Spam", "mail.junkemail", None),
    ("Tasks", "task.default", "task"),
    ("Trash", "mail.wastebasket", None),
]


def look(user):
    """As the administrator: is it there, and how much may it hold?"""
    return [f'GETMETADATA "user/{user}" {PARTITION}', f'GETQUOTA "user/{user}"']


def create(user):
    """As the administrator: a mailbox that nobody has heard of."""
    return [f'GETQUOTA "user/{user}"', f'CREATE "user/{user}"', *set_quota(user, QUOTA_KIB)]


def create_folders():
    """As the user."""
    for folder, private, shared in FOLDERS:
        yield f'CREATE "{folder}"' + (f" (USE ({USES[folder]}))" if folder in USES else "")
        values = [f'"/{scope}/{KOLAB}" "{value}"' for scope, value in (("private", private), ("shared", shared)) if value]
        if values:
            yield f'SETMETADATA "{folder}" ({" ".join(values)})'
        yield f'SUBSCRIBE "{folder}"'


def set_quota(user, kib):
    """As the administrator: a mailbox that is known."""
    return [f'SETQUOTA "user/{user}" (STORAGE {kib})']


def rename(old, new):
    """As the administrator: a mailbox that is known, to a name that nobody has seen."""
    return [*look(new), *look(old), f'RENAME "user/{old}" "user/{new}"']


def verify():
    """As the user, since nobody else sees the user's own metadata: all that is to be known of a mailbox and its folders.

    LIST with several names, LIST "*" and GETMETADATA "*" walk all mailboxes of the server; LIST of the subscribed does not."""
    entries = f"/private/{KOLAB} /shared/{KOLAB}"
    return [f'GETMETADATA "INBOX" {PARTITION}', 'GETQUOTA "INBOX"',
            f'LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE METADATA ({entries}))']
