// What the bridge gives up: it faces the Internet.
// Capabilities: all but CAP_NET_BIND_SERVICE (a listener below port 1024 may be added at run time), bounding
// set included. System calls: a list of those that serving and fetching need, by seccomp; sockets of IPv4 and
// IPv6 only, no memory that can be run, threads but no processes. One filter, whether the map has something
// to connect to or not: an apply may add it at any time, and a filter can't be widened. Anything else fails
// with EPERM; starting a program, or tracing one, kills the process. Names are looked up by the C library,
// which goes without what it is refused here (nscd, netlink, modules of nsswitch.conf not in libc).
// Threading: call once, before any thread is started: those made later inherit all of it, earlier ones
// nothing.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace headgate::bridge::app {

// As many descriptors as the hard limit allows; no core files.
void set_limits();
tl::expected<void, std::string> enter_sandbox();

}  // namespace headgate::bridge::app
