"""The step of the build that pyproject.toml cannot say: the chapters travel in the wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithChapters(build_py):
    """Build the package with the published notebooks in it; a checkout has them beside it."""

    def run(self) -> None:
        """Build, without what an earlier build has left; an editable install is the checkout."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "vglib", "course", "notebooks")
            self.mkpath(str(target))
            for notebook in sorted(Path("notebooks").glob("*.ipynb")):
                self.copy_file(str(notebook), str(target / notebook.name))


setup(cmdclass={"build_py": WithChapters})
