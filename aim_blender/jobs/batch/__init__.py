# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of many shots -> each shot's files. From below to above:

batch_columns, batch_table  the table, read and checked
shot_steps    which task makes which file of a shot
shot_record   what of it is done, known by content
shots         does one shot
batch_dask    spreads shots over a cluster
batch         all shots of a table, and how it went
"""
