#include "control/reconcile/devices.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace headgate::control {
namespace {

std::string missing_link(const std::string& name) {
  if (::if_nametoindex(name.c_str()) != 0) return "";
  return "this host has no network interface '" + name + "': ip link lists them";
}

// Opened, not asked for with access(): that judges by the real user and ignores capabilities.
std::string unreadable_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return "can't read '" + path + "': " + std::strerror(errno) + "; name a capture that is there";
  ::close(fd);
  return "";
}

// "pcap:FILE", or "pcap:rx=FILE,tx=FILE" in any order.
std::string missing_capture(const std::string& rest) {
  if (!rest.starts_with("rx=") && !rest.starts_with("tx=")) return unreadable_file(rest);
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t end = std::min(rest.find(',', at), rest.size());
    const std::string option = rest.substr(at, end - at);
    at = end + 1;
    if (!option.starts_with("rx=")) continue;
    if (auto missing = unreadable_file(option.substr(3)); !missing.empty()) return missing;
  }
  return "";
}

// A PCI address may be written without its domain, the kernel's names have it.
std::string missing_pci(const std::string& rest, const std::string& pci_devices) {
  std::string address = rest.substr(0, rest.find(','));
  if (address.size() == 7) address = "0000:" + address;
  std::transform(address.begin(), address.end(), address.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  if (::access(pci_devices.c_str(), F_OK) != 0) return "";  // hidden from us, not missing
  if (::access((pci_devices + "/" + address).c_str(), F_OK) == 0) return "";
  return "this host has no PCI device " + address + ": lspci -D lists them";
}

}  // namespace

std::string missing_device(const std::string& device, const std::string& pci_devices) {
  const auto colon = device.find(':');
  if (colon == std::string::npos) return "";
  const std::string kind = device.substr(0, colon);
  const std::string rest = device.substr(colon + 1);
  if (kind == "af_packet" || kind == "af_xdp") return missing_link(rest);
  if (kind == "pcap") return missing_capture(rest);
  if (kind == "pci") return missing_pci(rest, pci_devices);
  return "";
}

std::vector<std::string> missing_devices(const config::Node& running, const config::Node& wanted) {
  std::vector<std::string> missing;
  for (const config::Interface& interface : wanted.interfaces) {
    const bool runs = std::any_of(running.interfaces.begin(), running.interfaces.end(),
                                  [&](const config::Interface& other) {
                                    return other.name == interface.name && other.device == interface.device;
                                  });
    if (runs) continue;
    if (const auto what = missing_device(interface.device); !what.empty())
      missing.push_back("interfaces." + interface.name + ".device: " + what);
  }
  return missing;
}

}  // namespace headgate::control
