"""The one error that a user is meant to read."""

LONGEST = 1000  # characters of a message


class SfumatoError(Exception):
    """Something that the user can mend: bad input, a missing file, a full disk.

    The message is one line that names the value met and the mend. The command line prints it and exits with code 2;
    every other exception is a bug of ours and keeps its traceback.
    """

    def __str__(self) -> str:
        """Names and values that stand in it may come from anywhere: what does not print is escaped, and of what is too
        long the middle left out."""
        text = super().__str__()
        if not text.isprintable():
            text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}"
