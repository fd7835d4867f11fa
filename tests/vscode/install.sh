#!/bin/sh
# Installs code-server, which is VS Code served to a browser, into a folder: sh install.sh FOLDER
#
# Everything comes from npm's registry. Its own installation also wants a package from a source repository (the registry
# has it too) and a search tool from a release page (not needed here), and compiles some modules, for which a C++
# compiler, make and Node's headers have to be there. It needs Node 20.
set -eu
VERSION=4.96.4
mkdir -p "$1"
cd "$1"
case "$(node --version 2>/dev/null)" in
  v20.*) ;;
  *) echo "code-server $VERSION needs Node 20 and npm; found: $(node --version 2>&1 || true)" >&2; exit 1 ;;
esac
quiet() { "$@" >install.log 2>&1 || { tail -20 install.log >&2; exit 1; }; }
install() { quiet npm install --ignore-scripts --omit=dev --no-audit --no-fund "$@"; }
compile() { quiet npm rebuild "$@"; }

[ -f package.json ] || echo '{ "private": true }' >package.json
install "code-server@$VERSION"
compile argon2
cd node_modules/code-server/lib/vscode
node -e '
  const fs = require("fs"), name = "npm-shrinkwrap.json", lock = JSON.parse(fs.readFileSync(name));
  for (const one of Object.values(lock.packages)) if ((one.resolved || "").startsWith("git+")) { delete one.resolved; delete one.integrity; }
  fs.writeFileSync(name, JSON.stringify(lock, null, 2));'
install
compile @vscode/spdlog native-watchdog node-pty
ln -sfn node_modules node_modules.asar
ln -sf code-linux.sh bin/remote-cli/code-server
ln -sf browser-linux.sh bin/helpers/browser.sh
cd extensions
install
