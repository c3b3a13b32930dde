"""Two revisions of the package at the same small jobs, in turns: is one faster than the other?"""
