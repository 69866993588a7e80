"""The studio: a page in the browser on which systems are played with, trained and compared.

The server imports no torch: pictures are computed by two children, `moves` and `work`, and trainings are processes of
their own. What a page offers follows from the traits of systems, never from their names. docs/studio.md says how it is
used and what it guards against.
"""
