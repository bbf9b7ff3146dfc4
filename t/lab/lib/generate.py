#!/usr/bin/python3
"""generate.py 389-schema | 389-tree | slapd-schema | slapd-tree: prints LDIF made from the files beside this one."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def definitions(*kinds):
    """The definitions of kolab-schema.txt whose first word is one of `kinds`."""
    for line in (HERE / "kolab-schema.txt").read_text().splitlines():
        kind, _, definition = line.partition(" ")
        if kind in kinds:
            yield definition


def print_389_schema():
    print("dn: cn=schema")
    for definition in definitions("A"):
        print("attributeTypes:", definition)
    for definition in definitions("O"):
        print("objectClasses:", definition)


def print_slapd_schema():
    print("dn: cn=kolab,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: kolab")
    for definition in definitions("A", "DA"):
        print("olcAttributeTypes:", definition)
    for definition in definitions("O", "DO"):
        print("olcObjectClasses:", definition)


def print_tree(server):
    """tree.ldif.in; a line that starts with @SERVER@ is for that server only."""
    for line in (HERE / "tree.ldif.in").read_text().splitlines():
        if line.startswith("@"):
            _, only, line = line.split("@", 2)
            if only != server:
                continue
        print(line)


{
    "389-schema": print_389_schema,
    "389-tree": lambda: print_tree("389"),
    "slapd-schema": print_slapd_schema,
    "slapd-tree": lambda: print_tree("slapd"),
}[sys.argv[1]]()
