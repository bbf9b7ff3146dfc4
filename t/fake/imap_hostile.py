#!/usr/bin/python3
"""A small IMAP server that does on command what no real one does: one way of going wrong, at a chosen command.

    imap_hostile.py MODE [--at VERB] [--after N] [--times N] [--empty] [--port N] [--cert PEM --key PEM] [--starttls]

Accepts every login and answers OK to every command, until a session's command VERB (any, by default) comes for the time
N + 1; then it does MODE. VERB may be GREETING: then that is its first word. After `times` sessions that went wrong it behaves, so that a test sees the client recover. With --empty
there is no mailbox before somebody has created it.
With --cert it speaks TLS at once, or with --starttls after STARTTLS. Prints "port N" when it listens, then a line for
each session and each command heard, as a witness for tests. Ends with its standard input or by a signal.
"""
import argparse
import socket
import ssl
import sys
import threading
import time

BEFORE_LOGIN = ('GREETING', 'CAPABILITY', 'STARTTLS', 'AUTHENTICATE', 'LOGIN')
CAPABILITY = '* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN%s\r\n'


class Done(Exception):
    """This session has gone wrong as asked."""


# --- the ways of going wrong: each gets the session and the tag of the command at hand

def close(session, _):
    session.socket.shutdown(socket.SHUT_RDWR)


def half(session, _):
    session.say('* METADATA "half a li')
    close(session, _)


def bye(session, _):
    session.say('* BYE Server shutting down\r\n')


def fatal(session, _):
    session.say('* BYE Fatal error: Internal error: assertion failed\r\n')


def bye_open(session, _):
    """Says it and stays."""
    session.say('* BYE Server shutting down\r\n')
    session.hear_out()


def bye_inside(session, _):
    """In the middle of a literal."""
    session.say('* METADATA x (/shared/comment {100}\r\nabc\r\n* BYE Server shutting down\r\n')
    close(session, _)


def silent(session, _):
    session.hear_out()


def garbage(session, _):
    session.say('\x16\x03\x01 what?\r\n')
    session.hear_out()


def wrong_tag(session, _):
    session.say('zz99 OK Completed\r\n')
    session.hear_out()


def continuation(session, _):
    session.say('+ go ahead\r\n')
    session.hear_out()


def endless_line(session, _):
    session.say('* LIST ')
    while True:
        session.say('x' * 65536)


def endless_data(session, _):
    while True:
        session.say('* LIST () "/" x\r\n' * 4096)


def endless_noise(session, _):
    while True:
        session.say('* OK Still here\r\n' * 4096)


def trickle(session, _):
    while True:
        session.say('* OK Still here\r\n')
        time.sleep(0.05)


def nested(session, _):
    session.say('* METADATA ' + '(' * 65536 + '\r\n')
    session.hear_out()


def many_literals(session, _):
    session.say('* METADATA ')
    while True:
        session.say('{1}\r\nx ' * 4096)


def huge_literal(session, _):
    session.say('* METADATA x (/shared/comment {4000000000}\r\n')
    session.hear_out()


def drip(session, _):
    """From now on all answers, an octet at a time."""
    session.pause = 0.002


def refuse(session, tag):
    session.say('%s NO Refused by command\r\n' % tag)


def misunderstand(session, tag):
    session.say('%s BAD Refused by command\r\n' % tag)


MODES = {f.__name__.replace('_', '-'): f for f in (
    close, half, bye, bye_open, bye_inside, fatal, silent, garbage, wrong_tag, continuation, endless_line, endless_data,
    endless_noise, trickle, nested, many_literals, huge_literal, drip, refuse, misunderstand)}
# After these the session goes on; the first have answered the command, too.
ANSWERED = (refuse, misunderstand)
GO_ON = (drip, *ANSWERED)


