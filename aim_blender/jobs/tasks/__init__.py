# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker can do, a file for each topic. The command line calls the same functions.

In: arguments as JSON values (paths as strings), a function to report progress to, and the folder for checkpoints (None:
nothing is kept to resume from). Out: a file, written whole or not at all, and a flat dict of figures. Among these are
`notes`, where there is something to tell: sentences that the user should read, those of the self-checks (core/checks)
included; the file keeps them too. What a task reports: message, done, total and figures such as error_mm. The report
function raises Cancelled when the task is to stop.

Importing these modules is quick; a task imports what it needs, torch included, when it is called. jobs/running lists
all tasks.
"""
