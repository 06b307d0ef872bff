# SPDX-License-Identifier: GPL-3.0-or-later
"""The model and everything that is computed with it; never bpy. Only what lies in `shared` may be imported by Blender's
process, since it needs numpy alone. From below to above, each package importing only what stands before it:

shared          what Blender's process may use too: files people bring, faces, bones, settings, results, the demo head
geometry        rigid motions, surfaces, smooth modes, and the mesh that is worked on
anatomy         bones that are fitted to a face, and the jaw's motion found from its shapes
parts           eyeballs, teeth and lashes in a face's mesh: found, turned and carried over
model           the actor: the model's formulae, its networks, weights in closed form, evaluation
learning        a capture -> an actor
timing          frames and rates of takes, smoothing over time
points          3D points and points in images, bound to an actor's mesh
fitting         an actor and a performance -> a take
correspondence  two faces of different topology -> which place on one is which on the other
checks          what may be wrong with a result, measured and said
contact         lips and lids that touch and do not cross
retargeting     a take of one actor -> a take of another
phone           what a phone recorded -> a take
characters      a mesh at rest and another's actor -> an actor
files           actors, takes and correspondences as files; what a file holds
baking          a take -> shape keys, bones and keyframes; corrections back into the take
live            one frame at a time, while somebody watches
pictures        curves and sheets of what came out
video           a video of a performer -> a take
seeing          the face on a mesh as a face detector sees it

docs/model.md says where each formula is computed.
"""
