#!/bin/sh
# Runs esbuild with less than its parent has. It reads hostile source, and follows paths in it (source maps, patterns of
# imports) to any file that it can open.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  *) exit 1 ;;
esac
here=$(cd "$(dirname "$0")" && pwd) || exit 1
binary="$here/../../node_modules/@esbuild/$platform/bin/esbuild"
cd / || exit 1
# Go prints pages to stderr when it runs out of stack or memory.
exec 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
ulimit -c 0
# KiB of address space: source can be written so that it needs gigabytes. macOS does not know this limit.
ulimit -v 2000000
# Descriptors: 0, 1, 2 and the two of Go's poller on Linux, so that no file and no socket can be opened any more.
[ "${platform%-*}" = linux ] && ulimit -n 5
exec env -i GOMEMLIMIT=512MiB "$binary" "$@"
