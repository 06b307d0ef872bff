# SPDX-License-Identifier: GPL-3.0-or-later
"""Where lips and lids meet. In: actors, frames and takes. Out: gaps, takes whose lips touch and do not cross.

slits    the two sides of mouth and eyes on any mesh; gaps  how far they are apart in frames
contact  what closes or parts them, as local weights of the actor's own expressions
"""
