"""Errors that a user can mend.

Everything raised at a door of this package (a config, a folder, a file, a command line) is a `UserError` whose message
is one sentence: what was found, what was expected, what to do. The command line prints it without a traceback.
"""


class UserError(ValueError):
    """A mistake that the person at the keyboard can mend; the message says how."""
