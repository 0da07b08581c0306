#!/usr/bin/env bash
# A private RabbitMQ (management enabled) and a private PostgreSQL for tests, on free loopback
# ports, in a temporary folder, gone afterwards.
#
#   tests/servers.sh exec CMD...     starts them, runs CMD with their URLs, always stops them
#   tests/servers.sh serve           two of one's own, whatever the environment says; prints their
#                                    URLs, then obeys the orders read on its standard input (below)
#   . tests/servers.sh               then: servers_start; ...; servers_stop
#
# RabbitMQ's schedulers do not wait busily, as its documentation advises where processors are shared.
# PostgreSQL runs without fsync, which tests do not need; SERVERS_FSYNC=on keeps it, to measure, and
# gives it the memory of a small server (docs/guides/operator.md) instead of its default of 128 MB.
#
# Sets AMQP_URL, AMQP_MGMT_URL and DATABASE_URL; with the RabbitMQ started here, AMQPS_URL as well,
# whose listener wants a client certificate, and AMQP_TLS_DIR: ca.pem, client.pem and client.key,
# and those of another authority, autre-ca.pem, autre.pem and autre.key. A URL that is already set
# is used as it is and its server is not started. On Debian, as root, missing packages are installed
# with apt; anywhere else this says what is missing and ends with 69.

# The folder of the servers that this shell started; empty when it started none.
_servers_dir=""

servers_say() { printf 'servers: %s\n' "$*" >&2; }

# --- where the programs are ---

_servers_find_rabbitmq() {
    local path
    # Debian's rabbitmq-server on the PATH is a wrapper bound to the system's own node: the script
    # behind it is what a private node needs.
    for path in /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server; do
        if [ -x "$path" ]; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    command -v rabbitmq-server
}

_servers_find_postgres() {
    local path
    path=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [ -x "$path" ] || path=$(command -v initdb) || return 1
    dirname "$(readlink -f "$path")"
}

_servers_missing() {
    local missing=""
    if [ -z "${AMQP_URL:-}" ]; then
        _servers_find_rabbitmq >/dev/null || missing="rabbitmq-server"
        command -v openssl >/dev/null || missing="$missing openssl"
    fi
    [ -n "${DATABASE_URL:-}" ] || _servers_find_postgres >/dev/null || missing="$missing postgresql"
    printf '%s' "${missing# }"
}

_servers_install() {
    local missing policy=/usr/sbin/policy-rc.d made_policy="" status=0
    missing=$(_servers_missing)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        servers_say "missing: $missing"
        servers_say "install it (Debian: apt-get install $missing), or set the URL of a server:"
        servers_say "  AMQP_URL=amqp://guest:guest@host:5672/%2f AMQP_MGMT_URL=http://guest:guest@host:15672"
        servers_say "  AMQPS_URL=amqps://guest:guest@host:5671/%2f AMQP_TLS_DIR=/folder (see its top)"
        servers_say "  DATABASE_URL=postgres://user:password@host/database"
        return 69
    fi
    servers_say "installing $missing"
    if [ ! -e "$policy" ]; then
        # The packages must not start the system's own servers.
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=1
    fi
    # shellcheck disable=SC2086  # a list of packages
    { apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
        >&2 || status=69
    [ -z "$made_policy" ] || rm -f "$policy"
    [ "$status" = 0 ] || servers_say "apt could not install $missing"
    return "$status"
}

# --- processes ---

# Below the range that the kernel gives to outgoing connections.
_servers_free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
}

# _servers_run NAME USER CMD...: in the background, in its own session, never as root.
_servers_run() {
    local name=$1 user=$2
    shift 2
    if [ "$(id -u)" = 0 ]; then
        set -- setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    fi
    # A subshell without job control: the pid below is then the session's.
    (
        set +m
        cd "$_servers_dir/$name" || exit 1
        setsid "$@" </dev/null >"$_servers_dir/$name.log" 2>&1 &
        printf '%s\n' "$!" >"$_servers_dir/$name.pid"
    )
}

