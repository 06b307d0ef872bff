# SPDX-License-Identifier: GPL-3.0-or-later
"""Where lips and lids meet. In: actors, frames and takes. Out: gaps, takes whose lips touch and do not cross.

slits    the two sides of mouth and eyes on any mesh; gaps  how far they are apart in frames
meeting  what moves one slit's sides together or apart; parting  back to the neutral, what still crosses
contact  all of an actor's, as local weights of its expressions; fitted  contact in fits
resting  whether a neutral is at rest, and closed is closed; reach  how far skin goes
"""
