"""`python -m vglib FOLDER` copies the chapters into a folder."""

from vglib.course.copies import main

if __name__ == "__main__":
    raise SystemExit(main())
