#include "control/reconcile/devices.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temp_dir.h"

namespace headgate::control {
namespace {

TEST(Devices, AreThereWhereTheKernelHasTheLink) {
  EXPECT_EQ(missing_device("af_packet:lo"), "");
  EXPECT_EQ(missing_device("af_packet:nope"),
            "this host has no network interface 'nope': ip link lists them");
  EXPECT_EQ(missing_device("af_xdp:nope"), "this host has no network interface 'nope': ip link lists them");
}

TEST(Devices, AreThereWhereTheCaptureCanBeRead) {
  TempDir dir;
  const std::string file = dir.path + "/a.pcap";
  std::ofstream(file) << "x";
  EXPECT_EQ(missing_device("pcap:" + file), "");
  EXPECT_EQ(missing_device("pcap:tx=" + dir.path + "/out.pcap,rx=" + file), "");
  const std::string none =
      "can't read '" + dir.path + "/b.pcap': No such file or directory; name a capture that is there";
  EXPECT_EQ(missing_device("pcap:" + dir.path + "/b.pcap"), none);
  EXPECT_EQ(missing_device("pcap:tx=" + file + ",rx=" + dir.path + "/b.pcap"), none);
}

TEST(Devices, AreThereWhereThePciBusHasThem) {
  TempDir dir;
  std::filesystem::create_directories(dir.path + "/0000:3b:00.0");
  EXPECT_EQ(missing_device("pci:0000:3b:00.0", dir.path), "");
  EXPECT_EQ(missing_device("pci:3B:00.0,rxq=2", dir.path), "");
  EXPECT_EQ(missing_device("pci:0000:3b:00.1", dir.path),
            "this host has no PCI device 0000:3b:00.1: lspci -D lists them");
  EXPECT_EQ(missing_device("pci:0000:3b:00.1", dir.path + "/none"), "");
}

TEST(Devices, AreNotJudgedWhereTheFastPathMakesThem) {
  for (const char* device : {"tap:nope", "memif:/run/nope.sock", "dpdk:net_null0"})
    EXPECT_EQ(missing_device(device), "") << device;
}

TEST(Devices, AreLookedAtWhereTheyComeOrChange) {
  config::Node running, wanted;
  config::Interface interface;
  interface.name = "cap0";
  interface.device = "af_packet:gone";
  running.interfaces.push_back(interface);
  wanted = running;
  EXPECT_TRUE(missing_devices(running, wanted).empty());
  wanted.interfaces[0].device = "af_packet:nope";
  interface.name = "cap1";
  wanted.interfaces.push_back(interface);
  EXPECT_EQ(missing_devices(running, wanted),
            (std::vector<std::string>{
                "interfaces.cap0.device: this host has no network interface 'nope': ip link lists them",
                "interfaces.cap1.device: this host has no network interface 'gone': ip link lists them"}));
}

}  // namespace
}  // namespace headgate::control
