"""The package among Jupyter's processes: its kernels, its server, its export to HTML."""
