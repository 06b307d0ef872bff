# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators about retargeting and its lists."""
