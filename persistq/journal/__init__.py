"""The journal: both logs of every load of one name, kept in one SQLite file.

`base` and `reader` are the contracts of who writes and who reads; `sqlite` and `sqlite_reader` are
what keeps both today. `queries` and `changes` are the statements, `rows` what they answer.
"""