class Session:
    def __init__(self, server, connection):
        self.server = server
        self.heard = 0
        self.pause = 0  # between octets, in seconds; 0: they come together
        self.adopt(connection)

    def adopt(self, connection):
        self.socket = connection
        self.input = connection.makefile('rb')

    def say(self, text):
        data = text.encode('latin-1')
        if not self.pause:
            self.socket.sendall(data)
            return
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in data:
            self.socket.sendall(bytes([octet]))
            time.sleep(self.pause)

    def hear(self):
        """A command with its literals, without its last CRLF."""
        command = ''
        while True:
            line = self.input.readline().decode('utf-8', 'replace')
            if not line.endswith('\r\n'):
                raise EOFError
            command += line[:-2]
            if not command.endswith('+}'):
                return command
            octets = int(command[command.rindex('{') + 1:-2])
            command += '\r\n' + self.input.read(octets).decode('utf-8', 'replace')

    def hear_out(self):
        while self.input.readline():
            pass

    def serve(self):
        self.go_wrong('GREETING', '*')
        self.say('* OK hostile server ready\r\n')
        while True:
            tag, _, command = self.hear().partition(' ')
            verb = command.split(' ')[0].upper()
            self.server.log(verb if verb in ('AUTHENTICATE', 'LOGIN') else command)
            if not self.go_wrong(verb, tag):
                self.answer(tag, verb, command)
            if verb == 'LOGOUT':
                return

    def go_wrong(self, verb, tag):
        """When it is time. Gives whether the command is answered."""
        mode = MODES[self.server.options.mode]
        if not self.is_time(verb):
            return False
        mode(self, tag)
        if mode not in GO_ON:
            raise Done
        return mode in ANSWERED

    def is_time(self, verb):
        options = self.server.options
        if options.at != verb and (options.at or verb in BEFORE_LOGIN or verb == 'LOGOUT'):
            return False
        self.heard += 1
        return self.heard > options.after and self.server.may_go_wrong()

    def answer(self, tag, verb, command):
        options = self.server.options
        if verb == 'CAPABILITY':
            self.say(CAPABILITY % (' STARTTLS' if options.starttls else ''))
        elif verb == 'NAMESPACE':
            self.say('* NAMESPACE (("" "/")) (("user/" "/")) (("" "/"))\r\n')
        elif verb == 'LOGOUT':
            self.say('* BYE LOGOUT received\r\n')
        elif verb == 'AUTHENTICATE' and len(command.split(' ')) < 3:
            self.say('+ \r\n')
            self.hear()
        self.say('%s %s\r\n' % (tag, self.find_outcome(verb, command)))
        if verb == 'STARTTLS':
            self.adopt(self.server.tls.wrap_socket(self.socket, server_side=True))

    def find_outcome(self, verb, command):
        name = command.split('"')[1] if '"' in command else ''
        is_there = not self.server.options.empty or name in self.server.created
        if verb == 'CREATE':
            self.server.created.add(name)
        if verb == 'CREATE' and is_there and name.startswith('user/'):
            return 'NO [ALREADYEXISTS] Mailbox already exists'
        if verb == 'GETMETADATA' and not is_there:
            return 'NO Mailbox does not exist'
        return 'OK Completed'


class Server:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.wrong = 0
        self.created = set()
        self.tls = None
        if options.cert:
            self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.tls.load_cert_chain(options.cert, options.key)

    def log(self, line):
        with self.lock:
            print(line.replace('\r\n', '\\r\\n'), flush=True)

    def may_go_wrong(self):
        with self.lock:
            if self.options.times and self.wrong >= self.options.times:
                return False
            self.wrong += 1
            return True

    def serve(self, connection):
        try:
            if self.tls and not self.options.starttls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.log('session')
            session = Session(self, connection)
            session.serve()
        except Done:
            self.log('went wrong: %s' % self.options.mode)
        except (EOFError, OSError) as error:
            self.log('session ended: %s' % (error or 'closed by the client'))
        finally:
            connection.close()

    def run(self):
        print('port %d' % self.listen().getsockname()[1], flush=True)
        sys.stdin.read()

    def listen(self):
        """Serves in the background; closing the listener that it gives ends that, but no session."""
        listener = socket.create_server(('127.0.0.1', self.options.port))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        return listener

    def accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()


def parse_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('mode', choices=sorted(MODES))
    parser.add_argument('--at', metavar='VERB', type=str.upper, help='go wrong at this command only')
    parser.add_argument('--after', metavar='N', type=int, default=0, help='let N such commands of a session pass')
    parser.add_argument('--times', metavar='N', type=int, default=0, help='go wrong N times, then behave; 0: always')
    parser.add_argument('--empty', action='store_true', help='there are no mailboxes but those that are created')
    parser.add_argument('--port', type=int, default=0, help='0: a free one')
    parser.add_argument('--cert', metavar='PEM')
    parser.add_argument('--key', metavar='PEM')
    parser.add_argument('--starttls', action='store_true')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    Server(parse_options(sys.argv[1:])).run()
