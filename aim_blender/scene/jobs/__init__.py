# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as the scene sees them: made from what stands in it, watched, and their results brought in; batches too."""
