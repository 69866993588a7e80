"""The one error that a user is meant to read."""


class SfumatoError(Exception):
    """Something that the user can mend: bad input, a missing file, a full disk.

    The message is one line that names the value met and the mend. The command line prints it and exits with code 2;
    every other exception is a bug of ours and keeps its traceback.
    """
