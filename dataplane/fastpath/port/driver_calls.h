// Where DPDK 22.11 asks the kernel for what does us harm and has no option against it, the linker (--wrap)
// leads its call here first:
// - rte_vfio_enable: EAL ends where /sys/module is missing, as in plain containers, though nothing wants
// VFIO.
// - socket: net_af_packet opens its sockets for all protocols, which hands them the frames of every interface
//   until they are bound; binding then loses some. So a port began with foreign frames and a hole. Opened for
//   no protocol they begin with the binding (packet(7)).
// - setsockopt: net_af_packet joins a fanout group though it has one queue, and has the kernel put IP
//   fragments together in it: an incomplete datagram vanishes uncounted.
// They take part in every program that links DPDK. Threading: set_vfio_needed() before start_eal(); the rest
// is pure.
#pragma once

namespace headgate::fastpath {

// Whether a device on the PCI bus is wanted: then a missing /sys/module ends the start as it ever did.
void set_vfio_needed(bool needed) noexcept;
bool sysfs_has_modules() noexcept;

}  // namespace headgate::fastpath
