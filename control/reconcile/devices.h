// Whether the devices of the node file are there, as far as control can see: a fast path that is started with
// one that is not dies at its start, and every channel is dark meanwhile. Control and the fast path share the
// network namespace and the file system. Threading: pure but for what they look at.
#pragma once

#include <string>
#include <vector>

#include "config/model/model.h"

namespace headgate::control {

// "" where the device is there or can't be judged from here (tap:, memif:, dpdk:); else what is missing, with
// the remedy.
std::string missing_device(const std::string& device,
                           const std::string& pci_devices = "/sys/bus/pci/devices");

// "interfaces.cap0.device: this host has no ..." of each interface that comes or gets another device.
std::vector<std::string> missing_devices(const config::Node& running, const config::Node& wanted);

}  // namespace headgate::control
