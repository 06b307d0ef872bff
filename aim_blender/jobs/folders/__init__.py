# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a job's folder. In: a description. Out: progress, figures, a result, or a sentence.

folder  the files, and the state they tell; outputs  where a task's output goes; progress  time left
sentences, plain_values  one sentence for whatever went wrong; values as JSON has them
"""
