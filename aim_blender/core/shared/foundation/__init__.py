# SPDX-License-Identifier: GPL-3.0-or-later
"""What everything else stands on. In: anything. Out: arrays that are checked, files that are whole, errors that are a
sentence.

errors        InputError and Cancelled; topology  which vertices a mesh's faces join, and its digest
whole_files   files that are written whole or not at all; archives, large_arrays  numpy files, damaged or huge
tensor_files  named arrays behind a JSON header, with a checksum
wording  names in sentences; robust_weights  how much of a measurement counts
normals, drawing  normals of vertices; pictures of meshes by numpy; remembering  answers for arrays seen before
ahead  work begun before it is asked for; smoothstep  the step that is level at both ends
"""
