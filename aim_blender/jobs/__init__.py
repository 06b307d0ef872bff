# SPDX-License-Identifier: GPL-3.0-or-later
"""One job is one folder; a worker process does it, a supervisor watches it.

folder        what lies in a job's folder, and the state it is in
interpreter   which Python does the work
environment_plan   which build of torch for that Python's environment, by which commands
environment_making   makes the environment, and removes it
supervisor    starts, polls, cancels and resumes a worker; Blender's panel and the background use the same class
sentences     one sentence for whatever went wrong
progress      time left, estimated from the progress so far
tasks         what a worker can do (needs torch once a task is called)
worker        does the steps of a job's folder
outputs       where a task's output goes
verbs         the command line's verbs and their options
command_line  does one verb
progress_display   what it shows meanwhile
batch_table   a table of many shots, read and checked
batch         does what is not done yet of such a table
batch_dask    spreads it over a cluster
live_messages   what Blender and a worker that stays up say to each other
live_worker     Blender's side of it
live            the worker's side
live_answers    how the worker answers (needs torch)

Nothing here but live_answers needs more than Python's standard library until a function of `tasks` is called, so
Blender's process may import it.
"""
