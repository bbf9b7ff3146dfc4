"""Fixtures of the system tests: the real 389 Directory Server and Cyrus IMAP, once a session; a domain of its own, once a test.

A test takes `lab` (see lab.py), or one of its parts: `imap`, `kolabd`. `murder_lab` is a lab on a murder (see murder.py);
with --on-murder (PYTEST_FLAGS=--on-murder), or in a module that says so, `lab` is one, too:

    @pytest.fixture
    def lab(murder_lab):
        return murder_lab

A test that takes a murder is marked so (`make check-murder` runs these). One that is marked `slow` runs only there."""

import contextlib
import itertools
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "lab"), str(TESTS / "fake")]

# pylint: disable=wrong-import-position
import imap_hostile  # noqa: E402
from lab import open_lab, open_witnesses  # noqa: E402
from murder import MurderLab, may_listen, open_murder  # noqa: E402
from outputs import check_no_secret  # noqa: E402
from polling import wait_until as poll  # noqa: E402
from proxied import ProxiedLab  # noqa: E402
from servers import FixedServers, Server, Servers  # noqa: E402

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
    if request.config.getoption("--on-murder"):
        opened = request.getfixturevalue("murder_lab")
        opened.spread()
        yield opened
        return
    with open_lab(servers, witnesses, next(NUMBERS), tmp_path) as opened:
        request.node.kolabd_log = opened.kolabd.log
        yield opened
    check_no_secret(tmp_path)


@pytest.fixture
def open_server(servers, witnesses, tmp_path, request):
    """open_server("line for imapd.conf") gives a lab on a Cyrus of its own, made with these options of imap-up.sh."""
    with contextlib.ExitStack() as stack:
        def start(*lines, **options):
            extra = tmp_path / "imapd.extra"
            extra.write_text("".join(f"{line}\n" for line in lines))
            server = Server("imap", servers.directory, f"imap-{tmp_path.name}", IMAP_EXTRA=str(extra), **options)
            stack.callback(server.stop)
            server.start()
            opened = stack.enter_context(open_lab(servers, witnesses, server.env["IMAPS_PORT"], tmp_path, server))
            request.node.kolabd_log = opened.kolabd.log
            return opened
        yield start
    check_no_secret(tmp_path)


@pytest.fixture
def proxied_lab(servers, witnesses, tmp_path):
    """proxied_lab(ends_tls=...) gives a ProxiedLab (see proxied.py), and another one with each call."""
    with contextlib.ExitStack() as stack:
        def open_one(**options):
            number = next(NUMBERS)
            directory = tmp_path / f"t{number}"
            directory.mkdir()
            opened = ProxiedLab(servers, witnesses, number, directory, **options)
            stack.callback(opened.close)
            return opened
        yield open_one
    check_no_secret(tmp_path)


@pytest.fixture(scope="session")
def murder(servers):
    """The murder with one frontend, as t/lab/murder-up.sh makes it without options."""
    if not may_listen():
        pytest.skip("a murder needs the ports 143 and 993: be root, or sysctl net.ipv4.ip_unprivileged_port_start=143")
    with open_murder(servers.directory / "murder", servers.directory / "ca") as opened:
        yield opened


@pytest.fixture
def open_murder_lab(servers, witnesses, tmp_path, request):
    """open_murder_lab(murder) gives a MurderLab."""
    with contextlib.ExitStack() as stack:
        def open_one(murder):
            number = next(NUMBERS)
            directory = tmp_path / f"t{number}"
            directory.mkdir()
            opened = MurderLab(servers, murder, witnesses[0], number, directory)
            stack.callback(opened.close)
            request.node.kolabd_log = opened.kolabd.log
            return opened
        yield open_one
    check_no_secret(tmp_path)


@pytest.fixture
def murder_lab(murder, open_murder_lab):
    return open_murder_lab(murder)


@pytest.fixture
def other_murder(murder, servers, open_murder_lab):
    """other_murder(MURDER_FRONTENDS=2) gives a MurderLab on a murder of its own, made with these options of murder-up.sh."""
    with contextlib.ExitStack() as stack:
        def start(**options):
            directory = servers.directory / f"murder-{next(NUMBERS)}"
            return open_murder_lab(stack.enter_context(open_murder(directory, servers.directory / "ca", **options)))
        yield start


@pytest.fixture(scope="session")
def fixed_murder(murder, servers):
    """A murder whose backends survive SETMETADATA on shared mailboxes."""
    with open_murder(servers.directory / "murder-fixed", servers.directory / "ca", LAB_FIX_4611="1") as opened:
        yield opened


@pytest.fixture(scope="session")
def fixed_servers(servers):
    fixed = FixedServers(servers)
    yield fixed
    fixed.imap.stop()


@pytest.fixture(scope="session")
def fixed_witnesses(fixed_servers):
    return open_witnesses(fixed_servers)


@pytest.fixture
def open_fixed(fixed_servers, fixed_witnesses, tmp_path, request):
    """Opens one lab after the other, of the servers whose shared mailboxes take metadata: `with open_fixed() as lab`."""
    @contextlib.contextmanager
    def open_one():
        if request.config.getoption("--on-murder"):
            opened = request.getfixturevalue("open_murder_lab")(request.getfixturevalue("fixed_murder"))
            opened.spread()
            yield opened
            return
        number = next(NUMBERS)
        directory = tmp_path / f"t{number}"
        directory.mkdir()
        with open_lab(fixed_servers, fixed_witnesses, number, directory) as opened:
            request.node.kolabd_log = opened.kolabd.log
            yield opened
    yield open_one
    check_no_secret(tmp_path)


@pytest.fixture
def fixed(open_fixed):
    with open_fixed() as opened:
        yield opened


@pytest.fixture
def imap(lab):
    return lab.imap


@pytest.fixture
def kolabd(lab):
    return lab.kolabd


@pytest.fixture
def silent():
    """An IMAP server that never answers the first question about a mailbox; `settings`: to use it, `heard`: what it was told."""
    server = imap_hostile.Server(imap_hostile.parse_options(["silent", "--at", "GETQUOTA"]))
    server.heard = []
    server.log = server.heard.append
    with contextlib.closing(server.listen()) as listener:
        server.settings = {"uri": f"imap://127.0.0.1:{listener.getsockname()[1]}", "insecure": True, "timeout": "1h", "ca_file": None}
        yield server


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


def pytest_addoption(parser):
    parser.addoption("--on-murder", action="store_true", help="run the tests of a single server on a murder")


def pytest_configure(config):
    config.addinivalue_line("markers", "murder: needs a Cyrus murder")
    config.addinivalue_line("markers", "alone: says something of a single server only")
    config.addinivalue_line("markers", "slow: not part of `make check`, but of `make check-murder`")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "murder" in item.fixturenames:
            item.add_marker("murder")
        if config.getoption("--on-murder") and item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.skip(reason="says something of a single server only"))
