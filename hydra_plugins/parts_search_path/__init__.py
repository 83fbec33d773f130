"""Let Hydra find the configuration files of the user's folders and of installed packages, as the lab does."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class PartsSearchPath(SearchPathPlugin):
    """Puts the folders of :func:`pipeline.parts.search_path` before ``conf/``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders, the first one first."""
        from pipeline import parts  # here: Hydra imports plugins in every application of the environment

        for folder in reversed(parts.search_path()):
            search_path.prepend(provider="minibatch-lab", path=f"file://{folder}")
