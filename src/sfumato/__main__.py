"""`python -m sfumato`, and what the `sfumato` script calls."""

from sfumato.cli import main

if __name__ == "__main__":
    main()
