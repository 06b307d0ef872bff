# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos of a performer -> a take. In: a movie and an actor. Out: the face in each frame, and what the actor does.

movies         the frames of a movie file, upright, with their times
face_detector  where 478 landmarks of a face are in a picture, and 52 weights, by MediaPipe's networks
seen_faces     what is seen of a performer over a movie; detection  the pass that finds it; kept_faces  what is kept
face_renders   random renders of an actor, and what the detector answers; face_frame  where its face and sides are
impressions    what the landmark network makes of a face on the way to landmarks
answers        what the actor does when the detector answers so, learned on them; kept_answers  what is kept of it
video_fit      a take of what is seen; skin_following  corrected by the colours of the skin
video_source   a video as a source of performances; video_notes, video_pictures  what to know and see of the result
"""
