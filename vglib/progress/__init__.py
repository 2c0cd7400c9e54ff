"""The exercises of a folder of notebooks, run again: `python -m vglib.progress FOLDER`.

From below: `cells` (which cells a check needs), `notebook` (whose file it is, and of which
chapter), `refusals` and `child` (the process that runs them), `judging` (its limits), `table`.
"""
