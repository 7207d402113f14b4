#!/bin/sh
# Starts a backup with apim-dr and waits for its end.
#
#   backup.sh https://example-functions.azurewebsites.net body.json
#
# FUNCTIONS_KEY: the key for backups, if calls need one.
# TRIES: how often it calls while nobody answers.
#
# Ends with 0 if the backup succeeded, 1 if it did not, 2 if nothing was started, 3 if nobody can tell: the link did not
# answer, and apim-dr goes on without us.
set -eu

if [ $# -ne 2 ] || [ ! -r "$2" ]; then
  echo "usage: backup.sh <address> <file with the body>" >&2
  exit 2
fi
address=${1%/}
body=$2

umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 3' HUP INT TERM

# Keys and links are secrets: curl reads them from its standard input, since everybody on this machine can read its
# command line.
call() {
  printf '%s\n' "$@" | curl -sS --max-time 60 -D "$scratch/headers" -o "$scratch/answer" -w '%{http_code}' --config - || true
}

# The last value of a header.
header() {
  tr -d '\r' <"$scratch/headers" | sed -n "s/^$1: *//p" | tail -n 1
}

# What an answer says, without its link.
said() {
  sed 's/[?&]t=[^"&]*//g' "$scratch/answer" 2>/dev/null || true
  echo
}

# With the same key a repeated call starts nothing anew, whatever became of the first one.
once="backup.sh $(date -u +%Y%m%dT%H%M%SZ) $$"
tries=0
while :; do
  status=$(call "url = \"$address/api/backup\"" "data-binary = \"@$body\"" 'header = "Content-Type: application/json"' \
    "header = \"Idempotency-Key: $once\"" ${FUNCTIONS_KEY:+"header = \"x-functions-key: $FUNCTIONS_KEY\""})
  case $status in
    202) break ;;
    000 | 429 | 5??) ;;
    *)
      echo "not started: $status" >&2
      said >&2
      exit 2
      ;;
  esac
  tries=$((tries + 1))
  if [ "$tries" -ge "${TRIES:-5}" ]; then
    echo "not started, as far as anybody can tell: $status" >&2
    said >&2
    exit 2
  fi
  sleep 5
done
link=$(header '[Ll]ocation')
echo "started: $(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' "$scratch/answer")"

tries=0
while :; do
  pause=$(header '[Rr]etry-[Aa]fter')
  case $pause in
    '' | *[!0-9]*) pause=10 ;;
  esac
  sleep "$pause"
  : >"$scratch/headers"
  status=$(call "url = \"$link\"")
  case $status in
    200)
      said
      exit 0
      ;;
    202) tries=0 ;;
    000 | 429 | 5??)
      tries=$((tries + 1))
      if [ "$tries" -ge "${TRIES:-30}" ]; then
        echo "the link does not answer: $status" >&2
        exit 3
      fi
      ;;
    424)
      said >&2
      exit 1
      ;;
    *)
      echo "the link answers $status" >&2
      said >&2
      exit 3
      ;;
  esac
done
