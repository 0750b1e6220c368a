"""Documents of the Open Container Initiative, and Docker's dialects of them: bytes to values.

Every decoder here reads hostile input: sizes, depths and counts are bounded, and whatever is
wrong raises `DocumentError` with a text fit for the user.
"""
