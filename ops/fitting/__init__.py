# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators about fitting: sources, the fit itself, its errors, and live fitting."""
