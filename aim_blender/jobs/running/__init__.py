# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's side of a job.

registry  the one list of tasks; worker  does the steps of a job's folder; staying  goes on with the next
job's; held_memory  how much memory that takes
"""
