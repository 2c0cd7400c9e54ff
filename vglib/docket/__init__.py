"""The docket: every claim of the course, found, tried by name, with what was measured of it."""
