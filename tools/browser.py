"""Find the browser that draws the figures and runs the browser tests, or try to get one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SETTING = "VGLIB_BROWSER"
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
MAC_APPS = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
WINDOWS_PROGRAMS = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
ASK_PLAYWRIGHT = (
    "from playwright.sync_api import sync_playwright\n"
    "with sync_playwright() as p: print(p.chromium.executable_path)"
)
DOWNLOAD_SECONDS = 300


def _runs(path: Path) -> bool:
    """Whether the browser starts: not where it lacks a library, or is a wrapper around nothing."""
    if not path.is_file():
        return False
    if sys.platform == "win32":  # there --version opens a window
        return True
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _installed() -> Iterator[Path]:
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found)
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from (folder / app for app in MAC_APPS)
    elif sys.platform == "win32":
        for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            if variable in os.environ:
                yield from (Path(os.environ[variable]) / p for p in WINDOWS_PROGRAMS)


def _playwrights_own() -> Path | None:
    # A process of its own: playwright's blocking interface refuses to start in an event loop.
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_PLAYWRIGHT], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return None
    return Path(asked.stdout.strip()) if asked.returncode == 0 else None


def find_browser() -> Path | None:
    """Return a Chromium-like browser that starts, or None.

    Looked for in this order: the setting VGLIB_BROWSER, the PATH, the usual places of the
    platform, playwright's own download.

    Raises:
        ValueError: VGLIB_BROWSER names something that is not a browser that starts.
    """
    if setting := os.environ.get(SETTING):
        path = Path(shutil.which(setting) or setting)
        if _runs(path):
            return path
        raise ValueError(f"{SETTING} is {setting!r}, which does not start: correct it or unset it.")
    for path in _installed():
        if _runs(path):
            return path
    own = _playwrights_own()
    return own if own is not None and _runs(own) else None


def skip_reason() -> str:
    """Return the line that says what to install where there is no browser."""
    return (
        "NO BROWSER: the tests in a real browser do not run, and figures get no stored picture. "
        "Install Chromium or Chrome (Debian: apt install chromium), or run "
        f"'playwright install chromium', or set {SETTING} to the path of one."
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(OSError, subprocess.TimeoutExpired):  # what sudo started is not ours to end
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        return
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _attempt(command: list[str], seconds: float) -> bool:
    """Run a command, with all that it starts, for so long at most."""
    print("Trying:", " ".join(command), file=sys.stderr, flush=True)
    environ = os.environ | {
        "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "15000",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    try:
        process = subprocess.Popen(command, env=environ, start_new_session=True)
    except OSError:
        return False
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            _stop(process)


def _debian() -> None:
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not (shutil.which("sudo") and _attempt([*prefix, "true"], 10)):
        return
    _attempt([*prefix, "apt-get", "update", "-qq"], DOWNLOAD_SECONDS)
    install = ["apt-get", "install", "-y", "-qq", "chromium", "fonts-dejavu-core"]
    _attempt([*prefix, *install], DOWNLOAD_SECONDS)


def get_browser() -> Path | None:
    """Return a browser, and where there is none try to install one: playwright's, then Debian's."""
    if found := find_browser():
        return found
    _attempt([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_SECONDS)
    if found := find_browser():
        return found
    _debian()
    return find_browser()


def main() -> int:
    """Print the browser's path, or what to install; fail without one only where CI is true."""
    try:
        found = get_browser()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if found:
        print(f"Browser: {found}")
        return 0
    line = skip_reason()
    print(f"\n{'!' * 78}\n{line}\n{'!' * 78}\n", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
