"""Waiting for something to become true, without sleeping for luck."""

import time


def wait_until(predicate, deadline=20, what=""):
    """Asks until the answer is true, and gives it. Fails after `deadline` seconds, and tells the last answer."""
    end = time.monotonic() + deadline
    pause = 0.01
    while not (answer := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or getattr(predicate, '__name__', predicate)}; last answer: {answer!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    return answer
