# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share: how they fail, start jobs, compute in a thread and pick vertices."""
