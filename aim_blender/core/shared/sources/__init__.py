# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performance can come as. In: a file or folder. Out: which source it is, and what knows how to fit it.

sources      the table: one row a source, which the command line, batch, `info` and the panel ask
recognising  what a file holds, told by how it begins
"""
