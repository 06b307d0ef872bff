# SPDX-License-Identifier: GPL-3.0-or-later
"""One job is one folder; a worker process does it, a supervisor watches it.

folder        what lies in a job's folder, and the state it is in
interpreter   which Python does the work
environment_making   makes the environment of that Python, and removes it
supervisor    starts, polls, cancels and resumes a worker; Blender's panel and the background use the same class
sentences     one sentence for whatever went wrong
progress      time left, estimated from the progress so far
tasks         what a worker can do (needs torch once a task is called)
worker        does the steps of a job's folder
verbs         the command line's verbs

Nothing here needs more than Python's standard library until a function of `tasks` is called, so Blender's process may
import it.
"""
