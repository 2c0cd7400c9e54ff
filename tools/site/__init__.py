"""The course as pages that move without a kernel: `python -m tools.site`.

From below: `inputs` (what a page offers of a lab's controls), `frames` (what a lab shows at each
setting offered), `store` (frames made in parallel, and kept while their code is the same),
`answers` (exercises that a page can judge), `cells` (a notebook's cells as HTML), `pages`.
"""
