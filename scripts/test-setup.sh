#!/usr/bin/env bash
# Makes the machine ready for the tests: installs what is missing and starts a
# Docker engine when none answers. Quiet and quick when there is nothing to do.
#
# A good guest: it never stops, restarts or configures an engine or a database
# that is there. The tests run MariaDB servers of their own in directories of
# their own, so only the programs are installed and no service is needed. An
# engine that this script starts outlives `make`: it is the machine's engine
# from then on, and later runs find it. To end it: kill "$(cat /var/run/docker.pid)".
set -euo pipefail

engine_wait=60 # seconds until a started engine must answer

say() { printf 'test-setup: %s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# sbin is where Debian keeps daemons, and not on every PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# missing prints the Debian packages of what is not there.
missing() {
  have gcc || echo gcc
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  have dockerd || echo docker.io # also where an engine answers: some tests stop one of their own
  # my_print_defaults is what mariadb-install-db needs of the client's package.
  if ! have mariadbd || ! have mariadb-install-db || ! have my_print_defaults; then echo mariadb-server; fi
  have wrk || echo wrk
  have chromium || echo chromium
  have docker || echo docker.io
  have docker-compose || echo docker-compose
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  have ps || echo procps
  if ! have setsid || ! have flock; then echo util-linux; fi
}

# engine_socket is the socket that the tests will use, or nothing when
# DOCKER_HOST names an engine elsewhere.
engine_socket() {
  case "${DOCKER_HOST:-}" in
  '') echo /var/run/docker.sock ;;
  unix://*) echo "${DOCKER_HOST#unix://}" ;;
  esac
}

# engine_answers pings the engine. perl-base is part of every Debian; curl and
# the docker command are not.
engine_answers() {
  local socket
  socket=$(engine_socket)
  [ -n "$socket" ] || return 0 # elsewhere: not ours to judge
  [ -S "$socket" ] || return 1
  perl -MIO::Socket::UNIX -e '
    $SIG{ALRM} = sub { exit 1 };
    alarm 5;
    my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1;
    print $s "GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n";
    exit(<$s> =~ m{^HTTP/1\.\d 200} ? 0 : 1);
  ' "$socket" 2>/dev/null
}

is_debian() { [ -e /etc/debian_version ] && have apt-get; }

install_packages() {
  local packages=("$@")
  if [ "$(id -u)" != 0 ] || ! is_debian; then
    say "缺少测试所需的软件包，请安装后重试（Debian/Ubuntu 上以 root 运行 make test 会自动安装）："
    say "missing; install and try again (as root on Debian or Ubuntu, make test installs them itself):"
    fail "  apt-get install ${packages[*]}"
  fi
  say "installing ${packages[*]}"
  apt update
  # The core packages of MariaDB are its programs without the service; before
  # Debian 12 and Ubuntu 24.04 they have other names.
  if apt-cache show mariadb-server-core mariadb-client-core >/dev/null 2>&1; then
    local i
    for i in "${!packages[@]}"; do
      if [ "${packages[i]}" = mariadb-server ]; then
        packages[i]=mariadb-server-core
        packages+=(mariadb-client-core)
      fi
    done
  fi
  # Since Debian 13 the docker command is a package of its own.
  if ! have docker && apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  apt install -y --no-install-recommends "${packages[@]}"
}

# apt runs apt-get without questions, and shows what it said only when it failed.
apt() {
  local log="$work/apt.log"
  if ! DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    fail "apt-get $1 failed; the whole output is in $log"
  fi
}

start_engine() {
  local socket log
  socket=$(engine_socket)
  if [ "$socket" != /var/run/docker.sock ]; then
    fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
  fi
  # Without root the socket of a running engine looks like none.
  [ "$(id -u)" = 0 ] || fail "no Docker engine answers on $socket for this user: start it (systemctl start docker), or join its group (usermod -aG docker $(id -un))"
  log="$work/dockerd.log"
  if engine_runs; then
    say "waiting for the Docker engine that is starting"
  else
    say "starting a Docker engine; its log is $log"
    run_detached "$log" dockerd &
    started=$!
  fi
  wait_for_engine "$log"
}

# run_detached becomes a program in a session of its own with none of our
# descriptors: it must not hold the lock, nor a pipe that somebody reads the
# tests from.
run_detached() {
  local log=$1 fd
  shift
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
  done
  exec setsid "$@" >"$log" 2>&1 </dev/null
}

# engine_runs tells whether a process is the engine already, though it does not
# answer yet. A second one is never started beside it.
engine_runs() {
  local pid
  pid=$(cat /var/run/docker.pid 2>/dev/null) || return 1
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

wait_for_engine() {
  local log=$1 deadline=$((SECONDS + engine_wait))
  until engine_answers; do
    if [ -n "${started:-}" ] && ! kill -0 "$started" 2>/dev/null; then
      tail -n 20 "$log" >&2
      fail "the Docker engine could not be started (log: $log). In a container it needs --privileged"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      [ ! -e "$log" ] || tail -n 20 "$log" >&2
      fail "the Docker engine does not answer on $(engine_socket) after ${engine_wait} s"
    fi
    sleep 0.2
  done
}

main() {
  [ "$(uname -s)" = Linux ] || fail "测试需要 Linux（Debian 或 Ubuntu 最方便）(the tests need Linux; Debian or Ubuntu is easiest)"
  have go || fail "需要 Go，见 https://go.dev/dl/ (Go is needed)"
  local packages
  mapfile -t packages < <(missing)
  if [ "${#packages[@]}" = 0 ] && engine_answers; then
    return
  fi
  # One at a time: two runs must not both install, or both start an engine.
  work=$(mktemp -d "${TMPDIR:-/tmp}/trade-monitor-test-setup.XXXXXX")
  if have flock; then
    exec 9>"${TMPDIR:-/tmp}/trade-monitor-test-setup.$(id -u).lock"
    flock 9
    mapfile -t packages < <(missing)
  fi
  if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing)
    [ "${#packages[@]}" = 0 ] || fail "still missing after the installation: ${packages[*]}"
  fi
  engine_answers || start_engine
  [ -n "${started:-}" ] || rm -rf "$work"
}

main "$@"
