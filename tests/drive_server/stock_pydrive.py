"""PyDrive2 as anybody would use it with a service account's key file: `python stock_pydrive.py KEY FILE`.

Nothing in it says where Google is. It uploads the file, finds it, downloads it, and prints what it saw as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydrive2.auth import GoogleAuth
from pydrive2.drive import GoogleDrive

__all__: list[str] = []


def main(key: str, path: Path) -> None:
    auth = GoogleAuth(
        settings={"client_config_backend": "service", "service_config": {"client_json_file_path": key}},
        http_timeout=10,
    )
    auth.ServiceAuth()
    drive = GoogleDrive(auth)
    file = drive.CreateFile({"title": path.name})
    file.SetContentFile(str(path))
    file.Upload()
    listed = drive.ListFile({"q": "'root' in parents"}).GetList()
    back = path.with_suffix(".back")
    listed[0].GetContentFile(str(back))
    same = back.read_bytes() == path.read_bytes()
    sys.stdout.write(json.dumps({"md5": file["md5Checksum"], "link": file["selfLink"], "same": same}))


main(sys.argv[1], Path(sys.argv[2]))
