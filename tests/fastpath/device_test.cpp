#include "dataplane/fastpath/port/device.h"

#include <gtest/gtest.h>

namespace headgate::fastpath {
namespace {

TEST(Device, NamesWhatDpdkIsAskedFor) {
  struct Case {
    const char* text;
    const char* name;
    const char* arguments;
  };
  const Case cases[] = {
      {"af_packet:eth1", "net_af_packet3",
       "iface=eth1,framecnt=8192,framesz=2048,blocksz=262144,qdisc_bypass=1"},
      {"af_xdp:eth1", "net_af_xdp3", "iface=eth1,start_queue=0,queue_count=1"},
      {"tap:hg0", "net_tap3", "iface=hg0"},
      {"memif:/run/m.sock", "net_memif3", "role=server,socket=/run/m.sock,socket-abstract=no,rsize=11"},
      {"memif:/run/m.sock,role=client,id=4", "net_memif3",
       "role=client,socket=/run/m.sock,socket-abstract=no,rsize=11,id=4"},
      {"pcap:/t/a.pcap", "net_pcap3", "rx_pcap=/t/a.pcap,tx_pcap=/t/a.pcap.out.pcap"},
      {"pcap:rx=/t/a.pcap,tx=/t/b.pcap", "net_pcap3", "rx_pcap=/t/a.pcap,tx_pcap=/t/b.pcap"},
      {"pci:0000:3b:00.0", "0000:3b:00.0", ""},
      {"dpdk:net_null0,size=64", "net_null0", "size=64"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto device = parse_device(c.text, 3);
    ASSERT_TRUE(device) << device.error();
    EXPECT_EQ(device->name, c.name);
    EXPECT_EQ(device->arguments, c.arguments);
  }
  EXPECT_TRUE(parse_device("pci:0000:3b:00.0", 0)->needs_pci_scan);
  EXPECT_FALSE(parse_device("dpdk:net_null0", 0)->needs_pci_scan);
}

TEST(Device, RefusesWhatItCantNameWithTheText) {
  for (const char* text :
       {"eth1", "af_packet:", "af_packet:eth1,framecnt=1", "af_packet:much-too-long-name", "memif:rel",
        "memif:/m,role=master", "pcap:", "pcap:rx=a,zz=b", "pci:", "dpdk:", "foo:bar"}) {
    SCOPED_TRACE(text);
    const auto device = parse_device(text, 0);
    ASSERT_FALSE(device);
    EXPECT_NE(device.error().find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace headgate::fastpath
