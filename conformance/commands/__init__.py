"""Commands about what runs have left: each module adds its parser and answers with an exit code."""

CONFORMANT, NOT_CONFORMANT, INCONCLUSIVE, WRONG_CALL, UNREACHABLE = range(5)


class WrongCall(Exception):
    """The call is wrong; the message says how to put it right."""
