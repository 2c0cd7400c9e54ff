"""What pytest does in the whole checkout: notebooks, too, are compared without what is not stored.

So `pytest --nbval notebooks` needs no more words.
"""

pytest_plugins = ["tests.nbval_outputs"]
