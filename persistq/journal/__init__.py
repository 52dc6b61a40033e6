"""The journal: both logs of every load of one name, kept in one SQLite file.

`base` and `reader` are the contracts of who writes and who reads; `sqlite` and `sqlite_reader` are
what keeps both today. `schema`,
`queries` and `changes` are SQL, `rows` what it answers, `pages` the items in it.
"""
