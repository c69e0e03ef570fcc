#!/usr/bin/env bash
# Serves the chat as two machines do: one Redis, two protocol servers and two
# workers, each in a process of its own. Ctrl-C stops them all.
#
#     examples/two-machines/run.sh [PORT [PORT]]
#
# The ports are those of the protocol servers, 8000 and 8010 unless they are given.
# ASGIBOX is the program, by default the asgibox that the shell finds. The only
# other program that it needs is redis-server.
set -euo pipefail
asgibox=${ASGIBOX:-asgibox}
app=$(dirname "$0")/../chat/app.star
folder=$(mktemp -d)

redis-server --port 0 --unixsocket "$folder/redis.sock" --save "" --appendonly no --dir "$folder" --logfile "$folder/log" &
redis=$!
parts=()
stop() {
	trap - EXIT INT TERM
	kill "${parts[@]}" 2>/dev/null || true
	wait "${parts[@]}" 2>/dev/null || true
	kill "$redis" 2>/dev/null || true
	wait "$redis" 2>/dev/null || true
	rm -rf "$folder"
}
trap stop EXIT
trap 'exit 0' INT TERM

# All parts get the layer from here.
export ASGIBOX_LAYER="unix://$folder/redis.sock" ASGIBOX_LAYER_WAIT=10s
for port in "${1:-8000}" "${2:-8010}"; do
	"$asgibox" run --no-workers --port "$port" &
	parts+=($!)
	"$asgibox" worker "$app" &
	parts+=($!)
done
wait -n "${parts[@]}" "$redis" # until the first of them ends
