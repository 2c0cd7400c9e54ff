"""The steps of the build that pyproject.toml cannot say."""

import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py


class WithChapters(build_py):
    """Build the package with what a checkout has beside it: the notebooks, what was measured."""

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
            measured = Path(self.build_lib, "vglib", "docket", "measured")
            self.mkpath(str(measured))
            for table in sorted(Path("benchmarks").glob("*_CLAIMS.md")):
                self.copy_file(str(table), str(measured / table.name))


class WithData(Distribution):
    """The course's distribution, whose editable install has its data files too."""

    def has_data(self) -> bool:
        """Return whether there are data files: setuptools asks by this name, and has another."""
        return bool(self.has_data_files())


setup(distclass=WithData, cmdclass={"build_py": WithChapters})
