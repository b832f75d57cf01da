#!/usr/bin/env bash
# Installs what building, testing and running Specula takes, from Debian's packages only.
#
#   deploy/install-deps.sh          what a build and the tests take
#   deploy/install-deps.sh --build  what a build takes, and nc for what quickstart shows
#   deploy/install-deps.sh --lint   what .ci/run takes besides: clang, clang-tidy, clang-format, buf, Java, podman (which opens
#                                   ports by iptables), and what a Kubernetes of one node takes
#
# Asks for root only if something is missing. Safe to run again.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config git ca-certificates
  libgrpc++-dev libgrpc-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libprotoc-dev
  libabsl-dev libssl-dev libc-ares-dev libre2-dev zlib1g-dev
  libboost-dev libcli11-dev libtomlplusplus-dev libyaml-cpp-dev libncurses-dev libedit-dev netcat-openbsd)
tests=(libgtest-dev libgmock-dev libbenchmark-dev openssl procps iproute2 tmux zsh fish man-db mandoc groff-base
  openssh-client busybox binutils
  systemd systemd-container debootstrap lintian logrotate
  python3 python3-grpcio python3-protobuf python3-pytest python3-pip python3-setuptools python3-wheel
  libfuse2 python3-fusepy)
lint=(shellcheck clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev nodejs npm python3-venv openjdk-17-jdk-headless maven buildah podman crun iptables
  etcd-server containerd runc containernetworking-plugins ipset)

wanted=("${build[@]}")
case "${1:-}" in
  --build) ;;
  --lint) wanted+=("${tests[@]}" "${lint[@]}") ;;
  "") wanted+=("${tests[@]}") ;;
  *) echo "usage: deploy/install-deps.sh [--build|--lint]" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  # These may be there without being Debian's.
  case "$package" in npm|nodejs|containerd|runc) command -v "${package/nodejs/node}" >/dev/null && continue ;; esac
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps.sh: root or sudo is needed to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update &&
       "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "install-deps.sh: apt-get failed; its last lines are above" >&2
  exit 1
fi
