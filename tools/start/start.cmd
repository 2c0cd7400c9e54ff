@echo off
rem Open the course; the first time, make its environment out of the wheels beside this file.
rem What follows goes to the launcher, as in: start.cmd lecture --chapter 02
cd /d "%~dp0course" || exit /b
if "%PYTHON%"=="" set PYTHON=python
"%PYTHON%" -m tools.offline || exit /b
set ASKED=%*
if "%ASKED%"=="" set ASKED=lab
.venv\Scripts\python -m tools.launch %ASKED%
