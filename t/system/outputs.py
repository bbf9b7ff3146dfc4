"""What kolabd must never put out: passwords, and characters that steer a terminal."""

import base64
import unicodedata


def check_printable(output):
    """`output`: bytes as they came. Only line feeds are there beside printable characters."""
    text = output.decode()
    found = {character for character in text if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")}
    assert not found, f"{found!r} in {text!r}"


def as_written(password):
    """A password as it may turn up: plain, and as a part of the Base64 that the SASL mechanism PLAIN sends."""
    plain = password.encode()
    yield plain
    for offset in range(3):  # only whole groups of three octets do not depend on what stands beside them
        begin = -offset % 3
        yield base64.b64encode(plain[begin:len(plain) - (len(plain) - begin) % 3])


def check_no_secret(directory):
    """No password of a *.secret file is in any other file below `directory`: logs, outputs, state files."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    secrets = {path.read_text().rstrip("\n") for path in paths if path.suffix == ".secret"}
    for path in paths:
        content = b"" if path.suffix == ".secret" else path.read_bytes()
        for secret in filter(None, secrets):
            assert not any(form in content for form in as_written(secret)), f"a password is in {path}"
