"""The one kind of failure that is the user's to mend, told in one line."""


class InputError(ValueError):
    """A bad input: its message says what is wrong, where, and what to do, in one line."""


def one_line(text: object) -> str:
    """The text, or what an exception says, without line breaks and runs of spaces."""
    return " ".join(str(text).split())
