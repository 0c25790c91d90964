"""What a search of the site finds first: `make docs && python -m benchmarks.site_search site`.

It needs `node`, in which the site's own script of the search runs over the site's own index, as in a browser.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path

SEARCHES = {
    "DICOM archive": "howto/dicom.html",
    "bring a DICOM archive": "howto/dicom.html",
    "dicom": "howto/dicom.html",
    "what does pass mean": "explanation/pass.html",
    "pass": "explanation/pass.html",
    "what is not tested": "explanation/not-tested.html",
    "add an attack": "howto/add-an-attack.html",
    "attack plugin": "howto/add-an-attack.html",
    "audit a foreign set from Python": "howto/audit-a-set.html",
    "audit from Python": "howto/audit-a-set.html",
    "audit foreign dataset": "howto/audit-a-set.html",
    "audit somebody's set": "howto/audit-a-set.html",
    "export dicom": "export.html",
    "gate_miss_upper": "reference/study/policy.html",
}
"""What a newcomer may type, and the page that answers it."""
SCRIPT = """
const [fs, vm] = [require("fs"), require("vm")];
const {site, searches} = JSON.parse(process.argv[1]);
const folder = site + "/assets/javascripts/workers/";
const index = JSON.parse(fs.readFileSync(site + "/search/search_index.json"));
let listener, answered;
const page = {
  addEventListener: (_, found) => { listener = found; }, postMessage: (told) => answered(told),
  importScripts() {}, setTimeout, location: {href: "file:///"}, console: {log() {}, info() {}, warn() {}, error() {}},
};
page.self = page.window = page.globalThis = page;
vm.createContext(page);
const script = fs.readdirSync(folder).find((name) => name.endsWith(".js"));
vm.runInContext(fs.readFileSync(folder + script, "utf8"), page);
const ask = (told) => new Promise((done) => { answered = done; listener({data: told}); });
(async () => {
  await ask({type: 0, data: {config: index.config, docs: index.docs, options: {}}});
  const found = {};
  for (const words of searches) {
    const {data} = await ask({type: 2, data: words});
    found[words] = data.items.map((item) => item[0].location.split("#")[0]);
  }
  process.stdout.write(JSON.stringify(found));
})();
"""


def first_hits(site: Path, searches: list[str]) -> dict[str, list[str]]:
    """The pages that each search finds, best first."""
    told = json.dumps({"site": str(site.resolve()), "searches": searches})
    done = subprocess.run(["node", "-e", SCRIPT, told], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print place and first hit of every search; 1 if a page is not the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    site = parser.parse_args().site
    if shutil.which("node") is None:
        parser.error("node is not installed (Debian: apt-get install nodejs)")
    found = first_hits(site, list(SEARCHES))
    late = 0
    for words, page in SEARCHES.items():
        place = found[words].index(page) + 1 if page in found[words] else 0
        late += place != 1
        print(f"{words}: {page} is number {place}" + ("" if place == 1 else f", after {found[words][0]}"))
    print(f"{len(SEARCHES) - late} of {len(SEARCHES)} pages are the first hit")
    return int(late > 0)


if __name__ == "__main__":
    raise SystemExit(main())
