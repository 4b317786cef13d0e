#!/bin/bash
# Runs a command on a machine whose only removable device is a made-up one: a loop device over IMAGE, which is made, with
# a file system, if it is not there. In a mount namespace of its own; root only.
# usage: tests/screens/removable.sh check | IMAGE COMMAND...
set -u
if [ "$1" = check ]; then
    [ "$(id -u)" = 0 ] && command -v mkfs.ext4 losetup unshare >/dev/null && losetup -f >/dev/null &&
        unshare -m mount -t tmpfs none /sys/block
    exit
fi
image=$1
shift
if [ ! -e "$image" ]; then
    truncate -s 16M "$image"
    mkfs.ext4 -q -L STICKA "$image" || exit 1
fi
loop=$(losetup -f --show "$image") || exit 1
exec 9<"$loop"
losetup -d "$loop" # for good when nobody has it open any more
exec unshare -m bash -c '
    name=${0#/dev/}
    mount -t tmpfs none /sys/block && mkdir "/sys/block/$name" && cd "/sys/block/$name" || exit 1
    echo 1 >removable && echo 0 >ro && echo 32768 >size && cd "$OLDPWD" && exec "$@"' "$loop" "$@"
