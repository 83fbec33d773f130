"""The user's parts, as modules: ``pipeline.parts.user.optimizer.mine`` is ``DIR/optimizer/mine.py``.

A package that lies in the folders of the search path, so that Python itself imports their files, and a process that is
sent an object of theirs finds its class.
"""

from pipeline.parts import search_path

__path__ = [str(folder) for folder in search_path()]
