# SPDX-License-Identifier: GPL-3.0-or-later
"""What phones record. In: tables of ARKit's 52 weights over time. Out: frames with weights, head and eyes.

phone_times   times, timecodes and rates
phone_rows, phone_json, phone_tables  rows as a file has them, and the recording that they make
live_link_face  writes one as Live Link Face does
"""
