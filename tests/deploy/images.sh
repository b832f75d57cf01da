# What the images are built in, to be sourced. Whoever sources it has set `source`, this repository; `static`, the folder of
# the static programs; `work`, a folder that goes away at the end.

# $work/context is as a clone where the programs have been built, and podman and buildah keep what they make in $work.
lay_out_images() {
  mkdir -p "$work/context/build/release/bin" "$work/context/deploy"
  cp -r "$source/deploy/container" "$work/context/deploy/"
  cp "$static/specula-agent" "$static/specula" "$work/context/build/release/bin/"
  cat >"$work/storage.conf" <<CONF
[storage]
driver = "vfs"
graphroot = "$work/store"
runroot = "$work/run"
CONF
  export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
}
