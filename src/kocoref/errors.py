"""The one kind of failure that is the user's to mend."""


class InputError(ValueError):
    """A bad input: its message says what is wrong, where, and what to do, in one line."""
