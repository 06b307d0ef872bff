# SPDX-License-Identifier: GPL-3.0-or-later
"""One job is one folder; a worker process does it, a supervisor watches it. From below to above:

folders       what lies in a job's folder, its progress, and one sentence for whatever went wrong
supervision   which Python does the work; starts, polls, cancels and resumes a worker
environment   makes the environment that learning needs, and removes it
tasks         what a worker can do, a file for each topic (needs torch once a task is called)
batch         a table of many shots, whatever of it is not done yet, here or on a cluster
live          a worker that stays up, and what Blender and it say to each other
running       the list of all tasks, and the worker that does a job's steps
command_line  verbs, their options and their progress

Nothing here but live/live_answers.py needs more than Python's standard library until a task is called, so Blender's
process may import it.
"""
