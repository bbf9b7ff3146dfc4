#!/usr/bin/python3
"""show.py ENV USER...: what an independent IMAP client finds of users: folders, kolab's folder types, subscriptions, quota.

ENV is the file that imap-up.sh wrote. Exit status 1 when a user has no mailbox."""

import pathlib
import shlex
import sys

sys.dont_write_bytecode = True

import imap_client  # noqa: E402  pylint: disable=wrong-import-position


def open_session(env, user=""):
    return imap_client.Session(int(env["IMAPS_PORT"]), env["CA_FILE"], env["IMAP_LAB_ADMIN"], env["PASSWORD"], as_user=user)


def show_folders(session):
    subscribed = set(session.subscriptions())
    print(f"  {'folder':<24} {'/private folder-type':<24} {'/shared folder-type':<24} subscribed")
    for folder in session.own_folders():
        private, shared = session.metadata(folder).values()
        print(f"  {folder:<24} {private or '-':<24} {shared or '-':<24} {'yes' if folder in subscribed else 'no'}")


def main():
    env = dict(item.split("=", 1) for item in shlex.split(pathlib.Path(sys.argv[1]).read_text()))
    missing = False
    with open_session(env) as admin:
        for user in sys.argv[2:]:
            mailbox = f"user/{user}"
            if not admin.exists(mailbox):
                print(f"{mailbox}: NO SUCH MAILBOX")
                missing = True
                continue
            quota = admin.quota(mailbox)
            print(f"{mailbox}: quota {'none' if quota is None else f'{quota} KiB'}")
            with open_session(env, user) as session:
                show_folders(session)
    sys.exit(missing)


main()
