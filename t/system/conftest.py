"""Fixtures of the system tests: the real 389 Directory Server and Cyrus IMAP, once a session; a domain of its own, once a test.

A test takes `lab` (see lab.py), or one of its parts: `imap`, `kolabd`."""

import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

# pylint: disable=wrong-import-position
from lab import open_lab, open_witnesses  # noqa: E402
from outputs import check_no_secret  # noqa: E402
from polling import wait_until as poll  # noqa: E402
from servers import Servers  # noqa: E402

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def servers():
    found = Servers()
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def witnesses(servers):
    return open_witnesses(servers)


@pytest.fixture
def lab(servers, witnesses, tmp_path, request):
    with open_lab(servers, witnesses, next(NUMBERS), tmp_path) as opened:
        request.node.kolabd_log = opened.kolabd.log
        yield opened
    check_no_secret(tmp_path)


@pytest.fixture
def imap(lab):
    return lab.imap


@pytest.fixture
def kolabd(lab):
    return lab.kolabd


@pytest.fixture
def wait_until():
    return poll


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows what kolabd wrote, beside a failure."""
    report = (yield).get_result()
    log = getattr(item, "kolabd_log", None)
    if report.failed and log and log.exists():
        report.sections.append(("kolabd", log.read_text(errors="replace")[-20000:]))
