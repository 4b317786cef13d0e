/* Is this machine on a network? The appliance asks before it shows its first screen. */
#ifndef APPLIANCE_NETCHECK_H
#define APPLIANCE_NETCHECK_H

#include "ceremony/base/err.h"

/* OK if no network interface but loopback is up, with a cable or without, with an address or without:
 * neither for this process (getifaddrs) nor for the machine (class: directory of interfaces as the kernel
 * shows it; NULL: /sys/class/net; one that is not there is not looked at). ERR_RULE names the interface;
 * ERR_IO if it cannot be told. Nothing is ever changed. */
MUST err_t netcheck(const char *class, struct fault *f);

#endif