_servers_alive() { kill -0 "$(cat "$_servers_dir/$1.pid" 2>/dev/null)" 2>/dev/null; }

# _servers_end NAME SIGNAL: asks, waits for 20 s, insists.
_servers_end() {
    local pid tries=200
    pid=$(cat "$_servers_dir/$1.pid" 2>/dev/null) || return 0
    kill "-$2" "$pid" 2>/dev/null
    while [ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
        sleep 0.1
        tries=$((tries - 1))
    done
    kill -KILL -- "-$pid" 2>/dev/null
    rm -f "$_servers_dir/$1.pid"
}

# _servers_user WANTED: a user other than root for a server, and its folder.
_servers_user() {
    if [ "$(id -u)" != 0 ]; then
        id -un
    elif id "$1" >/dev/null 2>&1; then
        printf '%s\n' "$1"
    else
        printf 'nobody\n'
    fi
}

_servers_folder() {
    rm -rf "${_servers_dir:?}/$1"
    mkdir "$_servers_dir/$1" && chmod 700 "$_servers_dir/$1"
    [ "$(id -u)" != 0 ] || chown "$2" "$_servers_dir/$1"
}

# _servers_wait NAME SECONDS CHECK...
_servers_wait() {
    local name=$1 tries=$(($2 * 5))
    shift 2
    while [ "$tries" -gt 0 ]; do
        if "$@" >/dev/null 2>&1; then return 0; fi
        _servers_alive "$name" || return 1
        sleep 0.2
        tries=$((tries - 1))
    done
    return 1
}

# --- RabbitMQ ---

_servers_http_ok() {
    local line
    exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
    # guest:guest, the broker's own default, which only loopback may use.
    printf 'GET /api/overview HTTP/1.0\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n' >&9
    read -r -t 5 line <&9
    exec 9>&-
    [[ $line == *" 200 "* ]]
}

# _servers_authority NAME: a private certificate authority.
_servers_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 60 \
        -subj "/CN=$1" -addext keyUsage=critical,keyCertSign -keyout "$1.key" -out "$1.pem"
}

# _servers_certificate NAME AUTHORITY EXTENSION: signed by it.
_servers_certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" &&
        openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 60 \
            -extfile <(printf '%s\n' "$3") -out "$1.pem"
}

_servers_certificates() (
    cd "$1" || exit 1
    {
        _servers_authority ca && _servers_authority autre-ca &&
            _servers_certificate serveur ca "subjectAltName = DNS:localhost, IP:127.0.0.1" &&
            _servers_certificate client ca "extendedKeyUsage = clientAuth" &&
            _servers_certificate autre autre-ca "extendedKeyUsage = clientAuth"
    } >"$_servers_dir/openssl.log" 2>&1
)

_servers_start_rabbitmq() {
    local user home=$_servers_dir/rabbitmq certificates=$_servers_dir/tls
    user=$(_servers_user rabbitmq)
    _servers_folder rabbitmq "$user"
    _servers_folder epmd "$user"
    _servers_folder tls "$user"
    if ! _servers_certificates "$certificates"; then
        cat "$_servers_dir/openssl.log" >&2
        return 1
    fi
    [ "$(id -u)" != 0 ] || chown -R "$user" "$certificates"
    _amqp_port=$(_servers_free_port) _amqp_tls=$(_servers_free_port)
    _amqp_http=$(_servers_free_port)
    _amqp_epmd=$(_servers_free_port) _amqp_distribution=$(_servers_free_port)
    cat >"$home/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$_amqp_port
listeners.ssl.1 = 127.0.0.1:$_amqp_tls
ssl_options.cacertfile = $certificates/ca.pem
ssl_options.certfile = $certificates/serveur.pem
ssl_options.keyfile = $certificates/serveur.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
management.tcp.ip = 127.0.0.1
management.tcp.port = $_amqp_http
collect_statistics_interval = 1000
CONF
    printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
    : >"$home/env.conf"
    chmod 644 "$home/rabbitmq.conf" "$home/enabled_plugins" "$home/env.conf"
    # A port mapper of its own, in the foreground, so that none stays behind.
    _servers_run epmd "$user" epmd -port "$_amqp_epmd" -address 127.0.0.1
    if ! _servers_boot_rabbitmq; then
        _servers_end epmd TERM
        return 1
    fi
    export AMQP_URL="amqp://guest:guest@127.0.0.1:$_amqp_port/%2f"
    export AMQPS_URL="amqps://guest:guest@localhost:$_amqp_tls/%2f" AMQP_TLS_DIR=$certificates
    export AMQP_MGMT_URL="http://guest:guest@127.0.0.1:$_amqp_http"
}

