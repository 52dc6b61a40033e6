"""The journal: both logs of every load of one name, kept in one SQLite file.

`base` is the contract; `sqlite` writes, `outstanding` reads, `catalog` finds the files.
"""
