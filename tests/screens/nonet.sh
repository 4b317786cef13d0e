#!/bin/sh
# Runs a command where no network interface but loopback is, and that one is down.
# usage: tests/screens/nonet.sh COMMAND...
[ -n "${NONET-}" ] || NONET=1 exec unshare -rnm "$0" "$@"
mount -t sysfs sys /sys && exec "$@"