# _servers_amqp_env CMD...: with the settings of the private node.
_servers_amqp_env() {
    local home=$_servers_dir/rabbitmq
    set -- env HOME="$home" \
        ERL_EPMD_PORT="$_amqp_epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_DIST_PORT="$_amqp_distribution" \
        RABBITMQ_NODENAME="relais-$_amqp_port@localhost" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none" \
        RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" \
        RABBITMQ_CONF_ENV_FILE="$home/env.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" \
        RABBITMQ_MNESIA_BASE="$home/data" RABBITMQ_LOG_BASE="$home/log" \
        RABBITMQ_PID_FILE="$home/pid" "$@"
    "${_amqp_as[@]}" "$@"
}

# On the ports and data that it has.
_servers_boot_rabbitmq() {
    _amqp_as=(_servers_run rabbitmq "$(_servers_user rabbitmq)")
    _servers_amqp_env "$(_servers_find_rabbitmq)"
    _servers_wait rabbitmq 90 _servers_http_ok "$_amqp_http" && return 0
    _servers_end rabbitmq TERM
    return 1
}

# rabbitmqctl of the private node.
_servers_rabbitmqctl() {
    local user
    user=$(_servers_user rabbitmq)
    _amqp_as=()
    [ "$(id -u)" != 0 ] ||
        _amqp_as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --)
    (cd "$_servers_dir/rabbitmq" &&
        _servers_amqp_env "$(dirname "$(_servers_find_rabbitmq)")/rabbitmqctl" -q "$@")
}

# --- PostgreSQL ---

_servers_start_postgres() {
    local user home=$_servers_dir/postgres password
    user=$(_servers_user postgres)
    _servers_folder postgres "$user"
    _pg_port=$(_servers_free_port)
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$password" >"$home/password"
    [ "$(id -u)" != 0 ] || chown "$user" "$home/password"
    _servers_boot_postgres || return
    export DATABASE_URL="postgres://relais:$password@127.0.0.1:$_pg_port/postgres"
}

# On the port and data that it has; data are made the first time.
_servers_boot_postgres() {
    local bin fsync=${SERVERS_FSYNC:-off} memory=128MB
    bin=$(_servers_find_postgres)
    [ "$fsync" = off ] || memory=1GB
    # Without fsync unless asked: nobody needs these data after a power cut. The rest is as in
    # production.
    # shellcheck disable=SC2016  # expanded by the inner shell
    _servers_run postgres "$(_servers_user postgres)" sh -c '
        [ -d data ] ||
            "$1/initdb" -D data -U relais -A scram-sha-256 --pwfile=password -E UTF8 --locale=C.UTF-8 --no-sync &&
            exec "$1/postgres" -D data -p "$2" -c listen_addresses=127.0.0.1 \
                -c unix_socket_directories= -c "fsync=$3" -c "shared_buffers=$4" -c max_connections=400
    ' sh "$bin" "$_pg_port" "$fsync" "$memory"
    _servers_wait postgres 60 "$bin/pg_isready" -q -h 127.0.0.1 -p "$_pg_port" && return 0
    _servers_end postgres INT
    return 1
}

# --- what callers use ---

# Tries again with other ports: somebody else may have taken one meanwhile.
_servers_start_one() {
    local try
    for try in 1 2 3; do
        if "_servers_start_$1"; then return 0; fi
        servers_say "$1 did not start (try $try of 3); its last lines:"
        tail -n 5 "$_servers_dir/$1.log" >&2
    done
    return 1
}

