# shellcheck shell=bash
# What the scripts share: messages, missing packages, a Docker Engine, the base image, casement's image, the guests.
#
# Nothing here is done twice: a package that is there is not asked for, a daemon that answers is not started, an image that
# exists is not made again.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
base_image=debian:trixie-slim
# The pid of the dockerd that docker_up started, else empty.
started_dockerd=

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# quietly WHAT COMMAND... - its output only when it fails.
quietly() {
	local what=$1 log
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return
	fi
	tail -n 40 "$log" >&2
	rm -f "$log"
	say "$what failed, its last lines are above"
	return 1
}

# need COMMAND_OR_FILE=PACKAGE... - install the Debian packages whose command or file is missing.
need() {
	local pair what missing=()
	for pair in "$@"; do
		what=${pair%%=*}
		if [[ $what == /* ]]; then [[ -e $what ]] && continue; else command -v "$what" >/dev/null && continue; fi
		missing+=("${pair#*=}")
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null || die "please install what Debian calls ${missing[*]}: there is no apt-get here"
	[[ $EUID == 0 ]] || die "please run as root, or install ${missing[*]}"
	say "installing ${missing[*]}"
	quietly "apt-get update" apt-get -q -o DPkg::Lock::Timeout=300 update
	quietly "apt-get install" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
}

docker_answers() { timeout 15 docker info >/dev/null 2>&1; }

# dockerd wants the cgroup controllers; a machine without systemd may not have them.
mount_cgroups() {
	grep -q ' cgroup2\? ' /proc/mounts || mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
		die "no cgroups are mounted and /sys/fs/cgroup does not take them: Docker cannot run on this machine"
}

# docker_up LOG - a Docker Engine that answers. One that has to be started writes to LOG and outlives this script; who wants it
# gone calls docker_down.
docker_up() {
	local log=$1 waited
	if command -v docker >/dev/null && docker_answers; then return; fi
	[[ -z ${DOCKER_HOST:-} ]] || die "the Docker Engine at DOCKER_HOST=$DOCKER_HOST does not answer"
	need dockerd=docker.io
	# Debian 13 has the client in a package of its own.
	need docker=docker-cli
	if docker_answers; then return; fi
	[[ $EUID == 0 ]] || die "no Docker Engine answers: please start it, or run as root"
	if [[ -d /run/systemd/system ]]; then
		quietly "systemctl start docker" systemctl start docker
	else
		mount_cgroups
		say "no Docker Engine answers: starting dockerd, its log is $log"
		setsid dockerd >"$log" 2>&1 </dev/null &
		started_dockerd=$!
	fi
	for ((waited = 0; waited < 60; waited++)); do
		if docker_answers; then return; fi
		if [[ $started_dockerd ]] && ! kill -0 "$started_dockerd" 2>/dev/null; then break; fi
		sleep 1
	done
	if [[ -s $log ]]; then tail -n 20 "$log" >&2; fi
	die "the Docker Engine did not start"
}

docker_down() {
	[[ $started_dockerd ]] || return 0
	kill "$started_dockerd" 2>/dev/null || true
	wait "$started_dockerd" 2>/dev/null || true
	started_dockerd=
}

# The image that everything is built on: present, pulled, or made from Debian's packages where there is no registry.
base_image_up() {
	if docker image inspect "$base_image" >/dev/null 2>&1; then return; fi
	say "getting $base_image"
	if timeout 120 docker pull -q "$base_image" >/dev/null 2>&1 </dev/null; then return; fi
	say "no registry has it: making it from Debian's packages"
	need mmdebstrap=mmdebstrap
	# The keys of Debian 13 are younger than Debian 12.
	[[ -e /usr/share/keyrings/debian-archive-trixie-stable.gpg ]] ||
		quietly "apt-get install" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y debian-archive-keyring
	local tar
	tar=$(mktemp --suffix=.tar)
	if ! quietly mmdebstrap mmdebstrap --variant=minbase trixie "$tar" ||
		! quietly "docker import" docker import -c 'CMD ["bash"]' "$tar" "$base_image"; then
		rm -f "$tar"
		return 1
	fi
	rm -f "$tar"
}

# build_image TAG [TARGET] - from this tree. Docker's cache makes it cheap when nothing changed.
build_image() {
	# Once, whoever else wants it at the same time.
	(
		flock 9
		base_image_up
	) 9>"${TMPDIR:-/tmp}/casement-base-image.lock"
	quietly "docker build" docker build --force-rm -t "$1" -f "$top/docker/Dockerfile" --target "${2:-casement}" "$top"
}

# build_guests NAME... - the stand-in guests' images; their paths, one a line.
build_guests() { "$top/tests/guests/build" "$@" </dev/null; }
