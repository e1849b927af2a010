#!/bin/sh
# A private gateway for the steps of a CI job: `ci-gateway.sh start DIR` leaves the environment that sends them through it in
# DIR/env (NAME=VALUE, each ended by a NUL), `ci-gateway.sh exports DIR` prints that for a shell to eval, and
# `ci-gateway.sh stop DIR` ends the gateway and prints its summary. `sallyport exec` does the work: its command is a process that writes down what it was given, and waits.
#
# SALLYPORT (the program), SALLYPORT_NO_PROXY, SALLYPORT_REDIRECT=true, SALLYPORT_GROUP and every setting of the gateway come by the environment.
set -eu
usage() {
  echo "usage: ci-gateway.sh start|exports|stop DIR" >&2
  exit 64
}
[ $# -eq 2 ] || usage
verb=$1 dir=$2
program=${SALLYPORT:-sallyport}

# As a group of its own, which the rules let out; the user stays, so that whoever asked can read what is left for them.
GROUP=${SALLYPORT_GROUP:-60128}

# By /proc: another user's process cannot be asked with kill.
alive() { [ -d "/proc/$pid" ]; }

start() {
  # Nothing in it may be anybody else's: what it says becomes the environment of the job.
  umask 077
  mkdir "$dir"
  mkfifo "$dir/until"
  set -- "$program" exec --evidence "$dir/evidence" --json "$dir/summary.json" --no-proxy "${SALLYPORT_NO_PROXY:-}" -- \
    sh -c 'env -0 >"$1/env.new" && mv "$1/env.new" "$1/env" && exec cat "$1/until" >/dev/null' sallyport-ci "$dir"
  if [ "${SALLYPORT_REDIRECT:-false}" = true ]; then
    set -- sudo --non-interactive --preserve-env setpriv --reuid "$(id -u)" --regid "$GROUP" --clear-groups -- \
      env "PATH=$PATH" "HOME=$HOME" "$@"
  fi
  # What runs in the background belongs to no step; its output is kept for the end.
  setsid nohup "$@" </dev/null >"$dir/said" 2>&1 &
  pid=$!
  echo "$pid" >"$dir/pid"
  tries=0
  until [ -f "$dir/env" ]; do
    if ! alive || [ "$tries" -ge 300 ]; then
      cat "$dir/said" >&2
      echo "the gateway did not start" >&2
      exit 1
    fi
    tries=$((tries + 1))
    sleep 0.1
  done
  if [ "${SALLYPORT_REDIRECT:-false}" = true ]; then
    port=$(tr '\0' '\n' <"$dir/env" | sed -n 's#^http_proxy=http://127\.0\.0\.1:##p')
    # Loaded from the words of a setting on purpose: each is one option.
    # shellcheck disable=SC2086
    sudo --non-interactive env "PATH=$PATH" EVE_PROXY_PORT="$port" EVE_PROXY_HOST=127.0.0.1 \
      "$(command -v "$program")" redirect install --gid "$GROUP" ${SALLYPORT_REDIRECT_OPTIONS:-}
    : >"$dir/redirected"
  fi
}

# A folder that `start` did not make has nothing to give and nothing to end.
started() {
  [ -f "$1" ] && return
  echo "no gateway was started in $dir" >&2
  exit 1
}

stop() {
  started "$dir/pid"
  # Before the gateway goes, or the steps behind it (those that report) have no way out.
  if [ -f "$dir/redirected" ]; then
    sudo --non-interactive env "PATH=$PATH" "$(command -v "$program")" redirect remove
  fi
  pid=$(cat "$dir/pid")
  if ! alive; then
    cat "$dir/said"
    echo "the gateway had ended before" >&2
    exit 1
  fi
  # Whoever waits for this to be opened and closed ends, and the gateway sums up.
  (: >"$dir/until") &
  tries=0
  while alive && [ "$tries" -lt 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  if alive; then kill "$pid" $! 2>/dev/null || true; fi
  cat "$dir/said"
}

# Values in single quotes, in which only that quote itself means something.
exports() {
  started "$dir/env"
  xargs -0 sh -c '
    for each; do
      name=${each%%=*}
      case $name in
        "" | [0-9]* | *[!A-Za-z0-9_]* | _ | PWD | OLDPWD | SHLVL) ;;
        *) printf "export %s=%s\n" "$name" "$(printf "%s" "${each#*=}" | sed "s/\x27/\x27\\\\\x27\x27/g; 1s/^/\x27/; \$s/\$/\x27/")" ;;
      esac
    done' exports <"$dir/env"
}

case $verb in
  start | stop | exports) "$verb" ;;
  *) usage ;;
esac
