# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out, to look at. In: actors and takes. Out: PNG files and figures.

curves  error and jaw over time; take_sheet, anatomy_sheet  frames, and bones under the skin
loading  what draws them, while others work
inspection, point_errors  what is learned of an actor; how far each point is off
"""
