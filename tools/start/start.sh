#!/bin/sh
# Open the course; the first time, make its environment out of the wheels beside this file.
# What follows goes to the launcher, as in: sh start.sh lecture --chapter 02
cd "$(dirname "$0")/course" || exit
"${PYTHON:-python3}" -m tools.offline || exit
[ $# -gt 0 ] || set -- lab
exec .venv/bin/python -m tools.launch "$@"