# Stops the servers when the shell that started them is killed without a word.
_servers_watch() {
    (
        set +m
        # shellcheck disable=SC2016  # expanded by the inner shell
        setsid bash -c '
            . "$1"
            _servers_dir=$2
            while kill -0 "$3" 2>/dev/null && [ -d "$2" ]; do sleep 1; done
            rm -f "$2/watch.pid"
            servers_stop
        ' bash "${BASH_SOURCE[0]}" "$_servers_dir" "$$" </dev/null >/dev/null 2>&1 &
        printf '%s\n' "$!" >"$_servers_dir/watch.pid"
    )
}

servers_start() {
    [ -z "$_servers_dir" ] || return 0
    _servers_install || return
    _servers_dir=$(mktemp -d "${TMPDIR:-/tmp}/relais-servers.XXXXXX") || return 1
    chmod 711 "$_servers_dir"
    _servers_watch
    if [ -z "${DATABASE_URL:-}" ]; then
        _servers_start_one postgres || { servers_stop; return 1; }
    fi
    if [ -z "${AMQP_URL:-}" ]; then
        _servers_start_one rabbitmq || { servers_stop; return 1; }
    fi
    servers_say "ready"
}

servers_stop() {
    [ -n "$_servers_dir" ] && [ -d "$_servers_dir" ] || return 0
    _servers_end watch KILL
    if [ -f "$_servers_dir/rabbitmq.pid" ]; then
        _servers_end rabbitmq TERM
        _servers_end epmd TERM
        unset AMQP_URL AMQP_MGMT_URL AMQPS_URL AMQP_TLS_DIR
    fi
    if [ -f "$_servers_dir/postgres.pid" ]; then
        # INT is PostgreSQL's fast shutdown.
        _servers_end postgres INT
        unset DATABASE_URL
    fi
    rm -rf "$_servers_dir"
    _servers_dir=""
}

# One order a line, answered by « ok », or « failed » and what is known of it; the end of the input
# stops everything:
#   stop SERVER | kill SERVER | start SERVER     SERVER is rabbitmq or postgres; data and ports stay
#   rabbitmqctl ARGS...                          of the private broker
servers_serve() {
    local order args output
    unset AMQP_URL AMQP_MGMT_URL DATABASE_URL
    servers_start || return
    printf '%s\n' "$AMQP_URL" "$AMQP_MGMT_URL" "$DATABASE_URL"
    while read -r order args; do
        if output=$(_servers_obey "$order" "$args" 2>&1 </dev/null); then
            printf 'ok\n'
        else
            printf 'failed %s\n' "${output//$'\n'/ }"
        fi
    done
}

_servers_obey() {
    case "$1 $2" in
        "stop rabbitmq") _servers_end rabbitmq TERM ;;
        "stop postgres") _servers_end postgres INT ;;
        "kill rabbitmq" | "kill postgres")
            # The whole session: a server's children do not outlive it.
            kill -KILL -- "-$(cat "$_servers_dir/$2.pid")"
            _servers_end "$2" KILL
            ;;
        "start rabbitmq") _servers_boot_rabbitmq ;;
        "start postgres") _servers_boot_postgres ;;
        rabbitmqctl\ *)
            local words
            # Quoted as in a shell: the orders come from a test, never from outside.
            eval "words=($2)"
            _servers_rabbitmqctl "${words[@]}"
            ;;
        *) echo "unknown order" >&2 && return 64 ;;
    esac
}

# Run, not sourced.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    if [ "$*" != serve ] && { [ "${1:-}" != exec ] || [ $# -lt 2 ]; }; then
        echo "usage: tests/servers.sh exec CMD... | serve" >&2
        exit 64
    fi
    trap servers_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ "$1" = serve ]; then
        servers_serve
        exit
    fi
    shift
    servers_start || exit
    "$@"
    exit
fi
