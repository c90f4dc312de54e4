"""check-layers must find what it is there for: each case is a small tree with one breach, or none."""
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check-layers"
CASES = [
    ("mpegts/a.h", '#pragma once\n#include <span>\n', True),
    ("mpegts/a.cpp", '#include "control/protocol/state.h"\n', False),
    ("mpegts/a.cpp", '#include <sys/socket.h>\n', False),
    ("control/protocol/a.cpp", '#include "config/model/model.h"\n', False),
    ("config/model/a.cpp", '#include <yaml-cpp/yaml.h>\n', False),
    ("config/load/a.cpp", '#include <yaml-cpp/yaml.h>\n', True),
    ("config/load/a.h", '#pragma once\n#include <yaml-cpp/yaml.h>\n', False),
    ("dataplane/fastpath/a.cpp", '#include <rte_mbuf.h>\n#include "dataplane/ring/ring.h"\n', True),
    ("dataplane/fastpath/a.cpp", '#include "config/load/load.h"\n', False),
    ("dataplane/fastpath/a.cpp", '#include "dataplane/bridge/hub.h"\n', False),
    ("dataplane/bridge/a.cpp", '#include "dataplane/fastpath/port.h"\n', False),
    ("dataplane/bridge/a.cpp", '#include <rte_mbuf.h>\n', False),
    ("dataplane/bridge/http/a.h", '#pragma once\n#include <boost/beast/http.hpp>\n', True),
    ("dataplane/bridge/hub.h", '#pragma once\n#include <boost/beast/http.hpp>\n', False),
    ("dataplane/ring/a.cpp", '#include "dataplane/fastpath/port.h"\n', False),
    ("control/daemon/a.cpp", '#include "config/load/load.h"\n#include "control/protocol/state.h"\n', True),
    ("control/daemon/a.cpp", '#include "dataplane/ring/ring.h"\n', False),
    ("mpegts/b.h", "int x;\n", False),
    ("mpegts/b.cpp", '#include "ts_packet.h"\n', False),
]
EXISTING = ["config/load/a.h", "control/protocol/state.h", "config/model/model.h", "config/load/load.h", "dataplane/ring/ring.h",
            "dataplane/bridge/hub.h", "dataplane/fastpath/port.h"]

failed = 0
for path, text, clean in CASES:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in EXISTING:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("#pragma once\n")
        (root / "dataplane/bridge/user.h").write_text('#pragma once\n#include "dataplane/bridge/hub.h"\n')
        (root / "control/user.h").write_text('#pragma once\n#include "config/load/a.h"\n')
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        result = subprocess.run([SCRIPT, root], capture_output=True, text=True)
        if (result.returncode == 0) != clean:
            failed += 1
            print(f"{path} with {text!r}: expected {'no breach' if clean else 'a breach'}\n{result.stdout}")
print(f"{len(CASES)} cases, {failed} failed")
sys.exit(1 if failed else 0)
