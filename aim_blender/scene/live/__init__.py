# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the scene while an artist works: live fitting, correcting, the preview of a retarget."""
